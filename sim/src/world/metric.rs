//! What a middleware of the application counts, and under which names.

use super::shapes::{Buckets, Dimensions, MetricName};
use crate::form::{Form, Shape, Yaml, choice, form, list, spotted, text, within};
use firedrill_detector::yaml::{Node, Problems};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The default buckets of Prometheus' Go client, seconds.
pub(crate) const DEFAULT_BUCKETS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricType {
    /// Handlers that have returned.
    Counter,
    /// How long they took.
    Histogram,
    /// Handlers at work.
    Gauge,
}

impl MetricType {
    /// As in `# TYPE`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Histogram => "histogram",
            Self::Gauge => "gauge",
        }
    }
}

/// Which handlers are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counts {
    /// All.
    All,
    /// Those that returned nil.
    Success,
    /// Those that returned an error.
    Failed,
}

/// What a label tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// The task's type.
    TaskType,
    /// The task's queue.
    Queue,
    /// Whether its handler succeeded.
    Result,
}

impl Dimension {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::TaskType, Self::Queue, Self::Result];

    /// As written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TaskType => "task_type",
            Self::Queue => "queue",
            Self::Result => "result",
        }
    }
}

/// What becomes of a panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Panics {
    /// It is a failure: it is recovered before the middleware counts, or the middleware counts in a deferred function.
    Counted,
    /// The lines after the call are skipped: a counter does not count, and a gauge stays up.
    Uncounted,
}

/// The unit of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
}

impl Unit {
    /// How many of it are a second.
    #[must_use]
    pub fn per_second(self) -> f64 {
        match self {
            Self::Seconds => 1.0,
            Self::Milliseconds => 1e3,
        }
    }
}

form! {
    /// The values of a label that tells the result.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Results: "results" {
        /// Of a handler that returned nil.
        pub success: String = text(), default "success".to_owned();
        /// Of one that returned an error.
        pub failed: String = text(), default "failed".to_owned();
    }
}

impl Default for Results {
    fn default() -> Self {
        Self {
            success: "success".into(),
            failed: "failed".into(),
        }
    }
}

form! {
    /// A metric of the middleware around the handlers.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct AppMetric: "metric" [block] {
        /// Its name; that of a histogram without `_bucket`.
        pub name: String = MetricName, required;
        /// What it is: a counter of handlers that have returned, a histogram of how long they took, a gauge of those at work.
        pub kind as "type": MetricType = choice([MetricType::Counter, MetricType::Histogram, MetricType::Gauge].map(|of| (of.name(), of))), required;
        /// What it says, for people.
        pub help: String = text(), quiet String::new();
        /// Which handlers it counts.
        pub counts: Counts = choice([("all", Counts::All), ("success", Counts::Success), ("failed", Counts::Failed)]), quiet Counts::All;
        /// Its labels, each with what it tells.
        pub labels: Vec<(String, Dimension)> = Dimensions, if_any;
        /// The values of a label that tells the result.
        pub results: Results = within::<Results>(), quiet Results::default();
        /// What becomes of a panic: counted as a failure, or not at all.
        pub panics: Panics = choice([("counted", Panics::Counted), ("uncounted", Panics::Uncounted)]), quiet Panics::Counted;
        /// Upper bounds of a histogram; left out, those of Prometheus' Go client.
        pub buckets: Vec<f64> = Buckets, quiet DEFAULT_BUCKETS.to_vec();
        /// The unit of a histogram.
        pub unit: Unit = choice([("s", Unit::Seconds), ("ms", Unit::Milliseconds)]), quiet Unit::Seconds;
    }
}

impl AppMetric {
    /// Whether it has a label that tells this.
    #[must_use]
    pub fn tells(&self, what: Dimension) -> bool {
        self.labels.iter().any(|(_, of)| *of == what)
    }

    /// Most series that it has of one task type in one queue.
    #[must_use]
    pub fn series_per_kind(&self) -> u64 {
        match self.kind {
            MetricType::Histogram => self.buckets.len() as u64 + 3,
            MetricType::Counter if self.tells(Dimension::Result) => 2,
            MetricType::Counter | MetricType::Gauge => 1,
        }
    }

    /// The names of its samples.
    pub fn sample_names(&self) -> impl Iterator<Item = String> {
        let suffixes: &[&str] = match self.kind {
            MetricType::Histogram => &["_bucket", "_sum", "_count"],
            MetricType::Counter | MetricType::Gauge => &[""],
        };
        suffixes
            .iter()
            .map(|suffix| format!("{}{suffix}", self.name))
    }

