//! Running tests step by step, as promtool does (cmd/promtool/unittest.go).

use super::failure::{Compared, Finding};
use super::{
    AlertCase, ExpectedAlert, ExpressionCase, Pace, RunOptions, Test, TestFailure, TestFile,
};
use crate::compat::Compat;
use crate::engine::{Engine, Work};
use crate::expr::compile::compile;
use crate::rules::RuleSet;
use crate::sample::Labels;
use crate::template::External;
use crate::transition::Outcome;

impl Test {
    pub(super) fn run(
        &self,
        file: &TestFile,
        rules: RuleSet,
        options: &RunOptions,
    ) -> Vec<TestFailure> {
        let mut run = Run {
            test: self,
            file,
            compat: options.compat,
            pace: options.pace,
            engine: Engine::new(rules, file.evaluation_interval_ms),
            next_sample: vec![0; self.input.len()],
            failures: Vec::new(),
        };
        run.engine.external = External {
            labels: self.external_labels.clone(),
            url: self.external_url.clone(),
        };
        run.steps();
        run.failures
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
    pace: Pace,
    engine: Engine,
    /// How many samples of each input series have been loaded.
    next_sample: Vec<usize>,
    failures: Vec<TestFailure>,
}

impl Run<'_> {
    fn steps(&mut self) {
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
            let mut outcomes = Vec::new();
            for group in &order {
                if dues.groups[*group].falls_due(now_ms) {
                    let at_ms = self.test.start_ms.saturating_add(now_ms);
                    self.engine.evaluate_group(*group, at_ms, &mut outcomes);
                }
            }
            let mut failed = false;
            for outcome in outcomes {
                if let Outcome::Error(error) = outcome {
                    failed = true;
                    let finding = Finding::Rule {
                        rule: error.rule,
                        group: error.group,
                        error: error.message,
                        since_1970_ms: error.at.0,
                    };
                    self.fail(self.test.line, now_ms, finding);
                }
            }
            // A rule that cannot be evaluated ends the test.
            if failed {
                return;
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
    }

    fn dues(&self) -> Dues {
        let step_ms = self.file.evaluation_interval_ms;
        let due = |interval_ms| Due {
            at_ms: 0,
            interval_ms,
        };
        let groups = self.engine.groups.iter().map(|group| match self.pace {
            Pace::Together => due(step_ms),
            Pace::GroupIntervals => due(group.interval_ms.unwrap_or(step_ms)),
        });
        Dues {
            all: due(step_ms),
            groups: groups.collect(),
        }
    }

    /// Groups by their place in `group_eval_order`; those not listed count as first, as in promtool.
    fn group_order(&self) -> Vec<usize> {
        let place = |group: &usize| {
            let name = &self.engine.groups[*group].name;
            let order = &self.file.group_eval_order;
            order.iter().position(|other| other == name).unwrap_or(0)
        };
        let mut order: Vec<usize> = (0..self.engine.groups.len()).collect();
        order.sort_by_key(place);
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
        let result = compile(&case.expr, self.compat).and_then(|mut compiled| {
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
