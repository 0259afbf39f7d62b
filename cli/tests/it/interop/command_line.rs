//! asynq's own command line: what it reads of what we wrote, what it changes, and what it enqueues.
//!
//! Its module is not among those the Go module pins, so it is to be brought along: `FIREDRILL_ASYNQ` names it, and
//! `.ci/asynq-cli` builds it where that can be. Without it the caller skips, in continuous integration, too; once it is
//! named it must be there.

use super::peer::time_of_day;
use super::stock::{Change, ids, stock, stock_but};
use super::worker::{HANGS, OurWorker};
use crate::support::{Bench, Op, Persistence, firedrill, need, task};
use crate::wait::eventually;
use firedrill_asynq::message::{
    ProtoTimestamp, SchedulerEnqueueEvent, SchedulerEntry, TaskMessage,
};
use firedrill_asynq::op::{Reply, SchedulerState, TaskState};
use serde_json::{Value, json};
use smallvec::smallvec;
use std::ffi::OsString;
use std::process::Command;

/// Where asynq's command line is.
const ASYNQ: &str = "FIREDRILL_ASYNQ";

/// The command line, on a Redis of ours.
struct CommandLine {
    program: OsString,
    bench: Bench,
}

impl CommandLine {
    fn find() -> Option<Self> {
        let Some(program) = std::env::var_os(ASYNQ) else {
            println!("skipped: needs asynq's command line (set {ASYNQ})");
            return None;
        };
        let bench = Bench::new(Persistence::None, 1.0);
        Some(Self { program, bench })
    }

    /// What it prints.
    #[track_caller]
    fn run(&self, arguments: &str) -> String {
        let output = Command::new(&self.program)
            // A path is a socket to go-redis.
            .arg("--uri")
            .arg(self.bench.server.socket())
            .args(arguments.split(' '))
            // It takes variables such as DB for its own, and a file at home for its configuration.
            .env_clear()
            .env("HOME", std::env::temp_dir())
            .env("TZ", "UTC")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && !text.contains("error:"),
            "asynq {arguments}: {text}"
        );
        text
    }

    /// The cells of each line of what it prints; cells are two spaces apart.
    #[track_caller]
    fn table(&self, arguments: &str) -> Vec<Vec<String>> {
        let text = self.run(arguments);
        let cells = |line: &str| {
            line.split("  ")
                .map(|cell| cell.trim().to_owned())
                .filter(|cell| !cell.is_empty())
                .collect()
        };
        text.lines().map(cells).collect()
    }

    fn take(&self) -> Option<TaskMessage> {
        let op = Op::Dequeue {
            queues: smallvec!["default".into()],
            lease_expires_s: time_of_day().secs() + 30,
        };
        match self.bench.call(op) {
            Ok(Reply::Dequeued(message)) => message,
            other => panic!("{other:?}"),
        }
    }
}

/// Skips the test without the command line.
macro_rules! command_line {
    () => {{
        need!("redis-server");
        let Some(command_line) = CommandLine::find() else {
            return;
        };
        command_line
    }};
}

/// Whether a cell says so, a moment later.
fn in_an_hour(cell: &str) -> bool {
    cell.starts_with("in 1h0m") || cell.starts_with("in 59m")
}

#[test]
fn the_command_line_lists_our_tasks_in_every_state() {
    let asynq = command_line!();
    stock(&asynq.bench);
    for (state, rows) in [
        (
            "pending",
            &[
                &["first", "email:send", "{\"to\":7}"][..],
                &["next", "email:send", "{\"to\":7}"],
            ][..],
        ),
        ("active", &[&["taken", "email:send", "{\"to\":7}"]]),
        ("scheduled", &[&["later", "email:send", "{\"to\":7}"]]),
        ("retry", &[&["again", "email:send", "{\"to\":7}"]]),
        ("archived", &[&["never", "email:send", "{\"to\":7}"]]),
        ("completed", &[&["kept", "email:send", "{\"to\":7}"]]),
    ] {
        let table = asynq.table(&format!("task ls --queue=default --state={state}"));
        assert_eq!(&table[0][..3], ["ID", "Type", "Payload"]);
        let told: Vec<&[String]> = table[2..].iter().map(|row| &row[..3]).collect();
        assert_eq!(told, rows, "{state}");
        let last = &table[2][3..];
        match state {
            "scheduled" => assert!(in_an_hour(&last[0]), "{last:?}"),
            "retry" => {
                assert!(in_an_hour(&last[0]), "{last:?}");
                assert_eq!([&last[1], &last[3], &last[4]], ["boom", "1", "25"]);
            }
            "archived" => assert_eq!(last[1], "gave up"),
            _ => {}
        }
    }
}