    /// The names that nothing else may have beside it.
    fn names(&self) -> impl Iterator<Item = String> {
        std::iter::once(self.name.clone()).chain(self.sample_names())
    }
}

/// A number as Prometheus' Go client writes it (`strconv.FormatFloat(v, 'g', -1, 64)`).
#[must_use]
pub fn go_float(value: f64) -> String {
    let scientific = format!("{value:e}");
    match scientific.split_once('e') {
        Some((digits, exponent)) => match exponent.parse::<i32>() {
            Ok(exponent) if !(-4..6).contains(&exponent) => {
                let sign = if exponent < 0 { '-' } else { '+' };
                format!("{digits}e{sign}{:02}", exponent.abs())
            }
            _ => value.to_string(),
        },
        None => value.to_string(),
    }
}

/// Names that a worker exposes of its own, or that Prometheus makes.
const OTHERS: [&str; 5] = ["up", "scrape_", "process_", "go_", "ALERTS"];

/// The metrics of an application, checked against each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Metrics;

/// The metrics of an application.
pub(super) fn metrics() -> Metrics {
    Metrics
}

impl Shape for Metrics {
    type Value = Vec<AppMetric>;

    fn read(&self, node: &Node, what: &str, problems: &mut Problems) -> Option<Self::Value> {
        let before = problems.is_empty();
        let read = list("metric", spotted::<AppMetric>()).read(node, what, problems)?;
        let mut known: BTreeMap<String, (String, MetricType, usize)> = BTreeMap::new();
        for metric in &read {
            let mut wrong = |key: &str, message: String, hint: &str| {
                problems.push_with_hint(metric.place(key), message, hint);
            };
            let is_other = |other: &&str| match other.strip_suffix('_') {
                Some(_) => metric.name.starts_with(*other),
                None => metric.name == **other,
            };
            if OTHERS.iter().any(is_other) {
                let message = format!("name: `{}` is not the application's", metric.name);
                let hint = "not accepted: `up`, `ALERTS`, and names that begin with `scrape_`, `process_` or `go_`";
                wrong("name", message, hint);
            }
            for key in ["buckets", "unit"] {
                if metric.says(key) && metric.kind != MetricType::Histogram {
                    let message = format!("{key}: a {} has none", metric.kind.name());
                    wrong(key, message, "accepted: with `type: histogram`");
                }
            }
            if metric.kind == MetricType::Gauge {
                if metric.says("counts") {
                    let message =
                        "counts: a gauge is of handlers at work, which have no result yet";
                    wrong("counts", message.into(), "leave it out");
                }
                if metric.tells(Dimension::Result) {
                    let message =
                        "labels: a gauge is of handlers at work, which have no result yet";
                    let hint = "accepted: task_type, queue";
                    wrong("labels", message.into(), hint);
                }
            }
            if metric.says("results") && !metric.tells(Dimension::Result) {
                let message = "results: no label tells the result";
                wrong(
                    "results",
                    message.into(),
                    "`labels: { result: result }` makes one",
                );
            }
            if metric.results.success == metric.results.failed {
                let message = "results: both are the same";
                wrong("results", message.into(), "accepted: two different values");
            }
            let line = metric.place("name").line;
            for name in metric.names() {
                let own = (metric.name.clone(), metric.kind, line);
                match known.get(&name) {
                    Some((other, _, at)) if *other == metric.name && *at == line => {}
                    Some((other, kind, at)) if *other == metric.name && *kind != metric.kind => {
                        let message = format!(
                            "name: `{other}` is a {} here and a {} in line {at}",
                            metric.kind.name(),
                            kind.name()
                        );
                        wrong("name", message, "a metric has one type");
                        break;
                    }
                    Some((other, _, at)) => {
                        let message =
                            format!("name: `{name}` is exposed by `{other}` in line {at}, too");
                        wrong("name", message, "each name once");
                        break;
                    }
                    None => {
                        known.insert(name, own);
                    }
                }
            }
        }
        let metrics = read.into_iter().map(|metric| metric.value).collect();
        (before == problems.is_empty()).then_some(metrics)
    }

    fn write(&self, value: &Self::Value) -> Yaml {
        Yaml::List(value.iter().map(AppMetric::write).collect())
    }

    fn words(&self) -> String {
        "list of metrics".into()
    }

    fn schema(&self) -> serde_json::Value {
        list("metric", within::<AppMetric>()).schema()
    }

    fn rows(&self) -> (&'static str, Vec<crate::form::Row>) {
        ("[].", AppMetric::rows())
    }
}
