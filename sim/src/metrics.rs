//! What a drill exposes to Prometheus, under the user's own names: the worker's counters, asynq's collector, and a
//! few of Redis'. Plain values; `exposition` turns them into text and back.

pub mod exposition;

use crate::actor::Outcome;
use crate::asynq::op::QueueStats;
use firedrill_detector::Labels;
use std::collections::BTreeMap;

/// Upper bounds in seconds of `job_duration_seconds`: Prometheus' default buckets.
pub const DURATION_BUCKETS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// One exposed value.
pub type Value = (Labels, f64);

/// Counters of one worker process. They live and die with the process.
#[derive(Debug, Clone)]
pub struct WorkerMetrics<K> {
    kinds: BTreeMap<K, Counters>,
}

impl<K> Default for WorkerMetrics<K> {
    fn default() -> Self {
        Self {
            kinds: BTreeMap::new(),
        }
    }
}

/// Handler returns of one task type in one queue.
#[derive(Debug, Clone, Default)]
struct Counters {
    success: u64,
    failed: u64,
    buckets: [u64; DURATION_BUCKETS.len()],
    sum: f64,
}

/// A series of a worker's `/metrics`, by task type and queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobSeries {
    /// `job_processed_total{status="failed"}`
    Failed,
    /// `job_processed_total{status="success"}`
    Success,
    /// `job_duration_seconds_bucket`, by the number of its bound; the last is `+Inf`.
    Bucket(usize),
    /// `job_duration_seconds_sum`
    Sum,
    /// `job_duration_seconds_count`
    Count,
}

impl JobSeries {
    /// The series' labels, without those of the target.
    #[must_use]
    pub fn labels(self, task_type: &str, queue: &str) -> Labels {
        let of = [("task_type", task_type), ("queue", queue)];
        let with =
            |name, label, value| Labels::metric(name, of.into_iter().chain([(label, value)]));
        match self {
            Self::Failed => with("job_processed_total", "status", "failed"),
            Self::Success => with("job_processed_total", "status", "success"),
            Self::Bucket(bound) => {
                let bound = DURATION_BUCKETS
                    .get(bound)
                    .map_or("+Inf".to_owned(), f64::to_string);
                with("job_duration_seconds_bucket", "le", &bound)
            }
            Self::Sum => Labels::metric("job_duration_seconds_sum", of),
            Self::Count => Labels::metric("job_duration_seconds_count", of),
        }
    }
}

impl<K: Ord> WorkerMetrics<K> {
    /// Counts one handler return that took `seconds` of virtual time.
    pub fn observe(&mut self, kind: K, outcome: &Outcome, seconds: f64) {
        let counters = self.kinds.entry(kind).or_default();
        match outcome {
            Outcome::Success => counters.success += 1,
            Outcome::Failure { .. } => counters.failed += 1,
        }
        counters.sum += seconds;
        // Bounds ascend, so that most returns touch few buckets: each is counted where it falls and added up when read.
        if let Some(bucket) = DURATION_BUCKETS.iter().position(|bound| seconds <= *bound) {
            counters.buckets[bucket] += 1;
        }
    }

    /// Everything exposed now, in a fixed order. As in Go's client, a series appears with its first increment.
    pub fn each<'k>(&'k self, mut expose: impl FnMut(&'k K, JobSeries, f64)) {
        for (kind, counters) in &self.kinds {
            for (series, count) in [
                (JobSeries::Failed, counters.failed),
                (JobSeries::Success, counters.success),
            ] {
                if count > 0 {
                    expose(kind, series, count as f64);
                }
            }
        }
        for (kind, counters) in &self.kinds {
            let mut below = 0;
            for (bound, count) in counters.buckets.iter().enumerate() {
                below += count;
                expose(kind, JobSeries::Bucket(bound), below as f64);
            }
            let count = (counters.success + counters.failed) as f64;
            expose(kind, JobSeries::Bucket(DURATION_BUCKETS.len()), count);
            expose(kind, JobSeries::Sum, counters.sum);
            expose(kind, JobSeries::Count, count);
        }
    }
}

impl WorkerMetrics<(String, String)> {
    /// Everything exposed now, with its labels.
    #[must_use]
    pub fn values(&self) -> Vec<Value> {
        let mut values = Vec::new();
        self.each(|(task_type, queue), series, value| {
            values.push((series.labels(task_type, queue), value));
        });
        values
    }
}

/// A series of asynq's collector (`x/metrics`), by queue: names, kinds and labels as there.
/// `asynq_tasks_enqueued_total` and `asynq_queue_paused_total` are gauges despite their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QueueSeries {
    /// `asynq_tasks_enqueued_total`, by the number of the state.
    Tasks(usize),
    /// `asynq_queue_size`
    Size,
    /// `asynq_queue_latency_seconds`
    Latency,
    /// `asynq_tasks_processed_total`
    Processed,
    /// `asynq_tasks_failed_total`
    Failed,
    /// `asynq_queue_paused_total`
    Paused,
}

/// The states asynq's collector knows, in the order of [`QueueSeries::Tasks`].
const STATES: [&str; 6] = [
    "active",
    "pending",
    "scheduled",
    "retry",
    "archived",
    "completed",
];

impl QueueSeries {
    /// The series' labels, without those of the target.
    #[must_use]
    pub fn labels(self, queue: &str) -> Labels {
        let name = match self {
            Self::Tasks(state) => {
                let state = STATES.get(state).copied().unwrap_or_default();
                let labels = [("queue", queue), ("state", state)];
                return Labels::metric("asynq_tasks_enqueued_total", labels);
            }
            Self::Size => "asynq_queue_size",
            Self::Latency => "asynq_queue_latency_seconds",
            Self::Processed => "asynq_tasks_processed_total",
            Self::Failed => "asynq_tasks_failed_total",
            Self::Paused => "asynq_queue_paused_total",
        };
        Labels::metric(name, [("queue", queue)])
    }
}

/// The labels of asynq's estimate of the bytes a queue takes. Only a real Redis can be asked for it: no [`QueueSeries`].
#[must_use]
pub fn memory_labels(queue: &str) -> Labels {
    Labels::metric("asynq_queue_memory_usage_approx_bytes", [("queue", queue)])
}

/// What asynq's collector exposes of one queue, in a fixed order.
pub fn each_of_queue(stats: &QueueStats, mut expose: impl FnMut(QueueSeries, f64)) {
    let counts = [
        stats.active,
        stats.pending,
        stats.scheduled,
        stats.retry,
        stats.archived,
        stats.completed,
    ];
    for (state, count) in counts.iter().enumerate() {
        expose(QueueSeries::Tasks(state), *count as f64);
    }
    // Tasks that wait in groups have no series of their own.
    let size = counts.iter().sum::<u64>() + stats.aggregating;
    expose(QueueSeries::Size, size as f64);
    expose(QueueSeries::Latency, stats.latency_seconds);
    expose(QueueSeries::Processed, stats.processed_total as f64);
    expose(QueueSeries::Failed, stats.failed_total as f64);
    expose(QueueSeries::Paused, f64::from(u8::from(stats.paused)));
}

/// What asynq's collector exposes of one queue, with its labels.
#[must_use]
pub fn queue_values(queue: &str, stats: &QueueStats) -> Vec<Value> {
    let mut values = Vec::new();
    each_of_queue(stats, |series, value| {
        values.push((series.labels(queue), value));
    });
    values
}
