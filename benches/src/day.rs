//! A day of `job_processed_total`: 15 s scrapes with an incident and a stall inside. Ratios stay off the runbook's
//! thresholds, so that no verdict hangs on the order of additions.

use firedrill_detector::detector::SeriesRef;
use firedrill_detector::{
    Compat, Detector, Emitted, Labels, RuleFile, RuleSet, Schedule, Timestamp,
};

use crate::RUNBOOK;

/// Between scrapes, and between evaluations.
pub const STEP_MS: i64 = 15_000;
/// Scrapes in a day.
pub const STEPS_PER_DAY: i64 = 24 * 60 * 4;

/// The counters' values, scrape by scrape.
#[derive(Debug, Clone)]
pub struct Day {
    totals: Vec<f64>,
    step: i64,
}

impl Day {
    /// A day of so many series, succeeded and failed jobs in turns.
    #[must_use]
    pub fn new(series: usize) -> Self {
        Self {
            totals: vec![0.0; series],
            step: 0,
        }
    }

    /// The labels of the series, in the order of [`next_scrape`](Self::next_scrape)'s values.
    #[must_use]
    pub fn labels(series: usize) -> Vec<Labels> {
        let labels = |number: usize| {
            let queue = format!("q{}", number / 2);
            let status = ["success", "failed"][number % 2];
            Labels::metric(
                "job_processed_total",
                [
                    ("task_type", "email:send"),
                    ("queue", &queue),
                    ("status", status),
                ],
            )
        };
        (0..series).map(labels).collect()
    }

    /// The time and the values of the next scrape.
    pub fn next_scrape(&mut self) -> (Timestamp, &[f64]) {
        let failing = (1_440..2_000).contains(&self.step);
        let stalled = (3_000..3_300).contains(&self.step);
        for (number, total) in self.totals.iter_mut().enumerate() {
            *total += match (stalled, number % 2 == 1, failing) {
                (true, _, _) => 0.0,
                (false, false, _) => 97.0,
                (false, true, true) => 70.0,
                (false, true, false) => 1.0,
            };
        }
        let at = Timestamp(self.step * STEP_MS);
        self.step += 1;
        (at, &self.totals)
    }
}

/// The runbook's rules, compiled.
///
/// # Panics
///
/// If the shipped rules do not load.
#[must_use]
pub fn runbook(compat: Compat) -> RuleSet {
    let file = RuleFile {
        name: "runbook.yml".into(),
        text: RUNBOOK.into(),
    };
    RuleSet::load(&[file], compat).expect("the runbook's rules load")
}

/// A detector that evaluates `rules` at every scrape, and its references to the series.
#[must_use]
pub fn detector(rules: &RuleSet, series: &[Labels]) -> (Detector, Vec<SeriesRef>) {
    let schedule = Schedule {
        start: Timestamp(0),
        interval_ms: STEP_MS,
        phase_ms: 0,
    };
    let mut detector = Detector::new(rules.clone(), schedule);
    let series = series.iter().map(|labels| detector.series(labels));
    let series = series.collect();
    (detector, series)
}

/// Feeds so many scrapes and evaluates the rules at each of them.
pub fn drive(detector: &mut Detector, series: &[SeriesRef], steps: i64) -> Vec<Emitted> {
    let mut day = Day::new(series.len());
    let mut outcomes = Vec::new();
    for _ in 0..steps {
        let (at, values) = day.next_scrape();
        for (series, value) in series.iter().zip(values) {
            detector.append(*series, at, *value);
        }
        outcomes.extend(detector.advance(at));
    }
    outcomes
}
