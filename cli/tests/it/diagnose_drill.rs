//! `firedrill diagnose` beside a drill that is running: it names what the drill does, and the drill does not notice it.

use crate::nodes::Node;
use crate::support::{firedrill, need, said, wait_until};
use firedrill_reports::Record;
use firedrill_reports::record::Line;
use redis::Commands;
use serde_json::Value;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::process::Stdio;

/// At real speed, as a fleet would be: workers die, and later a queue is paused. Each lasts longer than the shortest look.
const SCENARIO: &str = "\
version: firedrill/v1
name: looked-at
family: worker-crashed
summary: Workers are gone for a while, and a queue is paused for a while.
seed: 5
duration: 135s
warmup: 5s
queues: { default: { priority: 1, wait_objective: 60s } }
workload:
  - { task: email:send, queue: default, arrivals: { poisson: 4/s }, service: { constant: 200ms } }
workers:
  - { name: w, processes: 2, concurrency: 4 }
timeline:
  - { at: 5s, fault: worker.kill, select: all, until: { at: 60s, remedy: worker.restart } }
  - { at: 80s, fault: queue.pause, queue: default, until: { at: 130s, remedy: queue.unpause } }
incidents:
  - { cause: worker-crashed, wanted: page, within: 1m }
";
const RULES: &str = "
groups:
- name: jobs
  rules:
  - alert: QueueOld
    expr: max by (queue) (asynq_queue_latency_seconds) > 300
    labels: { severity: page }
";

/// The causes that are found in half a minute.
fn causes(url: &str) -> Vec<String> {
    let words = ["diagnose", "--redis", url, "--json", "--for", "30s"];
    let (code, out, told) = said(Path::new("."), &words);
    let all: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{told}"));
    assert_eq!(code, Some(1), "{all:#}");
    let found = all["findings"].as_array().unwrap().iter();
    found
        .map(|found| found["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_a_drill_does_is_named_while_it_runs() {
    need!("redis-server");
    let node = Node::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("s.yaml"), SCENARIO).unwrap();
    fs::write(dir.path().join("r.yml"), RULES).unwrap();
    let drill = firedrill()
        .current_dir(dir.path())
        .args([
            "run",
            "--no-gate",
            "--rules",
            "r.yml",
            "--speed",
            "1",
            "--redis",
        ])
        .args([&node.url(), "s.yaml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut redis = node.connection();
    wait_until("tasks pile up", || {
        let pending: u32 = redis.llen("asynq:{default}:pending").unwrap();
        pending > 12
    });
    assert_eq!(causes(&node.url()), ["workers-gone"]);
    wait_until("the queue is paused", || {
        redis.exists("asynq:{default}:paused").unwrap()
    });
    assert_eq!(causes(&node.url()), ["paused"]);

    let output = drill.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // Beside other tests the machine may be too busy for a verdict; it is not what is tried here.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
    let record = File::open(dir.path().join("runs/looked-at/latest/record.jsonl")).unwrap();
    let record = Record::read(BufReader::new(record)).unwrap();
    let meddled = record
        .lines
        .iter()
        .find(|line| matches!(line, Line::Interference(_)));
    assert!(meddled.is_none(), "{meddled:?}");
}
