//! Failures that are known: named, with a reason and a date by which they must be gone.

use crate::cause::table::families;
use crate::figures::{Failing, Wrong};
use firedrill_detector::yaml::{Fields, Node, Position, Problems, closest};
use jiff::civil::Date;
use std::fmt;

/// A failure that fails nothing until a date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What it is of.
    pub of: Of,
    /// The scenario alone in which it is known; `None`: all.
    pub scenario: Option<String>,
    /// Why it is put up with.
    pub reason: String,
    /// The last day on which it is.
    pub until: Date,
    /// Where it stands.
    pub at: Position,
}

/// What a known failure is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Of {
    /// A gate, as [`Gate`](super::Gate) prints it.
    Gate(String),
    /// Pages of an alert with nothing wrong, and its rule when that cannot fire.
    Alert(String),
    /// Incidents of a cause that are missed or told of too late.
    Cause(String),
}

impl Known {
    pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::new(node, "known failure", problems)?;
        let mut text = |key: &'static str, problems: &mut Problems| {
            let text = fields.take(key)?.as_str(key, problems)?;
            Some(text.to_owned())
        };
        let gate = text("gate", problems);
        let alert = text("alert", problems);
        let cause = text("cause", problems);
        // What gate files called it at first.
        let cause = cause.or(text("incident", problems));
        let scenario = text("scenario", problems);
        let reason = fields.required("reason", problems);
        let reason = reason.and_then(|node| node.as_str("reason", problems));
        let until = fields.required("until", problems);
        let until = until.and_then(|node| date(node, problems));
        fields.finish(problems);
        let of = match (gate, alert, cause) {
            (Some(gate), None, None) => match gate.parse::<super::Gate>() {
                Ok(gate) => Of::Gate(gate.to_string()),
                Err(wrong) => {
                    problems.push_with_hint(node.at, wrong.message, wrong.hint);
                    return None;
                }
            },
            (None, Some(alert), None) => Of::Alert(alert),
            (None, None, Some(cause)) => {
                if !families().any(|known| known == cause) {
                    let known: Vec<&str> = families().collect();
                    let all = format!("there are {}", known.join(", "));
                    let hint = match closest(&cause, families()) {
                        Some(close) => format!("did you mean `{close}`? {all}"),
                        None => all,
                    };
                    let message = format!("known failure: there is no cause `{cause}`");
                    problems.push_with_hint(node.at, message, hint);
                    return None;
                }
                Of::Cause(cause)
            }
            _ => {
                let message = "known failure: exactly one of `gate`, `alert` and `cause` is needed";
                problems.push(node.at, message);
                return None;
            }
        };
        if scenario.is_some() && matches!(of, Of::Gate(_)) {
            let message = "known failure: a gate has no scenario beside it";
            let hint = "name it in the gate: `jobs_lost{scenario=\"a\"}: count == 0`";
            problems.push_with_hint(node.at, message, hint);
            return None;
        }
        Some(Self {
            of,
            scenario,
            reason: reason?.to_owned(),
            until: until?,
            at: node.at,
        })
    }

    /// Whether this is it.
    #[must_use]
    pub fn is(&self, failing: &Failing) -> bool {
        let name = match &self.of {
            Of::Gate(_) => return false,
            Of::Alert(name) if !failing.wrong.is_of_incident() => name,
            Of::Cause(name) if failing.wrong.is_of_incident() => name,
            _ => return false,
        };
        let scenario = self.scenario.as_ref();
        *name == failing.name
            && scenario.is_none_or(|scenario| {
                failing.wrong == Wrong::Unfit || *scenario == failing.scenario
            })
    }
}

/// A day such as `2027-01-31`.
fn date(node: &Node, problems: &mut Problems) -> Option<Date> {
    let text = node.as_str("until", problems)?;
    let date = text.parse::<Date>().ok().filter(|_| text.len() == 10);
    if date.is_none() {
        node.expected("until", "a day such as `2027-01-31`", problems);
    }
    date
}

/// Points at gates that are known and not among those that are judged.
pub(super) fn check(known: &[Known], gates: &[String], problems: &mut Problems) {
    for one in known {
        let Of::Gate(gate) = &one.of else {
            continue;
        };
        if !gates.contains(gate) {
            let message = format!("known failure: there is no gate `{gate}` in this file");
            let hint = match closest(gate, gates.iter().map(String::as_str)) {
                Some(close) => format!("did you mean `{close}`?"),
                None => "it must be written as under `gates`".into(),
            };
            problems.push_with_hint(one.at, message, hint);
        }
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.of {
            Of::Gate(gate) => write!(f, "gate `{gate}`")?,
            Of::Alert(alert) => write!(f, "alert {alert}")?,
            Of::Cause(cause) => write!(f, "cause {cause}")?,
        }
        match &self.scenario {
            Some(scenario) => write!(f, " in {scenario}"),
            None => Ok(()),
        }
    }
}
