//! What each incident really was, and what it came to.

use crate::alertmanager::Silence;
use crate::jsonl::Record;
use crate::pack::{Role, RulePack};
use crate::record::{Impact, Phase, PlannedIncident};
use crate::score::ScoreParams;
use crate::score::judge::{Class, Judged, Outcome, Truth, outcome};
use crate::score::spans::Spans;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The detection of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detection {
    /// The alert that saw it first.
    pub alert: String,
    /// When that became pending.
    pub pending_ms: i64,
    /// When it fired.
    pub fired_ms: i64,
    /// When somebody was told: what the incident's outcome goes by.
    pub delivered_ms: i64,
}

/// One incident and what it came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentScore {
    /// What really happened.
    pub truth: Truth,
    /// What it came to.
    pub outcome: Outcome,
    /// It was detected, but after its deadline: late, or early where users felt it later than that.
    pub past_deadline: bool,
    /// An expected alert fired, but only after it was over.
    pub seen_after: bool,
    /// A right alert fired while it was on, and was over before it was sent: the first, where nobody was told of any.
    pub unsent: Option<String>,
    /// What kept that one back, where it was not over before.
    pub kept_back: Option<Silence>,
    /// Of whom somebody was told first, if of anybody.
    pub detection: Option<Detection>,
    /// First page of any kind while it was on: the diagnosis people were given.
    pub first_page: Option<String>,
    /// What that page is to its cause.
    pub first_page_role: Option<Role>,
    /// How many tasks were harmed.
    pub harmed_tasks: u64,
    /// Length of the impact, and how much of it passed before anybody was told.
    pub impact_ms: i64,
    /// Part of the impact that passed before anybody was told.
    pub undetected_ms: i64,
    /// End of the last hit minus end of the incident.
    pub reset_ms: Option<i64>,
    /// End of the last hit where that was too soon: the fault went on and so did the harm.
    pub let_go_ms: Option<i64>,
    /// The last hit was still firing when the drill ended: `reset_ms` is the least it can be.
    pub reset_open: bool,
    /// Time while it was on and detected, with no right alert firing.
    pub gap_ms: i64,
}

impl IncidentScore {
    /// Milliseconds from the fault until somebody was told, at most until it was over; all of it where nobody was.
    #[must_use]
    pub fn capped_latency_ms(&self) -> i64 {
        let length_ms = self.truth.end_ms - self.truth.fault_ms;
        self.detection.as_ref().map_or(length_ms, |detection| {
            (detection.delivered_ms - self.truth.fault_ms).min(length_ms)
        })
    }
}

/// How much earlier or later than planned a moment of an incident came. What lies at or after the planned end of the step
/// behind it moves with that end, what lies before it with the step's beginning; an incident without a step has times of
/// its own.
fn moved_ms(record: &Record, planned: &PlannedIncident, planned_ms: i64) -> i64 {
    let mut marks = record.marks().filter(|mark| mark.verified);
    let found = if record.has_steps() {
        let Some(id) = planned.step.as_deref() else {
            return 0;
        };
        let step = record.header.steps.iter().find(|step| step.id == id);
        let ends_ms = step.and_then(|step| step.ends_ms);
        let phase = match ends_ms {
            Some(ends_ms) if planned_ms >= ends_ms => Phase::End,
            _ => Phase::Begin,
        };
        // The end of the drill ends an incident, too, and nothing moves it.
        if ends_ms.is_none() && planned_ms >= record.header.duration_ms {
            return 0;
        }
        marks.find(|mark| mark.step.as_deref() == Some(id) && mark.phase == Some(phase))
    } else {
        // Records before 1.2 have no steps: what was planned for the same time is taken for the incident's.
        marks.find(|mark| mark.planned_ms == planned_ms)
    };
    found.map_or(0, |mark| mark.at_ms.saturating_sub(mark.planned_ms))
}

/// When an incident is over that people have mended; a step's incident may last longer than its fault, and does so then, too.
fn mended_ms(record: &Record, planned: &PlannedIncident) -> Option<i64> {
    let id = planned.step.as_deref()?;
    let mended_ms = record.mended_ms(id)?;
    let step = record.header.steps.iter().find(|step| step.id == id)?;
    let beyond_ms = step.ends_ms.map_or(0, |ends_ms| planned.ends_ms - ends_ms);
    Some(mended_ms.saturating_add(beyond_ms.max(0)))
}

/// Incidents as they really happened: the fault starts when its effect was seen, and ends with the last harmed task.
pub(crate) fn truths(record: &Record, end_ms: i64) -> Vec<Truth> {
    record
        .header
        .incidents
        .iter()
        .map(|planned| {
            let impact = record.impact(planned.id);
            let at =
                |planned_ms: i64| planned_ms.saturating_add(moved_ms(record, planned, planned_ms));
            let fault_ms = at(planned.starts_ms);
            let over_ms = mended_ms(record, planned).map_or(at(planned.ends_ms), |mended_ms| {
                at(planned.ends_ms).min(mended_ms).max(fault_ms)
            });
            let last_ms = impact.and_then(|impact| impact.last_ms).unwrap_or(over_ms);
            let done_ms = first_remedy_ms(record, fault_ms);
            Truth {
                id: planned.id,
                cause: planned.cause.clone(),
                wanted: planned.wanted,
                queues: queues(planned, impact),
                begun_ms: fault_ms.min(planned.starts_ms),
                fault_ms,
                // Tasks in flight when the fault struck are harmed with it, not before it.
                impact_ms: impact
                    .and_then(|impact| impact.first_ms)
                    .map(|first_ms| first_ms.max(fault_ms)),
                fault_over_ms: over_ms,
                remedied_ms: over_ms.min(planned.ends_ms).min(done_ms),
                last_harm_ms: impact.and_then(|impact| impact.last_ms),
                end_ms: over_ms.max(last_ms).min(end_ms.max(fault_ms)),
                deadline_ms: planned
                    .deadline_ms
                    .saturating_add(fault_ms.saturating_sub(planned.starts_ms)),
            }
        })
        .collect()
}

