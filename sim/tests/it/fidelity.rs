//! One short scenario on both engines through the command: they agree, and say so.

use crate::support::{firedrill, need};
use firedrill_reports::Record;
use serde_json::Value;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::process::Output;

const RULES: &str = r#"
# firedrill: cause worker-crashed expects WorkerDown
# firedrill: cause worker-crashed accepts QueueOld
groups:
- name: jobs
  rules:
  - alert: WorkerDown
    expr: sum(up{job="worker"}) == 0
    for: 30s
    labels: { severity: page }
  - alert: QueueOld
    expr: max by (queue) (asynq_queue_latency_seconds) > 60
    for: 30s
    labels: { severity: page }
"#;

const SCENARIO: &str = "\
version: firedrill/v1
name: short-crash
family: worker-crashed
summary: Both workers are killed and restarted three minutes later.
seed: 11
duration: 9m
warmup: 1m
queues: { default: { priority: 1, wait_objective: 30s } }
workload:
  - { task: email:send, queue: default, arrivals: { poisson: 4/s }, service: { constant: 500ms } }
workers:
  - { name: w, processes: 2, concurrency: 4 }
scrape: { interval: 5s }
evaluation: { interval: 5s }
timeline:
  - { at: 2m, fault: worker.kill, select: all, until: { at: 5m, remedy: worker.restart } }
incidents:
  - { cause: worker-crashed, wanted: page, within: 1m }
";

fn fidelity(dir: &Path, args: &[&str]) -> Output {
    fs::write(dir.join("s.yaml"), SCENARIO).unwrap();
    fs::write(dir.join("r.yml"), RULES).unwrap();
    firedrill()
        .current_dir(dir)
        .args(["fidelity", "--rules", "r.yml", "s.yaml"])
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn both_engines_come_to_the_same_verdict() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let output = fidelity(dir.path(), &["--speed", "30", "--json"]);
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{talk}"));
    let scenario = &found["scenarios"][0];
    assert_eq!(output.status.code(), Some(0), "{talk}\n{found:#}");
    assert_eq!(scenario["conclusive"], true, "{scenario:#}");
    assert_eq!(scenario["aspects"]["verdicts"], "same", "{scenario:#}");
    let transitions = scenario["transitions"].as_array().unwrap();
    assert!(!transitions.is_empty(), "{scenario:#}");
    let count = |what: &str| {
        let counts = scenario["audit"].as_array().unwrap();
        counts.iter().find(|count| count["of"] == what).unwrap()
    };
    let intended = count("intended");
    assert!(intended["live"].as_u64().unwrap() > 1_500, "{intended}");
    assert_eq!(intended["live"], intended["virtual"]);
    assert_eq!(count("lost")["live"], 0);

    // Three records, each of its engine, and a report of both.
    let latest = dir.path().join("runs/fidelity/latest");
    let engine = |name: &str| {
        let path = latest.join("short-crash").join(name).join("record.jsonl");
        let record = Record::read(BufReader::new(File::open(path).unwrap())).unwrap();
        assert!(record.complete);
        record.header.engine
    };
    let engines = ["live", "virtual", "virtual-on-terms"].map(engine);
    assert_eq!(engines, ["live", "virtual", "virtual"]);
    let result = fs::read_to_string(latest.join("result.json")).unwrap();
    assert_eq!(result, String::from_utf8(output.stdout).unwrap());
    let html = fs::read_to_string(latest.join("report.html")).unwrap();
    assert!(html.contains("short-crash") && html.contains("<svg"));
}

#[test]
fn a_live_drill_that_proves_nothing_has_nothing_to_agree_with() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    // At 1000 times real speed a scrape that is 5 ms late is an evaluation late.
    let output = fidelity(dir.path(), &["--speed", "1000"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("inconclusive: live: "), "{text}");
}

#[test]
fn without_redis_the_environment_is_at_fault() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("s.yaml"), SCENARIO).unwrap();
    fs::write(dir.path().join("r.yml"), RULES).unwrap();
    let output = firedrill()
        .current_dir(dir.path())
        .env("PATH", "")
        .args(["fidelity", "--rules", "r.yml", "--redis", "local", "s.yaml"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(!dir.path().join("runs").exists());
}
