//! The output words: what happened to which alert, and when.

use std::fmt;

use crate::sample::{Labels, Timestamp};

/// Where an alert instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertState {
    /// Its expression does not hold.
    Inactive,
    /// Its expression holds, but not yet for long enough.
    Pending,
    /// It is firing.
    Firing,
}

impl AlertState {
    /// The state in lower case, as in the label `alertstate`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

impl fmt::Display for AlertState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One alert instance changing its state.
///
/// The steps are inactive → pending → firing → inactive, pending → inactive, and inactive → firing for a rule
/// without `for`.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// The evaluation that noticed.
    pub at: Timestamp,
    /// The rule group.
    pub group: String,
    /// The alert's name.
    pub alert: String,
    /// What tells the instance from others: the series' labels under the rule's, `alertname` included.
    pub labels: Labels,
    /// The expanded annotations in order of names; of a resolved alert, those it had last.
    pub annotations: Vec<(String, String)>,
    /// The state before.
    pub from: AlertState,
    /// The state after.
    pub to: AlertState,
    /// The expression's value, if it had one at this evaluation.
    pub value: Option<f64>,
    /// It became inactive only because the series behind it have vanished: its condition could not be looked at.
    ///
    /// Never so where absence is what the expression asks for (`absent()`, series of alerts, metrics recorded by rules
    /// with conditions), and where a label depends on the value.
    pub data_gone: bool,
    /// The series behind it had vanished, and the condition held at the first evaluation that had them again.
    pub data_back: bool,
}

/// A rule whose evaluation failed; its alerts keep their states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// The evaluation that failed.
    pub at: Timestamp,
    /// The rule group.
    pub group: String,
    /// The alert's name, or the recorded metric's.
    pub rule: String,
    /// Why.
    pub message: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "rule {} of group {}: {}",
            self.rule, self.group, self.message
        )
    }
}

/// What an evaluation brought about.
#[derive(Debug, Clone, PartialEq)]
pub enum Emitted {
    /// An alert changed its state.
    Transition(Transition),
    /// A rule could not be evaluated.
    Error(RuleError),
}
