//! Which tasks of the plan came at all.

use super::Auditor;
use crate::plan::{Arrivals, Plan};
use firedrill_asynq::clock::Time;

/// Whether tasks of a workload entry came, and when the first was to come.
#[derive(Debug)]
pub(super) struct Coming {
    pub(super) task: String,
    pub(super) came: bool,
    first: Option<Time>,
    by_chance: bool,
}

impl Coming {
    pub(super) fn of(plan: &Plan, index: usize) -> Self {
        let first = crate::plan::arrivals(plan, index).next();
        Self {
            task: plan.workload[index].task.clone(),
            came: false,
            first: first.map(|micros| Time(0).plus_micros(micros)),
            // None comes by itself.
            by_chance: matches!(
                plan.workload[index].arrivals,
                Arrivals::None
                    | Arrivals::Poisson { .. }
                    | Arrivals::Stages { evenly: false, .. }
                    | Arrivals::Diurnal { .. }
                    | Arrivals::Mmpp { .. }
            ),
        }
    }
}

impl Auditor {
    /// Types of the tasks none of which came, although the drill lasted long enough. That none comes by chance proves
    /// nothing, unless nothing at all came.
    pub(super) fn never_came(&self) -> Vec<String> {
        // What is enqueued nowhere came to nobody.
        let none_enqueued = self.audit.enqueued == 0;
        let nothing = self.entries.iter().all(|entry| !entry.came);
        let lasted = Time(self.end.0.saturating_sub(self.origin.0));
        let is_missing = |entry: &&Coming| {
            !entry.came
                && match entry.first {
                    Some(first) => first < lasted,
                    None => nothing || !entry.by_chance,
                }
        };
        let missing = self.entries.iter();
        let missing = missing.filter(|entry| none_enqueued || is_missing(entry));
        let mut types: Vec<String> = missing.map(|entry| entry.task.clone()).collect();
        types.sort();
        types.dedup();
        types
    }
}
