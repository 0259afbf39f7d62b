//! Running tests step by step, as promtool does (cmd/promtool/unittest.go).

use std::collections::BTreeSet;

use super::{AlertCase, ExpectedAlert, ExpressionCase, Test, TestFailure, TestFile};
use crate::compat::Compat;
use crate::engine::{Engine, Work};
use crate::expr::compile::compile;
use crate::go_format;
use crate::rules::RuleSet;
use crate::sample::{Labels, is_stale};
use crate::template::External;
use crate::transition::Outcome;

impl Test {
    pub(super) fn run(&self, file: &TestFile, rules: RuleSet, compat: Compat) -> Vec<TestFailure> {
        let mut run = Run {
            test: self,
            file,
            compat,
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
    engine: Engine,
    /// How many samples of each input series have been loaded.
    next_sample: Vec<usize>,
    failures: Vec<TestFailure>,
}

impl Run<'_> {
    fn steps(&mut self) {
        let order = self.group_order();
        let step_ms = self.file.evaluation_interval_ms;
        let last_ms = self.test.last_eval_time_ms();
        let mut now_ms = 0;
        while now_ms <= last_ms {
            self.load_until(now_ms);
            let mut outcomes = Vec::new();
            for group in &order {
                self.engine.evaluate_group(*group, now_ms, &mut outcomes);
            }
            let mut failed = false;
            for outcome in outcomes {
                if let Outcome::Error(error) = outcome {
                    failed = true;
                    let message = format!("at {}: {error}", shown_time(now_ms));
                    self.fail(self.test.line, message);
                }
            }
            // A rule that cannot be evaluated ends the test.
            if failed {
                return;
            }
            let test = self.test;
            for case in &test.alerts {
                if (now_ms..now_ms.saturating_add(step_ms)).contains(&case.eval_time_ms) {
                    self.check_alerts(case);
                }
            }
            now_ms = now_ms.saturating_add(step_ms);
        }
        for case in &self.test.expressions {
            self.check_expression(case);
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
        for (input, next) in self.test.input.iter().zip(&mut self.next_sample) {
            while let Some((at_ms, value)) = input.samples.get(*next).filter(|s| s.0 <= now_ms) {
                self.engine.ingest(&input.labels, *at_ms, *value);
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
                found.push(ExpectedAlert {
                    labels: firing.labels,
                    annotations: firing.annotations,
                });
            }
        }
        found.sort();
        if found == case.expected {
            return;
        }
        let mut message = format!(
            "alert {} at {}:\n  expected: {}\n  firing:   {}",
            case.alert,
            shown_time(case.eval_time_ms),
            listed(&case.expected, shown_alert),
            listed(&found, shown_alert),
        );
        if !exact {
            message.push_str("\n  note: an annotation uses a template that is not supported and was not expanded");
        }
        self.fail(case.line, message);
    }

    fn check_expression(&mut self, case: &ExpressionCase) {
        let at = shown_time(case.eval_time_ms);
        let result = compile(&case.expr, self.compat).and_then(|mut compiled| {
            let result = self.engine.query(&mut compiled.expr, case.eval_time_ms);
            result.map_err(|error| error.to_string())
        });
        let vector = match result {
            Ok(vector) => vector,
            Err(error) => {
                return self.fail(
                    case.line,
                    format!("expression {} at {at}: {error}", case.expr),
                );
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
            let message = format!(
                "expression {} at {at}:\n  expected: {}\n  found:    {}",
                case.expr,
                listed(&case.expected, shown_sample),
                listed(&found, shown_sample),
            );
            self.fail(case.line, message);
        }
    }

    /// Whether the values count as equal: exactly, or within one unit in the last place with `fuzzy_compare`.
    fn equal(&self, found: f64, expected: f64) -> bool {
        if found.is_nan() && expected.is_nan() {
            // promtool 2 compares floats as Go does, where NaN differs from itself.
            return self.compat == Compat::V3;
        }
        found == expected
            || self.file.fuzzy_compare
                && (found.next_up() == expected || found.next_down() == expected)
    }

    fn fail(&mut self, line: usize, message: String) {
        self.failures.push(TestFailure {
            file: self.file.name.clone(),
            line,
            test: self.test.name.clone(),
            message,
        });
    }
}

/// `1h2m3s`, for messages.
fn shown_time(ms: i64) -> String {
    let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
    let seconds = ms % 60_000 / 1000;
    let millis = ms % 1000;
    let parts = [(hours, "h"), (minutes, "m"), (seconds, "s"), (millis, "ms")];
    let shown: String = parts
        .iter()
        .filter(|(number, _)| *number != 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    if shown.is_empty() { "0s".into() } else { shown }
}

fn shown_alert(alert: &ExpectedAlert) -> String {
    let annotations: BTreeSet<String> = alert
        .annotations
        .iter()
        .map(|(name, text)| format!("{name}={text:?}"))
        .collect();
    let annotations: Vec<String> = annotations.into_iter().collect();
    format!(
        "{} annotations {{{}}}",
        alert.labels,
        annotations.join(", ")
    )
}

fn shown_sample((labels, value): &(Labels, f64)) -> String {
    let value = if is_stale(*value) {
        "stale".into()
    } else {
        go_format::shortest(*value)
    };
    format!("{labels} {value}")
}

fn listed<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    if items.is_empty() {
        return "nothing".into();
    }
    let shown: Vec<String> = items.iter().map(show).collect();
    shown.join("\n            ")
}
