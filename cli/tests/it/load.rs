//! Load tests, end to end: a real Redis, real producers and workers, for a few seconds each.
//!
//! No time is asserted: what a load took is held against what it says of itself, and where the machine made its generator late, the load
//! says so, and nothing is held against it.

use crate::nodes::Node;
use crate::support::{children, firedrill, is_running, need, said};
use crate::wait::until;
use firedrill_reports::load::{Interval, LoadRecord, Stage, each_interval};
use redis::Commands;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

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
        "--rate",
        "100/s",
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

#[test]
fn waits_at_a_low_rate_are_those_of_queueing_theory() {
    need!("redis-server");
    let (dir, _, record, _) = loaded(&[
        "--rate",
        "30/s",
        "--duration",
        "24s",
        "--service",
        "exponential:40ms",
        "--concurrency",
        "2",
        "--poll",
        "1ms",
        "--batch",
        "1",
    ]);
    // A machine that has no time for whoever sends has none for whoever works: then the queue is not the one of the books.
    let late = record.latencies[Stage::Lateness].quantile(0.99).unwrap();
    if !record.doubts().is_empty() || late > 0.005 {
        println!(
            "not judged: the machine is too busy to tell, 1 % of the tasks were sent {late} s late or more"
        );
        return;
    }
    // Means of two seconds each say how sure the mean is.
    let mut batches = [(0.0, 0.0); 12];
    each_interval(&only(dir.path()), &mut |interval| {
        if interval.stage == Stage::Wait {
            let place = ((interval.at_s - 1.0) / 2.0).max(0.0) as usize;
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
    // Student's t with 11 degrees of freedom, 99.9 % on both sides.
    let reach = 4.44 * (variance / 12.0).sqrt();

    let rate = record.latencies[Stage::Wait].count() as f64 / 24.0;
    let service = record.latencies[Stage::Service].mean().unwrap();
    let late = record.latencies[Stage::Enqueue].mean().unwrap();
    // At best slots are held as long as handlers work; at worst for two more calls and a look at the empty queue as well.
    let calls = 2.0 * late + 0.003;
    let (least, most) = (
        erlang_c(rate, service, 2),
        erlang_c(rate, service + calls, 2) + calls,
    );
    assert!(
        mean + reach >= least && mean - reach <= most,
        "mean wait {mean} +- {reach}, theory {least} to {most}"
    );
}

#[test]
fn a_redis_that_dies_in_the_middle_is_told_with_the_time() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let child = firedrill()
        .current_dir(dir.path())
        .args(["load", "--rate", "50/s", "--duration", "60s", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let server = || {
        children(child.id()).into_iter().find(|pid| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm"));
            name.is_ok_and(|name| name.starts_with("redis-server"))
        })
    };
    let log = |bytes: u64| {
        let runs = fs::read_dir(dir.path().join("runs/load")).ok();
        let mut logs = runs.into_iter().flatten().flatten();
        logs.any(|run| {
            let log = fs::metadata(run.path().join("latency.hlog"));
            log.is_ok_and(|log| log.len() > bytes)
        })
    };
    until("something is measured", Duration::from_secs(120), || {
        log(1_000)
    });
    let all = children(child.id());
    let pid = Pid::from_raw(i32::try_from(server().unwrap()).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let doubts = result["inconclusive"].to_string();
    assert!(
        doubts.contains("Redis is gone, and the load ended there"),
        "{doubts}"
    );
    let record = LoadRecord::read(&only(dir.path())).unwrap();
    assert!(record.facts.ran_s < 60.0 && record.facts.counts.enqueued > 0);
    assert!(
        record
            .facts
            .troubles
            .iter()
            .all(|trouble| trouble.at_ms > 0)
    );
    assert!(only(dir.path()).join("report.html").is_file());
    assert!(
        all.into_iter().all(|pid| !is_running(pid)),
        "nothing is left"
    );
}

#[test]
fn a_given_redis_that_dies_for_good_leaves_a_report() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(&[]);
    let child = firedrill()
        .current_dir(dir.path())
        .env("XDG_STATE_HOME", dir.path())
        .args(["load", "--rate", "50/s", "--duration", "5m", "--redis"])
        .arg(node.url())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("tasks are done", Duration::from_secs(120), || {
        node.connection().exists("asynq:{load}:processed").unwrap()
    });
    drop(node);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(said.contains("firedrill clean"), "{said}");
    let of = only(dir.path());
    assert!(of.join("figures.jsonl").is_file());
    let html = fs::read_to_string(of.join("report.html")).unwrap();
    assert!(html.contains("Redis is gone, and the load ended there"));
}

/// A Redis in which somebody else has something, and its keys.
fn in_use() -> (Node, BTreeSet<String>) {
    let node = Node::start(&[]);
    let mut connection = node.connection();
    let _: () = connection
        .lpush("asynq:{orders}:pending", "theirs")
        .unwrap();
    let _: () = connection.sadd("asynq:queues", "orders").unwrap();
    let _: () = connection.set("app:session", "theirs").unwrap();
    (
        node,
        ["asynq:{orders}:pending", "asynq:queues", "app:session"]
            .map(str::to_owned)
            .into(),
    )
}

fn keys(node: &Node) -> BTreeSet<String> {
    node.connection().keys("*").unwrap()
}

#[test]
fn beside_others_only_queues_of_its_own_name_are_touched() {
    need!("redis-server");
    let (node, before) = in_use();
    let at = format!("127.0.0.1:{}", node.port);
    let dir = tempfile::tempdir().unwrap();
    let load = |more: &[&str]| {
        let quick = [
            "load",
            "--rate",
            "50/s",
            "--duration",
            "1s",
            "--warmup",
            "0s",
            "--poll",
            "5ms",
            "--redis",
            &at,
        ];
        said(dir.path(), &[&quick, more].concat())
    };
    let (code, _, err) = load(&[]);
    assert_eq!(code, Some(4), "{err}");
    assert!(
        err.contains("holds 3 keys") && err.contains("--beside"),
        "{err}"
    );
    let (code, _, err) = load(&["--beside", "--name", "orders"]);
    assert_eq!(code, Some(4), "{err}");
    assert!(err.contains("there is a queue \"orders\" already"), "{err}");
    assert_eq!(keys(&node), before);

    let (code, _, err) = load(&["--beside"]);
    assert!(matches!(code, Some(0 | 3)), "{err}");
    assert_eq!(keys(&node), before);
    let theirs: String = node
        .connection()
        .lindex("asynq:{orders}:pending", 0)
        .unwrap();
    assert_eq!(theirs, "theirs");

    let (code, _, err) = load(&["--beside", "--produce-only", "--keep", "--name", "mine"]);
    assert!(matches!(code, Some(0 | 3)), "{err}");
    let kept: u64 = node.connection().llen("asynq:{mine}:pending").unwrap();
    assert!(
        kept > 0 && !keys(&node).iter().any(|key| key.starts_with("firedrill")),
        "{:?}",
        keys(&node)
    );
}

/// A load of a minute on this Redis that has done some of its tasks.
fn under_way(node: &Node, dir: &Path) -> Child {
    let child = firedrill()
        .current_dir(dir)
        .env("XDG_STATE_HOME", dir)
        .args([
            "load",
            "--rate",
            "200/s",
            "--duration",
            "60s",
            "--beside",
            "--redis",
        ])
        .arg(format!("127.0.0.1:{}", node.port))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("tasks are done", Duration::from_secs(120), || {
        node.connection().exists("asynq:{load}:processed").unwrap()
    });
    child
}

#[test]
fn ctrl_c_leaves_nothing() {
    need!("redis-server");
    let (node, before) = in_use();
    let dir = tempfile::tempdir().unwrap();
    let mut child = under_way(&node, dir.path());
    let all = children(child.id());
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(keys(&node), before);
    assert!(
        all.into_iter().all(|pid| !is_running(pid)),
        "nothing is left"
    );
    let record = LoadRecord::read(&only(dir.path())).unwrap();
    assert!(record.facts.stopped && record.facts.counts.enqueued > 0);
}

#[test]
fn killed_firedrills_leave_nothing_either() {
    need!("redis-server");
    let (node, before) = in_use();
    let dir = tempfile::tempdir().unwrap();
    let mut child = under_way(&node, dir.path());
    child.kill().unwrap();
    child.wait().unwrap();
    until(
        "its reaper has removed all of it",
        Duration::from_secs(120),
        || keys(&node) == before,
    );
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

#[test]
fn gates_judge_loads() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let gates = "gates:\n  load_service_seconds: p(50) > 1\n";
    fs::write(dir.path().join("g.yaml"), gates).unwrap();
    let args = [
        "load",
        "--rate",
        "50/s",
        "--duration",
        "2s",
        "--poll",
        "5ms",
        "--gate",
        "g.yaml",
    ];
    let (code, out, err) = said(dir.path(), &args);
    match out.contains("the generator was the limit") {
        true => assert_eq!(code, Some(3), "{out}{err}"),
        false => assert_eq!(code, Some(1), "{out}{err}"),
    }
    assert!(only(dir.path()).join("figures.jsonl").is_file());
}

#[test]
fn the_largest_rate_is_looked_for() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    // Two slots of 50 ms do 40 a second.
    let args = [
        "load",
        "--find-max",
        "--json",
        "--rate",
        "20/s",
        "--duration",
        "3s",
        "--warmup",
        "0s",
        "--service",
        "50ms",
        "--concurrency",
        "2",
        "--poll",
        "5ms",
        "--max-wait",
        "500ms",
        "--drain",
        "1s",
        "--repeats",
        "1",
    ];
    let (code, out, err) = said(dir.path(), &args);
    assert!(matches!(code, Some(0 | 3)), "{err}");
    let result: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(result["kind"], "knee");
    let trials = result["trials"].as_array().unwrap();
    let is_clear = |trial: &Value| trial["borne"].is_boolean();
    match trials.last().is_some_and(is_clear) {
        true => assert!(trials.iter().any(|trial| trial["borne"] == false), "{out}"),
        // A machine that is too busy to tell says so.
        false => assert!(out.contains("the generator was the limit"), "{out}"),
    }
    if let Some(rate) = result["rate"].as_f64() {
        assert!(rate < 80.0, "twice what the slots can do: {rate}");
    }
}

/// A scenario with faults.
const RETRIES: [&str; 2] = ["--scenario", "retry-storm-dependency-down"];

#[test]
fn a_baseline_of_another_load_is_refused_before_anything_starts() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let load = ["load", "--duration", "1s", "--warmup", "0s", "--rate"];
    let several = ["20/s", "--repeats", "2", "--json"];
    let (code, out, err) = said(dir.path(), &[&load[..], &several].concat());
    assert!(matches!(code, Some(0 | 3)), "{err}");
    // One document, whatever the number of loads.
    let results: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(results.as_array().map(Vec::len), Some(2));
    let before = fs::read_dir(dir.path().join("runs/load")).unwrap().count();
    let unlike = ["30/s", "--baseline", "runs/load/latest"];
    let (code, _, err) = said(dir.path(), &[&load[..], &unlike].concat());
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("`workload` differs"), "{err}");
    let after = fs::read_dir(dir.path().join("runs/load")).unwrap().count();
    assert_eq!(after, before, "nothing was started");
}

