//! Numbers, and what stands for them: shares, rates, short spans.

use crate::form::shapes::{ButNot, duration_schema};
use crate::form::{Shape, Yaml};
use crate::units;
use firedrill_detector::yaml::{Node, Problems};
use serde_json::{Value, json};
use std::fmt::Display;
use std::ops::RangeInclusive;

/// A whole number in a range.
#[derive(Debug, Clone)]
pub struct Count<T>(RangeInclusive<T>);

/// A whole number in a range.
#[must_use]
pub fn count(range: RangeInclusive<u32>) -> Count<u32> {
    Count(range)
}

/// A whole number in a range.
#[must_use]
pub fn count64(range: RangeInclusive<u64>) -> Count<u64> {
    Count(range)
}

/// Any whole number from 0.
#[must_use]
pub fn whole() -> Count<u64> {
    Count(0..=u64::MAX)
}

impl<T: Copy + PartialOrd + TryFrom<u64> + Into<u64> + Display> Shape for Count<T> {
    type Value = T;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<T> {
        let value = T::try_from(node.as_u64(what, problems)?).ok();
        let value = value.filter(|value| self.0.contains(value));
        if value.is_none() {
            let (least, most) = (self.0.start(), self.0.end());
            let expected = format!("a whole number from {least} to {most}");
            node.expected(what, &expected, problems);
        }
        value
    }

    fn write(&self, value: &T) -> Yaml {
        Yaml::Scalar(value.to_string())
    }

    fn words(&self) -> String {
        "whole number".into()
    }

    fn range(&self) -> Option<String> {
        let (least, most) = (*self.0.start(), *self.0.end());
        let all = most.into() == u64::MAX;
        (!all).then(|| format!("{least} to {most}"))
    }

    fn schema(&self) -> Value {
        let (least, most): (u64, u64) = ((*self.0.start()).into(), (*self.0.end()).into());
        json!({ "type": "integer", "minimum": least, "maximum": most })
    }
}

/// A number in a range.
#[derive(Debug, Clone)]
pub struct Number {
    range: RangeInclusive<f64>,
    expected: Option<&'static str>,
}

/// A number in a range.
#[must_use]
pub fn number(range: RangeInclusive<f64>) -> Number {
    Number {
        range,
        expected: None,
    }
}

impl Number {
    /// What is said to be expected of a number out of range, instead of `a number from ... to ...`.
    #[must_use]
    pub fn saying(self, expected: &'static str) -> Self {
        Self {
            expected: Some(expected),
            ..self
        }
    }

    /// Less one value, with what is said of that and a hint.
    #[must_use]
    pub fn but_not(self, refused: f64, message: &'static str, hint: &'static str) -> ButNot<Self> {
        ButNot::new(self, refused, message, hint)
    }
}

impl Shape for Number {
    type Value = f64;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<f64> {
        let value = node.as_f64(what, problems)?;
        if self.range.contains(&value) {
            return Some(value);
        }
        let all = format!(
            "a number from {} to {}",
            self.range.start(),
            self.range.end()
        );
        node.expected(what, self.expected.unwrap_or(&all), problems);
        None
    }

    fn write(&self, value: &f64) -> Yaml {
        Yaml::Scalar(value.to_string())
    }

    fn words(&self) -> String {
        "number".into()
    }

    fn range(&self) -> Option<String> {
        Some(format!("{} to {}", self.range.start(), self.range.end()))
    }

    fn schema(&self) -> Value {
        json!({ "type": "number", "minimum": self.range.start(), "maximum": self.range.end() })
    }
}

/// A share from 0 to 1, written `5%` or `0.05`.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// What is accepted, and how that is said.
    within: Option<(f64, f64, &'static str)>,
}

/// A share from 0 to 1, written `5%` or `0.05`.
#[must_use]
pub fn share() -> Share {
    Share { within: None }
}

impl Share {
    /// From one to another, said so: `a share from 5% to 95%`.
    #[must_use]
    pub fn within(self, least: f64, most: f64, said: &'static str) -> Self {
        Self {
            within: Some((least, most, said)),
        }
    }

    /// Less one value, with what is said of that and a hint.
    #[must_use]
    pub fn but_not(self, refused: f64, message: &'static str, hint: &'static str) -> ButNot<Self> {
        ButNot::new(self, refused, message, hint)
    }
}

impl Shape for Share {
    type Value = f64;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<f64> {
        let value = units::as_share(node, what, problems)?;
        match self.within {
            Some((least, most, said)) if !(least..=most).contains(&value) => {
                node.expected(what, said, problems);
                None
            }
            _ => Some(value),
        }
    }

