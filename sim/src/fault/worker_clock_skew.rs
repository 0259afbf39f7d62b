//! `worker.clock-skew`: a machine whose clock nobody keeps.

use super::{Definition, Harm};
use crate::form::{form, positive};
use crate::lever::{Class, ClockLever, Lever, On};
use serde::{Deserialize, Serialize};

form! {
    /// The clocks of worker processes are wrong.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct WorkerClockSkew: "worker.clock-skew" [one of ahead, behind] {
        /// So far ahead of the true time.
        pub ahead_ms as "ahead": Option<i64> = positive(), optional;
        /// So far behind it.
        pub behind_ms as "behind": Option<i64> = positive(), optional;
    }
}

impl Definition for WorkerClockSkew {
    const ON: On = On::Workers;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["slow-jobs", "retry-storm", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const EXAMPLES: &'static [&'static str] = &["ahead: 2m", "behind: 2m"];
    const STATE: &'static str = "out of time";

    fn begin(&self) -> Lever {
        let ahead_ms = self.ahead_ms.unwrap_or(0) - self.behind_ms.unwrap_or(0);
        Lever::Clock(ClockLever::Skew { ms: ahead_ms })
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Processes
    }
}
