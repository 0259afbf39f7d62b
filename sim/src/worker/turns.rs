//! Turns of a worker's slots: what passes from a handler's return, while all slots are taken, to the start of the next one in
//! its place.
//!
//! A server whose slots are all taken fetches as soon as one is free, so such a turn is the harness' alone, but for one
//! thing: a server that finds nothing pauses.

use crate::plan::WorkerPlan;
use firedrill_asynq::clock::Time;
use std::collections::VecDeque;

/// Follows a server's starts and returns.
#[derive(Debug)]
pub(crate) struct Turns {
    slots: usize,
    running: usize,
    /// When the slots that are free now were left, if all were taken then.
    left: VecDeque<Time>,
    /// The shortest pause of a server that found nothing, virtual microseconds.
    pause_us: i64,
}

impl Turns {
    /// Those of a process of `worker`.
    pub(crate) fn of(worker: &WorkerPlan) -> Self {
        Self {
            slots: worker.concurrency as usize,
            running: 0,
            left: VecDeque::new(),
            // It draws from half of its interval to one and a half.
            pause_us: worker.task_check_interval_ms * 500,
        }
    }

    /// A handler starts: answers since when its slot was free, if that was the only one.
    pub(crate) fn starts(&mut self) -> Option<Time> {
        self.running += 1;
        self.left.pop_front()
    }

    /// A handler has returned: answers whether all slots were taken.
    pub(crate) fn returns(&mut self, at: Time) -> bool {
        let were_taken = self.running == self.slots;
        if were_taken || !self.left.is_empty() {
            self.left.push_back(at);
        }
        self.running = self.running.saturating_sub(1);
        were_taken
    }

    /// Whether all slots are taken.
    pub(crate) fn are_taken(&self) -> bool {
        self.running >= self.slots
    }

    /// Whether a turn was long enough for a server to have found nothing meanwhile, and to have paused.
    pub(crate) fn may_have_paused(&self, us: i64) -> bool {
        us >= self.pause_us
    }

    /// The server has found nothing: whatever slots were free waited for tasks.
    pub(crate) fn found_nothing(&mut self) {
        self.left.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::scenario::{PlanOptions, Scenario};

    const SCENARIO: &str = include_str!("../../../scenarios/worker-crashed/worker-crash-all.yaml");

    #[test]
    fn a_turn_begins_when_all_slots_are_taken() {
        let text = SCENARIO.replace("concurrency: 10", "concurrency: 2");
        let scenario = Scenario::parse("s.yaml", &text).unwrap();
        let plan = Plan::resolve(&scenario, &PlanOptions { seed: None }).unwrap();
        let mut turns = Turns::of(&plan.workers[0]);
        let at = Time::from_millis;
        assert_eq!(turns.starts(), None);
        assert!(!turns.returns(at(10)), "one of two slots was free");
        assert_eq!((turns.starts(), turns.starts()), (None, None));
        assert!(turns.are_taken());
        assert!(turns.returns(at(20)));
        // The first slot that was left is the first to be filled.
        assert!(!turns.returns(at(30)));
        assert_eq!(turns.starts(), Some(at(20)));
        assert_eq!(turns.starts(), Some(at(30)));
        assert!(turns.returns(at(40)));
        turns.found_nothing();
        assert_eq!(turns.starts(), None);
        // The interval is a second.
        assert!(!turns.may_have_paused(499_999) && turns.may_have_paused(500_000));
    }
}
