//! `worker.die`: a process that ends in the middle of a task, at an exact step of asynq's protocol.

use super::{Definition, Harm, Needs};
use crate::form::{choice, count, form};
use crate::lever::{Class, Lever, On, PointLever, PointRule, PointVerdict, Which};
use firedrill_asynq::call::CallKind;
use serde::{Deserialize, Serialize};

/// Steps of the protocol between which a process can die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Redis has given it a task, and it has not begun.
    AfterDequeue,
    /// The handler has returned, and Redis has not been told.
    BeforeDone,
    /// Redis has been told, and the process has not heard of it.
    AfterDone,
}

const MOMENTS: [(&str, Moment); 3] = [
    ("after_dequeue", Moment::AfterDequeue),
    ("before_done", Moment::BeforeDone),
    ("after_done", Moment::AfterDone),
];

form! {
    /// A worker process, one a step, dies of SIGKILL at an exact point of a task's way.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct WorkerDie: "worker.die" {
        /// When: Redis has given it a task; its handler has returned without an error, and Redis has not been told; or Redis has
        /// been told.
        pub when: Moment = choice(MOMENTS), required;
        /// At which of its tasks.
        pub nth: u32 = count(1..=1_000_000), default 1;
    }
}

impl Definition for WorkerDie {
    const ON: On = On::Workers;
    const CLASS: Class = Class::Irreversible;
    const CAUSES: &'static [&'static str] = &["worker-crashed", "resource-exhaustion", "other"];
    const REMEDIES: &'static [&'static str] = &["worker.restart"];
    const EXAMPLES: &'static [&'static str] = &[
        "when: before_done",
        "when: after_dequeue",
        "when: after_done, nth: 5",
    ];
    const STATE: &'static str = "about to die";

    fn begin(&self) -> Lever {
        let (call, then) = match self.when {
            Moment::AfterDequeue => (CallKind::Dequeue, PointVerdict::DieAfter),
            Moment::BeforeDone => (CallKind::Done, PointVerdict::DieBefore),
            Moment::AfterDone => (CallKind::Done, PointVerdict::DieAfter),
        };
        Lever::Point(PointLever::Set(PointRule {
            call,
            which: Which::Nth(self.nth),
            then,
        }))
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Processes
    }

    fn needs(&self) -> Needs {
        Needs { own_redis: true, persistence: false }
    }
}
