//! The client itself: hands tasks to a Redis.

use super::{NewTask, NewTaskError};
use crate::broker::redis::{RedisBroker, RedisOptions};
use crate::clock::ClockOrigin;
use crate::message::TaskMessage;
use crate::op::{Accepted, BrokerError, Op, Reply, TaskState};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Hands tasks to a Redis (asynq: `Client`). Cheap to clone.
#[derive(Clone)]
pub struct Client {
    broker: RedisBroker,
    clock: ClockOrigin,
    /// Queues whose names this client has published.
    published: Arc<Mutex<BTreeSet<String>>>,
}

/// What became of a task that was enqueued.
#[derive(Debug, Clone, PartialEq)]
pub struct Enqueued {
    /// Its id.
    pub id: String,
    /// Its queue.
    pub queue: String,
    /// Where it is: pending, scheduled or aggregating.
    pub state: TaskState,
    /// All that is stored of it.
    pub message: TaskMessage,
}

/// Why a task was not enqueued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnqueueError {
    /// Its options are wrong.
    #[error(transparent)]
    Refused(#[from] NewTaskError),
    /// Another task holds its uniqueness lock (asynq: `ErrDuplicateTask`).
    #[error("task already exists")]
    Duplicate,
    /// Its id is taken (asynq: `ErrTaskIDConflict`).
    #[error("task ID conflicts with another task")]
    IdConflict,
    /// Redis did not take it, or did not say so: after [`BrokerError::Unreachable`] it may be there all the same.
    #[error(transparent)]
    Redis(#[from] BrokerError),
}

impl Client {
    /// A client of the Redis at `address`, e.g. `redis://127.0.0.1:6379/0`; see
    /// [`Address`](crate::broker::redis::address::Address).
    ///
    /// # Errors
    /// When the address is malformed or nobody answers there.
    pub async fn connect(address: &str) -> Result<Self, BrokerError> {
        RedisBroker::connect(address, RedisOptions::at_speed(1.0))
            .await
            .map(Self::new)
    }

    /// A client of a Redis that is connected already.
    #[must_use]
    pub fn new(broker: RedisBroker) -> Self {
        Self {
            broker,
            clock: ClockOrigin::real_time(),
            published: Arc::default(),
        }
    }

    /// Enqueues a task; [`NewTask`] holds its options.
    ///
    /// # Errors
    /// [`EnqueueError`].
    pub async fn enqueue(&self, task: NewTask) -> Result<Enqueued, EnqueueError> {
        let now = self.clock.now();
        let submission = task.submission(now, || uuid::Uuid::new_v4().to_string())?;
        let message = submission.message.clone();
        self.publish(&message.queue).await?;
        let op = submission.op(now);
        let state = match op {
            Op::Schedule { .. } | Op::ScheduleUnique(_) => TaskState::Scheduled,
            Op::AddToGroup { .. } | Op::AddToGroupUnique { .. } => TaskState::Aggregating,
            _ => TaskState::Pending,
        };
        match self.broker.call(op).await? {
            Reply::Enqueued(Accepted::Duplicate) => Err(EnqueueError::Duplicate),
            Reply::Enqueued(Accepted::IdConflict) => Err(EnqueueError::IdConflict),
            _ => Ok(Enqueued {
                id: message.id.clone(),
                queue: message.queue.clone(),
                state,
                message,
            }),
        }
    }

    /// Publishes the name of a queue, once.
    async fn publish(&self, queue: &str) -> Result<(), BrokerError> {
        let published = || {
            self.published
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if published().contains(queue) {
            return Ok(());
        }
        let name = queue.to_owned();
        self.broker.call(Op::RegisterQueue { queue: name }).await?;
        published().insert(queue.to_owned());
        Ok(())
    }
}
