//! `handler.fail`: a dependency that refuses, a release with a bug.

use super::{Definition, Harm};
use crate::form::{form, share, text};
use crate::lever::{Class, HandlerLever, Lever, On};
use serde::{Deserialize, Serialize};

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
    }
}


impl Definition for HandlerFail {
    const ON: On = On::Handlers;
    const CLASS: Class = Class::Reversible;
    // A pool without connections makes handlers fail, or wait.
    const CAUSES: &'static [&'static str] = &["retry-storm", "resource-exhaustion", "other"];
    const EXAMPLES: &'static [&'static str] = &["task: t"];
    const ENDS_BY_ITSELF: bool = true;

    fn begin(&self) -> Lever {
        Lever::Handler(HandlerLever::Fail {
            task: self.task.clone(),
            share: self.share,
            error: self.error.clone(),
        })
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Task(&self.task)
    }
}
