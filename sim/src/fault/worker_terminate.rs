//! `worker.terminate`: a deploy, a scale-down, an eviction: the process is asked to go.

use super::{Definition, Harm, Parameters, Row};
use crate::lever::{Class, Lever, On, ProcessLever};
use crate::scenario::duration::{as_duration, format};
use firedrill_detector::yaml::{Fields, Problems};
use serde::{Deserialize, Serialize};

/// SIGTERM of worker processes, and SIGKILL after the grace period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerTerminate {
    /// Virtual milliseconds until SIGKILL; `None`: as long as the graceful shutdown takes at most.
    pub grace_ms: Option<i64>,
}

impl Definition for WorkerTerminate {
    const NAME: &'static str = "worker.terminate";
    const SUMMARY: &'static str = "SIGTERM of worker processes, and SIGKILL after the grace period";
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

impl Parameters for WorkerTerminate {
    const ROWS: &'static [Row] = &[Row::optional(
        "grace",
        "how long until SIGKILL; `0s` leaves no time to finish or to give tasks back",
        "as long as the graceful shutdown takes",
    )];

    fn read(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Self> {
        let grace_ms = match fields.take("grace") {
            Some(node) => Some(as_duration(node, "grace", problems)?),
            None => None,
        };
        Some(Self { grace_ms })
    }

    fn written(&self) -> Vec<(&'static str, String)> {
        let grace = self.grace_ms.map(|ms| ("grace", format(ms)));
        grace.into_iter().collect()
    }
}
