//! Drills as a test file for `promtool test rules`: what was an incident once is a regression test from then on.
//!
//! promtool evaluates all rules from the beginning of a test, each `evaluation_interval`, and knows samples only at multiples
//! of the test's `interval`. So the drill's clock is moved by the phase of its evaluations, and samples are put on the next
//! whole second, or on a finer grid where that makes a difference. What is expected is what our own run of the test gives,
//! which is held against promtool's elsewhere; where that is not what the drill had, it is said.

mod grid;
mod suite;
mod way;

use crate::jsonl::Record;
use crate::record::RuleText;
use crate::watcher::Replay;
use firedrill_detector::rules::Reading;
use firedrill_detector::{Compat, RuleSet};

/// A drill, and what rules made of it.
#[derive(Debug, Clone, Copy)]
pub struct Drill<'a> {
    /// What happened.
    pub record: &'a Record,
    /// The alerts.
    pub replay: &'a Replay,
}

/// A test file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suite {
    /// YAML.
    pub text: String,
    /// Where a test does not expect what its drill had, for people: a line each. Empty: the tests are the drills.
    pub differences: Vec<String>,
}

/// Why there is no test file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// A test file has one evaluation interval.
    #[error(
        "{scenario} evaluates its rules every {} s and {first} every {} s, and a test file has one `evaluation_interval`; export them apart",
        *.interval_ms as f64 / 1000.0, *.first_ms as f64 / 1000.0
    )]
    Intervals {
        /// The first drill's scenario.
        first: String,
        /// Its interval.
        first_ms: i64,
        /// The scenario that differs.
        scenario: String,
        /// Its interval.
        interval_ms: i64,
    },
    /// The test cannot be run: its rules cannot be read alone, or it is too long.
    #[error("{scenario}: {why}")]
    NotRun {
        /// Of which drill.
        scenario: String,
        /// Why.
        why: String,
    },
}

/// What the tests are about.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Rule files, by value.
    pub texts: &'a [RuleText],
    /// The same, read.
    pub set: &'a RuleSet,
    /// What the test file calls them, in the same order.
    pub names: &'a [String],
    /// Which promtool is to run the file; the second generation has no `start_timestamp`.
    pub compat: Compat,
    /// How the rule files are read.
    pub reading: Reading,
}

impl Rules<'_> {
    /// The promtool that runs the file, for people.
    #[must_use]
    pub fn promtool(&self) -> &'static str {
        match self.compat {
            Compat::V2 => "promtool 2",
            Compat::V3 => "promtool 3 (--compat v2: for promtool 2)",
        }
    }
}

/// A test for each drill.
///
/// # Errors
///
/// See [`ExportError`].
pub fn promtool(drills: &[Drill<'_>], rules: Rules<'_>) -> Result<Suite, ExportError> {
    suite::suite(drills, rules)
}

/// A string of JSON, which is one of YAML, too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
