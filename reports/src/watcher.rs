//! Drives the detector over scrapes: the same way while a drill runs and when its record is judged again.

use crate::jsonl::{Record, to_labels};
use crate::record::{Header, Heard, Line, Transition, Value};
use firedrill_detector::detector::SeriesRef;
use firedrill_detector::query::{Query, QueryError};
use firedrill_detector::tuning::{Trial, Tried};
use firedrill_detector::{Detector, Emitted, Labels, RuleSet, Schedule, Timestamp};
use std::collections::BTreeMap;

/// Evaluates rules on scrapes as they come in. What it says depends on the scrapes alone, so that replaying a record
/// under its own rules gives its own transitions.
#[derive(Debug)]
pub struct Watcher {
    detector: Detector,
    epoch_ms: i64,
    series: Numbered,
}

/// What an alert says, rendered, in order of names. Records have none: rules say it again.
pub type Annotations = Vec<(String, String)>;

/// The detector's series by the numbers they were introduced under.
#[derive(Debug, Default)]
struct Numbered {
    /// Those from zero on without a gap, as records number them.
    dense: Vec<SeriesRef>,
    /// All others, so that a number that is far off takes no more memory than any other.
    sparse: BTreeMap<u32, SeriesRef>,
}

impl Numbered {
    fn insert(&mut self, id: u32, series: SeriesRef) {
        let place = id as usize;
        if let Some(known) = self.dense.get_mut(place) {
            *known = series;
        } else if place == self.dense.len() {
            self.dense.push(series);
        } else {
            self.sparse.insert(id, series);
        }
    }

    fn get(&self, id: u32) -> Option<SeriesRef> {
        let dense = self.dense.get(id as usize);
        dense.or_else(|| self.sparse.get(&id)).copied()
    }
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
            series: Numbered::default(),
        }
    }

    /// A watcher that evaluates at these times; those of scrapes count from the first.
    pub(crate) fn scheduled(rules: RuleSet, schedule: Schedule) -> Self {
        Self {
            detector: Detector::new(rules, schedule),
            epoch_ms: schedule.start.0,
            series: Numbered::default(),
        }
    }

    /// Introduces a series, for [`Self::numbered`]; a number given twice means the latest.
    pub fn series(&mut self, id: u32, labels: &Labels) {
        let series = self.detector.series(labels);
        self.series.insert(id, series);
    }

    /// As [`Self::scrape`], of series that were introduced before; others are left out.
    pub fn numbered(&mut self, at_ms: i64, samples: &[(u32, f64)]) -> Vec<Line> {
        self.take(at_ms, samples.iter().copied())
    }

    /// The same, with what the alerts say that change state.
    pub fn annotated(&mut self, at_ms: i64, samples: &[(u32, f64)]) -> Vec<(Line, Annotations)> {
        let lines = self.evaluated(at_ms - 1);
        self.append(at_ms, samples.iter().copied());
        lines
    }

    fn take(&mut self, at_ms: i64, samples: impl Iterator<Item = (u32, f64)>) -> Vec<Line> {
        let lines = self.advance(at_ms - 1);
        self.append(at_ms, samples);
        lines
    }

    fn append(&mut self, at_ms: i64, samples: impl Iterator<Item = (u32, f64)>) {
        let at = Timestamp(self.epoch_ms + at_ms);
        for (id, value) in samples {
            if let Some(series) = self.series.get(id) {
                self.detector.append(series, at, value);
            }
        }
    }

    /// Takes in a line of a record.
    pub(crate) fn line(&mut self, line: &Line) -> Vec<Line> {
        match line {
            Line::Series { id, labels } => self.series(*id, &to_labels(labels)),
            Line::Scrape { at_ms, values, .. } => {
                let samples = values.iter().map(|(id, value)| (*id, value.0));
                return self.take(*at_ms, samples);
            }
            _ => {}
        }
        Vec::new()
    }

    /// The value of a query at a time up to which [`Self::advance`] has run, in milliseconds since the drill's start.
    pub(crate) fn query(
        &mut self,
        query: &Query,
        at_ms: i64,
    ) -> Result<Vec<(Labels, f64)>, QueryError> {
        self.detector.query(query, Timestamp(self.epoch_ms + at_ms))
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
            let series = self.detector.series(labels);
            self.detector.append(series, at, *value);
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

    /// Runs the evaluations up to a time, in milliseconds since the drill's start.
    pub(crate) fn advance(&mut self, to_ms: i64) -> Vec<Line> {
        let lines = self.evaluated(to_ms).into_iter();
        lines.map(|(line, _)| line).collect()
    }

    /// The same, with what alerts say; of what is no transition, nothing.
    fn evaluated(&mut self, to_ms: i64) -> Vec<(Line, Annotations)> {
        let epoch_ms = self.epoch_ms;
        let outcomes = self.detector.advance(Timestamp(epoch_ms + to_ms));
        outcomes
            .into_iter()
            .map(|outcome| match outcome {
                Emitted::Transition(transition) => {
                    let line = Line::Transition(Transition {
                        at_ms: transition.at.0 - epoch_ms,
                        group: transition.group,
                        alert: transition.alert,
                        labels: transition
                            .labels
                            .iter()
                            .map(|(n, v)| (n.to_owned(), v.to_owned()))
                            .collect(),
                        from: transition.from.into(),
                        to: transition.to.into(),
                        value: transition.value.map(Value),
                        data_gone: transition.data_gone,
                        data_back: transition.data_back,
                    });
                    (line, transition.annotations)
                }
                Emitted::Error(error) => {
                    let line = Line::RuleError {
                        at_ms: error.at.0 - epoch_ms,
                        rule: error.rule,
                        message: error.message,
                    };
                    (line, Annotations::new())
                }
            })
            .collect()
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
    /// What other sources of alerts told while the drill ran: where there are some, that is scored and not the transitions.
    /// Nothing under rules that were not those of the drill.
    pub heard: Vec<Heard>,
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
        replay.with_heard(record)
    }

    /// The same with what other sources told in the record's drill, under the rules that this is of.
    #[must_use]
    pub fn with_heard(mut self, record: &Record) -> Self {
        self.heard = record.heard().cloned().collect();
        self
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
    for line in &record.lines {
        lines.extend(watcher.line(line));
    }
    lines.extend(watcher.finish(record.end_ms()));
    let mut replay = Replay::default();
    lines.into_iter().for_each(|line| replay.take(line));
    replay
}
