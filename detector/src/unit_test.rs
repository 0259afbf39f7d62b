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

mod data;
mod diff;
mod failure;
mod parse;
mod promtool;
mod run;
mod series;
mod start;

pub use data::Data;
pub use failure::{FiringAlert, TestFailure};
pub use promtool::Comparison;

use crate::compat::Compat;
use crate::regex::Regex;
use crate::rules::{Reading, RuleFile, RuleSet};
use crate::sample::Labels;
use crate::yaml::{Position, Problem, Problems, UnknownKeys};

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
    at: Position,
    /// When it begins, in milliseconds since 1970. All other times of the test count from here.
    start_ms: i64,
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

/// An alert that fires, or should: labels and annotations in order of names. Labels are kept as they are written,
/// because to promtool an expected label with an empty value is not the same as none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ExpectedAlert {
    labels: Vec<(String, String)>,
    annotations: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq)]
struct ExpressionCase {
    line: usize,
    eval_time_ms: i64,
    expr: String,
    expected: Vec<(Labels, f64)>,
}

/// How tests are run, beside what their file says.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Which Prometheus to agree with.
    pub compat: Compat,
    /// When groups are evaluated.
    pub pace: Pace,
    /// Which tests are run; `None` is all.
    pub names: Option<NameFilter>,
    /// What to make of unknown keys in rule files, as promtool's `--ignore-unknown-fields`. In test files they are always
    /// refused, by promtool as well.
    pub unknown_keys: UnknownKeys,
    /// Whether experimental functions are enabled, as with promtool's
    /// `--enable-feature=promql-experimental-functions`.
    pub experimental_functions: bool,
    /// What is kept of a test besides its failures.
    pub keep: Keep,
}

/// What is kept of a test that was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// Its failures.
    #[default]
    Failures,
    /// All samples of its end as well, as [`TestRun::data`].
    Data,
}

/// When the groups of a test are evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// All of them every `evaluation_interval`, whatever their own `interval` says, as in promtool.
    #[default]
    Together,
    /// Each at its own `interval`, as on a server; those that have none every `evaluation_interval`.
    GroupIntervals,
}

/// Chooses tests by their names, as promtool's `--run`.
#[derive(Debug, Clone)]
pub struct NameFilter(Regex);

impl NameFilter {
    /// Accepts the names that any of the patterns (RE2, not anchored) matches.
    ///
    /// # Errors
    ///
    /// Why a pattern is not one.
    pub fn parse(patterns: &[String]) -> Result<Self, String> {
        let pattern = patterns.join("|");
        let refused = |error| format!("regular expression {pattern:?}: {error}");
        Regex::new(&pattern, Compat::V3).map(Self).map_err(refused)
    }

    /// Whether a test of this name is run.
    #[must_use]
    pub fn accepts(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

/// A test that was run.
#[derive(Debug, Clone, PartialEq)]
pub struct TestRun {
    /// The test's place in its file, from 0.
    pub index: usize,
    /// The test's name, or the empty string.
    pub name: String,
    /// What did not come out as expected, in promtool's order.
    pub failures: Vec<TestFailure>,
    /// All samples at its end, if they were to be kept and every rule could be evaluated.
    pub data: Option<Data>,
}

impl TestRun {
    /// The test's name; of one that has none, its place.
    #[must_use]
    pub fn shown_name(&self) -> String {
        shown_name(&self.name, self.index)
    }
}

fn shown_name(name: &str, index: usize) -> String {
    match name {
        "" => format!("unnamed#{index}"),
        name => name.to_owned(),
    }
}

impl TestFile {
    /// Reads a test file as the newest generation of promtool does.
    ///
    /// # Errors
    ///
    /// All problems of the file.
    pub fn parse(name: &str, text: &str) -> Result<Self, Vec<Problem>> {
        Self::parse_as(name, text, Compat::default())
    }

    /// Reads a test file; keys which that generation does not know are unknown (the second knows no
    /// `fuzzy_compare` and `start_timestamp`).
    ///
    /// # Errors
    ///
    /// All problems of the file.
    pub fn parse_as(name: &str, text: &str, compat: Compat) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::new(name);
        let file = parse::test_file(name, text, compat, &mut problems);
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
        let options = RunOptions {
            compat,
            ..RunOptions::default()
        };
        let runs = self.run_each(rules, &options)?;
        Ok(runs.flat_map(|run| run.failures).collect())
    }

    /// Whether `options` choose any test of the file. If not, promtool does not look at the rule files, and none are
    /// needed.
    #[must_use]
    pub fn is_tested(&self, options: &RunOptions) -> bool {
        self.chosen(options).next().is_some()
    }

    /// Loads the rules and gives the tests that `options` choose, each of which is run when it is asked for. When there are
    /// none, the rules are not looked at.
    ///
    /// # Errors
    ///
    /// All problems of the rule files, or the test from which on the file would take too long to run.
    pub fn run_each<'f>(
        &'f self,
        rules: &[RuleFile],
        options: &'f RunOptions,
    ) -> Result<impl Iterator<Item = TestRun> + use<'f>, Vec<Problem>> {
        let rules = match self.is_tested(options) {
            true => {
                let reading = Reading {
                    unknown_keys: options.unknown_keys,
                    experimental_functions: options.experimental_functions,
                };
                RuleSet::load_as(rules, options.compat, reading)?
            }
            false => RuleSet::load(&[], options.compat)?,
        };
        run::check_evaluations(self, self.chosen(options), &rules, options.pace)?;
        let chosen = self.chosen(options);
        Ok(chosen.map(move |(index, test)| test.run(self, index, rules.clone(), options)))
    }

    fn chosen<'f>(
        &'f self,
        options: &'f RunOptions,
    ) -> impl Iterator<Item = (usize, &'f Test)> + use<'f> {
        let accepts = move |test: &Test| match &options.names {
            Some(filter) => filter.accepts(&test.name),
            None => true,
        };
        self.tests
            .iter()
            .enumerate()
            .filter(move |(_, test)| accepts(test))
    }
}
