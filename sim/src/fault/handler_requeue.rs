//! `handler.requeue`: "too many requests", swallowed.

use super::{Definition, Harm};
use crate::form::{form, positive, share, text};
use crate::lever::{Class, HandlerLever, Lever, On};
use serde::{Deserialize, Serialize};

form! {
    /// Handlers swallow an error: they enqueue the same again, for later, and return nil. asynq counts a success, no retry and no end.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct HandlerRequeue: "handler.requeue" {
        /// Task type.
        pub task: String = text(), required;
        /// Share of executions that do.
        pub share: f64 = share().but_not(0.0, "share: 0 changes nothing, so there is no fault", "accepted: above 0, up to 100%"), default 1.0;
        /// asynq's `ProcessIn` of what is enqueued.
        pub delay_ms as "delay": i64 = positive(), default 1_000;
    }
}

impl Definition for HandlerRequeue {
    const ON: On = On::Handlers;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["retry-storm", "other"];
    const EXAMPLES: &'static [&'static str] = &["task: t, share: 30%, delay: 3s"];
    const ENDS_BY_ITSELF: bool = true;

    fn begin(&self) -> Lever {
        Lever::Handler(HandlerLever::Requeue {
            task: self.task.clone(),
            share: self.share,
            delay_ms: self.delay_ms,
        })
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Task(&self.task)
    }
}
