//! The forwarder: moves due tasks of `scheduled` and `retry` to `pending` (asynq `forwarder.go`).

use crate::actor::{Action, Out, Ticket, Timer};
use crate::clock::Time;
use crate::op::{Answer, Delayed, Op, Reply};
use crate::settings::FORWARD_INTERVAL_MS;
use crate::task::Task;

/// Every interval, for each queue: scheduled until none is due, then retry until none is due. A failure skips the
/// rest of the tick.
#[derive(Debug)]
pub(crate) struct Forwarder<T: Task> {
    queues: Vec<T::Queue>,
    /// Position in queues x (scheduled, retry) of the call under way.
    at: usize,
}

impl<T: Task> Forwarder<T> {
    pub(crate) fn new(queues: Vec<T::Queue>) -> Self {
        Self { queues, at: 0 }
    }

    pub(crate) fn start(&self, now: Time, out: &mut impl Out<T>) {
        out.push(Action::Timer(
            now.plus_millis(FORWARD_INTERVAL_MS),
            Timer::Forward,
        ));
    }

    pub(crate) fn tick(&mut self, now: Time, out: &mut impl Out<T>) {
        self.at = 0;
        self.call(now, out);
    }

    pub(crate) fn answered(&mut self, now: Time, answer: &Answer<T>, out: &mut impl Out<T>) {
        match answer {
            Ok(Reply::Count(0)) => self.at += 1,
            Ok(_) => {}
            Err(_) => self.at = usize::MAX,
        }
        self.call(now, out);
    }

    fn call(&self, now: Time, out: &mut impl Out<T>) {
        match self.queues.get(self.at / 2) {
            Some(queue) => {
                let from = if self.at.is_multiple_of(2) {
                    Delayed::Scheduled
                } else {
                    Delayed::Retry
                };
                out.push(Action::Call(
                    Ticket::Forward,
                    Op::Forward {
                        queue: queue.clone(),
                        from,
                        now,
                    },
                ));
            }
            None => out.push(Action::Timer(
                now.plus_millis(FORWARD_INTERVAL_MS),
                Timer::Forward,
            )),
        }
    }
}
