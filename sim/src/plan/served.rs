//! The queues of a worker, as written: names. Their priorities are the queues'.

use crate::form::{Shape, Yaml, list, text};
use firedrill_detector::yaml::{Node, Problems};

/// Queues that are served, by name; their priorities are filled in when all are known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Served;

impl Shape for Served {
    type Value = Vec<(String, u32)>;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<Self::Value> {
        let names = list("queue", text()).read(node, what, problems)?;
        Some(names.into_iter().map(|name| (name, 0)).collect())
    }

    fn write(&self, value: &Self::Value) -> Yaml {
        let names = value.iter().map(|(name, _)| text().write(name));
        Yaml::List(names.collect())
    }

    fn words(&self) -> String {
        "list of queues".into()
    }

    fn schema(&self) -> serde_json::Value {
        list("queue", text()).schema()
    }
}
