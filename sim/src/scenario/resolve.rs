//! Scenario to plan: defaults filled, references and times checked, the seed applied.

mod content;
mod locks;
mod named;
mod overlaps;
mod timeline;
mod trace;
mod truth;

pub(super) use trace::beside;

use crate::plan::{self, Arrivals, Plan, Step, TargetPlan, TaskPlan, WorkerPlan, targets};
use crate::scenario::{At, Scenario};
use crate::units;
use crate::world::World;
use crate::world::target::{CLASH_HINT, clash};
use firedrill_asynq::rng;
use firedrill_detector::yaml::{Position, Problem, Problems, closest};
use rand::RngExt;
use std::collections::{BTreeMap, BTreeSet};

/// Default of `warmup`.
const WARMUP_MS: i64 = 10 * 60 * 1_000;
/// Longest drill accepted: thirty days.
const DURATION_MAX_MS: i64 = 30 * 24 * 3_600_000;

/// What may be chosen when a scenario becomes a plan.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlanOptions {
    /// Seed, instead of the scenario's.
    pub seed: Option<u64>,
}

impl Plan {
    /// Makes a plan of a scenario.
    ///
    /// # Errors
    /// With everything in the scenario that does not fit together.
    pub fn resolve(scenario: &Scenario, options: &PlanOptions) -> Result<Self, Vec<Problem>> {
        let world = scenario.world.find(&scenario.file)?;
        let mut resolver = Resolver {
            scenario,
            exporters: plan::exporters(&world),
            problems: Problems::new(&scenario.file),
            places: BTreeMap::new(),
        };
        let plan = resolver.plan(options.seed.unwrap_or(scenario.seed), world);
        if !resolver.problems.is_empty() {
            return Err(resolver.problems.into_vec());
        }
        match resolver.clash(&plan) {
            Some(problem) => Err(vec![problem]),
            None => Ok(plan),
        }
    }
}

/// Whether a chain that begins with a task of type `from` comes to entry `index`.
fn comes_back(tasks: &[TaskPlan], index: usize, from: &str) -> bool {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            let entries = tasks.iter().filter(|task| task.task == next);
            open.extend(
                entries
                    .flat_map(|task| &task.then)
                    .map(|then| then.task.as_str()),
            );
        }
    }
    reached.contains(tasks[index].task.as_str())
}

struct Resolver<'s> {
    scenario: &'s Scenario,
    /// What steps call the exporters of its world.
    exporters: Vec<&'static str>,
    problems: Problems,
    /// Where each step of the timeline was written, by its id.
    places: BTreeMap<String, Position>,
}

