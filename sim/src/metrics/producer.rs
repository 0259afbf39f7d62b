//! What a producer counts of its calls, and how long they take.

use super::Value;
use crate::plan::{Plan, Routes};
use crate::world::{DEFAULT_BUCKETS, Exporter, go_float};
use firedrill_asynq::clock::Time;
use firedrill_asynq::note::Intake;
use firedrill_detector::Labels;

/// What a producer counts of its calls: of each task type and queue, those that were accepted, those refused as duplicates, and
/// those with another error; and how long they took, in worlds that have that.
#[derive(Debug, Clone, Default)]
pub struct ProducerMetrics {
    /// Task types with their queues, in order.
    kinds: Vec<(String, String)>,
    /// The kind of each leg of the plan's routes.
    legs: Vec<usize>,
    counts: Vec<[u64; 3]>,
    durations: Option<Vec<Durations>>,
}

/// `result` of `job_enqueued_total`, in the order of counts.
pub const ENQUEUE_RESULTS: [&str; 3] = ["ok", "duplicate", "error"];

/// The histogram of how long calls take.
pub(super) const DURATION: &str = "job_enqueue_duration_seconds";

/// How long calls took.
#[derive(Debug, Clone, Copy, Default)]
struct Durations {
    /// Those that took no longer than each bound, and longer than the one before; the last took longer than all.
    counts: [u64; DEFAULT_BUCKETS.len() + 1],
    sum_us: i64,
}

/// A series of a kind of task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EnqueueSeries {
    /// `job_enqueued_total`, by the number of its result.
    Result(usize),
    /// `job_enqueue_duration_seconds`, by the number of its bound; the last is `+Inf`.
    Bucket(usize),
    /// Its sum.
    Sum,
    /// Its count.
    Count,
}

impl Durations {
    fn took(&mut self, took_us: i64) {
        let took_s = took_us as f64 / 1e6;
        let bucket = DEFAULT_BUCKETS.partition_point(|bound| *bound < took_s);
        self.counts[bucket] += 1;
        self.sum_us = self.sum_us.saturating_add(took_us);
    }

    fn each(&self, mut expose: impl FnMut(EnqueueSeries, f64)) {
        let mut count = 0;
        for (bucket, own) in self.counts.iter().enumerate() {
            count += own;
            expose(EnqueueSeries::Bucket(bucket), count as f64);
        }
        expose(EnqueueSeries::Sum, self.sum_us as f64 / 1e6);
        expose(EnqueueSeries::Count, count as f64);
    }
}

impl ProducerMetrics {
    /// Of a plan that begins at `start`.
    #[must_use]
    pub fn of(plan: &Plan, start: Time) -> Self {
        let routes = Routes::of(plan, start);
        Self::new(
            routes.task_types(),
            plan.world.exposes(Exporter::EnqueueDuration),
        )
    }

    /// Of legs with these task types and queues; `has_durations`: how long calls take is told, too.
    fn new(legs: impl IntoIterator<Item = (String, String)>, has_durations: bool) -> Self {
        let legs: Vec<_> = legs.into_iter().collect();
        let mut kinds = legs.clone();
        kinds.sort();
        kinds.dedup();
        let place = |kind| kinds.binary_search(kind).unwrap_or(0);
        Self {
            legs: legs.iter().map(place).collect(),
            counts: vec![[0; 3]; kinds.len()],
            durations: has_durations.then(|| vec![Durations::default(); kinds.len()]),
            kinds,
        }
    }

    /// A task on a leg that was sent at `sent` was answered at `at`.
    #[inline]
    pub fn answered(&mut self, leg: usize, answer: Intake, (sent, at): (Time, Time)) {
        let Some(kind) = self.legs.get(leg).copied() else {
            return;
        };
        if let Some(counts) = self.counts.get_mut(kind) {
            counts[match answer {
                Intake::Accepted => 0,
                Intake::Duplicate => 1,
                Intake::Rejected => 2,
            }] += 1;
        }
        if let Some(durations) = &mut self.durations
            && let Some(of) = durations.get_mut(kind)
        {
            of.took((at.0 - sent.0) / 1_000);
        }
    }

