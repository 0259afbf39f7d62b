//! What drills come to in numbers that have names: what gates judge, what is compared with a baseline, and what benchmarks
//! keep.
//!
//! [`DrillFigures`] are all figures of one drill, small enough to be kept of thousands. [`metric::METRICS`] says which there
//! are, in what unit, and what they mean; nothing else does.

mod drill;
pub mod lines;
pub mod metric;
mod sum;
mod totals;

pub use drill::{DrillFigures, Failing, Wrong};
pub use lines::{Like, Results, ResultsError};
pub use metric::{Better, Kind, Metric};
pub use sum::{AGGREGATIONS, Aggregation, Sum};
pub use totals::{Total, Totals};

use crate::waits::Waits;
use firedrill_detector::Labels;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One figure of a drill, or of one of its incidents, alerts or queues.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// Which.
    pub metric: &'static Metric,
    /// What it is of, besides the scenario: see [`metric::LABELS`].
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How much.
    pub amount: Amount,
}

impl Point {
    /// As a series: the metric's name, the scenario, and what else it is of.
    pub(crate) fn series(&self, scenario: &str) -> Labels {
        let own = self.labels.iter().map(|(name, value)| (&**name, &**value));
        Labels::metric(self.metric.name, own.chain([("scenario", scenario)]))
    }
}

/// How much of something. How it is written follows from its metric's [`Kind`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Amount {
    /// So many.
    Count(u64),
    /// So many of so many, which are not none.
    Share(u64, u64),
    /// Seconds; `None`: it never came, and is later than anything.
    Seconds(Option<f64>),
    /// So many in so many milliseconds, which are not none.
    Rate(u64, u64),
    /// How long tasks waited.
    Waits(KeptWaits),
    /// How long something took each time, in microseconds, up to 43 minutes.
    Micros(KeptWaits),
    /// So many in a second.
    PerSecond(f64),
}

/// Waits as pairs of a wait and how many tasks had it: a small part of what a histogram takes in memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Waits")]
pub struct KeptWaits(Vec<(u64, u64)>);

impl From<&Waits> for KeptWaits {
    fn from(waits: &Waits) -> Self {
        Self(waits.encode())
    }
}

impl From<Waits> for KeptWaits {
    fn from(waits: Waits) -> Self {
        Self::from(&waits)
    }
}

impl KeptWaits {
    /// The histogram.
    #[must_use]
    pub fn waits(&self) -> Waits {
        Waits::decode(&self.0).expect("they are those of a histogram")
    }
}
