//! What the middleware of one worker process counts, and the series it exposes under the names of a world.

use super::Value;
use crate::world::{AppMetric, Counts, Dimension, MetricType, Panics, World, go_float};
use firedrill_asynq::actor::Outcome;
use firedrill_asynq::actor::server::Meter;
use firedrill_detector::Labels;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The metrics of an application.
#[derive(Debug, Clone)]
pub struct App {
    metrics: Arc<[AppMetric]>,
    has_gauge: bool,
}

/// A series of a worker's `/metrics`, by task type and queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobSeries {
    /// Number of the metric in its world.
    metric: usize,
    part: Part,
}

/// Which of a metric's series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// The one there is.
    Whole,
    /// Of handlers that returned an error.
    Failed,
    /// Of those that returned nil.
    Success,
    /// By the number of its bound; the last is `+Inf`.
    Bucket(usize),
    Sum,
    Count,
}

impl App {
    /// That of a world.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let metrics = world.metrics.as_slice();
        Self {
            has_gauge: metrics.iter().any(|of| of.kind == MetricType::Gauge),
            metrics: metrics.into(),
        }
    }

    /// The labels of a series, without those of its target.
    #[must_use]
    pub fn labels(&self, series: JobSeries, task_type: &str, queue: &str) -> Labels {
        let metric = &self.metrics[series.metric];
        let (suffix, result) = match series.part {
            Part::Whole => ("", ""),
            Part::Failed => ("", metric.results.failed.as_str()),
            Part::Success => ("", metric.results.success.as_str()),
            Part::Bucket(_) => ("_bucket", ""),
            Part::Sum => ("_sum", ""),
            Part::Count => ("_count", ""),
        };
        let le = match series.part {
            Part::Bucket(bound) => {
                let bound = metric.buckets.get(bound);
                Some(bound.map_or("+Inf".to_owned(), |bound| go_float(*bound)))
            }
            _ => None,
        };
        let own = metric.labels.iter().map(|(label, tells)| {
            let value = match tells {
                Dimension::TaskType => task_type,
                Dimension::Queue => queue,
                Dimension::Result => result,
            };
            (label.as_str(), value)
        });
        let le = le.as_deref().map(|bound| ("le", bound));
        Labels::metric(&format!("{}{suffix}", metric.name), own.chain(le))
    }
}

/// How handlers can end, in the order of [`Facts::ended`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Success,
    Failed,
    Panicked,
    /// A panic that leaves any middleware without a word.
    Left,
}

impl Ended {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Success => Self::Success,
            Outcome::Failure { .. } => Self::Failed,
            Outcome::Panic {
                uncounted: false, ..
            } => Self::Panicked,
            Outcome::Panic {
                uncounted: true, ..
            } => Self::Left,
        }
    }

    /// Whether a metric counts it, and as what.
    fn counts_as(self, metric: &AppMetric) -> Option<Part> {
        let part = match self {
            Self::Success => Part::Success,
            Self::Panicked if metric.panics == Panics::Uncounted => return None,
            Self::Failed | Self::Panicked => Part::Failed,
            Self::Left => return None,
        };
        let wanted = match metric.counts {
            Counts::All => true,
            Counts::Success => part == Part::Success,
            Counts::Failed => part == Part::Failed,
        };
        wanted.then_some(part)
    }
}

/// What became of the handlers of one task type in one queue.
#[derive(Debug, Clone)]
struct Facts {
    started: u64,
    /// By [`Ended`].
    ended: [u64; 4],
    /// By the number of the metric; empty where that is no histogram.
    histograms: Box<[Histogram]>,
}

#[derive(Debug, Clone, Default)]
struct Histogram {
    buckets: Box<[u64]>,
    count: u64,
    sum: f64,
}

impl Facts {
    fn new(app: &App) -> Self {
        let histogram = |metric: &AppMetric| match metric.kind {
            MetricType::Histogram => Histogram {
                buckets: vec![0; metric.buckets.len()].into(),
                ..Histogram::default()
            },
            MetricType::Counter | MetricType::Gauge => Histogram::default(),
        };
        Self {
            started: 0,
            ended: [0; 4],
            histograms: app.metrics.iter().map(histogram).collect(),
        }
    }

    /// Adds those of another task type or queue.
    fn add(&mut self, other: &Self) {
        self.started += other.started;
        for (sum, more) in self.ended.iter_mut().zip(other.ended) {
            *sum += more;
        }
        for (sum, more) in self.histograms.iter_mut().zip(&other.histograms) {
            sum.count += more.count;
            sum.sum += more.sum;
            for (sum, more) in sum.buckets.iter_mut().zip(&more.buckets) {
                *sum += more;
            }
        }
    }

    /// So many handlers ended in a way that a metric counts as this.
    fn counted(&self, metric: &AppMetric, part: Part) -> u64 {
        let all = [Ended::Success, Ended::Failed, Ended::Panicked, Ended::Left];
        let counted = all.into_iter().zip(self.ended);
        let counted = counted.filter(|(ended, _)| ended.counts_as(metric) == Some(part));
        counted.map(|(_, count)| count).sum()
    }

