//! The arrivals of a load, seeded and parted: shards and their producer processes together have every arrival once.

use crate::plan::{ArrivalTimes, Plan, arrivals};
use firedrill_reports::shard::Shard;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A task that is to be enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// When, microseconds since the first possible arrival.
    pub at_us: i64,
    /// Index of the workload entry.
    pub workload: usize,
    /// Number of the arrival within it.
    pub seq: u64,
}

/// Whose arrivals: one of the producer processes of one of the shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// The shard.
    pub shard: Shard,
    /// Which of its producers, from 0.
    pub producer: u32,
    /// Of how many.
    pub producers: u32,
}

impl Share {
    /// All there are.
    pub const WHOLE: Self = Self {
        shard: Shard::WHOLE,
        producer: 0,
        producers: 1,
    };

    /// Whether an arrival is its own. Neighbours go to different shards, and of a shard to different producers.
    #[must_use]
    pub fn has(&self, workload: usize, seq: u64) -> bool {
        let number = seq.wrapping_add(workload as u64);
        let (shards, producers) = (u64::from(self.shard.of()), u64::from(self.producers));
        self.shard.holds(number) && (number / shards) % producers == u64::from(self.producer)
    }
}

/// A share of a plan's arrivals, in order of time.
pub struct Stream {
    share: Share,
    sources: Vec<(ArrivalTimes, u64)>,
    next: BinaryHeap<Reverse<Due>>,
}

impl Stream {
    /// Of `plan`.
    #[must_use]
    pub fn new(plan: &Plan, share: Share) -> Self {
        let mut stream = Self {
            share,
            sources: (0..plan.workload.len())
                .map(|index| (arrivals(plan, index), 0))
                .collect(),
            next: BinaryHeap::new(),
        };
        (0..stream.sources.len()).for_each(|workload| stream.advance(workload));
        stream
    }

    /// Looks for the next arrival of an entry that is ours.
    fn advance(&mut self, workload: usize) {
        let (times, seq) = &mut self.sources[workload];
        for at_us in times.by_ref() {
            let due = Due {
                at_us,
                workload,
                seq: *seq,
            };
            *seq += 1;
            if self.share.has(workload, due.seq) {
                self.next.push(Reverse(due));
                return;
            }
        }
    }
}

impl Iterator for Stream {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        let Reverse(due) = self.next.pop()?;
        self.advance(due.workload);
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tests::plan_with_arrivals;
    use proptest::prelude::*;

    fn plan(seed: u64) -> Plan {
        let mut plan = plan_with_arrivals("{ poisson: 40/s }");
        plan.seed = seed;
        plan.duration_ms = plan.duration_ms.min(20_000);
        let mut other = plan.workload[0].clone();
        other.task = "other".into();
        plan.workload.push(other);
        plan
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn shards_and_producers_have_every_arrival_once(
            seed in any::<u64>(), shards in 1_u32..5, producers in 1_u32..5,
        ) {
            let plan = plan(seed);
            let whole: Vec<Due> = Stream::new(&plan, Share::WHOLE).collect();
            prop_assert!(whole.is_sorted());
            prop_assert!(whole.len() > 100);
            let mut parts = Vec::new();
            for number in 1..=shards {
                for producer in 0..producers {
                    let shard = Shard::new(number, shards).unwrap();
                    let share = Share { shard, producer, producers };
                    let part: Vec<Due> = Stream::new(&plan, share).collect();
                    prop_assert!(part.is_sorted());
                    // No part has much more to do than another one.
                    let fair = whole.len() / (shards * producers) as usize;
                    prop_assert!(part.len() <= fair + 2, "{} of {}", part.len(), whole.len());
                    parts.extend(part);
                }
            }
            parts.sort_unstable();
            prop_assert_eq!(parts, whole);
        }

        #[test]
        fn the_seed_says_when_tasks_come(seed in any::<u64>()) {
            let times = |seed| Stream::new(&plan(seed), Share::WHOLE).take(50).collect::<Vec<_>>();
            prop_assert_eq!(times(seed), times(seed));
            prop_assert_ne!(times(seed), times(seed ^ 1));
        }
    }
}
