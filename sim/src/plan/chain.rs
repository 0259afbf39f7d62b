//! Tasks that enqueue others: which, how many, and when.

use crate::form::{count, duration, form, name};
use crate::lever::{HandlerLever, Lever};
use crate::plan::demand::mean_ms;
use crate::plan::{Execution, Plan};
use firedrill_asynq::rng::Numbered;
use firedrill_asynq::settings::FORWARD_INTERVAL_MS;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

form! {
    /// Tasks that a handler enqueues when it has succeeded.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Then: "then" {
        /// Their type: that of one workload entry, whose `arrivals` may be left out.
        pub task: String = name(), required;
        /// How many.
        pub count: u32 = count(1..=1_000), default 1;
        /// asynq's `ProcessIn` of theirs; left out: their entry's own `delay`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub delay_ms as "delay": Option<i64> = duration(), optional;
    }
}

/// A task that a handler enqueues. Its identity follows from its parent's, so that it is the same on every engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child {
    /// The execution that enqueues it.
    pub of: Execution,
    /// Which of its children, from 0.
    pub nth: u32,
    /// Index of its workload entry.
    pub workload: usize,
    /// Its number within that, beyond those of arrivals.
    pub seq: u64,
    /// Its id, as random bits.
    pub id: u128,
    /// How long after it is enqueued it is due, virtual milliseconds.
    pub delay_ms: i64,
}

/// Children's numbers begin here; no drill has as many arrivals. There are so many that no two children of a drill have the
/// same: theirs would have the same again, and so on to the end of the chain.
const FIRST_CHILD: u64 = 1 << 62;

/// Draws the identities of children: a stream for each workload entry of their parents.
#[derive(Debug, Clone)]
pub(crate) struct Births(Vec<Numbered>);

impl Births {
    pub(crate) fn new(seed: u64, entries: usize) -> Self {
        let of_entry = |index| Numbered::new(seed, &format!("children/{index}"));
        Self((0..entries).map(of_entry).collect())
    }

    /// The number and the id of child `nth` of an execution; `None`: of no entry of the plan.
    pub(crate) fn identity(&self, of: Execution, nth: u32) -> Option<(u64, u128)> {
        let mut dice = self.0.get(of.workload)?.throw(of.seq, of.attempt);
        for _ in 0..nth {
            let _ = (dice.bits(), dice.bits());
        }
        let (high, low) = (dice.bits(), dice.bits());
        let id = (u128::from(high) << 64) | u128::from(low);
        Some((FIRST_CHILD | (low >> 2), id))
    }
}

impl Plan {
    /// The entry that the tasks of a `then` are of.
    pub(crate) fn entry_of(&self, task: &str) -> Option<usize> {
        self.workload.iter().position(|entry| entry.task == task)
    }

    /// Whether handlers ever enqueue anything.
    #[must_use]
    pub fn has_children(&self) -> bool {
        !self.child_entries().is_empty()
    }

    /// The workload entries of tasks that handlers enqueue.
    pub(crate) fn child_entries(&self) -> BTreeSet<usize> {
        let thens = self.workload.iter().flat_map(|entry| &entry.then);
        let mut entries: BTreeSet<usize> =
            thens.filter_map(|then| self.entry_of(&then.task)).collect();
        for step in &self.timeline {
            if let Lever::Handler(HandlerLever::Requeue { task, .. }) = step.fault.begin() {
                let all = self.workload.iter().enumerate();
                let again = all.filter(|(_, entry)| entry.task == task);
                entries.extend(again.map(|(index, _)| index));
            }
        }
        entries
    }

    /// The queues that handlers enqueue into.
    pub(crate) fn child_queues(&self) -> BTreeSet<&str> {
        let entries = self.child_entries().into_iter();
        entries
            .map(|index| self.workload[index].queue.as_str())
            .collect()
    }

    /// Adds to the tasks that arrive, of each entry, those that handlers enqueue, on average and rather too many.
    pub(crate) fn add_children(&self, tasks: &mut [f64]) {
        // Chains have no circles; one that has is walked once.
        fn walk(plan: &Plan, index: usize, more: f64, tasks: &mut [f64], depth: usize) {
            if depth > plan.workload.len() {
                return;
            }
            for then in &plan.workload[index].then {
                if let Some(child) = plan.entry_of(&then.task) {
                    let more = more * f64::from(then.count);
                    tasks[child] += more;
                    walk(plan, child, more, tasks, depth + 1);
                }
            }
        }
        let arriving = tasks.to_vec();
        for (index, count) in arriving.iter().enumerate() {
            walk(self, index, *count, tasks, 0);
        }
        let before = tasks.to_vec();
        for step in &self.timeline {
            let Lever::Handler(HandlerLever::Requeue {
                task,
                share,
                delay_ms,
            }) = step.fault.begin()
            else {
                continue;
            };
            let ends_ms = step
                .until
                .as_ref()
                .map_or(self.duration_ms, |until| until.at_ms);
            let lasts_ms = (ends_ms.min(self.duration_ms) - step.at_ms).max(0) as f64;
            let processes: u32 = self.workers.iter().map(|worker| worker.processes).sum();
            for (index, entry) in self
                .workload
                .iter()
                .enumerate()
                .filter(|(_, e)| e.task == task)
            {
                // A task goes round once in its delay, its handler's time, and half a beat of the forwarders.
                let beat_ms = FORWARD_INTERVAL_MS as f64 / 2.0 / f64::from(processes.max(1));
                let round_ms = delay_ms as f64 + mean_ms(&entry.service) + beat_ms;
                // It comes in the middle of the step, and goes on to its end.
                let most = lasts_ms / 2.0 / round_ms.max(1.0);
                let rounds = if share < 1.0 {
                    (share / (1.0 - share)).min(most)
                } else {
                    most
                };
                let hit = before[index] * lasts_ms / self.duration_ms.max(1) as f64;
                tasks[index] += hit * rounds;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_children_of_a_long_drill_have_the_same_number() {
        let births = Births::new(12, 2);
        let of = |seq| Execution {
            workload: 1,
            seq,
            attempt: 0,
        };
        let numbers = (0..300_000).map(|seq| births.identity(of(seq), 0).unwrap().0);
        let numbers: BTreeSet<u64> = numbers.collect();
        assert_eq!(numbers.len(), 300_000);
        assert!(numbers.iter().all(|number| *number >= FIRST_CHILD));
    }
}
