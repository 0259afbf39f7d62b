//! Runs the rules over one record, as a drill does, and asks every part of them at every evaluation.
//!
//! Parts are asked when their group has been evaluated, so that a rule that stands before the recording rule it reads is
//! asked of a newer value than it saw. Transitions, and how long an expression held, are those of the evaluation itself.

use super::Explainer;
use super::questions::Questions;
use super::tally::{Answer, Before, RuleTally, Vanished, low_side};
use crate::jsonl::{Record, to_labels};
use crate::record::Line;
use crate::score::incident::truths;
use crate::score::judge::Truth;
use firedrill_detector::anatomy::{Anatomy, Part, PartKind, SeriesSelector};
use firedrill_detector::detector::SeriesRef;
use firedrill_detector::query::Query;
use firedrill_detector::sample::is_stale;
use firedrill_detector::{AlertState, Compat, Detector, Emitted, Labels, Schedule, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// So long after an incident its traces may still be there.
const GRACE_MS: i64 = 600_000;

/// What rules write: the series of alerts.
const WRITTEN: [&str; 2] = ["ALERTS", "ALERTS_FOR_STATE"];

pub(super) fn record(explainer: &mut Explainer, record: &Record) {
    let header = &record.header;
    let place = explainer.records.len();
    explainer
        .records
        .push(format!("{} (seed {})", header.scenario, header.seed));
    let schedule = Schedule {
        start: Timestamp(header.epoch_ms),
        interval_ms: header.evaluation_interval_ms,
        phase_ms: header.evaluation_phase_ms,
    };
    let written = explainer.anatomies.iter().filter(|rule| !rule.is_alert);
    let written: BTreeSet<&str> = written
        .map(|rule| rule.name.as_str())
        .chain(WRITTEN)
        .collect();
    let written_names = written.iter().map(|name| (*name).to_owned()).collect();
    let mut run = Run {
        record: place,
        scenario: &header.scenario,
        epoch_ms: header.epoch_ms,
        warmup_ms: header.warmup_ms,
        detector: Detector::new(explainer.rules.clone(), schedule),
        anatomies: &explainer.anatomies,
        only: explainer.only.as_ref(),
        questions: Questions::new(&explainer.anatomies),
        written_names,
        written: written
            .into_iter()
            .filter_map(|name| {
                Query::parse(&format!("{{__name__={name:?}}}"), Compat::default()).ok()
            })
            .collect(),
        seen: BTreeSet::new(),
        truths: truths(record, record.end_ms()),
        ended: Vec::new(),
        before: Before::default(),
        firing: Vec::new(),
        holding: BTreeMap::new(),
        pending_vanished: Vec::new(),
    };
    let mut series: BTreeMap<u32, (SeriesRef, Labels)> = BTreeMap::new();
    for line in &record.lines {
        match line {
            Line::Series { id, labels } => {
                let labels = to_labels(labels);
                series.insert(*id, (run.detector.series(&labels), labels));
            }
            Line::Scrape { at_ms, values, .. } => {
                run.advance(*at_ms - 1, &mut explainer.tallies);
                let at = Timestamp(header.epoch_ms + at_ms);
                for (id, value) in values {
                    let Some((reference, labels)) = series.get(id) else {
                        continue;
                    };
                    run.detector.append(*reference, at, value.0);
                    if is_stale(value.0) {
                        run.ended.push((*at_ms, labels.clone()));
                    } else {
                        run.seen.insert(labels.clone());
                    }
                }
            }
            _ => {}
        }
    }
    run.advance(record.end_ms(), &mut explainer.tallies);
    run.conclude(&mut explainer.tallies);
    let seen = std::mem::take(&mut run.seen);
    for labels in seen {
        explainer.known.entry(labels).or_default().insert(place);
    }
}

/// One record being looked at.
struct Run<'d> {
    record: usize,
    scenario: &'d str,
    epoch_ms: i64,
    warmup_ms: i64,
    detector: Detector,
    anatomies: &'d [Anatomy],
    /// As the [`Explainer`] has it.
    only: Option<&'d BTreeSet<usize>>,
    questions: Questions,
    /// Names of the series the rules write.
    written_names: BTreeSet<String>,
    /// For these series.
    written: Vec<Query>,
    seen: BTreeSet<Labels>,
    truths: Vec<Truth>,
    /// Series that ended with a staleness marker, and when.
    ended: Vec<(i64, Labels)>,
    before: Before,
    /// Group, alert and time of every firing.
    firing: Vec<(String, String, i64)>,
    /// Since when each instance's expression holds.
    holding: BTreeMap<(String, String, Labels), i64>,
    /// Rule, part, incident and what vanished: told unless the alert fired for the incident all the same.
    pending_vanished: Vec<(usize, usize, usize, Vanished)>,
}

