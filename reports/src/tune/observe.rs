//! One record judged under every setting.

use super::digest::{Digest, Judging};
use super::routed::Together;
use super::unit::Unit;
use super::{Scope, Tuner};
use crate::jsonl::Record;
use crate::pack::Role;
use crate::record::{AlertState, Transition, Wanted};
use crate::score::Ground;
use crate::score::episode::{Change, episodes, episodes_of};
use crate::score::judge::Outcome;
use crate::watcher::{Watcher, watch};
use firedrill_detector::Labels;
use firedrill_detector::tuning::Tried;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one record says about every setting. Much smaller than the record, which can be let go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Scenario name.
    pub scenario: String,
    /// Seed.
    pub seed: u64,
    /// Why it proves nothing; such a record has no part in the search.
    pub inconclusive: Vec<String>,
    /// Evaluations of the varied rules that failed under the setting where most did.
    pub errors: usize,
    /// Incidents that count.
    pub(super) incidents: u32,
    /// Scored time outside of all incidents.
    pub(super) exposure_ms: i64,
    /// Distinct outcomes.
    tallies: Vec<Tally>,
    /// By setting, the rules as they stand last: which of them.
    outcomes: Vec<u32>,
}

/// What one record came to under a setting.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) in_time: u32,
    pub(super) detected: u32,
    pub(super) false_alarms: u32,
    pub(super) misattributed: u32,
    pub(super) repeats: u32,
    /// From fault to notification, of each incident that counts; `None` is a miss.
    pub(super) latencies_ms: Vec<Option<i64>>,
}

impl Observed {
    pub(super) fn tally(&self, setting: usize) -> &Tally {
        &self.tallies[self.outcomes[setting] as usize]
    }

    /// What puts records in order, whatever order they came in.
    pub(super) fn order(&self) -> (&str, u64, i64, &[Tally], &[u32]) {
        let Self {
            scenario,
            seed,
            exposure_ms,
            tallies,
            outcomes,
            ..
        } = self;
        (scenario, *seed, *exposure_ms, tallies, outcomes)
    }

    pub(super) fn tallies(&self) -> &[Tally] {
        &self.tallies
    }

    /// How many settings were judged, the rules as they stand included.
    pub(super) fn settings(&self) -> usize {
        self.outcomes.len()
    }

    /// Whether as many settings were judged, and each has an outcome: what was read from a file may say anything.
    pub(super) fn is_of(&self, settings: usize) -> bool {
        let is_there = |outcome: &u32| (*outcome as usize) < self.tallies.len();
        self.settings() == settings && self.outcomes.iter().all(is_there)
    }

    /// Which of this record's distinct outcomes a setting has.
    pub(super) fn outcome(&self, setting: usize) -> u32 {
        self.outcomes[setting]
    }
}

impl Tuner {
    /// Judges a record under every setting of the grid, and under the rules as they stand. Records can be observed side by
    /// side, in any order.
    #[must_use]
    pub fn observe(&self, record: &Record) -> Observed {
        let params = &self.params.score;
        let ground = Ground::new(record, params);
        let judging = Judging {
            ground: &ground,
            header: &record.header,
            pack: &self.pack,
            params,
            delivery: params.delivery(&record.header),
            scope: self.params.scope,
        };
        let mut trials: Vec<_> = self
            .units
            .iter()
            .flat_map(|unit| unit.trials.clone())
            .collect();
        trials.sort_by_key(|(position, _)| *position);
        let positions: Vec<usize> = trials.iter().map(|(position, _)| *position).collect();
        let trials: Vec<_> = trials.into_iter().map(|(_, trial)| trial).collect();
        let mut watcher = Watcher::trying(self.rules.clone(), &record.header, &trials);
        let replay = watch(&mut watcher, record);
        let tried: BTreeMap<usize, Tried> =
            positions.into_iter().zip(watcher.into_tried()).collect();

        let (found, errors) = match self.pack.alertmanager() {
            Some(_) => {
                let (together, errors) = Together::new(self, &tried, &replay.transitions, judging);
                (Found::Together(together), errors)
            }
            None => self.one_by_one(&tried, &replay.transitions, &judging),
        };
        let counted: Vec<bool> = ground
            .truths
            .iter()
            .map(|truth| match self.params.scope {
                Scope::Pack => truth.wanted == Wanted::Page,
                Scope::Varied => self
                    .varied()
                    .any(|alert| self.pack.role(&truth.cause, alert) == Role::Expected),
            })
            .collect();
        let mut observed = Observed {
            scenario: record.header.scenario.clone(),
            seed: record.header.seed,
            inconclusive: ground.doubts(record, &self.pack, params),
            errors,
            incidents: counted.iter().map(|counts| u32::from(*counts)).sum(),
            exposure_ms: ground.exposure_ms(),
            tallies: Vec::new(),
            outcomes: Vec::with_capacity(self.grid.len() + 1),
        };
        let mut by_digests: BTreeMap<Vec<u32>, u32> = BTreeMap::new();
        let mut by_tally: BTreeMap<Tally, u32> = BTreeMap::new();
        let mut key = Vec::with_capacity(self.units.len());
        for setting in 0..=self.grid.len() {
            key.clear();
            let units = self.units.iter().enumerate();
            key.extend(units.map(|(place, unit)| found.which(place, unit.course(setting))));
            let outcome = match by_digests.get(key.as_slice()) {
                Some(outcome) => *outcome,
                None => {
                    let all = found.digest(&key);
                    let tally = tally(&all, &ground, &counted);
                    let next = by_tally.len() as u32;
                    let outcome = *by_tally.entry(tally.clone()).or_insert_with(|| {
                        observed.tallies.push(tally);
                        next
                    });
                    by_digests.insert(key.clone(), outcome);
                    outcome
                }
            };
            observed.outcomes.push(outcome);
        }
        observed
    }

