//! Classifies episodes against ground truth: which incident each one saw, and what each incident came to.

use crate::pack::{Role, RulePack};
use crate::record::{BenignWindow, Header, Wanted};
use crate::score::ScoreParams;
use crate::score::episode::{Episode, Firing};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Ground truth of one incident, as measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// Number in the plan.
    pub id: u32,
    /// Cause.
    pub cause: String,
    /// Which class of alert it deserves.
    pub wanted: Wanted,
    /// Queues whose tasks it can harm or has harmed; empty: any.
    pub queues: BTreeSet<String>,
    /// When the fault was about to be applied: what began before that is not due to it.
    pub begun_ms: i64,
    /// Fault start: its effect was seen.
    pub fault_ms: i64,
    /// First harmed task.
    pub impact_ms: Option<i64>,
    /// End of the fault itself: the remedy was applied, or its time was up.
    pub fault_over_ms: i64,
    /// When that end was about to be brought about, or something else was done about it: of three workers, the first may be back
    /// already, and the alert rightly over.
    pub remedied_ms: i64,
    /// Last harmed task.
    pub last_harm_ms: Option<i64>,
    /// End of the fault or of its impact, whichever is later.
    pub end_ms: i64,
    /// Latest good detection: somebody must have been told by then.
    pub deadline_ms: i64,
}

/// What an episode was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// Began in the warm-up, and was over in it: a ticket, or a page before everything had been scraped once.
    Ignored,
    /// Was there before anything was wrong: on in the warm-up, or since its condition held then, or beyond an incident it was
    /// not due to until the next. False, and due to no incident.
    Standing,
    /// An expected alert while the incident was on.
    Hit,
    /// Another hit of an alert that had hit this incident before.
    Repeat,
    /// An expected alert while the incident was on, whose condition held before it began: a detection or chance, nobody can
    /// tell.
    Chance,
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
    /// Over before its group's notification, which was not sent: nobody was told, rightly or falsely.
    Unsent,
}

/// A judged episode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The episode.
    pub episode: Episode,
    /// Whether it pages: by its severity, or by the routes of an Alertmanager file.
    pub page: bool,
    /// What it was.
    pub class: Class,
    /// The incident it belongs to.
    pub incident: Option<u32>,
    /// Other incidents that it saw as well: one page can be the right one for several.
    pub also: Vec<u32>,
    /// Incidents that it is expected by name to see, that were on when it fired, and that began after its condition held:
    /// whether it saw them cannot be told.
    pub perhaps: Vec<u32>,
    /// What it would have been, had the drill not ended before it was sent.
    pub cut_off: Option<Class>,
}

/// What a firing was and what it was due to: the incident it belongs to, as in [`Judged`].
#[derive(Debug, Clone)]
struct Due {
    class: Class,
    incident: Option<u32>,
    also: Vec<u32>,
    perhaps: Vec<u32>,
}

/// What an incident came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

/// Classifies every episode by what the instance that opened it was due to: the first rule that applies. An instance that
/// joins an episode later is one of its own where it is the first of them to see an incident.
///
/// Of several incidents that are on, an alert saw the one that began last, and those that began together with it. One about a
/// queue sees only incidents that can harm it, and those of which just this is known before those that can harm any. An alert
/// that the pack ties to the cause of one of them (by `expects` or `accepts`) tells of that one: incidents of whose cause
/// the pack says nothing, for which any alert will do, are not credited with it. One that the pack expects by name of an
/// earlier incident, too, has seen that as well if somebody was told by its deadline.
#[must_use]
pub fn classify(
    episodes: Vec<Episode>,
    truths: &[Truth],
    pack: &RulePack,
    params: &ScoreParams,
    header: &Header,
) -> Vec<Judged> {
    let judging = Judging {
        truths,
        pack,
        params,
        header,
    };
    let mut judged: Vec<Judged> = Vec::new();
    for episode in episodes {
        judging.unit(episode, &mut judged);
    }
    judged
}

struct Judging<'j> {
    truths: &'j [Truth],
    pack: &'j RulePack,
    params: &'j ScoreParams,
    header: &'j Header,
}

