//! How long asynq leaves an attempt at a task alone.

use crate::plan::TaskPlan;
use firedrill_asynq::clock::Time;
use firedrill_asynq::settings::DEFAULT_TIMEOUT_S;

/// How long an attempt at a task may take before it is given up, and repeated although its handler goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    timeout_ms: i64,
    /// From the arrival.
    deadline_ms: Option<i64>,
}

impl Limits {
    pub(super) fn of(task: &TaskPlan) -> Self {
        let timeout_ms = match (task.timeout_ms, task.deadline_ms) {
            (0, None) => DEFAULT_TIMEOUT_S * 1_000,
            (0, Some(_)) => i64::MAX,
            (timeout_ms, _) => timeout_ms,
        };
        Self {
            timeout_ms,
            deadline_ms: task.deadline_ms,
        }
    }

    /// Whether an attempt that began at `since` at a task sent at `sent` was to be given up by `at`; asynq counts whole
    /// seconds.
    pub(super) fn explain_repeat(&self, sent: Time, since: Time, at: Time) -> bool {
        let at = at.plus_millis(1_000);
        at >= since.plus_millis(self.timeout_ms)
            || self
                .deadline_ms
                .is_some_and(|deadline_ms| at >= sent.plus_millis(deadline_ms))
    }
}
