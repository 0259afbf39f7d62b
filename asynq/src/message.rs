//! asynq's protobuf messages, derived by hand from its wire format (package `asynq`, proto3).

use crate::clock::Time;
use prost::Message;
use std::collections::BTreeMap;

/// A task as stored in the field `msg` of its hash.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TaskMessage {
    /// Task type, e.g. `email:send`.
    #[prost(string, tag = "1")]
    pub r#type: String,
    /// Opaque to asynq.
    #[prost(bytes = "vec", tag = "2")]
    pub payload: Vec<u8>,
    /// Task id, equal to the one in the key.
    #[prost(string, tag = "3")]
    pub id: String,
    /// Queue name.
    #[prost(string, tag = "4")]
    pub queue: String,
    /// Most retries allowed.
    #[prost(int32, tag = "5")]
    pub retry: i32,
    /// Retries done so far.
    #[prost(int32, tag = "6")]
    pub retried: i32,
    /// Last error.
    #[prost(string, tag = "7")]
    pub error_msg: String,
    /// Processing timeout in seconds, 0 = none.
    #[prost(int64, tag = "8")]
    pub timeout: i64,
    /// Absolute deadline in Unix seconds, 0 = none.
    #[prost(int64, tag = "9")]
    pub deadline: i64,
    /// Full Redis key of the uniqueness lock, empty = none.
    #[prost(string, tag = "10")]
    pub unique_key: String,
    /// Unix seconds of the last failure, 0 = never.
    #[prost(int64, tag = "11")]
    pub last_failed_at: i64,
    /// Seconds to keep after success, 0 = delete at once.
    #[prost(int64, tag = "12")]
    pub retention: i64,
    /// Unix seconds of completion; set only when moved to completed.
    #[prost(int64, tag = "13")]
    pub completed_at: i64,
    /// Group name, empty = none.
    #[prost(string, tag = "14")]
    pub group_key: String,
    /// Headers (asynq 0.26).
    #[prost(btree_map = "string, string", tag = "15")]
    pub headers: BTreeMap<String, String>,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct ProtoTimestamp {
    /// Unix seconds.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds of the second.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl ProtoTimestamp {
    /// Go's zero time, 0001-01-01: what asynq writes for "never". An absent timestamp would mean the Unix epoch.
    pub const NEVER: Self = Self {
        seconds: -62_135_596_800,
        nanos: 0,
    };
}

impl From<Time> for ProtoTimestamp {
    fn from(at: Time) -> Self {
        Self {
            seconds: at.secs(),
            nanos: i32::try_from(at.0.rem_euclid(1_000_000_000)).unwrap_or(0),
        }
    }
}

/// A worker server as published in `asynq:servers:{...}`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ServerInfo {
    /// Host name.
    #[prost(string, tag = "1")]
    pub host: String,
    /// Process id.
    #[prost(int32, tag = "2")]
    pub pid: i32,
    /// UUID of the server object.
    #[prost(string, tag = "3")]
    pub server_id: String,
    /// Worker slots.
    #[prost(int32, tag = "4")]
    pub concurrency: i32,
    /// Priorities as configured.
    #[prost(btree_map = "string, int32", tag = "5")]
    pub queues: BTreeMap<String, i32>,
    /// Whether priorities are strict.
    #[prost(bool, tag = "6")]
    pub strict_priority: bool,
    /// `active`, `stopped` or `closed`.
    #[prost(string, tag = "7")]
    pub status: String,
    /// Start time.
    #[prost(message, optional, tag = "8")]
    pub start_time: Option<ProtoTimestamp>,
    /// Tasks in progress as known to the heartbeat loop.
    #[prost(int32, tag = "9")]
    pub active_worker_count: i32,
}

/// A task in progress as published in `asynq:workers:{...}`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct WorkerInfo {
    /// Host name.
    #[prost(string, tag = "1")]
    pub host: String,
    /// Process id.
    #[prost(int32, tag = "2")]
    pub pid: i32,
    /// UUID of the server object.
    #[prost(string, tag = "3")]
    pub server_id: String,
    /// Task id.
    #[prost(string, tag = "4")]
    pub task_id: String,
    /// Task type.
    #[prost(string, tag = "5")]
    pub task_type: String,
    /// Payload.
    #[prost(bytes = "vec", tag = "6")]
    pub task_payload: Vec<u8>,
    /// Queue.
    #[prost(string, tag = "7")]
    pub queue: String,
    /// When the worker picked the task.
    #[prost(message, optional, tag = "8")]
    pub start_time: Option<ProtoTimestamp>,
    /// Processing deadline (not the lease).
    #[prost(message, optional, tag = "9")]
    pub deadline: Option<ProtoTimestamp>,
}

/// A periodic task as published in `asynq:schedulers:{...}`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SchedulerEntry {
    /// UUID of the entry, new for every registration.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Cron spec.
    #[prost(string, tag = "2")]
    pub spec: String,
    /// Task type.
    #[prost(string, tag = "3")]
    pub task_type: String,
    /// Payload.
    #[prost(bytes = "vec", tag = "4")]
    pub task_payload: Vec<u8>,
    /// Options in words, e.g. `Queue("low")`.
    #[prost(string, repeated, tag = "5")]
    pub enqueue_options: Vec<String>,
    /// When it is due next.
    #[prost(message, optional, tag = "6")]
    pub next_enqueue_time: Option<ProtoTimestamp>,
    /// When it was due last; [`ProtoTimestamp::NEVER`] before the first time.
    #[prost(message, optional, tag = "7")]
    pub prev_enqueue_time: Option<ProtoTimestamp>,
}

/// A member of an entry's history `asynq:scheduler_history:<id>`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SchedulerEnqueueEvent {
    /// Id of the task that was enqueued.
    #[prost(string, tag = "1")]
    pub task_id: String,
    /// When.
    #[prost(message, optional, tag = "2")]
    pub enqueue_time: Option<ProtoTimestamp>,
}

impl ProtoTimestamp {
    /// Whether it stands for "never", in Go's way or by being absent.
    #[must_use]
    pub fn is_never(at: Option<Self>) -> bool {
        at.is_none_or(|at| at == Self::NEVER)
    }
}