impl Judging<'_> {
    /// One episode of a unit, and the incidents its instances saw.
    fn unit(&self, mut episode: Episode, judged: &mut Vec<Judged>) {
        // Over gaps in the data, one that nobody was told of can come before one that somebody was told of.
        if episode.sent {
            episode
                .firings
                .retain(|firing| firing.sent || firing.cut_off);
            let sent = episode.firings.iter().filter(|firing| firing.sent);
            let starts = sent.map(|firing| firing.start_ms);
            episode.start_ms = starts.min().unwrap_or(episode.start_ms);
        }
        let by_severity = || self.pack.pages.contains(&episode.severity);
        let page = episode.page.unwrap_or_else(by_severity);
        let classes: Vec<Due> = episode
            .firings
            .iter()
            .map(|firing| self.class_of(&episode.alert, page, firing))
            .collect();
        // Of those that open it together, one that saw an incident speaks for all.
        let together = episode.firings.iter().zip(&classes);
        let opening: Vec<usize> = together
            .enumerate()
            .filter(|(_, (firing, _))| firing.start_ms == episode.start_ms)
            .map(|(place, _)| place)
            .collect();
        let hit = opening
            .iter()
            .find(|place| classes[**place].class == Class::Hit);
        let Some(opener) = hit.or(opening.first()).copied() else {
            return;
        };
        let first = judged.len();
        episode.pending_ms = episode.firings[opener].pending_ms;
        let joining = episode.firings.clone();
        let (alert, severity) = (episode.alert.clone(), episode.severity.clone());
        let routed = episode.page;
        self.push(episode, page, classes[opener].clone(), judged);
        for (firing, due) in joining.into_iter().zip(classes) {
            let is_new = |id: &u32| {
                let known = |other: &Judged| {
                    matches!(other.class, Class::Hit | Class::Repeat | Class::Unsent)
                        && other.is_of(*id)
                };
                !judged[first..].iter().any(known)
            };
            let mut new = due.incident.into_iter().chain(due.also).filter(is_new);
            let Some(incident) = new.next().filter(|_| due.class == Class::Hit) else {
                continue;
            };
            let due = Due {
                class: due.class,
                incident: Some(incident),
                also: new.collect(),
                perhaps: due.perhaps,
            };
            let own = Episode {
                alert: alert.clone(),
                severity: severity.clone(),
                page: routed,
                pending_ms: firing.pending_ms,
                start_ms: firing.start_ms,
                delivered_ms: firing.delivered_ms,
                sent: firing.sent,
                cut_off: firing.cut_off,
                end_ms: firing.end_ms,
                open: firing.open,
                data_gone: false,
                instances: 1,
                firings: vec![firing],
            };
            self.push(own, page, due, judged);
        }
    }

    fn push(&self, episode: Episode, page: bool, due: Due, judged: &mut Vec<Judged>) {
        let has_seen = |id: &u32| {
            judged.iter().any(|other| {
                other.class == Class::Hit
                    && other.is_of(*id)
                    && (&other.episode.alert, &other.episode.severity, other.page)
                        == (&episode.alert, &episode.severity, page)
            })
        };
        let seen = due.class == Class::Hit && due.incident.iter().chain(&due.also).all(has_seen);
        let sent = if seen { Class::Repeat } else { due.class };
        let (class, cut_off) = match sent {
            Class::Ignored => (Class::Ignored, None),
            _ if episode.cut_off => (Class::Unsent, Some(sent)),
            _ if !episode.sent => (Class::Unsent, None),
            sent => (sent, None),
        };
        judged.push(Judged {
            episode,
            page,
            class,
            incident: due.incident,
            also: due.also,
            perhaps: due.perhaps,
            cut_off,
        });
    }

    fn class_of(&self, alert: &str, page: bool, firing: &Firing) -> Due {
        let due_to = |class, incident| Due {
            class,
            incident,
            also: Vec::new(),
            perhaps: Vec::new(),
        };
        let one = |class, truth: &Truth| due_to(class, Some(truth.id));
        let none = |class| due_to(class, None);
        let (start, since) = (firing.start_ms, firing.pending_ms);
        let warmup_ms = self.header.warmup_ms;
        let goes_on_at = |at_ms: i64| firing.open || firing.end_ms > at_ms;
        if start < warmup_ms {
            // Before everything has been scraped once, what is there looks absent.
            let settled_ms =
                2 * self.header.scrape_interval_ms + self.header.evaluation_interval_ms;
            let is_over_at_once = start < settled_ms && !goes_on_at(settled_ms);
            let stands = goes_on_at(warmup_ms) || (page && !is_over_at_once);
            return match stands {
                true => none(Class::Standing),
                false => none(Class::Ignored),
            };
        }
        let role = |truth: &Truth| match self.pack.role_of(&truth.cause, alert, &firing.labels) {
            _ if !truth.is_seen_by(self.pack, alert, firing) => Role::Other,
            // A ticket does not satisfy an incident that deserves a page.
            Role::Expected if truth.wanted == Wanted::Page && !page => Role::Accepted,
            role => role,
        };
        let around =
            |truth: &Truth| (truth.begun_ms..truth.end_ms + self.params.grace_ms).contains(&start);
        let is_named = |truth: &Truth| {
            self.pack.names(&truth.cause, alert, &firing.labels)
                && truth.is_seen_by(self.pack, alert, firing)
        };
        let is_tied = self
            .truths
            .iter()
            .any(|truth| around(truth) && is_named(truth));
        let is_right =
            |truth: &Truth| role(truth) == Role::Expected && (is_named(truth) || !is_tied);
        // Of several incidents those of its queue, of these the latest begun, then the lowest number.
        let latest = |fits: &dyn Fn(&Truth) -> bool| {
            self.truths
                .iter()
                .filter(|truth| fits(truth))
                .max_by_key(|truth| {
                    let is_of_queue = truth.is_of_queue(self.pack, alert, firing);
                    (is_of_queue, truth.fault_ms, std::cmp::Reverse(truth.id))
                })
        };
        let during = |truth: &Truth| (truth.begun_ms..truth.end_ms).contains(&start);
        let due = |truth: &Truth| since >= truth.begun_ms;
        if since < warmup_ms && latest(&|truth| around(truth) && !due(truth)).is_some() {
            return none(Class::Standing);
        }
        let sees = |truth: &Truth| during(truth) && due(truth) && is_right(truth);
        if let Some(last) = latest(&sees) {
            let with_it = |truth: &&Truth| {
                truth.begun_ms == last.begun_ms
                    || truth.fault_ms == last.fault_ms
                    || (is_named(truth) && firing.delivered_ms <= truth.deadline_ms)
            };
            let others = self.truths.iter().filter(|truth| truth.id != last.id);
            let mut others = others.filter(|truth| sees(truth)).filter(with_it);
            let may_see =
                |truth: &&Truth| during(truth) && !due(truth) && is_named(truth) && is_right(truth);
            let ids =
                |truths: &mut dyn Iterator<Item = &Truth>| truths.map(|truth| truth.id).collect();
            return Due {
                class: Class::Hit,
                incident: Some(last.id),
                also: ids(&mut others.by_ref()),
                perhaps: ids(&mut self.truths.iter().filter(may_see)),
            };
        }
        if let Some(truth) = latest(&|truth| during(truth) && is_right(truth)) {
            let stays = |later: &Truth| later.fault_ms > start && goes_on_at(later.fault_ms);
            return match latest(&stays) {
                Some(_) => none(Class::Standing),
                None => one(Class::Chance, truth),
            };
        }
        if let Some(truth) = latest(&|truth| around(truth) && is_right(truth)) {
            return one(Class::Post, truth);
        }
        if let Some(truth) = latest(&|truth| around(truth) && role(truth) == Role::Accepted) {
            return one(Class::Related, truth);
        }
        if let Some(truth) = latest(&around) {
            return one(Class::Misattributed, truth);
        }
        let mut benign = self.header.benign.iter();
        if benign.any(|window| (window.starts_ms..window.ends_ms).contains(&start)) {
            return none(Class::BenignFalse);
        }
        none(Class::False)
    }
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
        None if judged.iter().any(|judged| judged.may_detect(truth)) => Outcome::Censored,
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

    /// Whether an alert that was over at `over_ms` let go too soon: nothing had been done about the fault, and the harm went on.
    pub(crate) fn goes_on_after(&self, over_ms: i64) -> bool {
        over_ms < self.remedied_ms && self.last_harm_ms.is_some_and(|last_ms| over_ms < last_ms)
    }
}

