//! How long things took, as histograms of nanoseconds.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Index, IndexMut};

/// Values are kept to within a thousandth.
const DIGITS: u8 = 3;
/// Less is not told apart, nanoseconds.
const LOW_NS: u64 = 1_000;
/// Histograms begin as small as this, nanoseconds, and grow.
const HIGH_NS: u64 = 1_000_000_000;
/// Longest time that is told apart, nanoseconds: 30 days.
const MAX_NS: u64 = 30 * 86_400 * 1_000_000_000;

/// What is measured of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// From the intended arrival until it was sent: the generator's own doing.
    Lateness,
    /// From the intended arrival until Redis had taken it.
    Enqueue,
    /// From the intended arrival, or from when it was due, until its handler began.
    Wait,
    /// How long its handler worked.
    Service,
    /// From the intended arrival, or from when it was due, until its handler had succeeded.
    EndToEnd,
}

impl Stage {
    /// All of them, in the order of a task's life.
    pub const ALL: [Self; 5] = [
        Self::Lateness,
        Self::Enqueue,
        Self::Wait,
        Self::Service,
        Self::EndToEnd,
    ];

    /// As it is written in files: a tag without commas and blanks.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lateness => "lateness",
            Self::Enqueue => "enqueue",
            Self::Wait => "wait",
            Self::Service => "service",
            Self::EndToEnd => "end_to_end",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

/// A histogram of times.
#[derive(Clone, PartialEq)]
pub struct Latency(Histogram<u64>);

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each: Vec<(u64, u64)> = self.recorded().take(8).collect();
        write!(f, "Latency({} values: {each:?}...)", self.count())
    }
}

/// Why a text is no histogram.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no histogram: {0}")]
pub struct LatencyError(String);

impl Default for Latency {
    fn default() -> Self {
        let mut histogram = Histogram::new_with_bounds(LOW_NS, HIGH_NS, DIGITS)
            .expect("bounds and digits that it has");
        histogram.auto(true);
        Self(histogram)
    }
}

impl Latency {
    /// Counts a time in nanoseconds. Less than nothing, which is a clock's error, counts as nothing.
    pub fn record(&mut self, ns: i64) {
        let ns = u64::try_from(ns).unwrap_or(0).min(MAX_NS);
        self.0
            .record(ns)
            .expect("a histogram that grows takes every value");
    }

    /// Adds another one.
    pub fn merge(&mut self, other: &Self) {
        self.0
            .add(&other.0)
            .expect("a histogram that grows takes every value");
    }

    /// No values any more.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// What a share `q` of them, from 0 to 1, did not exceed, in seconds.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.value_at_quantile(q) as f64 / 1e9)
    }

    /// The mean in seconds, to the precision.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.mean() / 1e9)
    }

    /// The standard deviation in seconds, to the precision.
    #[must_use]
    pub fn deviation(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.stdev() / 1e9)
    }

    /// The longest, in seconds.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.max() as f64 / 1e9)
    }

    /// Values and how many there are of each, rising; nanoseconds.
    pub(crate) fn recorded(&self) -> impl Iterator<Item = (u64, u64)> {
        let each = self.0.iter_recorded();
        each.map(|step| (step.value_iterated_to(), step.count_at_value()))
    }

    /// As HdrHistogram writes it: V2, compressed, in base 64.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(&self.0, &mut bytes)
            .expect("a histogram fits into memory");
        BASE64_STANDARD.encode(bytes)
    }

    /// Reads what [`Latency::encode`], or any HdrHistogram, wrote.
    ///
    /// # Errors
    /// When it is something else.
    pub fn decode(text: &str) -> Result<Self, LatencyError> {
        let wrong = |why: &dyn std::fmt::Display| LatencyError(why.to_string());
        let bytes = BASE64_STANDARD.decode(text).map_err(|why| wrong(&why))?;
        let read = Deserializer::new().deserialize(&mut bytes.as_slice());
        let read: Histogram<u64> = read.map_err(|why| wrong(&why))?;
        // As ours, so that equal histograms are equal.
        let mut latency = Self::default();
        latency.0.add(&read).map_err(|why| wrong(&why))?;
        Ok(latency)
    }
}

/// A histogram of each stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(into = "BTreeMap<Stage, String>", try_from = "BTreeMap<Stage, String>")]
pub struct Latencies([Latency; Stage::ALL.len()]);

impl Index<Stage> for Latencies {
    type Output = Latency;

    fn index(&self, stage: Stage) -> &Latency {
        &self.0[stage as usize]
    }
}

impl IndexMut<Stage> for Latencies {
    fn index_mut(&mut self, stage: Stage) -> &mut Latency {
        &mut self.0[stage as usize]
    }
}

impl Latencies {
    /// Adds another one.
    pub fn merge(&mut self, other: &Self) {
        for stage in Stage::ALL {
            self[stage].merge(&other[stage]);
        }
    }

    /// No values any more.
    pub fn clear(&mut self) {
        self.0.iter_mut().for_each(Latency::clear);
    }
}

impl From<Latencies> for BTreeMap<Stage, String> {
    fn from(latencies: Latencies) -> Self {
        let with_some = Stage::ALL.into_iter();
        let with_some = with_some.filter(|stage| latencies[*stage].count() > 0);
        with_some
            .map(|stage| (stage, latencies[stage].encode()))
            .collect()
    }
}

impl TryFrom<BTreeMap<Stage, String>> for Latencies {
    type Error = LatencyError;

    fn try_from(texts: BTreeMap<Stage, String>) -> Result<Self, LatencyError> {
        let mut latencies = Self::default();
        for (stage, text) in texts {
            latencies[stage] = Latency::decode(&text)?;
        }
        Ok(latencies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[i64]) -> Latency {
        let mut latency = Latency::default();
        values.iter().for_each(|ns| latency.record(*ns));
        latency
    }

    #[test]
    fn clocks_that_err_count_as_nothing_and_ages_as_a_month() {
        let latency = of(&[-5, i64::MAX]);
        assert_eq!(latency.quantile(0.0).map(|s| s < 1e-5), Some(true));
        let month = 30.0 * 86_400.0;
        let longest = latency.max().unwrap();
        assert!((longest / month - 1.0).abs() < 2e-3, "{longest}");
        assert_eq!(Latency::default().mean(), None);
    }

    #[test]
    fn what_is_no_histogram_is_refused() {
        for text in ["", "x", "AAAA", "!!"] {
            assert!(Latency::decode(text).is_err(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn what_is_written_reads_back_and_merges_in_any_order(
            parts in prop::collection::vec(prop::collection::vec(0..4_000_000_000_000_i64, 0..30), 0..4),
        ) {
            let whole = of(&parts.concat());
            let (mut forwards, mut backwards) = (Latency::default(), Latency::default());
            for part in &parts {
                forwards.merge(&Latency::decode(&of(part).encode()).unwrap());
            }
            for part in parts.iter().rev() {
                backwards.merge(&of(part));
            }
            prop_assert_eq!(&forwards, &backwards);
            prop_assert_eq!(&forwards, &whole);
        }

        #[test]
        fn quantiles_are_within_a_thousandth(
            mut values in prop::collection::vec(2_000_000..4_000_000_000_000_i64, 1..60),
            q in 0.0..=1.0_f64,
        ) {
            let found = of(&values).quantile(q).unwrap() * 1e9;
            values.sort_unstable();
            let rank = (values.len() as f64 * q).ceil().max(1.0) as usize;
            let exact = values[rank - 1] as f64;
            prop_assert!((found / exact - 1.0).abs() <= 1.1e-3, "{} {}", exact, found);
        }
    }
}
