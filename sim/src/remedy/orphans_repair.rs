//! `orphans.repair`: what a script does that puts right what the recoverer never finds.

use super::Definition;
use crate::fault::Fault;
use crate::form::{form, text};
use crate::lever::{Class, Lever, On, TasksLever};
use serde::{Deserialize, Serialize};

form! {
    /// Active tasks without a lease go back to the head of `pending`, and their uniqueness locks are removed.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct OrphansRepair: "orphans.repair" {
        /// Their queue.
        pub queue: String = text(), required;
    }
}


impl Definition for OrphansRepair {
    const ON: On = On::Queue;
    const CLASS: Class = Class::Irreversible;

    fn done(&self, _: Option<&Fault>) -> Lever {
        Lever::Tasks {
            queue: self.queue.clone(),
            what: TasksLever::RepairOrphans,
        }
    }

    fn of(_: &Fault) -> Option<Self> {
        None
    }

    fn queue(&self) -> Option<&str> {
        Some(&self.queue)
    }
}
