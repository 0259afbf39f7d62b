//! A plan as a scenario again, with nothing left out.

use crate::form::Spotted;
use crate::lever::On;
use crate::plan::{self, Plan};
use crate::scenario::timeline::Until;
use crate::scenario::truth::{Benign, Incident};
use crate::scenario::world::Seen;
use crate::scenario::{At, Evaluation, Scenario, Scrape, Select, Step, StepWritten};

impl Scenario {
    /// The scenario that means a plan.
    pub(crate) fn of(plan: &Plan) -> Self {
        Self {
            file: String::new(),
            misread: Vec::new(),
            version: (),
            name: plan.name.clone(),
            family: At::nowhere(plan.family.clone()),
            summary: plan.summary.clone(),
            tags: Vec::new(),
            seed: plan.seed,
            starts: plan.starts.clone(),
            duration: At::nowhere(plan.duration_ms),
            warmup: Some(At::nowhere(plan.warmup_ms)),
            queues: plan.queues.clone(),
            resources: plan.resources.clone(),
            workload: plan
                .workload
                .iter()
                .cloned()
                .map(Spotted::nowhere)
                .collect(),
            workers: plan.workers.iter().cloned().map(Spotted::nowhere).collect(),
            world: Seen::of(&plan.world),
            scrape: Scrape {
                interval_ms: plan.scrape_interval_ms,
                timeout_ms: plan.scrape_timeout_ms,
                producer: (plan.producer_metrics != plan.may_have_duplicates())
                    .then_some(plan.producer_metrics),
            },
            evaluation: Evaluation {
                interval_ms: plan.evaluation_interval_ms,
            },
            timeline: {
                let faults = plan.timeline.iter().map(step);
                faults.chain(plan.remedies.iter().map(remedy)).collect()
            },
            incidents: plan
                .incidents
                .iter()
                .map(|written| Spotted::nowhere(incident(plan, written)))
                .collect(),
            benign: plan.benign.iter().map(window).collect(),
            gates: plan.gates.clone(),
        }
    }
}

fn step(step: &plan::Step) -> Step {
    let own = step.until.as_ref().filter(|until| until.by.is_none());
    let until = own.map(|until| Until {
        at: Some(At::nowhere(until.at_ms)),
        remedy: until
            .remedy
            .as_ref()
            .map(|remedy| At::nowhere(remedy.name().to_owned())),
        here: At::nowhere(()).at,
    });
    Step {
        id: Some(At::nowhere(step.id.clone())),
        at: At::nowhere(step.at_ms),
        what: StepWritten::Fault {
            fault: At::nowhere(step.fault.clone()),
            until,
        },
        // Plans of before had names alone.
        select: selected(step.select.as_ref()).or_else(|| match step.fault.kind().on {
            On::Workers => Some(At::nowhere(Select::Names(
                step.targets.iter().cloned().map(At::nowhere).collect(),
            ))),
            _ => None,
        }),
    }
}

fn remedy(step: &plan::RemedyStep) -> Step {
    Step {
        id: Some(At::nowhere(step.id.clone())),
        at: At::nowhere(step.at_ms),
        what: StepWritten::Remedy(At::nowhere(step.remedy.clone())),
        select: selected(step.select.as_ref()),
    }
}

fn selected(select: Option<&plan::Select>) -> Option<At<Select>> {
    Some(At::nowhere(match select? {
        plan::Select::All => Select::All,
        plan::Select::Count(count) => Select::Count(*count),
        plan::Select::Share(share) => Select::Share(*share),
        plan::Select::Role(role) => Select::Role(At::nowhere(role.clone())),
        plan::Select::Names(names) => {
            Select::Names(names.iter().cloned().map(At::nowhere).collect())
        }
    }))
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
