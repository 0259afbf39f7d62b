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
        let backlog = record.backlog_at_end();
        let wait_p99_s = record.latencies[Stage::Wait].quantile(0.99);
        let backlog_max = rate * max_wait_s;
        let borne = match (wait_p99_s, backlog) {
            (Some(wait), _) if wait > max_wait_s => {
                Borne::No(format!("1 % waited {wait:.2} s or more"))
            }
            (_, Some(backlog)) if backlog as f64 > backlog_max.max(10.0) => {
                Borne::No(format!("{backlog} tasks were waiting at the end"))
            }
            _ => match (
                overload(record, rate),
                record.doubts_of_a_bound().into_iter().next(),
            ) {
                (Some(why), _) => Borne::No(why),
                (None, Some(doubt)) => Borne::Unclear(doubt),
                (None, None) => Borne::Yes,
            },
        };
        // Where the generator was late by a part of it, a wait that is not borne may be its own doing. One that is borne is so all the more.
        let borne = match (borne, record.generator_was_the_limit_in(max_wait_s)) {
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

/// Why a rate is more than can be done in the long run, however short the wait was so far.
fn overload(record: &LoadRecord, rate: f64) -> Option<String> {
    let slots = record.facts.header.slots;
    let service_s = record.latencies[Stage::Service].mean();
    let busy = rate * service_s.unwrap_or(0.0);
    if slots > 0 && busy >= f64::from(slots) {
        return Some(format!(
            "handlers would keep {busy:.2} slots busy, and there are {slots}"
        ));
    }
    let grown = record.backlog_growth()?;
    Some(format!("the backlog grew by {grown} tasks"))
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

    /// The middle one (of an even number, the lower of the two), the lowest and the highest; `None`: not every search has found one.
    #[must_use]
    pub fn spread(&self) -> Option<(f64, f64, f64)> {
        let found = self.found();
        let whole = !found.is_empty() && found.len() == self.rounds.len();
        whole.then(|| {
            (
                found[(found.len() - 1) / 2],
                found[0],
                found[found.len() - 1],
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Counts, LoadHeader, Row};

    /// Ten seconds at a rate, of which so many a second are done, by one slot; nobody waited long.
    fn record(rate: u64, done: u64, service_ms: i64) -> LoadRecord {
        let mut record = LoadRecord::default();
        record.facts.header = LoadHeader {
            lasts_s: 10.0,
            slots: 1,
            ..LoadHeader::default()
        };
        record.latencies[Stage::Wait].record(1_000_000);
        record.latencies[Stage::Service].record(service_ms * 1_000_000);
        for second in 0..10_u64 {
            let mut row = Row {
                at_s: second as f64,
                width_s: 1.0,
                counts: Counts {
                    intended: rate,
                    sent: rate,
                    enqueued: rate,
                    succeeded: done,
                    ..Counts::default()
                },
                backlog: Some((second + 1) * (rate - done)),
                ..Row::default()
            };
            row.measured(&record.latencies);
            record.facts.counts.add(&row.counts);
            record.facts.series.push(row);
        }
        record
    }

    #[test]
    fn more_than_is_possible_is_not_borne() {
        let why = |record: &LoadRecord, rate: f64| match Trial::of(record, (1, rate), 2.0).borne {
            Borne::No(why) => why,
            other => format!("{other:?}"),
        };
        assert_eq!(
            why(&record(6, 5, 200), 6.0),
            "handlers would keep 1.20 slots busy, and there are 1"
        );
        assert_eq!(
            why(&record(483, 432, 1), 483.0),
            "the backlog grew by 509 tasks"
        );
        assert_eq!(why(&record(400, 400, 1), 400.0), "Yes");
    }

    #[test]
    fn a_generator_that_is_late_makes_no_rate_look_borne_and_few_unclear() {
        let late = |ms: i64, wait_ms: i64| {
            let mut record = record(400, 400, 1);
            record.latencies[Stage::Lateness].record(ms * 1_000_000);
            record.latencies[Stage::Wait].clear();
            record.latencies[Stage::Wait].record(wait_ms * 1_000_000);
            Trial::of(&record, (1, 400.0), 0.5).borne
        };
        // Waits count from the intended arrival, so those are no shorter for it.
        assert_eq!(late(24, 85), Borne::Yes);
        assert!(matches!(late(24, 600), Borne::No(_)));
        assert!(matches!(late(300, 600), Borne::Unclear(_)));
        let mut unsent = record(400, 400, 1);
        unsent.facts.counts.intended *= 2;
        let borne = Trial::of(&unsent, (1, 400.0), 0.5).borne;
        assert!(matches!(borne, Borne::Unclear(_)), "{borne:?}");
    }

    #[test]
    fn of_two_searches_the_lower_one_is_told() {
        let knee = Knee {
            rounds: vec![Round::Found(500.0), Round::Found(400.0)],
            ..Knee::default()
        };
        assert_eq!(knee.spread(), Some((400.0, 400.0, 500.0)));
    }
}
