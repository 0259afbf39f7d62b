//! Running tests step by step, as promtool does (cmd/promtool/unittest.go).

use std::collections::BTreeMap;

use super::failure::{Compared, Finding};
use super::{
    AlertCase, Data, ExpectedAlert, ExpressionCase, Keep, Pace, RunOptions, Test, TestFailure,
    TestFile, TestRun,
};
use crate::compat::Compat;
use crate::engine::{Engine, Work};
use crate::expr::compile::compile;
use crate::rules::RuleSet;
use crate::sample::Labels;
use crate::template::External;
use crate::transition::{Emitted, RuleError};
use crate::yaml::{Problem, Problems};

/// Most evaluations of a file's tests together, each of a rule at a time, and one for each group at a time beside them.
const EVALUATIONS_MAX: i64 = 100_000_000;

/// Whether the tests can be run in bounded time.
///
/// # Errors
///
/// The test from which on it is too much.
pub(super) fn check_evaluations<'t>(
    file: &TestFile,
    tests: impl Iterator<Item = (usize, &'t Test)>,
    rules: &RuleSet,
    pace: Pace,
) -> Result<(), Vec<Problem>> {
    let mut left = EVALUATIONS_MAX;
    for (_, test) in tests {
        for group in &rules.groups {
            let interval_ms = pace.interval_ms(group.interval_ms, file.evaluation_interval_ms);
            let times = (test.last_eval_time_ms() / interval_ms).saturating_add(1);
            let rules = i64::try_from(group.rules.len()).unwrap_or(i64::MAX);
            left = left.saturating_sub(times.saturating_mul(rules.saturating_add(1)));
        }
        if left < 0 {
            let mut problems = Problems::new(file.name.clone());
            problems.push_with_hint(
                test.at,
                format!("the tests of the file take more than {EVALUATIONS_MAX} evaluations of rules together"),
                "split the file, test at earlier times, or lengthen the intervals",
            );
            return Err(problems.into_vec());
        }
    }
    Ok(())
}

impl Pace {
    /// How often a group is evaluated whose own interval, if it has one, is `own_ms`.
    fn interval_ms(self, own_ms: Option<i64>, evaluation_interval_ms: i64) -> i64 {
        match self {
            Self::Together => evaluation_interval_ms,
            Self::GroupIntervals => own_ms.unwrap_or(evaluation_interval_ms),
        }
    }
}

impl Test {
    pub(super) fn run(
        &self,
        file: &TestFile,
        index: usize,
        rules: RuleSet,
        options: &RunOptions,
    ) -> TestRun {
        let mut run = Run {
            test: self,
            file,
            compat: options.compat,
            experimental_functions: options.experimental_functions,
            pace: options.pace,
            engine: Engine::new(rules, file.evaluation_interval_ms),
            next_sample: vec![0; self.input.len()],
            failures: Vec::new(),
        };
        run.engine.external = External {
            labels: self.external_labels.clone(),
            url: self.external_url.clone(),
            is_test: true,
        };
        let ended = run.steps();
        let data = match (ended, options.keep) {
            (Ended::AtLast, Keep::Data) => Some(Data::of(&run.engine, self, options.compat)),
            (Ended::AtError, _) | (_, Keep::Failures) => None,
        };
        TestRun {
            index,
            name: self.name.clone(),
            failures: run.failures,
            data,
        }
    }

    pub(super) fn last_eval_time_ms(&self) -> i64 {
        let alerts = self.alerts.iter().map(|case| case.eval_time_ms);
        let expressions = self.expressions.iter().map(|case| case.eval_time_ms);
        alerts.chain(expressions).max().unwrap_or(0)
    }
}

struct Run<'t> {
    test: &'t Test,
    file: &'t TestFile,
    compat: Compat,
    experimental_functions: bool,
    pace: Pace,
    engine: Engine,
    /// How many samples of each input series have been loaded.
    next_sample: Vec<usize>,
    failures: Vec<TestFailure>,
}

/// Where a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    AtLast,
    /// A rule could not be evaluated.
    AtError,
}

