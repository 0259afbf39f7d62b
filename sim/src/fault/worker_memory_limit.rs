//! `worker.memory-limit`: a leak, and a limit that ends it.

use super::{Definition, Harm};
use crate::form::{form, positive, size};
use crate::lever::{Class, Lever, LifeLever, On};
use serde::{Deserialize, Serialize};

/// Most that a process may be given: a drill really takes it.
const LIMIT_MAX: u64 = 512 << 20;

form! {
    /// Worker processes leak memory until they reach a limit, and are killed; `workers[].restart` starts them again. Live, the memory
    /// is really taken, and the limit is the kernel's.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct WorkerMemoryLimit: "worker.memory-limit" {
        /// How much more than at rest each may take.
        pub limit_bytes as "limit": u64 = size(LIMIT_MAX), default 128 << 20;
        /// How long a process takes to leak that.
        pub fills_ms as "fills_in": i64 = positive().at_least(1_000, "1s"), required;
    }
}


impl Definition for WorkerMemoryLimit {
    const ON: On = On::Workers;
    const CLASS: Class = Class::Irreversible;
    const CAUSES: &'static [&'static str] = &["resource-exhaustion", "worker-crashed", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const REMEDIES: &'static [&'static str] = &["worker.rollback", "worker.restart"];
    const EXAMPLES: &'static [&'static str] = &["fills_in: 20s, limit: 32MB", "fills_in: 30s, limit: 16MB"];
    const STATE: &'static str = "leaking";

    fn begin(&self) -> Lever {
        Lever::Life(LifeLever::Leak {
            limit_bytes: self.limit_bytes,
            fills_ms: self.fills_ms,
        })
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Processes
    }

    fn needs_restart(&self) -> bool {
        true
    }
}
