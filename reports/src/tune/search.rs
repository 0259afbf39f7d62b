//! All settings side by side: the trade-off, the proposal, and its confirmation on drills that had no part in it.

use super::bootstrap::{self, Confidence};
use super::figures::Figures;
use super::observe::Observed;
use super::plateau;
use super::{Grid, TuneParams, Tuner};
use crate::score::stats::WEEK_MS;
use firedrill_detector::tuning::SettingValue;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// Every so manieth seed of a scenario is held out.
const HELD_OUT_EVERY: usize = 3;

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuning {
    /// What was varied.
    pub grid: Grid,
    /// The varied alerts.
    pub alerts: Vec<String>,
    /// How settings were judged and chosen.
    pub params: TuneParams,
    /// Drills the choice was made on, and different seeds among them.
    pub drills: usize,
    /// Seeds of those drills.
    pub seeds: usize,
    /// Drills that prove nothing and had no part: scenario, seed, why.
    pub inconclusive: Vec<(String, u64, Vec<String>)>,
    /// Most failed evaluations of varied rules in any drill.
    pub errors: usize,
    /// The rules as they stand.
    pub before: Figures,
    /// Every setting, in the grid's order.
    pub settings: Vec<Figures>,
    /// Settings that no other beats in false alarms, incidents in time and median latency together; fewest alarms first.
    pub front: Vec<FrontPoint>,
    /// The setting to take.
    pub proposal: Proposal,
    /// The proposal on held-out drills; nothing where there are too few seeds.
    pub confirmation: Option<Confirmation>,
}

/// Settings of the front with the same figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrontPoint {
    /// The one in their middle.
    pub setting: usize,
    /// How many there are.
    pub alike: usize,
}

/// The setting to take.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// Its number in the grid.
    pub setting: usize,
    /// Its values, one per axis.
    pub values: Vec<SettingValue>,
    /// What it came to on the drills it was chosen on.
    pub figures: Figures,
    /// How many settings have no more false alarms than are acceptable.
    pub allowed: usize,
    /// How many settings are as good as this one; it is in their middle.
    pub plateau: usize,
    /// How sure all that is.
    pub confidence: Confidence,
}

/// Figures of drills that had no part in the choice.
#[derive(Debug, Clone, PartialEq)]
pub struct Confirmation {
    /// How many drills.
    pub drills: usize,
    /// The rules as they stand.
    pub before: Figures,
    /// The proposal.
    pub proposal: Figures,
    /// Fewer incidents were detected in time than the 95 % interval of the other drills allows.
    pub recall_is_worse: bool,
    /// There were more false alarms per week than the 95 % interval of the other drills allows.
    pub false_alarms_are_worse: bool,
}

/// What to make of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Advice {
    /// Held-out drills are within the intervals of those it was chosen on.
    Confirmed,
    /// No drills could be held out.
    Unconfirmed,
    /// Held-out drills are worse than the intervals of those it was chosen on.
    Worse,
    /// No setting with so few false alarms detects any incident by its deadline: there is nothing to take.
    Useless,
}

impl Tuning {
    /// What to make of the proposal.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match &self.confirmation {
            _ if self.proposal.figures.in_time == 0 => Advice::Useless,
            None => Advice::Unconfirmed,
            Some(held) if held.recall_is_worse || held.false_alarms_are_worse => Advice::Worse,
            Some(_) => Advice::Confirmed,
        }
    }
}

/// Why nothing can be proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SearchError {
    /// There is no drill that proves anything.
    #[error("there is no conclusive drill to judge settings on")]
    NoDrills,
    /// None of the drills has an incident the varied alerts should see.
    #[error("none of the drills has an incident that the varied alerts are expected to see")]
    NoIncidents,
    /// A drill was observed by another tuner.
    #[error("a drill was observed with another grid")]
    OtherGrid,
}

impl Tuner {
    /// Lays the settings side by side over the drills observed.
    ///
    /// The proposal: of the settings with no more false alarms than the budget allows (or, without one, as few as any has),
    /// those that detect most incidents by the deadline; of them, those whose median latency is the lowest or as good as
    /// that; of them, the one in the middle, so that it stands on the plateau and not on its edge.
    ///
    /// # Errors
    /// See [`SearchError`].
    pub fn search(&self, observed: &[Observed]) -> Result<Tuning, SearchError> {
        if observed
            .iter()
            .any(|record| !record.is_of(self.grid.len() + 1))
        {
            return Err(SearchError::OtherGrid);
        }
        let (conclusive, doubtful): (Vec<&Observed>, Vec<&Observed>) = observed
            .iter()
            .partition(|record| record.inconclusive.is_empty());
        // The order in which drills came must not matter to anything below.
        let mut conclusive = conclusive;
        conclusive.sort_by(|a, b| a.order().cmp(&b.order()));
        let held = held_out(&conclusive);
        let (held, training): (Vec<&Observed>, Vec<&Observed>) = conclusive
            .iter()
            .partition(|record| held.contains(&record.seed));
        if training.is_empty() {
            return Err(SearchError::NoDrills);
        }
        let of = |setting: usize| Figures::new(training.iter().copied(), setting);
        let settings: Vec<Figures> = (0..self.grid.len()).map(of).collect();
        let before = of(self.grid.len());
        if before.incidents == 0 {
            return Err(SearchError::NoIncidents);
        }
        let choice = Choice::new(&settings, &self.params);
        let setting = plateau::middle(&self.grid, &choice.best).ok_or(SearchError::NoDrills)?;
        let figures = settings[setting].clone();
        Ok(Tuning {
            front: front(&self.grid, &settings),
            proposal: Proposal {
                setting,
                values: self.grid.values(setting),
                allowed: choice.allowed.len(),
                plateau: choice.best.len(),
                confidence: bootstrap::confidence(
                    &training,
                    self.grid.len(),
                    setting,
                    &self.params,
                ),
                figures: figures.clone(),
            },
            confirmation: self.confirm(&held, setting, &figures),
            grid: self.grid.clone(),
            alerts: self.varied().map(str::to_owned).collect(),
            params: self.params,
            drills: training.len(),
            seeds: training
                .iter()
                .map(|record| record.seed)
                .collect::<BTreeSet<u64>>()
                .len(),
            inconclusive: doubtful
                .iter()
                .map(|record| {
                    (
                        record.scenario.clone(),
                        record.seed,
                        record.inconclusive.clone(),
                    )
                })
                .collect(),
            errors: observed
                .iter()
                .map(|record| record.errors)
                .max()
                .unwrap_or(0),
            before,
            settings,
        })
    }

