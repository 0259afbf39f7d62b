//! The model's Redis: a broker in memory that can be down.

use crate::agenda::What;
use crate::engine::virtual_time::token::Token;
use crate::lever::{Denied, TasksLever};
use crate::metrics::UP_BEFORE_MS;
use firedrill_asynq::broker::memory::MemoryBroker;
use firedrill_asynq::clock::Time;
use firedrill_asynq::op::{Answer, BrokerError, Deed, Op};
use firedrill_asynq::settings::{REDIS_RETRIES, REDIS_RETRY_PAUSE_MAX_MS, REDIS_RETRY_PAUSE_MS};
use firedrill_asynq::task::Task;
use std::collections::BTreeMap;

/// What an empty Redis uses, and each queued task on top: measured on Redis 7.0 with 100-byte payloads.
const EMPTY_BYTES: u64 = 1_000_000;
const TASK_BYTES: u64 = 620;

/// `maxclients` where nobody sets it.
const MAX_CLIENTS: u32 = 10_000;

/// A Redis that answers at once, or not at all.
#[derive(Debug)]
pub(crate) struct VirtualRedis {
    data: MemoryBroker<Token>,
    up_since: Option<Time>,
    /// Whether it has reached its `maxmemory`, with `noeviction`.
    full: bool,
    /// Whether it is a replica.
    read_only: bool,
    /// `maxmemory`, bytes, and whoever set it, if it waits for it to be reached.
    limit: Option<(u64, Option<What>)>,
    /// Whose limit was reached just now.
    reached: Option<What>,
    /// What its clients may not do.
    denied: Option<Denied>,
    /// `maxclients` while new connections are refused.
    crowded: Option<u32>,
    /// Whether a script runs, and everybody is told so.
    busy: bool,
    /// Replicas that are connected.
    replicas: u32,
    /// What was in it when a step said so, and when that was.
    kept: BTreeMap<usize, (Time, MemoryBroker<Token>)>,
}

impl VirtualRedis {
    /// One that has been up for some time when a drill begins at `now`.
    pub(crate) fn at_start(now: Time, replicas: u32) -> Self {
        Self {
            data: MemoryBroker::default(),
            up_since: Some(now.plus_millis(-UP_BEFORE_MS)),
            full: false,
            read_only: false,
            limit: None,
            reached: None,
            denied: None,
            crowded: None,
            busy: false,
            replicas,
            kept: BTreeMap::new(),
        }
    }

    /// Answers at once; while it is down, with an error after [`Self::refusal_ms`].
    #[inline]
    pub(crate) fn call(&mut self, op: Op<Token>) -> Answer<Token> {
        if self.up_since.is_none() {
            return Err(BrokerError::Unreachable("connection refused".into()));
        }
        if self.is_troubled()
            && let Some(refusal) = self.refusal(&op)
        {
            return Err(BrokerError::Refused(refusal.into()));
        }
        self.data.call(op)
    }

    /// What is in it, for a change by hand, if it would take it.
    ///
    /// # Errors
    /// When it is down, or refuses what needs memory, or any write: as it would an operator's script, at its first write.
    pub(crate) fn by_hand(
        &mut self,
        what: &TasksLever,
    ) -> Result<&mut MemoryBroker<Token>, BrokerError> {
        let frees = matches!(
            what,
            TasksLever::RepairOrphans
                | TasksLever::Change {
                    deed: Deed::Delete,
                    ..
                }
        );
        if self.up_since.is_none() {
            Err(BrokerError::Unreachable("connection refused".into()))
        } else if self.busy {
            Err(BrokerError::Refused(
                "BUSY Redis is busy running a script.".into(),
            ))
        } else if self.denied.is_some() {
            // An operator is the same user.
            Err(BrokerError::Refused(
                "NOPERM this user has no permissions to run the command".into(),
            ))
        } else if self.is_full() && !frees {
            Err(BrokerError::Refused(
                "OOM command not allowed when used memory > 'maxmemory'.".into(),
            ))
        } else if self.read_only {
            Err(BrokerError::Refused(
                "READONLY You can't write against a read only replica.".into(),
            ))
        } else {
            Ok(&mut self.data)
        }
    }

    fn is_troubled(&self) -> bool {
        self.full || self.read_only || self.busy || self.limit.is_some() || self.denied.is_some()
    }

