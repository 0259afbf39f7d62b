//! Lives that end by plan: crash loops, and leaks that reach a limit.

use crate::lever::{Lever, LifeLever};
use crate::plan::Plan;

/// What the model's processes have in memory at rest, bytes: about what ours really have.
pub(crate) const RESTING_BYTES: u64 = 24 << 20;

/// In how many steps a leak grows to its limit.
const GROWTHS: u64 = 64;

/// What becomes of the lives of a process, and while which step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ailment {
    /// Index of the step.
    pub step: usize,
    /// From here on, virtual milliseconds since the start.
    pub from_ms: i64,
    /// No longer from here on.
    pub until_ms: i64,
    /// What it is.
    pub lever: LifeLever,
}

impl Ailment {
    /// Whether it is on.
    #[must_use]
    pub fn is_on(&self, at_ms: i64) -> bool {
        (self.from_ms..self.until_ms).contains(&at_ms)
    }

    /// When it begins for a process that was started at `started_ms`.
    #[must_use]
    pub fn begins_ms(&self, started_ms: i64) -> i64 {
        self.from_ms.max(started_ms)
    }

    /// When a process dies of it that was started at `started_ms`, if it is still on then.
    #[must_use]
    pub fn ends_ms(&self, started_ms: i64) -> i64 {
        self.begins_ms(started_ms)
            .saturating_add(self.lever.lasts_ms())
    }

    /// How many steps a leak takes, and how much each is, bytes. Nothing where it is none.
    #[must_use]
    pub fn growths(&self) -> (u64, u64) {
        match self.lever {
            LifeLever::Crash { .. } => (0, 0),
            LifeLever::Leak { limit_bytes, .. } => (GROWTHS, (limit_bytes / GROWTHS).max(1)),
        }
    }

    /// When a leak has grown so many times, virtual milliseconds since the start.
    #[must_use]
    pub fn grown_ms(&self, started_ms: i64, times: u64) -> i64 {
        let share = times as f64 / GROWTHS as f64;
        let after_ms = (self.lever.lasts_ms() as f64 * share) as i64;
        self.begins_ms(started_ms).saturating_add(after_ms)
    }

    /// What a process has leaked at `at_ms` that was started at `started_ms`, bytes.
    #[must_use]
    pub fn leaked_bytes(&self, started_ms: i64, at_ms: i64) -> u64 {
        let (times, each) = self.growths();
        let until_ms = at_ms.min(self.until_ms.saturating_sub(1));
        // It grows again and again: so many times so far.
        let grown = (1..=times).take_while(|times| self.grown_ms(started_ms, *times) <= until_ms);
        each * grown.count() as u64
    }
}

impl Plan {
    /// What becomes of the lives of a process, and when.
    #[must_use]
    pub fn ailments_of(&self, process: &str) -> Vec<Ailment> {
        let steps = self.timeline.iter().enumerate();
        let ailment = |(index, step): (usize, &crate::plan::Step)| {
            let Lever::Life(lever) = step.fault.begin() else {
                return None;
            };
            let is_hit = step.targets.iter().any(|target| target == process);
            is_hit.then(|| Ailment {
                step: index,
                from_ms: step.at_ms,
                until_ms: step.until.as_ref().map_or(i64::MAX, |until| until.at_ms),
                lever,
            })
        };
        steps.filter_map(ailment).collect()
    }

    /// Whether processes expose what memory they have: where a step is about that.
    #[must_use]
    pub fn shows_memory(&self) -> bool {
        let mut steps = self.timeline.iter();
        steps.any(|step| matches!(step.fault.begin(), Lever::Life(LifeLever::Leak { .. })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_grows_evenly_from_the_start_of_its_process_and_ends_with_its_step() {
        let leak = Ailment {
            step: 0,
            from_ms: 100_000,
            until_ms: 200_000,
            lever: LifeLever::Leak {
                limit_bytes: 64 << 20,
                fills_ms: 64_000,
            },
        };
        let leaked = |started_ms, at_ms| leak.leaked_bytes(started_ms, at_ms) >> 20;
        assert_eq!([leaked(0, 99_000), leaked(0, 101_000)], [0, 1]);
        assert_eq!(
            [leaked(120_000, 130_000), leaked(120_000, 152_500)],
            [10, 32]
        );
        assert_eq!((leak.ends_ms(0), leak.ends_ms(120_000)), (164_000, 184_000));
        // What was leaked stays.
        assert_eq!(leaked(190_000, 900_000), 9);
    }
}
