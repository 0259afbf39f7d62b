//! Trials for machines.

use super::gates::GatesResult;
use super::seconds;
use super::shared::{Deserves, Waits};
use crate::score::stats::Latencies;
use crate::shard::Shard;
use crate::trials::{self, AlertTrials, CauseTrials, IncidentTrials, ScenarioTrials, TrialCard};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Many drills under different seeds.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct TrialsResult {
    /// Conclusive drills.
    trials: u64,
    inconclusive: u64,
    seeds: u64,
    /// Drills in which every incident was detected by its deadline and nothing cried wolf.
    passed: Option<Estimate>,
    /// Mean over causes of the share of incidents detected.
    macro_recall: Option<f64>,
    /// The same, in time.
    macro_recall_at_deadline: Option<f64>,
    false_pages_per_quiet_week: Option<Rate>,
    /// Harmless events with a page.
    benign_trip_rate: Option<Estimate>,
    scenarios: Vec<Scenario>,
    /// Over all scenarios.
    alerts: Vec<Alert>,
    causes: Vec<Cause>,
    /// What gates came to; left out where nobody asked for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    gates: Option<GatesResult>,
    /// Of drills that are only a part of what was asked for: which; left out of the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<Shard>,
}

/// The drills of one scenario.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Scenario {
    scenario: String,
    family: String,
    trials: u64,
    inconclusive: u64,
    /// Why drills prove nothing, the most frequent first.
    doubts: Vec<Doubt>,
    with_rule_errors: u64,
    passed: Option<Estimate>,
    false_pages_per_quiet_week: Option<Rate>,
    benign_trip_rate: Option<Estimate>,
    incidents: Vec<Incident>,
    alerts: Vec<Alert>,
    /// By queue.
    waits: BTreeMap<String, Waits>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Doubt {
    why: String,
    drills: u64,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Incident {
    id: u32,
    cause: String,
    wanted: Deserves,
    deadline_seconds: f64,
    /// All right alerts together.
    any: Detections,
    alerts: Vec<AlertOn>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct AlertOn {
    alert: String,
    expected_by_name: bool,
    #[serde(flatten)]
    seen: Detections,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Cause {
    cause: String,
    wanted: Deserves,
    #[serde(flatten)]
    any: Detections,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Alert {
    alert: String,
    trials: u64,
    no_data: u64,
    no_data_ok: bool,
    /// Drills in which it was on before anything was wrong, and paged.
    standing: u64,
    standing_tickets: u64,
    expected_by_name: bool,
    detections: Option<Detections>,
    false_pages: u64,
    false_tickets: u64,
    false_alarms_per_quiet_week: Option<Rate>,
    benign_trip_rate: Option<Estimate>,
    /// Incidents of other causes during which it fired.
    misattributed: u64,
    chatter: Option<Estimate>,
}

/// What was seen of incidents that should have been.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Detections {
    recall: Estimate,
    recall_at_deadline: Estimate,
    masked: u64,
    latency_until_firing: Latency,
    latency: Latency,
    self_resolved: Option<Estimate>,
    flaps: u64,
    flaps_per_detection: Option<f64>,
}

/// Misses are infinite: a `null` quantile or bound is one. An interval that is `null` as a whole is not known.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
struct Latency {
    p50_seconds: Option<f64>,
    p50_interval_seconds: Option<[Option<f64>; 2]>,
    p90_seconds: Option<f64>,
    p99_seconds: Option<f64>,
    max_seconds: Option<f64>,
    method: &'static str,
    n: usize,
}

/// How an interval was made.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Method {
    Wilson,
    Garwood,
    /// Percentiles of resampled seeds.
    Bootstrap,
    /// Each seed as one case.
    WilsonOfSeeds,
    /// Each seed's count as one event.
    GarwoodOfSeeds,
}

/// A share with its 95 % interval.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
struct Estimate {
    value: f64,
    lo: f64,
    hi: f64,
    method: Method,
    k: u64,
    n: u64,
    seeds: u64,
    /// The bounds if all cases were independent.
    naive: Option<(f64, f64)>,
}

/// A count per quiet week with its 95 % interval.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
struct Rate {
    value: f64,
    lo: f64,
    hi: f64,
    method: Method,
    k: u64,
    exposure_seconds: f64,
    seeds: u64,
    /// The bounds if the events came independently.
    naive: Option<(f64, f64)>,
}

impl TrialsResult {
    pub(super) fn new(card: &TrialCard) -> Self {
        Self {
            trials: card.trials,
            inconclusive: card.inconclusive,
            seeds: card.seeds,
            passed: card.passed.map(Estimate::from),
            macro_recall: card.macro_recall,
            macro_recall_at_deadline: card.macro_recall_by_deadline,
            false_pages_per_quiet_week: card.false_pages.map(Rate::from),
            benign_trip_rate: card.trips.map(Estimate::from),
            scenarios: card.scenarios.iter().map(Scenario::from).collect(),
            alerts: card.alerts.iter().map(Alert::from).collect(),
            causes: card.causes.iter().map(Cause::from).collect(),
            gates: card.gated.as_ref().map(GatesResult::from),
            shard: card.shard,
        }
    }
}

impl From<&ScenarioTrials> for Scenario {
    fn from(scenario: &ScenarioTrials) -> Self {
        let doubts = scenario.doubts.iter().map(|(why, drills)| Doubt {
            why: why.clone(),
            drills: *drills,
        });
        let waits = scenario.waits.iter();
        Self {
            scenario: scenario.scenario.clone(),
            family: scenario.family.clone(),
            trials: scenario.trials,
            inconclusive: scenario.inconclusive,
            doubts: doubts.collect(),
            with_rule_errors: scenario.with_rule_errors,
            passed: scenario.passed.map(Estimate::from),
            false_pages_per_quiet_week: scenario.false_pages.map(Rate::from),
            benign_trip_rate: scenario.trips.map(Estimate::from),
            incidents: scenario.incidents.iter().map(Incident::from).collect(),
            alerts: scenario.alerts.iter().map(Alert::from).collect(),
            waits: waits
                .map(|(queue, found)| (queue.clone(), found.into()))
                .collect(),
        }
    }
}

impl From<&IncidentTrials> for Incident {
    fn from(incident: &IncidentTrials) -> Self {
        let alerts = incident.alerts.iter().map(|on| AlertOn {
            alert: on.alert.clone(),
            expected_by_name: on.by_name,
            seen: (&on.seen).into(),
        });
        Self {
            id: incident.id,
            cause: incident.cause.clone(),
            wanted: incident.wanted.into(),
            deadline_seconds: seconds(incident.deadline_ms),
            any: (&incident.any).into(),
            alerts: alerts.collect(),
        }
    }
}

impl From<&CauseTrials> for Cause {
    fn from(cause: &CauseTrials) -> Self {
        Self {
            cause: cause.cause.clone(),
            wanted: cause.wanted.into(),
            any: (&cause.any).into(),
        }
    }
}

impl From<&AlertTrials> for Alert {
    fn from(alert: &AlertTrials) -> Self {
        Self {
            alert: alert.alert.clone(),
            trials: alert.trials,
            no_data: alert.no_data,
            no_data_ok: alert.no_data_ok,
            standing: alert.standing,
            standing_tickets: alert.standing_tickets,
            expected_by_name: alert.by_name,
            detections: alert.detections.as_ref().map(Detections::from),
            false_pages: alert.false_pages,
            false_tickets: alert.false_tickets,
            false_alarms_per_quiet_week: alert.false_alarms.map(Rate::from),
            benign_trip_rate: alert.trips.map(Estimate::from),
            misattributed: alert.misattributed,
            chatter: alert.chatter.map(Estimate::from),
        }
    }
}

impl From<&trials::Detections> for Detections {
    fn from(seen: &trials::Detections) -> Self {
        Self {
            recall: seen.detected.into(),
            recall_at_deadline: seen.by_deadline.into(),
            masked: seen.masked,
            latency_until_firing: Latency::new(seen, &seen.until_firing),
            latency: Latency::new(seen, &seen.until_told),
            self_resolved: seen.let_go.map(Estimate::from),
            flaps: seen.flaps,
            flaps_per_detection: seen.flaps_per_detection(),
        }
    }
}

impl Latency {
    fn new(seen: &trials::Detections, latencies: &Latencies) -> Self {
        let quantile = |q: f64| {
            let found = latencies.quantile(q).and_then(|latency| latency.ms());
            found.map(seconds)
        };
        let bounds = seen.median_interval(latencies);
        Self {
            p50_seconds: quantile(0.5),
            p50_interval_seconds: bounds
                .map(|(low, high)| [low, high].map(|bound| bound.ms().map(seconds))),
            p90_seconds: quantile(0.9),
            p99_seconds: quantile(0.99),
            max_seconds: quantile(1.0),
            method: "misses are infinite (null)",
            n: latencies.count(),
        }
    }
}

impl From<trials::Method> for Method {
    fn from(method: trials::Method) -> Self {
        match method {
            trials::Method::Wilson => Self::Wilson,
            trials::Method::Garwood => Self::Garwood,
            trials::Method::Bootstrap => Self::Bootstrap,
            trials::Method::WilsonOfSeeds => Self::WilsonOfSeeds,
            trials::Method::GarwoodOfSeeds => Self::GarwoodOfSeeds,
        }
    }
}

impl From<trials::Estimate> for Estimate {
    fn from(share: trials::Estimate) -> Self {
        Self {
            value: share.value(),
            lo: share.low,
            hi: share.high,
            method: share.method.into(),
            k: share.count,
            n: share.of,
            seeds: share.seeds,
            naive: share.naive,
        }
    }
}

impl From<trials::Rate> for Rate {
    fn from(rate: trials::Rate) -> Self {
        Self {
            value: rate.per_week(),
            lo: rate.low_per_week,
            hi: rate.high_per_week,
            method: rate.method.into(),
            k: rate.count,
            exposure_seconds: rate.exposure_ms as f64 / 1e3,
            seeds: rate.seeds,
            naive: rate.naive,
        }
    }
}
