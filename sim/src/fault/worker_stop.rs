//! `worker.stop`: a frozen process: a long pause of the machine, a debugger, a page fault that does not end.

use super::{Definition, Harm};
use crate::form::form;
use crate::lever::{Class, Lever, On, ProcessLever};
use serde::{Deserialize, Serialize};

form! {
    /// SIGSTOP of worker processes: they keep their connections, and do nothing.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct WorkerStop: "worker.stop" {}
}


impl Definition for WorkerStop {
    const ON: On = On::Workers;
    const CLASS: Class = Class::Stored;
    const CAUSES: &'static [&'static str] =
        &["worker-crashed", "deadlock", "slow-jobs", "resource-exhaustion", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const REMEDIES: &'static [&'static str] = &["worker.restart"];
    const STATE: &'static str = "stopped";

    fn begin(&self) -> Lever {
        Lever::Process(ProcessLever::Stop)
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Process(ProcessLever::Continue))
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Processes
    }
}
