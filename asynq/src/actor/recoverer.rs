//! The recoverer: takes tasks whose lease ran out long enough ago from their vanished worker (asynq `recoverer.go`).

use crate::actor::processor::{given_up, unhandled};
use crate::actor::{Action, Out, Ticket, Timer};
use crate::clock::Time;
use crate::note::Unhandled;
use crate::op::{Answer, Op, Reply};
use crate::retry_delay::{RetryDelay, RetryDice};
use crate::settings::{LEASE_EXPIRED, RECOVER_GRACE_MS, RECOVER_INTERVAL_MS};
use crate::task::Task;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;

/// At start and every minute: list the expired leases of all queues, retry or archive each task, and put tasks of stale
/// aggregation sets back into their groups.
///
/// Quirk: a failure while listing (one undecodable message is enough) gives up on the leases of all queues.
#[derive(Debug)]
pub(crate) struct Recoverer<T: Task> {
    queues: Vec<T::Queue>,
    at: usize,
    cutoff_s: i64,
    found: VecDeque<T>,
    retry_delay: RetryDelay,
    retry_dice: RetryDice<T>,
    rng: ChaCha8Rng,
}

impl<T: Task> Recoverer<T> {
    pub(crate) fn new(
        queues: Vec<T::Queue>,
        retry_delay: RetryDelay,
        retry_dice: RetryDice<T>,
        rng: ChaCha8Rng,
    ) -> Self {
        Self {
            queues,
            at: 0,
            cutoff_s: 0,
            found: VecDeque::new(),
            retry_delay,
            retry_dice,
            rng,
        }
    }

    pub(crate) fn start(&mut self, now: Time, out: &mut impl Out<T>) {
        self.tick(now, out);
    }

    pub(crate) fn tick(&mut self, now: Time, out: &mut impl Out<T>) {
        self.at = 0;
        self.cutoff_s = now.plus_millis(-RECOVER_GRACE_MS).secs();
        self.found.clear();
        self.list(now, out);
    }

    fn list(&mut self, now: Time, out: &mut impl Out<T>) {
        match self.queues.get(self.at) {
            Some(queue) => {
                let op = Op::ListLeaseExpired {
                    queue: queue.clone(),
                    cutoff_s: self.cutoff_s,
                };
                out.push(Action::Call(Ticket::ListExpired, op));
            }
            None => self.recovered(now, out),
        }
    }

    pub(crate) fn listed(&mut self, now: Time, answer: Answer<T>, out: &mut impl Out<T>) {
        match answer {
            Ok(Reply::Messages(messages)) => {
                self.found.extend(messages);
                self.at += 1;
                self.list(now, out);
            }
            _ => self.reclaim_first(now, out),
        }
    }

    /// Leases are dealt with: aggregation sets are next, queue by queue, whatever comes of each.
    fn reclaim_first(&mut self, now: Time, out: &mut impl Out<T>) {
        self.at = 0;
        self.reclaim(now, out);
    }

    fn reclaim(&mut self, now: Time, out: &mut impl Out<T>) {
        match self.queues.get(self.at) {
            Some(queue) => {
                let op = Op::ReclaimAggregationSets {
                    queue: queue.clone(),
                    now_s: now.secs(),
                };
                out.push(Action::Call(Ticket::Reclaim, op));
            }
            None => self.rest(now, out),
        }
    }

    pub(crate) fn reclaimed(&mut self, now: Time, out: &mut impl Out<T>) {
        self.at += 1;
        self.reclaim(now, out);
    }

    /// The previous task was dealt with (or was not: failures are only warnings); goes on with the next.
    pub(crate) fn recovered(&mut self, now: Time, out: &mut impl Out<T>) {
        let Some(mut message) = self.found.pop_front() else {
            return self.reclaim_first(now, out);
        };
        let op = if message.retried() >= message.retry() {
            message.failed(LEASE_EXPIRED, now.secs(), false);
            out.push(given_up(now, &message));
            Op::Archive { message, now }
        } else {
            let bits = self.retry_dice.bits(&message, || self.rng.next_u64());
            let delay_ms = self.retry_delay.draw_ms(message.retried(), bits);
            out.push(unhandled(now, &message, Unhandled::Recovered));
            message.failed(LEASE_EXPIRED, now.secs(), true);
            Op::Retry {
                message,
                retry_at_s: now.plus_millis(delay_ms).secs(),
                is_failure: true,
                now,
            }
        };
        out.push(Action::Call(Ticket::Recover, op));
    }

    fn rest(&self, now: Time, out: &mut impl Out<T>) {
        out.push(Action::Timer(
            now.plus_millis(RECOVER_INTERVAL_MS),
            Timer::Recover,
        ));
    }
}
