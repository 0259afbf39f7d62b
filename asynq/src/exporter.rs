//! What asynq's Prometheus collector (`x/metrics`) exposes, as plain values: names, states and numbers, for whoever
//! writes them in a format.

use crate::op::QueueStats;

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
    /// The metric's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tasks(_) => "asynq_tasks_enqueued_total",
            Self::Size => "asynq_queue_size",
            Self::Latency => "asynq_queue_latency_seconds",
            Self::Processed => "asynq_tasks_processed_total",
            Self::Failed => "asynq_tasks_failed_total",
            Self::Paused => "asynq_queue_paused_total",
        }
    }

    /// Its label `state` beside `queue`, where it has one.
    #[must_use]
    pub fn state(self) -> Option<&'static str> {
        match self {
            Self::Tasks(state) => STATES.get(state).copied(),
            _ => None,
        }
    }
}

/// asynq's estimate of the bytes a queue takes. Only a real Redis can be asked for it: no [`QueueSeries`].
pub const MEMORY: &str = "asynq_queue_memory_usage_approx_bytes";

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
