//! What Go's inspector reads of what we wrote, what it changes, and what we read of what Go wrote.

use super::peer::{bench_and_go, need_peers, time_of_day};
use super::stock::{Change, STOCK, ids, stock, stock_but};
use super::worker::{Asks, OurWorker};
use crate::support::{Bench, Op, task};
use crate::wait::eventually;
use firedrill_asynq::message::{ServerInfo, TaskMessage, WorkerInfo};
use firedrill_asynq::op::{QueueStats, Reply, TaskState};
use prost::Message;
use redis::Commands;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn stats(bench: &Bench) -> QueueStats {
    let (queue, now) = ("default".into(), time_of_day());
    match bench.call(Op::QueueStats { queue, now }) {
        Ok(Reply::Stats(stats)) => *stats,
        other => panic!("{other:?}"),
    }
}

/// The numbers that both sides count, as Go's inspector gives them.
fn counts(stats: &QueueStats) -> Value {
    json!({
        "pending": stats.pending, "active": stats.active, "scheduled": stats.scheduled, "retry": stats.retry,
        "archived": stats.archived, "completed": stats.completed, "processed_total": stats.processed_total,
        "failed_total": stats.failed_total, "paused": stats.paused,
    })
}

/// The members of `told` that `names` has, too.
fn only(told: &Value, names: &Value) -> Value {
    let names = names.as_object().unwrap().keys();
    names
        .map(|name| (name.clone(), told[name].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn go_lists_our_tasks_in_every_state() {
    need_peers!();
    let (bench, mut go) = bench_and_go();
    let now = stock(&bench);
    let now_ms = now.secs() * 1_000;
    for (state, name) in [
        (TaskState::Pending, "pending"),
        (TaskState::Active, "active"),
        (TaskState::Scheduled, "scheduled"),
        (TaskState::Retry, "retry"),
        (TaskState::Archived, "archived"),
        (TaskState::Completed, "completed"),
    ] {
        let listed = go.ask("list_tasks", json!({ "queue": "default", "state": name }));
        let told: Vec<&str> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|told| told["id"].as_str().unwrap())
            .collect();
        // The oldest of those that wait comes first.
        let expected: Vec<&str> = STOCK
            .iter()
            .rev()
            .filter(|(_, of)| *of == state)
            .map(|(id, _)| *id)
            .collect();
        assert_eq!(told, expected, "{name}");
        for mut told in listed.as_array().unwrap().clone() {
            let id = told["id"].as_str().unwrap().to_owned();
            let mut alone = go.ask("task_info", json!({ "queue": "default", "id": id }));
            if name == "pending" {
                // "Now", which is another moment in each answer.
                told["next_process_at_ms"].take();
                alone["next_process_at_ms"].take();
            }
            assert_eq!(told, alone);
        }
        let first = &listed[0];
        let expected = match name {
            "scheduled" => json!({ "next_process_at_ms": now_ms + 3_600_000 }),
            "retry" => json!({
                "next_process_at_ms": now_ms + 3_600_000, "last_failed_at_ms": now_ms, "last_err": "boom", "retried": 1,
            }),
            "archived" => {
                json!({ "last_failed_at_ms": now_ms, "last_err": "gave up", "retried": 0 })
            }
            "completed" => json!({ "completed_at_ms": now_ms, "retention_ms": 3_600_000 }),
            _ => json!({ "is_orphaned": false, "last_err": "", "completed_at_ms": null }),
        };
        assert_eq!(only(first, &expected), expected);
    }
}

#[test]
fn go_counts_in_our_queue_what_we_count() {
    need_peers!();
    let (bench, mut go) = bench_and_go();
    stock(&bench);
    let info = go.ask("queue_info", json!({ "queue": "default" }));
    let ours = stats(&bench);
    let expected = counts(&ours);
    assert_eq!(only(&info, &expected), expected);
    assert_eq!(
        (&info["size"], &info["processed"], &info["failed"]),
        (&json!(7), &json!(3), &json!(2))
    );
    let latency_s = info["latency_ns"].as_f64().unwrap() / 1e9;
    assert!(
        (0.0..60.0).contains(&(ours.latency_seconds - latency_s)),
        "{latency_s}, then {ours:?}"
    );

    let history = go.ask("history", json!({ "queue": "default", "days": 2 }));
    assert_eq!(
        only(&history[0], &json!({ "processed": 0, "failed": 0 })),
        json!({ "processed": 3, "failed": 2 })
    );
    assert_eq!(go.ask("queues", json!({})), json!(["default"]));
}

#[test]
fn we_count_in_gos_queue_what_go_counts() {
    need_peers!();
    let (bench, mut go) = bench_and_go();
    for (id, more) in [
        ("soon", json!({})),
        ("later", json!({ "process_in_ms": 3_600_000 })),
        ("kept", json!({ "retention_ms": 60_000, "queue": "served" })),
        ("again", json!({ "type": "fail", "queue": "served" })),
        ("never", json!({ "type": "skip-retry", "queue": "served" })),
        ("taken", json!({ "type": "hang", "queue": "served" })),
    ] {
        let mut asked = json!({ "type": "ok", "payload": "x", "task_id": id });
        asked
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        go.ask("enqueue", asked);
    }
    go.ask("serve", json!({ "queues": { "served": 1 }, "concurrency": 8, "task_check_ms": 10, "delayed_check_ms": 3_600_000 }));
    let settled = json!({ "active": 1, "retry": 1, "archived": 1, "completed": 1 });
    eventually("the tasks to be where they belong", || {
        let info = go.ask("queue_info", json!({ "queue": "served" }));
        (only(&info, &settled) == settled).then_some(())
    });
    go.ask("pause_queue", json!({ "queue": "served" }));
    for queue in ["default", "served"] {
        let op = Op::QueueStats {
            queue: queue.into(),
            now: time_of_day(),
        };
        let Ok(Reply::Stats(ours)) = bench.call(op) else {
            panic!("no stats of {queue}");
        };
        let expected = counts(&ours);
        let info = go.ask("queue_info", json!({ "queue": queue }));
        assert_eq!(only(&info, &expected), expected, "{queue}");
    }
    let expected = [
        ("soon", TaskState::Pending),
        ("later", TaskState::Scheduled),
    ];
    assert_eq!(
        ids(&bench),
        expected.map(|(id, state)| (id.to_owned(), state))
    );
}

#[test]
fn go_sees_our_worker_and_its_task_in_progress() {
    need_peers!();
    let (bench, mut go) = bench_and_go();
    bench
        .call(Op::RegisterQueue {
            queue: "default".into(),
        })
        .unwrap();
    let before = time_of_day();
    let message = TaskMessage {
        payload: Asks::Hangs.payload().into_bytes(),
        ..task("a")
    };
    bench
        .call(Op::Enqueue {
            message,
            now: before,
        })
        .unwrap();
    let mut worker = OurWorker::start(&bench.server.url());
    let servers = eventually("our worker with its task", || {
        let servers = go.ask("servers", json!({}));
        let busy = servers[0]["active_workers"]
            .as_array()
            .is_some_and(|workers| !workers.is_empty());
        busy.then_some(servers)
    });
    let server = &servers[0];
    let expected = json!({
        "host": "our-host", "pid": worker.pid(), "concurrency": 4, "queues": { "default": 3, "low": 1 },
        "strict_priority": false, "status": "active",
    });
    assert_eq!(only(server, &expected), expected);
    let now = before.millis()..=time_of_day().millis();
    assert!(
        now.contains(&server["started_ms"].as_i64().unwrap()),
        "{server}"
    );
    let in_progress = &server["active_workers"][0];
    let expected = json!({
        "task_id": "a", "task_type": "email:send", "task_payload": Asks::Hangs.payload(), "queue": "default",
    });
    assert_eq!(only(in_progress, &expected), expected);
    let started = in_progress["started_ms"].as_i64().unwrap();
    assert!(now.contains(&started), "{in_progress}");
    let deadline = in_progress["deadline_ms"].as_i64().unwrap();
    assert!(
        (deadline - started - 1_800_000).abs() < 1_000,
        "{in_progress}"
    );

    let listed = go.ask(
        "list_tasks",
        json!({ "queue": "default", "state": "active" }),
    );
    assert_eq!(
        only(&listed[0], &json!({ "id": 0, "is_orphaned": 0 })),
        json!({ "id": "a", "is_orphaned": false })
    );
    assert!(worker.terminate().success());
    assert_eq!(go.ask("servers", json!({})), json!([]));
}

#[test]
fn we_read_gos_server_and_its_task_in_progress() {
    need_peers!();
    let (mut bench, mut go) = bench_and_go();
    let before = time_of_day();
    go.ask(
        "enqueue",
        json!({ "type": "hang", "payload": "x", "task_id": "a", "queue": "low" }),
    );
    let options = json!({ "queues": { "default": 6, "low": 3 }, "concurrency": 7, "strict_priority": true, "task_check_ms": 10 });
    go.ask("serve", options);
    go.wait_for("started", "a");
    // The next beat tells of the task.
    let (server, workers) = eventually("Go's server with its task", || {
        let [servers, workers] = ["asynq:servers", "asynq:workers"].map(|index| {
            let names: Vec<String> = bench.redis.zrange(index, 0, -1).unwrap();
            names
        });
        let server: Vec<u8> = bench.redis.get(servers.first()?).unwrap();
        let workers: BTreeMap<String, Vec<u8>> = bench.redis.hgetall(workers.first()?).unwrap();
        let server = ServerInfo::decode(&*server).unwrap();
        (server.active_worker_count == 1).then_some((server, workers))
    });
    let of_server = |of: &ServerInfo| (of.host.clone(), of.pid, of.server_id.clone());
    assert_eq!(server.pid.cast_unsigned(), go.pid());
    let priorities = [("default".to_owned(), 6), ("low".to_owned(), 3)].into();
    assert_eq!(
        (
            server.concurrency,
            &server.queues,
            server.strict_priority,
            server.status.as_str()
        ),
        (7, &priorities, true, "active")
    );
    let seconds = before.secs()..=time_of_day().secs();
    assert!(seconds.contains(&server.start_time.unwrap().seconds));
    let worker = WorkerInfo::decode(&*workers["a"]).unwrap();
    assert_eq!(
        (worker.host.clone(), worker.pid, worker.server_id.clone()),
        of_server(&server)
    );
    let told = (
        worker.task_id,
        worker.task_type,
        worker.task_payload,
        worker.queue,
    );
    assert_eq!(
        told,
        ("a".into(), "hang".into(), b"x".to_vec(), "low".into())
    );
    let (started, deadline) = (worker.start_time.unwrap(), worker.deadline.unwrap());
    assert!(seconds.contains(&started.seconds));
    assert!((deadline.seconds - started.seconds - 1_800).abs() <= 1);
}

#[test]
fn what_go_does_to_our_tasks_by_hand_is_what_we_find() {
    need_peers!();
    use TaskState::{Archived, Pending};
    let changes: [(&str, Value, &[Change<'_>]); 12] = [
        (
            "run_task",
            json!({ "id": "later" }),
            &[("later", Some(Pending))],
        ),
        (
            "run_task",
            json!({ "id": "again" }),
            &[("again", Some(Pending))],
        ),
        (
            "run_task",
            json!({ "id": "never" }),
            &[("never", Some(Pending))],
        ),
        (
            "run_task",
            json!({ "id": "kept" }),
            &[("kept", Some(Pending))],
        ),
        (
            "archive_task",
            json!({ "id": "first" }),
            &[("first", Some(Archived))],
        ),
        (
            "archive_task",
            json!({ "id": "again" }),
            &[("again", Some(Archived))],
        ),
        ("delete_task", json!({ "id": "kept" }), &[("kept", None)]),
        ("delete_task", json!({ "id": "next" }), &[("next", None)]),
        (
            "run_all_tasks",
            json!({ "state": "archived" }),
            &[("never", Some(Pending))],
        ),
        (
            "archive_all_tasks",
            json!({ "state": "pending" }),
            &[("first", Some(Archived)), ("next", Some(Archived))],
        ),
        (
            "delete_all_tasks",
            json!({ "state": "retry" }),
            &[("again", None)],
        ),
        (
            "delete_all_tasks",
            json!({ "state": "completed" }),
            &[("kept", None)],
        ),
    ];
    let (mut bench, mut go) = bench_and_go();
    for (op, mut with, changed) in changes {
        redis::cmd("FLUSHALL").exec(&mut bench.redis).unwrap();
        stock(&bench);
        with["queue"] = "default".into();
        go.ask(op, with.clone());
        let mut found = ids(&bench);
        found.sort();
        assert_eq!(found, stock_but(changed), "after {op} {with}");
        if changed == [("later", Some(Pending))] {
            // What was run by hand is what we take next but for those that waited before.
            assert_eq!(bench.list("pending"), ["later", "next", "first"]);
        }
    }
}
