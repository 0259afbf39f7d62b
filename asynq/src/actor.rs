//! asynq's roles as sans-I/O state machines: `on(now, event)` answers with actions, and an interpreter carries them out.
//!
//! No actor reads a clock, draws from a global generator, or talks to Redis. The live engine carries [`Action::Call`]
//! to Redis and [`Action::Timer`] to the runtime; a simulation can carry them to a model and an event heap.

pub(crate) mod aggregator;
pub mod forwarder;
pub(crate) mod health;
pub mod heartbeater;
pub mod janitor;
pub mod processor;
pub mod recoverer;
pub mod scheduler;
pub mod server;
mod slots;

#[cfg(test)]
mod tests;

use crate::client::Submission;
use crate::clock::Time;
use crate::note::Note;
use crate::op::{Answer, BrokerError, Op};
use crate::task::Task;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Names one execution of a task on one server; never reused by that server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId {
    /// The worker slot it holds (or held), from 0.
    pub slot: u32,
    /// How many executions the slot has seen, this one included.
    pub serial: u32,
}

/// What a call was for; the interpreter hands it back with the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ticket<T: Task> {
    /// Producer: publish a queue's name.
    Register,
    /// Producer: a task.
    Enqueue(T::Id),
    /// Scheduler: its entries.
    Publish,
    /// Scheduler: an event of an entry's history.
    Record,
    /// Processor: fetch the next task.
    Dequeue,
    /// Processor: fetch the next tasks, at most so many.
    DequeueBatch(u32),
    /// Processor: what a handler had to say before it returned.
    WriteResult(RunId),
    /// Processor: the finishing write of a run.
    Finish(RunId),
    /// Processor: the finishing writes of these runs.
    FinishBatch(Box<Finishing>),
    /// Heartbeater: server state.
    WriteState,
    /// Heartbeater: leases of these runs, now valid until the time given.
    ExtendLease(Box<Extension>),
    /// Heartbeater, scheduler: leave the listings.
    ClearState,
    /// Forwarder.
    Forward,
    /// Recoverer: expired leases of a queue.
    ListExpired,
    /// Recoverer: retry or archive of one task.
    Recover,
    /// Recoverer: aggregation sets of a queue that were left behind.
    Reclaim,
    /// Janitor.
    Clean,
    /// Aggregator: a step of one of its checks.
    Aggregate(u8),
    /// Health checker.
    Ping,
}

/// Runs whose finishing writes share one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finishing {
    /// The runs, in the order of their tasks in the call.
    pub runs: Vec<RunId>,
}

/// Leases that are being prolonged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The runs whose tasks were named.
    pub runs: Vec<RunId>,
    /// Their new local lease.
    pub expires: Time,
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Producer: the next arrival of a workload entry.
    Arrival(usize),
    /// Producer: a task that was not taken is sent again; its number among those.
    Again(usize),
    /// Scheduler: publish the entries.
    Publish,
    /// Processor: the idle pause is over.
    Poll,
    /// Processor: a run's processing deadline.
    Deadline(RunId),
    /// Processor: the graceful shutdown has waited long enough.
    ShutdownTimeout,
    /// Heartbeater.
    Heartbeat,
    /// Forwarder.
    Forward,
    /// Recoverer.
    Recover,
    /// Janitor.
    Clean,
    /// Aggregator.
    Aggregate,
    /// Health checker.
    Ping,
}

/// What an error asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// A retry, while there are retries left.
    #[default]
    Failure,
    /// A retry that uses none up and is not counted, because the server's `IsFailure` says so. Quirk: a task without
    /// retries left is archived, and counted, all the same.
    NotAFailure,
    /// The archive at once (asynq: `SkipRetry`).
    SkipRetry,
    /// To be forgotten: done, and not kept even when it has a retention (asynq: `RevokeTask`).
    Revoke,
}

impl ErrorKind {
    /// Each of them.
    pub const ALL: [Self; 4] = [
        Self::Failure,
        Self::NotAFailure,
        Self::SkipRetry,
        Self::Revoke,
    ];

