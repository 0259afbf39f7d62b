//! Drills on a Redis that is not theirs: an empty database is used and left empty; all else is refused, untouched.

use super::cluster::Cluster;
use super::nodes::Node;
use super::until;
use crate::support::{firedrill, need};
use redis::Commands;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const SCENARIO: &str = "\
version: firedrill/v1
name: given
family: benign
summary: A quiet while.
seed: 3
duration: 3m
queues: { default: { priority: 1, wait_objective: 60s }, low: { priority: 1, wait_objective: 60s } }
workload:
  - { task: email:send, queue: default, arrivals: { poisson: 4/s }, service: { constant: 500ms } }
  - { task: sms:send, queue: low, arrivals: { poisson: 4/s }, service: { constant: 500ms } }
workers:
  - { name: w, processes: 1, concurrency: 8 }
";
const OUTAGE: &str = "
timeline:
  - { at: 1m, fault: redis.kill, until: { at: 2m, remedy: redis.start } }
";
const RULES: &str = "
groups:
- name: jobs
  rules:
  - alert: QueueOld
    expr: max by (queue) (asynq_queue_latency_seconds) > 60
    for: 30s
    labels: { severity: page }
";

fn command(dir: &Path, address: &str, scenario: &str) -> Command {
    fs::write(dir.join("s.yaml"), scenario).unwrap();
    fs::write(dir.join("r.yml"), RULES).unwrap();
    let mut command = firedrill();
    command
        .current_dir(dir)
        .args(["run", "--rules", "r.yml", "--speed", "30", "--redis"])
        .args([address, "s.yaml"]);
    command
}

fn drill(address: &str, scenario: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let output = command(dir.path(), address, scenario).output().unwrap();
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    assert!(!String::from_utf8_lossy(&text).contains("hunter2"));
    output
}

fn passes(address: &str) {
    let output = drill(address, SCENARIO);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
}

fn refuses(address: &str, scenario: &str, code: i32, words: &str) {
    let output = drill(address, scenario);
    let said = String::from_utf8_lossy(&output.stderr).replace("\n  ", " ");
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(words), "{said}");
}

#[test]
fn an_empty_database_is_used_and_left_empty() {
    need!("redis-server");
    let node = Node::start(&["--user", "ann", "on", ">hunter2", "~*", "&*", "+@all"]);
    let mut connection = node.connection();
    let _: () = connection
        .set("asynq:{default}:pending", "not ours")
        .unwrap();
    let at = format!("redis://ann:hunter2@127.0.0.1:{}", node.port);
    passes(&format!("{at}/3"));

    refuses(&at, SCENARIO, 4, "holds 1 keys");
    refuses(
        &format!("{at}/3"),
        &format!("{SCENARIO}{OUTAGE}"),
        4,
        "the scenario kills Redis",
    );
    refuses(&format!("{at}/x"), SCENARIO, 2, "is not a database number");
    refuses("dcoker", SCENARIO, 2, "neither");
    refuses(
        "redis://:hunter2@127.0.0.1:1",
        SCENARIO,
        7,
        "nobody listens there",
    );

    // What was there is there, and nothing else.
    let kept: String = connection.get("asynq:{default}:pending").unwrap();
    assert_eq!(kept, "not ours");
    assert_eq!(node.info("db0").split(',').next(), Some("keys=1"));
    assert_eq!(node.info("db3"), "");
    let served: u64 = node.info("total_commands_processed").parse().unwrap();
    assert!(served > 1_000, "the drill was here");
}

#[test]
fn an_interrupted_drill_leaves_it_empty_too() {
    need!("redis-server");
    let node = Node::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let mut child = command(dir.path(), &format!("127.0.0.1:{}", node.port), SCENARIO)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the drill is under way", Duration::from_secs(10), || {
        node.connection()
            .exists("asynq:{default}:processed")
            .unwrap()
    });
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(node.info("db0"), "");
}

#[test]
fn an_empty_cluster_is_used_and_left_empty() {
    need!("redis-server");
    need!("redis-cli");
    let cluster = Cluster::start();
    passes(&cluster.address());
    for node in cluster.masters() {
        assert_eq!(node.info("db0"), "");
    }
}
