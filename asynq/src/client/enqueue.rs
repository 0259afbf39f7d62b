//! The client itself: hands tasks to a Redis.

use super::{NewTask, NewTaskError, Submission, new_id};
use crate::broker::redis::{RedisBroker, RedisOptions};
use crate::clock::{ClockOrigin, Time};
use crate::message::TaskMessage;
use crate::op::{Accepted, BrokerError, Op, Reply, TaskState};
use std::collections::BTreeSet;
use std::fmt::Debug;
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

    /// Enqueues a task; [`NewTask`] holds its options. Tasks that are enqueued at the same time, by clones of one client, share
    /// its connection and do not wait for each other.
    ///
    /// # Errors
    /// [`EnqueueError`].
    pub async fn enqueue(&self, task: NewTask) -> Result<Enqueued, EnqueueError> {
        let now = self.clock.now();
        let submission = self.submission(task, now).await?;
        let (message, state) = (submission.message.clone(), submission.state());
        match self.broker.call(submission.op(now)).await? {
            Reply::Enqueued(accepted) => told(accepted, message, state),
            other => Err(unexpected(other)),
        }
    }

    /// Enqueues many tasks with one moment for all, and says of each what became of it, in order. Those that are due at once and
    /// neither unique nor in a group reach Redis in batches of up to 100, the others side by side with them (asynq:
    /// `BatchEnqueue`, which refuses such).
    ///
    /// # Errors
    /// Each task has an answer of its own. Where a batch is lost on the way, all its tasks have.
    pub async fn enqueue_batch(&self, tasks: Vec<NewTask>) -> Vec<Result<Enqueued, EnqueueError>> {
        let now = self.clock.now();
        let (mut ready, mut submissions) = (Vec::with_capacity(tasks.len()), Vec::new());
        for task in tasks {
            let submission = self.submission(task, now).await;
            ready.push(submission.map(|submission| {
                let will_be = (submission.message.clone(), submission.state());
                submissions.push(submission);
                will_be
            }));
        }
        let accepted = self.broker.enqueue_each(submissions, now).await;
        let mut accepted = accepted.into_iter();
        let mut became = |one: Result<(TaskMessage, TaskState), EnqueueError>| {
            let (message, state) = one?;
            let answer = accepted
                .next()
                .ok_or_else(|| unexpected("fewer than asked"))?;
            told(answer?, message, state)
        };
        ready.into_iter().map(&mut became).collect()
    }

    async fn submission(
        &self,
        task: NewTask,
        now: Time,
    ) -> Result<Submission<TaskMessage>, EnqueueError> {
        let submission = task.submission(now, new_id)?;
        self.publish(&submission.message.queue).await?;
        Ok(submission)
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

fn told(
    accepted: Accepted,
    message: TaskMessage,
    state: TaskState,
) -> Result<Enqueued, EnqueueError> {
    match accepted {
        Accepted::Duplicate => Err(EnqueueError::Duplicate),
        Accepted::IdConflict => Err(EnqueueError::IdConflict),
        Accepted::New => Ok(Enqueued {
            id: message.id.clone(),
            queue: message.queue.clone(),
            state,
            message,
        }),
    }
}

fn unexpected(reply: impl Debug) -> EnqueueError {
    BrokerError::Refused(format!("enqueue: unexpected reply: {reply:?}").into()).into()
}
