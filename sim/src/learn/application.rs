//! Which of a team's metrics count its tasks, and what their labels tell. Told by the sums: a counter of handlers rises by as
//! much as asynq's counter of what was processed, or failed.

use super::samples::{Samples, TELLTALES};
use super::targets::Fleet;
use crate::world::{Counts, Dimension, MetricType, Unit};
use firedrill_detector::Labels;
use std::collections::{BTreeMap, BTreeSet};

/// A metric of the application, and what its labels tell.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) kind: MetricType,
    pub(super) counts: Counts,
    pub(super) labels: Vec<(String, Dimension)>,
    /// Values of the label that tells the result: of success, of failure.
    pub(super) results: Option<(String, String)>,
    pub(super) buckets: Vec<f64>,
    pub(super) unit: Unit,
}

/// The metrics of the workers.
#[derive(Debug, Default)]
pub(super) struct Application {
    /// The job of the workers.
    pub(super) job: Option<String>,
    pub(super) metrics: Vec<Metric>,
    /// Names of asynq's queues.
    pub(super) queues: BTreeSet<String>,
}

const PROCESSED: &str = "asynq_tasks_processed_total";
const FAILED: &str = "asynq_tasks_failed_total";

/// Labels that are called like this tell the task's type, where sums say nothing.
const TYPE_NAMES: [&str; 7] = [
    "task_type",
    "task",
    "type",
    "job_type",
    "kind",
    "job_name",
    "worker_type",
];
const SUCCESS: [&str; 9] = [
    "success",
    "succeeded",
    "successful",
    "ok",
    "done",
    "completed",
    "complete",
    "true",
    "nil",
];
const FAILURE: [&str; 8] = [
    "failed", "failure", "fail", "error", "err", "errored", "ko", "false",
];

impl Metric {
    /// The label that tells this.
    pub(super) fn label(&self, what: Dimension) -> Option<&str> {
        let mut labels = self.labels.iter();
        let found = labels.find(|(_, of)| *of == what)?;
        Some(found.0.as_str())
    }

    /// The name of the counter that rises with each task.
    pub(super) fn counter(&self) -> String {
        match self.kind {
            MetricType::Histogram => format!("{}_count", self.name),
            MetricType::Counter | MetricType::Gauge => self.name.clone(),
        }
    }
}

impl Application {
    pub(super) fn of(samples: &Samples, fleet: &Fleet, unknown: &mut Vec<String>) -> Self {
        let queue = |(labels, _): (&Labels, _)| labels.get("queue").map(str::to_owned);
        let mut application = Self {
            queues: samples
                .named("asynq_tasks_enqueued_total")
                .filter_map(queue)
                .collect(),
            ..Self::default()
        };
        application
            .queues
            .extend(samples.named(PROCESSED).filter_map(queue));
        let sums = Sums {
            processed: samples.rise(PROCESSED, |_| true),
            failed: samples.rise(FAILED, |_| true),
        };
        let mut found: Vec<(String, Metric)> = Vec::new();
        for name in samples.names().filter(|name| !TELLTALES.contains(name)) {
            let Some((name, kind)) = candidate(samples, name) else {
                continue;
            };
            if let Some((job, metric)) =
                application.metric(samples, fleet, (name, kind), &sums, unknown)
            {
                found.push((job, metric));
            }
        }
        // The workers are where most of it is.
        let mut jobs: BTreeMap<&String, usize> = BTreeMap::new();
        for (job, _) in &found {
            *jobs.entry(job).or_default() += 1;
        }
        application.job = jobs
            .into_iter()
            .max_by_key(|(_, count)| *count)
            .map(|(job, _)| job.clone());
        let job = application.job.clone();
        let own = found
            .into_iter()
            .filter(|(own, _)| Some(own) == job.as_ref());
        application.metrics = own.map(|(_, metric)| metric).collect();
        if application.metrics.is_empty() {
            unknown.push(
                "metrics: none of the workers' own counts tasks; asynq's queues are all that tells of them, so each queue has one \
                 task type here"
                    .to_owned(),
            );
        }
        application
    }

    fn metric(
        &self,
        samples: &Samples,
        fleet: &Fleet,
        (name, kind): (&str, MetricType),
        sums: &Sums,
        unknown: &mut Vec<String>,
    ) -> Option<(String, Metric)> {
        let exposed = match kind {
            MetricType::Histogram => format!("{name}_bucket"),
            MetricType::Counter | MetricType::Gauge => name.to_owned(),
        };
        let job = Fleet::job_of(samples, &exposed)?;
        let of_target = fleet.target_labels(&job);
        let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (labels, _) in samples.named(&exposed) {
            for (label, value) in labels.iter() {
                if !of_target.contains(label) && !["__name__", "le"].contains(&label) {
                    values
                        .entry(label.to_owned())
                        .or_default()
                        .insert(value.to_owned());
                }
            }
        }
        let (mut labels, mut results) = (Vec::new(), None);
        let mut rest = Vec::new();
        for (label, values) in &values {
            if label == "queue" || !self.queues.is_empty() && values.is_subset(&self.queues) {
                labels.push((label.clone(), Dimension::Queue));
            } else if let Some(both) = told_results(values).filter(|_| results.is_none()) {
                results = Some(both);
                labels.push((label.clone(), Dimension::Result));
            } else {
                rest.push(label.clone());
            }
        }
        let counter = match kind {
            MetricType::Histogram => format!("{name}_count"),
            MetricType::Counter | MetricType::Gauge => name.to_owned(),
        };
        let total = samples.rise(&counter, |_| true);
        let is_called = |label: &String| TYPE_NAMES.contains(&label.as_str());
        let by_name = rest.iter().position(is_called);
        let counts = match kind {
            MetricType::Gauge => Some(Counts::All),
            _ => sums.counts(
                name,
                total,
                results.is_some(),
                by_name.is_some() || !labels.is_empty(),
            ),
        }?;
        if !rest.is_empty() {
            let label = rest.remove(by_name.unwrap_or(0));
            labels.push((label, Dimension::TaskType));
        }
        for label in rest {
            unknown.push(format!(
                "metrics: the label `{label}` of {name} tells neither task type, queue nor result; it is left out"
            ));
        }
        if kind == MetricType::Gauge && labels.is_empty() {
            return None;
        }
        labels.sort_by(|(label, _), (other, _)| label.cmp(other));
        let mut buckets: Vec<f64> = samples
            .named(&exposed)
            .filter_map(|(labels, _)| labels.get("le")?.parse().ok())
            .filter(|bound: &f64| bound.is_finite() && *bound > 0.0)
            .collect();
        buckets.sort_by(f64::total_cmp);
        buckets.dedup();
        let unit = match name.ends_with("_ms") || name.contains("millis") {
            true => Unit::Milliseconds,
            false => Unit::Seconds,
        };
        let name = name.to_owned();
        Some((
            job,
            Metric {
                name,
                kind,
                counts,
                labels,
                results,
                buckets,
                unit,
            },
        ))
    }

