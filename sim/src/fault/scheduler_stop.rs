//! `scheduler.stop`: whoever enqueues periodic tasks is gone. Queues look well, and its entries vanish from the listings.

use super::{Definition, Harm};
use crate::form::{form, text};
use crate::lever::{Arriving, Class, Lever, LoadLever, On};
use serde::{Deserialize, Serialize};

form! {
    /// The scheduler is gone: periodic tasks no longer come.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct SchedulerStop: "scheduler.stop" {
        /// Task type, as if its entry had been forgotten; left out: all.
        pub task: Option<String> = text(), optional;
    }
}

impl Definition for SchedulerStop {
    const ON: On = On::Scheduler;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["other"];
    const ENDS_BY_ITSELF: bool = true;

    fn begin(&self) -> Lever {
        Lever::Load(LoadLever {
            task: self.task.clone(),
            what: Arriving::Periodic,
            factor: 0.0,
        })
    }

    fn harm(&self) -> Harm<'_> {
        self.task.as_deref().map_or(Harm::All, Harm::Task)
    }
}
