//! Drives the detector over scrapes: the same way while a drill runs and when its record is judged again.

use crate::jsonl::Record;
use crate::record::{AlertState, Header, Line, Transition, Value};
use firedrill_detector::{
    Detector, Labels, Outcome, RuleSet, Sample, Schedule, Timestamp, Trial, Tried,
};

/// Evaluates rules on scrapes as they come in. What it says depends on the scrapes alone, so that replaying a record
/// under its own rules gives its own transitions.
#[derive(Debug)]
pub struct Watcher {
    detector: Detector,
    epoch_ms: i64,
    /// By number.
    series: Vec<Labels>,
}

impl Watcher {
    /// A watcher for the drill of `header`.
    #[must_use]
    pub fn new(rules: RuleSet, header: &Header) -> Self {
        Self::trying(rules, header, &[])
    }

    /// A watcher that tries alerts with several settings; they say nothing before [`into_tried`](Self::into_tried).
    #[must_use]
    pub fn trying(rules: RuleSet, header: &Header, trials: &[Trial]) -> Self {
        let schedule = Schedule {
            start: Timestamp(header.epoch_ms),
            interval_ms: header.evaluation_interval_ms,
            phase_ms: header.evaluation_phase_ms,
        };
        Self {
            detector: Detector::trying(rules, schedule, trials),
            epoch_ms: header.epoch_ms,
            series: Vec::new(),
        }
    }

    /// Introduces a series, for [`Self::numbered`].
    pub fn series(&mut self, id: u32, labels: Labels) {
        let place = id as usize;
        if place >= self.series.len() {
            self.series.resize(place + 1, Labels::default());
        }
        self.series[place] = labels;
    }

    /// As [`Self::scrape`], of series that were introduced before; others are left out.
    pub fn numbered(&mut self, at_ms: i64, samples: &[(u32, f64)]) -> Vec<Line> {
        let lines = self.advance(at_ms - 1);
        let at = Timestamp(self.epoch_ms + at_ms);
        for (id, value) in samples {
            if let Some(labels) = self.series.get(*id as usize) {
                let labels = labels.clone();
                self.detector.ingest(&Sample {
                    labels,
                    at,
                    value: *value,
                });
            }
        }
        lines
    }

    /// What became of the trials, in the order of their alerts.
    #[must_use]
    pub fn into_tried(self) -> Vec<Tried> {
        self.detector.into_tried()
    }

    /// Runs the evaluations before a scrape, then takes it in. Scrapes come in order of their time.
    pub fn scrape(&mut self, at_ms: i64, samples: &[(Labels, f64)]) -> Vec<Line> {
        let lines = self.advance(at_ms - 1);
        let at = Timestamp(self.epoch_ms + at_ms);
        for (labels, value) in samples {
            self.detector.ingest(&Sample {
                labels: labels.clone(),
                at,
                value: *value,
            });
        }
        lines
    }

    /// Runs the evaluations up to the end of the drill, and names the rules that never saw any data.
    pub fn finish(&mut self, at_ms: i64) -> Vec<Line> {
        let mut lines = self.advance(at_ms);
        lines.extend(
            self.never_had_data()
                .into_iter()
                .map(|rule| Line::NoData { rule }),
        );
        lines
    }

    /// Rules none of whose selectors matched any series so far.
    fn never_had_data(&self) -> Vec<String> {
        self.detector
            .never_had_data()
            .into_iter()
            .map(|rule| rule.rule)
            .collect()
    }

    fn advance(&mut self, to_ms: i64) -> Vec<Line> {
        let epoch_ms = self.epoch_ms;
        let outcomes = self.detector.advance(Timestamp(epoch_ms + to_ms));
        outcomes
            .into_iter()
            .map(|outcome| match outcome {
                Outcome::Transition(transition) => Line::Transition(Transition {
                    at_ms: transition.at.0 - epoch_ms,
                    group: transition.group,
                    alert: transition.alert,
                    labels: transition
                        .labels
                        .iter()
                        .map(|(n, v)| (n.to_owned(), v.to_owned()))
                        .collect(),
                    from: state(transition.from),
                    to: state(transition.to),
                    value: transition.value.map(Value),
                }),
                Outcome::Error(error) => Line::RuleError {
                    at_ms: error.at.0 - epoch_ms,
                    rule: error.rule,
                    message: error.message,
                },
            })
            .collect()
    }
}

pub(crate) fn state(state: firedrill_detector::AlertState) -> AlertState {
    match state {
        firedrill_detector::AlertState::Inactive => AlertState::Inactive,
        firedrill_detector::AlertState::Pending => AlertState::Pending,
        firedrill_detector::AlertState::Firing => AlertState::Firing,
    }
}

/// What rules make of a record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replay {
    /// Transitions in order.
    pub transitions: Vec<Transition>,
    /// Rule errors, as lines.
    pub errors: Vec<Line>,
    /// Rules that never saw a series: their silence says nothing.
    pub never_had_data: Vec<String>,
}

impl Replay {
    /// What the record's own rules made of it, as it was recorded.
    #[must_use]
    pub fn recorded(record: &Record) -> Self {
        let mut replay = Self::default();
        record
            .lines
            .iter()
            .for_each(|line| replay.take(line.clone()));
        replay
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Transition(transition) => self.transitions.push(transition),
            Line::NoData { rule } => self.never_had_data.push(rule),
            Line::RuleError { .. } => self.errors.push(line),
            _ => {}
        }
    }
}

/// Judges a record by rules, without a new drill.
#[must_use]
pub fn replay(record: &Record, rules: &RuleSet) -> Replay {
    let mut watcher = Watcher::new(rules.clone(), &record.header);
    watch(&mut watcher, record)
}

/// Has a watcher see a whole record.
pub(crate) fn watch(watcher: &mut Watcher, record: &Record) -> Replay {
    let mut lines = Vec::new();
    for (at_ms, _, samples) in record.scrapes() {
        lines.extend(watcher.scrape(at_ms, &samples));
    }
    lines.extend(watcher.finish(record.end_ms()));
    let mut replay = Replay::default();
    lines.into_iter().for_each(|line| replay.take(line));
    replay
}
