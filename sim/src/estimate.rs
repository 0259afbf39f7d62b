//! How much memory and how many events a virtual drill may take at most, known before it begins.

use crate::plan::{Plan, expected_tasks};
use crate::world::AppMetric;
use firedrill_detector::text::counted;
use std::fmt;

/// What one queued task takes in the model: its hash and place, its life, its entries in a queue.
const TASK_BYTES: u64 = 256;
/// What a worker's slot takes: its task, its handler, its part of a heartbeat.
const SLOT_BYTES: u64 = 512;
/// What one sample takes in memory.
const SAMPLE_BYTES: u64 = 24;
/// Series that kube-state-metrics has of a pod.
const SERIES_OF_A_POD: u64 = 17;
/// What a drill takes whatever its size.
const DRILL_BYTES: u64 = 4 << 20;
/// Events a drill may have: at some millions a second, about a quarter of an hour.
const EVENTS_MAX: u64 = 5_000_000_000;
/// Tasks have numbers of 32 bits.
const TASKS_MAX: u64 = u32::MAX as u64;

/// An upper bound of what a drill takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Tasks that arrive, on average.
    pub tasks: u64,
    /// Events: arrivals, service ends, retries, idle polls, heartbeats, scrapes.
    pub events: u64,
    /// Bytes, if no task were ever finished.
    pub bytes: u64,
}

/// Why a drill is not begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// It needs more memory than allowed.
    #[error(
        "{name}: may need {} at once ({tasks} tasks, {} side by side, {} kept of all drills), allowed \
         are {}; lower the arrival rate or the duration, run fewer drills side by side (--jobs) or fewer in all, or allow \
         more (--max-memory)",
        Size(*bytes),
        counted(*side_by_side, "drill"),
        Size(*kept),
        Size(*allowed)
    )]
    Memory {
        /// Scenario.
        name: String,
        /// Estimated.
        bytes: u64,
        /// Allowed.
        allowed: u64,
        /// Estimated tasks of one drill.
        tasks: u64,
        /// Drills at the same time.
        side_by_side: u64,
        /// Bytes of `bytes` that are kept of all drills.
        kept: u64,
    },
    /// It would go on for long.
    #[error(
        "{name}: about {events} events (tasks {tasks}; the rest are idle polls and heartbeats), more than {EVENTS_MAX}: it \
         would go on for long; lower the rate or the duration, or raise `task_check_interval`"
    )]
    Events {
        /// Scenario.
        name: String,
        /// Estimated.
        events: u64,
        /// Estimated tasks.
        tasks: u64,
    },
    /// More tasks than there are numbers.
    #[error("{name}: about {tasks} tasks, more than {TASKS_MAX} cannot be told apart")]
    Tasks {
        /// Scenario.
        name: String,
        /// Estimated.
        tasks: u64,
    },
}

impl Estimate {
    /// Of one drill of `plan`; `samples`: whether its scrapes are kept in memory.
    #[must_use]
    pub fn of(plan: &Plan, samples: bool) -> Self {
        let tasks = expected_tasks(plan).iter().sum::<f64>();
        let seconds = plan.duration_ms as f64 / 1e3;
        let polls = plan.workers.iter().map(|worker| {
            // The idle pause is half the interval at least.
            let pause_s = worker.task_check_interval_ms as f64 / 2e3;
            // A beat, a forwarder and a janitor run take a few steps each.
            f64::from(worker.processes) * seconds * (1.0 / pause_s + 2.0)
        });
        let scrapes = plan.scrapes();
        // Each task arrives, is retried at most a few times within a drill, and each attempt ends.
        let events = tasks * 10.0 + polls.sum::<f64>() + scrapes;
        let kinds = plan.workload.len() as u64;
        let slots = plan.processes().into_iter();
        let slots: u64 = slots.map(|(_, worker)| u64::from(worker.concurrency)).sum();
        let metrics = plan.world.metrics.iter();
        // Series of a target that grow with nothing else: buckets and counters of one task type.
        let series = metrics.map(AppMetric::series_per_kind).sum::<u64>().max(1);
        let of_pods = plan.scrapes_of_pods() as u64 * plan.processes().len() as u64;
        let samples_kept = scrapes as u64 * series * kinds + of_pods * SERIES_OF_A_POD;
        let sample_bytes = samples_kept * SAMPLE_BYTES;
        Self {
            tasks: tasks as u64,
            events: events as u64,
            bytes: DRILL_BYTES
                .saturating_add(slots.saturating_mul(SLOT_BYTES))
                .saturating_add((tasks as u64).saturating_mul(TASK_BYTES))
                .saturating_add(if samples { sample_bytes } else { 0 }),
        }
    }

