//! asynq's constants (0.26, `server.go` and `internal/rdb`), all in virtual time.

/// One second in milliseconds.
const SECOND_MS: i64 = 1_000;

/// Length of a lease.
pub const LEASE_MS: i64 = 30 * SECOND_MS;
/// Pause between heartbeats; each prolongs the leases.
pub const HEARTBEAT_INTERVAL_MS: i64 = 5 * SECOND_MS;
/// Time to live of the published server state.
pub const SERVER_STATE_TTL_S: i64 = 10;
/// Pause between forwarder runs.
pub const FORWARD_INTERVAL_MS: i64 = 5 * SECOND_MS;
/// Pause between recoverer runs; the first is at once.
pub const RECOVER_INTERVAL_MS: i64 = 60 * SECOND_MS;
/// How long a lease must have been over before the recoverer takes the task.
pub const RECOVER_GRACE_MS: i64 = 30 * SECOND_MS;
/// Pause between janitor runs.
pub const JANITOR_INTERVAL_MS: i64 = 8 * SECOND_MS;
/// Middle of the idle poll; the real pause is uniform in [0.5, 1.5) of it.
pub const TASK_CHECK_INTERVAL_MS: i64 = SECOND_MS;
/// How long a graceful shutdown waits for handlers.
pub const SHUTDOWN_TIMEOUT_MS: i64 = 8 * SECOND_MS;
/// How long the client waits before a read or write counts as failed.
pub const REDIS_TIMEOUT_MS: i64 = 3 * SECOND_MS;
/// How long it waits for a connection, handshakes included.
pub const REDIS_DIAL_TIMEOUT_MS: i64 = 5 * SECOND_MS;
/// How often the client repeats a command that did not reach Redis.
pub const REDIS_RETRIES: u32 = 3;
/// Its pause before the first repetition; each further one is twice as long.
pub const REDIS_RETRY_PAUSE_MS: i64 = 8;
/// Its longest pause.
pub const REDIS_RETRY_PAUSE_MAX_MS: i64 = 512;
/// How often a cluster's client follows a key to another node, per attempt.
pub const REDIS_REDIRECTS: u32 = 3;
/// Pause between attempts to subscribe for the first time.
pub const SUBSCRIBE_RETRY_MS: i64 = 5 * SECOND_MS;
/// The same once a subscription was established and is to be mended (go-redis, `PubSub`).
pub const SUBSCRIBE_REPAIR_MS: i64 = 100;
/// How long a subscription may be idle before its connection is tried.
pub const SUBSCRIBE_PING_MS: i64 = 3 * SECOND_MS;
/// Most tasks moved or deleted by one forward or janitor call.
pub const BATCH: u32 = 100;
/// Cap of the archive.
pub const ARCHIVE_MAX: u32 = 10_000;
/// Days an archived task and the daily statistics are kept.
pub const KEEP_DAYS: i64 = 90;
/// Default of `MaxRetry`.
pub const DEFAULT_MAX_RETRY: i32 = 25;
/// How long an aggregation may take before its tasks go back to their group.
pub const AGGREGATION_TIMEOUT_S: i64 = 120;
/// Longest pause between the aggregator's checks; a shorter grace period shortens it.
pub const AGGREGATION_INTERVAL_MS: i64 = 7 * SECOND_MS;
/// Most aggregation checks of a server at a time.
pub const AGGREGATION_CHECKS_MAX: usize = 3;
/// Pause between health checks; the first comes after one.
pub const HEALTH_CHECK_INTERVAL_MS: i64 = 15 * SECOND_MS;
/// Pause between a scheduler's heartbeats; the first comes after one.
pub const SCHEDULER_HEARTBEAT_INTERVAL_MS: i64 = 10 * SECOND_MS;
/// Time to live of the published entries.
pub const SCHEDULER_TTL_S: i64 = 20;
/// Events kept of each entry.
pub const SCHEDULER_HISTORY_MAX: u32 = 1_000;
/// Default of `Timeout` when there is no deadline either.
pub const DEFAULT_TIMEOUT_S: i64 = 30 * 60;
/// Default queue.
pub const DEFAULT_QUEUE: &str = "default";
/// Error text of an attempt that was cancelled.
pub const CANCELED: &str = "context canceled";
/// Error text of a task whose worker vanished.
pub const LEASE_EXPIRED: &str = "asynq: task lease expired";
/// Error text of an attempt that ran into its deadline.
pub const DEADLINE_EXCEEDED: &str = "context deadline exceeded";

/// asynq's default retry delay in seconds: `n^4 + 15 + random{0..29} * (n + 1)`, where `retried` counts the retries
/// before the failing attempt and `dice` is uniform in 0..30 (asynq `server.go`, `DefaultRetryDelayFunc`).
#[must_use]
pub fn default_retry_delay_s(retried: i32, dice: u32) -> i64 {
    let n = i64::from(retried.max(0));
    n.saturating_pow(4) + 15 + i64::from(dice % 30) * (n + 1)
}

#[cfg(test)]
mod tests {
    use super::default_retry_delay_s as delay;

    #[test]
    fn retry_delay_spans_the_documented_range() {
        for (retried, low, high) in [
            (0, 15, 44),
            (1, 16, 74),
            (3, 96, 212),
            (5, 640, 814),
            (24, 331_791, 332_516),
        ] {
            assert_eq!((delay(retried, 0), delay(retried, 29)), (low, high));
        }
    }
}
