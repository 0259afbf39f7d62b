//! Uniqueness locks that steps leave behind without their tasks.

use super::{Plan, Routes};
use crate::lever::{Lever, LockLever};
use firedrill_asynq::clock::Time;

/// Whose arrivals are refused by them.
#[derive(Debug)]
pub(crate) struct LeftLocks {
    left: Vec<Left>,
    routes: Routes,
}

/// The locks that a step leaves to tasks of a workload entry.
#[derive(Debug)]
struct Left {
    step: usize,
    workload: usize,
    /// Of so many payloads, of those there are.
    count: u64,
    keys: u64,
    from: Time,
    until: Option<Time>,
}

impl LeftLocks {
    /// Of `plan`, whose time 0 is `origin`.
    pub(crate) fn of(plan: &Plan, origin: Time) -> Self {
        let at = |ms: i64| origin.plus_millis(ms);
        let mut left = Vec::new();
        for (index, step) in plan.timeline.iter().enumerate() {
            let Lever::Locks {
                task,
                what: LockLever::Leave { count },
            } = step.fault.begin()
            else {
                continue;
            };
            let of_step = plan.locked_entries(&task).map(|(workload, keys)| Left {
                step: index,
                workload,
                count: u64::from(count),
                keys,
                from: at(step.at_ms),
                until: step.until.as_ref().map(|until| at(until.at_ms)),
            });
            left.extend(of_step);
        }
        Self {
            left,
            routes: Routes::of(plan, origin),
        }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// The step by whose lock arrival `seq` of a workload entry, sent at `at`, is refused; `None`: it is not. Where its tasks have gone
    /// to another queue since, there are no such locks.
    pub(crate) fn refuses(&self, workload: usize, seq: u64, at: Time) -> Option<usize> {
        let is_here = |since| self.routes.leg(workload, since) == self.routes.leg(workload, at);
        let mut left = self.left.iter().filter(|left| {
            let is_on = left.from <= at && left.until.is_none_or(|until| at < until);
            is_on && left.workload == workload && seq % left.keys < left.count
        });
        left.find(|left| is_here(left.from)).map(|left| left.step)
    }
}

impl Plan {
    /// The workload entries of a task type whose locks come again, and how many payloads they cycle through.
    pub(crate) fn locked_entries(&self, task: &str) -> impl Iterator<Item = (usize, u64)> {
        let entries = self.workload.iter().enumerate();
        entries.filter_map(move |(index, entry)| {
            let keys = entry.unique?.keys?;
            (entry.task == task && keys > 0).then_some((index, keys))
        })
    }
}
