//! Queue depth and throughput over a drill, from the samples of its record: what charts show and comparisons measure.

use crate::jsonl::Record;
use crate::record;
use firedrill_detector::Labels;
use firedrill_detector::sample::{METRIC_NAME, is_stale};
use std::collections::{BTreeMap, BTreeSet};

/// Name and points (minutes, value).
pub(crate) type Line = (String, Vec<(f64, f64)>);

/// `asynq_tasks_enqueued_total` by state, summed over queues: a state that never held a task is left out. While the
/// series is gone the line has a gap, which is a point without a number.
pub(crate) fn depth_by_state(record: &Record) -> Vec<Line> {
    let mut lines = depths(record);
    lines.retain(|(_, points)| points.iter().any(|(_, value)| *value > 0.0));
    lines
}

/// As [`depth_by_state`], with the states that never held a task.
pub(crate) fn depths(record: &Record) -> Vec<Line> {
    sums(record, "asynq_tasks_enqueued_total", "state")
}

/// How long the oldest task has been waiting in each queue, in seconds.
pub(crate) fn oldest(record: &Record) -> Vec<Line> {
    sums(record, "asynq_queue_latency_seconds", "queue")
}

/// How long tasks waited, in seconds, by when they started: median and 99th percentile of each queue, step by step. While none
/// started the line has a gap. Nothing in records that do not say.
pub(crate) fn waited(record: &Record) -> Vec<Line> {
    /// With more queues, medians would hide the rest.
    const MEDIANS_MAX: usize = 3;
    let queues = record.waits().filter(|waits| !waits.over_time.is_empty());
    let (queues, end_ms) = (queues.count(), record.end_ms());
    let quantiles = match queues {
        ..=MEDIANS_MAX => &["p50", "p99"][..],
        _ => &["p99"],
    };
    let lines = record.waits().flat_map(|waits| {
        quantiles.iter().map(move |quantile| {
            let name = match queues > 1 {
                true => format!("{} {quantile}", waits.queue),
                false => (*quantile).to_owned(),
            };
            let mut points = Vec::new();
            let mut before_ms = None;
            for step in &waits.over_time {
                let seconds = match *quantile {
                    "p50" => step.p50_ms,
                    _ => step.p99_ms,
                } as f64
                    / 1e3;
                if before_ms.is_some_and(|before_ms| before_ms < step.from_ms) {
                    points.push((step.from_ms as f64 / 6e4, f64::NAN));
                }
                // What is known of a step is known of all of it.
                let to_ms = step.to_ms.min(end_ms).max(step.from_ms);
                points.extend([step.from_ms, to_ms].map(|ms| (ms as f64 / 6e4, seconds)));
                before_ms = Some(step.to_ms);
            }
            (name, points)
        })
    });
    lines.filter(|(_, points)| !points.is_empty()).collect()
}

/// A gauge by one of its labels, scrape by scrape. While the series is gone the line has a gap.
fn sums(record: &Record, gauge: &str, by: &str) -> Vec<Line> {
    let mut lines: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for (at_ms, _, samples) in record.scrapes() {
        let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
        let own = samples.iter().filter(|(labels, _)| labels.name() == gauge);
        for (labels, value) in own {
            if let Some(key) = labels.get(by) {
                *sums.entry(key).or_default() += if is_stale(*value) { f64::NAN } else { *value };
            }
        }
        for (key, sum) in sums {
            let points = lines.entry(key.to_owned()).or_default();
            points.push((at_ms as f64 / 6e4, sum));
        }
    }
    lines.into_iter().collect()
}

/// How many targets of each job were up, and whether Redis was, by what its exporter says.
pub(crate) fn up(record: &Record) -> Vec<Line> {
    let mut known: BTreeMap<Labels, f64> = BTreeMap::new();
    let mut lines: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for (at_ms, _, samples) in record.scrapes() {
        for (labels, value) in samples {
            if !matches!(labels.name(), "up" | "redis_up") {
                continue;
            }
            let name = up_of(&labels);
            // A target that is gone is not up.
            known.insert(labels, if is_stale(value) { 0.0 } else { value });
            let all = known.iter().filter(|(labels, _)| up_of(labels) == name);
            let sum: f64 = all.map(|(_, value)| value).sum();
            let points = lines.entry(name).or_default();
            points.push((at_ms as f64 / 6e4, sum));
        }
    }
    lines.into_iter().collect()
}

