//! Unit tests for rules in the format of `promtool test rules`.
//!
//! A [`TestFile`] names rule files, input series and what should come out. Reading files is the caller's business:
//!
//! ```
//! use firedrill_detector::unit_test::TestFile;
//! use firedrill_detector::{Compat, RuleFile};
//!
//! let rules = RuleFile {
//!     name: "alerts.yml".into(),
//!     text: "groups: [{ name: g, rules: [{ alert: Down, expr: up == 0, for: 1m }] }]".into(),
//! };
//! let test = r#"
//! rule_files: [alerts.yml]
//! tests:
//! - interval: 1m
//!   input_series: [{ series: up, values: "1 0 0 0" }]
//!   alert_rule_test:
//!   - { eval_time: 2m, alertname: Down, exp_alerts: [{}] }
//! "#;
//! let test = TestFile::parse("test.yml", test).expect("it is a test file");
//! assert_eq!(test.rule_files(), ["alerts.yml"]);
//! let failures = test.run(&[rules], Compat::V3).expect("the rules are fine");
//! assert!(failures.is_empty());
//! ```

mod parse;
mod run;
mod series;

use std::fmt;

use crate::compat::Compat;
use crate::rules::{RuleFile, RuleSet};
use crate::sample::Labels;
use crate::yaml::{Problem, Problems};

/// A test file that has been read.
#[derive(Debug, Clone, PartialEq)]
pub struct TestFile {
    name: String,
    rule_files: Vec<String>,
    evaluation_interval_ms: i64,
    group_eval_order: Vec<String>,
    fuzzy_compare: bool,
    tests: Vec<Test>,
}

/// One entry of `tests`.
#[derive(Debug, Clone, PartialEq)]
struct Test {
    name: String,
    line: usize,
    input: Vec<Input>,
    external_labels: Labels,
    external_url: String,
    alerts: Vec<AlertCase>,
    expressions: Vec<ExpressionCase>,
}

/// One series and its samples, by time in milliseconds.
#[derive(Debug, Clone, PartialEq)]
struct Input {
    labels: Labels,
    samples: Vec<(i64, f64)>,
}

#[derive(Debug, Clone, PartialEq)]
struct AlertCase {
    line: usize,
    eval_time_ms: i64,
    alert: String,
    expected: Vec<ExpectedAlert>,
}

/// An alert that should be firing, in label order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ExpectedAlert {
    labels: Labels,
    annotations: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq)]
struct ExpressionCase {
    line: usize,
    eval_time_ms: i64,
    expr: String,
    expected: Vec<(Labels, f64)>,
}

/// Something that did not come out as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestFailure {
    /// The test file.
    pub file: String,
    /// The line of the case (of the test, if a rule could not be evaluated).
    pub line: usize,
    /// The test's name, or the empty string.
    pub test: String,
    /// What was expected and what came out, over several lines.
    pub message: String,
}

impl fmt::Display for TestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.test.is_empty() {
            write!(f, "{}: ", self.test)?;
        }
        f.write_str(&self.message)
    }
}

impl TestFile {
    /// Reads a test file.
    ///
    /// # Errors
    ///
    /// All problems of the file.
    pub fn parse(name: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::new(name);
        let file = parse::test_file(name, text, &mut problems);
        match file {
            Some(file) if problems.is_empty() => Ok(file),
            _ => Err(problems.into_vec()),
        }
    }

    /// The rule files as the test file names them: paths relative to it, with `*` standing for any part of a name.
    #[must_use]
    pub fn rule_files(&self) -> &[String] {
        &self.rule_files
    }

    /// The input series of the test at `index`: labels, and samples as (milliseconds, value).
    pub fn input_series(&self, index: usize) -> impl Iterator<Item = (&Labels, &[(i64, f64)])> {
        let test = self.tests.get(index);
        let inputs = test.map_or(&[][..], |test| &test.input);
        inputs
            .iter()
            .map(|input| (&input.labels, input.samples.as_slice()))
    }

    /// Runs all tests over the rules and reports what failed.
    ///
    /// # Errors
    ///
    /// All problems of the rule files.
    pub fn run(
        &self,
        rules: &[RuleFile],
        compat: Compat,
    ) -> Result<Vec<TestFailure>, Vec<Problem>> {
        let rules = RuleSet::load(rules, compat)?;
        let runs = self
            .tests
            .iter()
            .flat_map(|test| test.run(self, rules.clone(), compat));
        Ok(runs.collect())
    }
}
