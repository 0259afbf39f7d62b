//! What a drill exposes to Prometheus: what the application counts, under the names of its world (`app`), asynq's collector,
//! and a few numbers of Redis'. Plain values; `exposition` turns them into text and back.

mod app;
pub mod catalogue;
pub mod exposition;
pub(crate) mod kube;
pub mod redis;

pub use app::{App, JobSeries, WorkerMetrics};

use firedrill_asynq::clock::Time;
use firedrill_asynq::exporter::{self, QueueSeries};
use firedrill_asynq::note::Intake;
use firedrill_asynq::op::QueueStats;
use firedrill_detector::Labels;

/// One exposed value.
pub type Value = (Labels, f64);

/// A series of a pool of connections, as Go's `database/sql` has them exposed by Prometheus' client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PoolSeries {
    /// `go_sql_max_open_connections`
    Max,
    /// `go_sql_in_use_connections`
    InUse,
    /// `go_sql_wait_count_total`
    Waits,
}

impl PoolSeries {
    /// Everything exposed of a pool with so many connections, of which so many are in use, and for which so many ever waited.
    pub fn each((slots, held, waits): (u32, u32, u64), mut expose: impl FnMut(Self, f64)) {
        expose(Self::Max, f64::from(slots));
        expose(Self::InUse, f64::from(held));
        expose(Self::Waits, waits as f64);
    }

    /// The series' labels, without those of the target.
    #[must_use]
    pub fn labels(self, pool: &str) -> Labels {
        let name = match self {
            Self::Max => "go_sql_max_open_connections",
            Self::InUse => "go_sql_in_use_connections",
            Self::Waits => "go_sql_wait_count_total",
        };
        Labels::metric(name, [("db_name", pool)])
    }
}

/// What a producer counts of its calls: of each task type and queue, those that were accepted, those refused as duplicates, and
/// those with another error.
#[derive(Debug, Clone, Default)]
pub struct ProducerMetrics {
    /// Task types with their queues, in order.
    kinds: Vec<(String, String)>,
    /// The kind of each leg of the plan's routes.
    legs: Vec<usize>,
    counts: Vec<[u64; 3]>,
}

/// `result` of `job_enqueued_total`, in the order of counts.
pub const ENQUEUE_RESULTS: [&str; 3] = ["ok", "duplicate", "error"];

impl ProducerMetrics {
    /// Of legs with these task types and queues.
    #[must_use]
    pub fn new(legs: impl IntoIterator<Item = (String, String)>) -> Self {
        let legs: Vec<_> = legs.into_iter().collect();
        let mut kinds = legs.clone();
        kinds.sort();
        kinds.dedup();
        let place = |kind| kinds.binary_search(kind).unwrap_or(0);
        Self {
            legs: legs.iter().map(place).collect(),
            counts: vec![[0; 3]; kinds.len()],
            kinds,
        }
    }

    /// A task on a leg was answered.
    #[inline]
    pub fn answered(&mut self, leg: usize, answer: Intake) {
        let kind = self.legs.get(leg);
        if let Some(counts) = kind.and_then(|kind| self.counts.get_mut(*kind)) {
            counts[match answer {
                Intake::Accepted => 0,
                Intake::Duplicate => 1,
                Intake::Rejected => 2,
            }] += 1;
        }
    }

    /// Everything exposed now, by the numbers of the kind and of the result; a series appears with its first increment.
    pub fn each(&self, mut expose: impl FnMut(usize, usize, f64)) {
        for (kind, counts) in self.counts.iter().enumerate() {
            for (result, count) in counts.iter().enumerate() {
                if *count > 0 {
                    expose(kind, result, *count as f64);
                }
            }
        }
    }

    /// The labels of a series, without those of the target.
    #[must_use]
    pub fn labels(&self, kind: usize, result: usize) -> Labels {
        let (task_type, queue) = &self.kinds[kind];
        let of = [
            ("task_type", task_type.as_str()),
            ("queue", queue),
            ("result", ENQUEUE_RESULTS[result]),
        ];
        Labels::metric("job_enqueued_total", of)
    }

    /// Everything exposed now, with its labels.
    #[must_use]
    pub fn values(&self) -> Vec<Value> {
        let mut values = Vec::new();
        self.each(|kind, result, value| values.push((self.labels(kind, result), value)));
        values
    }
}

/// The labels of a series of asynq's collector, without those of the target.
#[must_use]
pub fn queue_labels(series: QueueSeries, queue: &str) -> Labels {
    let queue = ("queue", queue);
    match series.state() {
        Some(state) => Labels::metric(series.name(), [queue, ("state", state)]),
        None => Labels::metric(series.name(), [queue]),
    }
}

/// The labels of asynq's estimate of the bytes a queue takes. Only a real Redis can be asked for it: no [`QueueSeries`].
#[must_use]
pub fn memory_labels(queue: &str) -> Labels {
    Labels::metric(exporter::MEMORY, [("queue", queue)])
}

/// What asynq's collector exposes of one queue, with its labels.
#[must_use]
pub fn queue_values(queue: &str, stats: &QueueStats) -> Vec<Value> {
    let mut values = Vec::new();
    exporter::each_of_queue(stats, |series, value| {
        values.push((queue_labels(series, queue), value));
    });
    values
}
/// A drill meets a fleet at work, not one that is being set up: its Redis and workers count as up for a day when it
/// begins. So a rule about a restart does not take the drill's start for one.
pub(crate) const UP_BEFORE_MS: i64 = 24 * 3_600_000;

/// When a process started, for its metrics: `now`, but the first of its name was there before the drill.
pub(crate) fn counts_as_started(now: Time, incarnation: u32) -> Time {
    if incarnation == 0 {
        now.plus_millis(-UP_BEFORE_MS)
    } else {
        now
    }
}
