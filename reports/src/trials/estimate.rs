//! Shares and rates over trials, each with an interval that fits how the trials were drawn.

use crate::score::stats::WEEK_MS;
use crate::score::stats::{Share, garwood, wilson};
use crate::trials::bootstrap::{self, Cluster};
use std::collections::BTreeMap;

/// How an interval was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Wilson's, of independent cases.
    Wilson,
    /// Exact for a Poisson count (Garwood).
    Garwood,
    /// Percentiles of resampled seeds: cases that share a seed are not independent.
    Bootstrap,
    /// Wilson's, as if each seed were one case: for few seeds, or seeds that all show the same, resampling would claim
    /// more than is known.
    WilsonOfSeeds,
    /// Garwood's, as if each seed's count were one event, for the same reason.
    GarwoodOfSeeds,
}

/// A share over trials with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// How many.
    pub count: u64,
    /// Of how many, > 0.
    pub of: u64,
    /// From how many seeds.
    pub seeds: u64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
    /// How the bounds were made.
    pub method: Method,
    /// The bounds if all cases were independent, where they are not.
    pub naive: Option<(f64, f64)>,
}

impl Estimate {
    /// The share itself.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.count as f64 / self.of as f64
    }
}

/// A count per week of quiet time, with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// How many.
    pub count: u64,
    /// In how long, > 0.
    pub exposure_ms: u64,
    /// From how many seeds.
    pub seeds: u64,
    /// Lower bound, per week.
    pub low_per_week: f64,
    /// Upper bound, per week.
    pub high_per_week: f64,
    /// How the bounds were made.
    pub method: Method,
    /// The bounds per week if the events came independently, where they did not.
    pub naive: Option<(f64, f64)>,
}

impl Rate {
    /// The rate itself.
    #[must_use]
    pub fn per_week(&self) -> f64 {
        self.count as f64 / self.exposure_ms as f64 * WEEK_MS
    }
}

/// Counts by seed: how many, of how many (or in how many milliseconds).
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tally(BTreeMap<u64, (u64, u64)>);

impl Tally {
    /// Adds `count` of `of` to a seed.
    pub(crate) fn add(&mut self, seed: u64, count: u64, of: u64) {
        let (counted, all) = self.0.entry(seed).or_default();
        *counted += count;
        *all += of;
    }

    /// The clusters that have something to count, in order of their seeds, and their sums.
    fn clusters(&self) -> (Vec<Cluster>, u64, u64) {
        let clusters: Vec<Cluster> = self
            .0
            .iter()
            .filter(|(_, (_, of))| *of > 0)
            .map(|(seed, (count, of))| Cluster {
                seed: *seed,
                count: *count,
                of: *of,
            })
            .collect();
        let count = clusters.iter().map(|cluster| cluster.count).sum();
        let of = clusters.iter().map(|cluster| cluster.of).sum();
        (clusters, count, of)
    }

    /// The share, or nothing when there is nothing to have a share of. One case a seed: Wilson. Several: resampled seeds.
    pub(crate) fn share(&self) -> Option<Estimate> {
        let (clusters, count, of) = self.clusters();
        let naive = Share::new(count, of)?.wilson();
        let is_independent = clusters.iter().all(|cluster| cluster.of <= 1);
        let ((low, high), method) = if is_independent {
            (naive, Method::Wilson)
        } else if let Some(bounds) = bootstrap::bounds(&clusters) {
            (bounds, Method::Bootstrap)
        } else {
            let value = count as f64 / of as f64;
            (wilson(value, clusters.len() as f64), Method::WilsonOfSeeds)
        };
        Some(Estimate {
            count,
            of,
            seeds: clusters.len() as u64,
            low,
            high,
            method,
            naive: (!is_independent).then_some(naive),
        })
    }