impl Run<'_> {
    /// Runs the evaluations up to and including a time of the drill.
    fn advance(&mut self, to_ms: i64, tallies: &mut [RuleTally]) {
        while let Some(at) = self.detector.next_evaluations().min() {
            let at_ms = at.0 - self.epoch_ms;
            if at_ms > to_ms {
                break;
            }
            let due: Vec<bool> = self
                .detector
                .next_evaluations()
                .map(|next| next == at)
                .collect();
            let outcomes = self.detector.advance(at);
            let is_due = |anatomy: &Anatomy| due.get(anatomy.group_place) == Some(&true);
            self.take(outcomes, tallies);
            let mut answers: BTreeMap<(i64, usize), Answer> = BTreeMap::new();
            for (rule, anatomy) in self.anatomies.iter().enumerate() {
                if is_due(anatomy)
                    && self.only.is_none_or(|only| only.contains(&rule))
                    && let Some(tally) = tallies.get_mut(rule)
                {
                    self.look(rule, at_ms, &mut answers, tally);
                }
            }
            for query in &self.written {
                let values = self.detector.query(query, at).unwrap_or_default();
                self.seen
                    .extend(values.into_iter().map(|(labels, _)| labels));
            }
            self.measure(at_ms, &due, tallies);
        }
    }

    /// What the evaluation itself said.
    fn take(&mut self, outcomes: Vec<Emitted>, tallies: &mut [RuleTally]) {
        for outcome in outcomes {
            match outcome {
                Emitted::Transition(transition) => {
                    let at_ms = transition.at.0 - self.epoch_ms;
                    let key = (transition.group, transition.alert, transition.labels);
                    if transition.to == AlertState::Firing {
                        self.firing.push((key.0.clone(), key.1.clone(), at_ms));
                    }
                    // With a value it holds; without one it is over, or kept firing.
                    if transition.to == AlertState::Inactive {
                        self.holding.remove(&key);
                    } else if transition.from == AlertState::Inactive {
                        self.holding.insert(key, at_ms);
                    }
                }
                Emitted::Error(error) => {
                    let rules = self.anatomies.iter().zip(tallies.iter_mut());
                    let failed = rules.filter(|(anatomy, _)| {
                        anatomy.group == error.group && anatomy.name == error.rule
                    });
                    for (_, tally) in failed {
                        tally.failures += 1;
                        tally.failure.get_or_insert(error.message.clone());
                    }
                }
            }
        }
    }

    /// How long what holds now has been holding.
    fn measure(&self, at_ms: i64, due: &[bool], tallies: &mut [RuleTally]) {
        for ((group, alert, _), since_ms) in &self.holding {
            for (anatomy, tally) in self.anatomies.iter().zip(tallies.iter_mut()) {
                let is_it = &anatomy.group == group && &anatomy.name == alert && anatomy.is_alert;
                if is_it && due.get(anatomy.group_place) == Some(&true) {
                    tally.longest_ms = tally.longest_ms.max(at_ms - since_ms);
                }
            }
        }
    }

    /// Asks a rule's parts.
    fn look(
        &mut self,
        rule: usize,
        at_ms: i64,
        answers: &mut BTreeMap<(i64, usize), Answer>,
        tally: &mut RuleTally,
    ) {
        let Some(anatomy) = self.anatomies.get(rule) else {
            return;
        };
        let at = Timestamp(self.epoch_ms + at_ms).plus_millis(-anatomy.query_offset_ms);
        let Some((whole, parts)) = self.questions.places.get(rule).cloned() else {
            return;
        };
        for place in parts.iter().flatten().flatten().chain([&whole]) {
            if let Some(query) = self.questions.queries.get(*place) {
                answers.entry((at.0, *place)).or_insert_with(|| {
                    let answer = self.detector.query(query, at);
                    answer.map_err(|error| error.to_string())
                });
            }
        }
        let answer = |place: usize| answers.get(&(at.0, place));
        tally.evaluations += 1;
        let holds = has_values(answer(whole));
        tally.held += u64::from(holds);
        if self.is_calm(at_ms) {
            tally.calm.evaluations += 1;
            tally.calm.held += u64::from(holds);
            let is_blind = !holds && self.is_blind(&anatomy.parts, &parts, &answer);
            tally.calm.without_data += u64::from(is_blind);
        }
        for (index, (places, part)) in parts.iter().zip(&anatomy.parts).enumerate() {
            let Some(counted) = tally.parts.get_mut(index) else {
                continue;
            };
            let [whole, left, right] = places.map(|place| place.and_then(answer));
            let sides = [
                (&mut counted.whole, whole),
                (&mut counted.left, left),
                (&mut counted.right, right),
            ];
            for (values, answer) in sides {
                if let Some(answer) = answer {
                    values.take(answer, self.record, at_ms);
                }
            }
            counted.scored += u64::from(at_ms >= self.warmup_ms && has_values(whole));
            counted.both += u64::from(has_values(left) && has_values(right));
            let low = low_side(&part.kind).and_then(|is_left| if is_left { left } else { right });
            if let Some(Ok(values)) = low {
                self.watch((rule, index), at_ms, values);
            }
        }
    }

    /// Whether everything has been scraped, and nothing is wrong or has just been.
    fn is_calm(&self, at_ms: i64) -> bool {
        let is_near = |truth: &Truth| (truth.begun_ms..truth.end_ms + GRACE_MS).contains(&at_ms);
        at_ms >= self.warmup_ms && !self.truths.iter().any(is_near)
    }

    /// Whether the series that a rule compares or calculates with are not there. Of those that rules write, which come and
    /// go with what they say, that cannot be told.
    fn is_blind<'a>(
        &self,
        parts: &[Part],
        places: &[[Option<usize>; 3]],
        answer: &impl Fn(usize) -> Option<&'a Answer>,
    ) -> bool {
        let mut sides = 0;
        for (part, [_, left_place, right_place]) in parts.iter().zip(places) {
            let PartKind::Operation { left, right, .. } = &part.kind else {
                if matches!(part.kind, PartKind::Absent { .. }) {
                    return false;
                }
                continue;
            };
            for (operand, place) in [(left, left_place), (right, right_place)] {
                let is_written = |selector: &SeriesSelector| {
                    selector
                        .name()
                        .is_none_or(|name| self.written_names.contains(name))
                };
                if operand.selectors.is_empty() {
                    continue;
                }
                sides += 1;
                if operand.selectors.iter().any(is_written) || has_values(place.and_then(answer)) {
                    return false;
                }
            }
        }
        sides > 0
    }

    /// Looks whether what is compared with a low number went away in an incident.
    fn watch(&mut self, place: (usize, usize), at_ms: i64, values: &[(Labels, f64)]) {
        let on = self
            .truths
            .iter()
            .position(|truth| (truth.fault_ms..truth.end_ms).contains(&at_ms));
        let Some(incident) = on else {
            self.before.note(place, values);
            return;
        };
        let told = self
            .pending_vanished
            .iter()
            .any(|(rule, part, known, _)| (*rule, *part) == place && *known == incident);
        if told || !self.before.misses(place, values) {
            return;
        }
        let Some(series) = self.ended_series(place, incident, at_ms) else {
            return;
        };
        let truth = &self.truths[incident];
        let vanished = Vanished {
            record: self.scenario.to_owned(),
            cause: truth.cause.clone(),
            after_ms: at_ms - truth.fault_ms,
            series,
        };
        self.pending_vanished
            .push((place.0, place.1, incident, vanished));
    }

    /// A series of the compared side that ended since the incident began.
    fn ended_series(
        &self,
        (rule, part): (usize, usize),
        incident: usize,
        at_ms: i64,
    ) -> Option<Labels> {
        let kind = &self.anatomies.get(rule)?.parts.get(part)?.kind;
        let PartKind::Operation { left, right, .. } = kind else {
            return None;
        };
        let side = if low_side(kind)? { left } else { right };
        let since_ms = self.truths.get(incident)?.fault_ms;
        self.ended
            .iter()
            .filter(|(ended_ms, _)| (since_ms..=at_ms).contains(ended_ms))
            .find(|(_, labels)| {
                side.selectors
                    .iter()
                    .any(|selector| selector.matches(labels))
            })
            .map(|(_, labels)| labels.clone())
    }

    /// What can only be said once the record is over.
    fn conclude(&mut self, tallies: &mut [RuleTally]) {
        for (anatomy, tally) in self.anatomies.iter().zip(tallies.iter_mut()) {
            let fired = |(group, alert, _): &(String, String, i64)| {
                *group == anatomy.group && *alert == anatomy.name
            };
            if anatomy.is_alert && self.firing.iter().any(fired) {
                tally.fired_in.insert(self.record);
            }
        }
        for (rule, part, incident, vanished) in std::mem::take(&mut self.pending_vanished) {
            let (anatomy, truth) = (&self.anatomies[rule], &self.truths[incident]);
            let fired = self.firing.iter().any(|(group, alert, at_ms)| {
                *group == anatomy.group
                    && *alert == anatomy.name
                    && (truth.fault_ms..truth.end_ms).contains(at_ms)
            });
            if !fired && let Some(counted) = tallies[rule].parts.get_mut(part) {
                counted.vanished.push(vanished);
            }
        }
    }
}

fn has_values(answer: Option<&Answer>) -> bool {
    matches!(answer, Some(Ok(values)) if !values.is_empty())
}
