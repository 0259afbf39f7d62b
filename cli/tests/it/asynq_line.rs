//! `firedrill asynq`: what it prints, what it answers to what asynq does not take, and its exit codes.

use crate::filled::{empty, everything, filled, serve};
use crate::support::{Bench, NOW, firedrill, need};
use firedrill::commands::asynq::{Answer, Setting, answer};
use firedrill::exit::Exit;
use firedrill_asynq::message::{ProtoTimestamp, SchedulerEntry};
use jiff::tz::TimeZone;
use prost::Message;
use redis::Commands;
use std::fmt::Write;

/// What is said to a line, on the Redis of the bench.
fn said(bench: &Bench, line: &str) -> Answer {
    let words = shlex::split(line).unwrap();
    let address = ["--redis".to_owned(), bench.server.url()];
    let words: Vec<String> = address.into_iter().chain(words).collect();
    let setting = Setting {
        now: NOW,
        zone: TimeZone::UTC,
        bold: false,
    };
    bench.block_on(answer(&words, &setting))
}

/// What is printed for each line, with the exit code.
fn session(bench: &Bench, lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        let answer = said(bench, line);
        let _ = writeln!(text, "$ asynq {line}");
        // The blanks at the ends of Go's tables are held by a test of the tables.
        for line in answer.out.lines() {
            let _ = writeln!(text, "{}", line.trim_end());
        }
        for note in &answer.notes {
            let _ = writeln!(text, "note: {note}");
        }
        for error in &answer.errors {
            let _ = writeln!(text, "error: {error}");
        }
        let _ = writeln!(text, "[{}]\n", answer.exit as u8);
    }
    text.replace(&bench.server.url(), "redis://HERE")
}

#[test]
fn what_is_left_over_is_found_and_cleared() {
    need!("redis-server");
    let (mut bench, _) = filled();
    let trimmed = "asynq:{default}:t:trimmed";
    let _: () = bench.redis.hset(trimmed, "state", "archived").unwrap();
    let _: () = bench
        .redis
        .zadd("asynq:{default}:lease", "idle", 1)
        .unwrap();
    insta::assert_snapshot!(session(
        &bench,
        &[
            "orphan ls",
            "orphan ls --queue=default --json",
            "orphan clear --queue=default --kind=task",
            "orphan clear --queue=default --kind=lease --json",
            "orphan clear --queue=default --kind=ghost",
            "orphan ls",
            "orphan find",
            "task cancel --id=active-1",
            "task cancel -q default --id active-1",
            "task requeue retry-1",
        ]
    ));
}

#[test]
fn what_is_looked_at() {
    need!("redis-server");
    let (mut bench, _) = filled();
    serve(&bench, "h1", "sid");
    let entry = SchedulerEntry {
        id: "e1".into(),
        spec: "@every 30s".into(),
        task_type: "report".into(),
        task_payload: b"p".to_vec(),
        enqueue_options: vec!["Queue(\"low\")".into(), "TaskID(\"x\")".into()],
        next_enqueue_time: Some(ProtoTimestamp {
            seconds: NOW.secs() + 30,
            nanos: 0,
        }),
        prev_enqueue_time: Some(ProtoTimestamp::NEVER),
    };
    let key = "asynq:schedulers:{h1:1:s}";
    let _: () = bench
        .redis
        .zadd("asynq:schedulers", key, NOW.secs() + 20)
        .unwrap();
    let _: () = bench.redis.lpush(key, entry.encode_to_vec()).unwrap();
    let before = everything(&mut bench.redis);
    let lines = [
        "queue ls",
        "queue inspect default",
        "queue history default -x 2",
        "task ls -q default -s active",
        "task ls -q default -s pending --page=2 --size 2",
        "task ls --queue=default --state=scheduled",
        "task ls -q default -s retry",
        "task ls -q default -s archived",
        "task ls -q default -s completed",
        "task ls -q default -s aggregating -g g1",
        "task ls -q default -s aggregating -g none",
        "task ls -q default -s pending --page 9",
        "task inspect -q default -i retry-1",
        "task inspect -q default -i pending-1",
        "group ls -q default",
        "server ls",
        "cron ls",
        "cron history e1",
        "task ls -q default -s retry --json",
        "task inspect -q default -i completed-1 --json",
        "server ls --json",
        "cron ls --json",
        "group ls -q default --json",
        "LLEN 'asynq:{default}:pending'",
    ];
    insta::assert_snapshot!(session(&bench, &lines));
    // The server's own keys expire; all else is as it was.
    let held = |rows: Vec<_>| -> Vec<_> {
        rows.into_iter()
            .filter(|(_, _, expires, _): &(_, _, bool, _)| !expires)
            .collect()
    };
    assert_eq!(held(everything(&mut bench.redis)), held(before));
}

#[test]
fn what_is_changed() {
    need!("redis-server");
    let (bench, _) = filled();
    let lines = [
        "queue pause default nothing-there",
        "queue pause default --json",
        "queue unpause default nothing-there",
        "queue rm default",
        "queue rm default --force",
        "task run -q default -i scheduled-1",
        "task run -q default -i scheduled-1",
        "task archive -q default -i active-1",
        "task rm -q default -i retry-1",
        "task runall -q default -s archived",
        "task archiveall -q default -s pending --json",
        "task deleteall -q default -s archived",
        "task runall -q default -s aggregating --group g1",
        "task cancel active-1",
        "task enqueue -t email:send -l '{}' --id one --queue low --process_in 90s --unique 1m --retention 1h",
        "task enqueue -t email:send -l '{}' --id two --queue low --unique 1m",
        "task enqueue -t email:send -l else --id one --queue low",
        "task enqueue -t email:send -l x --timeout soon",
        "task ls -q low -s scheduled",
    ];
    insta::assert_snapshot!(session(&bench, &lines));
}