    /// What alerts come to where each is told of by itself, and how many evaluations failed.
    fn one_by_one<'t>(
        &'t self,
        tried: &BTreeMap<usize, Tried>,
        transitions: &[Transition],
        judging: &Judging<'t>,
    ) -> (Found<'t>, usize) {
        let mut errors = 0;
        let tables = self.units.iter().map(|unit| {
            let (table, failed) = Table::new(unit, tried, judging, self.rank(&unit.alert));
            errors = failed.max(errors);
            table
        });
        let tables = tables.collect();
        let others = match self.params.scope {
            Scope::Varied => Digest::silent(judging.ground.truths.len()),
            Scope::Pack => self.others(transitions, judging),
        };
        (Found::OneByOne { tables, others }, errors)
    }

    pub(super) fn rank(&self, alert: &str) -> u32 {
        self.ranks.get(alert).copied().unwrap_or(u32::MAX)
    }

    /// What the alerts that are not varied came to.
    fn others(&self, transitions: &[Transition], judging: &Judging<'_>) -> Digest {
        let mut all = Digest::silent(judging.ground.truths.len());
        for (alert, rank) in &self.ranks {
            let own: Vec<Transition> = transitions
                .iter()
                .filter(|t| t.alert == *alert)
                .cloned()
                .collect();
            all.add(&judging.digest(episodes(&own, judging.ground.end_ms), *rank));
        }
        all
    }
}

/// What a record comes to under settings.
enum Found<'t> {
    /// Of each varied alert by itself, and of the others together.
    OneByOne { tables: Vec<Table>, others: Digest },
    /// Of all alerts together.
    Together(Together<'t>),
}

impl Found<'_> {
    /// Which of a unit's distinct courses one of its courses is.
    fn which(&self, unit: usize, course: usize) -> u32 {
        match self {
            Self::OneByOne { tables, .. } => tables[unit].which[course],
            Self::Together(together) => together.which(unit, course),
        }
    }

    /// What it comes to when each unit takes one of its distinct courses.
    fn digest(&self, key: &[u32]) -> Digest {
        match self {
            Self::OneByOne { tables, others } => {
                let mut all = others.clone();
                for (table, digest) in tables.iter().zip(key) {
                    all.add(&table.digests[*digest as usize]);
                }
                all
            }
            Self::Together(together) => together.digest(key),
        }
    }
}

/// The digests of a varied alert, by sets of thresholds and holds.
struct Table {
    digests: Vec<Digest>,
    /// By set of thresholds, then holds.
    which: Vec<u32>,
}

impl Table {
    /// With the number of evaluations that failed.
    fn new(
        unit: &Unit,
        tried: &BTreeMap<usize, Tried>,
        judging: &Judging<'_>,
        rank: u32,
    ) -> (Self, usize) {
        let (end_ms, epoch_ms) = (judging.ground.end_ms, judging.header.epoch_ms);
        let silent = Digest::silent(judging.ground.truths.len());
        let mut table = Self {
            digests: vec![silent.clone()],
            which: Vec::with_capacity(unit.variants * unit.holds.len()),
        };
        let mut known = BTreeMap::from([(silent, 0_u32)]);
        let errors = unit.courses(tried, |steps| {
            let changes = steps.into_iter().map(|(tried, step)| {
                let labels = &tried.instances()[step.instance];
                Change {
                    at_ms: step.at.0 - epoch_ms,
                    alert: &unit.alert,
                    severity: labels.get("severity").unwrap_or(""),
                    page: None,
                    instance: labels,
                    from: step.from.into(),
                    to: step.to.into(),
                    data_gone: step.data_gone,
                    data_back: step.data_back,
                }
            });
            let changes: Vec<Change<'_, &Labels>> = changes.collect();
            if !changes.iter().any(|change| change.to == AlertState::Firing) {
                table.which.push(0);
                return;
            }
            let digest = judging.digest(episodes_of(changes, end_ms), rank);
            let next = known.len() as u32;
            let number = *known.entry(digest.clone()).or_insert_with(|| {
                table.digests.push(digest);
                next
            });
            table.which.push(number);
        });
        (table, errors)
    }
}

fn tally(digest: &Digest, ground: &Ground, counted: &[bool]) -> Tally {
    let mut tally = Tally {
        false_alarms: digest.false_alarms,
        misattributed: digest.misattributed,
        repeats: digest.repeats,
        ..Tally::default()
    };
    let incidents = ground.truths.iter().zip(&digest.first).zip(counted);
    for ((truth, first), _) in incidents.filter(|(_, counts)| **counts) {
        if let Some(first) = first {
            tally.detected += 1;
            let in_time = matches!(
                truth.told_at(first.delivered_ms),
                Outcome::Early | Outcome::OnTime
            );
            tally.in_time += u32::from(in_time);
        }
        tally
            .latencies_ms
            .push(first.map(|first| first.delivered_ms - truth.fault_ms));
    }
    tally
}
