//! What a handler knows of its execution, and how it hears that nobody waits for it any more.

use crate::clock::{ClockOrigin, Time};
use crate::message::TaskMessage;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Why an execution was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its deadline or timeout is over; the attempt has failed.
    DeadlineExceeded,
    /// Somebody asked for it; the attempt has failed.
    Canceled,
    /// Its lease is lost: another server will recover the task.
    LeaseExpired,
    /// The server has shut down and given the task back.
    Shutdown,
}

/// The execution of a task. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    id: String,
    queue: String,
    retried: i32,
    max_retry: i32,
    deadline: Time,
    clock: ClockOrigin,
    cause: watch::Receiver<Option<Cause>>,
    result: Mutex<Option<Vec<u8>>>,
}

impl Context {
    pub(super) fn new(
        task: &TaskMessage,
        deadline: Time,
        clock: ClockOrigin,
        cause: watch::Receiver<Option<Cause>>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                id: task.id.clone(),
                queue: task.queue.clone(),
                retried: task.retried,
                max_retry: task.retry,
                deadline,
                clock,
                cause,
                result: Mutex::default(),
            }),
        }
    }

    /// The task's id.
    #[must_use]
    pub fn task_id(&self) -> &str {
        &self.inner.id
    }

    /// The task's queue.
    #[must_use]
    pub fn queue(&self) -> &str {
        &self.inner.queue
    }

    /// How often it was retried before: 0 at the first attempt.
    #[must_use]
    pub fn retry_count(&self) -> i32 {
        self.inner.retried
    }

    /// How often it may be retried.
    #[must_use]
    pub fn max_retry(&self) -> i32 {
        self.inner.max_retry
    }

    /// When the attempt must be over.
    #[must_use]
    pub fn deadline(&self) -> Time {
        self.inner.deadline
    }

    /// Why nobody waits for this execution any more, if so.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        let known = *self.inner.cause.borrow();
        let late = self.inner.clock.now() >= self.inner.deadline;
        known.or(late.then_some(Cause::DeadlineExceeded))
    }

    /// Returns when nobody waits for this execution any more. Its outcome is decided then, whatever the handler returns:
    /// a handler that holds something dear selects between its work and this, as one of asynq's does on `ctx.Done()`.
    pub async fn cancelled(&self) -> Cause {
        let mut cause = self.inner.cause.clone();
        let late = self.inner.clock.until(self.inner.deadline);
        tokio::select! {
            known = cause.wait_for(Option::is_some) => match known {
                Ok(known) => (*known).unwrap_or(Cause::Shutdown),
                // The server is gone.
                Err(_) => Cause::Shutdown,
            },
            () = tokio::time::sleep(late) => Cause::DeadlineExceeded,
        }
    }

    /// Keeps a result with the task, for as long as its retention says (asynq: `ResultWriter`). The last one counts; it is
    /// written to Redis when the handler returns, and an attempt whose result cannot be written fails.
    pub fn write_result(&self, result: impl Into<Vec<u8>>) {
        let mut place = self.result();
        *place = Some(result.into());
    }

    pub(super) fn take_result(&self) -> Option<Arc<Vec<u8>>> {
        self.result().take().map(Arc::new)
    }

    fn result(&self) -> std::sync::MutexGuard<'_, Option<Vec<u8>>> {
        // A result is replaced whole.
        self.inner
            .result
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
