//! The `timeline` of a scenario: how faults and remedies are written.

use crate::fault::{self, Fault};
use crate::lever::On;
use crate::remedy::{self, Remedy};
use crate::scenario::{
    At, Step, StepWritten, as_share, count, list, one_of, read_name, text, time,
};
use firedrill_detector::yaml::{Fields, Mark, Node, Problems, Value};

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
pub(super) struct Until {
    /// `None`: with the drill.
    pub(super) at: Option<At<i64>>,
    /// Name of the remedy.
    pub(super) remedy: Option<At<String>>,
    pub(super) here: Mark,
}

pub(super) fn step(node: &Node, problems: &mut Problems) -> Option<Step> {
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
        .is_some_and(|remedy| remedy.worker().is_some());
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
