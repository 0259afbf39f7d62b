//! What arrives when, how long it takes and how often it fails, by task type and queue.

use super::application::{Application, Metric};
use super::samples::{LearnError, Rise, Samples};
use super::service::{Fitted, fitted};
use crate::world::Dimension;
use firedrill_detector::Labels;
use std::collections::{BTreeMap, BTreeSet};

/// Longest time that a scenario is made of: a day, the last one.
const LONGEST_MS: i64 = 86_400_000;
/// Into how many parts that is cut, and how long each is at least.
const PARTS: i64 = 24;
const PART_MS_MIN: i64 = 300_000;

/// A kind of task.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kind {
    pub(super) task: String,
    pub(super) queue: String,
    /// Tasks per second, part by part.
    pub(super) rates: Vec<f64>,
    /// Whether that changes by more than chance.
    pub(super) changes: bool,
    pub(super) fail_share: f64,
    pub(super) service: Option<Fitted>,
}

impl Kind {
    /// Tasks per second on the average.
    pub(super) fn mean_rate(&self) -> f64 {
        self.rates.iter().sum::<f64>() / self.rates.len().max(1) as f64
    }
}

/// All that arrives.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Traffic {
    /// From when, Unix milliseconds, and how long.
    pub(super) from_ms: i64,
    pub(super) lasts_ms: i64,
    /// Length of a part.
    pub(super) part_ms: i64,
    pub(super) queues: Vec<String>,
    pub(super) kinds: Vec<Kind>,
    /// Most tasks at work at a scrape; `None`: no metric tells.
    pub(super) most_at_work: Option<f64>,
    /// Whether nothing tells how long some of the tasks take.
    pub(super) guesses_service: bool,
}

/// What series tell of a kind: task type and queue.
type Told = (Option<String>, Option<String>);

/// Series of a counter, and what each rises by.
type Rising<'s> = Vec<(&'s Labels, Vec<Rise>)>;

/// A counter of executions by task type and queue.
struct Executions<'s> {
    by_kind: BTreeMap<Told, Rising<'s>>,
}

impl<'s> Executions<'s> {
    fn of(samples: &'s Samples, name: &str, [task, queue]: [Option<&str>; 2]) -> Self {
        let mut by_kind: BTreeMap<Told, Rising<'s>> = BTreeMap::new();
        for (labels, of) in samples.named(name) {
            let value =
                |label: Option<&str>| label.and_then(|label| labels.get(label)).map(str::to_owned);
            let kind = (value(task), value(queue));
            by_kind
                .entry(kind)
                .or_default()
                .push((labels, samples.rises(of)));
        }
        Self { by_kind }
    }
}

