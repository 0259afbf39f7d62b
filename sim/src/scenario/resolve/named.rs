//! What steps name: whether it is there, and whether it can suffer what is done to it.

use crate::fault::{Fault, Harm};
use crate::lever::{Arriving, Lever, LoadLever, ResourceLever};
use crate::plan::{Arrivals, WorkerPlan};
use crate::remedy::Remedy;
use crate::scenario::resolve::Resolver;
use crate::scenario::{At, StepWritten};
use crate::units;
use firedrill_detector::yaml::Position;
use std::collections::BTreeSet;

impl Resolver<'_> {
    /// Whether what a fault names is there, and what it is done to can suffer it.
    pub(super) fn names_in(
        &mut self,
        (fault, at_ms): (&At<Fault>, i64),
        targets: &[String],
        workers: &[WorkerPlan],
    ) {
        match fault.value.harm() {
            Harm::Task(task) => {
                let tasks = self.scenario.workload.iter();
                let tasks: Vec<String> = tasks.map(|task| task.task.clone()).collect();
                if !tasks.iter().any(|known| known == task) {
                    self.unknown(fault.at, "task", task, &tasks);
                }
            }
            Harm::Queue(queue) => {
                self.is_queue(fault.at, queue);
                self.is_used(fault, queue);
            }
            Harm::Resource(resource) => {
                let resources = self.scenario.resources.iter();
                let known: Vec<String> = resources.map(|known| known.name.clone()).collect();
                if known.is_empty() && !self.is_misread("resources") {
                    let message = format!("there is no resource `{resource}`");
                    let hint = "`resources: { db: { pool: 20 } }` makes one, and handlers need it by their `uses`";
                    self.problems.push_with_hint(fault.at, message, hint);
                } else if !known.iter().any(|name| name == resource) {
                    self.unknown(fault.at, "resource", resource, &known);
                }
                let of_resource = self
                    .scenario
                    .resources
                    .iter()
                    .find(|known| known.name == resource);
                if let (
                    Some(of),
                    Lever::Resource {
                        what: ResourceLever::Shrink { to },
                        ..
                    },
                ) = (of_resource, fault.value.begin())
                    && to >= of.slots()
                {
                    let message = format!("to: `{resource}` has {} anyway", of.slots());
                    let hint = format!("accepted: 0 to {}", of.slots() - 1);
                    self.problems.push_with_hint(fault.at, message, hint);
                }
            }
            Harm::All | Harm::Processes | Harm::Nothing => {}
        }
        self.arrives(fault);
        if let Some((before_ms, _)) = fault.value.prepare()
            && before_ms > at_ms
        {
            let message = format!(
                "{}: it begins at {}, and what it goes back to would be before the drill",
                fault.value.name(),
                units::format(at_ms)
            );
            let hint = format!("accepted: up to {}", units::format(at_ms));
            self.problems.push_with_hint(fault.at, message, hint);
        }
        if let Lever::Exporters { .. } = fault.value.begin() {
            let exporters = &self.exporters;
            let is_one = |target: &String| exporters.contains(&target.as_str());
            if targets.is_empty() || !targets.iter().all(is_one) {
                let message = format!("{}: it is done to exporters", fault.value.name());
                let hint = format!(
                    "accepted: `select: [{}]`, or one of them",
                    exporters.join(", ")
                );
                self.problems.push_with_hint(fault.at, message, hint);
            }
        }
        let scrape = &self.scenario.scrape;
        if let Lever::SlowScrapes { ms } = fault.value.begin()
            && ms < scrape.timeout_ms
        {
            let message = format!(
                "{}: {} changes nothing, scrapes have {}",
                fault.value.name(),
                units::format(ms),
                units::format(scrape.timeout_ms)
            );
            let hint = format!("accepted: from {}", units::format(scrape.timeout_ms));
            self.problems.push_with_hint(fault.at, message, hint);
        }
        // Each dies when it makes its call, if it does: one that lives on must not pass for dead.
        if fault.value.kills_at_a_call() && targets.len() > 1 {
            let message = format!(
                "{}: {} processes do not die at one call",
                fault.value.name(),
                targets.len()
            );
            let hint = "select one, and write a step for each";
            self.problems.push_with_hint(fault.at, message, hint);
        }
        if fault.value.needs_restart() {
            let is_left = |worker: &&WorkerPlan| {
                let prefix = format!("{}-", worker.name);
                worker.restart.is_none() && targets.iter().any(|name| name.starts_with(&prefix))
            };
            if let Some(worker) = workers.iter().find(is_left) {
                let (name, group) = (fault.value.name(), &worker.name);
                let message = format!("{name}: nobody starts the processes of {group} again");
                let hint = "write `restart: {}` with that group of workers";
                self.problems.push_with_hint(fault.at, message, hint);
            }
        }
        let slots = fault.value.slots_needed();
        let is_hit = |worker: &WorkerPlan| {
            let prefix = format!("{}-", worker.name);
            targets.iter().any(|target| target.starts_with(&prefix))
        };
        if workers
            .iter()
            .any(|worker| worker.concurrency < slots && is_hit(worker))
        {
            let name = fault.value.name();
            let message = format!("{name}: needs workers of concurrency {slots} or more");
            self.problems.push(fault.at, message);
        }
    }

    /// Whether there is something of which more, less or nothing can arrive.
    fn arrives(&mut self, fault: &At<Fault>) {
        let Lever::Load(LoadLever { task, what, factor }) = fault.value.begin() else {
            return;
        };
        let mut tasks = self.scenario.workload.iter();
        let is_meant = tasks.any(|entry| {
            task.as_ref().is_none_or(|task| *task == entry.task)
                && match what {
                    Arriving::Periodic => matches!(entry.arrivals, Arrivals::Cron { .. }),
                    Arriving::All => factor == 0.0 || entry.arrivals.has_rate(),
                }
        });
        // A task that there is not has been told.
        let tasks = self.scenario.workload.iter();
        let is_there = |task: &String| tasks.clone().any(|entry| entry.task == *task);
        if is_meant || !task.as_ref().is_none_or(is_there) {
            return;
        }
        let of = task.map_or(String::new(), |task| format!(" of `{task}`"));
        let (found, hint) = match what {
            Arriving::Periodic => ("no arrivals by the calendar", "accepted: `cron`"),
            Arriving::All => (
                "no arrivals at a rate",
                "accepted: `poisson`, `constant`, `stages`, `diurnal` or `mmpp`",
            ),
        };
        let message = format!("{}: there are {found}{of}", fault.value.name());
        self.problems.push_with_hint(fault.at, message, hint);
    }

    /// The same of a remedy.
    pub(super) fn names_of(&mut self, remedy: &At<Remedy>, workers: &[WorkerPlan]) {
        if let Some(queue) = remedy.value.queue() {
            self.is_queue(remedy.at, queue);
        }
        if let Some((message, hint)) = remedy.value.wrong() {
            self.problems.push_with_hint(remedy.at, message, hint);
        }
        if let Some(task) = remedy.value.task() {
            let queue = remedy.value.queue();
            let tasks = self.scenario.workload.iter();
            let here = tasks.filter(|entry| queue.is_none_or(|queue| entry.queue == queue));
            let here = here.map(|entry| entry.task.clone());
            // What another step has moved there is there, too.
            let steps = self.scenario.timeline.iter();
            let moves = steps.filter_map(|step| match &step.what {
                StepWritten::Remedy(other) => other.value.moves(),
                StepWritten::Fault { .. } => None,
            });
            let moved = moves.filter(|(_, _, to)| queue == Some(*to));
            let moved = moved.map(|(task, _, _)| task.to_owned());
            let here: Vec<String> = here.chain(moved).collect();
            if !here.iter().any(|known| known == task) {
                self.unknown(remedy.at, "task", task, &here);
            }
        }
        if let Some((task, queue, to)) = remedy.value.moves() {
            self.is_queue(remedy.at, to);
            let mut tasks = self.scenario.workload.iter();
            if tasks
                .any(|entry| entry.task == task && entry.queue == queue && entry.group.is_some())
            {
                let message = format!("task.move: `{task}` waits in a group");
                let hint = "accepted: a task type without `group`";
                self.problems.push_with_hint(remedy.at, message, hint);
            }
        }
        if let Some((group, _)) = remedy.value.scale() {
            let names: Vec<String> = workers.iter().map(|worker| worker.name.clone()).collect();
            if !names.iter().any(|name| name == group) {
                self.unknown(remedy.at, "group of workers", group, &names);
            }
        }
    }

    /// Whether anything is enqueued into the queue of a fault: without, nobody feels it.
    fn is_used(&mut self, fault: &At<Fault>, queue: &str) {
        let tasks = self.scenario.workload.iter();
        let used: BTreeSet<&str> = tasks.map(|task| task.queue.as_str()).collect();
        let mut all = self.scenario.queues.iter();
        if !used.contains(queue) && all.any(|known| known.name == queue) {
            let name = fault.value.name();
            let message = format!("{name}: nothing is enqueued into queue `{queue}`");
            let used: Vec<&str> = used.into_iter().collect();
            let hint = format!("accepted: {}", used.join(", "));
            self.problems.push_with_hint(fault.at, message, hint);
        }
    }

    fn is_queue(&mut self, at: Position, queue: &str) {
        let queues = self.scenario.queues.iter();
        let queues: Vec<String> = queues.map(|queue| queue.name.clone()).collect();
        if !queues.iter().any(|known| known == queue) {
            self.unknown(at, "queue", queue, &queues);
        }
    }
}
