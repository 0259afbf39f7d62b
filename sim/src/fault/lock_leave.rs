//! `lock.leave`: uniqueness locks without their tasks: these were deleted by a program that knows nothing of locks, or lost by a
//! client that died between the lock and the task.

use super::{Definition, Harm, Needs};
use crate::form::{count, form, text};
use crate::lever::{Class, Lever, LockLever, On};
use serde::{Deserialize, Serialize};

form! {
    /// Uniqueness locks are there without their tasks: whoever enqueues one of these is told that there is such a task, and nothing
    /// is done, until the lock is deleted. A lock lasts as long as its task type's `unique` says, at most.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct LockLeave: "lock.leave" {
        /// Task type; its tasks have `unique` with `keys`.
        pub task: String = text(), required;
        /// Of how many of its payloads.
        pub count: u32 = count(1..=10_000), default 1;
    }
}

impl Definition for LockLeave {
    const ON: On = On::Locks;
    const CLASS: Class = Class::Irreversible;
    const CAUSES: &'static [&'static str] = &["deadlock", "other"];
    const ENDS_BY_ITSELF: bool = true;
    const EXAMPLES: &'static [&'static str] = &["task: t, count: 10"];
    const STATE: &'static str = "locked";

    fn begin(&self) -> Lever {
        Lever::Locks {
            task: self.task.clone(),
            what: LockLever::Leave { count: self.count },
        }
    }

    fn end(&self) -> Option<Lever> {
        Some(Lever::Locks {
            task: self.task.clone(),
            what: LockLever::Free { count: self.count },
        })
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Task(&self.task)
    }

    fn needs(&self) -> Needs {
        Needs { own_redis: true, persistence: false }
    }
}
