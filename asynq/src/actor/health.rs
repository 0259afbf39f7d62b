//! The health checker: asks Redis whether it is there (asynq `healthcheck.go`).
//!
//! It proves that Redis answers and nothing else: it is content with a read-only replica, a full Redis, stuck handlers, or a
//! paused queue.

use crate::actor::{Action, Out, Ticket, Timer};
use crate::clock::Time;
use crate::op::{Answer, Op};
use crate::task::Task;

/// Every interval, one question.
#[derive(Debug)]
pub(crate) struct HealthChecker {
    interval_ms: Option<i64>,
}

impl HealthChecker {
    /// Without an interval it never asks.
    pub(crate) fn new(interval_ms: Option<i64>) -> Self {
        Self { interval_ms }
    }

    pub(crate) fn start<T: Task>(&self, now: Time, out: &mut impl Out<T>) {
        if let Some(interval_ms) = self.interval_ms {
            out.push(Action::Timer(now.plus_millis(interval_ms), Timer::Ping));
        }
    }

    pub(crate) fn tick<T: Task>(&self, out: &mut impl Out<T>) {
        out.push(Action::Call(Ticket::Ping, Op::Ping));
    }

    pub(crate) fn answered<T: Task>(&self, now: Time, answer: Answer<T>, out: &mut impl Out<T>) {
        out.push(Action::Health(answer.map(|_| ()).map_err(Box::new)));
        self.start(now, out);
    }
}
