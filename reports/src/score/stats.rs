//! Numbers with what is uncertain about them: Wilson's interval of a share, Garwood's of a count per exposure, and
//! latencies of which some never came.

/// A share with its 95 % Wilson interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// How many.
    pub count: u64,
    /// Of how many, > 0.
    pub of: u64,
}

const Z: f64 = 1.96;

/// What a two-sided 95 % interval leaves out on either side.
const TAIL: f64 = 0.025;

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
        wilson(self.value(), self.of as f64)
    }
}

/// Wilson's 95 % interval of a share, seen in `n` independent cases.
#[must_use]
pub fn wilson(share: f64, n: f64) -> (f64, f64) {
    let scale = 1.0 + Z * Z / n;
    let centre = (share + Z * Z / (2.0 * n)) / scale;
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
    ((centre - half).max(0.0), (centre + half).min(1.0))
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

/// Median and 90th percentile of latencies, by nearest rank; `None` inside is a miss.
pub(crate) fn median_and_p90(latencies: &Latencies) -> Option<[Option<i64>; 2]> {
    Some([latencies.quantile(0.5)?.ms(), latencies.quantile(0.9)?.ms()])
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

/// How long something took to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Latency {
    /// So many milliseconds.
    Ms(i64),
    /// It never was: later than anything.
    Missed,
}

impl Latency {
    /// The milliseconds, if it was seen.
    #[must_use]
    pub fn ms(self) -> Option<i64> {
        match self {
            Self::Ms(ms) => Some(ms),
            Self::Missed => None,
        }
    }
}

/// Latencies, misses among them: leaving these out would make the alert that sees least look fastest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Latencies {
    sorted: Vec<Latency>,
}

impl Latencies {
    /// Latencies in any order.
    #[must_use]
    pub fn new(latencies: impl IntoIterator<Item = Latency>) -> Self {
        let mut sorted: Vec<Latency> = latencies.into_iter().collect();
        sorted.sort_unstable();
        Self { sorted }
    }

    /// How many, misses included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The shortest first, the misses last.
    #[must_use]
    pub fn sorted(&self) -> &[Latency] {
        &self.sorted
    }

    /// The smallest latency that a share `q` of them, from 0 to 1, did not exceed; nothing when there are none.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Latency> {
        let rank = (self.sorted.len() as f64 * q).ceil() as usize;
        self.sorted.get(rank.max(1) - 1).copied()
    }

    /// The exact 95 % interval of that quantile, whatever the latencies' distribution (order statistics; at most 2.5 % on
    /// either side), when they are independent. Too few of them to bound it give the fault itself, or a miss.
    #[must_use]
    pub fn interval(&self, q: f64) -> (Latency, Latency) {
        let count = self.sorted.len();
        let (mut low, mut high) = (0, count + 1);
        let mut below = 0.0;
        for rank in 1..=count {
            // How likely it is that less than `rank` of them do not exceed the quantile.
            below += binomial(rank as u64 - 1, count as u64, q);
            if below <= TAIL {
                low = rank;
            } else if below >= 1.0 - TAIL {
                high = rank;
                break;
            }
        }
        let at = |rank: usize| rank.checked_sub(1).and_then(|index| self.sorted.get(index));
        (
            at(low).copied().unwrap_or(Latency::Ms(0)),
            at(high).copied().unwrap_or(Latency::Missed),
        )
    }
}

/// P(X = count) for a binomial variable, by its logarithm.
fn binomial(count: u64, n: u64, p: f64) -> f64 {
    if p <= 0.0 || p >= 1.0 {
        return f64::from(u8::from(count == if p <= 0.0 { 0 } else { n }));
    }
    let ways: f64 = (1..=count)
        .map(|k| ((n - count + k) as f64 / k as f64).ln())
        .sum();
    (ways + count as f64 * p.ln() + (n - count) as f64 * (1.0 - p).ln()).exp()
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
    fn a_miss_is_later_than_anything() {
        let three = Latencies::new([Latency::Missed, Latency::Ms(390), Latency::Ms(210)]);
        assert_eq!(
            [0.0, 0.33, 0.5, 0.67, 0.9, 1.0].map(|q| three.quantile(q).unwrap().ms()),
            [Some(210), Some(210), Some(390), None, None, None]
        );
        assert_eq!(Latencies::default().quantile(0.5), None);
    }

    #[test]
    fn intervals_of_medians_are_those_of_the_tables() {
        // Ranks of the 95 % interval of a median, as in the tables of the sign test.
        for (count, low, high) in [
            (6, 1, 6),
            (10, 2, 9),
            (12, 3, 10),
            (25, 8, 18),
            (100, 40, 61),
        ] {
            let found = Latencies::new((1..=count).map(Latency::Ms)).interval(0.5);
            assert_eq!(found, (Latency::Ms(low), Latency::Ms(high)), "{count}");
        }
        let five = Latencies::new((1..=5).map(Latency::Ms));
        assert_eq!(five.interval(0.5), (Latency::Ms(0), Latency::Missed));
        let mut many: Vec<Latency> = (1..=2_000).map(Latency::Ms).collect();
        many.extend([Latency::Missed; 2_000]);
        let (low, high) = Latencies::new(many).interval(0.5);
        assert!(low.ms() > Some(1_900) && high == Latency::Missed);
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
