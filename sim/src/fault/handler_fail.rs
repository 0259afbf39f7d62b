//! `handler.fail`: a dependency that refuses, a release with a bug.

use super::{Definition, Harm};
use crate::form::{choice, count, form, share, size, text};
use crate::lever::{Class, HandlerLever, Lever, On};
use firedrill_asynq::actor::ErrorKind;
use serde::{Deserialize, Serialize};

/// Longest error that can be asked for.
const ERROR_MAX: u64 = 1 << 20;

form! {
    /// Handlers of a task type return an error.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct HandlerFail: "handler.fail" {
        /// Task type.
        pub task: String = text(), required;
        /// Share of executions that fail.
        pub share: f64 = share().but_not(0.0, "share: 0 changes nothing, so there is no fault", "accepted: above 0, up to 100%"), default 1.0;
        /// The error's text.
        pub error: String = text(), default "job failed".to_owned();
        /// How long the error's text is, which is filled up: one that has the dependency's answer in it. asynq keeps it with the task.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub error_size: Option<u64> = size(ERROR_MAX), optional;
        /// What the error asks for, as `fail_as` of a workload entry.
        #[serde(default, skip_serializing_if = "is_plain")]
        pub fail_as: ErrorKind = choice(ErrorKind::ALL.map(|kind| (kind.name(), kind))), quiet ErrorKind::Failure;
        /// Only the first so many attempts at a task fail; all where it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub attempts: Option<u32> = count(1..=10_000), optional;
    }
}

impl HandlerFail {
    /// The error as handlers return it.
    fn text(&self) -> String {
        let mut text = self.error.clone();
        let wanted = usize::try_from(self.error_size.unwrap_or(0)).unwrap_or(0);
        text.extend(std::iter::repeat_n('.', wanted.saturating_sub(text.len())));
        text
    }
}

/// Whether an error asks for nothing but a retry.
fn is_plain(kind: &ErrorKind) -> bool {
    *kind == ErrorKind::Failure
}

impl Definition for HandlerFail {
    const ON: On = On::Handlers;
    const CLASS: Class = Class::Reversible;
    // A pool without connections makes handlers fail, or wait.
    const CAUSES: &'static [&'static str] = &["retry-storm", "resource-exhaustion", "other"];
    const EXAMPLES: &'static [&'static str] = &["task: t", "task: t, share: 50%, fail_as: skip_retry, attempts: 1",
        "task: t, error: '503 Service Unavailable', error_size: 8KB",
    ];
    const ENDS_BY_ITSELF: bool = true;

    fn begin(&self) -> Lever {
        Lever::Handler(HandlerLever::Fail {
            task: self.task.clone(),
            share: self.share,
            error: self.text(),
            fail_as: self.fail_as,
            attempts: self.attempts,
        })
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Task(&self.task)
    }
}
