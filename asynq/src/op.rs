//! Broker operations as data: what an actor asks of Redis, and the answer.
//!
//! Every decision time is an argument (`now`), as in asynq, so that a virtual clock works. One [`Op`] is one Lua
//! script or one plain command; what it does to Redis is in the operation catalogue of asynq's protocol.
//!
//! Operations and answers are handed on by value millions of times a second, so what is rare and large is boxed.

use crate::clock::Time;
use crate::message::{SchedulerEnqueueEvent, SchedulerEntry, ServerInfo};
use crate::task::{Queues, Task};
use std::sync::Arc;
use uuid::Uuid;

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
    /// Put a task into `pending` if nobody holds its uniqueness lock. Answer: [`Reply::Enqueued`].
    ///
    /// Quirk: when the id exists already, the lock that was just taken stays.
    EnqueueUnique {
        /// The task; [`Task::lock`] names the lock.
        message: T,
        /// How long the lock is held at most, seconds.
        lock_ttl_s: i64,
        /// Written to `pending_since` in nanoseconds.
        now: Time,
    },
    /// Put a task into `scheduled` if nobody holds its uniqueness lock. Answer: [`Reply::Enqueued`].
    ScheduleUnique(Box<ScheduleUnique<T>>),
    /// Put a task into its group, to be aggregated. Answer: [`Reply::Enqueued`].
    AddToGroup {
        /// The task; [`Task::group`] names the group.
        message: T,
        /// Its score in the group.
        now: Time,
    },
    /// Put a task into its group if nobody holds its uniqueness lock. Answer: [`Reply::Enqueued`].
    ///
    /// Quirk: the hash gets no field `unique_key`, so nothing but the lock's time to live releases it.
    AddToGroupUnique {
        /// The task.
        message: T,
        /// How long the lock is held at most, seconds.
        lock_ttl_s: i64,
        /// Its score in the group.
        now: Time,
    },
    /// Take the next task, trying the queues in the order given. Answer: [`Reply::Dequeued`].
    Dequeue {
        /// Queue names in the order to try.
        queues: Queues<T>,
        /// Score of the new lease, Unix seconds.
        lease_expires_s: i64,
    },
    /// Put tasks that are not unique into `pending`, as [`Op::Enqueue`] would one after the other, in one round trip.
    /// Answer: [`Reply::EnqueuedBatch`].
    EnqueueBatch {
        /// The tasks, of any queues.
        messages: Vec<T>,
        /// Written to `pending_since` in nanoseconds.
        now: Time,
    },
    /// Take the next tasks of the first queue that has any, as [`Op::Dequeue`] would one after the other, in one round trip.
    /// Answer: [`Reply::DequeuedBatch`].
    DequeueBatch(Box<DequeueBatch<T>>),
    /// Finish tasks that succeeded and are not retained, as [`Op::Done`] would one after the other, in one round trip.
    /// Answer: [`Reply::DoneBatch`].
    DoneBatch {
        /// The tasks, of any queues.
        tasks: Vec<Finished<T>>,
        /// Day bucket and expiry of the statistics.
        now: Time,
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
    /// Keep what a handler has to say (`HSET result`), whether or not the task still exists. Answer: [`Reply::Done`].
    WriteResult {
        /// The task.
        message: T,
        /// Opaque to asynq.
        result: Arc<Vec<u8>>,
    },
    /// Names of the groups that have tasks waiting. Answer: [`Reply::Groups`].
    ListGroups {
        /// Queue name.
        queue: T::Queue,
    },
    /// Take a group's tasks out into a set, if it is time. Answer: [`Reply::Taken`].
    AggregationCheck(Box<AggregationCheck<T>>),
    /// The messages of a set, in order of their score. Answer: [`Reply::AggregationSet`].
    ReadAggregationSet {
        /// Queue name.
        queue: T::Queue,
        /// Group name.
        group: T::Group,
        /// The set.
        set: Uuid,
    },
    /// Delete a set and its tasks: they were aggregated. Nothing is counted, no lock released. Answer: [`Reply::Done`].
    DeleteAggregationSet {
        /// Queue name.
        queue: T::Queue,
        /// Group name.
        group: T::Group,
        /// The set.
        set: Uuid,
    },
    /// Put the tasks of sets whose deadline has passed back into their groups. Answer: [`Reply::Done`].
    ///
    /// Quirk: the names of the groups are not published again.
    ReclaimAggregationSets {
        /// Queue name.
        queue: T::Queue,
        /// Unix seconds.
        now_s: i64,
    },
    /// Stop handing out tasks of a queue, which need not exist. Answer: [`Reply::Changed`].
    Pause {
        /// Queue name.
        queue: T::Queue,
        /// Written as the flag's value.
        now: Time,
    },
    /// Go on handing out tasks of a queue. Answer: [`Reply::Changed`].
    Unpause {
        /// Queue name.
        queue: T::Queue,
    },
    /// Publish a scheduler's entries. Answer: [`Reply::Done`].
    WriteSchedulerEntries(Box<SchedulerState>),
    /// Remove a scheduler from the listings, and the history of its entries. Answer: [`Reply::Done`].
    ClearSchedulerEntries(Box<SchedulerState>),
    /// Keep in an entry's history (the last 1000) that it has enqueued a task. Answer: [`Reply::Done`].
    RecordEnqueueEvent {
        /// Id of the entry.
        entry: Arc<str>,
        /// What was enqueued, and when.
        event: Box<SchedulerEnqueueEvent>,
    },
    /// Ask whether Redis is there. Answer: [`Reply::Done`].
    Ping,
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

/// A request for several tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct DequeueBatch<T: Task> {
    /// Queue names in the order to try. The order counts for the whole batch: all its tasks are of one queue.
    pub queues: Queues<T>,
    /// Most tasks to take.
    pub max: u32,
    /// Score of the new leases, Unix seconds.
    pub lease_expires_s: i64,
}

