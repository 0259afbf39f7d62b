//! What takes part in a drill, beside the real asynq: its producer, its scheduler and its workers.

use super::peer::{Peer, bench_and_go, need_peers, time_of_day};
use super::worker::{HANGS, OurWorker};
use crate::support::{Bench, Persistence, need, plan_of};
use crate::wait::{PATIENCE, eventually};
use firedrill_asynq::actor::{Event, RunId};
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_asynq::drive::{Host, Outside, drive};
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::note::{Intake, Note};
use firedrill_sim::producer::{Messages, Producer, task_id};
use redis::Commands;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::sync::mpsc::channel;

const PRODUCER: &str = "\
version: firedrill/v1
name: to-go
family: benign
summary: What a drill's producer enqueues while others work.
seed: 5
duration: 2s
warmup: 0s
queues: { default: { priority: 1 }, low: { priority: 1 } }
workload:
  - { task: email:send, queue: default, arrivals: { constant: 25/s, until: 1s }, service: { constant: 1ms } }
  - { task: report:make, queue: low, arrivals: { burst: { count: 15, at: 0s, over: 500ms } }, service: { constant: 1ms } }
workers:
  - { name: w, processes: 1, concurrency: 1 }
";

/// Counts what the producer notes.
#[derive(Default)]
struct Noted {
    accepted: usize,
}

impl Host for Noted {
    fn run(&mut self, _: Time, _: RunId, _: TaskMessage) {}

    fn note(&mut self, entry: Note<String>) {
        let accepted = matches!(
            entry,
            Note::Answered {
                answer: Intake::Accepted,
                ..
            }
        );
        self.accepted += usize::from(accepted);
    }
}

#[test]
fn every_task_of_a_drills_producer_is_done_by_go() {
    need_peers!();
    let (mut bench, mut go) = bench_and_go();
    go.ask(
        "serve",
        json!({ "concurrency": 4, "task_check_ms": 20, "queues": { "default": 2, "low": 1 } }),
    );
    let plan = plan_of(PRODUCER);
    let clock = ClockOrigin::start(time_of_day(), 1.0);
    let messages = Messages::new(&plan, clock.virtual_start);
    let queues = messages.queues();
    let mut producer = Producer::new(&plan, clock.virtual_start, queues, messages);
    let url = bench.server.url();
    let mut noted = Noted::default();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            let broker = RedisBroker::connect(&url, RedisOptions::at_speed(1.0))
                .await
                .unwrap();
            let (_outside_tx, outside) =
                tokio::sync::mpsc::unbounded_channel::<Outside<Producer<TaskMessage, Messages>>>();
            let driven = drive(&mut producer, &broker, clock, &mut noted, outside);
            let _ = tokio::time::timeout(clock.real_millis(plan.duration_ms), driven).await;
        });
    assert_eq!(noted.accepted, 40);
    for (workload, count) in [(0, 25), (1, 15)] {
        for seq in 0..count {
            go.wait_for("finished", &task_id(plan.seed, workload, seq));
        }
    }
    eventually("all tasks to be gone", || {
        let left: Vec<String> = bench.redis.keys("asynq:*:t:*").unwrap();
        left.is_empty().then_some(())
    });
}

const PERIODIC: &str = "\
version: firedrill/v1
name: periodic
family: benign
summary: A task that comes by the calendar.
seed: 5
duration: 24h
queues: { low: { priority: 1 } }
workload:
  - { task: report:make, queue: low, arrivals: { cron: \"@every 2s\" }, service: { constant: 1ms }, max_retry: 3, retention: 1h }
  - { task: report:year, queue: low, arrivals: { cron: \"0 0 1 1 *\" }, service: { constant: 1ms } }
workers:
  - { name: w, processes: 1, concurrency: 1 }
";

/// Tells the ids of what it sends.
struct Told(std::sync::mpsc::Sender<String>);

impl Host for Told {
    fn run(&mut self, _: Time, _: RunId, _: TaskMessage) {}

    fn note(&mut self, entry: Note<String>) {
        if let Note::Answered { id, .. } = entry {
            let _ = self.0.send(id);
        }
    }
}

#[test]
fn a_drills_periodic_tasks_and_their_history_are_read_by_go() {
    need_peers!();
    let (mut bench, mut go) = bench_and_go();
    let url = bench.server.url();
    let plan = plan_of(PERIODIC);
    let (told, sent) = channel();
    let (outside_tx, outside) = tokio::sync::mpsc::unbounded_channel();
    // At ten times real time, so that its first beat comes after a second; at the plan's time of day, as in any drill.
    let clock = ClockOrigin::start(plan.starts.next_from(time_of_day()), 10.0);
    let scheduler = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let options = RedisOptions::at_speed(1.0);
            let broker = RedisBroker::connect(&url, options).await.unwrap();
            let messages = Messages::new(&plan, clock.virtual_start);
            let mut producer =
                Producer::new(&plan, clock.virtual_start, messages.queues(), messages)
                    .publishing(&plan, "h1", 42);
            drive(&mut producer, &broker, clock, &mut Told(told), outside).await;
        });
    });
    let first = sent.recv_timeout(PATIENCE).unwrap();
    let entries = eventually("our entries", || {
        let entries = go.ask("scheduler_entries", json!({}));
        (entries.as_array()?.len() == 2).then_some(entries)
    });
    let entries = entries.as_array().unwrap();
    let often = entries.iter().find(|e| e["spec"] == "@every 2s").unwrap();
    let yearly = entries.iter().find(|e| e["spec"] == "0 0 1 1 *").unwrap();
    assert_eq!(
        often["options"],
        json!([
            "Queue(\"low\")",
            "MaxRetry(3)",
            "Timeout(30m0s)",
            "Retention(1h0m0s)"
        ])
    );
    assert_eq!(
        (&often["type"], &yearly["prev_ms"]),
        (&json!("report:make"), &json!(null))
    );
    let year_begins = yearly["next_ms"].as_i64().unwrap();
    assert_eq!(year_begins.rem_euclid(86_400_000), 0);
    let events = go.ask("scheduler_events", json!({ "entry": often["id"] }));
    let ids: Vec<&str> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["task_id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids.last(),
        Some(&first.as_str()),
        "the newest first: {events}"
    );

    outside_tx
        .send(Outside::Event(Event::Shutdown))
        .ok()
        .unwrap();
    scheduler.join().unwrap();
    let left: Vec<String> = bench.redis.keys("asynq:scheduler*").unwrap();
    assert_eq!(left, Vec::<String>::new());
}

