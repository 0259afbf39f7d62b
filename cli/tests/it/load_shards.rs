//! One load from several processes: its shards meet in a Redis, a single one or a cluster, and are joined.

use crate::nodes::{Cluster, Node};
use crate::support::{firedrill, need, said};
use crate::wait::until;
use redis::Commands;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::Duration;

const LOAD: [&str; 13] = [
    "load",
    "--rate",
    "150/s",
    "--duration",
    "2s",
    "--workers",
    "2",
    "--service",
    "2ms",
    "--fail",
    "5%",
    "--redis",
    "REDIS",
];

/// The words of a load in this Redis, and more.
fn words<'w>(redis: &'w str, more: &[&'w str]) -> Vec<&'w str> {
    let words = LOAD.iter().map(|word| match *word {
        "REDIS" => redis,
        word => word,
    });
    words.chain(more.iter().copied()).collect()
}

fn start(dir: &Path, args: &[&str]) -> Child {
    let mut command = firedrill();
    command.current_dir(dir).args(args).stdout(Stdio::piped());
    command.stderr(Stdio::piped()).spawn().unwrap()
}

fn ended(child: Child) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// Runs both shards of a load at once; the second is there first.
fn both(dir: &Path, redis: &str, more: &[&str]) {
    let shards = ["2/2", "1/2"].map(|shard| {
        let more = [more, &["--out", "parts", "--shard", shard]].concat();
        start(dir, &words(redis, &more))
    });
    for child in shards {
        let (code, told) = ended(child);
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains("firedrill merge"), "{told}");
    }
}

/// The shards that are there, in order of their names.
fn shards_in(out: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(out.join("shards")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| !path.is_symlink()).collect();
    paths.sort();
    paths
}

/// A result that was printed. A machine may be too busy for a verdict, which is not what is tried here.
fn result((code, out, told): (Option<i32>, String, String)) -> Value {
    assert!(matches!(code, Some(0 | 3)), "{told}");
    serde_json::from_str(&out).unwrap()
}

fn key_count(node: &Node) -> u64 {
    let count: redis::RedisResult<u64> = redis::cmd("DBSIZE").query(&mut node.connection());
    count.unwrap()
}

#[test]
fn two_shards_are_one_load() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let node = Node::start(&[]);
    both(dir, &node.url(), &[]);
    assert_eq!(key_count(&node), 0, "nothing is left");
    let merged = result(said(dir, &["merge", "parts", "--json"]));
    let whole = result(said(
        dir,
        &words(&node.url(), &["--json", "--out", "whole"]),
    ));

    // The same arrivals, and the same slots to work on them; every task of either is accounted for.
    for field in ["asked_rate", "seed", "workers", "slots", "name"] {
        assert_eq!(merged[field], whole[field], "{field}");
    }
    assert_eq!(merged.get("shard"), None);
    let intended = &merged["tasks"]["intended"];
    assert!(intended.as_u64().unwrap() > 200, "{merged:#}");
    assert_eq!(intended, &whole["tasks"]["intended"]);
    assert_eq!(merged["tasks"]["sent"], *intended);
    assert_eq!(merged["tasks"]["missing"], 0);
    // Whether an execution fails is the task's own.
    assert_eq!(merged["tasks"]["failed"], whole["tasks"]["failed"]);
    assert_eq!(
        merged["latency"]["service"]["count"],
        merged["latency"]["wait"]["count"]
    );

    // Whole loads beside shards are none.
    let (code, _, told) = said(dir, &["merge", "whole", "--out", "none"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("there is no shard in it"), "{told}");

    // Both are there with their own part, and say so; half of it is no load.
    let shards = shards_in(&dir.join("parts"));
    let of = |path: &Path| -> Value {
        let text = std::fs::read_to_string(path.join("result.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let parts: Vec<Value> = shards.iter().map(|path| of(path)).collect();
    let sent = |part: &Value| part["tasks"]["sent"].as_u64().unwrap();
    assert_eq!(parts.iter().map(sent).sum::<u64>(), sent(&merged));
    for part in &parts {
        assert!(sent(part).abs_diff(sent(&merged) / 2) <= 1);
        assert_eq!(
            (&part["workers"], &part["verdict"]),
            (&1.into(), &Value::from("inconclusive"))
        );
        assert_eq!(part["shard"]["of"], 2);
    }
    let one = shards[0].to_str().unwrap();
    let (code, _, told) = said(dir, &["merge", one, "--out", "half"]);
    assert_eq!(code, Some(3));
    assert!(told.contains("of 2 shards there is no"), "{told}");
    assert!(!dir.join("half").exists());

    // A shard that was lost, and all of them run again: the last time counts, and what does not is named.
    std::fs::remove_dir_all(&shards[0]).unwrap();
    both(dir, &node.url(), &[]);
    let (code, out, told) = said(dir, &["merge", "parts", "--json"]);
    let named = format!(
        "{}: an earlier time",
        shards[1].strip_prefix(dir).unwrap().display()
    );
    assert!(told.contains(&named), "{told}");
    assert_eq!(result((code, out, told))["tasks"]["missing"], 0);

    // A log that lacks its last line has fewer tasks than were counted, and is no part of anything.
    let last = shards_in(&dir.join("parts")).pop().unwrap();
    let log = last.join("latency.hlog");
    let text = std::fs::read_to_string(&log).unwrap();
    let end = text.trim_end().rfind('\n').unwrap();
    std::fs::write(&log, &text[..=end]).unwrap();
    let (code, _, told) = said(dir, &["merge", "parts", "--out", "cut"]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("latency.hlog: it is not whole"), "{told}");
}

#[test]
fn a_shard_that_does_not_come_or_is_of_another_load_is_told() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let node = Node::start(&[]);
    let url = node.url();
    let alone = |shard: &str| {
        let args = ["--meet-within", "1s", "--shard", shard];
        let (code, _, told) = said(dir, &words(&url, &args));
        assert_eq!(code, Some(3), "{told}");
        assert_eq!(key_count(&node), 0, "nothing is left");
        told
    };
    let told = alone("1/3");
    assert!(told.contains("not here within 1 s: 2/3, 3/3"), "{told}");
    let told = alone("2/3");
    assert!(told.contains("shard 1/3, which takes the Redis"), "{told}");

    let first = start(
        dir,
        &words(&url, &["--meet-within", "8s", "--shard", "1/2"]),
    );
    for (args, why) in [
        (&["--seed", "7", "--shard", "2/2"][..], "is another one"),
        (&["--shard", "2/3"], "another number of shards"),
    ] {
        let (code, _, told) = said(dir, &words(&url, args));
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains(why), "{told}");
    }
    let (code, told) = ended(first);
    assert_eq!(code, Some(3), "{told}");
    assert_eq!(key_count(&node), 0, "nothing is left");
    assert!(!dir.join("runs/load").exists());

    for (args, why) in [
        (
            &["--find-max", "--max-wait", "100ms"][..],
            "a load is parted",
        ),
        (&["--junit", "j.xml"], "give gates"),
        (&["--repeats", "2"], "leave --find-max and --repeats away"),
    ] {
        let args = [args, &["--shard", "1/2"]].concat();
        let (code, _, told) = said(dir, &words(&url, &args));
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains(why), "{told}");
    }
    let (code, _, told) = said(dir, &words("auto", &["--shard", "1/2"]));
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("shards meet in a Redis"), "{told}");
}

