//! Clocks that are wrong by plan.

use crate::lever::{ClockLever, Lever};
use crate::plan::Plan;

/// How far a process' clock is ahead, and while which step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    /// Index of the step.
    pub step: usize,
    /// From here on, virtual milliseconds since the start.
    pub from_ms: i64,
    /// No longer from here on.
    pub until_ms: i64,
    /// How far it is ahead; negative: behind.
    pub ms: i64,
}

impl Skew {
    /// Whether it is on.
    #[must_use]
    pub fn is_on(&self, at_ms: i64) -> bool {
        (self.from_ms..self.until_ms).contains(&at_ms)
    }
}

impl Plan {
    /// How far any clock is ever ahead, and behind, virtual milliseconds; 0 where none is.
    #[must_use]
    pub fn most_skew_ms(&self) -> [i64; 2] {
        let steps = self.timeline.iter();
        let skews = steps.filter_map(|step| match step.fault.begin() {
            Lever::Clock(ClockLever::Skew { ms }) => Some(ms),
            _ => None,
        });
        skews.fold([0, 0], |[ahead, behind], ms| {
            [ahead.max(ms), behind.max(-ms)]
        })
    }

    /// What is wrong with the clock of a process, and when.
    #[must_use]
    pub fn skews_of(&self, process: &str) -> Vec<Skew> {
        let steps = self.timeline.iter().enumerate();
        let skew = |(index, step): (usize, &crate::plan::Step)| {
            let Lever::Clock(ClockLever::Skew { ms }) = step.fault.begin() else {
                return None;
            };
            let is_hit = step.targets.iter().any(|target| target == process);
            is_hit.then(|| Skew {
                step: index,
                from_ms: step.at_ms,
                until_ms: step.until.as_ref().map_or(i64::MAX, |until| until.at_ms),
                ms,
            })
        };
        steps.filter_map(skew).collect()
    }
}
