//! A plan as a scenario again, with nothing left out.

use crate::fault::Fault;
use crate::form::Spotted;
use crate::plan::{self, Plan};
use crate::scenario::fault::Until;
use crate::scenario::truth::{Benign, Incident};
use crate::scenario::{At, Evaluation, Scenario, Scrape, Select, Step};

impl Scenario {
    /// The scenario that means a plan.
    pub(crate) fn of(plan: &Plan) -> Self {
        Self {
            file: String::new(),
            version: (),
            name: plan.name.clone(),
            family: At::nowhere(plan.family.clone()),
            summary: plan.summary.clone(),
            tags: Vec::new(),
            seed: plan.seed,
            starts: plan.starts,
            duration: At::nowhere(plan.duration_ms),
            warmup: Some(At::nowhere(plan.warmup_ms)),
            queues: plan.queues.clone(),
            workload: plan
                .workload
                .iter()
                .cloned()
                .map(Spotted::nowhere)
                .collect(),
            workers: plan.workers.iter().cloned().map(Spotted::nowhere).collect(),
            scrape: Scrape {
                interval_ms: plan.scrape_interval_ms,
                timeout_ms: plan.scrape_timeout_ms,
            },
            evaluation: Evaluation {
                interval_ms: plan.evaluation_interval_ms,
            },
            timeline: plan.timeline.iter().map(step).collect(),
            incidents: plan
                .incidents
                .iter()
                .map(|written| Spotted::nowhere(incident(plan, written)))
                .collect(),
            benign: plan.benign.iter().map(window).collect(),
        }
    }
}

fn step(step: &plan::Step) -> Step {
    let names = || step.targets.iter().cloned().map(At::nowhere).collect();
    let selects = matches!(step.fault, Fault::WorkerKill | Fault::HandlerDeadlock);
    let until = step.until.as_ref().map(|until| Until {
        at: Some(At::nowhere(until.at_ms)),
        remedy: until.remedy.map(At::nowhere),
        here: At::nowhere(()).at,
    });
    Step {
        id: Some(At::nowhere(step.id.clone())),
        at: At::nowhere(step.at_ms),
        fault: At::nowhere(step.fault.clone()),
        select: selects.then(|| At::nowhere(Select::Names(names()))),
        until,
    }
}

fn incident(plan: &Plan, incident: &plan::Incident) -> Incident {
    let step = incident.step.as_deref().and_then(|id| plan.step(id));
    let is_unusual = step.is_some_and(|step| !step.fault.can_be_behind(&incident.cause));
    Incident {
        cause: At::nowhere(incident.cause.clone()),
        of: step.map(|step| At::nowhere(step.id.clone())),
        unusual_cause: is_unusual.then(|| At::nowhere(true)),
        wanted: incident.wanted,
        at: Some(At::nowhere(incident.at_ms)),
        until: Some(At::nowhere(incident.until_ms)),
        within_ms: incident.deadline_ms - incident.at_ms,
    }
}

fn window(window: &plan::Window) -> Benign {
    Benign {
        what: window.what.clone(),
        at: At::nowhere(window.at_ms),
        until: Some(At::nowhere(window.until_ms)),
    }
}

#[cfg(test)]
mod tests;
