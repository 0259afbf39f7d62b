//! Classifies episodes against ground truth: which incident each one saw, and what each incident came to.

use crate::pack::{Role, RulePack};
use crate::record::{BenignWindow, Wanted};
use crate::score::ScoreParams;
use crate::score::episode::Episode;

/// Ground truth of one incident, as measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// Number in the plan.
    pub id: u32,
    /// Cause.
    pub cause: String,
    /// Which class of alert it deserves.
    pub wanted: Wanted,
    /// Fault start.
    pub fault_ms: i64,
    /// First harmed task.
    pub impact_ms: Option<i64>,
    /// End of the fault itself: the remedy was applied, or its time was up.
    pub fault_over_ms: i64,
    /// Last harmed task.
    pub last_harm_ms: Option<i64>,
    /// End of the fault or of its impact, whichever is later.
    pub end_ms: i64,
    /// Latest good detection: somebody must have been told by then.
    pub deadline_ms: i64,
}

/// What an episode was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Began in the warm-up.
    Ignored,
    /// An expected alert while the incident was on.
    Hit,
    /// Another hit of an alert that had hit this incident before.
    Repeat,
    /// An expected alert after the incident, within the grace.
    Post,
    /// A fair symptom.
    Related,
    /// An alert for something else.
    Misattributed,
    /// In a window that must stay silent.
    BenignFalse,
    /// Out of the blue.
    False,
}

/// A judged episode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The episode.
    pub episode: Episode,
    /// Whether its severity counts as a page.
    pub page: bool,
    /// What it was.
    pub class: Class,
    /// The incident it belongs to.
    pub incident: Option<u32>,
}

/// What an incident came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Somebody was told before any task was harmed.
    Early,
    /// Somebody was told by the deadline.
    OnTime,
    /// A right alert fired while it was on, and somebody was told of it after the deadline.
    Late,
    /// Not detected.
    Missed,
    /// A right alert was firing already when it began: that says nothing.
    Masked,
    /// The drill ended, or began, too soon to tell.
    Censored,
}

/// Classifies every episode: the first rule that applies.
#[must_use]
pub fn classify(
    episodes: Vec<Episode>,
    truths: &[Truth],
    benign: &[BenignWindow],
    pack: &RulePack,
    params: &ScoreParams,
    warmup_ms: i64,
) -> Vec<Judged> {
    let mut judged: Vec<Judged> = Vec::new();
    for episode in episodes {
        let page = pack.pages.contains(&episode.severity);
        let (class, incident) = class_of(&episode, page, truths, benign, pack, params, warmup_ms);
        let seen = class == Class::Hit
            && judged.iter().any(|other| {
                other.class == Class::Hit
                    && other.incident == incident
                    && (&other.episode.alert, &other.episode.severity)
                        == (&episode.alert, &episode.severity)
            });
        judged.push(Judged {
            episode,
            page,
            class: if seen { Class::Repeat } else { class },
            incident,
        });
    }
    judged
}

fn class_of(
    episode: &Episode,
    page: bool,
    truths: &[Truth],
    benign: &[BenignWindow],
    pack: &RulePack,
    params: &ScoreParams,
    warmup_ms: i64,
) -> (Class, Option<u32>) {
    let start = episode.start_ms;
    if start < warmup_ms {
        return (Class::Ignored, None);
    }
    let role = |truth: &Truth| match pack.role(&truth.cause, &episode.alert) {
        // A ticket does not satisfy an incident that deserves a page.
        Role::Expected if truth.wanted == Wanted::Page && !page => Role::Accepted,
        role => role,
    };
    // Of several incidents the latest begun, then the lowest number.
    let latest = |fits: &dyn Fn(&Truth) -> bool| {
        truths
            .iter()
            .filter(|truth| fits(truth))
            .max_by_key(|truth| (truth.fault_ms, std::cmp::Reverse(truth.id)))
    };
    let during = |truth: &Truth| (truth.fault_ms..truth.end_ms).contains(&start);
    let around = |truth: &Truth| (truth.fault_ms..truth.end_ms + params.grace_ms).contains(&start);
    if let Some(truth) = latest(&|truth| during(truth) && role(truth) == Role::Expected) {
        return (Class::Hit, Some(truth.id));
    }
    if let Some(truth) = latest(&|truth| around(truth) && role(truth) == Role::Expected) {
        return (Class::Post, Some(truth.id));
    }
    if let Some(truth) = latest(&|truth| around(truth) && role(truth) == Role::Accepted) {
        return (Class::Related, Some(truth.id));
    }
    if let Some(truth) = latest(&around) {
        return (Class::Misattributed, Some(truth.id));
    }
    if benign
        .iter()
        .any(|window| (window.starts_ms..window.ends_ms).contains(&start))
    {
        return (Class::BenignFalse, None);
    }
    (Class::False, None)
}

/// What an incident came to. `drill` is the scored part of the drill, `[warm-up, end)`.
#[must_use]
pub fn outcome(
    truth: &Truth,
    judged: &[Judged],
    pack: &RulePack,
    drill: std::ops::Range<i64>,
) -> Outcome {
    let first = judged
        .iter()
        .filter(|judged| judged.detects(truth))
        .map(|judged| judged.episode.delivered_ms)
        .min();
    if truth.fault_ms < drill.start {
        return Outcome::Censored;
    }
    match first {
        Some(at) => truth.told_at(at),
        None if masks(truth, judged, pack) => Outcome::Masked,
        // The end of an incident that outlasts the drill is the drill's.
        None if drill.end <= truth.end_ms && drill.end < truth.deadline_ms => Outcome::Censored,
        None => Outcome::Missed,
    }
}

impl Truth {
    /// What the incident came to if somebody was told of it first at `at_ms`.
    pub(crate) fn told_at(&self, at_ms: i64) -> Outcome {
        if self.impact_ms.is_some_and(|impact_ms| at_ms < impact_ms) {
            Outcome::Early
        } else if at_ms <= self.deadline_ms {
            Outcome::OnTime
        } else {
            Outcome::Late
        }
    }

    /// Whether an alert that was over at `over_ms` let go too soon: the fault went on, and so did the harm.
    pub(crate) fn goes_on_after(&self, over_ms: i64) -> bool {
        over_ms < self.fault_over_ms && self.last_harm_ms.is_some_and(|last_ms| over_ms < last_ms)
    }
}

impl Judged {
    /// Whether it is a detection of the incident, the first of its alert or a later one.
    pub(crate) fn detects(&self, truth: &Truth) -> bool {
        matches!(self.class, Class::Hit | Class::Repeat) && self.incident == Some(truth.id)
    }
}

fn masks(truth: &Truth, judged: &[Judged], pack: &RulePack) -> bool {
    judged.iter().any(|judged| {
        pack.role(&truth.cause, &judged.episode.alert) == Role::Expected
            && (judged.page || truth.wanted == Wanted::Ticket)
            && judged.episode.start_ms < truth.fault_ms
            && judged.episode.end_ms > truth.fault_ms
    })
}
