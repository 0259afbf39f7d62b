//! What asynq's client makes of a task and its options: defaults, refusals, and the operation (asynq `client.go`).

mod enqueue;

pub use enqueue::{Client, EnqueueError, Enqueued};

use crate::clock::Time;
use crate::keys::Queue;
use crate::message::TaskMessage;
use crate::op::{Op, ScheduleUnique, TaskState};
use crate::settings::{DEFAULT_MAX_RETRY, DEFAULT_QUEUE, DEFAULT_TIMEOUT_S};
use crate::task::Task;
use std::collections::BTreeMap;
use std::time::Duration;

/// A task to be enqueued. Options left out get asynq's defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTask {
    /// Task type, e.g. `email:send`.
    pub task_type: String,
    /// Opaque. Absent and empty are the same to a worker, but not to a uniqueness lock.
    pub payload: Option<Vec<u8>>,
    /// Headers (asynq 0.26).
    pub headers: BTreeMap<String, String>,
    /// Most retries; below 0 means 0. Default 25.
    pub max_retry: Option<i32>,
    /// Queue. Default `default`.
    pub queue: Option<String>,
    /// Task id. Default: a random UUID.
    pub task_id: Option<String>,
    /// Longest processing time, in whole seconds; 0 is the same as none given. Default 30 minutes if there is no
    /// deadline.
    pub timeout: Option<Duration>,
    /// When processing must be over, in whole seconds; the Unix epoch is the same as none given.
    pub deadline: Option<Time>,
    /// How long no other task of the same queue, type and payload is accepted: at least 1 s.
    pub unique_for: Option<Duration>,
    /// When it is due. What is not after now is due at once.
    pub process_at: Option<Time>,
    /// How long it is kept after success, in whole seconds.
    pub retention: Option<Duration>,
    /// Group to be aggregated with.
    pub group: Option<String>,
}

/// Why asynq's client refuses a task. The texts are asynq's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NewTaskError {
    /// Blank type.
    #[error("task typename cannot be empty")]
    BlankType,
    /// Blank queue name.
    #[error("queue name must contain one or more characters")]
    BlankQueue,
    /// Blank id.
    #[error("task ID cannot be empty")]
    BlankId,
    /// Blank group name.
    #[error("group key cannot be empty")]
    BlankGroup,
    /// A lock of less than a second.
    #[error("Unique TTL cannot be less than 1s")]
    ShortUnique,
    /// A unique task in a batch.
    #[error("batch enqueue does not support unique tasks")]
    UniqueInBatch,
    /// A task of a group in a batch.
    #[error("batch enqueue does not support group tasks")]
    GroupInBatch,
}

/// A message and what is to be done with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission<T> {
    /// The task.
    pub message: T,
    /// When it is due, if that is later than now.
    pub process_at: Option<Time>,
    /// How long its uniqueness lock is held from the time it is due.
    pub unique_for: Option<Duration>,
}

impl NewTask {
    /// A task with asynq's defaults.
    #[must_use]
    pub fn new(task_type: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            task_type: task_type.into(),
            payload: Some(payload.into()),
            ..Self::default()
        }
    }

    /// What the client would submit; `new_id` gives the id where none is set.
    ///
    /// # Errors
    /// [`NewTaskError`], with asynq's text.
    pub fn submission(
        self,
        now: Time,
        new_id: impl FnOnce() -> String,
    ) -> Result<Submission<TaskMessage>, NewTaskError> {
        let blank = |text: &str| text.trim().is_empty();
        if blank(&self.task_type) {
            return Err(NewTaskError::BlankType);
        }
        let queue = self.queue.unwrap_or_else(|| DEFAULT_QUEUE.to_owned());
        if blank(&queue) {
            return Err(NewTaskError::BlankQueue);
        }
        if self.task_id.as_deref().is_some_and(blank) {
            return Err(NewTaskError::BlankId);
        }
        if self.group.as_deref().is_some_and(blank) {
            return Err(NewTaskError::BlankGroup);
        }
        let unique_for = self.unique_for;
        if unique_for.is_some_and(|ttl| ttl < Duration::from_secs(1)) {
            return Err(NewTaskError::ShortUnique);
        }
        let secs = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        let deadline = self.deadline.map_or(0, Time::secs);
        // Quirk: a timeout below one second is no "none given", yet is stored as 0.
        let timeout = match self.timeout {
            None | Some(Duration::ZERO) if deadline == 0 => DEFAULT_TIMEOUT_S,
            timeout => timeout.map_or(0, secs),
        };
        let unique_key = match unique_for {
            Some(_) => Queue(&queue).unique(&self.task_type, self.payload.as_deref()),
            None => String::new(),
        };
        let message = TaskMessage {
            r#type: self.task_type,
            payload: self.payload.unwrap_or_default(),
            id: self.task_id.unwrap_or_else(new_id),
            queue,
            retry: self.max_retry.unwrap_or(DEFAULT_MAX_RETRY).max(0),
            timeout,
            deadline,
            unique_key,
            retention: self.retention.map_or(0, secs),
            group_key: self.group.unwrap_or_default(),
            headers: self.headers,
            ..TaskMessage::default()
        };
        Ok(Submission {
            message,
            process_at: self.process_at.filter(|at| *at > now),
            unique_for,
        })
    }
}

/// A random id, as asynq gives one.
pub(crate) fn new_id() -> String {
    // A generator of the process' own: asking the system for each would cost as much as all else that a client does.
    uuid::Builder::from_random_bytes(rand::random())
        .into_uuid()
        .to_string()
}

