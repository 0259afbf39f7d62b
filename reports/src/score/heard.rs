//! What sources of alerts told, as scoring takes it: lives of alert instances, each with the moment somebody was told.
//!
//! The source next to a person is scored. What a webhook or a pager was posted is a page that was delivered: the moment it
//! came is the moment somebody was told. A Prometheus or an Alertmanager only know of alerts; what becomes of those is
//! modelled, as it is for the built-in detector.

mod notes;
mod split;

pub use split::Split;

use crate::jsonl::Record;
use crate::pack::{Role, RulePack};
use crate::record::{
    AlertState, Header, Heard, Hearing, Source, SourceKind, Told, ToldState, Transition,
};
use crate::score::episode::{Episode, in_order, routed};
use crate::score::{Detection, IncidentScore};
use firedrill_detector::RuleSet;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How a drill was scored by what sources told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardScore {
    /// The source that was scored.
    pub by: String,
    /// Whether what that told was told to a person; otherwise its delivery is modelled.
    pub is_delivered: bool,
    /// All of them, from the first to know to the one next to a person; the built-in detector first.
    pub sources: Vec<SourceScore>,
    /// By incident: where the time went until somebody was told; `None`: nobody was.
    pub splits: Vec<Option<Split>>,
}

/// One source, held against the incidents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceScore {
    /// Its name; `detector` is ours.
    pub source: String,
    /// Where it is; empty for ours.
    pub place: String,
    /// By incident: the alert that saw it first, and when somebody was told, or would have been.
    pub detections: Vec<Option<Detection>>,
    /// By incident: where nothing was delivered, the alert about it that fired first.
    pub untold: Vec<Option<Untold>>,
    /// What else is to be said of it.
    pub notes: Vec<String>,
}

/// An alert that fired and of which nobody was told, or not while the incident was on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untold {
    /// Its name.
    pub alert: String,
    /// When it fired.
    pub fired_ms: i64,
}

/// What fired about each incident of which nothing was delivered: the first that the pack ties to its cause, after the fault and
/// before its end.
fn untold(
    incidents: &[IncidentScore],
    pack: &RulePack,
    transitions: &[Transition],
    detections: &[Option<Detection>],
) -> Vec<Option<Untold>> {
    let of = |(incident, detection): (&IncidentScore, &Option<Detection>)| {
        let truth = &incident.truth;
        let about = |found: &&Transition| {
            found.to == AlertState::Firing
                && (truth.fault_ms..=truth.end_ms).contains(&found.at_ms)
                && pack.role_of(&truth.cause, &found.alert, &found.labels) != Role::Other
        };
        let mut found = transitions.iter().filter(|_| detection.is_none());
        found.find(about).map(|found| Untold {
            alert: found.alert.clone(),
            fired_ms: found.at_ms,
        })
    };
    incidents.iter().zip(detections).map(of).collect()
}

/// A source, all it told, and how well it was heard.
#[derive(Debug, Clone)]
pub(crate) struct Sourced<'h> {
    pub(crate) source: &'h Source,
    pub(crate) told: Vec<&'h Told>,
    /// `None`: the record ends before that was written.
    pub(crate) hearing: Option<&'h Hearing>,
}

/// The sources of a drill; the last is the one that is scored.
fn sources(heard: &[Heard]) -> Vec<Sourced<'_>> {
    let began = heard.iter().filter_map(|heard| match heard {
        Heard::Began(source) => Some(source),
        _ => None,
    });
    let mut all: Vec<Sourced<'_>> = began
        .map(|source| {
            let own = || heard.iter().filter(|heard| heard.source() == source.source);
            Sourced {
                source,
                told: own()
                    .filter_map(|heard| match heard {
                        Heard::Told(told) => Some(told),
                        _ => None,
                    })
                    .collect(),
                hearing: own().find_map(|heard| match heard {
                    Heard::Ended(hearing) => Some(hearing),
                    _ => None,
                }),
            }
        })
        .collect();
    all.sort_by_key(|sourced| sourced.source.of);
    all
}

