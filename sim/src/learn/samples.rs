//! Samples with their times, from a dump or a Prometheus.

use crate::metrics::exposition;
use firedrill_detector::Labels;
use firedrill_detector::yaml::Problem;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Most samples that are read.
const SAMPLES_MAX: usize = 50_000_000;

/// What other programs say of themselves, and of machines: nothing of tasks.
const OTHERS: [&str; 8] = [
    "go_",
    "promhttp_",
    "prometheus_",
    "node_",
    "alertmanager_",
    "scrape_",
    "kube_",
    "net_conntrack_",
];

/// Of those, and of containers, what tells that there is an exporter: of each job one sample is kept.
pub(super) const TELLTALES: [&str; 7] = [
    "container_cpu_cfs_periods_total",
    "container_memory_working_set_bytes",
    "container_start_time_seconds",
    "go_goroutines",
    "kube_deployment_spec_replicas",
    "kube_pod_container_status_restarts_total",
    "kube_pod_status_phase",
];

/// Why nothing was learnt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LearnError {
    /// A line of a dump is no sample with a time.
    #[error(
        "line {line}: {why}\n    accepted: samples with timestamps, as `promtool tsdb dump-openmetrics` and `promtool tsdb dump` write them"
    )]
    Line {
        /// Its number.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// There is more than can be held.
    #[error(
        "there are more than {SAMPLES_MAX} samples\n    take a shorter time, or the metrics of the workers and asynq's exporter alone"
    )]
    TooMuch,
    /// Nothing there counts tasks.
    #[error(
        "nothing here tells of tasks: there is no `asynq_tasks_processed_total` and no counter or histogram with a label such as \
         `task_type` or `queue`\n    scrape asynq's exporter (`x/metrics`) or the workers for a while, and try again"
    )]
    NoTasks,
    /// Tasks are counted, and none was.
    #[error(
        "no task was done in this time: {metric} is there and does not rise\n    take a time in which the queue is at work (`--since`, \
         `--until`)"
    )]
    StandsStill {
        /// The counter.
        metric: String,
    },
    /// Prometheus did not answer as it should.
    #[error("{0}")]
    Prometheus(String),
    /// The files would be refused; the first reason.
    #[error("what was learnt does not fit into a file: {0}")]
    Refused(String),
}

impl LearnError {
    pub(super) fn refused(problems: &[Problem]) -> Self {
        let first = problems.first().map(ToString::to_string);
        Self::Refused(first.unwrap_or_default())
    }
}

/// A rise of a counter: from when, until when, milliseconds, and by how much.
pub(super) type Rise = (i64, i64, f64);

/// Series and their samples in order of time.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    /// By name.
    series: BTreeMap<String, BTreeMap<Labels, Vec<(i64, f64)>>>,
    /// The first time and the last.
    window: Option<(i64, i64)>,
    types: BTreeMap<String, String>,
    count: usize,
}

impl Samples {
    /// Reads a dump in OpenMetrics' or Prometheus' text format, with timestamps, or one of `promtool tsdb dump`.
    ///
    /// # Errors
    /// At the first line that is no sample with a time.
    pub fn of_text(text: &str) -> Result<Self, LearnError> {
        // OpenMetrics ends with `# EOF` and counts in seconds, the older format in milliseconds.
        let per_unit = match text.trim_end().ends_with("# EOF") {
            true => 1e3,
            false => 1.0,
        };
        let mut samples = Self::default();
        for (line, row) in (1..).zip(text.lines()) {
            let row = row.trim();
            if let Some(declared) = row.strip_prefix("# TYPE ") {
                if let Some((name, kind)) = declared.split_once(' ') {
                    samples
                        .types
                        .insert(name.to_owned(), kind.trim().to_owned());
                }
                continue;
            }
            if row.is_empty() || row.starts_with('#') {
                continue;
            }
            let wrong = |why: &str| LearnError::Line {
                line,
                why: why.to_owned(),
            };
            // `promtool tsdb dump` has the name among the labels, where it goes before the one in front.
            let named = row.starts_with('{').then(|| format!("_{row}"));
            let read = exposition::sample(named.as_deref().unwrap_or(row));
            let (labels, value, at) = read.map_err(wrong)?;
            let at = at.ok_or_else(|| wrong("a sample without a time"))?;
            samples.push(labels, (at * per_unit).round() as i64, value)?;
        }
        samples.in_order();
        Ok(samples)
    }

