//! How one value is written.

use crate::form::{Row, Yaml};
use firedrill_detector::yaml::{Node, Position, Problems, Value};

/// How values of one kind are written, read, printed and described.
pub trait Shape {
    /// What is read.
    type Value;

    /// Reads it; `None`, with problems, when it is not of this shape. Problems call it `what`.
    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<Self::Value>;

    /// As printed; it reads back as the same value.
    fn write(&self, value: &Self::Value) -> Yaml;

    /// Its type in a word or two, such as `duration`.
    fn words(&self) -> String;

    /// What of the type is accepted, if not all of it, such as `1 to 64`.
    fn range(&self) -> Option<String> {
        None
    }

    /// A JSON Schema, draft 2020-12, of the YAML it accepts.
    fn schema(&self) -> serde_json::Value;

    /// The keys in it, if it is made of forms: what goes between its key and theirs (`.`, or `[].` for a list), and them.
    fn rows(&self) -> (&'static str, Vec<Row>) {
        ("", Vec::new())
    }
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct At<T> {
    /// Where.
    pub at: Position,
    /// What.
    pub value: T,
}

/// Where what was not written stands.
const NOWHERE: Position = Position { line: 1, column: 1 };

impl<T> At<T> {
    /// A value that was not written anywhere.
    #[must_use]
    pub fn nowhere(value: T) -> Self {
        Self { at: NOWHERE, value }
    }
}

/// The value of a form with the places of all that is in it, for problems found later.
#[derive(Debug, Clone)]
pub struct Spotted<T> {
    /// What it says.
    pub value: T,
    /// As written; `None`: it was not.
    pub(super) node: Option<Node>,
}

impl<T> Spotted<T> {
    /// A value that was not written anywhere.
    #[must_use]
    pub fn nowhere(value: T) -> Self {
        Self { value, node: None }
    }

    /// Where it begins.
    #[must_use]
    pub fn here(&self) -> Position {
        self.node.as_ref().map_or(NOWHERE, |node| node.at)
    }

    /// What was written for a key; `None`: it was left out.
    fn node(&self, key: &str) -> Option<&Node> {
        let Value::Mapping(entries) = &self.node.as_ref()?.value else {
            return None;
        };
        let entry = entries.iter().find(|(name, _)| name.text() == Some(key));
        entry.map(|(_, node)| node).filter(|node| !node.is_null())
    }

    /// Whether a key was written.
    #[must_use]
    pub fn says(&self, key: &str) -> bool {
        self.node(key).is_some()
    }

    /// Where the value of a key is; of one that was left out, where the form is.
    #[must_use]
    pub fn place(&self, key: &str) -> Position {
        self.node(key).map_or(self.here(), |node| node.at)
    }

    /// Where an item of the list at a key is.
    #[must_use]
    pub fn place_of_item(&self, key: &str, index: usize) -> Position {
        let items = self.node(key).map(|node| &node.value);
        match items {
            Some(Value::Sequence(items)) => items.get(index).map(|node| node.at),
            _ => None,
        }
        .unwrap_or_else(|| self.place(key))
    }
}

impl<T> std::ops::Deref for Spotted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
