//! What a drill exposes to Prometheus: what the application counts, under the names of its world (`app`), asynq's collector,
//! and a few numbers of Redis'. Plain values; `exposition` turns them into text and back.

mod app;
pub mod catalogue;
pub mod exposition;
pub mod go;
pub(crate) mod kube;
mod producer;
pub mod redis;

pub use app::{App, JobSeries, WorkerMetrics};
pub use producer::{ENQUEUE_RESULTS, EnqueueSeries, ProducerMetrics};

use firedrill_asynq::clock::Time;
use firedrill_asynq::exporter::{self, QueueSeries};
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
