//! What several results have in common.

use crate::record::Wanted;
use crate::score::stats;
use crate::waits;
use schemars::JsonSchema;
use serde::Serialize;

/// Milliseconds as seconds.
pub(crate) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1e3
}

/// What was asked of a run.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Passes {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// Nobody can tell.
    Inconclusive,
}

impl From<Option<bool>> for Passes {
    fn from(passes: Option<bool>) -> Self {
        match passes {
            Some(true) => Self::Passed,
            Some(false) => Self::Failed,
            None => Self::Inconclusive,
        }
    }
}

/// What an incident deserves.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Deserves {
    /// Somebody should be paged.
    Page,
    /// A ticket is enough.
    Ticket,
}

impl From<Wanted> for Deserves {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Page => Self::Page,
            Wanted::Ticket => Self::Ticket,
        }
    }
}

/// A share with its 95 % interval.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(super) struct Share {
    /// `k` of `n`, from 0 to 1.
    value: f64,
    /// Lower bound.
    lo: f64,
    /// Upper bound.
    hi: f64,
    /// How the bounds were made.
    method: &'static str,
    /// How many.
    k: u64,
    /// Of how many.
    n: u64,
}

impl From<stats::Share> for Share {
    fn from(share: stats::Share) -> Self {
        let (lo, hi) = share.wilson();
        Self {
            value: share.value(),
            lo,
            hi,
            method: "wilson",
            k: share.count,
            n: share.of,
        }
    }
}

/// A number per week with its 95 % interval.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(super) struct Weekly {
    /// Per week.
    value: f64,
    /// Lower bound.
    lo: f64,
    /// Upper bound.
    hi: f64,
    /// How the bounds were made.
    method: &'static str,
    /// How many there were.
    n: u64,
}

impl Weekly {
    pub(super) fn new((value, lo, hi): (f64, f64, f64), n: u64) -> Self {
        Self {
            value,
            lo,
            hi,
            method: "garwood",
            n,
        }
    }
}

/// How long tasks waited from enqueue to their first start; `null` where none started.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(super) struct Waits {
    /// How many started.
    tasks: u64,
    /// Median.
    p50_seconds: Option<f64>,
    /// 90th percentile.
    p90_seconds: Option<f64>,
    /// 99th percentile.
    p99_seconds: Option<f64>,
    /// 99.9th percentile.
    p99_9_seconds: Option<f64>,
    /// The longest.
    max_seconds: Option<f64>,
}

impl From<&waits::Waits> for Waits {
    fn from(waits: &waits::Waits) -> Self {
        let seconds = |ms: Option<u64>| ms.map(|ms| ms as f64 / 1e3);
        let quantile = |q: f64| seconds(waits.quantile(q));
        Self {
            tasks: waits.count(),
            p50_seconds: quantile(0.5),
            p90_seconds: quantile(0.9),
            p99_seconds: quantile(0.99),
            p99_9_seconds: quantile(0.999),
            max_seconds: seconds(waits.max()),
        }
    }
}
