//! How sure a ratio over seeds is.

use crate::resample::{Resample, percentiles};

/// How often the seeds are drawn again.
const RESAMPLES: usize = 2_000;
/// With fewer seeds percentiles are known to be too narrow.
const SEEDS_MIN: usize = 10;

/// What one seed came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cluster {
    pub(super) seed: u64,
    /// How many ...
    pub(super) count: u64,
    /// ... of how many, or in how many milliseconds; > 0.
    pub(super) of: u64,
}

/// The 95 % interval of the ratio of the sums. Nothing with too few seeds, and nothing when all have the same ratio, for
/// then drawing them again shows nothing but that. The dice are seeded from the clusters, so the same trials give the
/// same interval.
pub(super) fn bounds(clusters: &[Cluster]) -> Option<(f64, f64)> {
    let first = clusters.first()?;
    let same = |other: &Cluster| {
        u128::from(first.count) * u128::from(other.of)
            == u128::from(other.count) * u128::from(first.of)
    };
    if clusters.len() < SEEDS_MIN || clusters.iter().all(same) {
        return None;
    }
    let held = clusters
        .iter()
        .flat_map(|cluster| [cluster.seed, cluster.count, cluster.of]);
    let mut resample = Resample::new(clusters.len(), held);
    let mut ratios: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let (mut count, mut of) = (0, 0);
            for drawn in resample.draw().map(|index| clusters[index]) {
                count += drawn.count;
                of += drawn.of;
            }
            count as f64 / of as f64
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    percentiles(&ratios)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clusters(of: impl IntoIterator<Item = (u64, u64)>) -> Vec<Cluster> {
        (0..)
            .zip(of)
            .map(|(seed, (count, of))| Cluster { seed, count, of })
            .collect()
    }

    #[test]
    fn the_same_trials_give_the_same_interval() {
        let found = clusters((0..30).map(|seed| (seed % 3, 2)));
        assert_eq!(bounds(&found), bounds(&found));
        let (low, high) = bounds(&found).unwrap();
        assert!(low < 0.5 && 0.5 < high, "{low} {high}");
    }

    #[test]
    fn seeds_weigh_what_they_hold() {
        // One long seed among short ones that never alarm: the ratio swings between nothing and nearly its own.
        let mut of = vec![(0, 1); 19];
        of.push((100, 100));
        let (low, high) = bounds(&clusters(of)).unwrap();
        assert_eq!(low, 0.0);
        assert!(high > 0.9, "{high}");
    }

    #[test]
    fn what_shows_nothing_gives_nothing() {
        assert_eq!(bounds(&[]), None);
        assert_eq!(bounds(&clusters([(0, 2); 100])), None);
        assert_eq!(bounds(&clusters((0..9).map(|seed| (seed % 2, 2)))), None);
        // One of two and two of four are the same share.
        assert_eq!(bounds(&clusters((1..20).map(|n| (n, 2 * n)))), None);
    }
}
