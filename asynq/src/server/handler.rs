//! What works on tasks, and how it says that it could not.

use super::context::Context;
use crate::actor::{ErrorKind, Outcome};
use crate::message::TaskMessage;
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;

/// A task as a handler gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    message: TaskMessage,
}

impl Task {
    pub(super) fn new(message: TaskMessage) -> Self {
        Self { message }
    }

    /// Its type, e.g. `email:send`.
    #[must_use]
    pub fn task_type(&self) -> &str {
        &self.message.r#type
    }

    /// Its payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.message.payload
    }

    /// Its headers.
    #[must_use]
    pub fn headers(&self) -> &BTreeMap<String, String> {
        &self.message.headers
    }

    /// All that is stored of it.
    #[must_use]
    pub fn message(&self) -> &TaskMessage {
        &self.message
    }
}

/// Why an attempt failed, and what is to become of the task. Any error converts into one that asks for a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlerError {
    text: String,
    kind: ErrorKind,
}

impl HandlerError {
    /// An error of a kind.
    pub fn new(kind: ErrorKind, text: impl fmt::Display) -> Self {
        Self {
            text: text.to_string(),
            kind,
        }
    }

    /// The attempt failed: a retry, while there are retries left.
    pub fn failure(text: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Failure, text)
    }

    /// The task goes to the archive at once (asynq: `SkipRetry`).
    pub fn skip_retry(text: impl fmt::Display) -> Self {
        Self::new(ErrorKind::SkipRetry, text)
    }

    /// The task is to be forgotten (asynq: `RevokeTask`).
    pub fn revoke(text: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Revoke, text)
    }

    /// A retry that is not counted (asynq: an error for which `IsFailure` is false).
    pub fn not_a_failure(text: impl fmt::Display) -> Self {
        Self::new(ErrorKind::NotAFailure, text)
    }

    /// What it asks for.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    pub(super) fn outcome(self) -> Outcome {
        Outcome::Failure {
            error: self.text.into(),
            kind: self.kind,
            by_fault: false,
        }
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<E: std::error::Error> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self::failure(error)
    }
}

/// What a handler is doing.
pub type HandlerFuture = Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send>>;

/// Works on tasks: an async function of a [`Task`] and a [`Context`], or a [`ServeMux`](super::ServeMux) of them. One that
/// panics has failed.
pub trait Handler: Send + Sync + 'static {
    /// Works on a task.
    fn process(&self, task: Task, context: Context) -> HandlerFuture;
}

impl<F, R> Handler for F
where
    F: Fn(Task, Context) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), HandlerError>> + Send + 'static,
{
    fn process(&self, task: Task, context: Context) -> HandlerFuture {
        Box::pin(self(task, context))
    }
}
