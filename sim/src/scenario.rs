//! A scenario as written: strict YAML, every problem with its place, all at once.

mod gates;
mod print;
mod resolve;
pub mod schema;
mod text;
mod timeline;
mod truth;
mod world;

use crate::fault::{self, Fault};
use crate::form::{Form, Spotted};
use crate::form::{by_name, duration, form, list, name, one_of, only, parsed, placed, positive};
use crate::form::{spotted, text, truth, whole, within};
use crate::plan::{Part, Plan, QueuePlan, ResourcePlan, Start, TaskPlan, WorkerPlan};
use crate::remedy::Remedy;
use firedrill_detector::yaml::{Node, Position, Problem, Problems, Value, parse};
use firedrill_reports::gate::Gate;
use gates::gates;
use timeline::{StepShape, Until};

pub use crate::form::At;
pub use resolve::PlanOptions;
pub use timeline::Select;
use truth::{Benign, Incident};
use world::{Seen, seen};

/// The only version there is.
const VERSION: &str = "firedrill/v1";

/// Causes of the runbook's table, and the two that are in none.
pub const FAMILIES: [&str; 8] = [
    "worker-crashed",
    "redis-down",
    "slow-jobs",
    "retry-storm",
    "resource-exhaustion",
    "deadlock",
    "other",
    "benign",
];

form! {
    /// A scenario file. What was left out is as [`crate::plan::Plan::resolve`] fills it in, or says how to.
    #[derive(Debug, Clone)]
    pub struct Scenario: "scenario" [block] {
        /// Where it was read from.
        file: String = text(), outside String::new();
        /// Its keys below which something is wrong with the form, so that what is there may not be all that was written.
        misread: Vec<String> = list("key", text()), outside Vec::new();
        /// The format.
        version: () = only(VERSION), required;
        /// What it is called.
        name: String = name(), required;
        /// Its cause, or `benign`.
        family: At<String> = placed(one_of(&FAMILIES)), required;
        /// One sentence for people.
        summary: String = text(), required;
        /// More words to choose it by: `@TAG` means scenarios of that family, with an incident of that cause, or with that tag.
        tags: Vec<String> = list("tag", name()), if_any;
        /// What all that is random is drawn from.
        seed: u64 = whole(), default 1;
        /// The time of day it starts at: `09:00` (of a Thursday) or `Mon 09:00`, in UTC, or `Mon 09:00 Europe/Berlin` (as in winter).
        starts: Start = parsed::<Start>("time of the week"), default Start::default();
        /// How long it lasts, at most `30d`.
        duration: At<i64> = placed(duration()), required;
        /// Episodes that begin earlier are not scored; `10m` where it is left out, or up to the first incident.
        warmup: Option<At<i64>> = placed(duration()), optional;
        /// The queues, by name.
        queues: Vec<QueuePlan> = by_name::<QueuePlan>(), required;
        /// What handlers share, by name: pools of connections, and services that they call.
        resources: Vec<ResourcePlan> = by_name::<ResourcePlan>(), if_any;
        /// What is enqueued.
        workload: Vec<Spotted<TaskPlan>> = list("workload entry", spotted::<TaskPlan>()), required;
        /// Who works.
        workers: Vec<Spotted<WorkerPlan>> = list("worker", spotted::<WorkerPlan>()), required;
        /// What Prometheus sees of all this: a world inside the binary (`firedrill metrics` lists them), a file beside the scenario,
        /// or all of a world.
        world: Seen = seen(), quiet Seen::default();
        /// How Prometheus scrapes.
        scrape: Scrape = within::<Scrape>(), default Scrape::default();
        /// How Prometheus evaluates rules.
        evaluation: Evaluation = within::<Evaluation>(), default Evaluation::default();
        /// What breaks, and when it is mended.
        timeline: Vec<Step> = list("timeline entry", StepShape), if_any;
        /// What an alert is wanted for.
        incidents: Vec<Spotted<Incident>> = list("incident", spotted::<Incident>()), if_any;
        /// Windows in which every page is a false alarm.
        benign: Vec<Benign> = list("benign window", within::<Benign>()), if_any;
        /// What its drills must come to, beyond what every drill must: `firedrill help gates` says how that is written.
        gates: Vec<Gate> = gates(), if_any;
    }
}