    /// The metric that tells most of what was executed: by type, queue and result if there is such a one.
    pub(super) fn base(&self) -> Option<&Metric> {
        let counted = self
            .metrics
            .iter()
            .filter(|of| of.kind != MetricType::Gauge);
        let all = counted.filter(|of| of.counts == Counts::All);
        all.max_by_key(|of| (of.labels.len(), of.kind == MetricType::Counter))
    }

    /// The histogram of how long handlers take.
    pub(super) fn histogram(&self) -> Option<&Metric> {
        let mut metrics = self.metrics.iter();
        metrics.find(|of| of.kind == MetricType::Histogram)
    }

    /// The counter of failures, where the base does not tell them.
    pub(super) fn failures(&self) -> Option<&Metric> {
        let mut metrics = self.metrics.iter();
        metrics.find(|of| of.kind == MetricType::Counter && of.counts == Counts::Failed)
    }
}

/// What asynq counted in all.
#[derive(Debug)]
struct Sums {
    processed: f64,
    failed: f64,
}

impl Sums {
    /// What a counter counts that has risen by so much; `None`: something else.
    fn counts(
        &self,
        name: &str,
        total: f64,
        has_result: bool,
        is_labelled: bool,
    ) -> Option<Counts> {
        if name.contains("enqueue") {
            return None;
        }
        let says = |words: &[&str]| words.iter().any(|word| name.contains(word));
        let by_name = || match () {
            () if has_result => Counts::All,
            () if says(&["fail", "error"]) => Counts::Failed,
            () if says(&["success", "succeeded"]) => Counts::Success,
            () => Counts::All,
        };
        if self.processed < 50.0 {
            return is_labelled.then(by_name);
        }
        // Scrapes of the two are some seconds apart, and so are their restarts.
        let is_near = |sum: f64| (total - sum).abs() <= 0.05 * sum + 3.0 * sum.sqrt();
        let all = is_near(self.processed);
        let succeeded = is_near(self.processed - self.failed);
        match by_name() {
            Counts::Failed if is_near(self.failed) => Some(Counts::Failed),
            Counts::Success if succeeded => Some(Counts::Success),
            Counts::All if all => Some(Counts::All),
            Counts::All if succeeded && !has_result => Some(Counts::Success),
            Counts::All if is_near(self.failed) && is_labelled => Some(Counts::Failed),
            _ => None,
        }
    }
}

/// A name that may be the application's: that of the family, and its type.
fn candidate<'s>(samples: &Samples, name: &'s str) -> Option<(&'s str, MetricType)> {
    const OTHERS: [&str; 6] = ["asynq_", "redis_", "process_", "up", "ALERTS", "container_"];
    if OTHERS.iter().any(|other| name.starts_with(other)) {
        return None;
    }
    if let Some(family) = name.strip_suffix("_bucket") {
        return Some((family, MetricType::Histogram));
    }
    if name.ends_with("_sum") || name.ends_with("_count") {
        return None;
    }
    match samples.kind(name) {
        Some("counter") => return Some((name, MetricType::Counter)),
        None if name.ends_with("_total") => return Some((name, MetricType::Counter)),
        _ => {}
    }
    let words = ["in_progress", "in_flight", "inflight", "active", "running"];
    let is_gauge = words.iter().any(|word| name.contains(word));
    is_gauge.then_some((name, MetricType::Gauge))
}

/// The values that mean success and failure, if these are such.
fn told_results(values: &BTreeSet<String>) -> Option<(String, String)> {
    let find = |words: &[&str]| {
        let mut values = values.iter();
        values
            .find(|value| words.contains(&value.to_lowercase().as_str()))
            .cloned()
    };
    let (success, failed) = (find(&SUCCESS), find(&FAILURE));
    let known = usize::from(success.is_some()) + usize::from(failed.is_some());
    if known == 0 || known < values.len() {
        return None;
    }
    let other = |known: &str| match known {
        "failed" => "failure".to_owned(),
        _ => "failed".to_owned(),
    };
    Some((
        success.unwrap_or_else(|| "success".to_owned()),
        failed.unwrap_or_else(|| other("")),
    ))
}