impl Traffic {
    pub(super) fn of(
        samples: &Samples,
        application: &Application,
        unknown: &mut Vec<String>,
    ) -> Result<Self, LearnError> {
        let (first, last) = samples.window();
        let from_ms = first.max(last - LONGEST_MS);
        let lasts_ms = (last - from_ms) / 60_000 * 60_000;
        let part_ms = (lasts_ms / PARTS).max(PART_MS_MIN).min(lasts_ms.max(1));
        let base = application.base();
        let (name, labels) = match base {
            Some(base) => (
                base.counter(),
                [
                    base.label(Dimension::TaskType),
                    base.label(Dimension::Queue),
                ],
            ),
            None => (
                "asynq_tasks_processed_total".to_owned(),
                [None, Some("queue")],
            ),
        };
        let executions = Executions::of(samples, &name, labels);
        let mut traffic = Self {
            from_ms,
            lasts_ms,
            part_ms,
            queues: application.queues.iter().cloned().collect(),
            kinds: Vec::new(),
            most_at_work: most_at_work(samples),
            guesses_service: false,
        };
        if base.is_some_and(|base| base.label(Dimension::Queue).is_none())
            && traffic.queues.len() > 1
        {
            unknown.push(format!(
                "workload: {name} does not tell queues apart, so all tasks are in the first one; fill in the queue of each"
            ));
        }
        for ((task, queue), series) in &executions.by_kind {
            let first = || {
                traffic
                    .queues
                    .first()
                    .cloned()
                    .unwrap_or_else(|| "default".to_owned())
            };
            let queue = queue.clone().unwrap_or_else(first);
            let task = task.clone().unwrap_or_else(|| format!("{queue}:task"));
            let all = series.iter().flat_map(|(_, rises)| rises.iter().copied());
            let all: f64 = all.map(|(.., amount)| amount).sum();
            if all < 1.0 {
                continue;
            }
            let (failed, is_failed) =
                failures(samples, application, (series, all), [task.as_str(), &queue]);
            let fail_share = (failed / all).clamp(0.0, 1.0);
            // What fails is tried again, until it succeeds: what has succeeded had arrived.
            let arrived: Vec<Rise> = series
                .iter()
                .filter(|(labels, _)| fail_share >= 0.999 || !is_failed(labels))
                .flat_map(|(_, rises)| rises.iter().copied())
                .collect();
            let counted: f64 = arrived.iter().map(|(.., amount)| amount).sum();
            let scale = if counted > 0.0 && fail_share < 0.999 {
                (all - failed).max(0.0) / counted
            } else {
                1.0
            };
            let counts = traffic.parts(&arrived, scale);
            let part_s = part_ms as f64 / 1e3;
            traffic.kinds.push(Kind {
                changes: varies(&counts),
                rates: counts.iter().map(|count| count / part_s).collect(),
                fail_share,
                service: service(samples, application, [task.as_str(), &queue]),
                task,
                queue,
            });
        }
        for kind in &traffic.kinds {
            if !traffic.queues.contains(&kind.queue) {
                traffic.queues.push(kind.queue.clone());
            }
        }
        if traffic.kinds.is_empty() || lasts_ms == 0 {
            return Err(match executions.by_kind.is_empty() {
                true => LearnError::NoTasks,
                false => LearnError::StandsStill { metric: name },
            });
        }
        traffic.guess_services(samples, unknown);
        let tasks = traffic.kinds.iter().map(|kind| &kind.task);
        let names: BTreeSet<&String> = traffic.queues.iter().chain(tasks).collect();
        for name in names.into_iter().filter(|name| plain(name) != **name) {
            unknown.push(format!(
                "workload: `{}` is `{}` here, as scenarios take no other characters",
                name.escape_debug(),
                plain(name)
            ));
        }
        unknown.push(
            "queues: no metric tells asynq's priorities, nor how long users mind to wait; fill in `priority` and `wait_objective`".to_owned(),
        );
        unknown.push("workload: retries, timeouts, deadlines and payloads are asynq's defaults here; fill in what differs".to_owned());
        Ok(traffic)
    }

    /// What rises come to in each part of the time.
    fn parts(&self, rises: &[Rise], scale: f64) -> Vec<f64> {
        let mut counts = vec![
            0.0;
            usize::try_from(self.lasts_ms / self.part_ms)
                .unwrap_or(1)
                .max(1)
        ];
        for (from, to, amount) in rises {
            for (part, count) in counts.iter_mut().enumerate() {
                let begins = self.from_ms + part as i64 * self.part_ms;
                let overlap = (*to).min(begins + self.part_ms) - (*from).max(begins);
                if overlap > 0 {
                    *count += amount * scale * overlap as f64 / (to - from).max(1) as f64;
                }
            }
        }
        counts
    }

    /// Slots that are at work on the average.
    pub(super) fn slots_needed(&self) -> f64 {
        let each = self.kinds.iter().map(|kind| {
            let mean_s = kind.service.map_or(0.0, Fitted::mean_s);
            kind.mean_rate() / (1.0 - kind.fail_share).max(0.1) * mean_s
        });
        each.sum()
    }

    /// Where no histogram tells how long handlers take, the number of those at work does, on the average (Little's law).
    fn guess_services(&mut self, samples: &Samples, unknown: &mut Vec<String>) {
        let queues: BTreeSet<String> = self.kinds.iter().map(|kind| kind.queue.clone()).collect();
        for queue in queues {
            let is_own = |kind: &&mut Kind| kind.queue == queue && kind.service.is_none();
            let known: f64 = self
                .kinds
                .iter()
                .filter(|kind| kind.queue == queue)
                .filter_map(|kind| Some(kind.mean_rate() * kind.service?.mean_s()))
                .sum();
            let rate: f64 = self
                .kinds
                .iter_mut()
                .filter(is_own)
                .map(|kind| kind.mean_rate())
                .sum();
            if rate <= 0.0 {
                continue;
            }
            let of = samples
                .named("asynq_tasks_enqueued_total")
                .filter(|(labels, _)| {
                    labels.get("state") == Some("active") && labels.get("queue") == Some(&queue)
                });
            let values: Vec<f64> = of
                .flat_map(|(_, samples)| samples.iter().map(|(_, value)| *value))
                .collect();
            let at_work = values.iter().sum::<f64>() / values.len().max(1) as f64;
            let mean_s = (at_work - known).max(0.0) / rate;
            let guess = (mean_s > 0.0).then_some(Fitted::Exponential { mean_s });
            self.guesses_service |= guess.is_none();
            unknown.push(match guess {
                Some(_) => format!(
                    "workload: no histogram tells how long tasks of {queue} take; the number of those at work says {mean_s:.3} s on \
                     the average, and how far they spread is a guess"
                ),
                None => format!(
                    "workload: nothing tells how long tasks of {queue} take; 1 s is a guess, fill in `service`"
                ),
            });
            for kind in self.kinds.iter_mut().filter(is_own) {
                kind.service = guess.or(Some(Fitted::Exponential { mean_s: 1.0 }));
            }
        }
    }
}

