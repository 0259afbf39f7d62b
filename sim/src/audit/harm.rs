//! What users felt: whose harm is whose incident's, and who waited all along.

use crate::fault;
use crate::lever::Lever;
use crate::plan::{Incident, Plan, Step};
use firedrill_asynq::clock::Time;
use firedrill_reports::record::{Impact, QueueWaits};
use std::collections::{BTreeMap, BTreeSet};

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
    /// The same of incidents that may have Redis refuse what is enqueued, as if there were no others.
    refusing: Vec<Vec<Option<Span>>>,
    /// Remedies of their own, in order of time: what they do when an incident is over is not its harm.
    remedies: Vec<(Time, String)>,
    found: Vec<Found>,
    /// Incidents that need somebody whom they can harm, each with the time it is on, while nobody has been there.
    unmet: Vec<(usize, Span)>,
}

/// The harm of an incident.
#[derive(Debug)]
struct Found {
    incident: u32,
    /// When it is over by plan.
    over: Time,
    /// Until when it harms those who wait since then, at the latest.
    reaches: Time,
    /// By how many of the remedies that came after that had been done when a task's harm began.
    parts: BTreeMap<usize, Part>,
    unmet: bool,
}

/// What was harmed between two remedies, or before the first.
#[derive(Debug)]
struct Part {
    first: Time,
    last: Time,
    tasks: u64,
    /// Places of the harmed tasks' queues.
    queues: BTreeSet<usize>,
}

/// Tasks harmed after a remedy when no incident was on any more.
#[derive(Debug)]
pub(super) struct Later {
    pub(super) remedy: String,
    pub(super) tasks: u64,
    pub(super) last_ms: i64,
}

/// When nobody was harmed for so long after an incident, what a remedy does then is no harm of the incident's.
const QUIET_MS: i64 = 300_000;