#[test]
fn what_asynq_does_not_take_is_answered_with_what_to_type() {
    need!("redis-server");
    let (mut bench, _) = filled();
    let _: () = bench.redis.sadd("asynq:queues", "low").unwrap();
    let before = everything(&mut bench.redis);
    let lines = [
        "task inspect retry-1",
        "task run retry-1",
        "task run no-such-task",
        "task inspect -q low -i retry-1",
        "task archive --queue=default --state=retry",
        "task archive --queue=default --state=failed",
        "task delete --queue=default --state=archived",
        "task deleteall -q default -s dead",
        "task ls --queue=default --state=failed",
        "task ls --queue=default --state=retrying",
        "task ls -q defualt -s retry",
        "task ls -s retry",
        "task ls -q default -s aggregating",
        "task runall -q default -s completed",
        "task deleteall -q default -s active",
        "task archiveall -q default -i retry-1 -s retry",
        "task retry -q default -i retry-1",
        "LLEN 'asynq:{default}:scheduled'",
        "redis-cli LLEN 'asynq:{default}:retry'",
        "LLEN asynq:default:pending",
        "ZRANGE 'asynq:{default}:retry' 0 9",
        "queue inspect",
        "queues ls",
        "queue lst",
        "task list --que default",
        "task ls -q default -s retry --page zero",
        "frobnicate",
        "dash",
        "task ls -q default -s pending --page 0",
    ];
    insta::assert_snapshot!(session(&bench, &lines));
    assert_eq!(
        everything(&mut bench.redis),
        before,
        "an answer changes nothing"
    );
}

#[test]
fn stats_has_the_keys_of_asynqs() {
    need!("redis-server");
    let (bench, _) = filled();
    let answer = said(&bench, "stats --json");
    let value: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    let keys = |value: &serde_json::Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&value), ["aggregate", "queues", "redis"]);
    assert_eq!(value["aggregate"]["pending"], 3);
    assert_eq!(value["queues"][0]["Queue"], "default");
    assert_eq!(value["queues"][0]["Size"], 11);
    assert_eq!(keys(&value["queues"][0]).len(), 18);
    assert!(value["redis"]["redis_version"].is_string());
    let shown = said(&bench, "stats").out;
    for heading in [
        "Task Count by State\n",
        "Task Count by Queue\n",
        "Daily Stats 2030-03-17 UTC\n",
        "Redis Info\n",
    ] {
        assert!(shown.contains(heading), "{shown}");
    }
}

#[test]
fn what_cannot_be_read_is_noted_and_the_rest_shown() {
    need!("redis-server");
    let (mut bench, _) = filled();
    crate::filled::spoil(&mut bench.redis);
    let lines = [
        "task ls -q default -s pending",
        "queue inspect odd",
        "task ls -q odd -s retry",
        "task runall -q odd -s retry",
        "task inspect -q default -i ghost",
        "task inspect -q default -i bad",
    ];
    insta::assert_snapshot!(session(&bench, &lines));
}

#[test]
fn exit_codes_streams_and_secrets() {
    need!("redis-server");
    let (bench, _) = filled();
    let run = |args: &[&str]| {
        let output = firedrill().arg("asynq").args(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let url = bench.server.url();
    let (code, out, err) = run(&[
        "--redis", &url, "task", "ls", "-q", "default", "-s", "retry",
    ]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "`-q` is asynq's here");
    assert!(out.starts_with("ID       Type"), "{out}");
    let (code, out, err) = run(&["--redis", &url, "queue", "inspect", "default", "nope"]);
    assert_eq!(code, Some(1), "asynq exits with 0");
    assert!(
        out.contains("Queue Info") && err.contains("NOT_FOUND: queue \"nope\" does not exist"),
        "{err}"
    );
    for (args, expected) in [
        (&["-u", "127.0.0.1:1", "-p", "s3cret", "stats"][..], 7),
        (&["--redis", "redis://me:s3cret@127.0.0.1:1", "stats"], 7),
        (&["--uri", "redis://me:s3cret@127.0.0.1:1", "stats"], 2),
        (
            &["-p", "s3cret", "task", "inspect", "-u", "127.0.0.1:1", "x"],
            2,
        ),
        (&["--redis", "s3cret@nonsense://", "stats"], 7),
        (
            &[
                "--redis",
                "redis://:s3cret@127.0.0.1:1",
                "task",
                "ls",
                "--que",
                "x",
            ],
            2,
        ),
        (&["tasks", "ls", "-p", "s3cret"], 2),
        (&["--pasword=s3cret", "stats"], 2),
        (&["--pasword", "s3cret", "stats"], 2),
    ] {
        let (code, out, err) = run(args);
        assert_eq!((code, out.as_str()), (Some(expected), ""), "{args:?} {err}");
        assert!(
            err.starts_with("error: ") && !err.contains("s3cret"),
            "{err}"
        );
    }
    let (code, out, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(out);
    let (code, out, _) = run(&["task"]);
    assert_eq!(code, Some(0));
    assert!(
        out.contains("Commands:") && out.contains("archiveall"),
        "{out}"
    );
}

#[test]
fn an_empty_redis_is_no_error() {
    need!("redis-server");
    let (bench, _) = empty();
    for (line, out) in [
        ("queue ls", ""),
        ("queue ls --json", "[]\n"),
        ("server ls", "No running servers\n"),
        ("cron ls", "No scheduler entries\n"),
        ("group ls -q x", "No groups found in queue \"x\"\n"),
    ] {
        let answer = said(&bench, line);
        assert_eq!(
            (answer.out.as_str(), answer.exit),
            (out, Exit::Passed),
            "{line}"
        );
    }
}
