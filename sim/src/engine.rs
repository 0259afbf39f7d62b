//! What an engine promises: a plan in, observations out in order of their time.

pub mod live;

use crate::metrics::Value;
use firedrill_reports::record::{Audit, Impact, Lag, Mark};

/// What an engine saw. After this point nothing knows which engine ran.
#[derive(Debug, Clone)]
pub enum Observation {
    /// One scrape of one target, staleness markers included.
    Scrape {
        /// Virtual milliseconds since the start of the drill.
        at_ms: i64,
        /// `job/instance`.
        target: String,
        /// Series with all their labels, and values.
        values: Vec<Value>,
    },
    /// A fault or remedy was applied.
    Mark(Mark),
    /// Last: what happened to every task, what users felt, and how well time was kept.
    Ledger {
        /// What happened to every task.
        audit: Audit,
        /// What users felt, per incident.
        impacts: Vec<Impact>,
        /// How well time was kept.
        lag: Lag,
    },
}
