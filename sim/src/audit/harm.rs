//! What users felt: whose harm is whose incident's, and who waited all along.

use crate::fault;
use crate::lever::Lever;
use crate::plan::{Incident, Plan, Step};
use firedrill_asynq::clock::Time;
use firedrill_reports::record::{Impact, QueueWaits};
use std::collections::BTreeSet;

/// A span of virtual time in which one task was harmed; a moment is a span of length 0.
pub(super) type Span = (Time, Time);

/// The harm of all incidents.
#[derive(Debug)]
pub(super) struct Harm {
    origin: Time,
    /// Of each incident, by queues in their order in the plan: from its start to the start of the next that can harm the
    /// queue, or of a step that no incident is about after its own end, or the end of the drill. None of a queue that it
    /// cannot harm.
    windows: Vec<Vec<Option<Span>>>,
    impacts: Vec<Impact>,
    /// Of each incident: places of the harmed tasks' queues.
    queues: Vec<BTreeSet<usize>>,
    /// Incidents that need somebody whom they can harm, each with the time it is on, while nobody has been there.
    unmet: Vec<(usize, Span)>,
}

impl Harm {
    pub(super) fn new(plan: &Plan, origin: Time, end: Time) -> Self {
        let incidents = &plan.incidents;
        let is_of_none = |step: &&Step| {
            !incidents.iter().any(|incident| match &incident.step {
                Some(id) => *id == step.id,
                None => (incident.at_ms..incident.until_ms).contains(&step.at_ms),
            })
        };
        let can_harm = |reach: &[String], queue: &str| {
            reach.is_empty() || reach.iter().any(|reached| reached == queue)
        };
        let reaching: Vec<(&Incident, Vec<String>)> = incidents
            .iter()
            .map(|incident| (incident, plan.queues_within_reach(incident)))
            .collect();
        let strays: Vec<(i64, Vec<String>)> = plan
            .timeline
            .iter()
            .filter(is_of_none)
            .map(|step| (step.at_ms, plan.queues_reached_by(step)))
            .collect();
        let window = |(incident, reach): &(&Incident, Vec<String>), queue: &str| {
            let others = reaching.iter().filter(|(_, reach)| can_harm(reach, queue));
            let next = others.map(|(other, _)| other.at_ms);
            let next = next.filter(|other_ms| *other_ms > incident.at_ms);
            // What such a step harms is not the incident's, which is over.
            let after = strays.iter().filter(|(_, reach)| can_harm(reach, queue));
            let after = after.map(|(step_ms, _)| *step_ms);
            let after = after.filter(|step_ms| *step_ms >= incident.until_ms);
            let stops = next.chain(after).min();
            let stops = stops.map_or(end, |next_ms| origin.plus_millis(next_ms));
            can_harm(reach, queue).then(|| (origin.plus_millis(incident.at_ms), stops))
        };
        let windows = reaching.iter().map(|of| {
            let queues = plan.queues.iter().map(|queue| queue.name.as_str());
            queues.map(|queue| window(of, queue)).collect()
        });
        let untouched = (0..).zip(incidents).map(|(incident, _)| Impact {
            incident,
            first_ms: None,
            last_ms: None,
            harmed_tasks: 0,
            queues: Vec::new(),
            unmet: false,
        });
        let needs_users = incidents.iter().enumerate();
        let needs_users = needs_users.filter(|(_, incident)| needs_users_of(plan, incident));
        let at = |ms: i64| origin.plus_millis(ms);
        let unmet = needs_users.map(|(index, incident)| {
            let span = (at(incident.at_ms), at(incident.until_ms));
            (index, span)
        });
        Self {
            unmet: unmet.collect(),
            origin,
            windows: windows.collect(),
            impacts: untouched.collect(),
            queues: vec![BTreeSet::new(); incidents.len()],
        }
    }

    /// Counts one task's harm into every incident that can be behind it and that it falls into; `queue`: the place of its
    /// queue.
    pub(super) fn add(&mut self, queue: usize, spans: impl Iterator<Item = Span> + Clone) {
        let incidents = self.windows.iter().zip(&mut self.impacts);
        for ((windows, impact), queues) in incidents.zip(&mut self.queues) {
            let Some(Some((starts, stops))) = windows.get(queue) else {
                continue;
            };
            let hits = spans
                .clone()
                .filter(|(from, to)| to >= starts && from < stops)
                .map(|(from, to)| (from.max(*starts), to.min(*stops)));
            let span = hits.reduce(|(first, last), (from, to)| (first.min(from), last.max(to)));
            let Some((first, last)) = span else {
                continue;
            };
            let since = |at: Time| at.millis() - self.origin.millis();
            let (first, last) = (since(first), since(last));
            impact.harmed_tasks += 1;
            queues.insert(queue);
            impact.first_ms = Some(impact.first_ms.map_or(first, |known| known.min(first)));
            impact.last_ms = Some(impact.last_ms.map_or(last, |known| known.max(last)));
        }
    }

    /// Whether an incident waits for somebody whom it can harm.
    pub(super) fn is_unmet(&self) -> bool {
        !self.unmet.is_empty()
    }

    /// A task was there for so long; `queue`: the place of its queue.
    pub(super) fn meets(&mut self, queue: usize, (from, to): Span) {
        let windows = &self.windows;
        self.unmet.retain(|(incident, (starts, stops))| {
            let of_queue = windows
                .get(*incident)
                .and_then(|of| of.get(queue)?.as_ref());
            of_queue.is_none() || to < *starts || from > *stops
        });
    }

    /// What each incident came to.
    pub(super) fn finish(mut self, waits: &[QueueWaits]) -> Vec<Impact> {
        for (impact, queues) in self.impacts.iter_mut().zip(&self.queues) {
            let names = queues.iter().map(|place| waits[*place].queue.clone());
            impact.queues = names.collect();
        }
        for (incident, _) in &self.unmet {
            if let Some(impact) = self.impacts.get_mut(*incident) {
                impact.unmet = impact.harmed_tasks == 0;
            }
        }
        self.impacts
    }
}

/// Whether an incident is one only if somebody comes: it is not about nothing coming, or about who looks.
fn needs_users_of(plan: &Plan, incident: &Incident) -> bool {
    let is_of_others = |step: &Step| {
        let is_load = matches!(step.fault.begin(), Lever::Load(_));
        is_load || step.fault.harm() == fault::Harm::Nothing
    };
    let is_meanwhile = |step: &Step| {
        let ends_ms = step.until.as_ref().map_or(i64::MAX, |until| until.at_ms);
        step.at_ms <= incident.until_ms && ends_ms >= incident.at_ms
    };
    let mut steps = plan.timeline.iter();
    match &incident.step {
        Some(id) => plan.step(id).is_none_or(|step| !is_of_others(step)),
        None => !steps.any(|step| is_meanwhile(step) && is_of_others(step)),
    }
}

/// How many tasks came to a queue, and how many of them waited beyond its objective: all, and those that should have been
/// started before the first incident.
#[derive(Debug, Clone, Default)]
pub(super) struct Users {
    pub(super) came: u64,
    pub(super) late: u64,
    pub(super) came_before: u64,
    pub(super) late_before: u64,
}

impl Users {
    /// Whether they wait although nothing is wrong by plan.
    pub(super) fn wait_all_along(&self, has_incidents: bool) -> bool {
        match has_incidents {
            true => self.came_before > 0 && self.late_before == self.came_before,
            false => self.late * 2 > self.came,
        }
    }
}

/// A wait nobody reaches: of a task whose queue has no objective.
pub(super) const NO_OBJECTIVE_MS: i64 = i64::MAX / 4_000_000;
