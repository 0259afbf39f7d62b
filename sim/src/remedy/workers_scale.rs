//! `workers.scale`: more processes, or fewer.

use super::Definition;
use crate::fault::Fault;
use crate::form::{count, form, text};
use crate::lever::{Class, Lever, On};
use serde::{Deserialize, Serialize};

form! {
    /// A group of workers gets more processes, or fewer: the last ones end gracefully.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct WorkersScale: "workers.scale" {
        /// Name of the group.
        pub worker: String = text(), required;
        /// How many processes it has from now on.
        pub to: u32 = count(0..=64), required;
    }
}


impl Definition for WorkersScale {
    const ON: On = On::Workers;
    const CLASS: Class = Class::Irreversible;

    fn done(&self, _: Option<&Fault>) -> Lever {
        Lever::Scale {
            worker: self.worker.clone(),
            to: self.to,
        }
    }

    fn of(_: &Fault) -> Option<Self> {
        None
    }

    fn worker(&self) -> Option<&str> {
        Some(&self.worker)
    }
}
