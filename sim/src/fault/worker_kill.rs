//! `worker.kill`: the out-of-memory killer, a lost node.

use super::{Definition, Harm};
use crate::form::form;
use crate::lever::{Class, Lever, On, ProcessLever};
use serde::{Deserialize, Serialize};

form! {
    /// SIGKILL of worker processes.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct WorkerKill: "worker.kill" {}
}


impl Definition for WorkerKill {
    const ON: On = On::Workers;
    const CLASS: Class = Class::Irreversible;
    // Processes are killed when memory runs out, too.
    const CAUSES: &'static [&'static str] = &["worker-crashed", "resource-exhaustion", "other"];
    const REMEDIES: &'static [&'static str] = &["worker.restart"];
    const STATE: &'static str = "down";

    fn begin(&self) -> Lever {
        Lever::Process(ProcessLever::Kill)
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Processes
    }
}