fn info(go: &mut Peer, id: &str) -> Result<Value, String> {
    go.try_ask("task_info", json!({ "queue": "default", "id": id }))
}

fn wait_for(go: &mut Peer, id: &str, state: &str) -> Value {
    eventually(&format!("{id} to be {state}"), || {
        info(go, id).ok().filter(|info| info["state"] == state)
    })
}

#[test]
fn what_a_drills_handlers_ask_for_is_what_go_finds() {
    need_peers!();
    let (bench, mut go) = bench_and_go();
    for (id, kind, retries) in [
        ("gives up", "skips", 25),
        ("is revoked", "revokes", 25),
        ("is not ready", "waits", 25),
        ("is not ready, and has no retries", "waits", 0),
        ("has a result", "tells", 25),
    ] {
        go.ask(
            "enqueue",
            json!({ "type": kind, "task_id": id, "max_retry": retries, "retention_ms": 60_000 }),
        );
    }
    let _ours = OurWorker::start(&bench.server.url());
    let skipped = wait_for(&mut go, "gives up", "archived");
    assert_eq!(
        (&skipped["retried"], &skipped["last_err"]),
        (&json!(0), &json!("job failed: skip retry for the task"))
    );
    let waiting = wait_for(&mut go, "is not ready", "retry");
    assert_eq!(waiting["retried"], 0, "{waiting}");
    wait_for(&mut go, "is not ready, and has no retries", "archived");
    let told = wait_for(&mut go, "has a result", "completed");
    assert_eq!(told["result"], "42");
    eventually("the end of what is revoked", || {
        info(&mut go, "is revoked").err()
    });
}

#[test]
fn tasks_of_a_group_of_go_are_aggregated_by_a_drills_worker() {
    need_peers!();
    let (bench, mut go) = bench_and_go();
    for number in 0..3 {
        go.ask(
            "enqueue",
            // Within a second the order is that of the ids.
            json!({
                "type": "email:send", "payload": number.to_string(), "group": "g",
                "task_id": format!("member {number}"),
            }),
        );
    }
    // Of what it makes of them we look at the message; nobody takes it from this queue.
    go.ask("pause_queue", json!({ "queue": "default" }));
    let ours = OurWorker::start(&bench.server.url());
    eventually("the group's task", || {
        let pending = go.ask(
            "list_tasks",
            json!({ "queue": "default", "state": "pending" }),
        );
        let told = ["type", "payload", "group"].map(|name| pending[0][name].clone());
        (told == [json!("digest"), json!("[\"0\",\"1\",\"2\"]"), json!("")]).then_some(())
    });
    eventually("the end of the group", || {
        let info = go.ask("queue_info", json!({ "queue": "default" }));
        (info["size"] == 1).then_some(())
    });
    assert_eq!(ours.started(), 0);
}

#[test]
fn go_sees_a_drills_worker_cancels_its_task_and_sees_it_stop_and_leave() {
    need_peers!();
    let (bench, mut go) = bench_and_go();
    let mut ours = OurWorker::start(&bench.server.url());
    go.ask("enqueue", json!({ "type": HANGS, "task_id": "a" }));
    ours.wait_for_start("a");
    let server = eventually("the worker with its task", || {
        let servers = go.ask("servers", json!({}));
        (servers[0]["active_workers"][0]["task_id"] == "a").then(|| servers[0].clone())
    });
    let told = [
        "host",
        "pid",
        "concurrency",
        "queues",
        "strict_priority",
        "status",
    ]
    .map(|name| server[name].clone());
    let expected = json!(["w-0", ours.pid(), 4, { "default": 3, "low": 1 }, false, "active"]);
    assert_eq!(json!(told), expected);
    eventually("the cancellation", || {
        // Whoever subscribes late has missed it.
        go.ask("cancel_processing", json!({ "id": "a" }));
        let info = info(&mut go, "a").unwrap();
        (info["last_err"] == "context canceled" && info["retried"] == 1).then_some(())
    });

    ours.signal(Signal::TSTP);
    eventually("the stop", || {
        let servers = go.ask("servers", json!({}));
        (servers[0]["status"] == "stopped").then_some(())
    });
    let started = ours.started();
    go.ask("enqueue", json!({ "type": "t", "task_id": "b" }));
    assert!(ours.terminate().success());
    assert_eq!(info(&mut go, "b").unwrap()["state"], "pending");
    assert_eq!(ours.started(), started);
    assert_eq!(go.ask("servers", json!({})), json!([]));
}

#[test]
fn a_drills_worker_says_whether_redis_is_there() {
    need!("redis-server");
    let mut bench = Bench::new(Persistence::None, 1.0);
    let ours = OurWorker::start_at_speed(&bench.server.url(), 60.0);
    assert_eq!(ours.health(), "HTTP/1.1 200 OK");
    bench.server.kill().unwrap();
    eventually("bad news", || ours.health().contains("503").then_some(()));
    bench.server.restart(false).unwrap();
    eventually("good news", || ours.health().contains("200").then_some(()));
}
