//! The `timeline` of a scenario: how faults are written.

use crate::fault::{Fault, Remedy};

use crate::scenario::timeline::{as_share, count, list, one_of, read_name, text, time};
use crate::scenario::{At, Step};
use firedrill_detector::yaml::{Fields, Mark, Node, Problems, Value};

/// Every fault, for error messages; `read` knows their parameters.
pub(super) const FAULTS: [&str; 5] = [
    "worker.kill",
    "handler.fail",
    "handler.slow",
    "handler.deadlock",
    "redis.kill",
];
const REMEDIES: [&str; 2] = ["worker.restart", "redis.start"];

/// Which worker processes a fault hits.
#[derive(Debug, Clone, PartialEq)]
pub enum Select {
    /// All of them.
    All,
    /// So many, the first by name.
    Count(u32),
    /// These.
    Names(Vec<At<String>>),
}

/// How a fault ends, as written.
#[derive(Debug, Clone)]
pub(super) struct Until {
    /// `None`: with the drill.
    pub(super) at: Option<At<i64>>,
    pub(super) remedy: Option<At<Remedy>>,
    pub(super) here: Mark,
}

pub(super) fn step(node: &Node, problems: &mut Problems) -> Option<Step> {
    let mut fields = Fields::new(node, "timeline entry", problems)?;
    let at = fields
        .required("at", problems)
        .and_then(|node| time(node, "at", problems));
    let kind = fields
        .required("fault", problems)
        .and_then(|node| one_of(node, "fault", &FAULTS, problems));
    let id = fields
        .take("id")
        .map(|node| read_name(node, "id", problems));
    let until = fields.take("until").map(|node| read_until(node, problems));
    let kind = kind?;
    let mut select = None;
    let fault = match kind.value.as_str() {
        "worker.kill" | "handler.deadlock" => {
            select = fields
                .required("select", problems)
                .and_then(|node| read_select(node, problems));
            Some(if kind.value == "worker.kill" {
                Fault::WorkerKill
            } else {
                Fault::HandlerDeadlock
            })
        }
        "handler.fail" => {
            let task = fields
                .required("task", problems)
                .and_then(|node| text(node, "task", problems));
            let share = fields.take("share").map_or(Some(1.0), |node| {
                let share = as_share(node, "share", problems)?;
                if share == 0.0 {
                    let message = "share: 0 changes nothing, so there is no fault";
                    problems.push_with_hint(node.at, message, "accepted: above 0, up to 100%");
                    return None;
                }
                Some(share)
            });
            let error = fields
                .take("error")
                .map_or(Some("job failed".into()), |node| {
                    text(node, "error", problems)
                });
            match (task, share, error) {
                (Some(task), Some(share), Some(error)) => {
                    Some(Fault::HandlerFail { task, share, error })
                }
                _ => None,
            }
        }
        "handler.slow" => {
            let task = fields.take("task").map(|node| text(node, "task", problems));
            let factor = fields.required("factor", problems).and_then(|node| {
                let factor = node.as_f64("factor", problems)?;
                if factor == 1.0 {
                    let message = "factor: 1 changes nothing, so there is no fault";
                    problems.push_with_hint(node.at, message, "accepted: above 1, up to 10000");
                    return None;
                }
                if !(1.0..=10_000.0).contains(&factor) {
                    node.expected("factor", "a number above 1, up to 10000", problems);
                    return None;
                }
                Some(factor)
            });
            factor.map(|factor| Fault::HandlerSlow {
                task: task.flatten(),
                factor,
            })
        }
        _ => {
            let keep = fields
                .take("keep_data")
                .map_or(Some(true), |node| node.as_bool("keep_data", problems));
            keep.map(|keep_data| Fault::RedisKill { keep_data })
        }
    };
    fields.finish(problems);
    Some(Step {
        id: id.flatten(),
        at: at?,
        fault: At {
            at: kind.at,
            value: fault?,
        },
        select,
        until: until.flatten(),
    })
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
    let remedy = fields.take("remedy").map(|node| {
        let name = one_of(node, "remedy", &REMEDIES, problems)?;
        let remedy = if name.value == "worker.restart" {
            Remedy::WorkerRestart
        } else {
            Remedy::RedisStart
        };
        Some(At {
            at: name.at,
            value: remedy,
        })
    });
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
        Value::Mapping(_) => {
            let mut fields = Fields::new(node, "select", problems)?;
            let total = fields
                .required("count", problems)
                .and_then(|node| count(node, "count", 1..=1_000, problems));
            fields.finish(problems);
            Select::Count(total?)
        }
        Value::Scalar { .. } => {
            node.expected(
                "select",
                "`all`, `{ count: 1 }` or a list of processes such as `[w-0]`",
                problems,
            );
            return None;
        }
    };
    Some(At { at: node.at, value })
}
