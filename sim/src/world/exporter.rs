//! What is exposed in a world beside the application's metrics.

use serde::{Deserialize, Serialize};

/// What exposes more than drills have without being asked. Nothing of it is made where a world does not name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exporter {
    /// The rest of what redis_exporter tells that a drill can know.
    RedisExporter,
    /// A target of its own: what kube-state-metrics tells of the worker processes, as pods of Deployments.
    KubeStateMetrics,
    /// A target of its own: what cAdvisor tells of their containers.
    Cadvisor,
    /// How long the producer's calls take, beside what it counts.
    EnqueueDuration,
    /// What Go's client tells of the worker processes, as far as that is asynq's doing.
    GoClient,
}

impl Exporter {
    /// All of them.
    pub(super) const ALL: [Self; 5] = [
        Self::RedisExporter,
        Self::KubeStateMetrics,
        Self::Cadvisor,
        Self::EnqueueDuration,
        Self::GoClient,
    ];

    /// As written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RedisExporter => "redis-exporter",
            Self::KubeStateMetrics => "kube-state-metrics",
            Self::Cadvisor => "cadvisor",
            Self::EnqueueDuration => "enqueue-duration",
            Self::GoClient => "go-client",
        }
    }
}
