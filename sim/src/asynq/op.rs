//! Broker operations as data: what an actor asks of Redis, and the answer.
//!
//! Every decision time is an argument (`now`), as in asynq, so that a virtual clock works. One [`Op`] is one Lua
//! script or one plain command; what it does to Redis is in the operation catalogue of asynq's protocol.
//!
//! Operations and answers are handed on by value millions of times a second, so what is rare and large is boxed.

use crate::asynq::message::ServerInfo;
use crate::asynq::task::{Queues, Task};
use crate::clock::Time;

/// One request to the broker.
#[derive(Debug, Clone, PartialEq)]
pub enum Op<T: Task> {
    /// Publish a queue name (`SADD asynq:queues`); a producer does it once per process and queue.
    RegisterQueue {
        /// Queue name.
        queue: T::Queue,
    },
    /// Put a task into `pending`. Answer: [`Reply::Enqueued`].
    Enqueue {
        /// The task; its id and queue name the keys.
        message: T,
        /// Written to `pending_since` in nanoseconds.
        now: Time,
    },
    /// Put a task into `scheduled`. Answer: [`Reply::Enqueued`].
    Schedule {
        /// The task.
        message: T,
        /// When it is due, Unix seconds.
        process_at_s: i64,
    },
    /// Take the next task, trying the queues in the order given. Answer: [`Reply::Dequeued`].
    Dequeue {
        /// Queue names in the order to try.
        queues: Queues<T>,
        /// Score of the new lease, Unix seconds.
        lease_expires_s: i64,
    },
    /// Finish a task that succeeded and is not retained. Answer: [`Reply::Done`].
    Done {
        /// The task as dequeued.
        message: T,
        /// Day bucket and expiry of the statistics.
        now: Time,
    },
    /// Finish a task that succeeded and is retained (`message.retention` > 0). Answer: [`Reply::Done`].
    MarkAsComplete {
        /// The task as dequeued; `completed_at` is set by the broker from `now`.
        message: T,
        /// Completion time.
        now: Time,
    },
    /// Give an unfinished task back to the head of `pending`. Answer: [`Reply::Done`].
    Requeue {
        /// The task as dequeued.
        message: T,
    },
    /// Move a failed task to `retry`. Answer: [`Reply::Done`].
    Retry {
        /// The task, already edited (`retried`, `error_msg`, `last_failed_at`).
        message: T,
        /// When it is due again, Unix seconds.
        retry_at_s: i64,
        /// Whether the attempt counts as a failure.
        is_failure: bool,
        /// Day bucket and expiry of the statistics.
        now: Time,
    },
    /// Move a failed task to `archived`. Answer: [`Reply::Done`].
    Archive {
        /// The task, already edited (`error_msg`, `last_failed_at`).
        message: T,
        /// Archive score; cut-off of the 90-day trim; day bucket.
        now: Time,
    },
    /// Prolong the leases of tasks in progress (`ZADD XX`). Answer: [`Reply::Done`].
    ExtendLease {
        /// Queue name.
        queue: T::Queue,
        /// Task ids.
        ids: Vec<T::Id>,
        /// New score, Unix seconds.
        expires_s: i64,
    },
    /// Move up to 100 due tasks of `scheduled` or `retry` to `pending`. Answer: [`Reply::Count`].
    Forward {
        /// Queue name.
        queue: T::Queue,
        /// Source set.
        from: Delayed,
        /// Due are scores up to this second; also written to `pending_since`.
        now: Time,
    },
    /// The messages whose lease score is at or before `cutoff_s`. Answer: [`Reply::Messages`].
    ListLeaseExpired {
        /// Queue name.
        queue: T::Queue,
        /// Unix seconds.
        cutoff_s: i64,
    },
    /// Delete up to 100 retained tasks whose retention is over. Answer: [`Reply::Count`].
    DeleteExpiredCompleted {
        /// Queue name.
        queue: T::Queue,
        /// Janitor's now, Unix seconds.
        now_s: i64,
    },
    /// Publish the server and its tasks in progress. Answer: [`Reply::Done`].
    WriteServerState(Box<ServerState<T>>),
    /// Remove the server from the listings. Answer: [`Reply::Done`].
    ClearServerState {
        /// The server, as last written.
        info: Box<ServerInfo>,
    },
    /// Numbers of one queue for the exporter. Answer: [`Reply::Stats`].
    QueueStats {
        /// Queue name.
        queue: T::Queue,
        /// Reader's now: latency and day bucket.
        now: Time,
    },
    /// Names of all published queues (`SMEMBERS asynq:queues`). Answer: [`Reply::Names`].
    Queues,
    /// Every task id of a queue with its state, for the audit. Answer: [`Reply::Ids`].
    ListIds {
        /// Queue name.
        queue: T::Queue,
    },
}

