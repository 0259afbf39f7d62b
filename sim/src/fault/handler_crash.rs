//! `handler.crash`: a payload that no process survives.

use super::{Definition, Harm};
use crate::form::{form, share, text};
use crate::lever::{Class, HandlerLever, Lever, On};
use serde::{Deserialize, Serialize};

form! {
    /// A task's handler brings its whole process down when it has worked as long as it does: a fatal error of the runtime, or memory,
    /// and no panic that could be recovered. Whoever the process worked on besides goes with it.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct HandlerCrash: "handler.crash" {
        /// Task type.
        pub task: String = text(), required;
        /// Share of tasks that do: the payload is the poison, so such a task does at each attempt.
        pub share: f64 = share().but_not(0.0, "share: 0 changes nothing, so there is no fault", "accepted: above 0, up to 100%"), default 1.0;
    }
}

impl Definition for HandlerCrash {
    const ON: On = On::Handlers;
    const CLASS: Class = Class::Irreversible;
    const CAUSES: &'static [&'static str] = &["worker-crashed", "resource-exhaustion", "other"];
    const EXAMPLES: &'static [&'static str] = &["task: t, share: 1%"];
    const ENDS_BY_ITSELF: bool = true;

    fn begin(&self) -> Lever {
        Lever::Handler(HandlerLever::Crash {
            task: self.task.clone(),
            share: self.share,
        })
    }

    fn harm(&self) -> Harm<'_> {
        // It takes down what runs beside it, whatever that is.
        Harm::Task(&self.task)
    }
}
