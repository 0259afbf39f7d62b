//! Where tasks go: to their workload entry's queue, and after a `task.move` to another.

use crate::plan::{Arrivals, Plan};
use firedrill_asynq::clock::Time;

/// Of each workload entry, which queue its tasks are enqueued into at a moment. Whoever enqueues knows the plan and the time.
///
/// A *leg* is an entry while its tasks go to one queue: the first legs are the entries themselves, in the plan's order.
#[derive(Debug, Clone)]
pub struct Routes {
    legs: Vec<Leg>,
    entries: usize,
}

#[derive(Debug, Clone)]
struct Leg {
    entry: usize,
    since: Time,
    task: String,
    /// Its place in the plan, and its name.
    queue: (usize, String),
    /// The remedy that leads there: its index among the plan's.
    by: Option<usize>,
}

impl Plan {
    /// Whether anything comes at `at_ms` or later that a task type's move from `queue` sends elsewhere, then.
    pub(crate) fn redirects(&self, task: &str, queue: &str, at_ms: i64) -> bool {
        let origin = Time(0);
        let routes = Routes::of(self, origin);
        let before = origin.plus_millis(at_ms - 1);
        let entries = self.workload.iter().enumerate();
        let mut moved =
            entries.filter(|(entry, of)| of.task == task && routes.queue(*entry, before) == queue);
        moved.any(|(entry, of)| {
            // Whatever others enqueue may come at any time.
            of.arrivals == Arrivals::None
                || super::arrivals(self, entry).any(|at_us| at_us >= at_ms * 1_000)
        })
    }
}

impl Routes {
    /// Of `plan`, whose time 0 is `origin`.
    #[must_use]
    pub fn of(plan: &Plan, origin: Time) -> Self {
        let place = |name: &str| {
            let place = plan.queues.iter().position(|queue| queue.name == name);
            // A plan names no queue it does not have.
            (place.unwrap_or(0), name.to_owned())
        };
        let first = plan.workload.iter().enumerate().map(|(entry, task)| Leg {
            entry,
            since: Time(i64::MIN),
            task: task.task.clone(),
            queue: place(&task.queue),
            by: None,
        });
        let mut routes = Self {
            legs: first.collect(),
            entries: plan.workload.len(),
        };
        for (number, step) in plan.remedies.iter().enumerate() {
            let Some((task, from, to)) = step.remedy.moves() else {
                continue;
            };
            let since = origin.plus_millis(step.at_ms);
            for entry in 0..routes.entries {
                let leg = &routes.legs[routes.leg(entry, since)];
                if leg.task == task && leg.queue.1 == from {
                    routes.legs.push(Leg {
                        entry,
                        since,
                        task: task.to_owned(),
                        queue: place(to),
                        by: Some(number),
                    });
                }
            }
        }
        routes
    }

    /// The leg that tasks of a workload entry are on that are sent at `at`.
    #[inline]
    #[must_use]
    pub fn leg(&self, entry: usize, at: Time) -> usize {
        let mut leg = entry;
        // Legs beyond the first are in order of time.
        for (number, later) in self.legs.iter().enumerate().skip(self.entries) {
            if later.entry == entry && later.since <= at {
                leg = number;
            }
        }
        leg
    }

    /// The entry of each leg, with the place of its queue in the plan.
    pub(crate) fn legs(&self) -> impl Iterator<Item = (usize, usize)> {
        self.legs.iter().map(|leg| (leg.entry, leg.queue.0))
    }

    /// Task type and queue of each leg.
    pub(crate) fn task_types(&self) -> impl Iterator<Item = (String, String)> {
        let legs = self.legs.iter();
        legs.map(|leg| (leg.task.clone(), leg.queue.1.clone()))
    }

    /// Place in the plan of the queue that a task of an entry goes to when it is sent at `at`; `None`: there is no such entry.
    pub(crate) fn place(&self, entry: usize, at: Time) -> Option<usize> {
        let leg = (entry < self.entries).then(|| &self.legs[self.leg(entry, at)]);
        leg.map(|leg| leg.queue.0)
    }

    /// The remedy by which a task of an entry goes elsewhere than the entry says when it is sent at `at`: its index among the plan's.
    pub(crate) fn redirected_by(&self, entry: usize, at: Time) -> Option<usize> {
        let leg = (entry < self.entries).then(|| &self.legs[self.leg(entry, at)]);
        leg?.by
    }

    /// The name of that queue.
    pub(crate) fn queue(&self, entry: usize, at: Time) -> &str {
        &self.legs[self.leg(entry, at)].queue.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{PlanOptions, Scenario};

    #[test]
    fn tasks_go_where_they_were_moved_to_last() {
        let text = "version: firedrill/v1\nname: s\nfamily: benign\nsummary: s\nduration: 10m\nwarmup: 1m\n\
             queues: { a: {}, b: {}, c: {} }\n\
             workload:\n\
             \x20 - { task: t, queue: a, arrivals: { constant: 1/s }, service: { constant: 1s } }\n\
             \x20 - { task: u, queue: a, arrivals: { constant: 1/s }, service: { constant: 1s } }\n\
             workers: [{ name: w, concurrency: 2 }]\n\
             timeline:\n\
             \x20 - { at: 4m, remedy: task.move, task: t, queue: b, to: c }\n\
             \x20 - { at: 2m, remedy: task.move, task: t, queue: a, to: b }\n\
             \x20 - { at: 6m, remedy: task.move, task: t, queue: a, to: b }\n\
             benign: [{ what: all, at: 0s }]\n";
        let scenario = Scenario::parse("s.yaml", text).unwrap();
        let plan = Plan::resolve(&scenario, &PlanOptions::default()).unwrap();
        let origin = Time::from_millis(5);
        let routes = Routes::of(&plan, origin);
        let at = |entry, ms| routes.queue(entry, origin.plus_millis(ms)).to_owned();
        let minutes = [0, 119_999, 120_000, 239_999, 240_000, 600_000];
        assert_eq!(
            minutes.map(|ms| at(0, ms)),
            ["a", "a", "b", "b", "c", "c"],
            "the last step moves what is left in a, and t goes to c all the same"
        );
        assert!(minutes.iter().all(|ms| at(1, *ms) == "a"));
        assert_eq!(routes.leg(0, origin), 0);
        assert_eq!(routes.place(9, origin), None);
    }
}
