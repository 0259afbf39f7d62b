//! `workers.scale`: more processes, or fewer.

use super::Definition;
use crate::fault::Fault;
use crate::form::{count, form, text, truth};
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
        /// Whether Prometheus goes on looking for those that have gone, as where targets are written down by hand.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub targets_stay: bool = truth(), quiet false;
    }
}


impl Definition for WorkersScale {
    const ON: On = On::Workers;
    const CLASS: Class = Class::Irreversible;

    fn done(&self, _: Option<&Fault>) -> Lever {
        Lever::Members {
            targets_stay: self.targets_stay,
        }
    }

    fn of(_: &Fault) -> Option<Self> {
        None
    }

    fn scale(&self) -> Option<(&str, u32)> {
        Some((&self.worker, self.to))
    }
}
