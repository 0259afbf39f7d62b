//! Gates for machines.

use super::comparison::ComparisonResult;
use super::shared::Passes;
use crate::figures::Wrong;
use crate::gate::{self, Gated, Status};
use schemars::JsonSchema;
use serde::Serialize;

/// What gates came to.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct GatesResult {
    verdict: Passes,
    /// Each gate.
    checks: Vec<Check>,
    /// What fails without any gate: incidents missed, pages that are false.
    failings: Vec<Failing>,
    /// Failures that somebody said are known.
    known: Vec<Known>,
    /// Beside the baseline; `null` without one.
    comparison: Option<ComparisonResult>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Check {
    /// As it is written.
    gate: String,
    /// The scenario it is of, where it stands in one.
    scenario: Option<String>,
    /// Where it stands.
    file: Option<String>,
    line: Option<usize>,
    /// The figure; `null` where there is none, or it never came.
    value: Option<f64>,
    /// Whether it never came: somebody was to be told, and was not.
    never: bool,
    /// What it was compared with.
    target: Option<f64>,
    status: Word,
    /// Whether its failure is known, and excused.
    known: bool,
}

/// What a gate came to.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Word {
    Passed,
    Failed,
    /// There was nothing to judge, which fails.
    NoData,
    /// All drills that it is about prove nothing.
    Unproven,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Failing {
    /// What is wrong.
    wrong: Wrong,
    /// Cause of the incident, or name of the alert.
    name: String,
    /// The scenario it was in; `null`: it is about all of them.
    scenario: Option<String>,
    /// In how many drills.
    drills: u64,
    /// Whether it is known, and excused.
    known: bool,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Known {
    /// What.
    of: String,
    reason: String,
    /// Until when it is excused, e.g. `2027-01-31`.
    until: String,
    expired: bool,
    /// Whether anything failed that it excuses.
    used: bool,
}

impl Check {
    fn new(gated: &Gated, check: &gate::Check) -> Self {
        // What never came is no number.
        let number = |found: Option<f64>| found.filter(|found| found.is_finite());
        Self {
            gate: check.gate.to_string(),
            scenario: check.scenario.clone(),
            file: check.place.as_ref().map(|(file, _)| file.clone()),
            line: check.place.as_ref().map(|(_, at)| at.line),
            value: number(check.value),
            never: check.value == Some(f64::INFINITY),
            target: number(check.target),
            status: match check.status {
                Status::Passed => Word::Passed,
                Status::Failed => Word::Failed,
                Status::NoData => Word::NoData,
                Status::Unproven => Word::Unproven,
            },
            known: gated.is_excused(check.known),
        }
    }
}

impl From<&Gated> for GatesResult {
    fn from(gated: &Gated) -> Self {
        let failings = gated.failings.iter();
        let failings = failings.map(|(failing, drills, known)| Failing {
            wrong: failing.wrong,
            name: failing.name.clone(),
            scenario: Some(failing.scenario.clone()).filter(|name| !name.is_empty()),
            drills: *drills,
            known: gated.is_excused(*known),
        });
        let known = gated.known.iter().map(|excuse| Known {
            of: excuse.known.to_string(),
            reason: excuse.known.reason.clone(),
            until: excuse.known.until.to_string(),
            expired: excuse.expired,
            used: excuse.used,
        });
        Self {
            verdict: gated.passes().into(),
            checks: gated
                .checks
                .iter()
                .map(|check| Check::new(gated, check))
                .collect(),
            failings: failings.collect(),
            known: known.collect(),
            comparison: gated.comparison.as_ref().map(ComparisonResult::from),
        }
    }
}