/// A task that succeeded.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished<T> {
    /// The task as dequeued.
    pub message: T,
    /// About how many tasks of the `active` list have been taken after it: from which end it is looked for. A wrong guess costs
    /// Redis time and changes nothing else.
    pub younger: u32,
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

/// A scheduler and its entries.
#[derive(Debug, Clone, PartialEq)]
pub struct SchedulerState {
    /// `<host>:<pid>:<uuid>`.
    pub scheduler: String,
    /// Its entries.
    pub entries: Vec<SchedulerEntry>,
    /// Writer's now.
    pub now: Time,
    /// Time to live, seconds of the caller's (possibly virtual) clock.
    pub ttl_s: i64,
}

/// A unique task that is not due yet.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleUnique<T> {
    /// The task.
    pub message: T,
    /// When it is due, Unix seconds.
    pub process_at_s: i64,
    /// How long the lock is held at most, seconds; asynq counts the wait in.
    pub lock_ttl_s: i64,
    /// Start of the lock.
    pub now: Time,
}

/// A group to be looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregationCheck<T: Task> {
    /// Queue name.
    pub queue: T::Queue,
    /// Group name.
    pub group: T::Group,
    /// Names the set to be made.
    pub set: Uuid,
    /// When it is time.
    pub limits: GroupLimits,
    /// Time of the check.
    pub now: Time,
}

/// When a group's tasks are aggregated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupLimits {
    /// How long the group waits for another task, seconds.
    pub grace_s: i64,
    /// How long the first task waits at most, seconds; 0 = no limit.
    pub max_delay_s: i64,
    /// As many tasks are enough, and at most as many are taken; 0 = no limit.
    pub max_size: u32,
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

/// What an operator does to tasks that are not in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deed {
    /// Makes them pending, whatever they wait for.
    Run,
    /// Archives them.
    Archive,
    /// Deletes them.
    Delete,
}

impl Deed {
    /// In a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Archive => "archive",
            Self::Delete => "delete",
        }
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
    /// Age of the oldest pending task in seconds, 0 if it has no `pending_since`; negative if the clock of whoever enqueued
    /// it is ahead.
    pub latency_seconds: f64,
    /// Waiting in groups (tasks of an aggregation under way are in no group).
    pub aggregating: u64,
    /// Whether the queue is paused.
    pub paused: bool,
}

/// The broker's answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply<T: Task> {
    /// The operation took effect.
    Done,
    /// Whether the task was accepted.
    Enqueued(Accepted),
    /// The task taken, or none (queue empty, paused, or a ghost without hash).
    Dequeued(Option<T>),
    /// What became of each task of a batch, in its order.
    EnqueuedBatch(Vec<Result<Accepted, BrokerError>>),
    /// The tasks taken, the oldest first; none if all queues are empty or paused. An error stands for a task that was taken
    /// and cannot be worked on; ghosts are left out.
    DequeuedBatch(Vec<Result<T, BrokerError>>),
    /// Whether each task of a batch is finished, in its order.
    DoneBatch(Vec<Result<(), BrokerError>>),
    /// How many were moved or deleted.
    Count(u64),
    /// Messages.
    Messages(Vec<T>),
    /// Names of groups.
    Groups(Vec<T::Group>),
    /// Whether tasks were taken out of a group.
    Taken(bool),
    /// The tasks of an aggregation set.
    AggregationSet {
        /// In order of their score.
        messages: Vec<T>,
        /// When they go back to their group, Unix seconds.
        deadline_s: i64,
    },
    /// Whether there was anything to change.
    Changed(bool),
    /// Numbers of a queue.
    Stats(Box<QueueStats>),
    /// Names.
    Names(Vec<T::Queue>),
    /// Task ids with their state.
    Ids(Vec<(T::Id, TaskState)>),
}

/// Whether a task was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It was.
    New,
    /// Its id exists already in this queue, in any state (asynq: `ErrTaskIDConflict`).
    IdConflict,
    /// Another task holds the uniqueness lock (asynq: `ErrDuplicateTask`).
    Duplicate,
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
