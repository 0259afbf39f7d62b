//! What machines read of a result: `result.json`, and what `--json` prints.
//!
//! Times are seconds, and names carry the unit; words are those that people see. A major version only adds: a field that was
//! there stays, with its meaning. [`schema`] is the JSON Schema of it all.

mod check;
mod comparison;
mod fidelity;
mod gates;
mod load;
mod routed;
mod scorecard;
mod shared;
mod trials;
mod tune;

pub(crate) use shared::seconds;

use crate::Scorecard;
use crate::check::Checked;
use crate::compare::Comparison;
use crate::fidelity::Fidelity;
use crate::gate::Gated;
use crate::load::{Knee, LoadRecord};
use crate::trials::TrialCard;
use crate::tune::Tuning;
use check::CheckResult;
use comparison::ComparisonResult;
use fidelity::FidelityResult;
use load::{KneeResult, LoadResult};
use schemars::{JsonSchema, schema_for};
use scorecard::ScorecardResult;
use serde::Serialize;
use trials::TrialsResult;
use tune::TuneResult;

/// Version of the form: 2 has one form for all results, in the words that people see.
pub const VERSION: &str = "2.0";

/// What firedrill found, for machines.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ResultFile {
    /// Version of this form: fields are only added within a major version.
    version: &'static str,
    /// The result itself.
    #[serde(flatten)]
    result: Kind,
}

/// The kinds of results.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Kind {
    /// Of `run` and `score`: drills, and how alerts did on them.
    Scorecard(Box<ScorecardResult>),
    /// Of `run --trials`: many drills under different seeds.
    Trials(Box<TrialsResult>),
    /// Of `tune`: a threshold search.
    Tune(Box<TuneResult>),
    /// Of `fidelity`: the two engines held against each other.
    Fidelity(FidelityResult),
    /// Of `check`: what was found in files, and of rules in records.
    Check(CheckResult),
    /// Of `compare`: two runs beside each other.
    Comparison(ComparisonResult),
    /// Of `load`: a load test.
    Load(Box<LoadResult>),
    /// Of `load --find-max`: the largest rate that is borne.
    Knee(KneeResult),
}

impl From<Kind> for ResultFile {
    fn from(result: Kind) -> Self {
        Self {
            version: VERSION,
            result,
        }
    }
}

impl From<&Scorecard> for ResultFile {
    fn from(card: &Scorecard) -> Self {
        Kind::Scorecard(Box::new(ScorecardResult::new(card))).into()
    }
}

impl From<&TrialCard> for ResultFile {
    fn from(card: &TrialCard) -> Self {
        Kind::Trials(Box::new(TrialsResult::new(card))).into()
    }
}

impl From<&Tuning> for ResultFile {
    fn from(tuning: &Tuning) -> Self {
        Kind::Tune(Box::new(TuneResult::new(tuning))).into()
    }
}

impl From<&[Fidelity]> for ResultFile {
    fn from(pairs: &[Fidelity]) -> Self {
        Kind::Fidelity(FidelityResult::new(pairs)).into()
    }
}

impl From<&Knee> for ResultFile {
    fn from(knee: &Knee) -> Self {
        Kind::Knee(knee.into()).into()
    }
}

impl From<&Comparison> for ResultFile {
    fn from(comparison: &Comparison) -> Self {
        Kind::Comparison(comparison.into()).into()
    }
}

impl ResultFile {
    /// A load test; `gated`: what its gates and its baseline came to.
    #[must_use]
    pub fn of_load(record: &LoadRecord, gated: Option<&Gated>) -> Self {
        Kind::Load(Box::new(LoadResult::new(record, gated))).into()
    }

    /// What was found in files; `is_strict`: whether warnings fail.
    #[must_use]
    pub fn of_check(checked: &Checked, is_strict: bool) -> Self {
        Kind::Check(CheckResult::new(checked, is_strict)).into()
    }
}

/// The JSON Schema of `result.json`.
#[must_use]
pub fn schema() -> serde_json::Value {
    schema_for!(ResultFile).to_value()
}
