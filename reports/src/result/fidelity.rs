//! Comparisons of the two engines, for machines. The curves themselves are in the records.

use super::seconds;
use crate::fidelity::{self, Fidelity};
use crate::record;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// The two engines held against each other.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct FidelityResult {
    /// The worst of the scenarios; `null` where there are none.
    agreement: Option<Agreement>,
    /// Whether all drills prove something.
    conclusive: bool,
    scenarios: Vec<Scenario>,
}

/// How far two drills agree.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Agreement {
    /// Within the tolerance.
    Same,
    /// Not the same, but the model on the live drill's terms is.
    Explained,
    /// Neither.
    Different,
}

/// A live drill beside a virtual one.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Scenario {
    scenario: String,
    seed: u64,
    live_speed: f64,
    agreement: Agreement,
    /// Each as good as the worst of what it looks at.
    aspects: BTreeMap<&'static str, Agreement>,
    conclusive: bool,
    doubts: Vec<String>,
    /// What the live drill's harness cost.
    terms: Option<Terms>,
    verdicts: Vec<Finding>,
    transitions: Vec<Instance>,
    curves: Vec<Curve>,
    audit: Vec<Count>,
    marks: Vec<Mark>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Terms {
    round_trip_seconds: f64,
    /// How much longer handlers worked than planned, beyond two round trips.
    handler_overrun_seconds: f64,
    /// How much longer a slot was held for an execution than its handler was to work.
    slot_held_seconds: f64,
    /// By how much handlers' timers err, from their median to their 99th percentile.
    timer_spread_seconds: f64,
    late_deeds: Vec<Deed>,
}

