//! Settings judged by what an Alertmanager file has sent. There, alerts are not on their own: they share groups, and inhibit one
//! another. So everything that fires is delivered together, under each setting that makes a difference.

use super::digest::{Digest, Judging};
use super::{Scope, Tuner};
use crate::alertmanager::Labels;
use crate::record::{AlertState, Transition};
use crate::score::judge::classify;
use crate::score::{Routed, delivered};
use firedrill_detector::tuning::{Step, Tried};
use std::collections::BTreeMap;

/// Transitions, each with the place of its rule among all: at one time, rules go in their order.
type Course = Vec<(usize, Transition)>;

/// What alerts did in a record, varied ones under every setting.
pub(super) struct Together<'t> {
    tuner: &'t Tuner,
    judging: Judging<'t>,
    /// Of the alerts that are not varied.
    others: Course,
    units: Vec<Courses>,
}

/// The distinct courses that a unit takes.
#[derive(Default)]
struct Courses {
    distinct: Vec<Course>,
    known: BTreeMap<Vec<Key>, u32>,
    /// By set of thresholds, then holds: which of them.
    which: Vec<u32>,
}

impl<'t> Together<'t> {
    /// With the most evaluations that failed under any setting of a unit.
    pub(super) fn new(
        tuner: &'t Tuner,
        tried: &BTreeMap<usize, Tried>,
        transitions: &[Transition],
        judging: Judging<'t>,
    ) -> (Self, usize) {
        let mut places: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for (place, alert) in tuner.rules.alerts().enumerate() {
            places.entry((alert.group, alert.name)).or_insert(place);
        }
        let place = |group: &str, alert: &str| places.get(&(group, alert)).copied().unwrap_or(0);
        let is_varied = |alert: &str| tuner.units.iter().any(|unit| unit.alert == alert);
        let others = transitions.iter().filter(|one| !is_varied(&one.alert));
        let others = others.map(|one| (place(&one.group, &one.alert), one.clone()));
        let epoch_ms = judging.header.epoch_ms;
        let mut errors = 0;
        let mut units = Vec::new();
        for unit in &tuner.units {
            let mut courses = Courses::default();
            let failed = unit.courses(tried, |steps| {
                let course = steps.iter().map(|(tried, step)| {
                    let place = place(tried.group(), tried.alert());
                    (place, transition(tried, step, epoch_ms))
                });
                courses.take(course.collect());
            });
            errors = failed.max(errors);
            units.push(courses);
        }
        let together = Self {
            others: others.collect(),
            tuner,
            judging,
            units,
        };
        (together, errors)
    }

    /// Which of a unit's distinct courses one of its courses is.
    pub(super) fn which(&self, unit: usize, course: usize) -> u32 {
        self.units[unit].which[course]
    }

    /// What it comes to when each unit takes one of its distinct courses.
    pub(super) fn digest(&self, key: &[u32]) -> Digest {
        let taken = self.units.iter().zip(key);
        let taken = taken.flat_map(|(unit, course)| &unit.distinct[*course as usize]);
        let mut all: Vec<&(usize, Transition)> = self.others.iter().chain(taken).collect();
        all.sort_by_key(|(place, one)| (one.at_ms, *place));
        let all: Vec<Transition> = all.into_iter().map(|(_, one)| one.clone()).collect();
        let Judging {
            ground,
            header,
            pack,
            params,
            delivery,
            scope,
        } = self.judging;
        let (episodes, sent) = delivered(&all, pack, header, delivery, ground.end_ms);
        let judged = classify(episodes, &ground.truths, pack, params, header);
        let mut digest = Digest::silent(ground.truths.len());
        for alert in self.tuner.ranks.keys() {
            if scope == Scope::Varied && !self.tuner.varied().any(|varied| varied == alert) {
                continue;
            }
            let own = judged
                .iter()
                .filter(|judged| judged.episode.alert == *alert);
            digest.add(&self.judging.digest_of(own, self.tuner.rank(alert)));
        }
        if let (Scope::Pack, Some(sent)) = (scope, sent) {
            // As on the scorecard: a notification that tells of several is one.
            let routed = Routed::new("", sent, &judged, header.warmup_ms..ground.end_ms);
            digest.false_alarms = u32::try_from(routed.false_pages).unwrap_or(u32::MAX);
        }
        digest
    }
}

impl Courses {
    fn take(&mut self, course: Course) {
        let fires = |(_, one): &(usize, Transition)| one.to == AlertState::Firing;
        let key: Vec<Key> = match course.iter().any(fires) {
            true => course.iter().map(key).collect(),
            // What never fires is never sent, whenever it was pending.
            false => Vec::new(),
        };
        let next = self.distinct.len() as u32;
        let number = *self.known.entry(key).or_insert_with(|| {
            self.distinct.push(course);
            next
        });
        self.which.push(number);
    }
}

/// What tells courses apart.
type Key = (i64, usize, Labels, [AlertState; 2], [bool; 2]);

fn key((place, one): &(usize, Transition)) -> Key {
    let labels = one.labels.clone();
    (
        one.at_ms,
        *place,
        labels,
        [one.from, one.to],
        [one.data_gone, one.data_back],
    )
}

fn transition(tried: &Tried, step: &Step, epoch_ms: i64) -> Transition {
    let labels = tried.instances()[step.instance].iter();
    Transition {
        at_ms: step.at.0 - epoch_ms,
        group: tried.group().to_owned(),
        alert: tried.alert().to_owned(),
        labels: labels.map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
        from: step.from.into(),
        to: step.to.into(),
        // Nothing that is judged depends on it.
        value: None,
        data_gone: step.data_gone,
        data_back: step.data_back,
    }
}
