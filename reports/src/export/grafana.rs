//! A Grafana dashboard of a drill, over its samples in a Prometheus (see [`super::openmetrics`]).

use crate::jsonl::Record;
use crate::resample::fnv1a;
use firedrill_detector::RuleSet;
use firedrill_detector::lint::{MetricType, Surroundings};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Version of the dashboard's JSON that is written: that of Grafana 10, which later ones read.
const SCHEMA_VERSION: u32 = 38;
/// Columns of Grafana's grid.
const COLUMNS: usize = 24;
/// Size of a panel in it.
const WIDTH: usize = 12;
const HEIGHT: usize = 8;

/// The dashboard: what was wrong and when, the condition of every alert, and every metric of the drill. `surroundings` say
/// which metrics are counters.
#[must_use]
pub fn grafana(record: &Record, rules: &RuleSet, surroundings: &Surroundings) -> String {
    let header = &record.header;
    let mut panels = Panels::default();
    panels.text(&story(record));
    panels.row("Alerts: what each condition gives, which is nothing where it does not hold");
    for alert in rules.alerts() {
        panels.plot(alert.name, alert.expr, "");
    }
    panels.row("Metrics of the drill");
    let mut names: BTreeSet<String> = BTreeSet::new();
    for sample in record.samples() {
        names.insert(sample.labels.name().to_owned());
    }
    for name in &names {
        let (expr, unit) = panel_of(name, surroundings);
        panels.plot(name, &expr, unit);
    }
    let until = header.epoch_ms + record.end_ms();
    let dashboard = json!({
        // A scenario's dashboard takes the place of its last one.
        "uid": format!("firedrill-{:016x}", fnv1a(header.scenario.bytes())),
        "title": format!("firedrill: {}", header.scenario),
        "description": header.summary,
        "tags": ["firedrill", header.family],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "timezone": "utc",
        "time": { "from": time(header.epoch_ms), "to": time(until) },
        "timepicker": {},
        "refresh": "",
        "annotations": { "list": [] },
        "templating": { "list": [{
            "name": "datasource",
            "label": "Prometheus",
            "type": "datasource",
            "query": "prometheus",
            "refresh": 1,
        }] },
        "panels": panels.made,
    });
    format!("{dashboard:#}\n")
}

/// A counter as its rate, everything else as it is.
fn panel_of(name: &str, surroundings: &Surroundings) -> (String, &'static str) {
    let unit = match name {
        name if name.contains("_seconds") && !name.ends_with("_count") => "s",
        name if name.contains("_bytes") => "bytes",
        _ => "short",
    };
    let known = surroundings.metrics.get(name).map(|metric| metric.kind);
    match known {
        Some(MetricType::Counter) if name.ends_with("_bucket") => {
            (format!("sum by (le) (rate({name}[5m]))"), "short")
        }
        Some(MetricType::Counter) => (format!("rate({name}[5m])"), "short"),
        _ => (name.to_owned(), unit),
    }
}

/// What was wrong and when, in Markdown.
fn story(record: &Record) -> String {
    let header = &record.header;
    let clock = |ms: i64| format!("{}:{:02}", ms / 60_000, ms / 1_000 % 60);
    let mut text = format!("**{}**: {}\n\n", header.scenario, header.summary);
    for incident in &header.incidents {
        text.push_str(&format!(
            "- {}: from minute {} to {}, to be told of by {}\n",
            incident.cause,
            clock(incident.starts_ms),
            clock(incident.ends_ms),
            clock(incident.deadline_ms)
        ));
    }
    for mark in record.marks() {
        text.push_str(&format!(
            "- {} at minute {}\n",
            mark.what,
            clock(mark.at_ms)
        ));
    }
    text
}

/// Grafana's form of a moment.
fn time(ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Panels, each with its place in the grid.
#[derive(Default)]
struct Panels {
    made: Vec<Value>,
    x: usize,
    y: usize,
}

impl Panels {
    fn place(&mut self, width: usize, height: usize) -> Value {
        if self.x + width > COLUMNS {
            self.line();
        }
        let place = json!({ "x": self.x, "y": self.y, "w": width, "h": height });
        self.x += width;
        if self.x >= COLUMNS {
            (self.x, self.y) = (0, self.y + height);
        }
        place
    }

    /// Begins a new line, if the last one has anything in it.
    fn line(&mut self) {
        if self.x > 0 {
            (self.x, self.y) = (0, self.y + HEIGHT);
        }
    }

    fn put(&mut self, mut panel: Value) {
        panel["id"] = (self.made.len() + 1).into();
        self.made.push(panel);
    }

    fn text(&mut self, content: &str) {
        let place = self.place(COLUMNS, HEIGHT);
        self.put(json!({
            "type": "text",
            "title": "What was wrong",
            "gridPos": place,
            "options": { "mode": "markdown", "content": content },
        }));
    }

    fn row(&mut self, title: &str) {
        self.line();
        let place = self.place(COLUMNS, 1);
        self.put(json!({
            "type": "row",
            "title": title,
            "collapsed": false,
            "gridPos": place,
            "panels": [],
        }));
    }

    fn plot(&mut self, title: &str, expr: &str, unit: &str) {
        let place = self.place(WIDTH, HEIGHT);
        let datasource = json!({ "type": "prometheus", "uid": "${datasource}" });
        self.put(json!({
            "type": "timeseries",
            "title": title,
            "datasource": datasource,
            "gridPos": place,
            "fieldConfig": { "defaults": { "unit": unit, "custom": { "spanNulls": false } }, "overrides": [] },
            "options": {
                "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
                "tooltip": { "mode": "multi", "sort": "desc" },
            },
            "targets": [{
                "refId": "A",
                "datasource": datasource,
                "expr": expr,
                "editorMode": "code",
                "range": true,
            }],
        }));
    }
}
