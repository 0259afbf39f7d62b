//! `gates` of a scenario: figures, and what they must be like.

use crate::form::{Shape, Yaml, quote};
use firedrill_detector::yaml::{Node, Problems};
use firedrill_reports::gate::{self, Gate};
use serde_json::Value;

/// Figures of the drill by name, and one or more conditions of each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gates;

/// Figures of the drill by name, and one or more conditions of each.
pub(super) fn gates() -> Gates {
    Gates
}

impl Shape for Gates {
    type Value = Vec<Gate>;

    fn read(&self, node: &Node, _: &str, problems: &mut Problems) -> Option<Vec<Gate>> {
        let found = gate::gates(node, problems);
        Some(found.into_iter().map(|(gate, _)| gate).collect())
    }

    fn write(&self, value: &Vec<Gate>) -> Yaml {
        let mut entries: Vec<(String, Vec<Yaml>)> = Vec::new();
        for gate in value {
            let figure = quote(gate.figure());
            let condition = Yaml::Scalar(quote(&gate.condition()));
            match entries.iter_mut().find(|(known, _)| *known == figure) {
                Some((_, conditions)) => conditions.push(condition),
                None => entries.push((figure, vec![condition])),
            }
        }
        let entries = entries.into_iter();
        Yaml::Map {
            block: true,
            entries: entries
                .map(|(figure, conditions)| (figure, Yaml::List(conditions)))
                .collect(),
        }
    }

    fn words(&self) -> String {
        "mapping of figures to conditions".into()
    }

    fn schema(&self) -> Value {
        gate::schema()
    }
}
