//! Loads that end early or badly: a Redis that dies, Ctrl-C, a firedrill that is killed, more than anybody can do, a full disk; and what
//! they leave in a Redis of others.

use super::only;
use crate::nodes::Node;
use crate::output::on_a_small_disk;
use crate::support::{children, firedrill, is_running, need, said};
use crate::wait::until;
use firedrill_reports::load::{Account, LoadRecord};
use redis::Commands;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

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

/// One that keeps silent for some seconds and goes on.
#[test]
fn a_given_redis_that_was_away_is_told_with_when_and_how_long() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(&[]);
    let child = firedrill()
        .current_dir(dir.path())
        .env("XDG_STATE_HOME", dir.path())
        .args(["load", "--json", "--rate", "50/s", "--duration", "15s"])
        .args(["--redis", &node.url()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("tasks are done", Duration::from_secs(120), || {
        node.connection().exists("asynq:{load}:processed").unwrap()
    });
    let server = Pid::from_raw(node.info("process_id").parse().unwrap()).unwrap();
    kill_process(server, Signal::STOP).unwrap();
    std::thread::sleep(Duration::from_secs(5));
    kill_process(server, Signal::CONT).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let doubts = result["inconclusive"].to_string();
    assert!(
        doubts.contains("Redis did not answer for") && doubts.contains("and then did again"),
        "{doubts}"
    );
    assert!(!doubts.contains("the generator was the limit"), "{doubts}");
    let record = LoadRecord::read(&only(dir.path())).unwrap();
    assert!(record.facts.ran_s >= 15.0, "it goes on to its end");
    assert_eq!(keys(&node), BTreeSet::new());
}

/// One that is started again, empty, between two looks.
#[test]
fn a_given_redis_that_was_started_again_is_told() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::start(&[]);
    let child = firedrill()
        .current_dir(dir.path())
        .env("XDG_STATE_HOME", dir.path())
        .args(["load", "--json", "--rate", "50/s", "--duration", "10s"])
        .args(["--redis", &node.url()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("tasks are done", Duration::from_secs(120), || {
        node.connection().exists("asynq:{load}:processed").unwrap()
    });
    node.kill();
    let mut again = Command::new("redis-server")
        .args(["--port", &node.port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--dir"])
        .arg(dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let doubts = result["inconclusive"].to_string();
    assert!(
        doubts.contains("another Redis answers than before"),
        "{doubts}"
    );
    assert!(!doubts.contains("the generator was the limit"), "{doubts}");
    assert_eq!(keys(&node), BTreeSet::new());
    again.kill().unwrap();
    again.wait().unwrap();
}

#[test]
fn a_rate_that_no_machine_can_make_is_told_and_nothing_is_sent_twice() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let flood = [
        "load",
        "--json",
        "--rate",
        "1000000/s",
        "--duration",
        "2s",
        "--warmup",
        "0s",
        "--drain",
        "1s",
    ];
    let (code, out, err) = said(dir.path(), &flood);
    assert_eq!(code, Some(3), "{err}");
    let result: Value = serde_json::from_str(&out).unwrap();
    let doubts = result["inconclusive"].to_string();
    assert!(doubts.contains("tasks that were due were sent"), "{doubts}");
    let record = LoadRecord::read(&only(dir.path())).unwrap();
    let counts = &record.facts.counts;
    assert!(
        counts.sent > 0 && counts.sent < counts.intended,
        "{counts:?}"
    );
    assert_eq!((counts.duplicates, counts.rejected), (0, 0), "{counts:?}");
    assert_eq!(
        counts.enqueued + counts.unanswered,
        counts.sent,
        "{counts:?}"
    );
    let left = record.facts.left.unwrap();
    assert_eq!(
        Account::of(counts, &left).difference(),
        0,
        "{counts:?} {left:?}"
    );
    // Who sends is no more than the machine has room for.
    let cores = std::thread::available_parallelism().unwrap().get();
    assert!(record.facts.header.producers as usize <= cores);
}

#[test]
fn a_full_disk_is_told_and_nothing_is_left() {
    need!("redis-server");
    let node = Node::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let load = [
        "load",
        "--rate",
        "50/s",
        "--duration",
        "60s",
        "--redis",
        &node.url(),
    ];
    let (code, _, err) = on_a_small_disk(dir.path(), 8, &load);
    assert_eq!(code, Some(7), "{err}");
    assert!(
        err.contains("cannot write the record of the load into"),
        "{err}"
    );
    assert_eq!(keys(&node), BTreeSet::new());
}

#[test]
fn payloads_that_redis_would_not_take_are_refused() {
    need!("redis-server");
    let node = Node::start(&["--proto-max-bulk-len", "1mb"]);
    let dir = tempfile::tempdir().unwrap();
    let load = |payload: &str| {
        let args = [
            "load",
            "--rate",
            "5/s",
            "--duration",
            "1s",
            "--redis",
            &node.url(),
            "--payload",
        ];
        said(dir.path(), &[&args[..], &[payload]].concat())
    };
    let (code, _, err) = load("1KB..1MB");
    assert_eq!(code, Some(2), "{err}");
    assert!(
        err.contains("takes no value of more than 1048576 (proto-max-bulk-len)"),
        "{err}"
    );
    assert_eq!(keys(&node), BTreeSet::new());
    let (code, _, err) = load("1KB..1000KB");
    assert!(matches!(code, Some(0 | 3)), "{err}");
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
