//! One record judged under every setting.

use super::digest::{Digest, Judging};
use super::unit::Unit;
use super::{Scope, Tuner};
use crate::jsonl::Record;
use crate::pack::Role;
use crate::record::{AlertState, Transition, Wanted};
use crate::score::Ground;
use crate::score::episode::{Change, episodes, episodes_of};
use crate::score::judge::Outcome;
use crate::watcher::{Watcher, state, watch};
use firedrill_detector::Labels;
use firedrill_detector::tuning::{Presence, Tried};
use std::collections::BTreeMap;

/// What one record says about every setting. Much smaller than the record, which can be let go.
#[derive(Debug, Clone, PartialEq)]
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
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
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

        let mut errors = 0;
        let tables: Vec<Table> = self
            .units
            .iter()
            .map(|unit| {
                Table::new(
                    unit,
                    &tried,
                    record.header.epoch_ms,
                    &judging,
                    self.rank(&unit.alert),
                    &mut errors,
                )
            })
            .collect();
        let others = match self.params.scope {
            Scope::Varied => Digest::silent(ground.truths.len()),
            Scope::Pack => self.others(&replay.transitions, &judging),
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
        let mut key = Vec::with_capacity(tables.len());
        for setting in 0..=self.grid.len() {
            key.clear();
            key.extend(
                tables
                    .iter()
                    .zip(&self.units)
                    .map(|(table, unit)| table.digest_of(unit, setting)),
            );
            let outcome = match by_digests.get(key.as_slice()) {
                Some(outcome) => *outcome,
                None => {
                    let mut all = others.clone();
                    for (table, digest) in tables.iter().zip(&key) {
                        all.add(&table.digests[*digest as usize]);
                    }
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

    fn rank(&self, alert: &str) -> u32 {
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

/// The digests of a varied alert, by sets of thresholds and holds.
struct Table {
    digests: Vec<Digest>,
    /// By set of thresholds, then holds.
    which: Vec<u32>,
}

impl Table {
    fn new(
        unit: &Unit,
        tried: &BTreeMap<usize, Tried>,
        epoch_ms: i64,
        judging: &Judging<'_>,
        rank: u32,
        errors: &mut usize,
    ) -> Self {
        let end_ms = judging.ground.end_ms;
        let silent = Digest::silent(judging.ground.truths.len());
        let mut table = Self {
            digests: vec![silent.clone()],
            which: Vec::with_capacity(unit.variants * unit.holds.len()),
        };
        let mut known = BTreeMap::from([(silent, 0_u32)]);
        let rules: Vec<(&Tried, &firedrill_detector::tuning::Trial)> = unit
            .trials
            .iter()
            .filter_map(|(position, trial)| Some((tried.get(position)?, trial)))
            .collect();
        // The other rules of the name do the same whatever the setting is.
        let fixed: Vec<Option<Presence<'_>>> =
            rules.iter().map(|(tried, _)| tried.presence(0)).collect();
        for variant in 0..unit.variants {
            let Some(presence) = rules
                .get(unit.varied)
                .and_then(|(tried, _)| tried.presence(variant))
            else {
                continue;
            };
            *errors = presence.errors().len().max(*errors);
            for holds in &unit.holds {
                let mut changes: Vec<Change<'_, &Labels>> = Vec::new();
                for (index, (tried, trial)) in rules.iter().enumerate() {
                    let (presence, holds) = match &fixed[index] {
                        Some(own) if index != unit.varied => (own, trial.holds()),
                        _ => (&presence, *holds),
                    };
                    changes.extend(presence.steps(holds).into_iter().map(|step| {
                        let labels = &tried.instances()[step.instance];
                        Change {
                            at_ms: step.at.0 - epoch_ms,
                            alert: &unit.alert,
                            severity: labels.get("severity").unwrap_or(""),
                            page: None,
                            instance: labels,
                            from: state(step.from),
                            to: state(step.to),
                            data_gone: step.data_gone,
                            data_back: step.data_back,
                        }
                    }));
                }
                if rules.len() > 1 {
                    // Stable: at one time, rules go in their order.
                    changes.sort_by_key(|change| change.at_ms);
                }
                if !changes.iter().any(|change| change.to == AlertState::Firing) {
                    table.which.push(0);
                    continue;
                }
                let digest = judging.digest(episodes_of(changes, end_ms), rank);
                let next = known.len() as u32;
                let number = *known.entry(digest.clone()).or_insert_with(|| {
                    table.digests.push(digest);
                    next
                });
                table.which.push(number);
            }
        }
        table
    }

    fn digest_of(&self, unit: &Unit, setting: usize) -> u32 {
        let (variant, holds) = unit.cells[setting];
        self.which[variant * unit.holds.len() + holds]
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
