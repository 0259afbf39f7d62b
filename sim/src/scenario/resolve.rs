//! Scenario to plan: defaults filled, references and times checked, the seed applied.

use crate::fault::Fault;
use crate::plan::{Arrivals, Incident, Plan, QueuePlan, Step, TaskPlan, Until, Window, WorkerPlan};
use crate::rng;
use crate::scenario::{At, Scenario, Select, duration};
use firedrill_detector::yaml::{Mark, Problem, Problems, closest};
use rand::RngExt;

/// Default of `warmup`.
const WARMUP_MS: i64 = 10 * 60 * 1_000;
/// Default of `scrape.interval`, `scrape.timeout`, `evaluation.interval`.
const INTERVAL_MS: i64 = 15_000;
const TIMEOUT_MS: i64 = 10_000;
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
        let mut resolver = Resolver {
            scenario,
            problems: Problems::new(&scenario.file),
        };
        let plan = resolver.plan(options.seed.unwrap_or(scenario.seed));
        if resolver.problems.is_empty() {
            Ok(plan)
        } else {
            Err(resolver.problems.into_vec())
        }
    }
}

struct Resolver<'s> {
    scenario: &'s Scenario,
    problems: Problems,
}

impl Resolver<'_> {
    fn plan(&mut self, seed: u64) -> Plan {
        let scenario = self.scenario;
        let duration_ms = scenario.duration.value;
        if !(1..=DURATION_MAX_MS).contains(&duration_ms) {
            self.problems.push(
                scenario.duration.at,
                "duration: expected more than 0 and at most 30d",
            );
        }
        let queues = scenario.queues.iter().map(|queue| QueuePlan {
            name: queue.name.clone(),
            priority: queue.priority,
            wait_objective_ms: queue.wait_objective_ms,
        });
        let evaluation_interval_ms = scenario.evaluation_interval_ms.unwrap_or(INTERVAL_MS);
        let scrape_interval_ms = scenario.scrape_interval_ms.unwrap_or(INTERVAL_MS);
        let workers = self.workers();
        let timeline = self.timeline(&workers, duration_ms);
        let incidents = self.incidents(&timeline, duration_ms);
        let benign = self.benign(duration_ms);
        Plan {
            name: scenario.name.clone(),
            family: scenario.family.value.clone(),
            summary: scenario.summary.clone(),
            seed,
            duration_ms,
            warmup_ms: self.warmup(&incidents, &benign, duration_ms),
            queues: queues.collect(),
            workload: self.workload(duration_ms),
            workers,
            scrape_interval_ms,
            scrape_timeout_ms: scenario
                .scrape_timeout_ms
                .unwrap_or(TIMEOUT_MS)
                .min(scrape_interval_ms),
            evaluation_interval_ms,
            evaluation_phase_ms: rng::stream(seed, "evaluation/phase")
                .random_range(0..evaluation_interval_ms),
            timeline,
            incidents,
            benign,
        }
    }

    /// Reports a name that is none of those known.
    fn unknown(&mut self, at: Mark, what: &str, name: &str, known: &[String]) {
        let all = format!("accepted: {}", known.join(", "));
        let hint = closest(name, known.iter().map(String::as_str)).map_or(all.clone(), |close| {
            format!("did you mean `{close}`? {all}")
        });
        self.problems
            .push_with_hint(at, format!("there is no {what} `{name}`"), hint);
    }

    fn within(&mut self, what: &str, time: &At<i64>, duration_ms: i64) {
        if time.value > duration_ms {
            let (at, end) = (duration::format(time.value), duration::format(duration_ms));
            self.problems.push(
                time.at,
                format!("{what}: {at} is after the end of the drill ({end})"),
            );
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
            if !queues.contains(&task.queue.value) {
                self.unknown(task.queue.at, "queue", &task.queue.value, &queues);
            }
            let mut arrivals = task.arrivals.value.clone();
            match &mut arrivals {
                Arrivals::Poisson {
                    from_ms, until_ms, ..
                }
                | Arrivals::Constant {
                    from_ms, until_ms, ..
                } => {
                    *until_ms = (*until_ms).min(duration_ms);
                    if from_ms >= until_ms {
                        self.problems.push(
                            task.arrivals.at,
                            "arrivals: `from` is not before `until`, so nothing arrives",
                        );
                    }
                }
                Arrivals::Cron { .. } => {}
                Arrivals::Burst { at_ms, .. } => {
                    self.within(
                        "burst",
                        &At {
                            at: task.arrivals.at,
                            value: *at_ms,
                        },
                        duration_ms,
                    );
                }
            }
            tasks.push(TaskPlan {
                task: task.task.value.clone(),
                queue: task.queue.value.clone(),
                arrivals,
                service: task.service.clone(),
                max_retry: task.max_retry,
                timeout_ms: task.timeout_ms,
                fail_share: task.fail_share,
                fail_as: task.fail_as,
                delay_ms: task.delay_ms,
                deadline_ms: task.deadline_ms,
                retention_ms: task.retention_ms,
                result: task.result.clone(),
            });
        }
        tasks
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
            if workers.iter().any(|other| other.name == worker.name.value) {
                self.problems.push(
                    worker.name.at,
                    format!("there are two workers `{}`", worker.name.value),
                );
            }
            for queue in worker
                .queues
                .iter()
                .flatten()
                .filter(|queue| !queues.contains(&queue.value))
            {
                self.unknown(queue.at, "queue", &queue.value, &queues);
            }
            let serves = |name: &String| {
                worker
                    .queues
                    .as_ref()
                    .is_none_or(|only| only.iter().any(|q| q.value == *name))
            };
            let served = self
                .scenario
                .queues
                .iter()
                .filter(|queue| serves(&queue.name));
            workers.push(WorkerPlan {
                name: worker.name.value.clone(),
                processes: worker.processes,
                concurrency: worker.concurrency,
                queues: served
                    .map(|queue| (queue.name.clone(), queue.priority))
                    .collect(),
                strict_priority: worker.strict_priority,
                shutdown_timeout_ms: worker.shutdown_timeout_ms,
                task_check_interval_ms: worker.task_check_interval_ms,
                retry_delay: worker.retry_delay,
                groups: worker.groups.clone(),
            });
        }
        workers
    }

    fn timeline(&mut self, workers: &[WorkerPlan], duration_ms: i64) -> Vec<Step> {
        let processes: Vec<String> = workers
            .iter()
            .flat_map(|worker| {
                (0..worker.processes)
                    .map(|n| format!("{}-{n}", worker.name))
                    .collect::<Vec<_>>()
            })
            .collect();
        let tasks: Vec<String> = self
            .scenario
            .workload
            .iter()
            .map(|task| task.task.value.clone())
            .collect();
        let mut steps = Vec::new();
        for step in &self.scenario.timeline {
            self.within("at", &step.at, duration_ms);
            if let Fault::HandlerFail { task, .. }
            | Fault::HandlerSlow {
                task: Some(task), ..
            } = &step.fault.value
                && !tasks.contains(task)
            {
                self.unknown(step.fault.at, "task", task, &tasks);
            }
            let targets = step
                .select
                .as_ref()
                .map_or(Vec::new(), |select| self.select(select, &processes));
            if matches!(step.fault.value, Fault::HandlerDeadlock) {
                let alone = workers.iter().any(|worker| {
                    worker.concurrency < 2
                        && targets
                            .iter()
                            .any(|target| target.starts_with(&format!("{}-", worker.name)))
                });
                if alone {
                    self.problems.push(
                        step.fault.at,
                        "handler.deadlock: needs workers of concurrency 2 or more",
                    );
                }
            }
            let until = self.until(step, duration_ms);
            let fault = step.fault.value.name();
            let id = (1..)
                .map(|n| {
                    if n == 1 {
                        fault.to_owned()
                    } else {
                        format!("{fault}-{n}")
                    }
                })
                .find(|id| steps.iter().all(|other: &Step| other.id != *id))
                .unwrap_or_default();
            steps.push(Step {
                id,
                at_ms: step.at.value,
                fault: step.fault.value.clone(),
                targets,
                until,
            });
        }
        self.outages();
        steps.sort_by_key(|step| step.at_ms);
        steps
    }

    /// A Redis that is down cannot be killed, and one that was started is not down.
    fn outages(&mut self) {
        let scenario = self.scenario;
        let mut outages: Vec<(i64, i64, Mark)> = Vec::new();
        for step in &scenario.timeline {
            if !matches!(step.fault.value, Fault::RedisKill { .. }) {
                continue;
            }
            let ends = step.until.as_ref().and_then(|until| until.at.as_ref());
            let ends_ms = ends.map_or(i64::MAX, |at| at.value);
            outages.push((step.at.value, ends_ms, step.fault.at));
        }
        outages.sort_by_key(|(starts_ms, ..)| *starts_ms);
        for pair in outages.windows(2) {
            let [(_, ends_ms, _), (starts_ms, _, at)] = pair else {
                continue;
            };
            if starts_ms < ends_ms {
                let problem = "redis.kill: Redis is still down from the outage before";
                self.problems.push(*at, problem);
            }
        }
    }

    fn select(&mut self, select: &At<Select>, processes: &[String]) -> Vec<String> {
        match &select.value {
            Select::All => processes.to_vec(),
            Select::Count(count) => {
                let count = *count as usize;
                if count > processes.len() {
                    let message = format!(
                        "select: {count} processes, but the scenario has {}",
                        processes.len()
                    );
                    self.problems.push(select.at, message);
                }
                processes.iter().take(count).cloned().collect()
            }
            Select::Names(names) => {
                for name in names.iter().filter(|name| !processes.contains(&name.value)) {
                    self.unknown(name.at, "worker process", &name.value, processes);
                }
                for (index, name) in names.iter().enumerate() {
                    if names[..index]
                        .iter()
                        .any(|before| before.value == name.value)
                    {
                        let message = format!("select: `{}` is named twice", name.value);
                        self.problems.push(name.at, message);
                    }
                }
                names.iter().map(|name| name.value.clone()).collect()
            }
        }
    }

    fn until(&mut self, step: &super::Step, duration_ms: i64) -> Option<Until> {
        let needs = step.fault.value.ended_by();
        let name = step.fault.value.name();
        let until = step.until.as_ref()?;
        let at = until.at.as_ref()?;
        self.within("until", at, duration_ms);
        if at.value <= step.at.value {
            self.problems
                .push(at.at, format!("{name}: ends at or before its start"));
        }
        match (&until.remedy, needs) {
            (Some(remedy), _) if needs != Some(remedy.value) => {
                let accepted = needs.map_or(
                    "it ends by itself, leave `remedy` out".to_owned(),
                    |remedy| format!("accepted: {}", remedy.name()),
                );
                self.problems.push_with_hint(
                    remedy.at,
                    format!("{} does not end {name}", remedy.value.name()),
                    accepted,
                );
            }
            (None, Some(remedy)) => {
                let hint = format!(
                    "write `until: {{ at: ..., remedy: {} }}`, or `until: end`",
                    remedy.name()
                );
                self.problems.push_with_hint(
                    until.here,
                    format!("{name} does not end by itself"),
                    hint,
                );
            }
            _ => {}
        }
        Some(Until {
            at_ms: at.value,
            remedy: until.remedy.as_ref().map(|remedy| remedy.value),
        })
    }

    fn incidents(&mut self, timeline: &[Step], duration_ms: i64) -> Vec<Incident> {
        let mut incidents = Vec::new();
        for incident in &self.scenario.incidents {
            for time in [&incident.at, &incident.until].into_iter().flatten() {
                self.within("incident", time, duration_ms);
            }
            let first = timeline.first();
            let Some(at_ms) = incident
                .at
                .as_ref()
                .map(|at| at.value)
                .or(first.map(|step| step.at_ms))
            else {
                self.problems.push(
                    incident.here,
                    "incident: `at` is needed, the timeline is empty",
                );
                continue;
            };
            let end = first
                .and_then(|step| step.until.as_ref())
                .map_or(duration_ms, |until| until.at_ms);
            let until_ms = incident.until.as_ref().map_or(end, |until| until.value);
            if until_ms <= at_ms {
                self.problems
                    .push(incident.here, "incident: ends at or before its start");
            }
            incidents.push(Incident {
                cause: incident.cause.clone(),
                wanted: incident.wanted,
                at_ms,
                until_ms,
                deadline_ms: at_ms + incident.within_ms,
            });
        }
        if incidents.is_empty() && self.scenario.family.value != "benign" {
            let hint = "write `incidents: [{ cause: ..., wanted: page, within: 3m }]`";
            self.problems.push_with_hint(
                self.scenario.family.at,
                "a family other than benign needs an incident",
                hint,
            );
        }
        incidents
    }

    fn benign(&mut self, duration_ms: i64) -> Vec<Window> {
        let mut windows = Vec::new();
        for window in &self.scenario.benign {
            self.within("benign", &window.at, duration_ms);
            let until_ms = window
                .until
                .as_ref()
                .map_or(duration_ms, |until| until.value);
            if until_ms <= window.at.value {
                self.problems
                    .push(window.at.at, "benign window: ends at or before its start");
            }
            windows.push(Window {
                what: window.what.clone(),
                at_ms: window.at.value,
                until_ms,
            });
        }
        if windows.is_empty() && self.scenario.family.value == "benign" {
            windows.push(Window {
                what: self.scenario.summary.clone(),
                at_ms: 0,
                until_ms: duration_ms,
            });
        }
        windows
    }

    /// The warm-up must be over before anything is to be judged.
    fn warmup(&mut self, incidents: &[Incident], benign: &[Window], duration_ms: i64) -> i64 {
        let starts = incidents.iter().map(|incident| incident.at_ms);
        let first = starts
            .chain(
                benign
                    .iter()
                    .map(|window| window.at_ms)
                    .filter(|at_ms| *at_ms > 0),
            )
            .min();
        let first = first.unwrap_or(duration_ms);
        match &self.scenario.warmup {
            Some(warmup) if warmup.value > first => {
                let first = duration::format(first);
                self.problems.push(
                    warmup.at,
                    format!("warmup: lasts beyond the first incident or window (at {first})"),
                );
                warmup.value
            }
            Some(warmup) => warmup.value,
            None => WARMUP_MS.min(first),
        }
    }
}
