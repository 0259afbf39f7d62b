//! Whom a fault can harm.

use crate::fault::Harm;
use crate::plan::{Incident, PRODUCER, Plan, Step, TaskPlan};
use std::collections::BTreeSet;

impl Plan {
    /// Queues whose tasks an incident can harm, in the plan's order; empty: any.
    ///
    /// A fault harms more than it hits: slow tasks take the slots of others, and what a dead worker leaves undone is a
    /// load for the rest. So the queues of all workers that share queues with those that are hit belong to it.
    #[must_use]
    pub fn queues_within_reach(&self, incident: &Incident) -> Vec<String> {
        let step = incident.step.as_deref().and_then(|id| self.step(id));
        step.map(|step| self.queues_reached_by(step))
            .unwrap_or_default()
    }

    /// Queues whose tasks a step can harm, as of [an incident](Self::queues_within_reach).
    pub(crate) fn queues_reached_by(&self, step: &Step) -> Vec<String> {
        let mut reached: BTreeSet<&str> = match step.fault.harm() {
            Harm::All => return Vec::new(),
            Harm::Task(task) => {
                let of_task = self.workload.iter().filter(|entry| entry.task == *task);
                of_task.map(|entry| entry.queue.as_str()).collect()
            }
            Harm::Resource(resource) => {
                let needs = |entry: &&TaskPlan| {
                    let mut uses = entry.uses.iter();
                    uses.any(|used| used.resource == *resource)
                };
                let of = self.workload.iter().filter(needs);
                of.map(|entry| entry.queue.as_str()).collect()
            }
            // Whoever cuts off the producer harms whatever it sends.
            Harm::Processes if step.targets.iter().any(|name| name == PRODUCER) => {
                return Vec::new();
            }
            Harm::Processes => {
                let processes = self.processes().into_iter();
                let hit = processes.filter(|(name, _)| step.targets.contains(name));
                hit.flat_map(|(_, worker)| worker.serves()).collect()
            }
            Harm::Queue(queue) => BTreeSet::from([queue]),
            // What is well harms nobody; an incident about it may be about anything.
            Harm::Nothing => return Vec::new(),
        };
        loop {
            let before = reached.len();
            for worker in &self.workers {
                if worker.serves().any(|queue| reached.contains(queue)) {
                    reached.extend(worker.serves());
                }
            }
            // What is moved out of a queue takes its harm along.
            let moves = self.remedies.iter().filter_map(|step| step.remedy.moves());
            for (_, from, to) in moves {
                if reached.contains(from) {
                    reached.insert(to);
                }
            }
            if reached.len() == before {
                break;
            }
        }
        if self
            .queues
            .iter()
            .all(|queue| reached.contains(queue.name.as_str()))
        {
            return Vec::new();
        }
        let reached = self
            .queues
            .iter()
            .filter(|queue| reached.contains(queue.name.as_str()));
        reached.map(|queue| queue.name.clone()).collect()
    }
}
