//! What actors tell of the tasks they send and work on: plain values, for whoever keeps account.

use crate::clock::Time;

/// What a producer or a worker notes of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note<I> {
    /// A task was sent to Redis.
    Sent {
        /// When.
        at: Time,
        /// Task id.
        id: I,
        /// Index of the workload entry.
        workload: u32,
        /// When the plan wanted it.
        intended: Time,
    },
    /// Redis answered.
    Answered {
        /// When.
        at: Time,
        /// Task id.
        id: I,
        /// What it made of it.
        answer: Intake,
    },
    /// A handler was started.
    Started {
        /// When.
        at: Time,
        /// Task id.
        id: I,
        /// `retried` of the message: 0 for the first attempt.
        retried: i32,
    },
    /// A handler returned.
    Finished {
        /// When.
        at: Time,
        /// Task id.
        id: I,
        /// `retried` of the message.
        retried: i32,
        /// How.
        how: Finish,
        /// How much longer the handler took than it was to, virtual microseconds.
        overrun_us: i64,
        /// How much less than the plan wants it was to take, virtual microseconds: its slot is held that long without it.
        taken_off_us: i64,
    },
    /// A task was given up: it goes to the archive, whether a handler ever saw it or not.
    GivenUp {
        /// When.
        at: Time,
        /// Task id.
        id: I,
        /// `retried` of the message.
        retried: i32,
    },
    /// An attempt has failed of which no handler knows: asynq counts it like any other.
    Unhandled {
        /// When.
        at: Time,
        /// Task id.
        id: I,
        /// `retried` of the message, before that.
        retried: i32,
        /// Why no handler knows of it.
        why: Unhandled,
    },
}

/// Why no handler knows of an attempt that has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unhandled {
    /// Its deadline had passed when it was to begin.
    TooLate,
    /// Its lease has run out: it goes to wait for another attempt, whatever became of its worker. Several may find it at once, and
    /// one of them gets it.
    Recovered,
}

impl<I> Note<I> {
    /// The same, so many nanoseconds later.
    #[must_use]
    pub fn moved(mut self, by_ns: i64) -> Self {
        let (Self::Sent { at, .. }
        | Self::Answered { at, .. }
        | Self::Started { at, .. }
        | Self::Finished { at, .. }
        | Self::GivenUp { at, .. }
        | Self::Unhandled { at, .. }) = &mut self;
        at.0 = at.0.saturating_add(by_ns);
        self
    }
}

/// What became of a task that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intake {
    /// It is in a queue now.
    Accepted,
    /// It was refused because there is such a task: its id is taken, or its uniqueness lock is.
    Duplicate,
    /// Its producer got another error, and keeps it.
    Rejected,
}

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// Success.
    Ok,
    /// Failure by the task's own failure share.
    Failed,
    /// Failure caused by a fault of the plan.
    FailedByFault,
    /// The handler wants the task to be forgotten.
    Revoked,
}
