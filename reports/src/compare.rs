//! Two runs beside each other: what got worse, and how sure that is.
//!
//! Drills of the same scenario under the same seed meet the same dice, so the difference of every figure is taken seed by
//! seed, and the seeds are drawn again for its interval. A difference is one only if the interval says so and it is larger than
//! what is no difference ([`Metric::floor`]). Runs of other plans or engines are refused.

use crate::figures::{Aggregation, Amount, Better, DrillFigures, Like, Metric, Results, Sum};
use crate::resample::{Resample, percentiles};
use crate::score::stats::WEEK_MS;
use std::collections::{BTreeMap, BTreeSet};

/// How often the seeds are drawn again.
const RESAMPLES: usize = 2_000;
/// With fewer common seeds no difference is proven.
pub const SEEDS_MIN: usize = 5;

/// Why two runs cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unlike {
    /// They have no scenario in common.
    #[error("they have no scenario in common: {base} in the baseline, {new} now")]
    Scenarios {
        /// Names in the baseline.
        base: String,
        /// Names now.
        new: String,
    },
    /// Drills of one scenario were not of the same thing.
    #[error(
        "{scenario}: `{field}` differs: {base} in the baseline, {new} now; such drills cannot be compared"
    )]
    Field {
        /// The scenario.
        scenario: String,
        /// What differs: `engine`, `redis`, or a key of the plan.
        field: String,
        /// In the baseline.
        base: String,
        /// Now.
        new: String,
    },
    /// No seed is common.
    #[error(
        "{scenario}: no seed is common to both runs; give both the same `--seed` and as many `--trials`, or `--repeats` of a load"
    )]
    Seeds {
        /// The scenario.
        scenario: String,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Every figure that both runs have.
    pub rows: Vec<Row>,
    /// Scenarios of the baseline alone, and of the new run alone.
    pub alone: [Vec<String>; 2],
    /// Alerts of the baseline alone, and of the new run alone.
    pub alerts: [Vec<String>; 2],
    /// Scenarios with fewer than [`SEEDS_MIN`] seeds whose drills prove something in both runs, and how many they have.
    pub few: Vec<(String, usize)>,
    /// Whether they are of load tests, whose seeds are those of repetitions.
    pub is_of_loads: bool,
}

/// One figure in both runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Which.
    pub metric: &'static Metric,
    /// The scenario.
    pub scenario: String,
    /// What else it is of.
    pub labels: BTreeMap<String, String>,
    /// Seeds under which both runs have it.
    pub seeds: usize,
    /// In the baseline.
    pub base: f64,
    /// Now.
    pub new: f64,
    /// The 95 % interval of what it is more now; `None`: too few seeds.
    pub interval: Option<(f64, f64)>,
    /// What that is.
    pub change: Change,
}

/// What a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Worse, and proven.
    Worse,
    /// It looks worse, and there are too few common seeds to tell.
    TooFew,
    /// Larger than what is no difference, and not proven.
    Unclear,
    /// Better, and proven.
    Better,
    /// None.
    Same,
}

/// A figure under one seed: a ratio of sums.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Part {
    count: f64,
    of: f64,
}

impl Part {
    /// `None`: it never came.
    fn of(amount: &Amount) -> Option<Self> {
        let (count, of) = match amount {
            Amount::Count(count) => (*count as f64, 1.0),
            Amount::Share(count, of) => (*count as f64, *of as f64),
            Amount::Rate(count, ms) => (*count as f64, *ms as f64 / WEEK_MS),
            Amount::Seconds(seconds) => ((*seconds)?, 1.0),
            Amount::PerSecond(rate) => (*rate, 1.0),
            Amount::Waits(_) | Amount::Micros(_) => {
                let mut sum = Sum::default();
                sum.add(0, amount);
                (sum.get(Aggregation::P(95.0))?, 1.0)
            }
        };
        Some(Self { count, of })
    }

    fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            of: self.of + other.of,
        }
    }

    fn ratio(self) -> f64 {
        self.count / self.of
    }
}

type Key<'r> = (&'static str, &'r str, Vec<(&'r str, &'r str)>);

/// Figures by what they are of, and by seed; `None` inside: it never came.
fn figures(drills: &[DrillFigures]) -> BTreeMap<Key<'_>, BTreeMap<u64, Option<Part>>> {
    let mut all: BTreeMap<Key<'_>, BTreeMap<u64, Option<Part>>> = BTreeMap::new();
    for drill in drills {
        let fit = |better: Better| better != Better::Neither;
        for point in drill.points.iter().filter(|point| fit(point.metric.better)) {
            let labels = point.labels.iter().map(|(name, value)| (&**name, &**value));
            let key = (point.metric.name, &*drill.scenario, labels.collect());
            let part = Part::of(&point.amount);
            let seeds = all.entry(key).or_default();
            let known = seeds.entry(drill.seed).or_insert(Some(Part::default()));
            *known = known.zip(part).map(|(known, part)| known.and(part));
        }
    }
    all
}