/// Both shards of a long load, of which the one at `index` is ended by `signal` when tasks have been done: how each ends.
fn one_is_ended(index: usize, signal: Signal) -> [(Option<i32>, String); 2] {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(&[]);
    let url = node.url();
    let shards = ["1/2", "2/2"].map(|shard| {
        let args = [
            "load",
            "--rate",
            "50/s",
            "--duration",
            "5m",
            "--redis",
            &url,
            "--shard",
            shard,
        ];
        let mut command = firedrill();
        command
            .current_dir(dir.path())
            .env("XDG_STATE_HOME", dir.path())
            .args(args);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    });
    until("tasks are done", Duration::from_secs(120), || {
        node.connection().exists("asynq:{load}:processed").unwrap()
    });
    kill_process(Pid::from_child(&shards[index]), signal).unwrap();
    let ends = shards.map(ended);
    // The reaper of one that was killed goes on for a moment.
    until("nothing is left", Duration::from_secs(60), || {
        key_count(&node) == 0
    });
    let other = shards_in(&dir.path().join("runs"))
        .into_iter()
        .filter(|shard| {
            let name = format!("-{}-of-2", 2 - index);
            shard.to_string_lossy().ends_with(&name) && shard.join("report.html").is_file()
        });
    assert_eq!(
        other.count(),
        1,
        "the other one has written down what it has"
    );
    ends
}

#[test]
fn a_shard_that_is_stopped_or_killed_ends_the_others_and_nothing_is_left() {
    need!("redis-server");
    for (index, signal, code, why) in [
        (0, Signal::INT, Some(130), "shard 1/2 was stopped"),
        (1, Signal::INT, Some(130), "shard 2/2 was stopped"),
        (0, Signal::KILL, None, "has given the Redis back"),
        (1, Signal::KILL, None, "shard 2/2 is gone"),
    ] {
        let ends = one_is_ended(index, signal);
        assert_eq!(ends[index].0, code, "{}", ends[index].1);
        let (code, told) = &ends[1 - index];
        assert_eq!(*code, Some(3), "{told}");
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn queues_are_spread_over_the_masters_of_a_cluster() {
    need!("redis-server");
    let cluster = Cluster::start();
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..9).map(|number| format!("q{number}")).collect();
    let queues: Vec<&str> = names.iter().flat_map(|name| ["--queue", name]).collect();
    let calls = |node: &Node| -> u64 {
        let mut stats = redis::cmd("INFO");
        let stats: String = stats
            .arg("commandstats")
            .query(&mut node.connection())
            .unwrap();
        let calls = stats
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        let calls = calls.and_then(|rest| rest.split(',').next());
        calls.map_or(0, |calls| calls.parse().unwrap())
    };
    let before: Vec<u64> = cluster.masters().map(calls).collect();
    both(dir.path(), &cluster.address(), &queues);
    let merged = result(said(dir.path(), &["merge", "parts", "--json"]));
    assert_eq!(merged["tasks"]["missing"], 0, "{merged:#}");
    assert_eq!(merged["tasks"]["sent"], merged["tasks"]["intended"]);
    assert_eq!(merged["tasks"]["left"], 0);

    // A queue's keys are where its name says; there are queues on every master, and every master has worked.
    let record = std::fs::read_to_string(dir.path().join("runs/load/latest/load.json")).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    let plan = record["header"]["plan"].as_str().unwrap();
    let spread: BTreeSet<usize> = names
        .iter()
        .map(|name| format!("load-{name}"))
        .inspect(|queue| assert!(plan.contains(queue), "{plan}"))
        .map(|queue| cluster.master_of(&queue))
        .collect();
    assert_eq!(spread.len(), 3);
    for (node, before) in cluster.masters().zip(before) {
        assert!(calls(node) > before + 30, "{} and {before}", calls(node));
        assert_eq!(key_count(node), 0, "nothing is left");
    }
}
