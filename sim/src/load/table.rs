//! Puts together what processes tell of each second.

use super::wire::Second;
use firedrill_reports::load::{Counts, Latencies, RedisRow, Role, Row};
use std::collections::BTreeMap;

/// So many seconds are waited for those that are slow to tell.
const PATIENCE: u64 = 3;

/// The seconds that are not over.
#[derive(Default)]
pub(super) struct Table {
    open: BTreeMap<u64, Open>,
    looks: BTreeMap<u64, (Option<RedisRow>, Option<u64>)>,
    next: u64,
}

#[derive(Default)]
struct Open {
    told: usize,
    counts: Counts,
    latencies: Latencies,
    /// Processor time and memory, of producers and of workers.
    producers: (f64, u64),
    workers: (f64, u64),
}

impl Table {
    /// Takes in what a process tells. What comes too late counts for the next second.
    pub(super) fn take(&mut self, role: Role, second: &Second) {
        let open = self.open.entry(second.number.max(self.next)).or_default();
        open.told += 1;
        open.counts.add(&second.counts);
        open.latencies.merge(&second.latencies);
        let (cpu_s, rss_bytes) = match role {
            Role::Producer => &mut open.producers,
            Role::Worker => &mut open.workers,
        };
        *cpu_s += second.cpu_s;
        *rss_bytes += second.rss_bytes;
    }

    /// Takes in what Redis did in the second that ended at the full second `number + 1`, and what is pending or active then.
    pub(super) fn looked(&mut self, number: u64, row: Option<RedisRow>, backlog: Option<u64>) {
        self.looks.insert(number.max(self.next), (row, backlog));
    }

    /// The next second, when all of `parts` processes have told of it, or `now` is long after it; `all`: nobody will tell more.
    pub(super) fn next(&mut self, parts: usize, now: u64, all: bool) -> Option<(Row, Latencies)> {
        let told = self.open.get(&self.next).map_or(0, |open| open.told);
        let due = match all {
            true => !self.open.is_empty(),
            false => (told >= parts.max(1) && now > self.next) || now > self.next + PATIENCE,
        };
        if !due {
            return None;
        }
        let open = self.open.remove(&self.next).unwrap_or_default();
        let (redis, backlog) = self.looks.remove(&self.next).unwrap_or_default();
        let mut row = Row {
            at_s: self.next as f64,
            width_s: 1.0,
            counts: open.counts,
            backlog,
            redis,
            producer_cpu: open.producers.0,
            worker_cpu: open.workers.0,
            producer_rss: open.producers.1,
            worker_rss: open.workers.1,
            ..Row::default()
        };
        row.measured(&open.latencies);
        self.next += 1;
        Some((row, open.latencies))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(number: u64, sent: u64) -> Second {
        Second {
            number,
            counts: Counts {
                sent,
                ..Counts::default()
            },
            ..Second::default()
        }
    }

    #[test]
    fn a_second_is_over_when_all_have_told_or_nobody_waits_any_more() {
        let mut table = Table::default();
        table.take(Role::Producer, &second(0, 1));
        assert!(table.next(2, 1, false).is_none(), "one has not told");
        table.take(Role::Worker, &second(0, 2));
        assert_eq!(table.next(2, 1, false).unwrap().0.counts.sent, 3);
        table.take(Role::Producer, &second(1, 4));
        assert!(table.next(2, 3, false).is_none());
        assert_eq!(table.next(2, 5, false).unwrap().0.counts.sent, 4);
        // It comes late, and counts all the same.
        table.take(Role::Worker, &second(1, 8));
        let (row, _) = table.next(2, 2, true).unwrap();
        assert_eq!((row.at_s, row.counts.sent), (2.0, 8));
        assert!(table.next(2, 2, true).is_none());
    }
}
