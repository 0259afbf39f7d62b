//! The model's Redis: a broker in memory that can be down.

use crate::engine::virtual_time::token::Token;
use crate::metrics::UP_BEFORE_MS;
use firedrill_asynq::broker::memory::MemoryBroker;
use firedrill_asynq::clock::Time;
use firedrill_asynq::op::{Answer, BrokerError, Op};
use firedrill_asynq::settings::{REDIS_RETRIES, REDIS_RETRY_PAUSE_MAX_MS, REDIS_RETRY_PAUSE_MS};

/// What an empty Redis uses, and each queued task on top: measured on Redis 7.0 with 100-byte payloads.
const EMPTY_BYTES: u64 = 1_000_000;
const TASK_BYTES: u64 = 620;

/// A Redis that answers at once, or not at all.
#[derive(Debug)]
pub(crate) struct VirtualRedis {
    data: MemoryBroker<Token>,
    up_since: Option<Time>,
    /// Whether it has reached its `maxmemory`, with `noeviction`.
    full: bool,
    /// Whether it is a replica.
    read_only: bool,
}

impl VirtualRedis {
    /// One that has been up for some time when a drill begins at `now`.
    pub(crate) fn at_start(now: Time) -> Self {
        Self {
            data: MemoryBroker::default(),
            up_since: Some(now.plus_millis(-UP_BEFORE_MS)),
            full: false,
            read_only: false,
        }
    }

    /// Answers at once; while it is down, with an error after [`Self::refusal_ms`].
    #[inline]
    pub(crate) fn call(&mut self, op: Op<Token>) -> Answer<Token> {
        if self.up_since.is_none() {
            return Err(BrokerError::Unreachable("connection refused".into()));
        }
        if self.full && self.data.needs_memory(&op) {
            return Err(BrokerError::Refused(
                "OOM command not allowed when used memory > 'maxmemory'.".into(),
            ));
        }
        if self.read_only && self.data.writes(&op) {
            return Err(BrokerError::Refused(
                "READONLY You can't write against a read only replica.".into(),
            ));
        }
        self.data.call(op)
    }

    /// Whether it refuses every write from now on.
    pub(crate) fn set_read_only(&mut self, read_only: bool) {
        self.read_only = read_only;
    }

    /// Whether clients try again what it refuses, until they give up: go-redis does with what a replica says.
    pub(crate) fn is_asked_again(&self) -> bool {
        self.read_only
    }

    /// Whether it refuses what needs memory from now on.
    pub(crate) fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up_since.is_some()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.up_since = None;
    }

    /// Started again, with its data or without.
    pub(crate) fn start(&mut self, now: Time, keep_data: bool) {
        if !keep_data {
            self.data = MemoryBroker::default();
        }
        self.up_since = Some(now);
        // What was set by hand is gone with the process.
        self.full = false;
        self.read_only = false;
    }

    /// What is in it, whether it is up or not: what survived an outage is there when it is started again.
    pub(crate) fn data(&mut self) -> &mut MemoryBroker<Token> {
        &mut self.data
    }

    /// How long it has been up, seconds.
    pub(crate) fn uptime_s(&self, now: Time) -> Option<i64> {
        self.up_since.map(|since| now.secs() - since.secs())
    }

    /// What `INFO` would say of its memory, estimated.
    pub(crate) fn used_memory_bytes(&self) -> u64 {
        EMPTY_BYTES + TASK_BYTES * self.data.len() + self.data.payload_bytes()
    }

    /// How long asynq's client goes on trying until it gives up a refused connection: its pauses.
    pub(crate) fn refusal_ms() -> i64 {
        let pauses =
            (0..REDIS_RETRIES).map(|n| (REDIS_RETRY_PAUSE_MS << n).min(REDIS_RETRY_PAUSE_MAX_MS));
        pauses.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_call_fails_after_the_clients_pauses() {
        assert_eq!(VirtualRedis::refusal_ms(), 8 + 16 + 32);
        let mut redis = VirtualRedis::at_start(Time(0));
        assert_eq!(redis.uptime_s(Time(0)), Some(86_400));
        redis.kill();
        assert!(matches!(
            redis.call(Op::Queues),
            Err(BrokerError::Unreachable(_))
        ));
        redis.start(Time::from_millis(5_000), true);
        assert_eq!(redis.uptime_s(Time::from_millis(9_000)), Some(4));
    }
}
