//! What an incident came to, for machines.

use super::alert::Role;
use crate::result::routed::KeptBack;
use crate::result::seconds;
use crate::result::shared::Deserves;
use crate::score::IncidentScore;
use crate::score::judge;
use schemars::JsonSchema;
use serde::Serialize;

/// An incident, and what it came to. Times count from the start of the drill, unless they say from what.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Incident {
    /// Number in the plan.
    id: u32,
    cause: String,
    wanted: Deserves,
    outcome: Outcome,
    /// Told before anybody was harmed, and after the deadline.
    past_deadline: bool,
    /// Missed, and a right alert fired when it was over.
    seen_after: bool,
    /// The alert that fired for it without anybody being told.
    unsent: Option<String>,
    /// What kept that back.
    kept_back: Option<KeptBack>,
    fault_seconds: f64,
    /// First harmed task.
    impact_start_seconds: Option<f64>,
    fault_over_seconds: f64,
    /// End of the fault or of its impact, whichever is later.
    end_seconds: f64,
    deadline_seconds: f64,
    detection: Option<Detection>,
    /// The alert that paged first, right or wrong.
    first_page: Option<String>,
    first_page_role: Option<Role>,
    harmed_tasks: u64,
    /// How long users were harmed.
    impact_seconds: f64,
    /// Of it, before anybody was told.
    undetected_seconds: f64,
    /// From the end of the incident until the last right alert was over.
    reset_seconds: Option<f64>,
    /// From the fault until the alert let go although it went on.
    self_resolved_seconds: Option<f64>,
    /// It was still on when the drill ended.
    reset_is_at_least: bool,
    /// How long no right alert fired between its first and its last.
    gap_seconds: f64,
}

/// What became of an incident.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// Somebody was told before any task was harmed.
    Early,
    /// Somebody was told by the deadline.
    InTime,
    /// Somebody was told after the deadline.
    Late,
    /// Nobody was told.
    Missed,
    /// A right alert was firing already when it began.
    Masked,
    /// The drill ended, or began, too soon to tell.
    CutShort,
}

/// How it was detected.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Detection {
    alert: String,
    /// From the fault until it was pending.
    signal_lag_seconds: f64,
    /// From then until it fired.
    hold_seconds: f64,
    /// From then until somebody was told.
    delivery_seconds: f64,
    /// All of that.
    from_fault_seconds: f64,
    from_first_harm_seconds: Option<f64>,
}

impl From<judge::Outcome> for Outcome {
    fn from(outcome: judge::Outcome) -> Self {
        match outcome {
            judge::Outcome::Early => Self::Early,
            judge::Outcome::OnTime => Self::InTime,
            judge::Outcome::Late => Self::Late,
            judge::Outcome::Missed => Self::Missed,
            judge::Outcome::Masked => Self::Masked,
            judge::Outcome::Censored => Self::CutShort,
        }
    }
}

impl From<&IncidentScore> for Incident {
    fn from(incident: &IncidentScore) -> Self {
        let truth = &incident.truth;
        let detection = incident.detection.as_ref().map(|found| Detection {
            alert: found.alert.clone(),
            signal_lag_seconds: seconds(found.pending_ms - truth.fault_ms),
            hold_seconds: seconds(found.fired_ms - found.pending_ms),
            delivery_seconds: seconds(found.delivered_ms - found.fired_ms),
            from_fault_seconds: seconds(found.delivered_ms - truth.fault_ms),
            from_first_harm_seconds: truth
                .impact_ms
                .map(|harm_ms| seconds(found.delivered_ms - harm_ms)),
        });
        let let_go_ms = incident.let_go_ms;
        Self {
            id: truth.id,
            cause: truth.cause.clone(),
            wanted: truth.wanted.into(),
            outcome: incident.outcome.into(),
            past_deadline: incident.past_deadline,
            seen_after: incident.seen_after,
            unsent: incident.unsent.clone(),
            kept_back: incident.kept_back.as_ref().map(KeptBack::from),
            fault_seconds: seconds(truth.fault_ms),
            impact_start_seconds: truth.impact_ms.map(seconds),
            fault_over_seconds: seconds(truth.fault_over_ms),
            end_seconds: seconds(truth.end_ms),
            deadline_seconds: seconds(truth.deadline_ms),
            detection,
            first_page: incident.first_page.clone(),
            first_page_role: incident.first_page_role.map(Role::from),
            harmed_tasks: incident.harmed_tasks,
            impact_seconds: seconds(incident.impact_ms),
            undetected_seconds: seconds(incident.undetected_ms),
            reset_seconds: incident.reset_ms.map(seconds),
            self_resolved_seconds: let_go_ms.map(|ms| seconds(ms - truth.fault_ms)),
            reset_is_at_least: incident.reset_open,
            gap_seconds: seconds(incident.gap_ms),
        }
    }
}
