//! `worker.quiet`: a process that is alive and fetches nothing.

use super::{Definition, Harm};
use crate::form::form;
use crate::lever::{Class, Lever, On, ProcessLever};
use serde::{Deserialize, Serialize};

form! {
    /// SIGTSTP of worker processes: they end what they have, fetch nothing more, and go on as if they were well.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct WorkerQuiet: "worker.quiet" {}
}


impl Definition for WorkerQuiet {
    const ON: On = On::Workers;
    const CLASS: Class = Class::Irreversible;
    const CAUSES: &'static [&'static str] = &["worker-crashed", "deadlock", "slow-jobs", "other"];
    const REMEDIES: &'static [&'static str] = &["worker.restart"];
    const STATE: &'static str = "quiet";

    fn begin(&self) -> Lever {
        Lever::Process(ProcessLever::Quiet)
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Processes
    }
}