    /// Everything exposed now, by the number of the kind, metric by metric; a series appears with its first increment.
    pub fn each(&self, mut expose: impl FnMut(usize, EnqueueSeries, f64)) {
        for (kind, counts) in self.counts.iter().enumerate() {
            for (result, count) in counts.iter().enumerate() {
                if *count > 0 {
                    expose(kind, EnqueueSeries::Result(result), *count as f64);
                }
            }
        }
        let durations = self.durations.iter().flatten().enumerate();
        let known = durations.filter(|(kind, _)| self.counts[*kind].iter().any(|of| *of > 0));
        for (kind, of) in known {
            of.each(|series, value| expose(kind, series, value));
        }
    }

    /// The labels of a series, without those of the target.
    #[must_use]
    pub fn labels(&self, kind: usize, series: EnqueueSeries) -> Labels {
        let (task_type, queue) = &self.kinds[kind];
        let of = |name: &str, own: Option<(&str, &str)>| {
            let of = [("task_type", task_type.as_str()), ("queue", queue.as_str())];
            Labels::metric(name, of.into_iter().chain(own))
        };
        let duration = |part: &str| format!("{DURATION}_{part}");
        match series {
            EnqueueSeries::Result(result) => {
                let own = ("result", ENQUEUE_RESULTS[result]);
                of("job_enqueued_total", Some(own))
            }
            EnqueueSeries::Bucket(bucket) => {
                let bound = DEFAULT_BUCKETS.get(bucket).copied().map(go_float);
                let bound = bound.unwrap_or_else(|| "+Inf".to_owned());
                of(&duration("bucket"), Some(("le", &bound)))
            }
            EnqueueSeries::Sum => of(&duration("sum"), None),
            EnqueueSeries::Count => of(&duration("count"), None),
        }
    }

    /// Everything exposed now, with its labels.
    #[must_use]
    pub fn values(&self) -> Vec<Value> {
        let mut values = Vec::new();
        self.each(|kind, series, value| values.push((self.labels(kind, series), value)));
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(ms: i64) -> (Time, Time) {
        (Time::from_millis(1_000), Time::from_millis(1_000 + ms))
    }

    #[test]
    fn calls_are_counted_by_what_came_of_them_and_how_long_they_took() {
        let legs = [("mail", "default"), ("mail", "bulk"), ("mail", "default")];
        let legs = || legs.map(|(task, queue)| (task.to_owned(), queue.to_owned()));
        let mut metrics = ProducerMetrics::new(legs(), true);
        metrics.answered(0, Intake::Accepted, after(5));
        metrics.answered(2, Intake::Rejected, after(30_000));
        metrics.answered(9, Intake::Accepted, after(1));
        let lines: Vec<String> = metrics
            .values()
            .into_iter()
            .map(|(labels, value)| format!("{labels} {value}"))
            .collect();
        let of_default = |line: &&String| line.contains("default");
        let lines: Vec<&str> = lines
            .iter()
            .filter(of_default)
            .map(String::as_str)
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        job_enqueued_total{queue="default", result="ok", task_type="mail"} 1
        job_enqueued_total{queue="default", result="error", task_type="mail"} 1
        job_enqueue_duration_seconds_bucket{le="0.005", queue="default", task_type="mail"} 1
        job_enqueue_duration_seconds_bucket{le="0.01", queue="default", task_type="mail"} 1
        job_enqueue_duration_seconds_bucket{le="0.025", queue="default", task_type="mail"} 1
        job_enqueue_duration_seconds_bucket{le="0.05", queue="default", task_type="mail"} 1
        job_enqueue_duration_seconds_bucket{le="0.1", queue="default", task_type="mail"} 1
        job_enqueue_duration_seconds_bucket{le="0.25", queue="default", task_type="mail"} 1
        job_enqueue_duration_seconds_bucket{le="0.5", queue="default", task_type="mail"} 1
        job_enqueue_duration_seconds_bucket{le="1", queue="default", task_type="mail"} 1
        job_enqueue_duration_seconds_bucket{le="2.5", queue="default", task_type="mail"} 1
        job_enqueue_duration_seconds_bucket{le="5", queue="default", task_type="mail"} 1
        job_enqueue_duration_seconds_bucket{le="10", queue="default", task_type="mail"} 1
        job_enqueue_duration_seconds_bucket{le="+Inf", queue="default", task_type="mail"} 2
        job_enqueue_duration_seconds_sum{queue="default", task_type="mail"} 30.005
        job_enqueue_duration_seconds_count{queue="default", task_type="mail"} 2
        "#);
        let mut plain = ProducerMetrics::new(legs(), false);
        plain.answered(0, Intake::Accepted, after(5));
        assert_eq!(plain.values().len(), 1);
    }
}
