//! One drill, for machines.

mod alert;
mod heard;
mod incident;

use super::Word;
use crate::record;
use crate::result::routed::Routed;
use crate::result::seconds;
use crate::result::shared::Waits;
use crate::score;
use crate::{DrillScore, record::Audit};
use alert::{Alert, Class};
use heard::AlertSources;
use incident::Incident;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// A drill, scored.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Drill {
    scenario: String,
    family: String,
    seed: u64,
    started_unix_seconds: f64,
    /// Engine and speed, for people.
    engine: String,
    verdict: Word,
    /// Why it proves nothing.
    inconclusive: Vec<String>,
    incidents: Vec<Incident>,
    /// In the order of the pack.
    alerts: Vec<Alert>,
    /// Firings of alerts, judged.
    episodes: Vec<Episode>,
    /// Alerts that were on before anything was wrong.
    standing: Vec<Standing>,
    group_wait_seconds: f64,
    group_interval_seconds: f64,
    /// What an Alertmanager file made of it.
    alertmanager: Option<Routed>,
    /// What was scored instead of the built-in detector; left out where that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    alert_sources: Option<AlertSources>,
    /// Scored time outside of incidents.
    exposure_seconds: f64,
    /// What happened to every task.
    audit: Option<Audit>,
    /// Accepted, never succeeded, and out of anybody's reach.
    jobs_lost: Option<u64>,
    /// Executed again although nobody was told that the execution before had failed.
    jobs_duplicated: Option<u64>,
    /// In Redis at the end, and nobody will run them as things are.
    jobs_stuck: Option<u64>,
    remedies: Vec<Remedy>,
    /// By queue; empty for records that do not tell.
    waits: BTreeMap<String, Waits>,
    /// How well time was kept.
    lag: Option<record::Lag>,
    rule_errors: Vec<String>,
}

/// A firing of an alert, judged. Times count from the start of the drill.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Episode {
    alert: String,
    severity: String,
    page: bool,
    class: Class,
    /// The incident it belongs to.
    incident: Option<u32>,
    /// Others that it saw as well.
    also_incidents: Vec<u32>,
    pending_seconds: f64,
    firing_seconds: f64,
    /// When somebody was told; `null`: nobody was.
    delivered_seconds: Option<f64>,
    end_seconds: f64,
    /// Whether it was still firing at the end of the drill.
    open: bool,
}

/// An alert that was on before anything was wrong. Times count from the start of the drill.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Standing {
    alert: String,
    severity: String,
    page: bool,
    since_seconds: f64,
    firing_seconds: f64,
    /// `null`: to the end.
    end_seconds: Option<f64>,
}

/// What a remedy came to; `null` where there was nothing to tell from.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Remedy {
    id: String,
    remedy: String,
    targets: Vec<String>,
    at_seconds: f64,
    saw: String,
    /// Ids of the steps it ended.
    ends: Vec<String>,
    /// Tasks that waited then.
    backlog: Option<u64>,
    /// From then until they were gone.
    drained_seconds: Option<f64>,
    /// From then until no task was harmed any more.
    harm_seconds: Option<f64>,
    effect: Option<Effect>,
    cost: Option<Cost>,
}

/// Whether a remedy helped.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Effect {
    Helped,
    DidNotHelp,
    MadeItWorse,
}

/// What a remedy threw away: all of it, zeros too.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
struct Cost {
    executions_cut_off: u64,
    work_lost_seconds: f64,
    tasks_archived: u64,
    tasks_deleted: u64,
    executions_failed_again: u64,
    tasks_stranded: u64,
}

impl Drill {
    pub(super) fn new(drill: &DrillScore) -> Self {
        let waits = drill.waits.iter();
        let audit = drill.audit.as_ref();
        Self {
            scenario: drill.scenario.clone(),
            family: drill.family.clone(),
            seed: drill.seed,
            started_unix_seconds: seconds(drill.epoch_ms),
            engine: drill.engine.clone(),
            verdict: drill.verdict.into(),
            inconclusive: drill.inconclusive.clone(),
            incidents: drill.incidents.iter().map(Incident::from).collect(),
            alerts: drill
                .alerts
                .iter()
                .map(|score| Alert::new(drill, score))
                .collect(),
            episodes: drill.episodes.iter().map(Episode::from).collect(),
            standing: drill.standing.iter().map(Standing::from).collect(),
            group_wait_seconds: seconds(drill.delivery.group_wait_ms),
            group_interval_seconds: seconds(drill.delivery.group_interval_ms),
            alertmanager: drill.routed.as_ref().map(Routed::from),
            alert_sources: drill.heard.as_ref().map(AlertSources::from),
            exposure_seconds: seconds(drill.exposure_ms),
            audit: drill.audit.clone(),
            jobs_lost: audit.and_then(Audit::jobs_lost),
            jobs_duplicated: audit.and_then(Audit::jobs_duplicated),
            jobs_stuck: audit.and_then(Audit::jobs_stuck),
            remedies: drill.remedies.iter().map(Remedy::from).collect(),
            waits: waits
                .map(|queue| (queue.queue.clone(), (&queue.counts).into()))
                .collect(),
            lag: drill.lag.clone(),
            rule_errors: drill.rule_errors.clone(),
        }
    }
}

impl From<&score::judge::Judged> for Episode {
    fn from(judged: &score::judge::Judged) -> Self {
        let episode = &judged.episode;
        Self {
            alert: episode.alert.clone(),
            severity: episode.severity.clone(),
            page: judged.page,
            class: judged.class.into(),
            incident: judged.incident,
            also_incidents: judged.also.clone(),
            pending_seconds: seconds(episode.pending_ms),
            firing_seconds: seconds(episode.start_ms),
            delivered_seconds: episode.sent.then(|| seconds(episode.delivered_ms)),
            end_seconds: seconds(episode.end_ms),
            open: episode.open,
        }
    }
}

impl From<&score::Standing> for Standing {
    fn from(found: &score::Standing) -> Self {
        Self {
            alert: found.alert.clone(),
            severity: found.severity.clone(),
            page: found.page,
            since_seconds: seconds(found.since_ms),
            firing_seconds: seconds(found.fired_ms),
            end_seconds: found.until_ms.map(seconds),
        }
    }
}

impl From<&score::RemedyScore> for Remedy {
    fn from(remedy: &score::RemedyScore) -> Self {
        Self {
            id: remedy.id.clone(),
            remedy: remedy.what.clone(),
            targets: remedy.targets.clone(),
            at_seconds: seconds(remedy.at_ms),
            saw: remedy.saw.clone(),
            ends: remedy.ends.clone(),
            backlog: remedy.backlog,
            drained_seconds: remedy.drained_ms.map(seconds),
            harm_seconds: remedy.harm_ms.map(seconds),
            effect: remedy.effect.map(|effect| match effect {
                score::Effect::Helped => Effect::Helped,
                score::Effect::DidNotHelp => Effect::DidNotHelp,
                score::Effect::MadeWorse => Effect::MadeItWorse,
            }),
            cost: remedy.cost.map(Cost::from),
        }
    }
}

impl From<record::Cost> for Cost {
    fn from(cost: record::Cost) -> Self {
        Self {
            executions_cut_off: cost.cut_off,
            work_lost_seconds: cost.work_lost_ms as f64 / 1e3,
            tasks_archived: cost.archived,
            tasks_deleted: cost.deleted,
            executions_failed_again: cost.failed_again,
            tasks_stranded: cost.stranded,
        }
    }
}
