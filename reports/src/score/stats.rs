//! Intervals for small numbers: Wilson for shares, Garwood for counts per exposure.

/// A share with its 95 % Wilson interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// How many.
    pub count: u64,
    /// Of how many, > 0.
    pub of: u64,
}

const Z: f64 = 1.96;

impl Share {
    /// `count` of `of`, or nothing when there is nothing to have a share of.
    #[must_use]
    pub fn new(count: u64, of: u64) -> Option<Self> {
        (of > 0).then_some(Self { count, of })
    }

    /// The share itself.
    #[must_use]
    pub fn value(self) -> f64 {
        self.count as f64 / self.of as f64
    }

    /// Lower and upper bound.
    #[must_use]
    pub fn wilson(self) -> (f64, f64) {
        let (n, p) = (self.of as f64, self.value());
        let scale = 1.0 + Z * Z / n;
        let centre = (p + Z * Z / (2.0 * n)) / scale;
        let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
        ((centre - half).max(0.0), (centre + half).min(1.0))
    }
}

/// Milliseconds of a week.
pub(crate) const WEEK_MS: f64 = 7.0 * 24.0 * 3_600_000.0;

/// A count per week of exposure with its exact 95 % interval; nothing without exposure.
#[must_use]
pub fn per_week(count: u64, exposure_ms: i64) -> Option<(f64, f64, f64)> {
    (exposure_ms > 0).then(|| {
        let weeks = exposure_ms as f64 / WEEK_MS;
        let (low, high) = garwood(count);
        (count as f64 / weeks, low / weeks, high / weeks)
    })
}

/// Median and 90th percentile of latencies in milliseconds, by nearest rank. A miss (`None`) is later than anything.
#[must_use]
pub fn quantiles(mut latencies: Vec<Option<i64>>) -> Option<[Option<i64>; 2]> {
    latencies.sort_by_key(|latency| latency.unwrap_or(i64::MAX));
    let rank = |q: f64| latencies[((latencies.len() as f64 * q).ceil() as usize).max(1) - 1];
    (!latencies.is_empty()).then(|| [rank(0.5), rank(0.9)])
}

/// Exact two-sided 95 % bounds for the mean of a Poisson count (Garwood 1936).
#[must_use]
pub fn garwood(count: u64) -> (f64, f64) {
    let lower = if count == 0 {
        0.0
    } else {
        solve(|mean| 1.0 - cdf(count - 1, mean), 0.025)
    };
    let upper = solve(|mean| 1.0 - cdf(count, mean), 0.975);
    (lower, upper)
}

/// P(X <= count) for a Poisson variable. Terms are summed by their logarithms: e^-mean alone is zero from 746 on.
fn cdf(count: u64, mean: f64) -> f64 {
    if mean <= 0.0 {
        return 1.0;
    }
    let mut log_term = -mean;
    let mut sum = log_term.exp();
    for k in 1..=count {
        log_term += (mean / k as f64).ln();
        sum += log_term.exp();
    }
    sum.min(1.0)
}

/// The mean at which the rising function `f` reaches `target`, by bisection.
fn solve(f: impl Fn(f64) -> f64, target: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while f(high) < target && high < 1e6 {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if f(middle) < target {
            low = middle
        } else {
            high = middle
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_of_the_textbook() {
        for (count, of, low, high) in [
            (2, 3, 0.208, 0.939),
            (2, 5, 0.118, 0.769),
            (10, 10, 0.722, 1.0),
            (1, 1, 0.207, 1.0),
        ] {
            let (l, h) = Share::new(count, of).unwrap().wilson();
            assert!(
                (l - low).abs() < 1e-3 && (h - high).abs() < 1e-3,
                "{count}/{of}: {l} {h}"
            );
        }
        assert_eq!(Share::new(0, 0), None);
    }

    #[test]
    fn garwood_of_the_textbook() {
        for (count, low, high) in [
            (0, 0.0, 3.69),
            (1, 0.0253, 5.572),
            (2, 0.242, 7.225),
            (3, 0.619, 8.767),
            (5, 1.62, 11.67),
            (10, 4.80, 18.4),
            // Beyond where e^-mean can be written.
            (1000, 938.973, 1063.952),
        ] {
            let (l, h) = garwood(count);
            assert!(
                (l - low).abs() < 5e-3 && (h - high).abs() < 2e-2,
                "{count}: {l} {h}"
            );
        }
    }
}
