//! A task as actors and brokers handle it, whatever stands for it: asynq's message, or a simulation's shorthand.

use crate::message::TaskMessage;
use crate::table::Table;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::fmt::{Debug, Display};

/// What the actors' decisions depend on. Live, this is the [`TaskMessage`] itself; a simulation of millions of tasks uses
/// a few numbers in its place, and the actors are the same.
pub trait Task: Clone + PartialEq + Debug + Send + 'static {
    /// Names a task within its queue.
    type Id: Clone + Ord + Debug + Display + Send + 'static;
    /// Names a queue.
    type Queue: Clone + Ord + Debug + Send + 'static;
    /// What the middleware counts by: task type and queue.
    type Kind: Clone + Ord + Debug + Send + 'static;
    /// Names a uniqueness lock within a queue.
    type Lock: Clone + Ord + Debug + Send + 'static;
    /// Names a group within a queue.
    type Group: Clone + Ord + Debug + Send + 'static;
    /// Holds something about each task.
    type Table<V: Clone + Debug + Send + 'static>: Table<Self::Id, V>;

    /// Its id.
    fn id(&self) -> Self::Id;
    /// Its queue.
    fn queue(&self) -> Self::Queue;
    /// Its type and queue.
    fn kind(&self) -> Self::Kind;
    /// Most retries allowed.
    fn retry(&self) -> i32;
    /// Retries done so far.
    fn retried(&self) -> i32;
    /// Processing timeout in seconds, 0 = none.
    fn timeout_s(&self) -> i64;
    /// Absolute deadline in Unix seconds, 0 = none.
    fn deadline_s(&self) -> i64;
    /// Seconds to keep after success, 0 = delete at once.
    fn retention_s(&self) -> i64;
    /// The uniqueness lock it holds or wants.
    fn lock(&self) -> Option<Self::Lock>;
    /// The group it is aggregated with.
    fn group(&self) -> Option<Self::Group>;
    /// How many bytes its payload has; a shorthand's: what Redis takes for the whole message beyond a small one.
    fn payload_bytes(&self) -> u64;
    /// Notes a failure at a Unix second; `retries`: that it uses up a retry.
    fn failed(&mut self, error: &str, at_s: i64, retries: bool);
    /// Notes the Unix second of its completion.
    fn completed(&mut self, at_s: i64);
}

/// Queue names in the order in which they are to be tried.
pub type Queues<T> = SmallVec<[<T as Task>::Queue; 4]>;

impl Task for TaskMessage {
    type Id = String;
    type Queue = String;
    type Kind = (String, String);
    /// The full Redis key.
    type Lock = String;
    type Group = String;
    type Table<V: Clone + Debug + Send + 'static> = BTreeMap<String, V>;

    fn id(&self) -> String {
        self.id.clone()
    }

    fn queue(&self) -> String {
        self.queue.clone()
    }

    fn kind(&self) -> (String, String) {
        (self.r#type.clone(), self.queue.clone())
    }

    fn retry(&self) -> i32 {
        self.retry
    }

    fn retried(&self) -> i32 {
        self.retried
    }

    fn timeout_s(&self) -> i64 {
        self.timeout
    }

    fn deadline_s(&self) -> i64 {
        self.deadline
    }

    fn retention_s(&self) -> i64 {
        self.retention
    }

    fn lock(&self) -> Option<String> {
        Some(&self.unique_key)
            .filter(|key| !key.is_empty())
            .cloned()
    }

    fn group(&self) -> Option<String> {
        Some(&self.group_key)
            .filter(|name| !name.is_empty())
            .cloned()
    }

    fn payload_bytes(&self) -> u64 {
        self.payload.len() as u64
    }

    fn failed(&mut self, error: &str, at_s: i64, retries: bool) {
        self.error_msg = error.to_owned();
        self.last_failed_at = at_s;
        self.retried += i32::from(retries);
    }

    fn completed(&mut self, at_s: i64) {
        self.completed_at = at_s;
    }
}