fn up_of(labels: &Labels) -> String {
    match labels.name() {
        "redis_up" => "redis_up".to_owned(),
        _ => labels.get("job").unwrap_or("no job").to_owned(),
    }
}

/// Most points of a line.
const POINTS_MAX: i64 = 10_000;

/// Jobs per second, as the workers count them: see [`rates`]. By outcome under the runbook's names; under others, by counter.
pub(crate) fn throughput(record: &Record) -> Vec<Line> {
    let by_outcome = rates(record, "job_processed_total", Some("status"));
    if !by_outcome.is_empty() {
        return by_outcome;
    }
    let counters = application_counters(record);
    let lines = counters.iter().map(|name| rates(record, name, None));
    lines.flatten().collect()
}

/// Counters that none of the exporters of a drill has, nor its producer.
fn application_counters(record: &Record) -> BTreeSet<&str> {
    const OTHERS: [&str; 5] = ["asynq_", "redis_", "go_", "process_", "job_enqueued_"];
    let named = record.lines.iter().filter_map(|line| match line {
        record::Line::Series { labels, .. } => labels.get(METRIC_NAME).map(String::as_str),
        _ => None,
    });
    let is_own = |name: &&str| {
        name.ends_with("_total") && !OTHERS.iter().any(|other| name.starts_with(other))
    };
    named.filter(is_own).collect()
}

/// What a counter says per second, by one of its labels or all together, summed over all targets, per scrape interval:
/// increases between the scrapes of a series, spread over the time between them. After a reset only what was counted
/// since is known, and stands where it was seen. A target that could not be scraped for a while has not forgotten its
/// counters.
pub(crate) fn rates(record: &Record, counter: &str, by: Option<&str>) -> Vec<Line> {
    // A chart shows no more than so many points, however long the drill was.
    let interval_ms = record
        .header
        .scrape_interval_ms
        .max(record.end_ms() / POINTS_MAX)
        .max(1);
    let mut last: BTreeMap<Labels, (i64, f64)> = BTreeMap::new();
    let mut lines: BTreeMap<String, Buckets> = BTreeMap::new();
    let mut end_ms = 0;
    for (at_ms, _, samples) in record.scrapes() {
        end_ms = at_ms;
        for (labels, value) in samples {
            if labels.name() != counter || is_stale(value) {
                continue;
            }
            let Some(name) = by.map_or(Some(counter), |label| labels.get(label)) else {
                continue;
            };
            let buckets = lines
                .entry(name.to_owned())
                .or_insert_with(|| Buckets::new(interval_ms));
            let (from_ms, increase) = match last.get(&labels) {
                Some((then_ms, before)) if *before <= value => (*then_ms, value - before),
                _ => (at_ms - interval_ms, value),
            };
            buckets.add(from_ms.max(0), at_ms, increase);
            last.insert(labels, (at_ms, value));
        }
    }
    // An interval that the scrapes did not reach the end of would look like a drop.
    let whole = usize::try_from(end_ms / interval_ms).unwrap_or(0);
    lines
        .into_iter()
        .map(|(name, buckets)| (name, buckets.rates(whole)))
        .collect()
}

/// Amounts by interval of time.
struct Buckets {
    interval_ms: i64,
    sums: Vec<f64>,
    /// By how much more every later interval has than those before.
    steps: Vec<f64>,
}

/// Most intervals that an amount is put into one by one.
const WALKED_MAX: i64 = 64;

fn add(to: &mut Vec<f64>, index: i64, amount: f64) {
    let index = usize::try_from(index).unwrap_or(0);
    if to.len() <= index {
        to.resize(index + 1, 0.0);
    }
    to[index] += amount;
}