impl Run<'_> {
    fn steps(&mut self) -> Ended {
        let order = self.group_order();
        let last_ms = self.test.last_eval_time_ms();
        let mut dues = self.dues();
        // promtool goes by the time that is asked for, then by the place in the file.
        let test = self.test;
        let mut cases: Vec<&AlertCase> = test.alerts.iter().collect();
        cases.sort_by_key(|case| case.eval_time_ms);
        let mut cases = cases.into_iter().peekable();
        let mut now_ms = 0;
        while now_ms <= last_ms {
            self.load_until(now_ms);
            let mut failed = false;
            for group in &order {
                if dues.groups[*group].falls_due(now_ms) {
                    for error in self.evaluate(*group, now_ms) {
                        failed = true;
                        let finding = Finding::Rule {
                            rule: error.rule,
                            group: error.group,
                            error: error.message,
                            since_1970_ms: error.at.0,
                        };
                        self.fail(self.test.at.line, now_ms, finding);
                    }
                }
            }
            // A rule that cannot be evaluated ends the test.
            if failed {
                return Ended::AtError;
            }
            dues.all.falls_due(now_ms);
            let next_ms = dues.next_ms();
            while let Some(case) = cases.next_if(|case| case.eval_time_ms < next_ms) {
                self.check_alerts(case);
            }
            now_ms = next_ms;
        }
        for case in &self.test.expressions {
            self.check_expression(case);
        }
        Ended::AtLast
    }

    /// Evaluates a group. What went wrong comes in the order of its rules.
    fn evaluate(&mut self, group: usize, now_ms: i64) -> Vec<RuleError> {
        let at_ms = self.test.start_ms.saturating_add(now_ms);
        let mut outcomes = Vec::new();
        self.engine.evaluate_group(group, at_ms, &mut outcomes);
        let mut unwritten = std::mem::take(&mut self.engine.unwritten)
            .into_iter()
            .peekable();
        let mut errors = Vec::new();
        for (place, outcome) in outcomes.into_iter().enumerate() {
            while let Some(early) = unwritten.next_if(|unwritten| unwritten.place <= place) {
                errors.push(early.error);
            }
            if let Emitted::Error(error) = outcome {
                errors.push(error);
            }
        }
        errors.extend(unwritten.map(|unwritten| unwritten.error));
        errors
    }

    fn dues(&self) -> Dues {
        let step_ms = self.file.evaluation_interval_ms;
        let due = |interval_ms| Due {
            at_ms: 0,
            interval_ms,
        };
        let groups = self.engine.groups.iter();
        let groups = groups.map(|group| due(self.pace.interval_ms(group.interval_ms, step_ms)));
        Dues {
            all: due(step_ms),
            groups: groups.collect(),
        }
    }

    /// Groups by their place in `group_eval_order`; those not listed count as first, as in promtool.
    fn group_order(&self) -> Vec<usize> {
        let order = self.file.group_eval_order.iter();
        let places: BTreeMap<&str, usize> = order.map(String::as_str).zip(0..).collect();
        let place = |group: &usize| {
            let name = self.engine.groups[*group].name.as_str();
            places.get(name).copied().unwrap_or(0)
        };
        let mut order: Vec<usize> = (0..self.engine.groups.len()).collect();
        order.sort_by_cached_key(place);
        order
    }

    fn load_until(&mut self, now_ms: i64) {
        let start_ms = self.test.start_ms;
        for (input, next) in self.test.input.iter().zip(&mut self.next_sample) {
            while let Some((at_ms, value)) = input.samples.get(*next).filter(|s| s.0 <= now_ms) {
                let at_ms = start_ms.saturating_add(*at_ms);
                self.engine.ingest(&input.labels, at_ms, *value);
                *next += 1;
            }
        }
    }

    fn check_alerts(&mut self, case: &AlertCase) {
        let mut found = Vec::new();
        let mut exact = true;
        for rule in self.engine.groups.iter().flat_map(|group| &group.rules) {
            let Work::Alert(alerts) = &rule.work else {
                continue;
            };
            if alerts.name() != case.alert {
                continue;
            }
            for firing in alerts.firing(&self.engine.interner, &self.engine.external) {
                exact &= firing.exact;
                let labels = firing.labels.iter();
                let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
                found.push(ExpectedAlert {
                    labels: labels.collect(),
                    annotations: firing.annotations,
                });
            }
        }
        found.sort();
        if found == case.expected {
            return;
        }
        let finding = Finding::Alert {
            alert: case.alert.clone(),
            compared: Compared {
                expected: case.expected.clone(),
                found,
            },
            exact,
        };
        self.fail(case.line, case.eval_time_ms, finding);
    }

    fn check_expression(&mut self, case: &ExpressionCase) {
        let failed = |result| Finding::Expression {
            expr: case.expr.clone(),
            result,
        };
        let compiled = compile(&case.expr, self.compat)
            .and_then(|compiled| compiled.if_enabled(self.experimental_functions));
        let compiled = compiled.map_err(|refusal| refusal.message);
        let result = compiled.and_then(|mut compiled| {
            let at_ms = self.test.start_ms.saturating_add(case.eval_time_ms);
            let result = self.engine.query(&mut compiled.expr, at_ms);
            result.map_err(|error| error.to_string())
        });
        let vector = match result {
            Ok(vector) => vector,
            Err(error) => {
                return self.fail(case.line, case.eval_time_ms, failed(Err(error)));
            }
        };
        let mut found: Vec<(Labels, f64)> = vector
            .iter()
            .map(|element| {
                let labels = self.engine.interner.labels(element.labels).clone();
                (labels, element.value)
            })
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let same = found.len() == case.expected.len()
            && found
                .iter()
                .zip(&case.expected)
                .all(|(found, expected)| found.0 == expected.0 && self.equal(found.1, expected.1));
        if !same {
            let compared = Compared {
                expected: case.expected.clone(),
                found,
            };
            self.fail(case.line, case.eval_time_ms, failed(Ok(compared)));
        }
    }

    /// Whether the values count as equal: exactly, or within one unit in the last place with `fuzzy_compare`.
    /// NaN is equal to nothing, as in both generations of promtool.
    fn equal(&self, found: f64, expected: f64) -> bool {
        found == expected
            || self.file.fuzzy_compare
                && (found.next_up() == expected || found.next_down() == expected)
    }

    fn fail(&mut self, line: usize, at_ms: i64, finding: Finding) {
        self.failures.push(TestFailure {
            file: self.file.name.clone(),
            line,
            test: self.test.name.clone(),
            at_ms,
            finding,
        });
    }
}

/// What is evaluated every so often, from 0 on.
struct Due {
    at_ms: i64,
    interval_ms: i64,
}

impl Due {
    /// Whether it is due now; then it is due again after its interval.
    fn falls_due(&mut self, now_ms: i64) -> bool {
        let due = self.at_ms <= now_ms;
        if due {
            self.at_ms = self.at_ms.saturating_add(self.interval_ms);
        }
        due
    }
}

/// When what is due. There are steps at each `evaluation_interval` even if no group is due then, because samples are
/// loaded at steps.
struct Dues {
    all: Due,
    groups: Vec<Due>,
}

impl Dues {
    fn next_ms(&self) -> i64 {
        let groups = self.groups.iter().map(|due| due.at_ms);
        groups.fold(self.all.at_ms, i64::min)
    }
}
