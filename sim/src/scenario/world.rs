//! The world of a scenario: by name, in a file beside it, or written out.

use super::resolve::beside;
use crate::form::{At, Row, Shape, Yaml, quote};
use crate::scenario::Scenario;
use crate::world::{self, World, preset, written};
use firedrill_detector::yaml::{Node, Problem, Problems, TEXT_MAX, closest};
use std::path::Path;

/// What Prometheus sees of a scenario's fleet.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seen {
    /// A world inside the binary, or a file.
    Named(At<String>),
    /// This.
    Written(Box<World>),
}

impl Default for Seen {
    fn default() -> Self {
        Self::Named(At::nowhere(world::DEFAULT.to_owned()))
    }
}

impl Seen {
    /// What is written to mean a world.
    pub(super) fn of(world: &World) -> Self {
        match world.is_default() {
            true => Self::default(),
            false => Self::Written(Box::new(world.clone())),
        }
    }

    /// The world that is meant; `scenario`: the file beside which it is looked for. Or what is wrong, in the order of its places.
    pub(super) fn find(&self, scenario: &str) -> Result<World, Vec<Problem>> {
        let named = match self {
            Self::Written(world) => return Ok(world.as_ref().clone()),
            Self::Named(named) => named,
        };
        let name = named.value.as_str();
        if let Some(preset) = preset(name) {
            return World::parse(preset.name, preset.text);
        }
        let mut problems = Problems::new(scenario);
        let is_path = name.contains(['/', '.']);
        if !is_path {
            let known: Vec<&str> = world::PRESETS.iter().map(|preset| preset.name).collect();
            let close = closest(name, known.iter().copied());
            let close = close.map_or_else(String::new, |close| format!("did you mean `{close}`? "));
            let hint = format!(
                "{close}accepted: {}, or a file beside the scenario, such as `world.yaml`",
                known.join(", ")
            );
            problems.push_with_hint(named.at, format!("there is no world `{name}`"), hint);
            return Err(problems.into_vec());
        }
        match beside(Path::new(scenario), name, TEXT_MAX as u64) {
            Ok((shown, text)) => World::parse(&shown, &text),
            Err(why) => {
                problems.push(named.at, format!("world: {why}"));
                Err(problems.into_vec())
            }
        }
    }
}

impl Scenario {
    /// The same as a Prometheus of another world sees it.
    #[must_use]
    pub fn seen_in(self, world: &World) -> Self {
        Self {
            world: Seen::Written(Box::new(world.clone())),
            ..self
        }
    }
}

/// A world's name, or a world.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeenShape;

/// A world's name, or a world.
pub(super) fn seen() -> SeenShape {
    SeenShape
}

impl Shape for SeenShape {
    type Value = Seen;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<Seen> {
        if node.text().is_some() {
            let value = node.as_str(what, problems)?.to_owned();
            return Some(Seen::Named(At { at: node.at, value }));
        }
        let world = written().read(node, what, problems)?;
        Some(Seen::Written(Box::new(world)))
    }

    fn write(&self, value: &Seen) -> Yaml {
        match value {
            Seen::Named(name) => Yaml::Scalar(quote(&name.value)),
            Seen::Written(world) => written().write(world),
        }
    }

    fn words(&self) -> String {
        "name, path or mapping".into()
    }

    fn schema(&self) -> serde_json::Value {
        serde_json::json!({ "anyOf": [{ "type": "string" }, written().schema()] })
    }

    fn rows(&self) -> (&'static str, Vec<Row>) {
        written().rows()
    }
}
