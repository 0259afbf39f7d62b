//! What should not be in Redis: it is named with its key, the rest is shown, nothing panics.

use super::filled::{empty, filled, spoil};
use crate::support::{NOW, key, need};
use firedrill_asynq::inspector::{InspectError, KeyType, Odd, Page, Refusal, Source};
use firedrill_asynq::op::TaskState;
use redis::Commands;

#[test]
fn tasks_that_are_none_are_named_and_the_others_shown() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    spoil(&mut bench.redis);
    let list = inspector.list_tasks("default", TaskState::Pending, "", Page::default(), NOW);
    let list = bench.block_on(list).unwrap();
    let ids: Vec<_> = list
        .tasks
        .iter()
        .map(|task| task.message.id.as_str())
        .collect();
    assert_eq!(ids, ["pending-1", "pending-2", "pending-3", "elsewhere"]);
    let oddities: Vec<String> = list.oddities.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(oddities.join("\n"));
}

#[test]
fn a_ghost_in_progress_says_how_to_be_rid_of_it() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    // What is left when a worker takes an id whose hash is gone.
    let _: () = bench.redis.lpush(key("active"), "ghost").unwrap();
    let _: () = bench.redis.hset(key("t:ghost"), "state", "active").unwrap();
    let list = inspector.list_tasks("default", TaskState::Active, "", Page::default(), NOW);
    let list = bench.block_on(list).unwrap();
    assert_eq!(list.tasks.len(), 1);
    let what: Vec<&Odd> = list.oddities.iter().map(|oddity| &oddity.what).collect();
    let listed = TaskState::Active;
    assert_eq!(what, [&Odd::NoMessage { listed }, &Odd::NoLease]);
    let info = bench.block_on(inspector.task_info("default", "ghost", NOW));
    assert!(
        matches!(info, Err(InspectError::Foreign(ref oddity)) if oddity.key == key("t:ghost")),
        "{info:?}"
    );
    assert_eq!(
        bench.block_on(inspector.delete_task("default", "ghost")),
        Err(InspectError::DeleteActive),
        "as asynq"
    );
}

#[test]
fn keys_of_other_types_are_named() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    spoil(&mut bench.redis);
    let info = bench.block_on(inspector.queue_info("odd", NOW)).unwrap();
    assert_eq!(
        (info.size(), info.processed_total, info.failed_total),
        (0, 0, 0)
    );
    let oddities: Vec<String> = info.oddities.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(oddities.join("\n"));
    for state in TaskState::ALL {
        let list = inspector.list_tasks("odd", state, "g", Page::default(), NOW);
        let list = bench.block_on(list);
        if state == TaskState::Aggregating {
            assert_eq!(list.unwrap().tasks, [], "there is no such group");
            continue;
        }
        let Err(InspectError::Foreign(oddity)) = list else {
            panic!("{state:?}: {list:?}")
        };
        assert_eq!(oddity.key, format!("asynq:{{odd}}:{}", state.name()));
    }
    let Err(InspectError::Foreign(oddity)) =
        bench.block_on(inspector.archive_all("odd", Source::Retry, NOW))
    else {
        panic!("archived a string")
    };
    let expected = KeyType::SortedSet;
    assert_eq!(
        oddity.what,
        Odd::WrongType {
            expected,
            found: "string".into()
        }
    );
    let Err(InspectError::Foreign(oddity)) = bench.block_on(inspector.groups("odd")) else {
        panic!("a string of groups")
    };
    assert_eq!(oddity.key, "asynq:{odd}:groups");
    let text = bench.block_on(inspector.run_task("default", "text"));
    assert!(
        matches!(text, Err(InspectError::Foreign(ref oddity)) if oddity.key == key("t:text")),
        "{text:?}"
    );
}

#[test]
fn a_task_that_is_not_where_its_state_says_is_left_alone() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    let _: () = bench.redis.zrem(key("retry"), "retry-1").unwrap();
    let expected = InspectError::NotListed {
        key: key("retry"),
        id: "retry-1".into(),
    };
    assert_eq!(
        bench.block_on(inspector.run_task("default", "retry-1")),
        Err(expected.clone())
    );
    assert_eq!(
        bench.block_on(inspector.archive_task("default", "retry-1", NOW)),
        Err(expected.clone())
    );
    assert_eq!(
        bench.block_on(inspector.delete_task("default", "retry-1")),
        Err(expected)
    );
    assert_eq!(bench.field("retry-1", "state").as_deref(), Some("retry"));
}

#[test]
fn the_indexes_themselves_may_be_odd() {
    need!("redis-server");
    let (mut bench, inspector) = empty();
    for index in [
        "asynq:queues",
        "asynq:servers",
        "asynq:schedulers",
        "asynq:scheduler_history:e",
    ] {
        let _: () = bench.redis.set(index, "x").unwrap();
    }
    let named = |error: InspectError, key: &str| {
        assert!(
            matches!(error, InspectError::Foreign(ref oddity) if oddity.key == key),
            "{error:?}"
        );
    };
    named(
        bench.block_on(inspector.queues()).unwrap_err(),
        "asynq:queues",
    );
    named(
        bench.block_on(inspector.queue_info("q", NOW)).unwrap_err(),
        "asynq:queues",
    );
    named(
        bench.block_on(inspector.servers(NOW)).unwrap_err(),
        "asynq:servers",
    );
    named(
        bench
            .block_on(inspector.scheduler_entries(NOW))
            .unwrap_err(),
        "asynq:schedulers",
    );
    let events = bench.block_on(inspector.scheduler_events("e", Page::default()));
    named(events.unwrap_err(), "asynq:scheduler_history:e");
}

#[test]
fn refusals_are_told_from_each_other() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    let refusal = |error: InspectError| {
        let refusal = error.refusal();
        assert!(refusal.is_some(), "{error}");
        refusal
    };
    let _: () = redis::cmd("CONFIG")
        .arg(&["SET", "maxmemory", "1"])
        .query(&mut bench.redis)
        .unwrap();
    let paused = bench.block_on(inspector.pause_queue("default", NOW));
    assert_eq!(paused.map_err(refusal), Err(Some(Refusal::OutOfMemory)));
    let all = bench.block_on(inspector.run_all("default", Source::Scheduled));
    assert_eq!(all.map_err(refusal), Err(Some(Refusal::OutOfMemory)));
    assert_eq!(
        bench.block_on(inspector.delete_task("default", "pending-1")),
        Ok(()),
        "frees memory"
    );
    let info = bench
        .block_on(inspector.queue_info("default", NOW))
        .unwrap();
    assert_eq!((info.pending, info.oddities), (2, vec![]));
    let _: () = redis::cmd("CONFIG")
        .arg(&["SET", "maxmemory", "0"])
        .query(&mut bench.redis)
        .unwrap();
    let slot = bench.block_on(inspector.cluster_key_slot("default"));
    assert_eq!(slot.map_err(refusal), Err(Some(Refusal::NoCluster)));
    // A replica of nobody: reads go on, writes are refused.
    let _: () = redis::cmd("REPLICAOF")
        .arg(&["127.0.0.1", "1"])
        .query(&mut bench.redis)
        .unwrap();
    let run = bench.block_on(inspector.run_task("default", "retry-1"));
    assert_eq!(run.map_err(refusal), Err(Some(Refusal::ReadOnly)));
    assert_eq!(
        bench.block_on(inspector.queues()),
        Ok(vec!["default".into()])
    );
    let servers = bench.block_on(inspector.servers(NOW)).unwrap();
    assert_eq!(
        servers.servers,
        [],
        "listing servers prunes nothing, so a replica does"
    );
}