impl Sourced<'_> {
    /// Whether what it told was told to a person.
    pub(crate) fn is_delivered(&self) -> bool {
        self.source.of == SourceKind::Webhook
    }
}

/// All that was heard in a drill.
pub(crate) struct Ears<'h> {
    /// In order; the last is scored.
    pub(crate) sources: Vec<Sourced<'h>>,
    /// What each of them told.
    pub(crate) lives: Vec<Vec<Life<'h>>>,
    /// The drill's rules, where they can be read.
    rules: Option<RuleSet>,
}

impl<'h> Ears<'h> {
    pub(crate) fn new(heard: &'h [Heard], header: &Header, pack: &RulePack) -> Self {
        let sources = sources(heard);
        let rules = match sources.is_empty() {
            true => None,
            false => header.reading.load(&header.rules).ok(),
        };
        let telling = Telling {
            pack,
            header,
            rules: rules.as_ref(),
        };
        let mut lives: Vec<Vec<Life<'h>>> = Vec::new();
        for sourced in &sources {
            lives.push(telling.lives(sourced, &lives.concat()));
        }
        Self {
            sources,
            lives,
            rules,
        }
    }

    /// What the source told that is scored, if there is one.
    pub(crate) fn scored(&self) -> Option<&[Life<'h>]> {
        self.lives.last().map(Vec::as_slice)
    }

    /// Whether that was told to a person.
    pub(crate) fn is_delivered(&self) -> bool {
        self.sources.last().is_some_and(Sourced::is_delivered)
    }

    /// What came of it. `by_detector`: what our detector told, and saw of each incident; `by_source`: what a source did.
    pub(crate) fn score(
        &self,
        (record, pack): (&Record, &RulePack),
        incidents: &[IncidentScore],
        (transitions, by_detector): (&[Transition], Vec<Option<Detection>>),
        by_source: impl Fn(&Sourced<'_>, &[Life<'_>]) -> Vec<Option<Detection>>,
    ) -> HeardScore {
        let ours = SourceScore {
            source: "detector".to_owned(),
            place: String::new(),
            untold: untold(incidents, pack, transitions, &by_detector),
            detections: by_detector,
            notes: Vec::new(),
        };
        let others = self.sources.iter().zip(&self.lives);
        let others = others.map(|(sourced, lives)| {
            let detections = by_source(sourced, lives);
            SourceScore {
                source: sourced.source.source.clone(),
                place: sourced.source.place.clone(),
                untold: untold(incidents, pack, &self::transitions(lives), &detections),
                detections,
                notes: sourced.notes(),
            }
        });
        let splits = incidents.iter().map(|incident| {
            let detection = incident.detection.as_ref()?;
            let told = (incident.truth.fault_ms, detection.delivered_ms);
            let mut lives = self.scored()?.iter();
            let life = lives.find(|life| {
                life.told.alert() == detection.alert && life.start_ms == detection.fired_ms
            })?;
            let rules = self.rules.as_ref();
            let shown = rules.and_then(|rules| split::shown((record, rules), life, told));
            Some(Split::new(told, life, self.is_delivered(), shown))
        });
        HeardScore {
            by: self
                .sources
                .last()
                .map_or_else(String::new, |last| last.source.source.clone()),
            is_delivered: self.is_delivered(),
            splits: splits.collect(),
            sources: [ours].into_iter().chain(others).collect(),
        }
    }
}

/// What each incident was detected by.
pub(crate) fn detections(incidents: &[IncidentScore]) -> Vec<Option<Detection>> {
    incidents
        .iter()
        .map(|incident| incident.detection.clone())
        .collect()
}

