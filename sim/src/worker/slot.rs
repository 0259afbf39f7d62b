//! For how long a slot is held without its handler: what compressed time makes long.
//!
//! A slot is taken while its task is fetched, worked on, and put where it belongs; two round trips of a millisecond are
//! what any worker takes at speed 1, and at 60 a fifth of a handler of half a second. Handlers work that much less, so that a
//! worker's capacity is the plan's; of real time nothing is taken off, and there a handler works for as long as the plan says. Where all slots are taken that is the whole turn from a return to the next start, which is longer than
//! the two calls: tasks are fetched one at a time, and the process has to get to it. What is taken off stands in the ledger.

use firedrill_asynq::drive::SlotCall;
use std::sync::atomic::{AtomicI64, Ordering};

/// The mean follows the last so many.
const MEAN_OF: i64 = 32;
/// A single delay counts no more than so many times the mean: it is no rule, and is told as a delay.
const OUTLIER: i64 = 4;
/// Every delay up to this counts as it is, virtual microseconds.
const SMALL_US: i64 = 20_000;

/// Means of what slots are held for, virtual microseconds.
#[derive(Debug)]
pub(super) struct Held {
    /// The share of a call or a turn that is there because time is compressed.
    compressed: f64,
    fetch_us: AtomicI64,
    finish_us: AtomicI64,
    /// From a return while all slots are taken to the next start.
    turn_us: AtomicI64,
    /// By which a timer is late.
    timer_us: AtomicI64,
}

impl Held {
    /// Those of a drill of that speed, > 0.
    pub(super) fn at_speed(speed: f64) -> Self {
        Self {
            compressed: (1.0 - 1.0 / speed).max(0.0),
            fetch_us: AtomicI64::default(),
            finish_us: AtomicI64::default(),
            turn_us: AtomicI64::default(),
            timer_us: AtomicI64::default(),
        }
    }

    /// A call has held a slot for so long.
    pub(super) fn by(&self, call: SlotCall, us: i64) {
        follow(
            match call {
                SlotCall::Fetch => &self.fetch_us,
                SlotCall::Finish => &self.finish_us,
            },
            us,
        );
    }

    /// A slot was free for so long while all others were taken and a task waited.
    pub(super) fn by_turn(&self, us: i64) {
        follow(&self.turn_us, us);
    }

    /// A handler's timer was so late.
    pub(super) fn by_timer(&self, us: i64) {
        follow(&self.timer_us, us);
    }

    /// How much is to be taken off the time of a handler that is to work for so long; `took_the_last`: of the slots.
    pub(super) fn taken_off(&self, service_us: i64, took_the_last: bool) -> i64 {
        let of = |part: &AtomicI64| part.load(Ordering::Relaxed);
        let calls_us = of(&self.fetch_us) + of(&self.finish_us);
        // No turn is shorter than its calls, so before the first one they are the best guess.
        let between_us = match took_the_last {
            true => of(&self.turn_us).max(calls_us),
            false => calls_us,
        };
        let between_us = (between_us as f64 * self.compressed).round() as i64;
        (between_us + of(&self.timer_us)).clamp(0, service_us.max(0))
    }
}

/// Moves a mean towards a value. Two threads at once may lose one of them, which changes nothing.
fn follow(mean: &AtomicI64, value: i64) {
    let known = mean.load(Ordering::Relaxed);
    let value = value.clamp(0, (known * OUTLIER).max(SMALL_US));
    // The first is the mean so far.
    let next = match known {
        0 => value,
        _ => known + (value - known) / MEAN_OF,
    };
    mean.store(next, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_slots_are_held_for_is_taken_off_as_far_as_it_reaches() {
        let held = Held::at_speed(1e9);
        assert_eq!(held.taken_off(500_000, false), 0);
        for _ in 0..200 {
            held.by(SlotCall::Fetch, 15_000);
            held.by(SlotCall::Finish, 12_000);
            held.by_timer(3_000);
        }
        assert_eq!(held.taken_off(500_000, false), 30_000);
        assert_eq!(held.taken_off(10_000, false), 10_000);
        assert_eq!(held.taken_off(-5, false), 0);
        // Whoever takes the last slot holds it for a whole turn.
        assert_eq!(held.taken_off(500_000, true), 30_000);
        for _ in 0..200 {
            held.by_turn(40_000);
        }
        assert!((42_900..=43_000).contains(&held.taken_off(500_000, true)));
        assert_eq!(held.taken_off(500_000, false), 30_000);
    }

    #[test]
    fn in_real_time_nothing_but_what_timers_err_is_taken_off() {
        for (speed, between_us) in [(0.5, 0), (1.0, 0), (2.0, 500), (10.0, 900)] {
            let held = Held::at_speed(speed);
            for _ in 0..200 {
                held.by(SlotCall::Fetch, 600);
                held.by(SlotCall::Finish, 400);
                held.by_timer(200);
            }
            assert_eq!(held.taken_off(5_000, false), between_us + 200, "{speed}");
        }
    }

    #[test]
    fn a_single_stall_is_no_rule_and_a_slower_redis_is_followed() {
        let held = Held::at_speed(1e9);
        held.by(SlotCall::Fetch, 15_000);
        held.by(SlotCall::Fetch, 30_000_000);
        assert!(held.taken_off(i64::MAX, false) < 17_000);
        for _ in 0..300 {
            held.by(SlotCall::Fetch, 60_000);
        }
        assert!((55_000..=60_000).contains(&held.taken_off(i64::MAX, false)));
    }
}