    fn confirm(
        &self,
        held: &[&Observed],
        setting: usize,
        training: &Figures,
    ) -> Option<Confirmation> {
        let of = |setting: usize| Figures::new(held.iter().copied(), setting);
        let proposal = of(setting);
        let recall = proposal.recall()?;
        let below = training
            .recall()
            .is_some_and(|known| recall.value() < known.wilson().0);
        let above = match (proposal.false_per_week(), training.false_per_week()) {
            (Some((rate, ..)), Some((.., high))) => rate > high,
            _ => false,
        };
        Some(Confirmation {
            drills: held.len(),
            before: of(self.grid.len()),
            proposal,
            recall_is_worse: below,
            false_alarms_are_worse: above,
        })
    }
}

/// The seeds that are held out: every third of each scenario's, in order. A seed that several scenarios share is on the
/// same side in all of them, so that no drill has a sibling on the other side.
fn held_out(records: &[&Observed]) -> BTreeSet<u64> {
    let mut seeds: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for record in records {
        seeds
            .entry(&record.scenario)
            .or_default()
            .insert(record.seed);
    }
    let mut decided: BTreeMap<u64, bool> = BTreeMap::new();
    for of_scenario in seeds.values() {
        let open: Vec<u64> = of_scenario
            .iter()
            .copied()
            .filter(|seed| !decided.contains_key(seed))
            .collect();
        for (rank, seed) in (1..).zip(open) {
            decided.insert(seed, rank % HELD_OUT_EVERY == 0);
        }
    }
    decided
        .into_iter()
        .filter(|(_, held)| *held)
        .map(|(seed, _)| seed)
        .collect()
}

/// Which settings are acceptable, and which of them are best.
struct Choice {
    allowed: Vec<usize>,
    best: Vec<usize>,
}

impl Choice {
    fn new(settings: &[Figures], params: &TuneParams) -> Self {
        let fewest = settings
            .iter()
            .map(|figures| figures.false_alarms)
            .min()
            .unwrap_or(0);
        let exposure_ms = settings.first().map_or(0, |figures| figures.exposure_ms);
        let limit = alarms_allowed(fewest, exposure_ms, params);
        let keep = |from: &[usize], keeps: &dyn Fn(&Figures) -> bool| -> Vec<usize> {
            let all = from.iter().copied();
            all.filter(|setting| keeps(&settings[*setting])).collect()
        };
        let all: Vec<usize> = (0..settings.len()).collect();
        let allowed = keep(&all, &|figures| figures.false_alarms <= limit);
        let of = |from: &[usize], what: &dyn Fn(&Figures) -> i64| {
            from.iter()
                .map(|setting| what(&settings[*setting]))
                .min()
                .unwrap_or(0)
        };
        let in_time = |figures: &Figures| figures.merits()[1];
        let most = of(&allowed, &in_time);
        let timely = keep(&allowed, &|figures| in_time(figures) == most);
        let fastest = of(&timely, &Figures::median_ms);
        let best = keep(&timely, &|figures| {
            as_fast(figures.median_ms(), fastest, params)
        });
        Self { allowed, best }
    }
}

/// How many false alarms are acceptable where the best setting has `fewest`.
pub(super) fn alarms_allowed(fewest: u64, exposure_ms: i64, params: &TuneParams) -> u64 {
    let budget = params.budget_per_week.unwrap_or(0.0) * exposure_ms as f64 / WEEK_MS;
    // A fraction of an alarm is none; casting saturates.
    fewest.max((budget + 1e-9).floor() as u64)
}

/// Whether a median latency is as good as the best.
pub(super) fn as_fast(median_ms: i64, best_ms: i64, params: &TuneParams) -> bool {
    median_ms <= best_ms.saturating_add(params.slack_ms)
}

/// Settings that no other dominates, those with the same figures put together.
fn front(grid: &Grid, settings: &[Figures]) -> Vec<FrontPoint> {
    let mut alike: BTreeMap<[i64; 3], Vec<usize>> = BTreeMap::new();
    for (setting, figures) in settings.iter().enumerate() {
        alike.entry(figures.merits()).or_default().push(setting);
    }
    let groups: Vec<&Vec<usize>> = alike.values().collect();
    let beaten = |group: &&&Vec<usize>| {
        let own = &settings[group[0]];
        groups.iter().any(|other| settings[other[0]].dominates(own))
    };
    let unbeaten = groups.iter().filter(|group| !beaten(group));
    unbeaten
        .filter_map(|group| {
            let setting = plateau::middle(grid, group)?;
            Some(FrontPoint {
                setting,
                alike: group.len(),
            })
        })
        .collect()
}
