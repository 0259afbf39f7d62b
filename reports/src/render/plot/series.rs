//! What the charts show, from the samples of a record.

use crate::jsonl::Record;
use firedrill_detector::{Labels, is_stale};
use std::collections::BTreeMap;

/// Name and points (minutes, value).
type Line = (String, Vec<(f64, f64)>);

/// `asynq_tasks_enqueued_total` by state, summed over queues: a state that never held a task is left out. While the
/// series is gone the line has a gap, which is a point without a number.
pub(super) fn depth_by_state(record: &Record) -> Vec<Line> {
    let mut lines: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for (at_ms, _, samples) in record.scrapes() {
        let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
        let depths = samples
            .iter()
            .filter(|(labels, _)| labels.name() == "asynq_tasks_enqueued_total");
        for (labels, value) in depths {
            if let Some(state) = labels.get("state") {
                *sums.entry(state).or_default() += if is_stale(*value) { f64::NAN } else { *value };
            }
        }
        for (state, sum) in sums {
            lines
                .entry(state.to_owned())
                .or_default()
                .push((at_ms as f64 / 6e4, sum));
        }
    }
    let used = |points: &Vec<(f64, f64)>| points.iter().any(|(_, value)| *value > 0.0);
    lines
        .into_iter()
        .filter(|(_, points)| used(points))
        .collect()
}

/// Jobs per second by outcome: increases of `job_processed_total` between scrapes, counter resets heeded, put together
/// per scrape interval over all targets.
pub(super) fn throughput(record: &Record) -> Vec<Line> {
    let interval_ms = record.header.scrape_interval_ms.max(1);
    let buckets = usize::try_from(record.end_ms() / interval_ms + 1).unwrap_or(0);
    let mut last: BTreeMap<Labels, f64> = BTreeMap::new();
    let mut sums: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (at_ms, _, samples) in record.scrapes() {
        for (labels, value) in samples {
            let Some(status) = labels
                .get("status")
                .filter(|_| labels.name() == "job_processed_total")
            else {
                continue;
            };
            if is_stale(value) {
                // The process is gone and its counter with it; the next one counts from zero.
                last.remove(&labels);
                continue;
            }
            let bucket = usize::try_from(at_ms / interval_ms).unwrap_or(0);
            let line = sums
                .entry(status.to_owned())
                .or_insert_with(|| vec![0.0; buckets]);
            let before = last
                .insert(labels, value)
                .filter(|before| *before <= value)
                .unwrap_or(0.0);
            if let Some(sum) = line.get_mut(bucket) {
                *sum += value - before;
            }
        }
    }
    let seconds = interval_ms as f64 / 1e3;
    let minute = |bucket: usize| (bucket as f64 + 0.5) * seconds / 60.0;
    sums.into_iter()
        .map(|(status, sums)| {
            (
                status,
                sums.iter()
                    .enumerate()
                    .map(|(b, sum)| (minute(b), sum / seconds))
                    .collect(),
            )
        })
        .collect()
}
