//! A comparison of two runs for machines. Figures are in the unit that their name ends with.

use super::shared::Passes;
use crate::compare::{Change, Comparison, Row};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Two runs beside each other.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct ComparisonResult {
    verdict: Passes,
    /// Every figure that both runs have.
    figures: Vec<Figure>,
    scenarios_of_baseline_alone: Vec<String>,
    scenarios_of_new_alone: Vec<String>,
    alerts_of_baseline_alone: Vec<String>,
    alerts_of_new_alone: Vec<String>,
    /// Scenarios with too few common seeds to tell, and how many these have.
    too_few_seeds: BTreeMap<String, usize>,
}

/// One figure in both runs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Figure {
    /// Its name in gates.
    metric: &'static str,
    scenario: String,
    /// What else it is of.
    labels: BTreeMap<String, String>,
    /// Seeds under which both runs have it.
    seeds: usize,
    baseline: f64,
    now: f64,
    difference: f64,
    /// Lower bound of the difference, 95 %; `null` where there are too few seeds.
    lo: Option<f64>,
    /// Upper bound.
    hi: Option<f64>,
    change: Word,
}

/// What a difference is.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Word {
    /// Worse, and proven.
    Worse,
    /// It looks worse, and there are too few common seeds to tell.
    TooFewSeeds,
    /// Larger than what is no difference, and not proven.
    NotProven,
    /// Better, and proven.
    Better,
    /// None.
    Same,
}

impl From<Change> for Word {
    fn from(change: Change) -> Self {
        match change {
            Change::Worse => Self::Worse,
            Change::TooFew => Self::TooFewSeeds,
            Change::Unclear => Self::NotProven,
            Change::Better => Self::Better,
            Change::Same => Self::Same,
        }
    }
}

impl From<&Row> for Figure {
    fn from(row: &Row) -> Self {
        Self {
            metric: row.metric.name,
            scenario: row.scenario.clone(),
            labels: row.labels.clone(),
            seeds: row.seeds,
            baseline: row.base,
            now: row.new,
            difference: row.new - row.base,
            lo: row.interval.map(|(low, _)| low),
            hi: row.interval.map(|(_, high)| high),
            change: row.change.into(),
        }
    }
}

impl From<&Comparison> for ComparisonResult {
    fn from(comparison: &Comparison) -> Self {
        let (
            [scenarios_of_baseline_alone, scenarios_of_new_alone],
            [alerts_of_baseline_alone, alerts_of_new_alone],
        ) = (comparison.alone.clone(), comparison.alerts.clone());
        Self {
            verdict: comparison.passes().into(),
            figures: comparison.rows.iter().map(Figure::from).collect(),
            scenarios_of_baseline_alone,
            scenarios_of_new_alone,
            alerts_of_baseline_alone,
            alerts_of_new_alone,
            too_few_seeds: comparison.few.iter().cloned().collect(),
        }
    }
}