#[test]
fn the_command_line_counts_our_queue() {
    let asynq = command_line!();
    stock(&asynq.bench);
    assert_eq!(asynq.run("queue ls"), "default\n");
    let states = [
        "active",
        "pending",
        "aggregating",
        "scheduled",
        "retry",
        "archived",
        "completed",
    ];
    let counts = ["1", "2", "0", "1", "1", "1", "1"];
    let day = ["3", "2", "66.67%"];
    for (command, numbers) in [
        ("queue inspect default", &counts[..]),
        ("stats", &counts[..]),
    ] {
        let table = asynq.table(command);
        let at = |row: &[&str]| table.iter().position(|found| found == row);
        assert_eq!(table[at(&states).unwrap() + 2], numbers, "{command}");
        assert_eq!(
            table[at(&["processed", "failed", "error rate"]).unwrap() + 2],
            day,
            "{command}"
        );
    }
    let history = asynq.table("queue history default --days 1");
    assert_eq!(history.last().unwrap()[1..], day);

    let stats: Value = serde_json::from_str(&asynq.run("stats --json")).unwrap();
    let queue = &stats["queues"][0];
    let told = [
        "Size",
        "Active",
        "Pending",
        "Scheduled",
        "Retry",
        "Archived",
        "Completed",
        "ProcessedTotal",
        "FailedTotal",
    ]
    .map(|name| queue[name].clone());
    assert_eq!(json!(told), json!([7, 1, 2, 1, 1, 1, 1, 3, 2]));
}

#[test]
fn the_command_line_inspects_our_tasks() {
    let asynq = command_line!();
    stock(&asynq.bench);
    for (id, told) in [
        (
            "first",
            [
                "State:   pending",
                "Retried: 0/25",
                "Next process time: now",
            ],
        ),
        (
            "again",
            ["State:   retry", "Retried: 1/25", "Error message: boom"],
        ),
        (
            "never",
            [
                "State:   archived",
                "Retried: 0/25",
                "Error message: gave up",
            ],
        ),
        (
            "taken",
            ["State:   active", "Retried: 0/25", "Next process time: n/a"],
        ),
    ] {
        let text = asynq.run(&format!("task inspect --queue=default --id={id}"));
        // Values stand at another distance from their names in each block.
        let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for line in told {
            let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(squeezed.contains(&line), "{id}: {text}");
        }
    }
}

#[test]
fn the_command_line_lists_our_worker_with_its_task_in_progress() {
    let asynq = command_line!();
    let message = TaskMessage {
        r#type: HANGS.into(),
        ..task("a")
    };
    asynq
        .bench
        .call(Op::Enqueue {
            message,
            now: time_of_day(),
        })
        .unwrap();
    let mut worker = OurWorker::start(&asynq.bench.server.url());
    let row = eventually("our worker with its task", || {
        let table = asynq.table("server ls");
        assert_eq!(
            table[0],
            [
                "Host",
                "PID",
                "State",
                "Active Workers",
                "Queues",
                "Started"
            ]
        );
        table.into_iter().nth(2).filter(|row| row[3] == "1/4")
    });
    assert_eq!(
        row[..5],
        [
            "w-0",
            &worker.pid().to_string(),
            "active",
            "1/4",
            "default:3 low:1"
        ]
    );
    assert!(worker.terminate().success());
    assert_eq!(asynq.run("server ls"), "No running servers\n");
}

