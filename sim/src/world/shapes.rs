//! How names, labels and buckets are written. The rules are Prometheus' (`model/labels`, `model/value`) and those of its Go
//! client, which refuses buckets that do not grow.

use super::metric::Dimension;
use crate::form::{Shape, Yaml, choice, quote};
use firedrill_detector::yaml::{Node, Problems};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Most labels of a target or metric, and most buckets.
const MANY: usize = 64;

/// The name of a metric.
#[derive(Debug, Clone, Copy)]
pub(super) struct MetricName;

impl Shape for MetricName {
    type Value = String;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<String> {
        let name = node.as_str(what, problems)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
        let begins = |c: char| !c.is_ascii_digit();
        if !name.starts_with(begins) || !name.chars().all(fits) {
            let expected = "letters, digits, `_` and `:`, and no digit first";
            node.expected(what, expected, problems);
            return None;
        }
        Some(name.to_owned())
    }

    fn write(&self, value: &String) -> Yaml {
        Yaml::Scalar(quote(value))
    }

    fn words(&self) -> String {
        "metric name".into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^[a-zA-Z_:][a-zA-Z0-9_:]*$" })
    }
}

/// The name of a label, as the key of a mapping; `taken`: names that somebody else gives.
fn label_name(key: &Node, taken: &[&str], problems: &mut Problems) -> Option<String> {
    let name = key.as_str("label name", problems)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(fits)
    {
        let expected = "letters, digits and `_`, and no digit first";
        key.expected("label name", expected, problems);
        return None;
    }
    if name.starts_with("__") {
        let hint = "names that begin with `__` are Prometheus' own";
        problems.push_with_hint(key.at, format!("label name: `{name}` is reserved"), hint);
        return None;
    }
    if taken.contains(&name) {
        let message = format!("label name: `{name}` is set elsewhere");
        let hint = format!("not accepted here: {}", taken.join(", "));
        problems.push_with_hint(key.at, message, hint);
        return None;
    }
    Some(name.to_owned())
}

/// Reads a mapping from label names to something, in the order of the names.
fn by_label<T>(
    (node, what): (&Node, &str),
    taken: &[&str],
    problems: &mut Problems,
    mut value: impl FnMut(&Node, &str, &mut Problems) -> Option<T>,
) -> Option<Vec<(String, T)>> {
    let entries = node.as_map(what, problems)?;
    if entries.len() > MANY {
        node.expected(what, &format!("at most {MANY} labels"), problems);
        return None;
    }
    let mut read = Vec::new();
    let mut whole = true;
    for (key, written) in entries {
        match label_name(key, taken, problems) {
            Some(name) => match value(written, &name, problems) {
                Some(value) => read.push((name, value)),
                None => whole = false,
            },
            None => whole = false,
        }
    }
    read.sort_by(|(name, _), (other, _)| name.cmp(other));
    let names: BTreeSet<&String> = read.iter().map(|(name, _)| name).collect();
    if names.len() < read.len() {
        node.expected(what, "each label once", problems);
        return None;
    }
    whole.then_some(read)
}

/// Labels of targets and their values. `{name}` and `{number}` stand for the process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Labels;

/// Labels of targets and their values.
pub(super) fn labels() -> Labels {
    Labels
}

impl Shape for Labels {
    type Value = Vec<(String, String)>;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<Self::Value> {
        let taken = ["job", "instance"];
        by_label((node, what), &taken, problems, |node, what, problems| {
            Pattern.read(node, what, problems)
        })
    }

    fn write(&self, value: &Self::Value) -> Yaml {
        let entries = value
            .iter()
            .map(|(name, value)| (quote(name), Pattern.write(value)));
        Yaml::Map {
            block: false,
            entries: entries.collect(),
        }
    }

    fn words(&self) -> String {
        "labels".into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "object", "additionalProperties": Pattern.schema() })
    }
}

/// A label's value that may name the process: `{name}` is `w-0`, `{number}` its place among the targets of its kind, from 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pattern;

impl Shape for Pattern {
    type Value = String;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<String> {
        let text = node.as_str(what, problems)?;
        let rest = text.replace("{name}", "").replace("{number}", "");
        if text.is_empty() || rest.contains(['{', '}']) {
            let expected = "a text, in which `{name}` and `{number}` stand for the process";
            node.expected(what, expected, problems);
            return None;
        }
        Some(text.to_owned())
    }

    fn write(&self, value: &String) -> Yaml {
        Yaml::Scalar(quote(value))
    }

    fn words(&self) -> String {
        "text".into()
    }

    fn range(&self) -> Option<String> {
        Some("`{name}` and `{number}` stand for the process".into())
    }

    fn schema(&self) -> Value {
        json!({ "type": ["string", "number", "boolean"], "minLength": 1 })
    }
}

/// Labels of a metric, each with what it tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dimensions;

impl Dimensions {
    fn tells() -> impl Shape<Value = Dimension> {
        choice(Dimension::ALL.map(|of| (of.name(), of)))
    }
}

impl Shape for Dimensions {
    type Value = Vec<(String, Dimension)>;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<Self::Value> {
        by_label((node, what), &["le"], problems, |node, what, problems| {
            Self::tells().read(node, what, problems)
        })
    }

    fn write(&self, value: &Self::Value) -> Yaml {
        let entries = value
            .iter()
            .map(|(name, of)| (quote(name), Self::tells().write(of)));
        Yaml::Map {
            block: false,
            entries: entries.collect(),
        }
    }

    fn words(&self) -> String {
        "labels".into()
    }

    fn range(&self) -> Option<String> {
        Some(format!("each {}", Self::tells().words()))
    }

    fn schema(&self) -> Value {
        json!({ "type": "object", "additionalProperties": Self::tells().schema() })
    }
}

/// Upper bounds of a histogram, ascending; `+Inf` comes by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Buckets;

impl Shape for Buckets {
    type Value = Vec<f64>;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<Vec<f64>> {
        let items = node.as_seq(what, problems)?;
        if items.is_empty() || items.len() > MANY {
            node.expected(what, &format!("1 to {MANY} bounds"), problems);
            return None;
        }
        let mut bounds: Vec<f64> = Vec::new();
        for item in items {
            let bound = item.text().and_then(|text| text.parse::<f64>().ok());
            let Some(bound) = bound.filter(|bound| bound.is_finite() && *bound > 0.0) else {
                item.expected("bucket", "a number above 0", problems);
                return None;
            };
            if let Some(last) = bounds.last().filter(|last| **last >= bound) {
                let message = format!("buckets: {bound} does not come after {last}");
                let hint = "accepted: bounds that grow, each once";
                problems.push_with_hint(item.at, message, hint);
                return None;
            }
            bounds.push(bound);
        }
        Some(bounds)
    }

    fn write(&self, value: &Vec<f64>) -> Yaml {
        let bounds = value.iter().map(|bound| Yaml::Scalar(bound.to_string()));
        Yaml::List(bounds.collect())
    }

    fn words(&self) -> String {
        "list of numbers".into()
    }

    fn range(&self) -> Option<String> {
        Some("above 0, ascending".into())
    }

    fn schema(&self) -> Value {
        let bound = json!({ "type": "number", "exclusiveMinimum": 0 });
        json!({ "type": "array", "items": bound, "minItems": 1, "maxItems": MANY })
    }
}
