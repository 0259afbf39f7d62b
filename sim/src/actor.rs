//! asynq's roles as sans-I/O state machines: `on(now, event)` answers with actions, and an interpreter carries them out.
//!
//! No actor reads a clock, draws from a global generator, or talks to Redis. The live engine carries [`Action::Call`]
//! to Redis and [`Action::Timer`] to the runtime; a simulation can carry them to a model and an event heap.

pub mod forwarder;
pub mod heartbeater;
pub mod janitor;
pub mod processor;
pub mod producer;
pub mod recoverer;
pub mod server;

#[cfg(test)]
mod tests;

use crate::asynq::message::TaskMessage;
use crate::asynq::op::{Answer, Op};
use crate::clock::Time;
use crate::ledger::Entry;

/// Names one execution of a task on one server; never reused by that server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(
    /// Counts up from 1.
    pub u64,
);

/// What a call was for; the interpreter hands it back with the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ticket {
    /// Producer: publish a queue's name.
    Register,
    /// Producer: the arrival with this index.
    Enqueue(u64),
    /// Processor: fetch the next task.
    Dequeue,
    /// Processor: the finishing write of a run.
    Finish(RunId),
    /// Heartbeater: server state.
    WriteState,
    /// Heartbeater: leases of these runs, now valid until the time given.
    ExtendLease {
        /// The runs whose tasks were named.
        runs: Vec<RunId>,
        /// Their new local lease.
        expires: Time,
    },
    /// Heartbeater: leave the listings.
    ClearState,
    /// Forwarder.
    Forward,
    /// Recoverer: expired leases of a queue.
    ListExpired,
    /// Recoverer: retry or archive of one task.
    Recover,
    /// Janitor.
    Clean,
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Producer: the next arrival of a workload entry.
    Arrival(usize),
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
}

/// How a handler ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It returned nil.
    Success,
    /// It returned an error.
    Failure {
        /// The error's text.
        error: String,
        /// Whether a fault of the plan caused it (and not the task's own failure share).
        by_fault: bool,
    },
}

/// What happens to an actor.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "an event is handed over once, by value; boxing each answer would cost more"
)]
pub enum Event {
    /// Once, before all others.
    Start,
    /// A timer is due.
    Timer(Timer),
    /// The broker answered.
    Answer(Ticket, Answer),
    /// A handler returned.
    HandlerDone {
        /// Which execution.
        run: RunId,
        /// With what.
        outcome: Outcome,
        /// How long it ran, virtual microseconds.
        elapsed_us: i64,
        /// How much longer that was than the plan wanted, virtual microseconds: the harness' own timer error.
        overrun_us: i64,
    },
    /// SIGTERM: stop fetching, wait for handlers, give the rest back.
    Shutdown,
}

/// What an actor wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send an operation to the broker; the answer comes back with the ticket.
    Call(Ticket, Op),
    /// Wake me at a time.
    Timer(Time, Timer),
    /// Start the handler of a task; its end comes back as [`Event::HandlerDone`], or never.
    Run {
        /// This execution.
        run: RunId,
        /// The task.
        message: TaskMessage,
    },
    /// Append to the ledger.
    Note(Entry),
    /// The actor has shut down.
    Exit,
}

/// Collects what an actor wants done, in order.
pub type Actions = Vec<Action>;

/// The step contract of every actor.
pub trait Actor {
    /// Takes one event at virtual time `now` and appends what is to be done.
    fn on(&mut self, now: Time, event: Event, out: &mut Actions);
}