/// An instance from when it fired to when it was over, as a source told.
#[derive(Debug, Clone)]
pub(crate) struct Life<'h> {
    pub(crate) labels: &'h BTreeMap<String, String>,
    /// Whether it pages, where that is known from whom it was sent to.
    page: Option<bool>,
    /// When its condition began to hold, where the source or another one says so.
    pub(crate) active_ms: Option<i64>,
    /// The same, or the latest time at which it can have begun.
    pending_ms: i64,
    /// When it fired: as told, or when it was heard of.
    pub(crate) start_ms: i64,
    /// Whether that is as told.
    pub(crate) is_start_told: bool,
    /// The word of it.
    pub(crate) told: &'h Told,
    pub(crate) end_ms: Option<i64>,
}

/// What is needed to make lives of what was told.
struct Telling<'t> {
    pack: &'t RulePack,
    header: &'t Header,
    rules: Option<&'t RuleSet>,
}

impl Telling<'_> {
    /// The lives that a source tells of, but for those that were over before anything was judged. `upstream`: what is known
    /// from sources before it.
    fn lives<'h>(&self, sourced: &Sourced<'h>, upstream: &[Life<'h>]) -> Vec<Life<'h>> {
        let mut by_instance: BTreeMap<&BTreeMap<String, String>, Vec<&Told>> = BTreeMap::new();
        for told in &sourced.told {
            by_instance.entry(&told.labels).or_default().push(told);
        }
        let mut lives = Vec::new();
        for told in by_instance.into_values() {
            let (page, told) = self.paging(told, sourced.source.of);
            lives.extend(self.lives_of(&told, page, upstream));
        }
        lives.retain(|life| {
            life.end_ms
                .is_none_or(|end_ms| end_ms >= self.header.warmup_ms)
        });
        lives
    }

    /// Whether an instance pages, and the words that count for that: those to receivers that page, if there are some.
    fn paging<'h>(&self, told: Vec<&'h Told>, of: SourceKind) -> (Option<bool>, Vec<&'h Told>) {
        if of != SourceKind::Webhook {
            return (None, told);
        }
        let config = self.pack.alertmanager();
        let pages = |told: &Told| {
            let known = config.into_iter().flat_map(|config| config.receivers());
            let mut own = known.filter(|(name, _)| told.receivers.iter().any(|own| own == name));
            match own.next() {
                _ if told.pages => Some(true),
                Some((_, pages)) => Some(pages),
                None => config.map(|_| self.pack.is_page(&told.labels)),
            }
        };
        if !told.iter().any(|told| pages(told) == Some(true)) {
            let page = told.first().and_then(|told| pages(told));
            return (page, told);
        }
        let own = told.into_iter().filter(|told| pages(told) == Some(true));
        (Some(true), own.collect())
    }

    fn lives_of<'h>(
        &self,
        told: &[&'h Told],
        page: Option<bool>,
        upstream: &[Life<'h>],
    ) -> Vec<Life<'h>> {
        let mut lives: Vec<Life<'h>> = Vec::new();
        // Receivers for whom it fires.
        let mut open: BTreeSet<&[String]> = BTreeSet::new();
        let mut active_ms = None;
        for told in told {
            let was_open = !open.is_empty();
            match told.state {
                ToldState::Pending => active_ms = told.active_ms,
                // Who was told before is not untold.
                ToldState::KeptBack => {}
                ToldState::Firing => {
                    open.insert(&told.receivers);
                }
                ToldState::Inactive => {
                    open.remove(told.receivers.as_slice());
                }
            }
            if !was_open && !open.is_empty() {
                let after_ms = lives.last().and_then(|life| life.end_ms);
                lives.push(self.begun(told, page, (active_ms, after_ms), upstream));
            }
            if was_open && open.is_empty() {
                active_ms = None;
                if let Some(life) = lives.last_mut() {
                    let over_ms = told.since_ms.unwrap_or(told.at_ms);
                    life.end_ms = Some(over_ms.max(life.start_ms));
                }
            }
        }
        lives
    }

    fn begun<'h>(
        &self,
        told: &'h Told,
        page: Option<bool>,
        (known_active_ms, after_ms): (Option<i64>, Option<i64>),
        upstream: &[Life<'h>],
    ) -> Life<'h> {
        let before = upstream
            .iter()
            .filter(|life| is_like(life.labels, &told.labels) && life.start_ms <= told.at_ms);
        let before = before.max_by_key(|life| life.start_ms);
        // What others know is of this firing only if it is of the same moment.
        let apart_ms = self.header.evaluation_interval_ms;
        let is_same = |life: &&Life<'_>| {
            told.since_ms
                .is_none_or(|since_ms| (life.start_ms - since_ms).abs() <= apart_ms)
        };
        let before = before.filter(is_same);
        let own_active_ms = told.active_ms.or(known_active_ms);
        let active_ms = own_active_ms.or_else(|| before?.active_ms);
        let told_ms = told.since_ms;
        let start_ms = told_ms.or_else(|| before.map(|life| life.start_ms));
        let start_ms = start_ms.unwrap_or(told.at_ms);
        let start_ms = after_ms.map_or(start_ms, |after_ms| start_ms.max(after_ms));
        let is_start_told = told_ms.is_some() || before.is_some_and(|life| life.is_start_told);
        let pending_ms = active_ms.unwrap_or_else(|| start_ms - self.shortest_for(told.alert()));
        Life {
            labels: &told.labels,
            page,
            active_ms,
            pending_ms: pending_ms.min(start_ms),
            start_ms,
            is_start_told,
            told,
            end_ms: None,
        }
    }

    /// The shortest `for` of the rules of that name, milliseconds.
    fn shortest_for(&self, alert: &str) -> i64 {
        let rules = self.rules.iter().flat_map(|rules| rules.alerts());
        let own = rules.filter(|rule| rule.name == alert);
        own.map(|rule| rule.for_ms).min().unwrap_or(0)
    }
}