    /// What it says instead of carrying an operation out.
    #[cold]
    fn refusal(&mut self, op: &Op<Token>) -> Option<&'static str> {
        if self.busy {
            return Some("BUSY Redis is busy running a script.");
        }
        let denies = match self.denied {
            Some(Denied::Scripting) => is_script(op),
            Some(Denied::Write) => self.data.writes(op),
            None => false,
        };
        if denies {
            return Some("NOPERM this user has no permissions to run the command");
        }
        // What a client sends is in memory before it is looked at: a large task is refused where small commands still go through.
        let used = self.used_memory_bytes() + argument_bytes(op);
        let is_over = self.limit.is_some_and(|(limit, _)| used > limit);
        if (self.full || is_over) && self.data.needs_memory(op) {
            if let Some((_, by)) = &mut self.limit {
                self.reached = by.take().or(self.reached);
            }
            return Some("OOM command not allowed when used memory > 'maxmemory'.");
        }
        if self.read_only && self.data.writes(op) {
            return Some("READONLY You can't write against a read only replica.");
        }
        None
    }

    /// `maxmemory` from now on; `by` wants to know when it is reached.
    pub(crate) fn set_limit(&mut self, bytes: u64, by: Option<What>) {
        self.full = false;
        self.limit = Some((bytes, by));
    }

    /// Whether any limit is set.
    pub(crate) fn is_limited(&self) -> bool {
        self.full || self.limit.is_some()
    }

    /// No limit is set any more.
    pub(crate) fn lift_limit(&mut self) {
        self.full = false;
        self.limit = None;
    }

    /// Whether a write that needs memory would be refused.
    pub(crate) fn is_full(&self) -> bool {
        let used = self.used_memory_bytes();
        self.full || self.limit.is_some_and(|(limit, _)| used > limit)
    }

    /// Whose limit was reached since this was asked last.
    pub(crate) fn take_reached(&mut self) -> Option<What> {
        self.reached.take()
    }

    /// What `CONFIG GET maxmemory` would say; 0: none is set.
    pub(crate) fn max_memory_bytes(&self) -> u64 {
        self.limit.map_or(0, |(limit, _)| limit)
    }

    /// What its clients may not do from now on.
    pub(crate) fn deny(&mut self, denied: Option<Denied>) {
        self.denied = denied;
    }

    /// `maxclients` from now on, if new connections are refused.
    pub(crate) fn set_crowded(&mut self, max_clients: Option<u32>) {
        self.crowded = max_clients;
    }

    /// What `CONFIG GET maxclients` would say.
    pub(crate) fn max_clients(&self) -> u32 {
        self.crowded.unwrap_or(MAX_CLIENTS)
    }

    /// Whether new connections are refused.
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded.is_some()
    }

    /// Whether it tells everybody that a script runs.
    pub(crate) fn set_busy(&mut self, busy: bool) {
        self.busy = busy;
    }

    /// Whether it does.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Keeps what is in it, for a step.
    pub(crate) fn keep(&mut self, step: usize, now: Time) {
        self.kept.insert(step, (now, self.data.clone()));
    }

    /// Started with what was kept for a step; answers when that was.
    pub(crate) fn start_with_kept(&mut self, step: usize, now: Time) -> Option<Time> {
        let (at, data) = self.kept.remove(&step)?;
        self.start(now, true);
        self.data = data;
        Some(at)
    }

    /// It was there, as a replica, since the drill began.
    pub(crate) fn is_as_old_as_the_drill(&mut self, epoch: Time) {
        self.up_since = Some(epoch.plus_millis(-UP_BEFORE_MS));
    }

    /// How many replicas are connected.
    pub(crate) fn replicas(&self) -> u32 {
        self.replicas
    }

    /// Sets that.
    pub(crate) fn set_replicas(&mut self, replicas: u32) {
        self.replicas = replicas;
    }

    /// Whether it refuses every write from now on.
    pub(crate) fn set_read_only(&mut self, read_only: bool) {
        self.read_only = read_only;
    }

    /// Whether it does.
    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
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
        self.limit = None;
        self.denied = None;
        self.crowded = None;
        self.busy = false;
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

/// Bytes of a new task's message beyond those of a small one. What finishes a task has its message, too, and is never
/// refused: its script deletes before it writes.
fn argument_bytes(op: &Op<Token>) -> u64 {
    match op {
        Op::Enqueue { message, .. }
        | Op::Schedule { message, .. }
        | Op::EnqueueUnique { message, .. }
        | Op::AddToGroup { message, .. }
        | Op::AddToGroupUnique { message, .. } => message.payload_bytes(),
        Op::ScheduleUnique(task) => task.message.payload_bytes(),
        _ => 0,
    }
}

/// Whether asynq does it with a script; the rest are plain commands.
fn is_script(op: &Op<Token>) -> bool {
    !matches!(
        op,
        Op::RegisterQueue { .. }
            | Op::ExtendLease { .. }
            | Op::WriteResult { .. }
            | Op::ListGroups { .. }
            | Op::Pause { .. }
            | Op::Unpause { .. }
            | Op::ClearSchedulerEntries(_)
            | Op::Ping
            | Op::Queues
            | Op::ListIds { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_call_fails_after_the_clients_pauses() {
        assert_eq!(VirtualRedis::refusal_ms(), 8 + 16 + 32);
        let mut redis = VirtualRedis::at_start(Time(0), 0);
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
