//! YAML as JSON, for whoever holds a file against a JSON Schema. Borrowed by the tests of other crates.

use firedrill_detector::yaml::{self, Node};
use serde_json::Value;

/// YAML as editors see it: plain scalars are what YAML 1.2 takes them for.
pub(crate) fn as_json(node: &Node) -> Value {
    match &node.value {
        yaml::Value::Scalar { plain: true, .. } if node.is_null() => Value::Null,
        yaml::Value::Scalar { text, plain } => {
            let word = serde_json::from_str(text).ok().filter(|_| *plain);
            word.unwrap_or_else(|| text.as_str().into())
        }
        yaml::Value::Sequence(items) => items.iter().map(as_json).collect(),
        yaml::Value::Mapping(entries) => {
            let entry = |(key, value): &(Node, Node)| {
                (key.text().unwrap_or_default().to_owned(), as_json(value))
            };
            Value::Object(entries.iter().map(entry).collect())
        }
    }
}