    /// Refuses what is beyond the limits, with the estimate; `kept`: bytes that are kept of all drills of the command
    /// until its end.
    ///
    /// # Errors
    /// [`TooMuch`].
    pub fn check(
        &self,
        name: &str,
        allowed: u64,
        side_by_side: usize,
        kept: u64,
    ) -> Result<(), TooMuch> {
        let (name, tasks) = (name.to_owned(), self.tasks);
        if tasks > TASKS_MAX {
            return Err(TooMuch::Tasks { name, tasks });
        }
        if self.events > EVENTS_MAX {
            let events = self.events;
            return Err(TooMuch::Events {
                name,
                events,
                tasks,
            });
        }
        let side_by_side = side_by_side as u64;
        let running = self.bytes.saturating_mul(side_by_side);
        let bytes = running.saturating_add(kept);
        if bytes > allowed {
            return Err(TooMuch::Memory {
                name,
                bytes,
                allowed,
                tasks,
                side_by_side,
                kept,
            });
        }
        Ok(())
    }
}

/// A number of bytes, written as people do: `4GiB`, `512MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(
    /// Bytes.
    pub u64,
);

const UNITS: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, bytes) = UNITS
            .into_iter()
            .find(|(_, bytes)| self.0 >= *bytes)
            .unwrap_or(("B", 1));
        let whole = self.0 / bytes;
        if self.0.is_multiple_of(bytes) || whole >= 100 {
            write!(f, "{whole}{unit}")
        } else {
            write!(f, "{:.1}{unit}", self.0 as f64 / bytes as f64)
        }
    }
}

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = UNITS.into_iter().find_map(|(unit, bytes)| {
            let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
            (number.is_finite() && number > 0.0).then_some(Self((number * bytes as f64) as u64))
        });
        found.ok_or_else(|| "a size such as 4GiB or 512MiB".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tests::plan_with_arrivals;

    #[test]
    fn sizes_read_back() {
        for (text, bytes) in [("4GiB", 4 << 30), ("1.5MiB", 3 << 19), ("17B", 17)] {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, text));
        }
        for bad in ["4", "-1GiB", "GiB", "nanMiB", ""] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_beyond_the_limits_is_refused_with_the_estimate() {
        let plan = plan_with_arrivals("{ burst: { count: 10000000, at: 1m } }");
        let estimate = Estimate::of(&plan, true);
        assert_eq!(estimate.tasks, 10_000_000);
        let refused = estimate.check("s", 1 << 30, 2, 0).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("may need 4.8GiB at once (10000000 tasks, 2 drills side by side"),
            "{refused}"
        );
        assert_eq!(estimate.check("s", 8 << 30, 2, 0), Ok(()));
        let refused = estimate.check("s", 8 << 30, 2, 4 << 30).unwrap_err();
        assert!(
            refused.to_string().contains("4GiB kept of all drills"),
            "{refused}"
        );
    }

    #[test]
    fn a_drill_that_never_ends_is_refused() {
        let mut plan = plan_with_arrivals("{ poisson: 1/s }");
        plan.duration_ms = 30 * 86_400_000;
        plan.workers[0].task_check_interval_ms = 1;
        plan.workers[0].processes = 64;
        let refused = Estimate::of(&plan, false).check("s", u64::MAX, 1, 0);
        assert!(
            matches!(refused, Err(TooMuch::Events { .. })),
            "{refused:?}"
        );
    }
}
