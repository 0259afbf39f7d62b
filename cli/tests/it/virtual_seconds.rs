//! Live scrapes tell virtual time, whatever has happened: every value that says seconds is what the model has, series by series.

use crate::support::{need, said};
use firedrill_detector::sample::is_stale;
use firedrill_reports::Record;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

/// Redis is started without its data, started from a backup and failed over; workers are started anew, tasks wait and are slow.
const SCENARIO: &str = "\
version: firedrill/v1
name: seconds
family: other
summary: Whatever has a time of its own begins anew.
seed: 3
duration: 10m
warmup: 1m
queues: { default: { wait_objective: 60s } }
workload:
  - { task: t, queue: default, arrivals: { constant: 2/s }, service: { constant: 400ms } }
workers: [{ name: w, processes: 2, concurrency: 4 }]
scrape: { interval: 5s, producer: true }
evaluation: { interval: 5s }
timeline:
  - { id: wiped, at: 90s, fault: redis.kill, keep_data: false, until: { at: 110s, remedy: redis.start } }
  - { id: gone, at: 3m, fault: worker.kill, select: all, until: { at: 4m, remedy: worker.restart } }
  - { id: restored, at: 5m, fault: redis.restore, age: 20s, until: { at: 320s } }
  - { id: over, at: 390s, fault: redis.failover, lag: 10s, until: { at: 410s } }
  - { id: slow, at: 8m, fault: handler.slow, factor: 3, until: { at: 9m } }
incidents:
  - { cause: other, of: gone, wanted: ticket, within: 1m }
";

/// Series of a scrape target: its name, and its labels.
type Name = (String, String);

/// The samples of each series whose name says seconds, in order of their times.
fn seconds(record: &Record) -> BTreeMap<Name, Vec<(i64, f64)>> {
    let mut all: BTreeMap<Name, Vec<(i64, f64)>> = BTreeMap::new();
    for (at_ms, target, samples) in record.scrapes() {
        for (labels, value) in samples {
            let name = labels.name();
            if !name.contains("seconds") || is_stale(value) {
                continue;
            }
            // Drills begin on different days.
            let value = match name.contains("time_seconds") {
                true => value - record.header.epoch_ms as f64 / 1e3,
                false => value,
            };
            let of = (target.to_owned(), labels.to_string());
            all.entry(of).or_default().push((at_ms, value));
        }
    }
    all
}

/// What may lie between the engines: Redis and processes take real time to start, seconds of virtual time.
const APART_MS: i64 = 25_000;
/// Beside that, values may differ by so many seconds.
const APART: f64 = 25.0;
/// And what a worker counts in a histogram by so many tasks, or their seconds: which of two workers gets a task is chance, and of
/// some 800 in the life of both that is four standard deviations.
const APART_COUNTED: f64 = 60.0;

/// How far values of a series may differ.
fn apart((_, labels): &Name) -> f64 {
    match labels.starts_with("job_duration_seconds") {
        true => APART_COUNTED,
        false => APART,
    }
}

/// Samples of a live series that the model's has nothing like about that time, by more than `apart`; `None`: they have too little
/// in common.
fn strays(live: &[(i64, f64)], model: &[(i64, f64)], apart: f64) -> Option<Vec<String>> {
    let mut held = 0;
    let mut strays = Vec::new();
    for (at_ms, value) in live {
        let near = model
            .iter()
            .filter(|(other_ms, _)| (at_ms - other_ms).abs() <= APART_MS);
        let near: Vec<f64> = near.map(|(_, value)| *value).collect();
        let (Some(least), Some(most)) = (
            near.iter().copied().reduce(f64::min),
            near.iter().copied().reduce(f64::max),
        ) else {
            continue;
        };
        held += 1;
        if *value < least - apart || *value > most + apart {
            strays.push(format!("{value} at {at_ms} ms, not {least} to {most}"));
        }
    }
    (held * 10 >= live.len() * 9 && live.len() * 10 >= model.len() * 8).then_some(strays)
}

fn record(dir: &Path, args: &[&str]) -> (Option<i32>, String, Record) {
    let (code, _, told) = said(dir, &[&["run", "--no-gate", "s.yaml"], args].concat());
    let path = dir.join("runs/seconds/latest/record.jsonl");
    let file = File::open(path).unwrap_or_else(|error| panic!("{error}: {told}"));
    (code, told, Record::read(BufReader::new(file)).unwrap())
}

#[test]
fn whatever_says_seconds_live_says_virtual_ones_after_every_new_beginning() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("s.yaml"), SCENARIO).unwrap();
    let (_, told, model) = record(dir.path(), &["--engine", "virtual"]);
    let model = seconds(&model);
    let names = |of: &BTreeMap<Name, Vec<(i64, f64)>>| -> BTreeSet<String> {
        let names = of.keys().map(|(_, labels)| {
            let name = labels.split('{').next().unwrap_or_default();
            name.to_owned()
        });
        names.collect()
    };
    let expected = [
        "asynq_queue_latency_seconds",
        "job_duration_seconds_bucket",
        "job_duration_seconds_count",
        "job_duration_seconds_sum",
        "process_start_time_seconds",
        "redis_uptime_in_seconds",
    ];
    assert_eq!(names(&model), expected.map(str::to_owned).into(), "{told}");
    // Where the machine was too slow nothing is proven.
    for speed in ["20", "10"] {
        let (code, told, live) = record(dir.path(), &["--speed", speed]);
        if code == Some(3) && speed != "10" {
            continue;
        }
        let live = seconds(&live);
        assert_eq!(
            live.keys().collect::<Vec<_>>(),
            model.keys().collect::<Vec<_>>(),
            "{told}"
        );
        let differ = live.iter().filter_map(|(name, samples)| {
            let found = strays(samples, &model[name], apart(name));
            let is_same = found.as_ref().is_some_and(Vec::is_empty);
            (!is_same).then(|| format!("{name:?}: {found:#?}"))
        });
        let differ: Vec<String> = differ.collect();
        assert!(differ.is_empty(), "{}\n{told}", differ.join("\n"));
        return;
    }
}

#[test]
fn real_seconds_would_be_noticed() {
    let at = |of: &dyn Fn(i64) -> f64| -> Vec<(i64, f64)> {
        (0..120).map(|n| (n * 5_000, of(n * 5))).collect()
    };
    let virtual_s = at(&|s| s as f64);
    assert_eq!(strays(&virtual_s, &virtual_s, APART), Some(Vec::new()));
    let real = at(&|s| s as f64 / 20.0);
    assert!(strays(&real, &virtual_s, APART_COUNTED).is_some_and(|found| found.len() > 80));
    assert_eq!(strays(&virtual_s[..50], &virtual_s, APART), None);
}
