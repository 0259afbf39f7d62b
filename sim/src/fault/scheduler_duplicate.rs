//! `scheduler.duplicate`: a second scheduler runs beside the first, as after a deployment with two replicas. asynq has no leader
//! among schedulers, so every periodic task is enqueued twice.

use super::{Definition, Harm};
use crate::form::form;
use crate::lever::{Arriving, Class, Lever, LoadLever, On};
use serde::{Deserialize, Serialize};

form! {
    /// A second scheduler runs: every periodic task is enqueued twice, of the same payload, so that `unique` or `task_id` refuses the second.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct SchedulerDuplicate: "scheduler.duplicate" {}
}

impl Definition for SchedulerDuplicate {
    const ON: On = On::Scheduler;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["resource-exhaustion", "other"];
    const ENDS_BY_ITSELF: bool = true;

    fn begin(&self) -> Lever {
        Lever::Load(LoadLever {
            task: None,
            what: Arriving::Periodic,
            factor: 2.0,
        })
    }

    fn harm(&self) -> Harm<'_> {
        Harm::All
    }
}