/// A server and its tasks in progress.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerState<T> {
    /// The server.
    pub info: ServerInfo,
    /// Its tasks in progress.
    pub workers: Vec<InProgress<T>>,
    /// Writer's now.
    pub now: Time,
    /// Time to live, seconds of the caller's (possibly virtual) clock.
    pub ttl_s: i64,
}

/// A task in progress, as a server publishes it.
#[derive(Debug, Clone, PartialEq)]
pub struct InProgress<T> {
    /// The task.
    pub task: T,
    /// When the worker picked it.
    pub started: Time,
    /// Its processing deadline (not the lease).
    pub deadline: Time,
}

/// A set of tasks that wait for their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delayed {
    /// `scheduled`.
    Scheduled,
    /// `retry`.
    Retry,
}

/// State of a task, as in the field `state` of its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskState {
    /// In progress.
    Active,
    /// Ready.
    Pending,
    /// Waits for its time.
    Scheduled,
    /// Failed, waits for its next attempt.
    Retry,
    /// Given up.
    Archived,
    /// Succeeded and retained.
    Completed,
    /// Waits in its group.
    Aggregating,
}

impl TaskState {
    /// Every state, in the order in which asynq numbers them.
    pub const ALL: [Self; 7] = [
        Self::Active,
        Self::Pending,
        Self::Scheduled,
        Self::Retry,
        Self::Archived,
        Self::Completed,
        Self::Aggregating,
    ];

    /// Its name, as in the field `state` of a task's hash.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Scheduled => "scheduled",
            Self::Retry => "retry",
            Self::Archived => "archived",
            Self::Completed => "completed",
            Self::Aggregating => "aggregating",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Numbers of one queue, as asynq's inspector gives them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueueStats {
    /// Tasks per state.
    pub pending: u64,
    /// In progress.
    pub active: u64,
    /// Waiting for their time.
    pub scheduled: u64,
    /// Waiting for their next attempt.
    pub retry: u64,
    /// Given up.
    pub archived: u64,
    /// Retained after success.
    pub completed: u64,
    /// All-time finished attempts.
    pub processed_total: u64,
    /// All-time failed attempts.
    pub failed_total: u64,
    /// Age of the oldest pending task in seconds, 0 if it has no `pending_since`.
    pub latency_seconds: f64,
    /// Whether the queue is paused.
    pub paused: bool,
}

/// The broker's answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply<T: Task> {
    /// The operation took effect.
    Done,
    /// Whether the task was accepted; `false`: its id exists already in this queue.
    Enqueued(bool),
    /// The task taken, or none (queue empty, paused, or a ghost without hash).
    Dequeued(Option<T>),
    /// How many were moved or deleted.
    Count(u64),
    /// Messages.
    Messages(Vec<T>),
    /// Numbers of a queue.
    Stats(Box<QueueStats>),
    /// Names.
    Names(Vec<T::Queue>),
    /// Task ids with their state.
    Ids(Vec<(T::Id, TaskState)>),
}

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// The task is no longer ours: not in `active`, or not in `lease`, or its hash is gone.
    #[error("NOT FOUND")]
    NotFound,
    /// Redis could not be reached, or did not answer in time.
    #[error("redis unreachable: {0}")]
    Unreachable(Box<str>),
    /// Redis refused the command (OOM, READONLY, WRONGTYPE, script error ...).
    #[error("redis error: {0}")]
    Refused(Box<str>),
    /// A stored message cannot be decoded.
    #[error(transparent)]
    Undecodable(#[from] Box<Undecodable>),
}

/// A stored message that cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("undecodable message in {key}: {reason}")]
pub struct Undecodable {
    /// Where it is stored.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

/// What a broker answers to an [`Op`].
pub type Answer<T> = Result<Reply<T>, BrokerError>;