/// Default of the intervals.
pub const INTERVAL_MS: i64 = 15_000;
/// Default of `scrape.timeout`.
const TIMEOUT_MS: i64 = 10_000;

form! {
    /// How Prometheus scrapes.
    #[derive(Debug, Clone)]
    struct Scrape: "scrape" {
        /// How often.
        interval_ms as "interval": i64 = positive(), default INTERVAL_MS;
        /// How long a scrape may take, at most the interval.
        timeout_ms as "timeout": i64 = positive(), default TIMEOUT_MS;
        /// Whether the producer is a target, too, which counts what it enqueues in `job_enqueued_total`; where it is left out,
        /// if tasks have `task_id` or `unique`.
        producer: Option<bool> = truth(), optional;
    }
}

impl Default for Scrape {
    fn default() -> Self {
        Self {
            interval_ms: INTERVAL_MS,
            timeout_ms: TIMEOUT_MS,
            producer: None,
        }
    }
}

form! {
    /// How Prometheus evaluates rules.
    #[derive(Debug, Clone)]
    struct Evaluation: "evaluation" {
        /// How often, where a rule group does not say.
        interval_ms as "interval": i64 = positive(), default INTERVAL_MS;
    }
}

impl Default for Evaluation {
    fn default() -> Self {
        Self {
            interval_ms: INTERVAL_MS,
        }
    }
}

#[derive(Debug, Clone)]
struct Step {
    /// As named; `None`: after its fault or remedy.
    id: Option<At<String>>,
    at: At<i64>,
    what: StepWritten,
    select: Option<At<Select>>,
}

/// What a step is.
#[derive(Debug, Clone)]
enum StepWritten {
    Fault {
        fault: At<Fault>,
        until: Option<Until>,
    },
    Remedy(At<Remedy>),
}

impl Step {
    /// Its fault's or remedy's name.
    fn name(&self) -> &'static str {
        match &self.what {
            StepWritten::Fault { fault, .. } => fault.value.name(),
            StepWritten::Remedy(remedy) => remedy.value.name(),
        }
    }

    /// Why the model cannot have it; empty: it can.
    fn live_only(&self) -> &'static str {
        match &self.what {
            StepWritten::Fault { fault, .. } => fault.value.kind().live_only,
            StepWritten::Remedy(remedy) => remedy.value.kind().live_only,
        }
    }

    /// Where its fault or remedy was written.
    fn place(&self) -> Position {
        match &self.what {
            StepWritten::Fault { fault, .. } => fault.at,
            StepWritten::Remedy(remedy) => remedy.at,
        }
    }
}