impl Comparison {
    /// Compares a run with a baseline.
    ///
    /// # Errors
    /// When they are not of the same thing.
    pub fn new(base: &Results, new: &Results) -> Result<Self, Unlike> {
        let names = |results: &Results| results.scenarios.keys().cloned().collect::<BTreeSet<_>>();
        let (before, now) = (names(base), names(new));
        alike(&base.scenarios, &new.scenarios)?;
        for scenario in before.intersection(&now) {
            share_seeds(scenario, base, new)?;
        }
        let (ours, theirs) = (figures(&base.drills), figures(&new.drills));
        let rows = ours.iter().filter_map(|(key, seeds)| {
            let both = theirs.get(key)?;
            row(key, seeds, both)
        });
        let few = before.intersection(&now).filter_map(|scenario| {
            let seeds = seeds(scenario, base)
                .intersection(&seeds(scenario, new))
                .count();
            (seeds < SEEDS_MIN).then(|| (scenario.clone(), seeds))
        });
        let few = few.collect();
        let mut rows: Vec<Row> = rows.collect();
        rows.sort_by_key(|row| row.change);
        let alone = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
            one.difference(other).cloned().collect::<Vec<String>>()
        };
        let (alerts_before, alerts_now) = (alerts(base), alerts(new));
        Ok(Self {
            rows,
            alone: [alone(&before, &now), alone(&now, &before)],
            alerts: [
                alone(&alerts_before, &alerts_now),
                alone(&alerts_now, &alerts_before),
            ],
            few,
            is_of_loads: base.scenarios.values().all(Like::is_of_load),
        })
    }

    /// Figures that changed so.
    pub fn changed(&self, change: Change) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.change == change)
    }

    /// Whether nothing got worse; `None`: there are too few common seeds to tell, also of what looks the same.
    #[must_use]
    pub fn passes(&self) -> Option<bool> {
        if self.changed(Change::Worse).next().is_some() {
            return Some(false);
        }
        let is_open = !self.few.is_empty() || self.changed(Change::TooFew).next().is_some();
        (!is_open).then_some(true)
    }
}

/// Whether drills of the scenarios that both runs have are of the same thing.
///
/// # Errors
/// With the first difference, or when no scenario is common.
pub fn alike(base: &BTreeMap<String, Like>, new: &BTreeMap<String, Like>) -> Result<(), Unlike> {
    let list = |scenarios: &BTreeMap<String, Like>| {
        scenarios.keys().cloned().collect::<Vec<_>>().join(", ")
    };
    let common = base
        .iter()
        .filter_map(|(name, base)| Some((name, base, new.get(name)?)));
    let mut common = common.peekable();
    if common.peek().is_none() {
        return Err(Unlike::Scenarios {
            base: list(base),
            new: list(new),
        });
    }
    for (scenario, base, new) in common {
        if let Some((field, base, new)) = base.differs(new) {
            return Err(Unlike::Field {
                scenario: scenario.clone(),
                field,
                base,
                new,
            });
        }
    }
    Ok(())
}

/// Seeds under which a scenario's drills prove something.
fn seeds(scenario: &str, results: &Results) -> BTreeSet<u64> {
    let drills = results.drills.iter();
    let own = drills.filter(|drill| drill.scenario == scenario && drill.conclusive);
    own.map(|drill| drill.seed).collect()
}

/// Refuses a scenario that was never run under the same seed.
fn share_seeds(scenario: &str, base: &Results, new: &Results) -> Result<(), Unlike> {
    let of = |results: &Results| {
        let drills = results.drills.iter();
        let own = drills.filter(|drill| drill.scenario == scenario);
        own.map(|drill| drill.seed).collect::<BTreeSet<u64>>()
    };
    match of(base).is_disjoint(&of(new)) {
        true => Err(Unlike::Seeds {
            scenario: scenario.to_owned(),
        }),
        false => Ok(()),
    }
}

fn alerts(results: &Results) -> BTreeSet<String> {
    let points = results.drills.iter().flat_map(|drill| &drill.points);
    let alerts = points.filter_map(|point| point.labels.get(crate::figures::metric::ALERT));
    alerts.cloned().collect()
}

fn row(
    (name, scenario, labels): &Key<'_>,
    before: &BTreeMap<u64, Option<Part>>,
    now: &BTreeMap<u64, Option<Part>>,
) -> Option<Row> {
    let metric = Metric::named(name)?;
    // What never came in one of them is told by the shares of what was seen.
    let common = before.iter().filter_map(|(seed, base)| {
        let new = now.get(seed)?;
        Some((*seed, (*base)?, (*new)?))
    });
    let common: Vec<(u64, Part, Part)> = common.collect();
    if common.is_empty() {
        return None;
    }
    let sum = |drawn: &mut dyn Iterator<Item = usize>| {
        let (mut base, mut new) = (Part::default(), Part::default());
        for (_, ours, theirs) in drawn.map(|index| common[index]) {
            (base, new) = (base.and(ours), new.and(theirs));
        }
        (base.ratio(), new.ratio())
    };
    let (base, new) = sum(&mut (0..common.len()));
    let interval = (common.len() >= SEEDS_MIN).then(|| {
        let held = common
            .iter()
            .flat_map(|(seed, base, new)| [*seed, base.count.to_bits(), new.count.to_bits()]);
        let mut resample = Resample::new(common.len(), held);
        let mut drawn: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                let (base, new) = sum(&mut resample.draw());
                new - base
            })
            .collect();
        drawn.sort_by(f64::total_cmp);
        percentiles(&drawn)
    });
    let interval = interval.flatten();
    Some(Row {
        metric,
        scenario: (*scenario).to_owned(),
        labels: labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        seeds: common.len(),
        base,
        new,
        interval,
        change: change(metric, base, new, interval),
    })
}

fn change(metric: &Metric, base: f64, new: f64, interval: Option<(f64, f64)>) -> Change {
    let floor = metric.floor;
    let noise = floor.absolute.max(floor.relative * base.abs());
    let difference = new - base;
    if difference.abs() <= noise {
        return Change::Same;
    }
    let is_worse = (difference > 0.0) == (metric.better == Better::Less);
    match interval {
        None if is_worse => Change::TooFew,
        None => Change::Unclear,
        Some((low, high)) if low <= 0.0 && high >= 0.0 => Change::Unclear,
        Some(_) if is_worse => Change::Worse,
        Some(_) => Change::Better,
    }
}

#[cfg(test)]
mod tests;
