//! The timers of an actor.

use crate::actor::Timer;
use crate::clock::Time;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Fewest timers that are looked through for those that nobody waits for.
const SWEEP_MIN: usize = 1_024;

/// What is due when, the earliest first. The deadlines of runs that are over are forgotten by and by: each is half an hour away, and a
/// busy server has millions of runs in that time.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Time, u64, Timer)>>,
    /// How many were set.
    count: u64,
    /// The last run of each slot, by its serial.
    last_run: Vec<u32>,
    /// How many there are when they are looked through next.
    sweep_at: usize,
}

impl Timers {
    pub(super) fn set(&mut self, at: Time, timer: Timer) {
        if let Timer::Deadline(run) = timer {
            let slot = run.slot as usize;
            if self.last_run.len() <= slot {
                self.last_run.resize(slot + 1, 0);
            }
            self.last_run[slot] = run.serial;
            if self.heap.len() >= self.sweep_at.max(SWEEP_MIN) {
                self.sweep();
            }
        }
        self.count += 1;
        self.heap.push(Reverse((at, self.count, timer)));
    }

    fn sweep(&mut self) {
        self.heap.retain(|Reverse((_, _, timer))| match timer {
            Timer::Deadline(run) => self.last_run[run.slot as usize] == run.serial,
            _ => true,
        });
        self.sweep_at = 2 * self.heap.len();
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// The next one, if it is due.
    pub(super) fn take_due(&mut self, now: Time) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((.., timer))| timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::RunId;

    #[test]
    fn deadlines_of_runs_that_are_over_take_no_room() {
        let mut timers = Timers::default();
        timers.set(Time(5), Timer::Poll);
        for serial in 1..=100_000 {
            for slot in 0..10 {
                let run = RunId { slot, serial };
                timers.set(Time(i64::from(serial)), Timer::Deadline(run));
            }
        }
        assert!(timers.heap.len() <= SWEEP_MIN, "{}", timers.heap.len());
        assert!(timers.heap.capacity() <= 4 * SWEEP_MIN);
        let due = std::iter::from_fn(|| timers.take_due(Time(i64::MAX))).collect::<Vec<_>>();
        assert!(due.contains(&Timer::Poll), "the others stay");
        for slot in 0..10 {
            let last = RunId {
                slot,
                serial: 100_000,
            };
            assert!(due.contains(&Timer::Deadline(last)));
        }
    }

    #[test]
    fn the_earliest_comes_first_and_of_those_at_once_the_first_that_was_set() {
        let mut timers = Timers::default();
        for (at, timer) in [(7, Timer::Ping), (3, Timer::Poll), (7, Timer::Clean)] {
            timers.set(Time(at), timer);
        }
        assert_eq!(timers.take_due(Time(2)), None);
        assert_eq!(timers.take_due(Time(3)), Some(Timer::Poll));
        assert_eq!(timers.take_due(Time(6)), None);
        assert_eq!(timers.next(), Some(Time(7)));
        assert_eq!(timers.take_due(Time(7)), Some(Timer::Ping));
        assert_eq!(timers.take_due(Time(7)), Some(Timer::Clean));
        assert_eq!(timers.take_due(Time(7)), None);
    }
}