impl Truth {
    /// Whether an alert instance can be about it: one for another queue is not.
    pub(crate) fn is_seen_by(&self, pack: &RulePack, alert: &str, firing: &Firing) -> bool {
        self.queues.is_empty()
            || pack
                .queues_of(alert, &firing.labels)
                .is_none_or(|mut queues| queues.any(|queue| self.queues.contains(queue)))
    }

    /// Whether an alert instance is about a queue, and this about that queue and not about any.
    fn is_of_queue(&self, pack: &RulePack, alert: &str, firing: &Firing) -> bool {
        let queues = pack.queues_of(alert, &firing.labels);
        queues.is_some_and(|mut queues| queues.any(|queue| self.queues.contains(queue)))
    }
}

impl Judged {
    /// The instances in it that are right for an incident.
    pub(crate) fn right<'j>(
        &'j self,
        truth: &'j Truth,
        pack: &'j RulePack,
    ) -> impl Iterator<Item = &'j Firing> {
        self.episode.firings.iter().filter(|firing| {
            pack.role_of(&truth.cause, &self.episode.alert, &firing.labels) == Role::Expected
                && truth.is_seen_by(pack, &self.episode.alert, firing)
        })
    }

    /// Whether one of its instances that are right for an incident was firing when that began.
    pub(crate) fn is_on_at_start(&self, truth: &Truth, pack: &RulePack) -> bool {
        self.class != Class::Unsent
            && self
                .right(truth, pack)
                .any(|firing| firing.start_ms < truth.fault_ms && firing.end_ms > truth.fault_ms)
    }

    /// Whether it cries wolf: out of the blue, on a harmless event, or all the time.
    pub(crate) fn is_false(&self) -> bool {
        matches!(
            self.class,
            Class::False | Class::BenignFalse | Class::Standing
        )
    }

    /// Whether it spoils a harmless event.
    pub(crate) fn trips(&self, window: &BenignWindow) -> bool {
        let episode = &self.episode;
        match self.class {
            Class::BenignFalse => (window.starts_ms..window.ends_ms).contains(&episode.start_ms),
            Class::Standing => {
                episode.start_ms < window.ends_ms && episode.end_ms > window.starts_ms
            }
            _ => false,
        }
    }

    /// Whether it would have been a detection of the incident, had it not been over before it was sent.
    pub(crate) fn was_unsent(&self, truth: &Truth, pack: &RulePack) -> bool {
        self.class == Class::Unsent
            && self.cut_off.is_none()
            && self.is_of(truth.id)
            && (self.page || truth.wanted == Wanted::Ticket)
            && (truth.begun_ms..truth.end_ms).contains(&self.episode.start_ms)
            && self.right(truth, pack).next().is_some()
    }

    /// Whether it is a detection of the incident, the first of its alert or a later one.
    pub(crate) fn detects(&self, truth: &Truth) -> bool {
        matches!(self.class, Class::Hit | Class::Repeat) && self.is_of(truth.id)
    }

    /// Whether it may have been a detection of the incident in time, had the drill not ended before it was sent.
    pub(crate) fn may_detect(&self, truth: &Truth) -> bool {
        let told = truth.told_at(self.episode.delivered_ms);
        matches!(self.cut_off, Some(Class::Hit | Class::Repeat))
            && self.is_of(truth.id)
            && matches!(told, Outcome::Early | Outcome::OnTime)
    }

    /// Whether it may have been a false page, had the drill not ended before it was sent.
    pub(crate) fn may_be_false(&self) -> bool {
        self.page
            && matches!(
                self.cut_off,
                Some(Class::False | Class::BenignFalse | Class::Standing)
            )
    }

    /// Whether it belongs to an incident, or has seen it as well.
    pub(crate) fn is_of(&self, incident: u32) -> bool {
        self.incident == Some(incident) || self.also.contains(&incident)
    }
}

fn masks(truth: &Truth, judged: &[Judged], pack: &RulePack) -> bool {
    judged.iter().any(|judged| {
        (judged.page || truth.wanted == Wanted::Ticket) && judged.is_on_at_start(truth, pack)
    })
}
