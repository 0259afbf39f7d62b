//! The largest rate that is borne: what was tried, and what each search found.

use super::{LoadRecord, Stage};
use serde::{Deserialize, Serialize};

/// Searches for the largest rate.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Knee {
    /// Name of the load.
    pub name: String,
    /// The 99th percentile of the wait that is borne, seconds.
    pub max_wait_s: f64,
    /// Every rate that was tried.
    pub trials: Vec<Trial>,
    /// What each search came to.
    pub rounds: Vec<Round>,
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Round {
    /// This is the largest rate, tasks per second.
    Found(f64),
    /// It is at least this: more proves nothing, and why.
    AtLeast(f64, String),
    /// No rate was borne.
    Nothing,
}

/// A rate that was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Which search, from 1.
    pub round: u32,
    /// Tasks per second that were asked for.
    pub rate: f64,
    /// What was worked on per second.
    pub done_per_s: f64,
    /// The 99th percentile of the wait, seconds.
    pub wait_p99_s: Option<f64>,
    /// Tasks that waited at the end of the arrivals.
    pub backlog: Option<u64>,
    /// What came of it.
    pub borne: Borne,
}

/// Whether a rate is borne.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Borne {
    /// Wait and backlog stayed bounded.
    Yes,
    /// They did not: why.
    No(String),
    /// It proves nothing: why.
    Unclear(String),
}

impl Trial {
    /// Of a load at one rate.
    #[must_use]
    pub fn of(record: &LoadRecord, (round, rate): (u32, f64), max_wait_s: f64) -> Self {
        let end_s = record.facts.header.warmup_s + record.facts.header.lasts_s;
        let rows = record.facts.series.rows.iter();
        let before_end = rows.filter(|row| row.at_s + row.width_s <= end_s + 0.5);
        let backlog = before_end.filter_map(|row| row.backlog).next_back();
        let wait_p99_s = record.latencies[Stage::Wait].quantile(0.99);
        let backlog_max = rate * max_wait_s;
        let borne = match (wait_p99_s, backlog) {
            (Some(wait), _) if wait > max_wait_s => {
                Borne::No(format!("1 % waited {wait:.2} s or more"))
            }
            (_, Some(backlog)) if backlog as f64 > backlog_max.max(10.0) => {
                Borne::No(format!("{backlog} tasks were waiting at the end"))
            }
            _ => match record.doubts().into_iter().next() {
                Some(doubt) => Borne::Unclear(doubt),
                None => Borne::Yes,
            },
        };
        // Where the generator was late, the wait is its own doing.
        let borne = match (borne, record.generator_was_the_limit()) {
            (Borne::No(_), Some(doubt)) => Borne::Unclear(doubt),
            (borne, _) => borne,
        };
        Self {
            round,
            rate,
            done_per_s: record.rate_per_s().unwrap_or(0.0),
            wait_p99_s,
            backlog,
            borne,
        }
    }
}

impl Knee {
    /// The rates that were found, rising.
    #[must_use]
    pub fn found(&self) -> Vec<f64> {
        let rounds = self.rounds.iter();
        let mut found: Vec<f64> = rounds
            .filter_map(|round| match round {
                Round::Found(rate) => Some(*rate),
                _ => None,
            })
            .collect();
        found.sort_by(f64::total_cmp);
        found
    }

    /// The middle one, the lowest and the highest; `None`: not every search has found one.
    #[must_use]
    pub fn spread(&self) -> Option<(f64, f64, f64)> {
        let found = self.found();
        let whole = !found.is_empty() && found.len() == self.rounds.len();
        whole.then(|| (found[found.len() / 2], found[0], found[found.len() - 1]))
    }
}
