//! The shapes there are: scalars here, what is made of others in its own files.

mod compound;
mod number;
mod words;

pub use compound::{Brief, Means, Named, by_name, list, placed, spotted, via, within};
pub use number::{count, count64, number, rate, share, size, span, whole};
pub use words::{choice, name, one_of, only, parsed, text, truth};

use crate::form::{Shape, Yaml};
use crate::units;
use firedrill_detector::yaml::{Node, Problems};
use serde_json::{Value, json};

/// A duration in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Duration {
    positive: bool,
    /// The least, and how that is said.
    least: Option<(i64, &'static str)>,
}

/// A duration in milliseconds, from 0.
#[must_use]
pub fn duration() -> Duration {
    Duration {
        positive: false,
        least: None,
    }
}

/// A duration in milliseconds, above 0.
#[must_use]
pub fn positive() -> Duration {
    Duration {
        positive: true,
        least: None,
    }
}

impl Duration {
    /// Not less than `ms`, which is written `said`, such as `1s`.
    #[must_use]
    pub fn at_least(self, ms: i64, said: &'static str) -> Self {
        Self {
            least: Some((ms, said)),
            ..self
        }
    }
}

impl Shape for Duration {
    type Value = i64;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<i64> {
        let value = units::as_duration(node, what, problems)?;
        if self.positive && value <= 0 {
            node.expected(what, "a duration above zero", problems);
            return None;
        }
        if let Some((least, said)) = self.least
            && value < least
        {
            node.expected(what, &format!("at least {said}"), problems);
            return None;
        }
        Some(value)
    }

    fn write(&self, value: &i64) -> Yaml {
        Yaml::Scalar(units::format(*value))
    }

    fn words(&self) -> String {
        "duration".into()
    }

    fn range(&self) -> Option<String> {
        match self.least {
            Some((_, said)) => Some(format!("at least `{said}`")),
            None => self.positive.then(|| "above 0".into()),
        }
    }

    fn schema(&self) -> Value {
        duration_schema(self.positive)
    }
}

/// `0` stands without a unit, and is a number to YAML.
fn duration_schema(positive: bool) -> Value {
    let text = json!({ "type": "string", "pattern": "^(0|([0-9]*\\.?[0-9]*(us|ms|s|m|h|d|w))+)$" });
    if positive {
        return text;
    }
    json!({ "anyOf": [text, { "const": 0 }] })
}

/// Any shape, less one value.
#[derive(Debug, Clone, Copy)]
pub struct ButNot<S: Shape> {
    shape: S,
    refused: S::Value,
    message: &'static str,
    hint: &'static str,
}

impl<S: Shape> ButNot<S> {
    pub(super) fn new(
        shape: S,
        refused: S::Value,
        message: &'static str,
        hint: &'static str,
    ) -> Self {
        Self {
            shape,
            refused,
            message,
            hint,
        }
    }
}

impl<S: Shape<Value: PartialEq>> Shape for ButNot<S> {
    type Value = S::Value;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<S::Value> {
        let value = self.shape.read(node, what, problems)?;
        if value == self.refused {
            problems.push_with_hint(node.at, self.message, self.hint);
            return None;
        }
        Some(value)
    }

    fn write(&self, value: &S::Value) -> Yaml {
        self.shape.write(value)
    }

    fn words(&self) -> String {
        self.shape.words()
    }

    fn range(&self) -> Option<String> {
        let refused = format!("not `{}`", self.shape.write(&self.refused).flow());
        let range = self.shape.range();
        Some(range.map_or(refused.clone(), |range| format!("{range}, {refused}")))
    }

    fn schema(&self) -> Value {
        self.shape.schema()
    }
}
