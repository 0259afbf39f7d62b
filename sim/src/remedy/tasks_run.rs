//! `tasks.run`: somebody runs tasks that wait or were given up.

use super::{Definition, tasks_changed, unknown_age};
use crate::fault::Fault;
use crate::form::{form, name, one_of, positive, text};
use crate::lever::{Class, Lever, On};
use firedrill_asynq::op::Deed;
use serde::{Deserialize, Serialize};

form! {
    /// Tasks of a state are made pending, as `asynq task runall` does it.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct TasksRun: "tasks.run" {
        /// Their queue.
        pub queue: String = text(), required;
        /// Their state.
        pub state: String = one_of(&["scheduled", "retry", "archived"]), required;
        /// Task type; left out: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub task: Option<String> = name(), optional;
        /// Only those that have been there for so long: of pending and archived ones, Redis knows since when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub older_than_ms as "older_than": Option<i64> = positive(), optional;
    }
}


impl Definition for TasksRun {
    const ON: On = On::Queue;
    const CLASS: Class = Class::Irreversible;

    fn done(&self, _: Option<&Fault>) -> Lever {
        tasks_changed(Deed::Run, &self.queue, &self.state, (self.task.as_ref(), self.older_than_ms))
    }

    fn of(_: &Fault) -> Option<Self> {
        None
    }

    fn queue(&self) -> Option<&str> {
        Some(&self.queue)
    }

    fn task(&self) -> Option<&str> {
        self.task.as_deref()
    }

    fn wrong(&self) -> Option<(String, &'static str)> {
        unknown_age(&self.state, self.older_than_ms)
    }
}
