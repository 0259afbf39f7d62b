//! The steps of a timeline as one shape of the scenario's form: what all have, and what a fault or a remedy has.

use crate::fault::{self, Fault};
use crate::form::{self, At, Shape, Yaml};
use crate::lever::On;
use crate::remedy::{self, Remedy};
use crate::scenario::{Step, StepWritten};
use firedrill_detector::yaml::{Fields, Node, Position, Problems, Value};
use serde_json::{Value as Json, json};
use std::ops::RangeInclusive;

/// Which processes, clients or targets a step is done to.
#[derive(Debug, Clone, PartialEq)]
pub enum Select {
    /// All of them.
    All,
    /// So many, the first by name.
    Count(u32),
    /// Such a share of them, rounded up, the first by name.
    Share(f64),
    /// These.
    Names(Vec<At<String>>),
    /// All of a group of workers.
    Role(At<String>),
}

/// How a fault ends, as written.
#[derive(Debug, Clone)]
pub(in crate::scenario) struct Until {
    /// `None`: with the drill.
    pub(in crate::scenario) at: Option<At<i64>>,
    /// Name of the remedy.
    pub(in crate::scenario) remedy: Option<At<String>>,
    pub(in crate::scenario) here: Position,
}

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepShape;

impl Shape for StepShape {
    type Value = Step;

    fn read(&self, node: &Node, _: &str, problems: &mut Problems) -> Option<Step> {
        read_step(node, problems)
    }

    fn write(&self, step: &Step) -> Yaml {
        let mut entries: Vec<(String, Yaml)> = Vec::new();
        let plain = |text: &str| Yaml::Scalar(text.to_owned());
        if let Some(id) = &step.id {
            entries.push(("id".to_owned(), form::name().write(&id.value)));
        }
        entries.push(("at".to_owned(), form::duration().write(&step.at.value)));
        let what = match &step.what {
            StepWritten::Fault { .. } => "fault",
            StepWritten::Remedy(_) => "remedy",
        };
        entries.push((what.to_owned(), plain(step.name())));
        if let Some(select) = &step.select {
            entries.push(("select".to_owned(), write_select(&select.value)));
        }
        match &step.what {
            StepWritten::Fault { fault, until } => {
                fault.value.put_entries(&mut entries);
                let until = until.as_ref().map(write_until);
                entries.extend(until.map(|until| ("until".to_owned(), until)));
            }
            StepWritten::Remedy(remedy) => remedy.value.put_entries(&mut entries),
        }
        Yaml::Map {
            block: false,
            entries,
        }
    }

    fn words(&self) -> String {
        "step".into()
    }

    fn schema(&self) -> Json {
        let faults: Vec<&str> = fault::KINDS.iter().map(|kind| kind.name).collect();
        let remedies: Vec<&str> = remedy::KINDS.iter().map(|kind| kind.name).collect();
        let when = |key: &str, name: &str, properties: Json| {
            json!({
                "if": { "properties": { key: { "const": name } }, "required": [key] },
                "then": { "properties": properties },
            })
        };
        let of_faults = fault::KINDS.iter();
        let of_faults = of_faults.map(|kind| when("fault", kind.name, (kind.schema)()));
        let of_remedies = remedy::KINDS.iter();
        let of_remedies = of_remedies.map(|kind| when("remedy", kind.name, (kind.schema)()));
        json!({
            "type": "object",
            "properties": {
                "id": form::name().schema(),
                "at": form::duration().schema(),
                "fault": { "enum": faults },
                "remedy": { "enum": remedies },
            },
            "required": ["at"],
            "oneOf": [{ "required": ["fault"] }, { "required": ["remedy"] }],
            "allOf": of_faults.chain(of_remedies).collect::<Vec<Json>>(),
        })
    }
}

fn read_step(node: &Node, problems: &mut Problems) -> Option<Step> {
    let mut fields = Fields::new(node, "timeline entry", problems)?;
    let at = fields
        .required("at", problems)
        .and_then(|node| time(node, "at", problems));
    let id = fields
        .take("id")
        .map(|node| read_name(node, "id", problems));
    let (what, select) = match fields.take("remedy") {
        Some(remedy) => read_remedy(remedy, &mut fields, problems),
        None => read_fault(&mut fields, problems),
    }?;
    fields.finish(problems);
    Some(Step {
        id: id.flatten(),
        at: at?,
        what: what?,
        select: select?,
    })
}

/// What is done, and to whom; the latter is `None` when it is wrong, and `Some(None)` when it is no choice. `None`: it is not
/// known what is to be done, so nothing more can be said of the entry.
type Read = Option<(Option<StepWritten>, Option<Option<At<Select>>>)>;

fn read_fault(fields: &mut Fields<'_>, problems: &mut Problems) -> Read {
    let names: Vec<&str> = fault::KINDS.iter().map(|kind| kind.name).collect();
    let kind = fields
        .required("fault", problems)
        .and_then(|node| one_of(node, "fault", &names, problems));
    let until = fields.take("until").map(|node| read_until(node, problems));
    let kind = kind?;
    let fault = Fault::read(&kind.value, fields, problems).flatten();
    let on = fault::KINDS.iter().find(|known| known.name == kind.value);
    let select = selected(on.map(|kind| kind.on), fields, problems);
    let written = fault.map(|fault| StepWritten::Fault {
        fault: At {
            at: kind.at,
            value: fault,
        },
        until: until.flatten(),
    });
    Some((written, select))
}