/// When the first remedy of its own was done since a fault began, whatever it was to end: it may be what cleared an alert.
fn first_remedy_ms(record: &Record, since_ms: i64) -> i64 {
    let steps = record.header.steps.iter().filter(|step| step.is_remedy);
    let is_one =
        |id: Option<&String>| id.is_some_and(|id| steps.clone().any(|step| step.id == *id));
    let marks = record.marks().filter(|mark| is_one(mark.step.as_ref()));
    let done = marks.map(|mark| mark.at_ms.min(mark.planned_ms));
    done.filter(|at_ms| *at_ms >= since_ms)
        .min()
        .unwrap_or(i64::MAX)
}

/// Queues that an incident can harm. Of one that can harm any, or of which nothing is known, those that it has harmed; tasks
/// of others that were late meanwhile are not its harm.
fn queues(planned: &PlannedIncident, impact: Option<&Impact>) -> BTreeSet<String> {
    let harmed = impact.map_or(&[][..], |impact| &impact.queues);
    let known = match planned.queues.is_empty() {
        true => harmed,
        false => &planned.queues,
    };
    known.iter().cloned().collect()
}

/// Scores one incident by all judged episodes of its drill, which ended at `end_ms`.
pub(super) fn score(
    record: &Record,
    truth: &Truth,
    judged: &[Judged],
    pack: &RulePack,
    params: &ScoreParams,
    end_ms: i64,
) -> IncidentScore {
    let of = |class: Class| {
        judged
            .iter()
            .filter(move |judged| judged.class == class && judged.is_of(truth.id))
            .map(|judged| &judged.episode)
    };
    let right: Vec<_> = of(Class::Hit).chain(of(Class::Repeat)).collect();
    let detection = right
        .iter()
        .min_by_key(|episode| (episode.delivered_ms, episode.start_ms))
        .map(|episode| Detection {
            alert: episode.alert.clone(),
            pending_ms: episode.pending_ms,
            fired_ms: episode.start_ms,
            delivered_ms: episode.delivered_ms,
        });
    let around = truth.fault_ms..truth.end_ms + params.grace_ms;
    let first_page = judged
        .iter()
        .filter(|judged| {
            judged.page
                && !matches!(
                    judged.class,
                    Class::Ignored | Class::Standing | Class::Unsent
                )
                && around.contains(&judged.episode.start_ms)
        })
        .min_by_key(|judged| (judged.episode.delivered_ms, judged.episode.start_ms));
    // The instance that it told of: the right alert for another queue is not right.
    let role = |page: &Judged| {
        let opening = page.episode.firings.first();
        let is_its_own =
            opening.is_none_or(|firing| truth.is_seen_by(pack, &page.episode.alert, firing));
        match page.detects(truth) {
            true => Role::Expected,
            false if !is_its_own => Role::Other,
            false => opening.map_or(Role::Other, |firing| {
                pack.role_of(&truth.cause, &page.episode.alert, &firing.labels)
            }),
        }
    };
    let first_page_role = first_page.map(role);
    let first_page = first_page.map(|judged| judged.episode.alert.clone());
    let impact_start = truth.impact_ms.unwrap_or(truth.end_ms);
    let impact_ms = (truth.end_ms - impact_start).max(0);
    let undetected_ms = detection.as_ref().map_or(impact_ms, |detection| {
        (detection.delivered_ms - impact_start).clamp(0, impact_ms)
    });
    let last = right.iter().max_by_key(|episode| episode.end_ms);
    let gap_ms = detection.as_ref().map_or(0, |detection| {
        let firing = right
            .iter()
            .map(|episode| (episode.start_ms, episode.end_ms.min(truth.end_ms)));
        (truth.end_ms - detection.fired_ms - Spans::new(firing).total_ms()).max(0)
    });
    let mut unsent = judged.iter();
    let unsent = unsent.find(|judged| detection.is_none() && judged.was_unsent(truth, pack));
    IncidentScore {
        outcome: outcome(truth, judged, pack, record.header.warmup_ms..end_ms),
        past_deadline: detection
            .as_ref()
            .is_some_and(|detection| detection.delivered_ms > truth.deadline_ms),
        seen_after: detection.is_none() && of(Class::Post).next().is_some(),
        unsent: unsent.map(|judged| judged.episode.alert.clone()),
        kept_back: unsent.and_then(|judged| judged.episode.kept_back().cloned()),
        detection,
        first_page_role,
        first_page,
        harmed_tasks: record
            .impact(truth.id)
            .map_or(0, |impact| impact.harmed_tasks),
        impact_ms,
        undetected_ms,
        reset_ms: last.map(|episode| episode.end_ms - truth.end_ms),
        let_go_ms: last
            .filter(|episode| !episode.open)
            .map(|episode| episode.end_ms)
            .filter(|over_ms| truth.goes_on_after(*over_ms)),
        reset_open: last.is_some_and(|episode| episode.open),
        gap_ms,
        truth: truth.clone(),
    }
}