    /// Adds a sample. What is not a number ends a series, or says nothing.
    ///
    /// # Errors
    /// When there are too many.
    pub fn push(&mut self, labels: Labels, at_ms: i64, value: f64) -> Result<(), LearnError> {
        if value.is_nan() {
            return Ok(());
        }
        if TELLTALES.contains(&labels.name()) {
            let of_name = self.series.entry(labels.name().to_owned()).or_default();
            let mut known = of_name.keys().map(|known| known.get("job"));
            if !known.any(|job| job == labels.get("job")) {
                of_name.insert(labels, vec![(at_ms, value)]);
            }
            return Ok(());
        }
        if OTHERS.iter().any(|other| labels.name().starts_with(other)) {
            return Ok(());
        }
        self.count += 1;
        if self.count > SAMPLES_MAX {
            return Err(LearnError::TooMuch);
        }
        let (from, to) = self.window.unwrap_or((at_ms, at_ms));
        self.window = Some((from.min(at_ms), to.max(at_ms)));
        let of_name = match self.series.get_mut(labels.name()) {
            Some(known) => known,
            None => self.series.entry(labels.name().to_owned()).or_default(),
        };
        of_name.entry(labels).or_default().push((at_ms, value));
        Ok(())
    }

    /// Puts the samples of each series in order, each time once.
    pub(super) fn in_order(&mut self) {
        for samples in self.series.values_mut().flat_map(BTreeMap::values_mut) {
            samples.sort_by_key(|(at_ms, _)| *at_ms);
            samples.dedup_by_key(|(at_ms, _)| *at_ms);
        }
    }

    /// As OpenMetrics, series by series.
    #[must_use]
    pub fn to_openmetrics(&self) -> String {
        let mut text = String::new();
        for (labels, samples) in self.series.values().flatten() {
            let name = exposition::encode(&[(labels.clone(), 0.0)]);
            let name = name.lines().last().unwrap_or_default();
            let name = name.strip_suffix(" 0").unwrap_or(name);
            for (at_ms, value) in samples {
                let _ = writeln!(text, "{name} {value} {:.3}", *at_ms as f64 / 1e3);
            }
        }
        text.push_str("# EOF\n");
        text
    }

    /// The series with this name.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = (&Labels, &[(i64, f64)])> {
        let of = self.series.get(name).into_iter().flatten();
        of.map(|(labels, samples)| (labels, samples.as_slice()))
    }

    /// The jobs that expose a metric, in order; one without a label `job` is empty.
    pub(super) fn jobs_of(&self, name: &str) -> BTreeSet<String> {
        let jobs = self.named(name).map(|(labels, _)| labels.get("job"));
        jobs.map(|job| job.unwrap_or_default().to_owned()).collect()
    }

    /// Names of all series, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.series.keys().map(String::as_str)
    }

    /// As in `# TYPE`, if that was there.
    pub(super) fn kind(&self, name: &str) -> Option<&str> {
        // OpenMetrics declares a counter without its suffix.
        let short = name.strip_suffix("_total").unwrap_or(name);
        let declared = self.types.get(name).or_else(|| self.types.get(short));
        declared.map(String::as_str)
    }

    /// From the first sample to the last, milliseconds.
    pub(super) fn window(&self) -> (i64, i64) {
        self.window.unwrap_or_default()
    }

    /// What a counter rises by from sample to sample. One that is less than it was began anew; one that comes when others have been
    /// there for a while began at 0.
    pub(super) fn rises(&self, samples: &[(i64, f64)]) -> Vec<Rise> {
        let (from, _) = self.window();
        let gap = interval_ms(samples).unwrap_or(60_000);
        let mut rises = Vec::new();
        if let Some((at, value)) = samples.first().filter(|(at, _)| *at > from + 2 * gap) {
            rises.push((at - gap, *at, *value));
        }
        rises.extend(samples.windows(2).map(|pair| {
            let ((then, before), (now, value)) = (pair[0], pair[1]);
            let rise = if value < before {
                value
            } else {
                value - before
            };
            (then, now, rise)
        }));
        rises
    }

    /// What all series of a counter that fit rise by together.
    pub(super) fn rise(&self, name: &str, fits: impl Fn(&Labels) -> bool) -> f64 {
        let of = self.named(name).filter(|(labels, _)| fits(labels));
        let rises = of.flat_map(|(_, samples)| self.rises(samples));
        rises.map(|(_, _, amount)| amount).sum()
    }
}

/// How far samples are apart: the gap in the middle.
pub(super) fn interval_ms(samples: &[(i64, f64)]) -> Option<i64> {
    let mut gaps: Vec<i64> = samples
        .windows(2)
        .map(|pair| pair[1].0 - pair[0].0)
        .collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).copied()
}
