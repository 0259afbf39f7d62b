//! A scorecard for machines.

mod drill;
mod summary;

use super::check::Rules;
use super::gates::GatesResult;
use crate::score::Called;
use crate::{Scorecard, Verdict};
use drill::Drill;
use schemars::JsonSchema;
use serde::Serialize;
use summary::Summary;

/// Drills, and how alerts did on them.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct ScorecardResult {
    verdict: Word,
    /// All conclusive drills together: pages, and the incidents that deserve one.
    summary: Summary,
    /// The same of tickets; `null` where there are neither tickets nor incidents that deserve no more.
    tickets: Option<Summary>,
    /// The drills, those with incidents first.
    drills: Vec<Drill>,
    /// Alerts that had data and never fired.
    never_fired: Vec<String>,
    /// Alerts none of whose selectors matched any series.
    never_had_data: Vec<String>,
    /// Alerts with a rule that fails the gate.
    dead_rules: Vec<String>,
    /// Alerts that no drill was long enough for.
    cut_short: Vec<String>,
    /// Alerts that fired through every drill.
    always_firing: Vec<String>,
    /// Why rules cannot fire.
    diagnosis: Option<Rules>,
    /// What incidents of each cause were called by their symptoms.
    causes: Vec<Cause>,
    /// What gates came to; left out where nobody asked for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    gates: Option<GatesResult>,
}

/// What it came to.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Word {
    /// Somebody was told of every incident by its deadline, and nothing cried wolf.
    Passed,
    /// Not so.
    Failed,
    /// It proves nothing.
    Inconclusive,
}

impl From<Verdict> for Word {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Passed => Self::Passed,
            Verdict::Failed => Self::Failed,
            Verdict::Inconclusive => Self::Inconclusive,
        }
    }
}

/// Incidents of one cause that were called the same.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Cause {
    /// The cause they had.
    cause: String,
    /// The causes that were named; several cannot be told apart.
    called: Vec<&'static str>,
    /// How many incidents.
    incidents: u64,
}

impl From<&Called> for Cause {
    fn from(one: &Called) -> Self {
        Self {
            cause: one.cause.clone(),
            called: one.named.clone(),
            incidents: one.incidents,
        }
    }
}

impl ScorecardResult {
    pub(super) fn new(card: &Scorecard) -> Self {
        Self {
            verdict: card.verdict().into(),
            summary: (&card.summary).into(),
            tickets: card.tickets.as_ref().map(Summary::from),
            drills: card.drills.iter().map(Drill::new).collect(),
            never_fired: card.never_fired.clone(),
            never_had_data: card.never_had_data.clone(),
            dead_rules: card.dead.clone(),
            cut_short: card.cut_short.clone(),
            always_firing: card.always_firing.clone(),
            diagnosis: card.diagnosis.as_ref().map(Rules::from),
            causes: card.called.iter().map(Cause::from).collect(),
            gates: card.gated.as_ref().map(GatesResult::from),
        }
    }
}