    /// The rate, where `of` are milliseconds, or nothing without any. At most one event a seed: Garwood. Several:
    /// resampled seeds.
    pub(crate) fn rate(&self) -> Option<Rate> {
        let (clusters, count, exposure_ms) = self.clusters();
        if exposure_ms == 0 {
            return None;
        }
        let weeks = exposure_ms as f64 / WEEK_MS;
        let per_week = |(low, high): (f64, f64)| (low / weeks, high / weeks);
        let naive = per_week(garwood(count));
        let is_independent = clusters.iter().all(|cluster| cluster.count <= 1);
        let ((low, high), method) = if is_independent {
            (naive, Method::Garwood)
        } else if let Some((low, high)) = bootstrap::bounds(&clusters) {
            ((low * WEEK_MS, high * WEEK_MS), Method::Bootstrap)
        } else {
            let clumps = clusters.iter().filter(|cluster| cluster.count > 0).count() as u64;
            let size = count as f64 / clumps as f64;
            let (low, high) = garwood(clumps);
            (per_week((low * size, high * size)), Method::GarwoodOfSeeds)
        };
        Some(Rate {
            count,
            exposure_ms,
            seeds: clusters.len() as u64,
            low_per_week: low,
            high_per_week: high,
            method,
            naive: (!is_independent).then_some(naive),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(of: impl IntoIterator<Item = (u64, u64)>) -> Tally {
        let mut tally = Tally::default();
        for (seed, (count, of)) in (0..).zip(of) {
            tally.add(seed, count, of);
        }
        tally
    }

    fn near(found: f64, expected: f64, error: f64) {
        assert!((found - expected).abs() <= error, "{found} {expected}");
    }

    #[test]
    fn one_case_a_seed_is_wilson() {
        let ten = tally([(1, 1); 10]).share().unwrap();
        assert_eq!((ten.method, ten.naive), (Method::Wilson, None));
        near(ten.low, 0.722, 1e-3);
        assert_eq!(tally([(0, 0); 3]).share(), None);
    }

    #[test]
    fn seeds_that_all_show_the_same_are_worth_one_case_each() {
        // Of two scenarios one is always detected and one never: 20 seeds tell no more than 20 cases would.
        let half = tally([(1, 2); 20]).share().unwrap();
        assert_eq!((half.count, half.of, half.seeds), (20, 40, 20));
        assert_eq!(half.method, Method::WilsonOfSeeds);
        assert_eq!((half.low, half.high), wilson(0.5, 20.0));
        let (low, high) = half.naive.unwrap();
        assert!(half.low < low && high < half.high);
        // Three seeds are too few to resample, different as they are.
        let few = tally([(2, 2), (0, 2), (1, 2)]).share().unwrap();
        assert_eq!((few.low, few.high), wilson(0.5, 3.0));
    }

    #[test]
    fn seeds_that_differ_as_wholes_are_less_sure_than_as_many_cases() {
        // Half of 40 seeds see all five incidents, half see none: 200 cases, 40 independent ones.
        let seeds = (0..40).map(|seed| if seed % 2 == 0 { (5, 5) } else { (0, 5) });
        let half = tally(seeds).share().unwrap();
        assert_eq!(half.method, Method::Bootstrap);
        // A mean of 40 coins: 0.5 plus and minus 1.96 * 0.5 / sqrt(40) = 0.155.
        near(half.low, 0.345, 0.03);
        near(half.high, 0.655, 0.03);
        let (low, high) = half.naive.unwrap();
        near(high - low, 2.0 * 0.0686, 2e-3);
    }

    #[test]
    fn rates_are_per_week_and_exact_where_events_are_single() {
        let week = WEEK_MS as u64;
        // The worked example's two false pages in 15900 s, in two seeds.
        let two = tally([(1, 7_900_000), (1, 8_000_000)]).rate().unwrap();
        assert_eq!(two.method, Method::Garwood);
        near(two.per_week(), 76.0, 0.5);
        near(two.low_per_week, 9.2, 0.1);
        near(two.high_per_week, 275.0, 1.0);
        let none = tally([(0, week); 4]).rate().unwrap();
        near(none.high_per_week, 3.69 / 4.0, 1e-3);
        assert_eq!(tally([(0, 0)]).rate(), None);
    }

    #[test]
    fn events_that_come_in_clumps_are_counted_by_clump() {
        let week = WEEK_MS as u64;
        // Six pages in each of two bad seeds: two events, not twelve.
        let clumps = tally([(6, week), (6, week), (0, week), (0, week)]);
        let found = clumps.rate().unwrap();
        assert_eq!(found.method, Method::GarwoodOfSeeds);
        near(found.per_week(), 3.0, 1e-9);
        near(found.low_per_week, 0.242 * 6.0 / 4.0, 1e-2);
        near(found.high_per_week, 7.225 * 6.0 / 4.0, 2e-2);
        let many = tally((0..50).map(|seed| (if seed % 5 == 0 { 6 } else { 0 }, week)));
        let found = many.rate().unwrap();
        assert_eq!(found.method, Method::Bootstrap);
        // A mean of 50 seeds of variance 0.16 * 36: 1.2 plus and minus 1.96 * 0.339.
        near(found.low_per_week, 0.535, 0.15);
        near(found.high_per_week, 1.865, 0.15);
    }
}
