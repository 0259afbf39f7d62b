//! What an engine promises: a plan in, observations out in order of their time.

pub mod live;
pub(crate) mod points;
pub mod virtual_time;

use crate::audit::Audited;
use crate::lever::TasksLever;
use crate::plan::Plan;
pub(crate) use crate::plan::{EXPORTERS, Source, targets};
use firedrill_asynq::op::{Deed, TaskState};
use firedrill_detector::Labels;
use firedrill_reports::record::{Action, Heard, Interference, Lag, Mark};
use std::io;

/// Takes observations as they happen.
pub type Sink<'a> = &'a mut dyn FnMut(Observation) -> io::Result<()>;

/// How a drill ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Virtual milliseconds reached.
    pub at_ms: i64,
    /// Whether it was stopped before its time.
    pub aborted: bool,
}

/// What an engine saw. After this point nothing knows which engine ran.
#[derive(Debug, Clone)]
pub enum Observation {
    /// A series appears for the first time; scrapes refer to it by its number.
    Series {
        /// Its number.
        id: u32,
        /// All its labels, those of its target included.
        labels: Labels,
    },
    /// One scrape of one target, staleness markers included.
    Scrape {
        /// Virtual milliseconds since the start of the drill.
        at_ms: i64,
        /// `job/instance`.
        target: String,
        /// Numbers of series, and values.
        values: Vec<(u32, f64)>,
    },
    /// A fault or remedy was applied.
    Mark(Mark),
    /// People did something in a rehearsal, or were told.
    Action(Action),
    /// Something happened that no step of the plan did.
    Interference(Interference),
    /// A source of alerts beside our detector told something, or how well it was heard.
    Heard(Heard),
    /// Last: what happened to every task, and how well time was kept.
    Ledger {
        /// The audit.
        audited: Box<Audited>,
        /// How well time was kept.
        lag: Lag,
    },
}

/// States in which tasks of a type are moved to another queue, in this order: whatever waits and is to be done.
pub(crate) const MOVED: [TaskState; 3] =
    [TaskState::Pending, TaskState::Scheduled, TaskState::Retry];

/// What is told of locks that were deleted; some may have been gone with Redis' data.
pub(crate) fn locks_deleted(count: usize) -> String {
    let locks = if count == 1 { "lock" } else { "locks" };
    format!("{count} {locks} deleted")
}

/// What is told of tasks of a type that were moved at `at_ms`, and of those that come from then on; whether that is anything.
pub(crate) fn tasks_moved(
    plan: &Plan,
    (what, queue): (&TasksLever, &str),
    count: usize,
    at_ms: i64,
) -> (bool, String) {
    let saw = tasks_saw(what, queue, count);
    let redirects = match what {
        TasksLever::Move { task, .. } => plan.redirects(task, queue, at_ms),
        TasksLever::Change { .. } | TasksLever::RepairOrphans => false,
    };
    match (count, redirects) {
        (0, true) => (true, format!("{saw}; those that come from now on go there")),
        (0, false) => (
            false,
            format!("nothing to do: {saw}, and none comes any more"),
        ),
        _ => (true, saw),
    }
}

/// What is told of tasks that an operator changed by hand.
pub(crate) fn tasks_saw(what: &TasksLever, queue: &str, count: usize) -> String {
    let tasks = if count == 1 { "task" } else { "tasks" };
    let saw = match what {
        TasksLever::Change {
            deed, state, task, ..
        } => {
            let done = match deed {
                Deed::Run => "made pending",
                Deed::Archive => "archived",
                Deed::Delete => "deleted",
            };
            let of = task
                .as_ref()
                .map_or_else(String::new, |task| format!(" of {task}"));
            format!("{count} {} {tasks}{of} in {queue} {done}", state.name())
        }
        TasksLever::Move { task, to } => {
            format!("{count} waiting {tasks} of {task} moved from {queue} to {to}")
        }
        TasksLever::RepairOrphans => {
            format!("{count} active {tasks} without a lease in {queue} made pending")
        }
    };
    match (count, what) {
        // Those that come later may be told of with it.
        (0, TasksLever::Change { .. } | TasksLever::RepairOrphans) => {
            format!("nothing to do: {saw}")
        }
        _ => saw,
    }
}
