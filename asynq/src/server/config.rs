//! What a server is told: asynq's `Config`, with its defaults.

use super::handler::Task;
use crate::actor::server::{Served, ServerConfig};
use crate::client::NewTask;
use crate::clock::ClockOrigin;
use crate::message::TaskMessage;
use crate::op::{BrokerError, GroupLimits};
use crate::retry_delay::{RetryDelay, RetryDice};
use crate::settings::{
    DEFAULT_QUEUE, HEALTH_CHECK_INTERVAL_MS, SHUTDOWN_TIMEOUT_MS, TASK_CHECK_INTERVAL_MS,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Makes one task of the tasks of a group, the first to come first. It is enqueued in the group's queue.
pub type AggregationFn = Arc<dyn Fn(&str, Vec<Task>) -> NewTask + Send + Sync>;
/// Hears whether Redis answered a health check.
pub type HealthFn = Arc<dyn Fn(Result<(), &BrokerError>) + Send + Sync>;

/// What a server is told. Fields have the names and defaults of asynq's `Config`.
#[derive(Clone)]
pub struct Config {
    /// Most tasks worked on at a time. Default: the number of CPUs.
    pub concurrency: usize,
    /// Most tasks that are fetched, or finished, in one round trip. Default 1: one at a time, as asynq does. With more, free slots
    /// are filled at once and what has succeeded in the meantime is written at once, which costs Redis and this process less a
    /// task. What differs then: queues are chosen for a whole batch, by the same shares, and all its tasks are of one queue;
    /// and where an answer of Redis is lost, up to a batch of tasks is left to be recovered when their leases are over, where
    /// asynq leaves one. More than 100, or than [`concurrency`](Self::concurrency), is of no use.
    pub batch: usize,
    /// Queues and their priorities. Default: `default` with priority 1. A queue of priority 0 is not served.
    pub queues: BTreeMap<String, u32>,
    /// Whether a queue is served only when all those of higher priority are empty.
    pub strict_priority: bool,
    /// How long a shutdown waits for handlers. Default 8 s.
    pub shutdown_timeout: Duration,
    /// Pause between looks at empty queues. Default 1 s.
    pub task_check_interval: Duration,
    /// How long a failed task waits for its next attempt.
    pub retry_delay: RetryDelay,
    /// How groups are aggregated. Default: they are not.
    pub groups: Option<GroupConfig>,
    /// Hears of health checks. Default: there are none.
    pub health_check: Option<HealthFn>,
    /// Pause between health checks. Default 15 s.
    pub health_check_interval: Duration,
    /// The name published for this host. Default: what the system says.
    pub host: String,
    /// A clock other than the time of day, for tests.
    pub clock: Option<ClockOrigin>,
}

/// How the tasks of groups become one.
#[derive(Clone)]
pub struct GroupConfig {
    /// How long a group waits for another task, at least 1 s. asynq's default is 1 min.
    pub grace_period: Duration,
    /// How long its first task waits at most; zero: no limit.
    pub max_delay: Duration,
    /// As many tasks are enough; 0: no limit.
    pub max_size: u32,
    /// Makes one task of them.
    pub aggregate: AggregationFn,
}

impl GroupConfig {
    /// asynq's defaults with an aggregation function.
    pub fn new(aggregate: impl Fn(&str, Vec<Task>) -> NewTask + Send + Sync + 'static) -> Self {
        Self {
            grace_period: Duration::from_secs(60),
            max_delay: Duration::ZERO,
            max_size: 0,
            aggregate: Arc::new(aggregate),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let real = |ms: i64| Duration::from_millis(ms.unsigned_abs());
        Self {
            concurrency: std::thread::available_parallelism().map_or(1, usize::from),
            batch: 1,
            queues: BTreeMap::from([(DEFAULT_QUEUE.to_owned(), 1)]),
            strict_priority: false,
            shutdown_timeout: real(SHUTDOWN_TIMEOUT_MS),
            task_check_interval: real(TASK_CHECK_INTERVAL_MS),
            retry_delay: RetryDelay::Default,
            groups: None,
            health_check: None,
            health_check_interval: real(HEALTH_CHECK_INTERVAL_MS),
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            clock: None,
        }
    }
}

impl Config {
    /// The same for the actor.
    pub(super) fn of_actor(&self) -> ServerConfig<TaskMessage> {
        let ms = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let secs = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        ServerConfig {
            host: self.host.clone(),
            pid: std::process::id().cast_signed(),
            server_id: uuid::Uuid::new_v4().to_string(),
            concurrency: self.concurrency.max(1),
            batch: self.batch.max(1),
            queues: self
                .queues
                .iter()
                .map(|(name, priority)| Served {
                    queue: name.clone(),
                    name: name.clone(),
                    priority: *priority,
                })
                .collect(),
            strict_priority: self.strict_priority,
            shutdown_timeout_ms: ms(self.shutdown_timeout),
            task_check_interval_ms: ms(self.task_check_interval),
            retry_delay: self.retry_delay,
            retry_dice: RetryDice::default(),
            groups: self.groups.as_ref().map(|groups| GroupLimits {
                // asynq refuses less than a second.
                grace_s: secs(groups.grace_period).max(1),
                max_delay_s: secs(groups.max_delay),
                max_size: groups.max_size,
            }),
            health_check_interval_ms: self
                .health_check
                .is_some()
                .then(|| ms(self.health_check_interval)),
        }
    }
}
