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
#[derive(Debug, Clone, Default)]
pub struct WorkerMetrics {
    /// (task type, queue, status) -> handler returns. As in Go's client, a series appears with its first increment.
    processed: BTreeMap<(String, String, &'static str), u64>,
    durations: BTreeMap<(String, String), Histogram>,
}

#[derive(Debug, Clone, Default)]
struct Histogram {
    buckets: [u64; DURATION_BUCKETS.len()],
    count: u64,
    sum: f64,
}

impl WorkerMetrics {
    /// Counts one handler return that took `seconds` of virtual time.
    pub fn observe(&mut self, task_type: &str, queue: &str, outcome: &Outcome, seconds: f64) {
        let status = match outcome {
            Outcome::Success => "success",
            Outcome::Failure { .. } => "failed",
        };
        *self
            .processed
            .entry((task_type.to_owned(), queue.to_owned(), status))
            .or_default() += 1;
        let histogram = self
            .durations
            .entry((task_type.to_owned(), queue.to_owned()))
            .or_default();
        histogram.count += 1;
        histogram.sum += seconds;
        for (bound, count) in DURATION_BUCKETS.iter().zip(&mut histogram.buckets) {
            *count += u64::from(seconds <= *bound);
        }
    }

    /// Everything exposed now, in a fixed order.
    #[must_use]
    pub fn values(&self) -> Vec<Value> {
        let mut values = Vec::new();
        for ((task_type, queue, status), count) in &self.processed {
            let labels = [
                ("task_type", task_type.as_str()),
                ("queue", queue),
                ("status", status),
            ];
            values.push((Labels::metric("job_processed_total", labels), *count as f64));
        }
        for ((task_type, queue), histogram) in &self.durations {
            let labels = [("task_type", task_type.as_str()), ("queue", queue.as_str())];
            let bounds = DURATION_BUCKETS
                .iter()
                .map(f64::to_string)
                .zip(histogram.buckets);
            for (bound, count) in bounds.chain([("+Inf".to_owned(), histogram.count)]) {
                let with_bound = labels.iter().copied().chain([("le", bound.as_str())]);
                values.push((
                    Labels::metric("job_duration_seconds_bucket", with_bound),
                    count as f64,
                ));
            }
            values.push((
                Labels::metric("job_duration_seconds_sum", labels),
                histogram.sum,
            ));
            values.push((
                Labels::metric("job_duration_seconds_count", labels),
                histogram.count as f64,
            ));
        }
        values
    }
}

/// asynq's collector (`x/metrics`) for one queue: names, kinds and labels as there. `asynq_tasks_enqueued_total` and
/// `asynq_queue_paused_total` are gauges despite their names.
#[must_use]
pub fn queue_values(queue: &str, stats: &QueueStats) -> Vec<Value> {
    let states = [
        ("active", stats.active),
        ("pending", stats.pending),
        ("scheduled", stats.scheduled),
        ("retry", stats.retry),
        ("archived", stats.archived),
        ("completed", stats.completed),
    ];
    let size: u64 = states.iter().map(|(_, count)| count).sum();
    let mut values: Vec<Value> = states
        .iter()
        .map(|(state, count)| {
            (
                Labels::metric(
                    "asynq_tasks_enqueued_total",
                    [("queue", queue), ("state", state)],
                ),
                *count as f64,
            )
        })
        .collect();
    let mut push = |name, value| values.push((Labels::metric(name, [("queue", queue)]), value));
    push("asynq_queue_size", size as f64);
    push("asynq_queue_latency_seconds", stats.latency_seconds);
    push("asynq_tasks_processed_total", stats.processed_total as f64);
    push("asynq_tasks_failed_total", stats.failed_total as f64);
    push(
        "asynq_queue_paused_total",
        f64::from(u8::from(stats.paused)),
    );
    values
}
