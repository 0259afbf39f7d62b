//! `worker.restart`: what `docker restart` does.

use super::Definition;
use crate::fault::Fault;
use crate::form::form;
use crate::lever::{Class, Lever, On, ProcessLever};
use serde::{Deserialize, Serialize};

form! {
    /// Worker processes are stopped, gracefully if they still can, and started anew.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct WorkerRestart: "worker.restart" {}
}


impl Definition for WorkerRestart {
    const ON: On = On::Workers;
    const CLASS: Class = Class::Irreversible;

    fn done(&self, _: Option<&Fault>) -> Lever {
        Lever::Process(ProcessLever::Restart)
    }

    fn of(_: &Fault) -> Option<Self> {
        Some(Self {})
    }
}
