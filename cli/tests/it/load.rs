//! Load tests, end to end: a real Redis, real producers and workers, for a few seconds each.
//!
//! No time is asserted: what a load took is held against what it says of itself, and where the machine made its generator late, the load
//! says so, and nothing is held against it.

mod asked;
mod ends;
mod taken;

use crate::support::{need, said, skip};
use firedrill_reports::load::{Interval, LoadRecord, Stage, each_interval};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// The directory of the only load in `dir`.
fn only(dir: &Path) -> PathBuf {
    let mut all = fs::read_dir(dir.join("runs/load")).unwrap();
    let mut found = all.by_ref().map(|entry| entry.unwrap().path());
    let found = found.find(|path| !path.ends_with("latest"));
    found.expect("there is a load")
}

/// Whether the only thing that is said against a load is that its generator was late, or nothing is.
fn is_sound(record: &LoadRecord) -> bool {
    let doubts = record.doubts();
    doubts
        .iter()
        .all(|doubt| doubt.contains("the generator was the limit"))
}

fn loaded(args: &[&str]) -> (tempfile::TempDir, Option<i32>, LoadRecord, Value) {
    let dir = tempfile::tempdir().unwrap();
    let args: Vec<&str> = [&["load", "--json"], args].concat();
    let (code, out, err) = said(dir.path(), &args);
    let result = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}\n{err}"));
    let record = LoadRecord::read(&only(dir.path())).unwrap();
    assert!(is_sound(&record), "{:?}\n{err}", record.doubts());
    (dir, code, record, result)
}

#[test]
fn a_load_is_measured_adds_up_and_is_written_down() {
    need!("redis-server");
    let (dir, code, record, result) = loaded(&[
        "--poll",
        "5ms",
        "--rate",
        "80/s",
        "--duration",
        "3s",
        "--service",
        "2ms",
        "--workers",
        "2",
        "--fail",
        "10%",
    ]);
    let counts = &record.facts.counts;
    assert!(counts.intended > 200, "{counts:?}");
    assert_eq!(
        (counts.sent, counts.enqueued),
        (counts.intended, counts.intended)
    );
    assert_eq!(
        counts.succeeded + counts.failed,
        counts.enqueued,
        "all were worked on"
    );
    assert!(counts.failed > 0);
    let left = record.facts.left.unwrap();
    assert_eq!(
        (left.done(), left.archived),
        (counts.succeeded, counts.failed)
    );
    assert_eq!(left.waiting(), 0);
    // What arrived in the first second is not measured.
    let measured = record.latencies[Stage::Wait].count();
    assert!(
        measured < counts.started && measured > counts.started / 2,
        "{measured}"
    );
    assert!(record.latencies[Stage::Service].quantile(0.0).unwrap() >= 0.002);
    let redis = record.facts.redis.as_ref().unwrap();
    assert!(
        redis.script_calls > 100 && redis.cpu_s > 0.0 && redis.bytes_in > 10_000,
        "{redis:?}"
    );
    assert_eq!(record.facts.processes.len(), 3);
    assert!(
        record
            .facts
            .processes
            .iter()
            .all(|process| process.cpu_s > 0.0)
    );

    assert_eq!(result["kind"], "load");
    let verdict = if record.doubts().is_empty() {
        "passed"
    } else {
        "inconclusive"
    };
    assert_eq!(result["verdict"], verdict);
    assert_eq!(code, Some(if verdict == "passed" { 0 } else { 3 }));
    assert_eq!(result["tasks"]["missing"], 0);

    let of = only(dir.path());
    for file in [
        "report.html",
        "result.json",
        "summary.md",
        "load.json",
        "latency.hlog",
    ] {
        assert!(of.join(file).is_file(), "{file}");
    }
    let mut sum = 0;
    let mut add = |interval: Interval| {
        if interval.stage == Stage::Wait {
            sum += interval.latency.count();
        }
    };
    each_interval(&of, &mut add).unwrap();
    assert_eq!(sum, measured);
    assert!(of.parent().unwrap().join("latest").exists());
}