/// How many executions of a kind failed of `all`, and which of its series count only those.
fn failures<'a>(
    samples: &Samples,
    application: &'a Application,
    (series, all): (&[(&Labels, Vec<Rise>)], f64),
    [task, queue]: [&str; 2],
) -> (f64, impl Fn(&Labels) -> bool + use<'a>) {
    let base = application.base();
    let told = base.and_then(|base| Some((base.label(Dimension::Result)?, base.results.as_ref()?)));
    let is_failed = move |labels: &Labels| {
        told.is_some_and(|(label, (_, failed))| labels.get(label) == Some(failed.as_str()))
    };
    if told.is_some() {
        let of = series.iter().filter(|(labels, _)| is_failed(labels));
        let rises = of.flat_map(|(_, rises)| rises.iter().map(|(.., amount)| *amount));
        return (rises.sum(), is_failed);
    }
    let failed = match application.failures() {
        Some(metric) => samples.rise(&metric.counter(), |labels| {
            fits(metric, labels, [task, queue])
        }),
        // asynq knows it by queue only.
        None => {
            let own = |labels: &Labels| labels.get("queue") == Some(queue);
            let processed = samples.rise("asynq_tasks_processed_total", own);
            let failed = samples.rise("asynq_tasks_failed_total", own);
            if processed > 0.0 {
                all * failed / processed
            } else {
                0.0
            }
        }
    };
    (failed, is_failed)
}

/// Whether a series is of this task type and queue, as far as it tells.
fn fits(metric: &Metric, labels: &Labels, [task, queue]: [&str; 2]) -> bool {
    let is = |what, value| {
        let label = metric.label(what);
        label.is_none_or(|label| labels.get(label).is_none_or(|own| own == value))
    };
    is(Dimension::TaskType, task) && is(Dimension::Queue, queue)
}

/// How long handlers of a kind take, from the application's histogram.
fn service(samples: &Samples, application: &Application, kind: [&str; 2]) -> Option<Fitted> {
    let metric = application.histogram()?;
    let own = |labels: &Labels| fits(metric, labels, kind);
    let scale = metric.unit.per_second();
    let name = format!("{}_bucket", metric.name);
    let below = metric.buckets.iter().map(|bound| {
        let is_bound =
            |labels: &Labels| labels.get("le").and_then(|le| le.parse().ok()) == Some(*bound);
        (
            bound / scale,
            samples.rise(&name, |labels| own(labels) && is_bound(labels)),
        )
    });
    let below: Vec<(f64, f64)> = below.collect();
    let count = samples.rise(&format!("{}_count", metric.name), own);
    let sum = samples.rise(&format!("{}_sum", metric.name), own);
    fitted(&below, count, sum / scale)
}

/// Most tasks at work at any scrape, over all queues.
fn most_at_work(samples: &Samples) -> Option<f64> {
    let mut at: BTreeMap<i64, f64> = BTreeMap::new();
    for (labels, values) in samples.named("asynq_tasks_enqueued_total") {
        if labels.get("state") == Some("active") {
            for (at_ms, value) in values {
                *at.entry(*at_ms).or_default() += value;
            }
        }
    }
    at.into_values().max_by(f64::total_cmp)
}

/// Whether counts differ by more than independent arrivals at one rate do.
fn varies(counts: &[f64]) -> bool {
    let count = counts.len() as f64;
    let mean = counts.iter().sum::<f64>() / count.max(1.0);
    if counts.len() < 2 || mean <= 0.0 {
        return false;
    }
    let spread: f64 = counts
        .iter()
        .map(|own| (own - mean) * (own - mean) / mean)
        .sum();
    let free = count - 1.0;
    spread > free + 4.0 * (2.0 * free).sqrt()
}

/// A name as scenarios take it.
pub(super) fn plain(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    let plain = name.chars().map(|c| if fits(c) { c } else { '-' });
    let plain: String = plain.take(64).collect();
    match plain.trim_start_matches('.') {
        "" => "unnamed".to_owned(),
        rest => rest.to_owned(),
    }
}
