//! What a machine can do at best: the [`Model`] as a bare loop over a binary heap, without metrics, queues by name,
//! handlers or a broker. Simulators are measured as a share of its speed.

use crate::model::{Model, Run, Tally};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

const NS_PER_S: f64 = 1e9;

/// Runs the model from an empty system (but for the backlog); the same run gives the same outcome on every machine.
#[must_use]
pub fn run(model: &Model, run: &Run) -> Tally {
    let end_ns = (run.simulated_s * NS_PER_S) as u64;
    let mut queue = HeapLoop::new(model, run);
    queue.later(0.0, What::Arrival);
    while let Some(Reverse(event)) = queue.events.pop() {
        if event.at_ns >= end_ns {
            break;
        }
        queue.now_ns = event.at_ns;
        queue.on(event.what);
    }
    queue.outcome
}

/// Ordered by time, and by sequence among simultaneous ones, which makes them first in, first out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at_ns: u64,
    sequence: u64,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Arrival,
    ServiceEnd { failures: u8 },
    RetryDue { failures: u8 },
}

/// An attempt that waits for a server.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    since_ns: u64,
    failures: u8,
}

struct HeapLoop<'m> {
    model: &'m Model,
    warm_up_ns: u64,
    now_ns: u64,
    sequence: u64,
    events: BinaryHeap<Reverse<Event>>,
    waiting: VecDeque<Waiting>,
    idle: usize,
    rng: Xoshiro256PlusPlus,
    outcome: Tally,
}

impl<'m> HeapLoop<'m> {
    fn new(model: &'m Model, run: &Run) -> Self {
        let queued = Waiting {
            since_ns: 0,
            failures: 0,
        };
        let mut queue = Self {
            model,
            warm_up_ns: (run.warm_up_s * NS_PER_S) as u64,
            now_ns: 0,
            sequence: 0,
            events: BinaryHeap::new(),
            waiting: std::iter::repeat_n(queued, run.backlog).collect(),
            idle: model.servers,
            rng: Xoshiro256PlusPlus::seed_from_u64(run.seed),
            outcome: Tally::default(),
        };
        while queue.idle > 0
            && let Some(first) = queue.waiting.pop_front()
        {
            queue.idle -= 1;
            queue.start(first);
        }
        queue
    }

    fn on(&mut self, what: What) {
        match what {
            What::Arrival => {
                self.outcome.arrivals += 1;
                let gap_s = self.exponential(1.0 / self.model.arrivals_per_s);
                self.later(gap_s, What::Arrival);
                self.ready(0);
            }
            What::ServiceEnd { failures } => {
                self.outcome.service_ends += 1;
                if failures < self.model.max_retries
                    && self.rng.random::<f64>() < self.model.fail_share
                {
                    let failures = failures + 1;
                    let delay_s = f64::from(1_u32 << failures) * (1.0 + self.rng.random::<f64>());
                    self.later(delay_s, What::RetryDue { failures });
                }
                match self.waiting.pop_front() {
                    Some(next) => self.start(next),
                    None => self.idle += 1,
                }
            }
            What::RetryDue { failures } => {
                self.outcome.retries_due += 1;
                self.ready(failures);
            }
        }
    }

    fn ready(&mut self, failures: u8) {
        let attempt = Waiting {
            since_ns: self.now_ns,
            failures,
        };
        if self.idle > 0 {
            self.idle -= 1;
            self.start(attempt);
        } else {
            self.waiting.push_back(attempt);
        }
    }

    fn start(&mut self, attempt: Waiting) {
        if self.now_ns >= self.warm_up_ns {
            self.outcome.waits += 1;
            self.outcome.waited_ns += u128::from(self.now_ns - attempt.since_ns);
        }
        let service_s = self.exponential(self.model.mean_service_s);
        let failures = attempt.failures;
        self.later(service_s, What::ServiceEnd { failures });
    }

    fn later(&mut self, delay_s: f64, what: What) {
        self.sequence += 1;
        self.events.push(Reverse(Event {
            at_ns: self.now_ns + (delay_s * NS_PER_S) as u64,
            sequence: self.sequence,
            what,
        }));
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        // 1 - u, because u may be 0 and has no logarithm then.
        -mean * (1.0 - self.rng.random::<f64>()).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confidence::Interval;
    use crate::queueing_theory::{Servers, mean_wait_mmc_s};

    const HALF_AN_HOUR: Run = Run {
        simulated_s: 1_860.0,
        warm_up_s: 60.0,
        backlog: 0,
        seed: 1,
    };

    #[test]
    fn waits_are_erlangs() {
        let model = Model {
            fail_share: 0.0,
            ..Model::PEERS
        };
        let waits: Vec<f64> = (1..=20)
            .map(|seed| {
                let outcome = super::run(
                    &model,
                    &Run {
                        seed,
                        ..HALF_AN_HOUR
                    },
                );
                outcome.mean_wait_s().unwrap()
            })
            .collect();
        let theory_s = mean_wait_mmc_s(
            Servers(model.servers as u32),
            model.arrivals_per_s,
            model.mean_service_s,
        );
        let interval = Interval::of_replications(&waits, 0.999);
        assert!(
            interval.contains(theory_s),
            "{theory_s} s, not {interval:?}"
        );
        // An interval that holds everything would prove nothing.
        assert!(interval.half_width < 0.2 * theory_s, "{interval:?}");
    }

    #[test]
    fn every_attempt_is_counted_once() {
        let outcome = super::run(&Model::PEERS, &HALF_AN_HOUR);
        let (arrivals, ends) = (outcome.arrivals as f64, outcome.service_ends as f64);
        assert!((arrivals / HALF_AN_HOUR.simulated_s / 90.0 - 1.0).abs() < 0.01);
        // 1 + 0.1 + 0.01 + 0.001 attempts a task; those still waiting are few beside 167 000.
        assert!((ends / arrivals / 1.111 - 1.0).abs() < 0.01, "{outcome:?}");
        assert!(
            (outcome.retries_due as f64 / ends - 0.1).abs() < 0.005,
            "{outcome:?}"
        );
        assert_eq!(outcome, super::run(&Model::PEERS, &HALF_AN_HOUR));
    }

    #[test]
    fn a_backlog_is_served_before_newcomers() {
        let run = Run {
            simulated_s: 10.0,
            warm_up_s: 5.0,
            backlog: 1_000_000,
            seed: 1,
        };
        let outcome = super::run(&Model::PEERS, &run);
        // Whoever starts after the warm-up has waited since the beginning.
        assert!(
            outcome
                .mean_wait_s()
                .is_some_and(|wait_s| (5.0..10.0).contains(&wait_s))
        );
    }
}
