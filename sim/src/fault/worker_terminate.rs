//! `worker.terminate`: a deploy, a scale-down, an eviction: the process is asked to go.

use super::{Definition, Harm};
use crate::form::{duration, form};
use crate::lever::{Class, Lever, On, ProcessLever};
use serde::{Deserialize, Serialize};

form! {
    /// SIGTERM of worker processes, and SIGKILL after the grace period.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct WorkerTerminate: "worker.terminate" {
        /// How long until SIGKILL; left out: as long as the graceful shutdown takes at most. `0s` leaves no time to give tasks back.
        pub grace_ms as "grace": Option<i64> = duration(), optional;
    }
}


impl Definition for WorkerTerminate {
    const ON: On = On::Workers;
    const CLASS: Class = Class::Irreversible;
    const CAUSES: &'static [&'static str] = &["worker-crashed", "other"];
    const REMEDIES: &'static [&'static str] = &["worker.restart"];
    const STATE: &'static str = "down";

    fn begin(&self) -> Lever {
        Lever::Process(ProcessLever::Terminate { grace_ms: self.grace_ms })
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Processes
    }
}