    /// How it is written in scenarios.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::NotAFailure => "not_a_failure",
            Self::SkipRetry => "skip_retry",
            Self::Revoke => "revoke",
        }
    }
}

/// How a handler ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It returned nil.
    Success,
    /// It returned an error.
    Failure {
        /// The error's text.
        error: Arc<str>,
        /// What the error asks for.
        kind: ErrorKind,
        /// Whether a fault of the plan caused it (and not the task's own failure share).
        by_fault: bool,
    },
    /// It panicked, by a fault of the plan: asynq recovers that, and takes it for an error that is retried.
    Panic {
        /// What asynq makes of it.
        error: Arc<str>,
        /// Whether the middleware that counts handler returns was left by it: nothing is counted then.
        uncounted: bool,
    },
}

/// What happens to an actor.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<T: Task> {
    /// Once, before all others.
    Start,
    /// A timer is due.
    Timer(Timer),
    /// All that has happened by now was told. Only for those that [take turns](Actor::takes_turns).
    Turn,
    /// The broker answered.
    Answer(Ticket<T>, Answer<T>),
    /// A handler returned.
    HandlerDone {
        /// Which execution.
        run: RunId,
        /// With what.
        outcome: Outcome,
        /// What it gave its result writer before.
        result: Option<Arc<Vec<u8>>>,
        /// How long it ran, virtual microseconds.
        elapsed_us: i64,
        /// How much longer that was than the handler was to work, virtual microseconds: the harness' own timer error.
        overrun_us: i64,
        /// How much less that was than the plan wanted, virtual microseconds: what the slot is held without it.
        taken_off_us: i64,
    },
    /// Somebody asks to cancel a task, of this server or another.
    Cancel(T::Id),
    /// The host has aggregated the tasks of a group; an error leaves them to go back to their group.
    Aggregated {
        /// Which of the aggregator's checks.
        check: u8,
        /// The task to be enqueued in their place.
        task: Result<Box<Submission<T>>, Arc<str>>,
    },
    /// SIGTSTP: stop fetching, and go on otherwise.
    Stop,
    /// SIGTERM: stop fetching, wait for handlers, give the rest back.
    Shutdown,
}

/// Tasks of a group that are to become one.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregation<T: Task> {
    /// Which of the aggregator's checks.
    pub check: u8,
    /// Their queue.
    pub queue: T::Queue,
    /// Their group.
    pub group: T::Group,
    /// The tasks, the first to come first.
    pub tasks: Vec<T>,
}

/// What an actor wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action<T: Task> {
    /// Send an operation to the broker; the answer comes back with the ticket.
    Call(Ticket<T>, Op<T>),
    /// Wake me at a time.
    Timer(Time, Timer),
    /// Start the handler of a task; its end comes back as [`Event::HandlerDone`], or never.
    Run {
        /// This execution.
        run: RunId,
        /// The task.
        task: T,
    },
    /// Aggregate the tasks of a group; comes back as [`Event::Aggregated`].
    Aggregate(Box<Aggregation<T>>),
    /// Redis answered a health check, or did not.
    Health(Result<(), Box<BrokerError>>),
    /// Append to the ledger.
    Note(Note<T::Id>),
    /// The actor has shut down.
    Exit,
}

/// Collects what an actor wants done, in order.
pub type Actions<T> = Vec<Action<T>>;

/// Takes what an actor wants done, in order: a list, or an interpreter that does it at once.
pub trait Out<T: Task> {
    /// Takes one action.
    fn push(&mut self, action: Action<T>);
}

impl<T: Task> Out<T> for Actions<T> {
    fn push(&mut self, action: Action<T>) {
        Self::push(self, action);
    }
}

/// The step contract of every actor.
pub trait Actor<T: Task> {
    /// Whether it gathers what it asks of Redis until an [`Event::Turn`], which it must be told after what else has happened.
    fn takes_turns(&self) -> bool {
        false
    }

    /// Takes one event at virtual time `now` and tells `out` what is to be done.
    fn on(&mut self, now: Time, event: Event<T>, out: &mut impl Out<T>);
}