impl<T: Task> Submission<T> {
    /// A task that is due at once and not unique.
    pub fn now(message: T) -> Self {
        Self {
            message,
            process_at: None,
            unique_for: None,
        }
    }

    /// Where the task will be: pending, scheduled or aggregating.
    #[must_use]
    pub fn state(&self) -> TaskState {
        match (self.process_at, self.message.group()) {
            (Some(_), _) => TaskState::Scheduled,
            (None, Some(_)) => TaskState::Aggregating,
            (None, None) => TaskState::Pending,
        }
    }

    /// The operation asynq's client chooses. Quirk: a task with a group that is not due yet is scheduled like any other,
    /// and never aggregated.
    #[must_use]
    #[inline]
    pub fn op(self, now: Time) -> Op<T> {
        let message = self.message;
        // The lock spans the wait, and only their sum is cut to whole seconds.
        let wait_ns = self.process_at.map_or(0, |at| at.0 - now.0);
        let lock_ttl_s = self.unique_for.map(|span| {
            let span_ns = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
            span_ns.saturating_add(wait_ns) / 1_000_000_000
        });
        match (self.process_at, lock_ttl_s) {
            (Some(at), None) => Op::Schedule {
                message,
                process_at_s: at.secs(),
            },
            (Some(at), Some(lock_ttl_s)) => Op::ScheduleUnique(Box::new(ScheduleUnique {
                message,
                process_at_s: at.secs(),
                lock_ttl_s,
                now,
            })),
            (None, None) if message.group().is_some() => Op::AddToGroup { message, now },
            (None, Some(lock_ttl_s)) if message.group().is_some() => Op::AddToGroupUnique {
                message,
                lock_ttl_s,
                now,
            },
            (None, None) => Op::Enqueue { message, now },
            (None, Some(lock_ttl_s)) => Op::EnqueueUnique {
                message,
                lock_ttl_s,
                now,
            },
        }
    }

    /// Checks that the task may be in a batch.
    ///
    /// # Errors
    /// When it is unique or has a group.
    pub fn batchable(&self) -> Result<(), NewTaskError> {
        if self.unique_for.is_some() {
            return Err(NewTaskError::UniqueInBatch);
        }
        if self.message.group().is_some() {
            return Err(NewTaskError::GroupInBatch);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(1_700_000_000_000);

    fn task() -> NewTask {
        NewTask {
            task_type: "email:send".into(),
            task_id: Some("id-1".into()),
            ..NewTask::default()
        }
    }

    fn submit(task: NewTask) -> Result<Submission<TaskMessage>, NewTaskError> {
        task.submission(NOW, || "random".into())
    }

    #[test]
    fn defaults_are_asynqs() {
        let message = submit(task()).unwrap().message;
        assert_eq!(
            (message.retry, message.timeout, message.deadline),
            (25, 1800, 0)
        );
        assert_eq!(message.queue, "default");
        let drawn = NewTask {
            task_id: None,
            ..task()
        };
        assert_eq!(submit(drawn).unwrap().message.id, "random");
    }

    #[test]
    fn a_deadline_alone_leaves_the_timeout_unset() {
        let deadline = NewTask {
            deadline: Some(NOW),
            ..task()
        };
        let message = submit(deadline).unwrap().message;
        assert_eq!((message.timeout, message.deadline), (0, 1_700_000_000));
        let short = NewTask {
            timeout: Some(Duration::from_millis(900)),
            ..task()
        };
        assert_eq!(submit(short).unwrap().message.timeout, 0, "a quirk");
        let zero = NewTask {
            timeout: Some(Duration::ZERO),
            ..task()
        };
        assert_eq!(submit(zero).unwrap().message.timeout, 1800);
    }

    #[test]
    fn blank_names_are_refused_in_asynqs_words() {
        let blank = || Some(" ".to_owned());
        let refused = |task: NewTask| submit(task).unwrap_err().to_string();
        let texts = [
            refused(NewTask {
                task_type: String::new(),
                ..task()
            }),
            refused(NewTask {
                queue: blank(),
                ..task()
            }),
            refused(NewTask {
                task_id: blank(),
                ..task()
            }),
            refused(NewTask {
                group: blank(),
                ..task()
            }),
            refused(NewTask {
                unique_for: Some(Duration::from_millis(999)),
                ..task()
            }),
        ];
        assert_eq!(
            texts.join("; "),
            "task typename cannot be empty; queue name must contain one or more characters; task ID cannot be empty; \
             group key cannot be empty; Unique TTL cannot be less than 1s"
        );
    }

    #[test]
    fn the_operation_follows_time_group_and_lock() {
        let op = |task: NewTask| submit(task).unwrap().op(NOW);
        let later = Some(NOW.plus_millis(90_500));
        let unique_for = Some(Duration::from_millis(60_900));
        let group = || Some("g".to_owned());
        assert!(matches!(op(task()), Op::Enqueue { .. }));
        let due = NewTask {
            process_at: Some(NOW),
            ..task()
        };
        assert!(matches!(op(due), Op::Enqueue { .. }), "not after now");
        let grouped = NewTask {
            group: group(),
            unique_for,
            ..task()
        };
        assert!(matches!(
            op(grouped.clone()),
            Op::AddToGroupUnique { lock_ttl_s: 60, .. }
        ));
        let later = NewTask {
            process_at: later,
            ..grouped
        };
        let Op::ScheduleUnique(task) = op(later) else {
            panic!("a task that is not due is scheduled, even with a group");
        };
        assert_eq!((task.process_at_s, task.lock_ttl_s), (1_700_000_090, 151));
        let message = task.message;
        assert_eq!(message.group_key, "g");
        assert_eq!(message.unique_key, "asynq:{default}:unique:email:send:");
    }
}