impl Resolver<'_> {
    fn plan(&mut self, seed: u64, world: World) -> Plan {
        let scenario = self.scenario;
        let duration_ms = scenario.duration.value;
        if !(1..=DURATION_MAX_MS).contains(&duration_ms) {
            self.problems.push(
                scenario.duration.at,
                "duration: must be above 0 and at most 30d",
            );
        }
        let evaluation_interval_ms = scenario.evaluation.interval_ms;
        let scrape_interval_ms = scenario.scrape.interval_ms;
        let workers = self.workers();
        let (timeline, remedies) = self.timeline(&workers, duration_ms);
        let incidents = self.incidents(&timeline, duration_ms);
        let benign = self.benign(&incidents, duration_ms);
        let plan = Plan {
            name: scenario.name.clone(),
            family: scenario.family.value.clone(),
            summary: scenario.summary.clone(),
            seed,
            starts: scenario.starts.clone(),
            duration_ms,
            warmup_ms: self.warmup(&incidents, &benign, duration_ms),
            queues: scenario.queues.clone(),
            resources: scenario.resources.clone(),
            workload: self.workload(duration_ms),
            workers,
            scrape_interval_ms,
            world,
            producer_metrics: self.scrapes_producer(),
            scrape_timeout_ms: scenario.scrape.timeout_ms.min(scrape_interval_ms),
            evaluation_interval_ms,
            evaluation_phase_ms: rng::stream(seed, "evaluation/phase")
                .random_range(0..evaluation_interval_ms),
            timeline,
            remedies,
            incidents,
            benign,
            gates: scenario.gates.clone(),
        };
        if self.problems.is_empty() {
            self.contents(&plan);
        }
        plan
    }

    /// Two targets that Prometheus cannot tell apart, where they were written: in the world, or else where the scenario names it.
    fn clash(&self, plan: &Plan) -> Option<Problem> {
        let mut known: BTreeMap<String, TargetPlan> = BTreeMap::new();
        for target in targets(plan) {
            let Some(other) = known.get(&target.name()) else {
                known.insert(target.name(), target);
                continue;
            };
            let same = (target.job.clone(), target.instance.clone());
            let origin = &plan.world.origin;
            let mut keys = [target.key(), other.key()].into_iter();
            let written = keys.find_map(|key| origin.target(key)).or(origin.here());
            let (file, at) = match written {
                Some(at) => (origin.file.clone(), at),
                None => (self.scenario.file.clone(), self.scenario.duration.at),
            };
            return Some(Problem {
                file,
                line: at.line,
                column: at.column,
                message: clash(&other.member, &target.member, &same),
                hint: Some(CLASH_HINT.to_owned()),
            });
        }
        None
    }

    /// Whether the producer is a target of Prometheus.
    fn scrapes_producer(&self) -> bool {
        let mut tasks = self.scenario.workload.iter();
        let said = self.scenario.scrape.producer;
        said.unwrap_or_else(|| tasks.any(|task| task.may_be_duplicate()))
    }

    /// Reports a name that is none of those known.
    /// Whether something was wrong with the form of what is below a key, so that what stands there may not be all.
    fn is_misread(&self, key: &str) -> bool {
        self.scenario.misread.iter().any(|misread| misread == key)
    }

    fn unknown(&mut self, at: Position, what: &str, name: &str, known: &[String]) {
        let key = match what {
            "queue" => "queues",
            "task" => "workload",
            "resource" => "resources",
            "step" => "timeline",
            _ => "workers",
        };
        if self.is_misread(key) {
            return;
        }
        let all = format!("accepted: {}", known.join(", "));
        let hint = closest(name, known.iter().map(String::as_str)).map_or(all.clone(), |close| {
            format!("did you mean `{close}`? {all}")
        });
        self.problems
            .push_with_hint(at, format!("there is no {what} `{name}`"), hint);
    }

    /// Where a step was written.
    fn place(&self, step: &Step) -> Position {
        let place = self.places.get(&step.id).copied();
        place.unwrap_or(self.scenario.duration.at)
    }

    /// Steps for a message: their ids and lines.
    fn names(&self, steps: &[&Step]) -> Vec<String> {
        let name = |step: &&Step| format!("`{}` (line {})", step.id, self.place(step).line);
        steps.iter().map(name).collect()
    }

    fn within(&mut self, what: &str, time: &At<i64>, duration_ms: i64) {
        if time.value > duration_ms {
            let (at, end) = (units::format(time.value), units::format(duration_ms));
            let message = format!("{what}: {at} is after the end of the drill ({end})");
            let hint = format!("accepted: up to {end}");
            self.problems.push_with_hint(time.at, message, hint);
        }
    }

    fn workload(&mut self, duration_ms: i64) -> Vec<TaskPlan> {
        let queues: Vec<String> = self
            .scenario
            .queues
            .iter()
            .map(|queue| queue.name.clone())
            .collect();
        let mut tasks = Vec::new();
        for task in &self.scenario.workload {
            if !queues.contains(&task.queue) {
                self.unknown(task.place("queue"), "queue", &task.queue, &queues);
            }
            let here = task.place("arrivals");
            let mut task = task.value.clone();
            match &mut task.arrivals {
                Arrivals::Poisson {
                    from_ms, until_ms, ..
                }
                | Arrivals::Constant {
                    from_ms, until_ms, ..
                } => {
                    *until_ms = (*until_ms).min(duration_ms);
                    if from_ms >= until_ms {
                        self.problems.push(
                            here,
                            "arrivals: `from` is not before `until`, so nothing arrives",
                        );
                    }
                }
                Arrivals::None | Arrivals::Cron { .. } => {}
                Arrivals::Stages {
                    start_per_sec,
                    stages,
                    from_ms,
                    ..
                } => {
                    let none = stages.iter().all(|stage| stage.per_sec == 0.0);
                    if *from_ms >= duration_ms || (none && *start_per_sec == 0.0) {
                        let message = "arrivals: nothing arrives in these stages";
                        self.problems.push(here, message);
                    }
                }
                Arrivals::Diurnal { .. } => {}
                Arrivals::Mmpp { states } => {
                    if states.iter().all(|state| state.per_sec == 0.0) {
                        let message = "arrivals: nothing arrives in any of these states";
                        self.problems.push(here, message);
                    }
                }
                Arrivals::Trace {
                    at_ms,
                    file,
                    recording,
                } => {
                    let at = At {
                        at: here,
                        value: *at_ms,
                    };
                    self.within("trace", &at, duration_ms);
                    if let Some(file) = file.take()
                        && let Some(read) = self.trace(here, &file)
                    {
                        *recording = read;
                    }
                }
                Arrivals::Burst { at_ms, .. } => {
                    let at = At {
                        at: here,
                        value: *at_ms,
                    };
                    self.within("burst", &at, duration_ms);
                }
            }
            tasks.push(task);
        }
        self.children(&tasks);
        self.uses(&tasks);
        tasks
    }

    /// What handlers enqueue: of an entry there is, and never without end; and whatever does not arrive is enqueued by somebody.
    fn children(&mut self, tasks: &[TaskPlan]) {
        let written = self.scenario.workload.iter();
        let names: Vec<String> = tasks.iter().map(|task| task.task.clone()).collect();
        for (index, (entry, task)) in written.zip(tasks).enumerate() {
            for (nth, then) in task.then.iter().enumerate() {
                let here = entry.place_of_item("then", nth);
                let of_type = names.iter().filter(|name| **name == then.task).count();
                if of_type == 0 {
                    self.unknown(here, "task", &then.task, &names);
                } else if of_type > 1 {
                    let message =
                        format!("then: there are {of_type} workload entries `{}`", then.task);
                    let hint = "it must be clear which is meant: give them types of their own";
                    self.problems.push_with_hint(here, message, hint);
                }
                if comes_back(tasks, index, &then.task) {
                    let message =
                        format!("then: `{}` enqueues itself again, without end", task.task);
                    let hint = "a chain must end; `handler.requeue` is a fault that goes in circles for a time";
                    self.problems.push_with_hint(here, message, hint);
                }
            }
            let is_child = tasks.iter().flat_map(|other| &other.then);
            if task.arrivals == Arrivals::None
                && !is_child.into_iter().any(|then| then.task == task.task)
            {
                let message = format!("nothing enqueues `{}`", task.task);
                let hint = "write its `arrivals`, or name it in the `then` of another entry";
                self.problems.push_with_hint(entry.here(), message, hint);
            }
        }
    }

    /// Whether the resources that handlers need are there, and it is known how long each is held.
    fn uses(&mut self, tasks: &[TaskPlan]) {
        let resources = &self.scenario.resources;
        let known: Vec<String> = resources.iter().map(|of| of.name.clone()).collect();
        for (entry, task) in self.scenario.workload.iter().zip(tasks) {
            for (nth, used) in task.uses.iter().enumerate() {
                let here = entry.place_of_item("uses", nth);
                match resources.iter().find(|of| of.name == used.resource) {
                    None if known.is_empty() => {
                        let message = format!("there is no resource `{}`", used.resource);
                        let hint = "`resources: { db: { pool: 20 } }` makes one";
                        self.problems.push_with_hint(here, message, hint);
                    }
                    None => self.unknown(here, "resource", &used.resource, &known),
                    Some(of) if used.hold_ms.is_none() && of.latency.is_none() => {
                        let message = format!(
                            "uses: it is not said for how long `{}` is held",
                            used.resource
                        );
                        let hint = "write `for: 200ms` here, or the `latency` of the resource";
                        self.problems.push_with_hint(here, message, hint);
                    }
                    Some(_) => {}
                }
            }
        }
    }

    fn workers(&mut self) -> Vec<WorkerPlan> {
        let queues: Vec<String> = self
            .scenario
            .queues
            .iter()
            .map(|queue| queue.name.clone())
            .collect();
        let mut workers: Vec<WorkerPlan> = Vec::new();
        for worker in &self.scenario.workers {
            if workers.iter().any(|other| other.name == worker.name) {
                self.problems.push(
                    worker.place("name"),
                    format!("there are two workers `{}`", worker.name),
                );
            }
            for (index, (queue, _)) in worker.queues.iter().enumerate() {
                if !queues.contains(queue) {
                    self.unknown(
                        worker.place_of_item("queues", index),
                        "queue",
                        queue,
                        &queues,
                    );
                }
            }
            let serves = |name: &String| {
                !worker.says("queues") || worker.queues.iter().any(|(queue, _)| queue == name)
            };
            let served = self
                .scenario
                .queues
                .iter()
                .filter(|queue| serves(&queue.name));
            workers.push(WorkerPlan {
                queues: served
                    .map(|queue| (queue.name.clone(), queue.priority))
                    .collect(),
                ..worker.value.clone()
            });
        }
        workers
    }
}