impl Scenario {
    /// What is allowed in it and may not be meant, each with file and line; `plan`: what it became.
    #[must_use]
    pub fn notes(&self, plan: &Plan) -> Vec<String> {
        let mut notes = Vec::new();
        for step in &self.timeline {
            let StepWritten::Remedy(remedy) = &step.what else {
                continue;
            };
            let name = remedy.value.name();
            let ends_some = |kind: &fault::Kind| kind.remedies.contains(&name);
            if let Some((_, _, to)) = remedy.value.moves()
                && !plan
                    .workers
                    .iter()
                    .any(|worker| worker.serves().any(|queue| queue == to))
            {
                notes.push(format!(
                    "{}:{}: {name}: no worker serves queue `{to}`, so what is moved there stays there",
                    self.file, remedy.at.line
                ));
            }
            let mut planned = plan.remedies.iter();
            let planned = planned
                .find(|planned| planned.at_ms == step.at.value && planned.remedy == remedy.value);
            if fault::KINDS.iter().any(ends_some)
                && planned.is_some_and(|planned| plan.ended_by(planned).next().is_none())
            {
                notes.push(format!(
                    "{}:{}: {name} ends nothing: no fault that it could end is on then",
                    self.file, remedy.at.line
                ));
            }
        }
        notes
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file, or the built-in, that it was read from.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Where a part of the plan that it became was written: the fault or remedy of a step, or the beginning of an entry.
    #[must_use]
    pub fn place(&self, plan: &Plan, part: &Part) -> Option<Position> {
        match part {
            Part::Task(task) => {
                let mut entries = self.workload.iter();
                let entry = entries.find(|entry| entry.value.task == *task);
                entry.map(Spotted::here)
            }
            Part::Worker(name) => {
                let mut workers = self.workers.iter();
                let worker = workers.find(|worker| worker.value.name == *name);
                worker.map(Spotted::here)
            }
            Part::Step(id) => {
                let fault = plan.timeline.iter().find(|step| step.id == *id);
                let fault = fault.map(|step| (step.at_ms, step.fault.name()));
                let remedy = plan.remedies.iter().find(|step| step.id == *id);
                let planned = fault.or(remedy.map(|step| (step.at_ms, step.remedy.name())));
                let mut steps = self.timeline.iter();
                let is_named =
                    |step: &Step| step.id.as_ref().is_some_and(|named| named.value == *id);
                let named = steps.clone().find(|step| is_named(step));
                let step = named
                    .or_else(|| steps.find(|step| Some((step.at.value, step.name())) == planned));
                step.map(Step::place)
            }
        }
    }

    /// Its cause, or `benign`.
    #[must_use]
    pub fn family(&self) -> &str {
        &self.family.value
    }

    /// Causes of its incidents, in order.
    pub fn causes(&self) -> impl Iterator<Item = &str> {
        self.incidents
            .iter()
            .map(|incident| incident.cause.value.as_str())
    }

    /// What it can be chosen by: its family, the causes of its incidents, and the tags it names. Each once.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        let all = std::iter::once(self.family())
            .chain(self.causes())
            .chain(self.tags.iter().map(String::as_str));
        let mut tags: Vec<String> = Vec::new();
        for tag in all {
            if !tags.iter().any(|known| known == tag) {
                tags.push(tag.to_owned());
            }
        }
        tags
    }

    /// Whether it can be chosen by this tag.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags().iter().any(|known| known == tag)
    }

    /// What of it the virtual engine does not have, each with its reason; nothing: it can run there.
    #[must_use]
    pub fn live_only(&self) -> Vec<Problem> {
        let mut found = Problems::new(&self.file);
        for step in &self.timeline {
            if !step.live_only().is_empty() {
                let message = format!("{}: live only: {}", step.name(), step.live_only());
                found.push_with_hint(step.place(), message, "accepted: `--engine live`");
            }
        }
        found.into_vec()
    }

    /// Reads a scenario file.
    ///
    /// # Errors
    /// With all problems of its form, and what does not fit together beside them, where the form is good enough to see that. Of a
    /// form without problems that is found by [`crate::plan::Plan::resolve`].
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::new(file);
        let Some(node) = parse(text, &mut problems) else {
            return Err(problems.into_vec());
        };
        match Self::read(&node, &mut problems) {
            None => Err(problems.into_vec()),
            Some(scenario) => {
                let is_whole = problems.is_empty();
                let mut all = problems.into_vec();
                let scenario = Self {
                    file: file.to_owned(),
                    misread: misread(&node, &all),
                    ..scenario
                };
                if is_whole {
                    return Ok(scenario);
                }
                let misfits = Plan::resolve(&scenario, &PlanOptions::default()).err();
                all.extend(misfits.into_iter().flatten());
                all.sort_by_key(|problem| (problem.line, problem.column));
                Err(all)
            }
        }
    }
}

/// The keys of a file that have one of these problems below them.
fn misread(node: &Node, problems: &[Problem]) -> Vec<String> {
    let Value::Mapping(entries) = &node.value else {
        return Vec::new();
    };
    let of = |problem: &Problem| {
        let place = (problem.line, problem.column);
        let mut before = entries.iter().rev();
        let (key, _) = before.find(|(key, _)| (key.at.line, key.at.column) <= place)?;
        match &key.value {
            Value::Scalar { text, .. } => Some(text.clone()),
            _ => None,
        }
    };
    problems.iter().filter_map(of).collect()
}

#[cfg(test)]
pub(crate) mod tests;