/// A fault or remedy that took effect later than in the model.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Deed {
    step: String,
    phase: Phase,
    what: String,
    target: String,
    planned_seconds: f64,
    late_seconds: f64,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Phase {
    Begin,
    End,
    During,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Finding {
    of: String,
    live: String,
    r#virtual: String,
    virtual_on_terms: Option<String>,
    agreement: Agreement,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Instance {
    alert: String,
    labels: String,
    changes: Vec<Change>,
    changes_on_terms: Vec<Change>,
    agreement: Agreement,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    Inactive,
    Pending,
    Firing,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
struct Change {
    from: State,
    to: State,
    live_seconds: Option<f64>,
    virtual_seconds: Option<f64>,
    live_later_seconds: Option<f64>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Curve {
    of: String,
    distance: Distance,
    distance_on_terms: Option<Distance>,
    agreement: Agreement,
}

/// How far two curves are apart; shares are of the peak.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
struct Distance {
    peak: f64,
    mean: f64,
    mean_by_chance: f64,
    gap: f64,
    gap_at_seconds: f64,
    live_later_seconds: f64,
    mean_after_shift: f64,
    gap_after_shift: f64,
    scrapes_on_one_side: usize,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Count {
    of: &'static str,
    live: i64,
    r#virtual: i64,
    virtual_on_terms: Option<i64>,
    /// The least that is explained by terms and chance.
    explained_from: Option<i64>,
    /// The most.
    explained_to: Option<i64>,
    difference: i64,
    relative: f64,
    tolerance: i64,
    tolerance_for: &'static str,
    agreement: Agreement,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Mark {
    what: String,
    target: String,
    planned_seconds: f64,
    live_seconds: Option<f64>,
    virtual_seconds: Option<f64>,
    virtual_on_terms_seconds: Option<f64>,
    agreement: Agreement,
}

impl FidelityResult {
    pub(super) fn new(pairs: &[Fidelity]) -> Self {
        let worst = pairs.iter().map(Fidelity::agreement).max();
        Self {
            agreement: worst.map(Agreement::from),
            conclusive: pairs.iter().all(Fidelity::is_conclusive),
            scenarios: pairs.iter().map(Scenario::from).collect(),
        }
    }
}

impl From<fidelity::Agreement> for Agreement {
    fn from(found: fidelity::Agreement) -> Self {
        match found {
            fidelity::Agreement::Same => Self::Same,
            fidelity::Agreement::Explained => Self::Explained,
            fidelity::Agreement::Different => Self::Different,
        }
    }
}

impl From<&Fidelity> for Scenario {
    fn from(pair: &Fidelity) -> Self {
        let aspects = pair.aspects();
        Self {
            scenario: pair.scenario.clone(),
            seed: pair.seed,
            live_speed: pair.speed,
            agreement: pair.agreement().into(),
            aspects: aspects.map(|(name, found)| (name, found.into())).into(),
            conclusive: pair.is_conclusive(),
            doubts: pair.doubts.clone(),
            terms: pair.terms.as_ref().map(Terms::from),
            verdicts: pair.findings.iter().map(Finding::from).collect(),
            transitions: pair.instances.iter().map(Instance::from).collect(),
            curves: pair.curves.iter().map(Curve::from).collect(),
            audit: pair.counts.iter().map(Count::from).collect(),
            marks: pair.marks.iter().map(Mark::from).collect(),
        }
    }
}

impl From<&fidelity::Terms> for Terms {
    fn from(terms: &fidelity::Terms) -> Self {
        let deeds = terms.deeds.iter().map(|deed| Deed {
            step: deed.step.clone(),
            phase: match deed.phase {
                record::Phase::Begin => Phase::Begin,
                record::Phase::End => Phase::End,
                record::Phase::During => Phase::During,
            },
            what: deed.what.clone(),
            target: deed.target.clone(),
            planned_seconds: seconds(deed.planned_ms),
            late_seconds: seconds(deed.late_ms),
        });
        Self {
            round_trip_seconds: terms.round_trip_us as f64 / 1e6,
            handler_overrun_seconds: terms.overrun_us() as f64 / 1e6,
            slot_held_seconds: terms.held_us as f64 / 1e6,
            timer_spread_seconds: terms.spread_us as f64 / 1e6,
            late_deeds: deeds.collect(),
        }
    }
}

impl From<&fidelity::Finding> for Finding {
    fn from(found: &fidelity::Finding) -> Self {
        Self {
            of: found.what.clone(),
            live: found.live.clone(),
            r#virtual: found.model.clone(),
            virtual_on_terms: found.on_terms.clone(),
            agreement: found.agreement.into(),
        }
    }
}

impl From<&fidelity::Instance> for Instance {
    fn from(found: &fidelity::Instance) -> Self {
        Self {
            alert: found.alert.clone(),
            labels: found.labels.clone(),
            changes: found.changes.iter().map(Change::from).collect(),
            changes_on_terms: found.on_terms.iter().map(Change::from).collect(),
            agreement: found.agreement.into(),
        }
    }
}

impl From<record::AlertState> for State {
    fn from(state: record::AlertState) -> Self {
        match state {
            record::AlertState::Inactive => Self::Inactive,
            record::AlertState::Pending => Self::Pending,
            record::AlertState::Firing => Self::Firing,
        }
    }
}

impl From<&fidelity::Change> for Change {
    fn from(change: &fidelity::Change) -> Self {
        let both = change.live_ms.zip(change.model_ms);
        Self {
            from: change.from.into(),
            to: change.to.into(),
            live_seconds: change.live_ms.map(seconds),
            virtual_seconds: change.model_ms.map(seconds),
            live_later_seconds: both.map(|(live_ms, model_ms)| seconds(live_ms - model_ms)),
        }
    }
}

impl From<&fidelity::Curve> for Curve {
    fn from(found: &fidelity::Curve) -> Self {
        Self {
            of: found.what.clone(),
            distance: (&found.distance).into(),
            distance_on_terms: found.on_terms.as_ref().map(Distance::from),
            agreement: found.agreement.into(),
        }
    }
}

impl From<&fidelity::Distance> for Distance {
    fn from(distance: &fidelity::Distance) -> Self {
        Self {
            peak: distance.peak,
            mean: distance.mean,
            mean_by_chance: distance.chance,
            gap: distance.gap,
            gap_at_seconds: seconds(distance.gap_at_ms),
            live_later_seconds: seconds(distance.shift_ms),
            mean_after_shift: distance.shifted[0],
            gap_after_shift: distance.shifted[1],
            scrapes_on_one_side: distance.missing,
        }
    }
}

impl From<&fidelity::Count> for Count {
    fn from(found: &fidelity::Count) -> Self {
        Self {
            of: found.what,
            live: found.live,
            r#virtual: found.model,
            virtual_on_terms: found.on_terms,
            explained_from: found.explained.map(|[low, _]| low),
            explained_to: found.explained.map(|[_, high]| high),
            difference: found.live - found.model,
            relative: found.relative(),
            tolerance: found.tolerance,
            tolerance_for: found.why,
            agreement: found.agreement.into(),
        }
    }
}

impl From<&fidelity::MarkPair> for Mark {
    fn from(found: &fidelity::MarkPair) -> Self {
        Self {
            what: found.what.clone(),
            target: found.target.clone(),
            planned_seconds: seconds(found.planned_ms),
            live_seconds: found.live_ms.map(seconds),
            virtual_seconds: found.model_ms.map(seconds),
            virtual_on_terms_seconds: found.on_terms_ms.map(seconds),
            agreement: found.agreement.into(),
        }
    }
}
