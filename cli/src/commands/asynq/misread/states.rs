//! States of tasks as people name them, and which command takes which.

use crate::args::asynq::Many;
use crate::commands::asynq::connect::quoted;
use crate::commands::asynq::misread::{Misread, SOME_QUEUE};
use firedrill_asynq::op::TaskState;
use firedrill_detector::yaml::closest;

/// A command about all tasks of a state.
pub(super) struct Bulk {
    pub(super) name: &'static str,
    states: &'static [TaskState],
    /// The state that is meant by "failed".
    failed: TaskState,
}

pub(super) const LIST: Bulk = Bulk {
    name: "task ls",
    states: &TaskState::ALL,
    failed: TaskState::Retry,
};
pub(super) const RUN_ALL: Bulk = Bulk {
    name: "task runall",
    states: &[
        TaskState::Scheduled,
        TaskState::Retry,
        TaskState::Archived,
        TaskState::Aggregating,
    ],
    failed: TaskState::Archived,
};
pub(super) const ARCHIVE_ALL: Bulk = Bulk {
    name: "task archiveall",
    states: &[
        TaskState::Pending,
        TaskState::Scheduled,
        TaskState::Retry,
        TaskState::Aggregating,
    ],
    failed: TaskState::Retry,
};
pub(super) const DELETE_ALL: Bulk = Bulk {
    name: "task deleteall",
    states: &[
        TaskState::Pending,
        TaskState::Scheduled,
        TaskState::Retry,
        TaskState::Archived,
        TaskState::Completed,
        TaskState::Aggregating,
    ],
    failed: TaskState::Archived,
};

/// What people call the states of tasks.
fn meant(name: &str, bulk: &Bulk) -> Option<TaskState> {
    Some(match name.to_lowercase().as_str() {
        "failed" | "failure" | "failing" | "error" | "errors" | "errored" => bulk.failed,
        "retries" | "retrying" => TaskState::Retry,
        "dead" | "exhausted" | "archive" | "deadletter" | "dead-letter" | "dlq" => {
            TaskState::Archived
        }
        "waiting" | "queued" | "enqueued" | "ready" | "new" => TaskState::Pending,
        "running" | "processing" | "in_progress" | "in-progress" | "started" | "busy" => {
            TaskState::Active
        }
        "delayed" | "schedule" | "future" => TaskState::Scheduled,
        "done" | "success" | "succeeded" | "successful" | "finished" | "processed" | "complete" => {
            TaskState::Completed
        }
        "group" | "grouped" | "groups" | "aggregation" => TaskState::Aggregating,
        lower => {
            let close = closest(lower, TaskState::ALL.iter().map(|state| state.name()))?;
            return TaskState::named(close);
        }
    })
}

/// Whether a word stands for something to be filled in, as in runbooks.
pub(super) fn is_placeholder(word: &str) -> bool {
    (word.starts_with('<') && word.ends_with('>')) || word.starts_with('$')
}

/// What is wrong with a command about all tasks of a state, if anything is.
pub(super) fn bulk(many: &Many, bulk: &Bulk) -> Option<Misread> {
    let name = bulk.name;
    let queue = many
        .queue
        .as_deref()
        .or_else(|| many.bare.first().map(String::as_str));
    let line = |state: &str| {
        let queue = quoted(queue.unwrap_or(SOME_QUEUE));
        let group = match (state, many.group.as_deref()) {
            ("aggregating", group) => format!(" --group={}", quoted(group.unwrap_or("<group>"))),
            _ => String::new(),
        };
        format!("{name} --queue={queue} --state={state}{group}")
    };
    let Some(given) = many.state.as_deref() else {
        let states: Vec<&str> = bulk.states.iter().map(|state| state.name()).collect();
        let misread = Misread::new(format!(
            "`{name}` needs --queue and --state; a state is one of {}",
            states.join(", ")
        ));
        return Some(misread.typed(line("<state>")));
    };
    if let Some(id) = &many.id {
        let single = match name {
            "task runall" => "task run",
            "task archiveall" => "task archive",
            "task deleteall" => "task delete",
            _ => "task inspect",
        };
        let queue = quoted(queue.unwrap_or(SOME_QUEUE));
        let misread = Misread::new(format!(
            "`{name}` takes all tasks of a state, not one by --id (asynq: unknown flag: --id)"
        ));
        return Some(misread.typed(format!("{single} --queue={queue} --id={}", quoted(id))));
    }
    let state = TaskState::named(given);
    match state {
        _ if is_placeholder(given) => {}
        Some(state) if bulk.states.contains(&state) => {}
        Some(state) => return Some(unsupported(state, bulk, queue)),
        None => return Some(no_state(given, bulk, line)),
    }
    if many.queue.is_none() || !many.bare.is_empty() {
        let misread = Misread::new(format!(
            "`{name}` takes the queue by --queue (asynq: required flag(s) \"queue\" not set)"
        ));
        return Some(misread.typed(line(given)));
    }
    let grouped = many.group.as_deref().is_some_and(|group| !group.is_empty());
    if state == Some(TaskState::Aggregating) && !grouped {
        let misread = Misread::new("aggregating tasks wait in groups: --group is required");
        return Some(
            misread
                .typed(line(given))
                .note("`group ls --queue=...` shows the groups"),
        );
    }
    None
}

fn no_state(given: &str, bulk: &Bulk, line: impl Fn(&str) -> String) -> Misread {
    let words = match bulk.name {
        "task ls" => format!("state={given:?} is not supported"),
        _ => format!("unsupported state {given:?}"),
    };
    let mut misread = Misread::new(format!("asynq has no state {given:?} (asynq: {words})"));
    let failed = matches!(
        given.to_lowercase().as_str(),
        "failed" | "failure" | "failing" | "error" | "errors" | "errored"
    );
    let both = [TaskState::Retry, TaskState::Archived];
    let options: Vec<TaskState> = match failed {
        true => both
            .into_iter()
            .filter(|state| bulk.states.contains(state))
            .collect(),
        false => meant(given, bulk)
            .into_iter()
            .filter(|state| bulk.states.contains(state))
            .collect(),
    };
    if failed {
        misread = misread.note(
            "a task that failed and will be tried again is in state retry; one that failed for good is in state archived",
        );
    }
    let names: Vec<&str> = bulk.states.iter().map(|state| state.name()).collect();
    if options.is_empty() {
        misread = misread.note(&format!("a state is one of {}", names.join(", ")));
    }
    misread.typed = options
        .into_iter()
        .map(|state| line(state.name()))
        .collect();
    misread
}

/// A state that asynq has, and this command not.
fn unsupported(state: TaskState, bulk: &Bulk, queue: Option<&str>) -> Misread {
    let queue = quoted(queue.unwrap_or(SOME_QUEUE));
    let name = state.name();
    let misread = Misread::new(format!(
        "`{}` does not take {name} tasks (asynq: unsupported state {name:?})",
        bulk.name
    ));
    match state {
        TaskState::Active => misread.typed("task cancel <task_id>".to_owned()).note(
            "tasks in progress are asked to give up one by one; `server ls --json` shows them",
        ),
        TaskState::Pending => misread.note("pending tasks run as soon as a worker is free"),
        TaskState::Completed if bulk.name == "task runall" => misread
            .typed(format!("task run --queue={queue} --id=<task_id>"))
            .note("completed tasks are run again one by one"),
        TaskState::Completed => misread
            .typed(format!("task deleteall --queue={queue} --state=completed"))
            .note("completed tasks go away by themselves when their retention is over"),
        _ => misread.note("they are archived already"),
    }
}