fn read_remedy(name: &Node, fields: &mut Fields<'_>, problems: &mut Problems) -> Read {
    let names: Vec<&str> = remedy::KINDS.iter().map(|kind| kind.name).collect();
    let name = one_of(name, "remedy", &names, problems)?;
    let remedy = Remedy::read(&name.value, fields, problems).flatten();
    let scales = remedy
        .as_ref()
        .is_some_and(|remedy| remedy.scale().is_some());
    let on = remedy::KINDS.iter().find(|known| known.name == name.value);
    let on = on.map(|kind| kind.on).filter(|_| !scales);
    let select = selected(on, fields, problems);
    let written = remedy.map(|remedy| {
        StepWritten::Remedy(At {
            at: name.at,
            value: remedy,
        })
    });
    Some((written, select))
}

/// Takes `select`: it must say which processes; where clients or targets are meant, it may be left out and means all.
fn selected(
    on: Option<On>,
    fields: &mut Fields<'_>,
    problems: &mut Problems,
) -> Option<Option<At<Select>>> {
    let node = match on {
        Some(On::Workers) => Some(fields.required("select", problems)?),
        Some(On::Clients | On::Targets) => fields.take("select"),
        _ => return Some(None),
    };
    match node {
        Some(node) => read_select(node, problems).map(Some),
        None => Some(None),
    }
}

fn read_until(node: &Node, problems: &mut Problems) -> Option<Until> {
    if node.text() == Some("end") {
        return Some(Until {
            at: None,
            remedy: None,
            here: node.at,
        });
    }
    if let Value::Scalar { .. } = node.value {
        node.expected(
            "until",
            "`end` or `{ at: 55m, remedy: worker.restart }`",
            problems,
        );
        return None;
    }
    let mut fields = Fields::new(node, "until", problems)?;
    let at = fields
        .required("at", problems)
        .and_then(|node| time(node, "at", problems));
    let names: Vec<&str> = remedy::KINDS.iter().map(|kind| kind.name).collect();
    let remedy = fields
        .take("remedy")
        .map(|node| one_of(node, "remedy", &names, problems));
    fields.finish(problems);
    Some(Until {
        at: Some(at?),
        remedy: remedy.flatten(),
        here: node.at,
    })
}

fn read_select(node: &Node, problems: &mut Problems) -> Option<At<Select>> {
    let value = match &node.value {
        Value::Scalar { text, .. } if text == "all" => Select::All,
        Value::Sequence(_) => Select::Names(list(node, "select", problems, |node, problems| {
            text(node, "process", problems).map(|value| At { at: node.at, value })
        })),
        Value::Mapping(_) => read_some(node, problems)?,
        Value::Scalar { .. } => {
            node.expected(
                "select",
                "`all`, `{ count: 1 }`, `{ share: 50% }`, `{ role: w }` or a list of processes such as `[w-0]`",
                problems,
            );
            return None;
        }
    };
    Some(At { at: node.at, value })
}

/// `{ count: 1 }`, `{ share: 50% }` or `{ role: w }`.
fn read_some(node: &Node, problems: &mut Problems) -> Option<Select> {
    let mut fields = Fields::new(node, "select", problems)?;
    let select = if let Some(node) = fields.take("share") {
        let share = as_share(node, "share", problems);
        share.map(Select::Share)
    } else if let Some(node) = fields.take("role") {
        let name = text(node, "role", problems);
        name.map(|value| Select::Role(At { at: node.at, value }))
    } else {
        let total = fields
            .required("count", problems)
            .and_then(|node| count(node, "count", 1..=1_000, problems));
        total.map(Select::Count)
    };
    fields.finish(problems);
    select
}

fn write_select(select: &Select) -> Yaml {
    let one = |key: &str, value: Yaml| Yaml::Map {
        block: false,
        entries: vec![(key.to_owned(), value)],
    };
    match select {
        Select::All => Yaml::Scalar("all".into()),
        Select::Count(count) => one("count", Yaml::Scalar(count.to_string())),
        Select::Share(share) => one("share", form::share().write(share)),
        Select::Role(role) => one("role", form::text().write(&role.value)),
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
        entries.push(("remedy".to_owned(), Yaml::Scalar(remedy.value.clone())));
    }
    Yaml::Map {
        block: false,
        entries,
    }
}

/// Reads each item of a sequence; those with problems are left out.
fn list<T>(
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

fn text(node: &Node, what: &str, problems: &mut Problems) -> Option<String> {
    form::text().read(node, what, problems)
}

fn read_name(node: &Node, what: &str, problems: &mut Problems) -> Option<At<String>> {
    form::placed(form::name()).read(node, what, problems)
}

fn one_of(
    node: &Node,
    what: &str,
    accepted: &[&'static str],
    problems: &mut Problems,
) -> Option<At<String>> {
    form::placed(form::one_of(accepted)).read(node, what, problems)
}

fn time(node: &Node, what: &str, problems: &mut Problems) -> Option<At<i64>> {
    form::placed(form::duration()).read(node, what, problems)
}

fn as_share(node: &Node, what: &str, problems: &mut Problems) -> Option<f64> {
    form::share().read(node, what, problems)
}

fn count(
    node: &Node,
    what: &str,
    range: RangeInclusive<u32>,
    problems: &mut Problems,
) -> Option<u32> {
    form::count(range).read(node, what, problems)
}