    /// Handlers at work as a gauge has them. One that is not told of a panic stays up by one; one that is, by a deferred
    /// function, is told of every panic.
    fn at_work(&self, metric: &AppMetric) -> f64 {
        let [success, failed, panicked, left] = self.ended;
        let over = match metric.panics {
            Panics::Counted => success + failed + panicked + left,
            Panics::Uncounted => success + failed,
        };
        self.started.saturating_sub(over) as f64
    }

    /// Everything that one metric exposes of it. As in Go's client, a series appears when something is first told of it.
    fn expose(&self, number: usize, metric: &AppMetric, mut expose: impl FnMut(JobSeries, f64)) {
        let mut tell = |part, value| {
            let metric = number;
            expose(JobSeries { metric, part }, value);
        };
        match metric.kind {
            MetricType::Gauge if self.started > 0 => tell(Part::Whole, self.at_work(metric)),
            MetricType::Gauge => {}
            MetricType::Counter if metric.tells(Dimension::Result) => {
                for part in [Part::Failed, Part::Success] {
                    let count = self.counted(metric, part);
                    if count > 0 {
                        tell(part, count as f64);
                    }
                }
            }
            MetricType::Counter => {
                let count =
                    self.counted(metric, Part::Failed) + self.counted(metric, Part::Success);
                if count > 0 {
                    tell(Part::Whole, count as f64);
                }
            }
            MetricType::Histogram => {
                let histogram = &self.histograms[number];
                if histogram.count == 0 {
                    return;
                }
                let mut below = 0;
                for (bound, count) in histogram.buckets.iter().enumerate() {
                    below += count;
                    tell(Part::Bucket(bound), below as f64);
                }
                let count = histogram.count as f64;
                tell(Part::Bucket(histogram.buckets.len()), count);
                tell(Part::Sum, histogram.sum);
                tell(Part::Count, count);
            }
        }
    }
}

/// Counters of one worker process. They live and die with the process.
#[derive(Debug, Clone)]
pub struct WorkerMetrics<K> {
    app: App,
    kinds: BTreeMap<K, Facts>,
}

impl<K: Ord> WorkerMetrics<K> {
    /// Nothing was counted yet.
    #[must_use]
    pub fn new(app: &App) -> Self {
        Self {
            app: app.clone(),
            kinds: BTreeMap::new(),
        }
    }

    /// Everything exposed now, in a fixed order: the kind that stands for a series, and the series. `names`: task type and queue
    /// of a kind.
    pub fn each<'k>(
        &'k self,
        names: impl Fn(&'k K) -> (&'k str, &'k str),
        mut expose: impl FnMut(&'k K, JobSeries, f64),
    ) {
        for (number, metric) in self.app.metrics.iter().enumerate() {
            let by_type = metric.tells(Dimension::TaskType);
            let by_queue = metric.tells(Dimension::Queue);
            if by_type && by_queue {
                for (kind, facts) in &self.kinds {
                    facts.expose(number, metric, |series, value| expose(kind, series, value));
                }
                continue;
            }
            let mut sums: Vec<(&K, (&str, &str), Facts)> = Vec::new();
            for (kind, facts) in &self.kinds {
                let (task_type, queue) = names(kind);
                let told = (
                    if by_type { task_type } else { "" },
                    if by_queue { queue } else { "" },
                );
                match sums.iter_mut().find(|(_, other, _)| *other == told) {
                    Some((_, _, sum)) => sum.add(facts),
                    None => sums.push((kind, told, facts.clone())),
                }
            }
            for (kind, _, facts) in &sums {
                facts.expose(number, metric, |series, value| expose(kind, series, value));
            }
        }
    }
}

impl<K: Ord> Meter<K> for WorkerMetrics<K> {
    fn hears_of_starts(&self) -> bool {
        self.app.has_gauge
    }

    fn started(&mut self, kind: K) {
        let facts = self.kinds.entry(kind);
        facts.or_insert_with(|| Facts::new(&self.app)).started += 1;
    }

    fn handled(&mut self, kind: K, outcome: &Outcome, seconds: f64) {
        let app = &self.app;
        let facts = self.kinds.entry(kind);
        let facts = facts.or_insert_with(|| Facts::new(app));
        let ended = Ended::of(outcome);
        facts.ended[ended as usize] += 1;
        for (metric, histogram) in app.metrics.iter().zip(&mut facts.histograms) {
            if metric.kind != MetricType::Histogram || ended.counts_as(metric).is_none() {
                continue;
            }
            let value = seconds * metric.unit.per_second();
            histogram.count += 1;
            histogram.sum += value;
            // Bounds ascend, so that most returns touch few buckets: each is counted where it falls and added up when read.
            if let Some(bucket) = metric.buckets.iter().position(|bound| value <= *bound) {
                histogram.buckets[bucket] += 1;
            }
        }
    }
}

impl WorkerMetrics<(String, String)> {
    /// Everything exposed now, with its labels.
    #[must_use]
    pub fn values(&self) -> Vec<Value> {
        let mut values = Vec::new();
        self.each(names_of, |kind, series, value| {
            let (task_type, queue) = names_of(kind);
            values.push((self.app.labels(series, task_type, queue), value));
        });
        values
    }
}

/// Task type and queue of a kind.
fn names_of(kind: &(String, String)) -> (&str, &str) {
    (&kind.0, &kind.1)
}

#[cfg(test)]
mod tests;