#[test]
fn every_kind_of_task_is_accounted_for() {
    need!("redis-server");
    let (_dir, _, record, result) = loaded(&[
        "--poll",
        "5ms",
        "--rate",
        "100/s",
        "--duration",
        "3s",
        "--drain",
        "20s",
        "--unique",
        "20%",
        "--scheduled",
        "20%",
        "--ahead",
        "1s",
        "--grouped",
        "20%",
        "--queue",
        "critical:6",
        "--queue",
        "low:1",
        "--payload",
        "200B..2KiB",
        "--retention",
        "1m",
    ]);
    let (counts, left) = (&record.facts.counts, record.facts.left.unwrap());
    assert!(counts.grouped > 0 && counts.from_groups > 0, "{counts:?}");
    assert_eq!(result["tasks"]["missing"], 0, "{counts:?} {left:?}");
    assert!(left.completed > 0, "they are kept");
}

#[test]
fn either_side_runs_alone() {
    need!("redis-server");
    let (_dir, _, record, _) = loaded(&[
        "--poll",
        "5ms",
        "--consume-only",
        "--backlog",
        "300",
        "--duration",
        "30s",
        "--warmup",
        "0s",
    ]);
    let (counts, left) = (&record.facts.counts, record.facts.left.unwrap());
    assert_eq!(
        (counts.prefilled, counts.succeeded, left.waiting()),
        (300, 300, 0)
    );
    assert!(record.facts.ran_s < 30.0, "it is over when the backlog is");

    let (_dir, _, record, _) = loaded(&[
        "--produce-only",
        "--rate",
        "100/s",
        "--duration",
        "2s",
        "--warmup",
        "0s",
    ]);
    let (counts, left) = (&record.facts.counts, record.facts.left.unwrap());
    assert_eq!(left.pending, counts.enqueued);
    assert_eq!(record.latencies[Stage::Wait].count(), 0);

    let (_dir, _, record, _) = loaded(&[
        "--closed",
        "4",
        "--duration",
        "2s",
        "--produce-only",
        "--warmup",
        "0s",
    ]);
    assert_eq!(
        record.facts.left.unwrap().pending,
        record.facts.counts.enqueued
    );
    assert!(record.facts.header.asked_per_s.is_none());
}

/// Mean wait of an M/M/c queue: arrivals a second, mean service in seconds, servers.
fn erlang_c(rate: f64, service_s: f64, servers: u32) -> f64 {
    let load = rate * service_s;
    let c = f64::from(servers);
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..servers {
        term *= load / f64::from(k);
        sum += term;
    }
    let all_busy = term * load / c * c / (c - load);
    all_busy / (sum + all_busy) * service_s / (c - load)
}

#[test]
fn erlang_c_is_that_of_the_tables() {
    // Two servers at 60 %: 0.45 of the tasks wait, 22.5 ms on average.
    assert!((erlang_c(30.0, 0.04, 2) - 0.0225).abs() < 1e-9);
    // One server: rho / (mu - lambda).
    assert!((erlang_c(5.0, 0.1, 1) - 0.1).abs() < 1e-9);
}

/// A load of 20 tasks a second on two slots, whose handlers work 60 ms on average, exponentially, which is long beside what a busy
/// machine adds; `None`: it was too busy even so. One that has no time for whoever sends has none for whoever works, and then the queue
/// is not the one of the books.
fn two_servers(seed: &str) -> Option<(tempfile::TempDir, LoadRecord)> {
    let (dir, _, record, _) = loaded(&[
        "--rate",
        "20/s",
        "--duration",
        "36s",
        "--service",
        "exponential:60ms",
        "--concurrency",
        "2",
        "--poll",
        "1ms",
        "--batch",
        "1",
        "--seed",
        seed,
    ]);
    let late = record.latencies[Stage::Lateness].quantile(0.99).unwrap();
    match record.doubts().is_empty() && late <= 0.01 {
        true => Some((dir, record)),
        false => {
            println!("seed {seed}: 1 % of the tasks were sent {late} s late or more");
            None
        }
    }
}

