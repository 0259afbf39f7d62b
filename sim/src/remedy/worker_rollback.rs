//! `worker.rollback`: the release that worked before is deployed again.

use super::Definition;
use crate::fault::Fault;
use crate::form::form;
use crate::lever::{Class, Lever, On, ProcessLever};
use serde::{Deserialize, Serialize};

form! {
    /// A deploy is rolled back: processes that are there go gracefully, and new ones of the release before come.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct WorkerRollback: "worker.rollback" {}
}


impl Definition for WorkerRollback {
    const ON: On = On::Workers;
    const CLASS: Class = Class::Irreversible;

    fn done(&self, _: Option<&Fault>) -> Lever {
        Lever::Process(ProcessLever::Deploy { boots: true })
    }

    fn of(_: &Fault) -> Option<Self> {
        Some(Self {})
    }
}