#[test]
fn what_the_command_line_does_to_our_tasks_is_what_we_find() {
    use TaskState::{Archived, Pending};
    let mut asynq = command_line!();
    let changes: [(&str, &str, &[Change<'_>]); 8] = [
        (
            "task run --queue=default --id=again",
            "task is now pending",
            &[("again", Some(Pending))],
        ),
        (
            "task archive --queue=default --id=first",
            "task archived",
            &[("first", Some(Archived))],
        ),
        (
            "task delete --queue=default --id=never",
            "task deleted",
            &[("never", None)],
        ),
        (
            "task runall --queue=default --state=archived",
            "1 tasks are now pending",
            &[("never", Some(Pending))],
        ),
        (
            "task runall --queue=default --state=scheduled",
            "1 tasks are now pending",
            &[("later", Some(Pending))],
        ),
        (
            "task archiveall --queue=default --state=retry",
            "1 tasks archived",
            &[("again", Some(Archived))],
        ),
        (
            "task deleteall --queue=default --state=completed",
            "1 tasks deleted",
            &[("kept", None)],
        ),
        (
            "task deleteall --queue=default --state=pending",
            "2 tasks deleted",
            &[("first", None), ("next", None)],
        ),
    ];
    for (command, told, changed) in changes {
        redis::cmd("FLUSHALL").exec(&mut asynq.bench.redis).unwrap();
        stock(&asynq.bench);
        assert_eq!(asynq.run(command).trim(), told);
        let mut found = ids(&asynq.bench);
        found.sort();
        assert_eq!(found, stock_but(changed), "after {command}");
    }
}

#[test]
fn a_queue_paused_or_removed_by_the_command_line_is_so_for_us() {
    let asynq = command_line!();
    let queue = || "default".to_owned();
    asynq
        .bench
        .call(Op::RegisterQueue { queue: queue() })
        .unwrap();
    asynq.bench.enqueue("a");
    assert_eq!(
        asynq.run("queue pause default"),
        "Successfully paused queue \"default\"\n"
    );
    assert_eq!(asynq.take(), None);
    assert_eq!(
        asynq.run("queue unpause default"),
        "Successfully unpaused queue \"default\"\n"
    );
    let taken = asynq.take().unwrap();
    asynq.bench.call(Op::Requeue { message: taken }).unwrap();
    assert_eq!(
        asynq.run("queue rm default --force"),
        "Successfully removed queue \"default\"\n"
    );
    assert_eq!(asynq.bench.call(Op::Queues), Ok(Reply::Names(vec![])));
    assert_eq!(ids(&asynq.bench), []);
}

#[test]
fn what_the_command_line_enqueues_reaches_us() {
    let asynq = command_line!();
    asynq.run(
        "task enqueue --type_name=email:send --payload=x --id=a --retry=3 --timeout=90s --deadline=2033-05-18T03:33:20Z \
         --retention=2m --unique=1m",
    );
    let expected = TaskMessage {
        r#type: "email:send".into(),
        payload: b"x".to_vec(),
        id: "a".into(),
        queue: "default".into(),
        retry: 3,
        timeout: 90,
        deadline: 2_000_000_000,
        retention: 120,
        unique_key: "asynq:{default}:unique:email:send:9dd4e461268c8034f5c8564e155c67a6".into(),
        ..TaskMessage::default()
    };
    assert_eq!(asynq.take(), Some(expected));
    asynq.run("task enqueue --type_name=email:send --payload=x --id=b --process_in=1h");
    assert!(ids(&asynq.bench).contains(&("b".to_owned(), TaskState::Scheduled)));
}

/// Two tasks of ours that wait in a group.
fn grouped(bench: &Bench) {
    for id in ["a", "b"] {
        let message = TaskMessage {
            group_key: "g".into(),
            ..task(id)
        };
        let now = time_of_day();
        bench.call(Op::AddToGroup { message, now }).unwrap();
    }
}

#[test]
fn the_command_line_lists_our_groups() {
    let asynq = command_line!();
    stock(&asynq.bench);
    grouped(&asynq.bench);
    assert_eq!(asynq.run("group ls --queue=default"), "g\n");
    let table = asynq.table("task ls --queue=default --state=aggregating --group=g");
    assert_eq!(table[0], ["ID", "Type", "Payload", "Group"]);
    let ids: Vec<&str> = table[2..].iter().map(|row| &*row[0]).collect();
    assert_eq!(ids, ["a", "b"]);
    let ran = asynq.run("task runall --queue=default --state=aggregating --group=g");
    assert!(ran.contains("2 tasks"), "{ran}");
    assert_eq!(
        asynq.take().map(|message| message.id).as_deref(),
        Some("first")
    );
}

#[test]
fn the_command_line_cancels_a_task_in_our_worker() {
    let mut asynq = command_line!();
    asynq.run("task enqueue --type_name=hangs --payload={} --id=a");
    let worker = OurWorker::start(&asynq.bench.server.url());
    worker.wait_for_start("a");
    eventually("the cancellation", || {
        // Whoever subscribes late has missed it.
        asynq.run("task cancel a");
        let again = asynq.bench.set("retry");
        (again.len() == 1).then_some(())
    });
    let told = asynq.run("task inspect --queue=default --id=a");
    assert!(told.contains("context canceled"), "{told}");
}

#[test]
fn our_command_line_prints_what_the_real_one_prints() {
    let asynq = command_line!();
    stock(&asynq.bench);
    grouped(&asynq.bench);
    let ours = |arguments: &str| {
        let output = firedrill()
            .args(["asynq", "--uri"])
            .arg(asynq.bench.server.socket())
            .args(arguments.split(' '))
            .env("TZ", "UTC")
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let states = [
        "pending",
        "active",
        "scheduled",
        "retry",
        "archived",
        "completed",
    ];
    let lists = states.map(|state| format!("task ls --queue=default --state={state}"));
    let inspected = ["first", "taken", "later", "again", "never", "kept", "a"]
        .map(|id| format!("task inspect --queue=default --id={id}"));
    let others = [
        "task ls --queue=default --state=aggregating --group=g",
        "task ls --queue=default --state=pending --page=2 --size=1",
        "task ls --queue=default --state=scheduled --page=7",
        "queue ls",
        "queue inspect default",
        "queue history default --days=3",
        "group ls --queue=default",
        "server ls",
        "cron ls",
    ]
    .map(str::to_owned);
    for arguments in lists.iter().chain(&inspected).chain(&others) {
        // Both say how long ago or until when, and the second may change between the two.
        let mut said = None;
        for _ in 0..5 {
            let pair = (ours(arguments), asynq.run(arguments));
            let same = pair.0 == pair.1;
            said = Some(pair);
            if same {
                break;
            }
        }
        let (ours, real) = said.unwrap();
        assert_eq!(ours, real, "{arguments}");
    }
}

#[test]
fn the_command_line_lists_our_worker_that_was_told_to_stop() {
    let asynq = command_line!();
    let ours = OurWorker::start(&asynq.bench.server.url());
    ours.signal(rustix::process::Signal::TSTP);
    eventually("the stop", || {
        asynq.run("server ls").contains("stopped").then_some(())
    });
}

#[test]
fn the_command_line_lists_our_periodic_tasks_and_their_history() {
    let asynq = command_line!();
    let now = time_of_day();
    let entry = SchedulerEntry {
        id: "e1".into(),
        spec: "@every 2s".into(),
        task_type: "report:make".into(),
        enqueue_options: vec!["Queue(\"low\")".into()],
        next_enqueue_time: Some(now.into()),
        prev_enqueue_time: Some(ProtoTimestamp::NEVER),
        ..SchedulerEntry::default()
    };
    let state = SchedulerState {
        scheduler: "h1:42:s1".into(),
        entries: vec![entry],
        now,
        ttl_s: 20,
    };
    asynq
        .bench
        .call(Op::WriteSchedulerEntries(Box::new(state)))
        .unwrap();
    let event = SchedulerEnqueueEvent {
        task_id: "task 1".into(),
        enqueue_time: Some(now.into()),
    };
    asynq
        .bench
        .call(Op::RecordEnqueueEvent {
            entry: "e1".into(),
            event: Box::new(event),
        })
        .unwrap();
    let listed = asynq.run("cron ls");
    assert!(
        listed.contains("@every 2s") && listed.contains("report:make"),
        "{listed}"
    );
    assert!(asynq.run("cron history e1").contains("task 1"));
}
