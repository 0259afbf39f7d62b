//! Prometheus alerting rules over in-memory samples: rule files and samples in, alert transitions out.

mod compat;
mod eval;
mod expr;
mod intern;
mod sample;
mod store;

pub use compat::Compat;
pub use sample::{Labels, METRIC_NAME, Sample, Timestamp, is_stale, stale_marker};

/// How far back an instant selector looks for a sample (Prometheus' `--query.lookback-delta`).
const LOOKBACK_MS: i64 = 5 * 60 * 1000;