#[test]
fn waits_at_a_low_rate_are_those_of_queueing_theory() {
    need!("redis-server");
    let Some((dir, record)) = ["1", "2", "3"].into_iter().find_map(two_servers) else {
        return skip("a machine that has time for 20 tasks a second");
    };
    // Means of three seconds each say how sure the mean is.
    let mut batches = [(0.0, 0.0); 12];
    each_interval(&only(dir.path()), &mut |interval| {
        if interval.stage == Stage::Wait {
            let place = ((interval.at_s - 1.0) / 3.0).max(0.0) as usize;
            let batch = &mut batches[place.min(11)];
            let count = interval.latency.count() as f64;
            batch.0 += interval.latency.mean().unwrap() * count;
            batch.1 += count;
        }
    })
    .unwrap();
    let means: Vec<f64> = batches.iter().map(|(sum, count)| sum / count).collect();
    let mean = means.iter().sum::<f64>() / 12.0;
    let variance = means.iter().map(|m| (m - mean) * (m - mean)).sum::<f64>() / 11.0;
    // Student's t with 11 degrees of freedom: 99.9 % on both sides, and 95 %.
    let error = (variance / 12.0).sqrt();
    let (reach, near) = (4.44 * error, 2.2 * error);

    let rate = record.latencies[Stage::Wait].count() as f64 / 36.0;
    let service = record.latencies[Stage::Service].mean().unwrap();
    let late = record.latencies[Stage::Enqueue].mean().unwrap();
    // At best slots are held as long as handlers work; at worst for two more calls and a look at the empty queue as well.
    let calls = 2.0 * late + 0.003;
    let (least, most) = (
        erlang_c(rate, service, 2),
        erlang_c(rate, service + calls, 2) + calls,
    );
    let told = format!("mean wait {mean} +- {reach}, theory {least} to {most}");
    println!("{told}");
    assert!(mean + reach >= least && mean - reach <= most, "{told}");
    // An interval that holds anything says nothing: one more slot is another queue.
    assert!(mean - near > erlang_c(rate, service, 3), "{told}");
}

const CRASH: &str = "\
version: firedrill/v1
name: crash-under-load
family: worker-crashed
summary: The only worker is away for five seconds.
seed: 2
duration: 16s
warmup: 0s
queues: { default: { wait_objective: 30s } }
workload:
  - { task: email:send, queue: default, arrivals: { poisson: 20/s }, service: { constant: 5ms } }
workers:
  - { name: w, processes: 1, concurrency: 10 }
timeline:
  - { at: 4s, fault: worker.kill, select: all, until: { at: 9s, remedy: worker.restart } }
incidents:
  - { cause: worker-crashed, wanted: page, within: 5s }
";

#[test]
fn a_scenario_under_load_is_its_drill() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("crash.yaml"), CRASH).unwrap();
    let (code, out, err) = said(dir.path(), &["load", "--json", "--scenario", "crash.yaml"]);
    assert!(matches!(code, Some(0 | 3)), "{code:?} {err}");
    let result: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(result["scenario"], true);
    let of = only(dir.path());
    assert!(of.join("record.jsonl").is_file(), "the drill's own record");
    let record = LoadRecord::read(&of).unwrap();
    // Handlers work as long as the scenario says: nothing is taken off for what a worker does between two tasks.
    let service = record.latencies[Stage::Service].mean().unwrap();
    assert!(service > 0.0049, "{service}");
    // Each task that was enqueued is in one place.
    let tasks = |what: &str| result["tasks"][what].as_i64().unwrap();
    let parts = ["done", "archived", "left", "missing"].map(tasks);
    assert_eq!(parts.iter().sum::<i64>(), tasks("enqueued"), "{result:#}");
    let (_, text, _) = said(dir.path(), &["report", of.to_str().unwrap(), "-o", "-"]);
    let sums = format!(
        "of {} tasks that were enqueued, {} are done, 0 were archived or deleted",
        tasks("enqueued"),
        tasks("done")
    );
    assert!(text.contains(&sums), "{sums}");
    // Who arrived when the worker had gone waited until it was back.
    let longest = record.latencies[Stage::Wait].max().unwrap();
    assert!(longest > 3.0, "{longest}");
    let counts = &record.facts.counts;
    assert!(
        counts.succeeded > 200 && counts.enqueued >= counts.succeeded,
        "{counts:?}"
    );
    assert!(record.facts.redis.is_some());
}
