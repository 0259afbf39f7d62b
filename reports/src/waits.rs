//! How long tasks wait, as a histogram that is small on disk and can be put together over drills.

mod over_time;

pub use over_time::OverTime;

use crate::jsonl::check::DRILL_MS_MAX;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Three significant digits: waits below 2.048 s are kept exactly, longer ones to within a thousandth.
const DIGITS: u8 = 3;

/// Longest wait that is told apart, in milliseconds: no drill is longer.
const WAIT_MS_MAX: u64 = DRILL_MS_MAX.unsigned_abs();

/// Waits of tasks in virtual milliseconds.
///
/// What is encoded and decoded again is the same, as is what was recorded or merged in another order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Vec<(u64, u64)>", try_from = "Vec<(u64, u64)>")]
pub struct Waits(Histogram<u64>);

/// Why pairs of waits and counts are no histogram.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WaitsError {
    /// A wait longer than any drill.
    #[error("no task waits {wait_ms} ms: drills last at most {WAIT_MS_MAX} ms")]
    TooLong {
        /// The wait.
        wait_ms: u64,
    },
    /// Waits must rise, so that there is one way to write a histogram.
    #[error("waits must rise, but {wait_ms} ms comes after {after_ms} ms")]
    OutOfOrder {
        /// The wait.
        wait_ms: u64,
        /// The one before it.
        after_ms: u64,
    },
    /// A wait that nobody had, or more tasks than can be counted.
    #[error("{count} is no number of tasks that waited {wait_ms} ms")]
    Count {
        /// The wait.
        wait_ms: u64,
        /// How many.
        count: u64,
    },
}

impl Default for Waits {
    fn default() -> Self {
        Self::new()
    }
}

impl Waits {
    /// No waits yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Histogram::new(DIGITS).expect("three digits are a precision it has"))
    }

    /// Counts a task that waited so many virtual milliseconds. Less than nothing, which is a clock's error, counts as
    /// nothing, and more than any drill lasts as that.
    pub fn record(&mut self, wait_ms: i64) {
        self.record_many(u64::try_from(wait_ms).unwrap_or(0), 1);
    }

    /// Counts so many tasks that waited as long.
    pub fn record_many(&mut self, wait_ms: u64, count: u64) {
        self.0
            .record_n(wait_ms.min(WAIT_MS_MAX), count)
            .expect("a histogram that grows takes every wait");
    }

    /// Adds the waits of another histogram.
    pub fn merge(&mut self, other: &Self) {
        self.0
            .add(&other.0)
            .expect("a histogram that grows takes every wait");
    }

    /// How many tasks waited, and started.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The wait in milliseconds that a share `q` of the tasks, from 0 to 1, did not exceed; rounded up to the precision.
    /// Nothing when no task waited.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<u64> {
        (!self.0.is_empty()).then(|| self.0.value_at_quantile(q))
    }

    /// The mean wait in milliseconds, to the precision. Nothing when no task waited.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.mean())
    }

    /// The longest wait in milliseconds, rounded up to the precision.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        (!self.0.is_empty()).then(|| self.0.max())
    }

    /// Pairs of a wait in milliseconds and how many tasks waited as long, shortest first. A wait stands for all that the
    /// precision does not tell from it, and is the shortest of them.
    #[must_use]
    pub fn encode(&self) -> Vec<(u64, u64)> {
        self.0
            .iter_recorded()
            .map(|bucket| {
                let wait_ms = self.0.lowest_equivalent(bucket.value_iterated_to());
                (wait_ms, bucket.count_at_value())
            })
            .collect()
    }

    /// Reads what [`Waits::encode`] wrote.
    ///
    /// # Errors
    /// See [`WaitsError`].
    pub fn decode(counts: &[(u64, u64)]) -> Result<Self, WaitsError> {
        let mut waits = Self::new();
        let (mut total, mut before) = (0_u64, None);
        for &(wait_ms, count) in counts {
            if wait_ms > WAIT_MS_MAX {
                return Err(WaitsError::TooLong { wait_ms });
            }
            if let Some(after_ms) = before.filter(|before| *before >= wait_ms) {
                return Err(WaitsError::OutOfOrder { wait_ms, after_ms });
            }
            before = Some(wait_ms);
            total = match total.checked_add(count) {
                Some(total) if count > 0 => total,
                _ => return Err(WaitsError::Count { wait_ms, count }),
            };
            waits
                .0
                .record_n(wait_ms, count)
                .expect("a histogram that grows takes every wait");
        }
        Ok(waits)
    }
}

