//! The calls that move a task on, or hold it, by the names that asynq's broker gives them: what a proxy tells apart, and what a fault can
//! be put on.

use crate::op::Op;
use crate::task::Task;
use serde::{Deserialize, Serialize};

/// A call that moves a task on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// A task is put into its queue, into `scheduled`, or into its group.
    Enqueue,
    /// A worker takes a task.
    Dequeue,
    /// A task has succeeded; retained (`MarkAsComplete`) or not.
    Done,
    /// A task has failed and waits for its next attempt.
    Retry,
    /// A task has failed for good.
    Archive,
    /// A worker that shuts down gives a task back.
    Requeue,
    /// A worker goes on holding the tasks that it works on (`ExtendLease`).
    Extend,
}

impl CallKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Enqueue,
        Self::Dequeue,
        Self::Done,
        Self::Retry,
        Self::Archive,
        Self::Requeue,
        Self::Extend,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enqueue => "enqueue",
            Self::Dequeue => "dequeue",
            Self::Done => "done",
            Self::Retry => "retry",
            Self::Archive => "archive",
            Self::Requeue => "requeue",
            Self::Extend => "extend",
        }
    }

    /// What an operation is, if it moves a task on.
    #[must_use]
    pub fn of<T: Task>(op: &Op<T>) -> Option<Self> {
        match op {
            Op::Enqueue { .. }
            | Op::EnqueueBatch { .. }
            | Op::Schedule { .. }
            | Op::EnqueueUnique { .. }
            | Op::ScheduleUnique(_)
            | Op::AddToGroup { .. }
            | Op::AddToGroupUnique { .. } => Some(Self::Enqueue),
            Op::Dequeue { .. } | Op::DequeueBatch(_) => Some(Self::Dequeue),
            Op::Done { .. } | Op::DoneBatch { .. } | Op::MarkAsComplete { .. } => Some(Self::Done),
            Op::Retry { .. } => Some(Self::Retry),
            Op::Archive { .. } => Some(Self::Archive),
            Op::Requeue { .. } => Some(Self::Requeue),
            Op::ExtendLease { .. } => Some(Self::Extend),
            _ => None,
        }
    }
}