/// Whether labels can be of one instance: what both have is alike. A source may add labels, and leave some out.
pub(crate) fn is_like(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> bool {
    a.get("alertname") == b.get("alertname")
        && a.iter()
            .all(|(name, value)| b.get(name).is_none_or(|other| other == value))
}

/// Lives as transitions, in order of time.
pub(crate) fn transitions(lives: &[Life<'_>]) -> Vec<Transition> {
    let mut found = Vec::new();
    for life in lives {
        use AlertState::{Firing, Inactive, Pending};
        let mut push = |at_ms, from, to| {
            found.push(Transition {
                at_ms,
                group: life.told.source.clone(),
                alert: life.told.alert().to_owned(),
                labels: life.labels.clone(),
                from,
                to,
                value: None,
                data_gone: false,
                data_back: false,
            });
        };
        push(life.pending_ms, Inactive, Pending);
        push(life.start_ms, Pending, Firing);
        if let Some(end_ms) = life.end_ms {
            push(end_ms, Firing, Inactive);
        }
    }
    found.sort_by_key(|transition| transition.at_ms);
    found
}

/// Lives as episodes of which somebody was told when word of them came.
pub(crate) fn delivered(lives: &[Life<'_>], end_ms: i64) -> Vec<Episode> {
    let page: BTreeMap<_, _> = lives.iter().map(|life| (life.labels, life.page)).collect();
    let mut episodes = routed(&transitions(lives), end_ms, |labels| {
        page.get(labels).copied().flatten()
    });
    for episode in &mut episodes {
        for firing in &mut episode.firings {
            let mut own = lives.iter();
            let is_it = |life: &&Life<'_>| {
                *life.labels == firing.labels && life.start_ms == firing.start_ms
            };
            if let Some(life) = own.find(is_it) {
                firing.delivered_ms = life.told.at_ms;
            }
        }
        let told = episode.firings.iter().map(|firing| firing.delivered_ms);
        episode.delivered_ms = told.min().unwrap_or(episode.start_ms);
    }
    in_order(&mut episodes);
    episodes
}
