//! Gates: what drills must come to, in k6's words, such as `detect_seconds{alert="X"}: p(95) < 300`.
//!
//! A [`Gate`] is a metric of [`crate::figures`], labels it is meant of, an aggregation, a comparison, and a number or a
//! baseline. A [`GateFile`] has gates and the failures that are [`Known`]. A [`Judge`] takes the figures of drills in, one
//! by one, and [`Gated`] is what it found. Where there is nothing to judge, a gate has failed.

mod docs;
mod file;
mod known;
mod outcome;
mod read;

pub use docs::{file_schema, help, schema};
pub use file::{GateFile, gates};
pub use known::{Known, Of};
pub use outcome::{Check, Excuse, Gated, Judge, Scenario, Status};
pub use read::Misread;

use crate::figures::metric::ALERT;
use crate::figures::{Aggregation, Kind, Metric, Point};
use firedrill_detector::Labels;
use firedrill_detector::anatomy::SeriesSelector;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What a figure of all drills must be like.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Gate {
    /// Which figure.
    pub metric: &'static Metric,
    /// Of what.
    selector: SeriesSelector,
    /// How those of all drills become one number.
    pub aggregation: Aggregation,
    /// How it is compared.
    pub op: Op,
    /// With what.
    pub target: Target,
}

/// How a figure is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
    /// `!=`
    Other,
}

/// What a figure is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// A number, in the figure's unit.
    Number(f64),
    /// The same figure of the baseline, times this, plus this.
    Baseline {
        /// Factor.
        times: f64,
        /// What is added.
        plus: f64,
    },
}

/// Every comparison, as it is written; of those that begin alike the longest first.
const OPS: [(&str, Op); 6] = [
    ("<=", Op::AtMost),
    (">=", Op::AtLeast),
    ("==", Op::Equal),
    ("!=", Op::Other),
    ("<", Op::Less),
    (">", Op::More),
];

impl Op {
    fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
            Self::Equal => left == right,
            Self::Other => left != right,
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = OPS.iter().find(|(_, op)| op == self);
        f.write_str(written.map_or("", |(sign, _)| sign))
    }
}

impl Gate {
    /// Whether it is about this figure of a drill of this scenario. Those of single alerts are meant only where it asks for
    /// alerts.
    #[must_use]
    pub fn is_about(&self, scenario: &str, point: &Point) -> bool {
        point.metric == self.metric
            && point.labels.contains_key(ALERT)
                == self.selector.labels().any(|label| label == ALERT)
            && self.selector.matches(&point.series(scenario))
    }

    /// Whether it may be about drills of this scenario.
    #[must_use]
    pub fn covers(&self, scenario: &str) -> bool {
        let labels = Labels::from_pairs([("scenario", scenario)]);
        self.selector.accepts("scenario", &labels)
    }

    /// Whether it can be about figures with one of these values of a label.
    #[must_use]
    pub fn accepts_any<'v>(&self, label: &str, values: impl IntoIterator<Item = &'v str>) -> bool {
        let mut values = values.into_iter();
        values.any(|value| {
            let labels = Labels::from_pairs([(label, value)]);
            self.selector.accepts(label, &labels)
        })
    }

    /// The values it asks a label to be equal to.
    pub fn wanted<'g>(&'g self, label: &'g str) -> impl Iterator<Item = &'g str> {
        self.selector.wanted(label)
    }

    /// Whether it asks for a label.
    #[must_use]
    pub fn asks_for(&self, label: &str) -> bool {
        self.selector.labels().any(|asked| asked == label)
    }

    /// Why no figure meets it, whatever the drills come to; `None`: one may.
    #[must_use]
    pub fn never_holds(&self) -> Option<&'static str> {
        let Target::Number(number) = self.target else {
            return None;
        };
        let (least, most) = match self.aggregation.kind(self.metric.kind) {
            Kind::Count | Kind::PerWeek | Kind::PerSecond => (0.0, f64::INFINITY),
            Kind::Share => (0.0, 1.0),
            Kind::Seconds => return None,
        };
        let is_above = match self.op {
            Op::Less => number <= least,
            Op::AtMost | Op::Equal => number < least,
            Op::More | Op::AtLeast | Op::Other => false,
        };
        let is_below = match self.op {
            Op::More => number >= most,
            Op::AtLeast | Op::Equal => number > most,
            Op::Less | Op::AtMost | Op::Other => false,
        };
        let is_counted = self.aggregation == Aggregation::Count;
        if is_above {
            Some("it is never below 0")
        } else if is_below {
            Some("a share is 1 at most")
        } else if is_counted && self.op == Op::Equal && number.fract() != 0.0 {
            Some("a count is a whole number")
        } else {
            None
        }
    }

    /// Whether it needs a baseline.
    #[must_use]
    pub fn needs_baseline(&self) -> bool {
        matches!(self.target, Target::Baseline { .. })
    }

    /// The metric and its labels, as they are written before the colon.
    #[must_use]
    pub fn figure(&self) -> &str {
        self.selector.text()
    }

    /// What stands behind the colon.
    #[must_use]
    pub fn condition(&self) -> String {
        format!("{} {} {}", self.aggregation, self.op, self.target)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Baseline { times, plus } => {
                f.write_str("baseline")?;
                if *times != 1.0 {
                    write!(f, " * {times}")?;
                }
                match plus {
                    plus if *plus > 0.0 => write!(f, " + {plus}"),
                    plus if *plus < 0.0 => write!(f, " - {}", -plus),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.figure(), self.condition())
    }
}

impl PartialEq for Gate {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl From<Gate> for String {
    fn from(gate: Gate) -> Self {
        gate.to_string()
    }
}

impl TryFrom<String> for Gate {
    type Error = Misread;

    fn try_from(text: String) -> Result<Self, Misread> {
        text.parse()
    }
}

impl FromStr for Gate {
    type Err = Misread;

    /// Reads `metric{labels}: condition`.
    fn from_str(text: &str) -> Result<Self, Misread> {
        match text.rsplit_once(':') {
            Some((figure, condition)) => read::gate(figure.trim(), condition.trim()),
            None => Err(Misread {
                of_figure: true,
                at: 0,
                message: format!("`{text}` is no gate"),
                hint: "a gate is `METRIC: AGGREGATION OPERATOR NUMBER`, such as `jobs_lost: count == 0`"
                    .into(),
            }),
        }
    }
}
