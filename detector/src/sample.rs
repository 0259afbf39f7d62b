//! The input words: timestamps, label sets, samples and the staleness marker.

use std::fmt;
use std::sync::Arc;

use crate::compat::Compat;

/// A point in time in milliseconds since the Unix epoch, as Prometheus stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(
    /// Milliseconds since the Unix epoch.
    pub i64,
);

impl Timestamp {
    /// The timestamp `millis` milliseconds later (earlier when negative); saturates.
    #[must_use]
    pub fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Seconds since the Unix epoch, with the fraction.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}

/// Bit pattern of Prometheus' staleness marker (a NaN told apart by its bits; prometheus `model/value`).
const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The value a scraper writes when a series has vanished.
#[must_use]
pub fn stale_marker() -> f64 {
    f64::from_bits(STALE_BITS)
}

/// Whether `value` is the staleness marker. An ordinary NaN is not.
#[must_use]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}

/// The label that holds the metric name.
pub const METRIC_NAME: &str = "__name__";

/// A canonical label set: sorted by name, unique names, no empty values (an empty value equals no label).
///
/// Cheap to clone. The metric name is the label [`METRIC_NAME`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Labels(Arc<[(Arc<str>, Arc<str>)]>);

impl Labels {
    /// Builds a label set; of a name given twice the last value stays, and empty values are dropped.
    pub fn from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<Arc<str>>,
        V: Into<Arc<str>>,
    {
        let mut sorted: Vec<(Arc<str>, Arc<str>)> = Vec::new();
        for (name, value) in pairs {
            let (name, value) = (name.into(), value.into());
            match sorted.binary_search_by(|(n, _)| n.cmp(&name)) {
                Ok(at) => sorted[at].1 = value,
                Err(at) => sorted.insert(at, (name, value)),
            }
        }
        sorted.retain(|(_, value)| !value.is_empty());
        Self(sorted.into())
    }

    /// The label set of the metric `name` with the given labels.
    pub fn metric<'a>(name: &'a str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::from_pairs(std::iter::once((METRIC_NAME, name)).chain(pairs))
    }

    /// The value of the label `name`, if it is there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self
            .0
            .binary_search_by(|(n, _)| n.as_ref().cmp(name))
            .ok()?;
        Some(&self.0[at].1)
    }

    /// The metric name, or the empty string.
    #[must_use]
    pub fn name(&self) -> &str {
        self.get(METRIC_NAME).unwrap_or("")
    }

    /// The labels in order of their names, the metric name included.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.0
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// The label set without the labels whose name `keep` turns down.
    pub(crate) fn retain(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        let kept = self.0.iter().filter(|(name, _)| keep(name)).cloned();
        Self(kept.collect())
    }

    /// The label set with `name` set to `value`, or without it if `value` is empty.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut pairs: Vec<(Arc<str>, Arc<str>)> = self.0.to_vec();
        let place = pairs.binary_search_by(|(n, _)| n.as_ref().cmp(name));
        match (place, value.is_empty()) {
            (Ok(at), true) => drop(pairs.remove(at)),
            (Ok(at), false) => pairs[at].1 = value.into(),
            (Err(_), true) => {}
            (Err(at), false) => pairs.insert(at, (name.into(), value.into())),
        }
        Self(pairs.into())
    }

    /// How many labels there are, the metric name included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no label at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// As Prometheus prints a series: `name{a="x",b="y"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        let mut labels = self
            .iter()
            .filter(|(name, _)| *name != METRIC_NAME)
            .peekable();
        if labels.peek().is_none() && !self.name().is_empty() {
            return Ok(());
        }
        f.write_str("{")?;
        for (index, (name, value)) in labels.enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

/// One scraped value of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The series, metric name included.
    pub labels: Labels,
    /// When it was scraped.
    pub at: Timestamp,
    /// The value, or the [`stale_marker`].
    pub value: f64,
}

/// Whether `name` may be a label in rules and label functions.
pub(crate) fn is_label_name(name: &str, compat: Compat) -> bool {
    match compat {
        Compat::V3 => !name.is_empty(),
        Compat::V2 => {
            let starts = |b: u8| b.is_ascii_alphabetic() || b == b'_';
            name.bytes().next().is_some_and(starts)
                && name.bytes().all(|b| starts(b) || b.is_ascii_digit())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_canonical() {
        let labels = Labels::from_pairs([("b", "2"), ("a", "1"), ("empty", ""), ("b", "3")]);
        assert_eq!(labels, Labels::from_pairs([("a", "1"), ("b", "3")]));
        assert_eq!(labels.to_string(), r#"{a="1", b="3"}"#);
        assert_eq!(Labels::metric("up", []).to_string(), "up");
    }

    #[test]
    fn only_the_marker_is_stale() {
        assert!(is_stale(stale_marker()));
        assert!(!is_stale(f64::NAN));
    }
}