impl Found {
    /// Parts that are the incident's, and those that are not: they began with a remedy, when nobody had been harmed for a while.
    fn parted(self, remedies: &[(Time, String)]) -> (Vec<Part>, Vec<(String, Part)>) {
        let later: Vec<_> = remedies.iter().filter(|(at, _)| *at >= self.over).collect();
        let (mut own, mut others): (Vec<Part>, Vec<(String, Part)>) = Default::default();
        // Whose harm goes on, if it is not the incident's.
        let mut whose: Option<(String, Time)> = None;
        for (number, part) in self.parts {
            let by = number.checked_sub(1).and_then(|number| later.get(number));
            let last = own.iter().map(|part| part.last).max();
            let quiet = last.map_or(self.reaches, |last| last.max(self.reaches));
            match by {
                Some((at, id)) if quiet.plus_millis(QUIET_MS) < *at => {
                    let goes_on = whose.filter(|(_, last)| last.plus_millis(QUIET_MS) >= *at);
                    let (id, last) = goes_on.unwrap_or((id.clone(), part.last));
                    whose = Some((id.clone(), last.max(part.last)));
                    others.push((id, part));
                }
                _ => own.push(part),
            }
        }
        (own, others)
    }
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
        let window = |(incident, reach): &(&Incident, Vec<String>), queue: &str, refusing: bool| {
            let others = reaching.iter().filter(|(_, reach)| can_harm(reach, queue));
            let others = others.filter(|(other, _)| !refusing || may_refuse(plan, other));
            let next = others.map(|(other, _)| other.at_ms);
            let next = next.filter(|other_ms| *other_ms > incident.at_ms);
            // What such a step harms is not the incident's, which is over.
            let after = strays.iter().filter(|(_, reach)| can_harm(reach, queue));
            let after = after.map(|(step_ms, _)| *step_ms);
            let after = after.filter(|step_ms| *step_ms >= incident.until_ms);
            let stops = next.chain(after).min();
            let stops = stops.map_or(end, |next_ms| origin.plus_millis(next_ms));
            let is_meant = can_harm(reach, queue) && (!refusing || may_refuse(plan, incident));
            is_meant.then(|| (origin.plus_millis(incident.at_ms), stops))
        };
        let windows = |refusing: bool| {
            let of_incident = |of| {
                let queues = plan.queues.iter().map(|queue| queue.name.as_str());
                queues.map(|queue| window(of, queue, refusing)).collect()
            };
            reaching.iter().map(of_incident).collect()
        };
        let objectives = plan.queues.iter().map(|queue| queue.wait_objective_ms);
        let objectives = objectives.filter(|ms| *ms < NO_OBJECTIVE_MS);
        let objective_ms = objectives.max().unwrap_or(0);
        let untouched = (0..).zip(incidents).map(|(number, incident)| Found {
            incident: number,
            over: origin.plus_millis(incident.until_ms),
            reaches: origin.plus_millis(incident.until_ms.saturating_add(objective_ms)),
            parts: BTreeMap::new(),
            unmet: false,
        });
        let mut remedies: Vec<(Time, String)> = plan
            .remedies
            .iter()
            .map(|step| (origin.plus_millis(step.at_ms), step.id.clone()))
            .collect();
        remedies.sort();
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
            windows: windows(false),
            refusing: windows(true),
            remedies,
            found: untouched.collect(),
        }
    }

    /// Counts one task's harm into every incident that can be behind it and that it falls into; `queue`: the place of its
    /// queue.
    pub(super) fn add(&mut self, queue: usize, spans: impl Iterator<Item = Span> + Clone) {
        self.add_within(false, queue, spans);
    }

    /// Counts a task that Redis refused then: of incidents that may be behind that, where one was on.
    pub(super) fn refused(&mut self, queue: usize, at: Time) {
        let mut windows = self
            .refusing
            .iter()
            .filter_map(|of| of.get(queue)?.as_ref());
        let refusing = windows.any(|(starts, stops)| (*starts..*stops).contains(&at));
        self.add_within(refusing, queue, [(at, at)].into_iter());
    }

    fn add_within(
        &mut self,
        refusing: bool,
        queue: usize,
        spans: impl Iterator<Item = Span> + Clone,
    ) {
        let windows = match refusing {
            true => &self.refusing,
            false => &self.windows,
        };
        for (windows, found) in windows.iter().zip(&mut self.found) {
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
            let done = self.remedies.partition_point(|(at, _)| *at <= first);
            let before = self.remedies.partition_point(|(at, _)| *at < found.over);
            let part = found.parts.entry(done.saturating_sub(before));
            let part = part.or_insert_with(|| Part {
                first,
                last,
                tasks: 0,
                queues: BTreeSet::new(),
            });
            part.tasks += 1;
            part.queues.insert(queue);
            part.first = part.first.min(first);
            part.last = part.last.max(last);
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

    /// What each incident came to, and what was harmed after remedies when none was on.
    pub(super) fn finish(mut self, waits: &[QueueWaits]) -> (Vec<Impact>, Vec<Later>) {
        for (incident, _) in &self.unmet {
            if let Some(found) = self.found.get_mut(*incident) {
                found.unmet = true;
            }
        }
        let since = |at: Time| at.millis() - self.origin.millis();
        let mut later: BTreeMap<String, Later> = BTreeMap::new();
        let mut impacts = Vec::new();
        for found in self.found {
            let (incident, unmet) = (found.incident, found.unmet);
            let (own, others) = found.parted(&self.remedies);
            let queues: BTreeSet<usize> =
                own.iter().flat_map(|part| &part.queues).copied().collect();
            impacts.push(Impact {
                incident,
                first_ms: own.iter().map(|part| since(part.first)).min(),
                last_ms: own.iter().map(|part| since(part.last)).max(),
                harmed_tasks: own.iter().map(|part| part.tasks).sum(),
                queues: queues
                    .iter()
                    .map(|place| waits[*place].queue.clone())
                    .collect(),
                unmet: unmet && own.is_empty(),
            });
            let mut of_this: BTreeMap<String, Later> = BTreeMap::new();
            for (remedy, part) in others {
                let known = of_this.entry(remedy.clone()).or_insert(Later {
                    remedy,
                    tasks: 0,
                    last_ms: 0,
                });
                known.tasks += part.tasks;
                known.last_ms = known.last_ms.max(since(part.last));
            }
            // Of incidents that were over by then each tells the same.
            for (remedy, found) in of_this {
                let known = later.entry(remedy).or_insert_with(|| Later {
                    remedy: found.remedy,
                    tasks: 0,
                    last_ms: 0,
                });
                known.tasks = known.tasks.max(found.tasks);
                known.last_ms = known.last_ms.max(found.last_ms);
            }
        }
        (impacts, later.into_values().collect())
    }
}

/// Whether Redis may refuse what is enqueued because of an incident.
fn may_refuse(plan: &Plan, incident: &Incident) -> bool {
    let id = incident.step.as_ref();
    let step = id.and_then(|id| plan.timeline.iter().find(|step| step.id == *id));
    step.is_some_and(|step| step.fault.may_reject())
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