#[test]
fn what_cannot_be_is_refused_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    for (args, words) in [
        (&["--rate", "0/s"][..], "a rate above zero"),
        (&["--rate", "5000000/s"], "up to 1000000/s"),
        (&["--duration", "0s"], "a duration"),
        (&["--stages", "10/s:0s"], "no time above zero"),
        (
            &["--payload", "1GB"],
            "Redis itself takes no value above 512MB",
        ),
        (
            &["--rate", "1000000/s", "--duration", "1d"],
            "a load has at most",
        ),
        (
            &["--rate", "1000000/s", "--payload", "1MB"],
            "no machine makes that",
        ),
        (&["--unique", "60%", "--grouped", "60%"], "120 %"),
        (&["--service", "soon"], "how long handlers work"),
        (&["--produce-only", "--consume-only"], "cannot be used with"),
        (&["--keep"], "a load's own Redis goes with it"),
        (&["--beside"], "nothing of others in it"),
        (&["--find-max", "--keep"], "leave --find-max and --repeats"),
        (
            &["--repeats", "2", "--keep"],
            "leave --find-max and --repeats",
        ),
        (
            &["--find-max", "--summary", "s.md"],
            "a search is not judged",
        ),
        (
            &["--queue", "a:1", "--queue", "a:2"],
            "--queue a: it is named twice",
        ),
        (&[RETRIES[0], RETRIES[1], "--keep"], "leave --keep away"),
        (
            &[RETRIES[0], RETRIES[1], "--backlog", "5"],
            "leave --backlog away",
        ),
        (
            &[RETRIES[0], RETRIES[1], "--drain", "1s"],
            "leave --drain away",
        ),
        (
            &[RETRIES[0], RETRIES[1], "--batch", "1"],
            "leave --batch away",
        ),
        (&["--scenario", "nowhere.yaml"], "nowhere.yaml"),
        (&["--max-wait", "1s"], "--find-max"),
        (
            &["--find-max", "--max-wait", "1500ms", "--poll", "1s"],
            "no rate would be borne",
        ),
        (
            &["--find-max", "--max-wait", "2s", "--duration", "5s"],
            "8s at least",
        ),
    ] {
        let (code, _, err) = said(dir.path(), &[&["load"], args].concat());
        assert_eq!(code, Some(2), "{args:?}: {err}");
        let err = err.replace("\n    ", " ");
        assert!(err.contains(words), "{args:?}: {err}");
        assert!(!dir.path().join("runs").exists(), "{args:?}");
    }
}
