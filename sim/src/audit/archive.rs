//! What was in a queue's archive, and what it had no room for: asynq drops the oldest.

use super::EXAMPLES_MAX;
use firedrill_asynq::clock::Time;
use firedrill_asynq::settings::ARCHIVE_MAX;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// See the module. Times in Unix seconds, as scores.
#[derive(Debug, Default)]
pub(super) struct Archive {
    /// When each task came, and when somebody took it out.
    stays: Vec<(i64, i64)>,
    /// Tasks that came and are gone: when they came, and a name.
    missing: Vec<(i64, String)>,
}

impl Archive {
    /// A task came, and was taken out by hand, if it was.
    pub(super) fn took(&mut self, came: Time, left: Option<Time>) {
        let left_s = left.map_or(i64::MAX, Time::secs);
        self.stays.push((came.secs(), left_s));
    }

    /// One that came then is gone, and nobody took it out.
    pub(super) fn misses(&mut self, came: Time, name: &impl Fn() -> String) {
        let name = match self.missing.len() < EXAMPLES_MAX {
            true => name(),
            false => String::new(),
        };
        self.missing.push((came.secs(), name));
    }

    /// How many of the missing were dropped for want of room, and the names of the others.
    pub(super) fn close(mut self) -> (u64, Vec<String>) {
        self.stays.sort_unstable();
        self.missing.sort();
        // Where one has no room, none that is older has.
        let dropped = self
            .missing
            .partition_point(|(came, _)| self.was_full_of(*came));
        let kept = self.missing.split_off(dropped);
        (
            dropped as u64,
            kept.into_iter().map(|(_, name)| name).collect(),
        )
    }

    /// Whether as many tasks as the archive takes were ever there at once that were no older than this.
    fn was_full_of(&self, came_s: i64) -> bool {
        let first = self.stays.partition_point(|(came, _)| *came < came_s);
        let mut there: BinaryHeap<Reverse<i64>> = BinaryHeap::new();
        self.stays[first..].iter().any(|(came, left)| {
            while there.peek().is_some_and(|Reverse(left)| left < came) {
                there.pop();
            }
            there.push(Reverse(*left));
            there.len() >= ARCHIVE_MAX as usize
        })
    }
}
