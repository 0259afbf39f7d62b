//! What did not come out as expected, and how it is told.

use std::fmt;

use super::ExpectedAlert;
use super::promtool::pairs;
use crate::duration;
use crate::go_format;
use crate::sample::{Labels, is_stale};

/// Something that did not come out as expected.
///
/// Displays as `file:line: test: …` with what was expected and what came out on the lines after;
/// [`TestFailure::as_promtool`] gives promtool's words.
#[derive(Debug, Clone, PartialEq)]
pub struct TestFailure {
    /// The test file.
    pub file: String,
    /// The line of the case (of the test, if a rule could not be evaluated).
    pub line: usize,
    /// The test's name, or the empty string.
    pub test: String,
    /// The time the case asks about (the evaluation's, if a rule could not be evaluated), in milliseconds of the test.
    pub at_ms: i64,
    pub(super) finding: Finding,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Finding {
    Rule {
        rule: String,
        group: String,
        error: String,
        /// When, which promtool counts from there, not from the test's beginning.
        since_1970_ms: i64,
    },
    Alert {
        alert: String,
        compared: Compared<ExpectedAlert>,
        /// Whether all annotations that were found are those of Prometheus.
        exact: bool,
    },
    Expression {
        expr: String,
        result: Result<Compared<(Labels, f64)>, String>,
    },
}

/// Two lists that should be equal and are not, in label order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Compared<T> {
    pub(super) expected: Vec<T>,
    pub(super) found: Vec<T>,
}

/// Said of an alert one of whose annotations Prometheus has otherwise.
pub(super) const NOT_EXPANDED: &str =
    "note: what an annotation says in Prometheus is not known here";

/// An alert that fires: its labels, the name among them, and annotations, in order of names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FiringAlert {
    /// Label names and values.
    pub labels: Vec<(String, String)>,
    /// Annotation names and values.
    pub annotations: Vec<(String, String)>,
}

impl TestFailure {
    /// The alert that a case asks about and what of it fires, if that is what came out otherwise.
    #[must_use]
    pub fn firing(&self) -> Option<(&str, Vec<FiringAlert>)> {
        let Finding::Alert {
            alert, compared, ..
        } = &self.finding
        else {
            return None;
        };
        let found = compared.found.iter().map(|found| FiringAlert {
            labels: found.labels.clone(),
            annotations: found.annotations.clone(),
        });
        Some((alert, found.collect()))
    }
}

impl fmt::Display for TestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.test.is_empty() {
            write!(f, "{}: ", self.test)?;
        }
        let at = duration::format_ms(self.at_ms);
        match &self.finding {
            Finding::Rule {
                rule, group, error, ..
            } => {
                write!(f, "at {at}: rule {rule} of group {group}: {error}")
            }
            Finding::Alert {
                alert,
                compared,
                exact,
            } => {
                write!(
                    f,
                    "alert {alert} at {at}:\n  expected: {}\n  firing:   {}",
                    listed(&compared.expected, shown_alert),
                    listed(&compared.found, shown_alert),
                )?;
                match exact {
                    true => Ok(()),
                    false => write!(f, "\n  {NOT_EXPANDED}"),
                }
            }
            Finding::Expression { expr, result } => match result {
                Err(error) => write!(f, "expression {expr} at {at}: {error}"),
                Ok(compared) => write!(
                    f,
                    "expression {expr} at {at}:\n  expected: {}\n  found:    {}",
                    listed(&compared.expected, shown_sample),
                    listed(&compared.found, shown_sample),
                ),
            },
        }
    }
}

fn shown_alert(alert: &ExpectedAlert) -> String {
    let (labels, annotations) = (pairs(&alert.labels), pairs(&alert.annotations));
    format!("{labels} annotations {annotations}")
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
