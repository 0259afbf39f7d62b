//! A drill's samples and alerts as comma-separated values (RFC 4180), for spreadsheets and data frames.

use super::{number, series};
use crate::jsonl::Record;
use crate::record::AlertState;
use crate::watcher::Replay;
use firedrill_detector::Labels;
use firedrill_detector::sample::is_stale;
use std::fmt::Write;

/// Every sample: `seconds` since the drill's start, `metric`, `labels` as PromQL writes them, `value`; the value of a series
/// that ended is empty.
#[must_use]
pub fn samples(record: &Record) -> String {
    let mut text = "seconds,metric,labels,value\n".to_owned();
    for sample in record.samples() {
        let value = match is_stale(sample.value) {
            true => String::new(),
            false => number(sample.value),
        };
        let at_ms = sample.at.0.saturating_sub(record.header.epoch_ms);
        let labels = series("", &sample.labels);
        row(&mut text, at_ms, &[sample.labels.name(), &labels, &value]);
    }
    text
}

/// Every change of an alert's state: `seconds` since the drill's start, `alert`, `labels`, `from`, `to`, `value` of its
/// expression.
#[must_use]
pub fn alerts(replay: &Replay) -> String {
    let mut text = "seconds,alert,labels,from,to,value\n".to_owned();
    for transition in &replay.transitions {
        let labels = transition.labels.iter();
        let labels = Labels::from_pairs(labels.map(|(name, value)| (name.clone(), value.clone())));
        let value = transition.value.map(|value| number(value.0));
        row(
            &mut text,
            transition.at_ms,
            &[
                &transition.alert,
                &series("", &labels),
                state(transition.from),
                state(transition.to),
                value.as_deref().unwrap_or_default(),
            ],
        );
    }
    text
}

fn row(text: &mut String, at_ms: i64, cells: &[&str]) {
    let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
    // A String takes all that is written.
    let _ = writeln!(text, "{},{}", at_ms as f64 / 1000.0, cells.join(","));
}

/// A cell, in quotes if it needs them.
fn quoted(cell: &str) -> String {
    match cell.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    }
}

fn state(state: AlertState) -> &'static str {
    match state {
        AlertState::Inactive => "inactive",
        AlertState::Pending => "pending",
        AlertState::Firing => "firing",
    }
}
