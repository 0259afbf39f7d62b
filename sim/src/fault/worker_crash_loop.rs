//! `worker.crash-loop`: processes that die right after they have booted, whatever they are given.

use super::{Definition, Harm};
use crate::form::{form, positive};
use crate::lever::{Class, LifeLever, Lever, On};
use serde::{Deserialize, Serialize};

form! {
    /// Worker processes crash soon after each start, and their orchestrator (`workers[].restart`) starts them again, later each time.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct WorkerCrashLoop: "worker.crash-loop" {
        /// How long after each start.
        pub after_ms as "after": i64 = positive(), default 1_000;
    }
}


impl Definition for WorkerCrashLoop {
    const ON: On = On::Workers;
    const CLASS: Class = Class::Irreversible;
    const CAUSES: &'static [&'static str] = &["worker-crashed", "resource-exhaustion", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const REMEDIES: &'static [&'static str] = &["worker.rollback", "worker.restart"];
    const EXAMPLES: &'static [&'static str] = &["", "after: 5s"];
    const STATE: &'static str = "in a crash loop";

    fn begin(&self) -> Lever {
        Lever::Life(LifeLever::Crash {
            after_ms: self.after_ms,
        })
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Processes
    }

    fn needs_restart(&self) -> bool {
        true
    }
}
