//! The janitor: deletes retained tasks whose retention is over (asynq `janitor.go`).

use crate::actor::{Action, Out, Ticket, Timer};
use crate::clock::Time;
use crate::op::{Answer, Op, Reply};
use crate::settings::JANITOR_INTERVAL_MS;
use crate::task::Task;

/// Every interval, queue by queue until each is clean; a failed queue is left for the next tick.
#[derive(Debug)]
pub(crate) struct Janitor<T: Task> {
    queues: Vec<T::Queue>,
    at: usize,
}

impl<T: Task> Janitor<T> {
    pub(crate) fn new(queues: Vec<T::Queue>) -> Self {
        Self { queues, at: 0 }
    }

    pub(crate) fn start(&self, now: Time, out: &mut impl Out<T>) {
        out.push(Action::Timer(
            now.plus_millis(JANITOR_INTERVAL_MS),
            Timer::Clean,
        ));
    }

    pub(crate) fn tick(&mut self, now: Time, out: &mut impl Out<T>) {
        self.at = 0;
        self.call(now, out);
    }

    pub(crate) fn answered(&mut self, now: Time, answer: &Answer<T>, out: &mut impl Out<T>) {
        if !matches!(answer, Ok(Reply::Count(deleted)) if *deleted > 0) {
            self.at += 1;
        }
        self.call(now, out);
    }

    fn call(&self, now: Time, out: &mut impl Out<T>) {
        match self.queues.get(self.at) {
            Some(queue) => {
                let op = Op::DeleteExpiredCompleted {
                    queue: queue.clone(),
                    now_s: now.secs(),
                };
                out.push(Action::Call(Ticket::Clean, op));
            }
            None => out.push(Action::Timer(
                now.plus_millis(JANITOR_INTERVAL_MS),
                Timer::Clean,
            )),
        }
    }
}
