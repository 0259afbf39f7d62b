//! A queue with a task of ours in every state there is.

use super::peer::time_of_day;
use crate::support::{Bench, Op, task};
use firedrill_asynq::clock::Time;
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::{Reply, TaskState};
use firedrill_asynq::task::Task;
use smallvec::smallvec;

/// Task ids, each with its state, as [`stock`] leaves them in `default`: in the order in which [`Op::ListIds`] tells them.
pub(crate) const STOCK: [(&str, TaskState); 7] = [
    ("next", TaskState::Pending),
    ("first", TaskState::Pending),
    ("taken", TaskState::Active),
    ("later", TaskState::Scheduled),
    ("again", TaskState::Retry),
    ("never", TaskState::Archived),
    ("kept", TaskState::Completed),
];

/// Leaves [`STOCK`] in the queue `default`. The task in progress has a lease of 30 s; what waits is due in an hour; what is
/// kept is kept for an hour.
pub(crate) fn stock(bench: &Bench) -> Time {
    let now = time_of_day();
    let queue = || "default".to_owned();
    let call = |op| bench.call(op).unwrap();
    let take = |message: TaskMessage| {
        call(Op::Enqueue { message, now });
        let taken = call(Op::Dequeue {
            queues: smallvec![queue()],
            lease_expires_s: now.secs() + 30,
        });
        match taken {
            Reply::Dequeued(Some(message)) => message,
            other => panic!("{other:?}"),
        }
    };
    let failed = |mut message: TaskMessage, error: &str, retries| {
        message.failed(error, now.secs(), retries);
        message
    };
    call(Op::RegisterQueue { queue: queue() });
    call(Op::Schedule {
        message: task("later"),
        process_at_s: now.secs() + 3_600,
    });
    call(Op::Retry {
        message: failed(take(task("again")), "boom", true),
        retry_at_s: now.secs() + 3_600,
        is_failure: true,
        now,
    });
    call(Op::Archive {
        message: failed(take(task("never")), "gave up", false),
        now,
    });
    let kept = TaskMessage {
        retention: 3_600,
        ..task("kept")
    };
    call(Op::MarkAsComplete {
        message: take(kept),
        now,
    });
    take(task("taken"));
    for id in ["first", "next"] {
        let message = task(id);
        call(Op::Enqueue { message, now });
    }
    now
}

/// The tasks of `default` with their states, as we read them.
#[track_caller]
pub(crate) fn ids(bench: &Bench) -> Vec<(String, TaskState)> {
    let queue = "default".into();
    match bench.call(Op::ListIds { queue }) {
        Ok(Reply::Ids(ids)) => ids,
        other => panic!("{other:?}"),
    }
}

/// What has become of a task: its new state, or nothing when it is gone.
pub(crate) type Change<'a> = (&'a str, Option<TaskState>);

/// [`STOCK`], with what has become of some of it.
pub(crate) fn stock_but(changes: &[Change<'_>]) -> Vec<(String, TaskState)> {
    let now = |id: &str, was| {
        let changed = changes.iter().find(|(of, _)| *of == id);
        changed.map_or(Some(was), |(_, state)| *state)
    };
    let mut left: Vec<(String, TaskState)> = STOCK
        .iter()
        .filter_map(|(id, was)| Some(((*id).to_owned(), now(id, *was)?)))
        .collect();
    left.sort();
    left
}
