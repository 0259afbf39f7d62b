//! `handler.leak`: a call without a timeout, to somebody who never answers.

use super::{Definition, Harm};
use crate::form::{count, form, share, text};
use crate::lever::{Class, HandlerLever, Hangs, Lever, On};
use serde::{Deserialize, Serialize};

form! {
    /// Some handlers never return and ignore their context: each keeps its slot until its task times out, and goes on after that.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct HandlerLeak: "handler.leak" [one of share, every] {
        /// Task type; left out: all.
        pub task: Option<String> = text(), optional;
        /// Share of executions that hang.
        pub share: Option<f64> = share().but_not(0.0, "share: 0 changes nothing, so there is no fault", "accepted: above 0, up to 100%"), optional;
        /// One task in so many hangs, at its first attempt.
        pub every: Option<u32> = count(1..=10_000_000), optional;
    }
}

impl Definition for HandlerLeak {
    const ON: On = On::Workers;
    const CLASS: Class = Class::Irreversible;
    const CAUSES: &'static [&'static str] = &["deadlock", "resource-exhaustion", "other"];
    const REMEDIES: &'static [&'static str] = &["worker.restart"];
    const EXAMPLES: &'static [&'static str] = &["every: 100, select: all", "task: t, share: 25%"];
    const STATE: &'static str = "leaking";

    fn begin(&self) -> Lever {
        Lever::Handler(HandlerLever::Hang {
            task: self.task.clone(),
            which: match (self.share, self.every) {
                (Some(share), _) => Hangs::Share(share),
                // One of them is there: the form sees to that.
                (None, every) => Hangs::Every(every.unwrap_or(1)),
            },
        })
    }

    fn harm(&self) -> Harm<'_> {
        match &self.task {
            Some(task) => Harm::Task(task),
            None => Harm::Processes,
        }
    }
}
