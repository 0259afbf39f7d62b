//! The timeline: what each step hits, how it ends, and what it is called.

use crate::fault::Fault;
use crate::plan::{Step, Until, WorkerPlan};
use crate::scenario::resolve::Resolver;
use crate::scenario::{self, At, Select};
use firedrill_detector::yaml::Mark;

impl Resolver<'_> {
    pub(super) fn timeline(&mut self, workers: &[WorkerPlan], duration_ms: i64) -> Vec<Step> {
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
            .map(|task| task.task.clone())
            .collect();
        let ids = self.ids();
        let mut steps = Vec::new();
        for (step, id) in self.scenario.timeline.iter().zip(ids) {
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
            self.places.insert(id.clone(), step.fault.at);
            steps.push(Step {
                id,
                at_ms: step.at.value,
                fault: step.fault.value.clone(),
                targets,
                until,
            });
        }
        steps.sort_by_key(|step| step.at_ms);
        self.in_each_others_way(&steps);
        steps
    }

    /// The steps' names, as written or after their faults: `worker.kill`, `worker.kill-2`, ...
    fn ids(&mut self) -> Vec<String> {
        let timeline = &self.scenario.timeline;
        let mut taken: Vec<(String, Mark)> = Vec::new();
        for id in timeline.iter().filter_map(|step| step.id.as_ref()) {
            let first = taken.iter().find(|(other, _)| *other == id.value);
            if let Some((_, first)) = first {
                let message = format!("id: line {} has a step `{}`, too", first.line, id.value);
                self.problems.push(id.at, message);
            }
            taken.push((id.value.clone(), id.at));
        }
        let mut ids = Vec::new();
        for step in timeline {
            let id = step.id.as_ref().map(|id| id.value.clone());
            let id = id.unwrap_or_else(|| {
                let fault = step.fault.value.name();
                let numbered = (2..).map(|n| format!("{fault}-{n}"));
                let mut names = std::iter::once(fault.to_owned()).chain(numbered);
                let free = names.find(|name| taken.iter().all(|(other, _)| other != name));
                let name = free.unwrap_or_default();
                taken.push((name.clone(), step.fault.at));
                name
            });
            ids.push(id);
        }
        ids
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

    fn until(&mut self, step: &scenario::Step, duration_ms: i64) -> Option<Until> {
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
}
