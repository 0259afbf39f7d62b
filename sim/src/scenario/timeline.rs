//! The steps of a timeline as one shape of the scenario's form.

use crate::fault::Fault;
use crate::form::{self, At, Shape, Yaml};
use crate::scenario::fault::{self, FAULTS, Until};
use crate::scenario::{Select, Step};
use firedrill_detector::yaml::{Node, Problems};
use serde_json::{Value, json};
use std::ops::RangeInclusive;

/// A step: what all have, and what its fault has.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepShape;

impl Shape for StepShape {
    type Value = Step;

    fn read(&self, node: &Node, _: &str, problems: &mut Problems) -> Option<Step> {
        fault::step(node, problems)
    }

    fn write(&self, step: &Step) -> Yaml {
        let mut entries: Vec<(String, Yaml)> = Vec::new();
        let mut put = |key: &str, value: Yaml| entries.push((key.to_owned(), value));
        let plain = |text: &str| Yaml::Scalar(text.to_owned());
        if let Some(id) = &step.id {
            put("id", form::name().write(&id.value));
        }
        put("at", form::duration().write(&step.at.value));
        put("fault", plain(step.fault.value.name()));
        if let Some(select) = &step.select {
            put("select", write_select(&select.value));
        }
        match &step.fault.value {
            Fault::WorkerKill | Fault::HandlerDeadlock => {}
            Fault::HandlerFail { task, share, error } => {
                put("task", form::text().write(task));
                put("share", form::share().write(share));
                put("error", form::text().write(error));
            }
            Fault::HandlerSlow { task, factor } => {
                if let Some(task) = task {
                    put("task", form::text().write(task));
                }
                put("factor", Yaml::Scalar(factor.to_string()));
            }
            Fault::RedisKill { keep_data } => put("keep_data", form::truth().write(keep_data)),
        }
        if let Some(until) = &step.until {
            put("until", write_until(until));
        }
        Yaml::Map {
            block: false,
            entries,
        }
    }

    fn words(&self) -> String {
        "step".into()
    }

    fn schema(&self) -> Value {
        step_schema(&[])
    }
}

/// The JSON Schema of a step. `faults` has the keys that each fault adds, by its name, as an object's `properties`.
pub(super) fn step_schema(faults: &[(&str, Value)]) -> Value {
    let when = |(name, properties): &(&str, Value)| {
        json!({
            "if": { "properties": { "fault": { "const": name } } },
            "then": { "properties": properties },
        })
    };
    let mut schema = json!({
        "type": "object",
        "properties": {
            "id": form::name().schema(),
            "at": form::duration().schema(),
            "fault": { "enum": FAULTS },
        },
        "required": ["at", "fault"],
    });
    if !faults.is_empty() {
        schema["allOf"] = faults.iter().map(when).collect();
    }
    schema
}

fn write_select(select: &Select) -> Yaml {
    match select {
        Select::All => Yaml::Scalar("all".into()),
        Select::Count(count) => Yaml::Map {
            block: false,
            entries: vec![("count".into(), Yaml::Scalar(count.to_string()))],
        },
        Select::Names(names) => {
            let names = names.iter().map(|name| form::text().write(&name.value));
            Yaml::List(names.collect())
        }
    }
}

fn write_until(until: &Until) -> Yaml {
    let Some(at) = &until.at else {
        return Yaml::Scalar("end".into());
    };
    let mut entries = vec![("at".to_owned(), form::duration().write(&at.value))];
    if let Some(remedy) = &until.remedy {
        let name = remedy.value.name().to_owned();
        entries.push(("remedy".to_owned(), Yaml::Scalar(name)));
    }
    Yaml::Map {
        block: false,
        entries,
    }
}

/// Reads each item of a sequence; those with problems are left out.
pub(super) fn list<T>(
    node: &Node,
    what: &str,
    problems: &mut Problems,
    mut item: impl FnMut(&Node, &mut Problems) -> Option<T>,
) -> Vec<T> {
    let items = node.as_seq(what, problems).unwrap_or_default();
    items
        .iter()
        .filter_map(|node| item(node, problems))
        .collect()
}

pub(super) fn text(node: &Node, what: &str, problems: &mut Problems) -> Option<String> {
    form::text().read(node, what, problems)
}

pub(super) fn read_name(node: &Node, what: &str, problems: &mut Problems) -> Option<At<String>> {
    form::placed(form::name()).read(node, what, problems)
}

pub(super) fn one_of(
    node: &Node,
    what: &str,
    accepted: &[&'static str],
    problems: &mut Problems,
) -> Option<At<String>> {
    form::placed(form::one_of(accepted)).read(node, what, problems)
}

pub(super) fn time(node: &Node, what: &str, problems: &mut Problems) -> Option<At<i64>> {
    form::placed(form::duration()).read(node, what, problems)
}

pub(super) fn as_share(node: &Node, what: &str, problems: &mut Problems) -> Option<f64> {
    form::share().read(node, what, problems)
}

pub(super) fn count(
    node: &Node,
    what: &str,
    range: RangeInclusive<u32>,
    problems: &mut Problems,
) -> Option<u32> {
    form::count(range).read(node, what, problems)
}
