//! A record in the files of other tools: unit tests of rules for promtool, samples for Prometheus, tables for spreadsheets, charts
//! for wikis.

pub mod csv;
pub mod grafana;
pub mod openmetrics;
pub mod plots;
pub mod promtool;

use firedrill_detector::Labels;
use firedrill_detector::sample::METRIC_NAME;

/// A value, so that reading it gives the same bits.
fn number(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

/// `name{label="value",...}`, or without a name `{label="value",...}`.
fn series(name: &str, labels: &Labels) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .filter(|(label, _)| *label != METRIC_NAME)
        .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
        .collect();
    match (name, pairs.is_empty()) {
        ("", _) => format!("{{{}}}", pairs.join(",")),
        (name, true) => name.to_owned(),
        (name, false) => format!("{name}{{{}}}", pairs.join(",")),
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n")
}