impl From<Waits> for Vec<(u64, u64)> {
    fn from(waits: Waits) -> Self {
        waits.encode()
    }
}

impl TryFrom<Vec<(u64, u64)>> for Waits {
    type Error = WaitsError;

    fn try_from(counts: Vec<(u64, u64)>) -> Result<Self, WaitsError> {
        Self::decode(&counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(waits_ms: &[i64]) -> Waits {
        let mut waits = Waits::new();
        waits_ms.iter().for_each(|ms| waits.record(*ms));
        waits
    }

    #[test]
    fn short_waits_are_exact_and_long_ones_within_a_thousandth() {
        let waits = of(&[0, 0, 1, 2_047, 3_600_000]);
        assert_eq!(waits.encode()[..3], [(0, 2), (1, 1), (2_047, 1)]);
        assert_eq!(
            [0.0, 0.4, 0.6, 0.8].map(|q| waits.quantile(q)),
            [0, 0, 1, 2_047].map(Some)
        );
        let longest = waits.max().unwrap();
        assert!((3_600_000..=3_603_600).contains(&longest), "{longest}");
        assert_eq!(
            (Waits::new().quantile(0.5), Waits::new().max()),
            (None, None)
        );
        assert_eq!(Waits::new().mean(), None);
    }

    #[test]
    fn absurd_waits_are_brought_into_the_drill() {
        let waits = of(&[-5, i64::MAX]);
        assert_eq!(waits.quantile(0.5), Some(0));
        assert_eq!(Waits::decode(&waits.encode()).unwrap(), waits);
    }

    #[test]
    fn what_is_no_histogram_is_refused() {
        assert_eq!(
            Waits::decode(&[(5, 1), (5, 1)]),
            Err(WaitsError::OutOfOrder {
                wait_ms: 5,
                after_ms: 5
            })
        );
        assert_eq!(
            Waits::decode(&[(5, 0)]),
            Err(WaitsError::Count {
                wait_ms: 5,
                count: 0
            })
        );
        assert!(matches!(
            Waits::decode(&[(5, u64::MAX), (6, 1)]),
            Err(WaitsError::Count { wait_ms: 6, .. })
        ));
        assert!(matches!(
            Waits::decode(&[(u64::MAX, 1)]),
            Err(WaitsError::TooLong { .. })
        ));
    }

    proptest! {
        #[test]
        fn histograms_survive_writing_and_merge_in_any_order(
            parts in prop::collection::vec(prop::collection::vec(0..4_000_000_i64, 0..40), 0..5),
        ) {
            let whole = of(&parts.concat());
            let (mut forwards, mut backwards) = (Waits::new(), Waits::new());
            parts.iter().for_each(|part| forwards.merge(&of(part)));
            parts.iter().rev().for_each(|part| backwards.merge(&of(part)));
            prop_assert_eq!(&forwards, &whole);
            prop_assert_eq!(&backwards, &whole);
            let text = serde_json::to_string(&whole).unwrap();
            let back: Waits = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(back, whole);
        }

        #[test]
        fn the_mean_is_that_of_the_waits_to_the_precision(
            waits_ms in prop::collection::vec(0..4_000_000_i64, 1..60),
        ) {
            let waits = of(&waits_ms);
            let mean = waits.mean().unwrap();
            let exact = waits_ms.iter().sum::<i64>() as f64 / waits_ms.len() as f64;
            prop_assert!((mean - exact).abs() <= exact * 1e-3, "{} {}", mean, exact);
            let decoded = Waits::decode(&waits.encode()).unwrap();
            prop_assert_eq!(decoded.mean(), Some(mean));
        }

        #[test]
        fn quantiles_are_those_of_the_waits_to_the_precision(
            mut waits_ms in prop::collection::vec(0..4_000_000_i64, 1..60),
            q in 0.0..=1.0_f64,
        ) {
            let found = of(&waits_ms).quantile(q).unwrap() as f64;
            waits_ms.sort_unstable();
            let rank = (waits_ms.len() as f64 * q).ceil().max(1.0) as usize;
            let exact = waits_ms[rank - 1] as f64;
            prop_assert!(exact <= found && found <= exact * 1.001, "{} {}", exact, found);
        }
    }
}