impl Buckets {
    fn new(interval_ms: i64) -> Self {
        Self {
            interval_ms,
            sums: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// Spreads an amount evenly over `(from, to]`.
    fn add(&mut self, from_ms: i64, to_ms: i64, amount: f64) {
        let length_ms = (to_ms - from_ms).max(1) as f64;
        let last = (to_ms - 1) / self.interval_ms;
        let mut at_ms = from_ms;
        if last - from_ms / self.interval_ms > WALKED_MAX {
            // Whole intervals all get the same: only where that begins and ends is noted.
            let first = from_ms / self.interval_ms + 1;
            let each = amount * self.interval_ms as f64 / length_ms;
            add(&mut self.steps, first, each);
            add(&mut self.steps, last, -each);
            let head_ms = first * self.interval_ms - from_ms;
            let head = amount * head_ms as f64 / length_ms;
            add(&mut self.sums, first - 1, head);
            at_ms = last * self.interval_ms;
        }
        while at_ms < to_ms {
            let index = at_ms / self.interval_ms;
            let next_ms = ((index + 1) * self.interval_ms).min(to_ms);
            let part = amount * (next_ms - at_ms) as f64 / length_ms;
            add(&mut self.sums, index, part);
            at_ms = next_ms;
        }
    }

    /// Middle of each of the first `count` intervals in minutes, and amount per second.
    fn rates(mut self, count: usize) -> Vec<(f64, f64)> {
        let mut each = 0.0;
        self.sums.resize(self.sums.len().max(self.steps.len()), 0.0);
        for (sum, step) in self.sums.iter_mut().zip(&self.steps) {
            each += step;
            *sum += each;
        }
        self.sums.resize(count, 0.0);
        let seconds = self.interval_ms as f64 / 1e3;
        let middle = |index: usize| (index as f64 + 0.5) * seconds / 60.0;
        let rates = self.sums.iter().enumerate();
        rates
            .map(|(index, sum)| (middle(index), sum / seconds))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecordWriter;
    use crate::record::{FORMAT, Header, QueueWaits, WaitsStep};
    use crate::waits::Waits;
    use firedrill_detector::sample::stale_marker;

    fn header() -> Header {
        Header {
            format: FORMAT.into(),
            tool_version: String::new(),
            scenario: String::new(),
            family: String::new(),
            summary: String::new(),
            seed: 0,
            engine: "live".into(),
            speed: 1.0,
            epoch_ms: 0,
            began_ms: None,
            rehearsal: None,
            duration_ms: 7_200_000,
            warmup_ms: 0,
            scrape_interval_ms: 10_000,
            evaluation_interval_ms: 10_000,
            evaluation_phase_ms: 0,
            group_wait_ms: crate::record::GROUP_WAIT_MS,
            group_interval_ms: crate::record::GROUP_INTERVAL_MS,
            alertmanager: None,
            steps: Vec::new(),
            rules: Vec::new(),
            reading: Default::default(),
            plan: "name: paper".into(),
            incidents: Vec::new(),
            benign: Vec::new(),
            gates: Vec::new(),
            environment: BTreeMap::new(),
        }
    }

    /// The rates that a counter's samples, one every 10 s from second 4 on, come to.
    fn rates(samples: &[Option<f64>]) -> Vec<f64> {
        let mut writer = RecordWriter::new(Vec::new(), &header()).unwrap();
        let labels = Labels::metric("job_processed_total", [("status", "success")]);
        for (at_ms, value) in (4_000..).step_by(10_000).zip(samples) {
            let value = value.unwrap_or_else(stale_marker);
            let samples = [(labels.clone(), value)];
            writer.scrape(at_ms, "w", &samples).unwrap();
        }
        let record = Record::read(&writer.into_inner()[..]).unwrap();
        let lines = throughput(&record);
        lines[0].1.iter().map(|(_, rate)| *rate).collect()
    }

    #[test]
    fn a_target_that_is_down_or_gone_is_not_up() {
        let mut writer = RecordWriter::new(Vec::new(), &header()).unwrap();
        let scrapes = [
            ("w-0", 1.0),
            ("w-1", 1.0),
            ("w-0", 0.0),
            ("w-1", stale_marker()),
        ];
        for (minute, (instance, value)) in (1_i64..).zip(scrapes) {
            let labels = Labels::metric("up", [("job", "worker"), ("instance", instance)]);
            writer
                .scrape(minute * 60_000, instance, &[(labels, value)])
                .unwrap();
        }
        let record = Record::read(&writer.into_inner()[..]).unwrap();
        let points = vec![(1.0, 1.0), (2.0, 2.0), (3.0, 1.0), (4.0, 0.0)];
        assert_eq!(up(&record), [("worker".to_owned(), points)]);
    }

    #[test]
    fn waits_have_a_gap_while_nothing_starts_and_end_with_the_drill() {
        let mut writer = RecordWriter::new(Vec::new(), &header()).unwrap();
        let up = Labels::metric("up", [("job", "worker")]);
        writer.scrape(200_000, "w", &[(up, 1.0)]).unwrap();
        let mut record = Record::read(&writer.into_inner()[..]).unwrap();
        assert_eq!(waited(&record), []);
        let step = |from_ms: i64, p50_ms, p99_ms| WaitsStep {
            from_ms,
            to_ms: from_ms + 60_000,
            started: 1,
            p50_ms,
            p99_ms,
        };
        let steps = [
            step(0, 500, 1_000),
            step(60_000, 1_000, 2_000),
            step(180_000, 3_000, 4_000),
        ];
        let queue = |queue: &str| {
            record::Line::Waits(QueueWaits {
                queue: queue.to_owned(),
                counts: Waits::new(),
                over_time: steps.to_vec(),
            })
        };
        record.lines.push(queue("default"));
        let lines = waited(&record);
        let (name, points) = &lines[0];
        assert_eq!((lines.len(), name.as_str()), (2, "p50"));
        let (known, gaps): (Vec<_>, Vec<_>) = points
            .iter()
            .copied()
            .partition(|(_, wait)| wait.is_finite());
        let end = record.end_ms() as f64 / 6e4;
        assert_eq!(
            known,
            [
                (0.0, 0.5),
                (1.0, 0.5),
                (1.0, 1.0),
                (2.0, 1.0),
                (3.0, 3.0),
                (end, 3.0)
            ]
        );
        assert!(end < 4.0 && gaps.len() == 1);
        record.lines.push(queue("mail"));
        let names: Vec<String> = waited(&record).into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            ["default p50", "default p99", "mail p50", "mail p99"]
        );
    }

    #[test]
    fn a_steady_counter_is_a_flat_line_to_its_end() {
        let steady: Vec<Option<f64>> = (0..7).map(|n| Some(40.0 + 100.0 * f64::from(n))).collect();
        assert_eq!(rates(&steady), [10.0; 6]);
    }

    #[test]
    fn a_long_gap_is_as_flat_as_a_short_one() {
        let mut samples = vec![None; 400];
        for (step, value) in [(0, 40.0), (1, 140.0), (399, 39_940.0)] {
            samples[step] = Some(value);
        }
        let rates = rates(&samples);
        assert_eq!(rates.len(), 399);
        let is_flat = rates.iter().all(|rate| (rate - 10.0).abs() < 1e-6);
        assert!(is_flat, "{rates:?}");
    }

    #[test]
    fn a_scrape_gap_is_no_burst_and_a_restart_is_no_loss() {
        let gap = [
            Some(40.0),
            Some(140.0),
            None,
            None,
            Some(440.0),
            Some(540.0),
        ];
        assert_eq!(rates(&gap), [10.0; 5]);
        let restart = rates(&[
            Some(40.0),
            Some(140.0),
            None,
            None,
            Some(100.0),
            Some(200.0),
        ]);
        // An interval without a process; what was counted before the gap's end and after the restart is known.
        let total: f64 = restart.iter().sum();
        assert!(restart[2] == 0.0 && restart[4] == 10.0, "{restart:?}");
        assert!((total - 30.0).abs() < 1e-9, "{restart:?}");
    }
}
