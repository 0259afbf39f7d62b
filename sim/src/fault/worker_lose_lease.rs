//! `worker.lose-lease`: a worker that finishes a task after its lease is over, while another has begun it.

use super::{Definition, Harm, Needs};
use crate::form::{form};
use crate::lever::{Class, Lever, On, PointLever, PointRule, PointVerdict, Which};
use firedrill_asynq::call::CallKind;
use serde::{Deserialize, Serialize};

form! {
    /// A worker's lease extensions do not arrive: what takes longer than a lease is given to others, too.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct WorkerLoseLease: "worker.lose-lease" {}
}

impl Definition for WorkerLoseLease {
    const ON: On = On::Workers;
    const CLASS: Class = Class::Reversible;
    const CAUSES: &'static [&'static str] = &["slow-jobs", "other"];
    const ENDS_BY_ITSELF: bool = true;
    // One that has nothing to do at a beat extends nothing.
    const EXAMPLES: &'static [&'static str] = &["select: all"];
    const STATE: &'static str = "without leases";

    fn begin(&self) -> Lever {
        Lever::Point(PointLever::Set(PointRule {
            call: CallKind::Extend,
            which: Which::Share(1.0),
            then: PointVerdict::Lose,
        }))
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Point(PointLever::Lift))
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Processes
    }

    fn needs(&self) -> Needs {
        Needs { own_redis: true, persistence: false }
    }
}
