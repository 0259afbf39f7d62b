//! `handler.panic`: a nil pointer, an index out of range.

use super::{Definition, Harm};
use crate::form::{form, share, text, truth};
use crate::lever::{Class, HandlerLever, Lever, On};
use serde::{Deserialize, Serialize};

form! {
    /// Handlers panic: asynq recovers that, and takes it for an error that is retried.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct HandlerPanic: "handler.panic" {
        /// Task type; left out: all.
        pub task: Option<String> = text(), optional;
        /// Share of executions that panic.
        pub share: f64 = share().but_not(0.0, "share: 0 changes nothing, so there is no fault", "accepted: above 0, up to 100%"), default 1.0;
        /// Whether the application's own counters see it as a failure; `false`: its recovery sits outside of its metrics middleware,
        /// so they see neither a failure nor a success.
        pub counted: bool = truth(), default true;
    }
}

impl Definition for HandlerPanic {
    const ON: On = On::Handlers;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["retry-storm", "other"];
    const EXAMPLES: &'static [&'static str] = &["task: t, counted: false", "share: 40%"];
    const ENDS_BY_ITSELF: bool = true;

    fn begin(&self) -> Lever {
        Lever::Handler(HandlerLever::Panic {
            task: self.task.clone(),
            share: self.share,
            counted: self.counted,
        })
    }

    fn harm(&self) -> Harm<'_> {
        self.task.as_deref().map_or(Harm::All, Harm::Task)
    }
}
