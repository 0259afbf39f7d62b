//! Servers, workers and schedulers, as they publish themselves.

use super::filled::{empty, serve};
use crate::support::{NOW, need};
use firedrill_asynq::inspector::{Odd, Page};
use firedrill_asynq::message::{ProtoTimestamp, SchedulerEnqueueEvent, SchedulerEntry};
use prost::Message;
use redis::Commands;

#[test]
fn servers_with_their_work_by_host() {
    need!("redis-server");
    let (mut bench, inspector) = empty();
    serve(&bench, "h2", "b");
    serve(&bench, "h1", "a");
    let list = bench.block_on(inspector.servers(NOW)).unwrap();
    let shown: Vec<_> = list
        .servers
        .iter()
        .map(|view| (view.info.host.as_str(), view.workers[0].task_id.as_str()))
        .collect();
    assert_eq!(shown, [("h1", "active-1"), ("h2", "active-1")]);
    assert_eq!((list.silent, list.oddities), (vec![], vec![]));
    // h1 is heard of no more, h2's own key went away before its place in the index.
    let _: () = bench
        .redis
        .zadd("asynq:servers", "asynq:servers:{h1:42:a}", NOW.secs() - 5)
        .unwrap();
    let _: () = bench.redis.del("asynq:servers:{h2:42:b}").unwrap();
    let _: () = bench
        .redis
        .zadd("asynq:servers", "asynq:servers:{h3:1:c}", NOW.secs() + 5)
        .unwrap();
    let _: () = bench.redis.set("asynq:servers:{h3:1:c}", b"\xff").unwrap();
    let list = bench.block_on(inspector.servers(NOW)).unwrap();
    assert_eq!(list.servers, []);
    assert_eq!(
        list.silent,
        [("asynq:servers:{h1:42:a}".into(), NOW.secs() - 5)]
    );
    assert_eq!(list.oddities.len(), 2);
    assert!(
        matches!(list.oddities[0].what, Odd::Unreadable(_)),
        "{:?}",
        list.oddities
    );
    assert_eq!(list.oddities[1].what, Odd::Gone);
    let indexed: i64 = bench.redis.zcard("asynq:servers").unwrap();
    assert_eq!(indexed, 3, "nothing is pruned");
}

#[test]
fn periodic_tasks_and_when_they_were_enqueued() {
    need!("redis-server");
    let (mut bench, inspector) = empty();
    let at = |seconds| Some(ProtoTimestamp { seconds, nanos: 0 });
    let entry = |id: &str, spec: &str| SchedulerEntry {
        id: id.into(),
        spec: spec.into(),
        task_type: "report".into(),
        task_payload: b"p".to_vec(),
        enqueue_options: vec!["Queue(\"low\")".into()],
        next_enqueue_time: at(NOW.secs() + 30),
        prev_enqueue_time: Some(ProtoTimestamp::NEVER),
    };
    let key = "asynq:schedulers:{h1:1:s}";
    let _: () = bench
        .redis
        .zadd("asynq:schedulers", key, NOW.secs() + 20)
        .unwrap();
    for entry in [entry("e2", "@hourly"), entry("e1", "* * * * *")] {
        let _: () = bench.redis.lpush(key, entry.encode_to_vec()).unwrap();
    }
    let _: () = bench.redis.lpush(key, b"\xff").unwrap();
    let list = bench.block_on(inspector.scheduler_entries(NOW)).unwrap();
    assert_eq!(
        list.entries,
        [entry("e1", "* * * * *"), entry("e2", "@hourly")]
    );
    assert_eq!(list.oddities.len(), 1);
    assert!(ProtoTimestamp::is_never(list.entries[0].prev_enqueue_time));
    let gone = bench
        .block_on(inspector.scheduler_entries(NOW.plus_millis(30_000)))
        .unwrap();
    assert_eq!(gone.entries, [], "its scheduler is heard of no more");
    for number in 1..=3 {
        let event = SchedulerEnqueueEvent {
            task_id: format!("t{number}"),
            enqueue_time: at(NOW.secs() + number),
        };
        let _: () = bench
            .redis
            .zadd(
                "asynq:scheduler_history:e1",
                event.encode_to_vec(),
                NOW.secs() + number,
            )
            .unwrap();
    }
    let page = |number, size| {
        let events = inspector.scheduler_events("e1", Page { number, size });
        let events = bench.block_on(events).unwrap().events;
        events
            .into_iter()
            .map(|event| event.task_id)
            .collect::<Vec<_>>()
    };
    assert_eq!(page(1, 2), ["t3", "t2"]);
    assert_eq!(page(2, 2), ["t1"]);
}
