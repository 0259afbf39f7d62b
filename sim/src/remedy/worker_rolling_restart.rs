//! `worker.rolling-restart`: a rolling deploy of a release that works, or of the same one again.

use super::Definition;
use crate::fault::Fault;
use crate::form::{duration, form, positive, truth};
use crate::lever::{Class, Lever, On, Part};
use serde::{Deserialize, Serialize};

form! {
    /// Worker processes are replaced one after the other: each goes gracefully, and a new one comes.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct WorkerRollingRestart: "worker.rolling-restart" {
        /// How long each is gone.
        pub down_ms as "down": i64 = positive(), default 20_000;
        /// How long the next one waits for that.
        pub pause_ms as "pause": i64 = duration(), default 20_000;
        /// Whether Prometheus goes on looking for those that have gone, as where targets are written down by hand.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub targets_stay: bool = truth(), quiet false;
    }
}


impl Definition for WorkerRollingRestart {
    const ON: On = On::Workers;
    const CLASS: Class = Class::Irreversible;

    fn done(&self, _: Option<&Fault>) -> Lever {
        Lever::Members {
            targets_stay: self.targets_stay,
        }
    }

    fn part(&self, number: u32, targets: &[String]) -> Option<Part> {
        // Each goes, and comes.
        let (process, comes) = (number / 2, number % 2 == 1);
        let target = targets.get(usize::try_from(process).ok()?)?;
        Some(Part {
            after_ms: match (comes, number) {
                (true, _) => self.down_ms,
                (false, 0) => 0,
                (false, _) => self.pause_ms,
            },
            lever: self.done(None),
            targets: vec![target.clone()],
        })
    }

    fn takes_ms(&self, targets: usize) -> i64 {
        let all = i64::try_from(targets).unwrap_or(i64::MAX);
        let each_ms = self.down_ms.saturating_add(self.pause_ms);
        each_ms.saturating_mul(all).saturating_sub(self.pause_ms)
    }

    fn of(_: &Fault) -> Option<Self> {
        None
    }
}