    fn write(&self, value: &f64) -> Yaml {
        let percent = format!("{}%", value * 100.0);
        let same = units::share(&percent) == Some(*value);
        Yaml::Scalar(if same { percent } else { value.to_string() })
    }

    fn words(&self) -> String {
        "share".into()
    }

    fn range(&self) -> Option<String> {
        Some("0% to 100%".into())
    }

    fn schema(&self) -> Value {
        json!({ "anyOf": [
            { "type": "number", "minimum": 0, "maximum": 1 },
            { "type": "string", "pattern": "^[0-9.]+ *%$" },
        ] })
    }
}

/// A rate per second, written `10/s`, `30/m` or `500/h`.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Whether `0/s` is one.
    or_none: bool,
}

/// A rate per second, written `10/s`, `30/m` or `500/h`.
#[must_use]
pub fn rate() -> Rate {
    Rate { or_none: false }
}

impl Rate {
    /// Or none at all, written `0/s`.
    #[must_use]
    pub fn or_none(self) -> Self {
        Self { or_none: true }
    }
}

impl Shape for Rate {
    type Value = f64;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<f64> {
        let is_none = |text: &str| {
            let number = text
                .split_once('/')
                .filter(|(_, unit)| ["s", "m", "h"].contains(&unit.trim()));
            number.is_some_and(|(number, _)| number.trim().parse() == Ok(0.0))
        };
        if self.or_none && node.text().is_some_and(is_none) {
            return Some(0.0);
        }
        units::as_rate(node, what, problems)
    }

    fn write(&self, value: &f64) -> Yaml {
        Yaml::Scalar(format!("{value}/s"))
    }

    fn words(&self) -> String {
        "rate".into()
    }

    fn range(&self) -> Option<String> {
        Some("such as `10/s`, `30/m` or `500/h`".into())
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^[0-9.e+-]+ */ *[smh]$" })
    }
}

/// A size in bytes, written `50KB` or `1.5MB`.
#[derive(Debug, Clone, Copy)]
pub struct Size(u64);

/// A size in bytes, above 0 and up to `most`.
#[must_use]
pub fn size(most: u64) -> Size {
    Size(most)
}

impl Shape for Size {
    type Value = u64;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<u64> {
        let value = units::as_size(node, what, problems)?;
        if value > self.0 {
            let expected = format!("at most {}", units::size_text(self.0));
            node.expected(what, &expected, problems);
            return None;
        }
        Some(value)
    }

    fn write(&self, value: &u64) -> Yaml {
        Yaml::Scalar(units::size_text(*value))
    }

    fn words(&self) -> String {
        "size".into()
    }

    fn range(&self) -> Option<String> {
        let most = units::size_text(self.0);
        Some(format!("such as `50KB` or `1.5MB`, up to `{most}`"))
    }

    fn schema(&self) -> Value {
        json!({ "anyOf": [
            { "type": "integer", "minimum": 1 },
            { "type": "string", "pattern": "^[0-9.]+ *([KMGkmg]?[Bb])?$" },
        ] })
    }
}

/// A short duration in milliseconds, to the microsecond.
#[derive(Debug, Clone, Copy)]
pub struct Span;

/// A short duration above zero in milliseconds, to the microsecond.
#[must_use]
pub fn span() -> Span {
    Span
}

impl Shape for Span {
    type Value = f64;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<f64> {
        let value = units::micros(node.as_str(what, problems)?)
            .filter(|us| *us > 0.0)
            .map(|us| us / 1e3);
        if value.is_none() {
            node.expected(what, "a duration above zero such as `500ms`", problems);
        }
        value
    }

    fn write(&self, ms: &f64) -> Yaml {
        let us = ms * 1e3;
        let whole = us.round();
        let largest = units::micros_text(us);
        // What is the same on paper need not be to the last bit.
        let others = [
            format!("{ms}ms"),
            format!("{whole}us"),
            format!("{}s", us / 1e6),
            format!("{us}us"),
        ];
        let same = |text: &&String| units::micros(text).map(|us| us / 1e3) == Some(*ms);
        let exact = std::iter::once(&largest).chain(&others).find(same);
        Yaml::Scalar(exact.unwrap_or(&largest).clone())
    }

    fn words(&self) -> String {
        "duration".into()
    }

    fn range(&self) -> Option<String> {
        Some("above 0".into())
    }

    fn schema(&self) -> Value {
        duration_schema(true)
    }
}
