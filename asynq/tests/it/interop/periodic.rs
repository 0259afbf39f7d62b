//! Periodic tasks: what Go's scheduler publishes and enqueues, and we read.

use super::peer::{Peer, behind, need_peers, time_of_day};
use crate::support::{Bench, Persistence};
use crate::wait::eventually;
use firedrill_asynq::inspector::{Inspector, Page};
use serde_json::json;

#[test]
fn gos_schedulers_entries_and_their_history_are_read_by_us() {
    need_peers!();
    let bench = Bench::new(Persistence::None, 1.0);
    let mut go = Peer::start(&behind(&bench, 0));
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
