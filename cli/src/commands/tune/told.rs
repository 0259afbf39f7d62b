//! What rules come to under one combination of values of the plan.

use super::plan::since;
use firedrill_reports::{DrillScore, Scorecard};
use serde_json::{Value, json};

/// Columns about who is told.
pub(super) const TOLD: [&str; 3] = ["told in time", "told, median", "false alarms"];

/// What rules came to in drills under as many seeds.
#[derive(Debug)]
pub(super) struct Told {
    /// Incidents that could be judged.
    incidents: u64,
    /// Of which somebody was told by the deadline.
    in_time: u64,
    /// From fault to notification, of incidents that deserve a page: `None`, there is none; `Some(None)`: nobody was told of as
    /// much as half of them.
    median_ms: Option<Option<i64>>,
    false_alarms: u64,
    /// Drills that prove nothing.
    inconclusive: u64,
}

impl Told {
    /// Nothing of no drill.
    pub(super) fn of(scores: Vec<DrillScore>) -> Option<Self> {
        if scores.is_empty() {
            return None;
        }
        let card = Scorecard::new(scores);
        let tickets = card.tickets.as_ref();
        let shares = [
            card.summary.recall_at_deadline,
            tickets.and_then(|tickets| tickets.recall_at_deadline),
        ];
        let false_tickets = tickets.map_or(0, |tickets| tickets.false_pages);
        Some(Self {
            incidents: shares.iter().flatten().map(|share| share.of).sum(),
            in_time: shares.iter().flatten().map(|share| share.count).sum(),
            median_ms: card.summary.latency_ms.map(|[median, _]| median),
            false_alarms: card.summary.false_pages + false_tickets,
            inconclusive: card.summary.inconclusive,
        })
    }

    /// In the order of [`TOLD`].
    pub(super) fn cells(&self) -> [String; 3] {
        let median = match self.median_ms {
            None => "-".to_owned(),
            Some(None) => "missed".to_owned(),
            Some(Some(ms)) => since(ms),
        };
        [
            format!("{} of {}", self.in_time, self.incidents),
            median,
            self.false_alarms.to_string(),
        ]
    }

    /// For machines.
    pub(super) fn as_json(&self) -> Value {
        json!({
            "incidents": self.incidents,
            "in_time": self.in_time,
            "median_seconds": self.median_ms.flatten().map(|ms| ms as f64 / 1e3),
            "false_alarms": self.false_alarms,
            "inconclusive_drills": self.inconclusive,
        })
    }
}
