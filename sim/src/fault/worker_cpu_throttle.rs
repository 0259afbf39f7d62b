//! `worker.cpu-throttle`: a container whose CPU limit is too low.

use super::{Definition, Harm};
use crate::form::{form, share};
use crate::lever::{Class, Lever, On, ProcessLever};
use serde::{Deserialize, Serialize};

/// A kernel throttles in periods of 100 ms. Ours are as long as a process can be stopped and let go on in compressed time.
const PERIOD_MS: i64 = 5_000;

form! {
    /// Worker processes get a share of their time: of each 5 s they run for so long, and are stopped for the rest, as by a CPU limit.
    /// What handlers wait for goes on meanwhile.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct WorkerCpuThrottle: "worker.cpu-throttle" {
        /// The share, from 5 % to 95 %.
        pub share: f64 = share().within(0.05, 0.95, "a share from 5% to 95%"), required;
    }
}


impl Definition for WorkerCpuThrottle {
    const ON: On = On::Workers;
    const CLASS: Class = Class::Stored;
    const CAUSES: &'static [&'static str] = &["slow-jobs", "resource-exhaustion", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const REMEDIES: &'static [&'static str] = &["worker.restart"];
    const EXAMPLES: &'static [&'static str] = &["share: 20%", "share: 60%"];
    const STATE: &'static str = "throttled";

    fn begin(&self) -> Lever {
        let run_ms = libm::round(self.share * PERIOD_MS as f64) as i64;
        Lever::Process(ProcessLever::Throttle {
            run_ms,
            period_ms: PERIOD_MS,
        })
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Process(ProcessLever::Unthrottle))
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Processes
    }
}
