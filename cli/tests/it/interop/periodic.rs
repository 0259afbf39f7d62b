//! Periodic tasks: what one side's scheduler publishes and enqueues, and the other reads.

use super::peer::{Peer, behind};
use super::worker::time_of_day;
use super::{eventually, need_peers};
use crate::support::{Bench, plan_of};
use firedrill_asynq::actor::{Event, RunId};
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_asynq::drive::{Host, Outside, drive};
use firedrill_asynq::inspector::{Inspector, Page};
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::note::Note;
use firedrill_sim::producer::{Messages, Producer};
use firedrill_sim::redis_server::Persistence;
use redis::Commands;
use serde_json::json;
use std::sync::mpsc::channel;

const SCENARIO: &str = "\
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
fn our_schedulers_entries_and_their_history_are_read_by_go() {
    need_peers!();
    let mut bench = Bench::new(Persistence::None, 1.0);
    let url = bench.server.url();
    let mut go = Peer::start(&behind(&bench.server, 0));
    let plan = plan_of(SCENARIO);
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
            let options = firedrill_asynq::broker::redis::RedisOptions::at_speed(1.0);
            let broker = firedrill_asynq::broker::redis::RedisBroker::connect(&url, options)
                .await
                .unwrap();
            let messages = Messages::new(&plan);
            let mut producer =
                Producer::new(&plan, clock.virtual_start, messages.queues(), messages)
                    .publishing(&plan, "h1", 42);
            drive(&mut producer, &broker, clock, &mut Told(told), outside).await;
        });
    });
    let first = sent.recv_timeout(super::PATIENCE).unwrap();
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

#[test]
fn gos_schedulers_entries_and_their_history_are_read_by_us() {
    need_peers!();
    let bench = Bench::new(Persistence::None, 1.0);
    let mut go = Peer::start(&behind(&bench.server, 0));
    let entries = go.ask(
        "schedule",
        json!({
            "heartbeat_ms": 1_000,
            "entries": [{ "spec": "@every 1s", "type": "t", "payload": "p", "queue": "low", "max_retry": 3 }],
        }),
    );
    let entry = entries[0].as_str().unwrap().to_owned();
    let inspector = Inspector::new(bench.broker.clone());
    let published = eventually("Go's entries", || {
        let listed = bench
            .block_on(inspector.scheduler_entries(time_of_day()))
            .unwrap();
        listed.entries.into_iter().next()
    });
    assert_eq!(
        (&*published.id, &*published.spec, &*published.task_type),
        (&*entry, "@every 1s", "t")
    );
    assert_eq!(published.enqueue_options, ["Queue(\"low\")", "MaxRetry(3)"]);
    let event = eventually("Go's history", || {
        let listed = bench
            .block_on(inspector.scheduler_events(&entry, Page::default()))
            .unwrap();
        listed.events.into_iter().next()
    });
    let info = go.ask("task_info", json!({ "queue": "low", "id": event.task_id }));
    assert_eq!(info["state"], "pending");
    go.ask("unschedule", json!({}));
    let listed = bench
        .block_on(inspector.scheduler_entries(time_of_day()))
        .unwrap();
    assert!(listed.entries.is_empty());
}
