//! What is changed about all tasks of a state.

use super::filled::{LOCK, filled, lock};
use crate::support::{NOW, key, need};
use firedrill_asynq::inspector::Source;
use redis::Commands;

#[test]
fn all_are_run() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    for (source, count) in [
        (Source::Scheduled, 2),
        (Source::Retry, 1),
        (Source::Archived, 1),
        (Source::Group("g1"), 2),
        (Source::Group("no such group"), 0),
        (Source::Retry, 0),
    ] {
        assert_eq!(
            bench.block_on(inspector.run_all("default", source)),
            Ok(count),
            "{source:?}"
        );
    }
    let pending = bench.list("pending");
    assert_eq!(
        pending,
        [
            "grouped-2",
            "grouped-1",
            "archived-1",
            "retry-1",
            "scheduled-2",
            "scheduled-1",
            "pending-3",
            "pending-2",
            "pending-1"
        ]
    );
    for id in pending {
        assert_eq!(
            bench.field(&id, "state").as_deref(),
            Some("pending"),
            "{id}"
        );
    }
    assert_eq!(
        bench
            .redis
            .exists(&[key("groups"), key("g:g1"), key("retry")]),
        Ok(0)
    );
}

#[test]
fn all_are_archived() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    for (source, count) in [
        (Source::Pending, 3),
        (Source::Scheduled, 2),
        (Source::Retry, 1),
        (Source::Group("g1"), 2),
    ] {
        let all = bench.block_on(inspector.archive_all("default", source, NOW));
        assert_eq!(all, Ok(count), "{source:?}");
    }
    let archived = bench.set("archived");
    assert_eq!(archived.len(), 9);
    for (id, at_s) in archived {
        assert_eq!(at_s, NOW.secs());
        assert_eq!(
            bench.field(&id, "state").as_deref(),
            Some("archived"),
            "{id}"
        );
    }
    assert_eq!(
        bench
            .redis
            .exists(&[key("pending"), key("groups"), key("g:g1")]),
        Ok(0)
    );
}

#[test]
fn all_are_deleted_and_most_locks_released() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    for (id, source, count, released) in [
        ("scheduled-2", Source::Scheduled, 2, true),
        ("retry-1", Source::Retry, 1, true),
        ("archived-1", Source::Archived, 1, true),
        ("completed-1", Source::Completed, 1, true),
        ("pending-1", Source::Pending, 3, false),
        ("grouped-1", Source::Group("g1"), 2, false),
    ] {
        lock(&mut bench.redis, id, id);
        let all = bench.block_on(inspector.delete_all("default", source));
        assert_eq!(all, Ok(count), "{source:?}");
        assert_eq!(bench.redis.exists(LOCK), Ok(!released), "quirk: {source:?}");
        assert_eq!(
            bench.redis.exists(key(&format!("t:{id}"))),
            Ok(false),
            "{id}"
        );
    }
    let info = bench
        .block_on(inspector.queue_info("default", NOW))
        .unwrap();
    assert_eq!((info.size(), info.active), (1, 1));
}

#[test]
fn ten_thousand_are_moved_at_once() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    let mut pipe = redis::pipe();
    for number in 0..10_100 {
        pipe.zadd(key("scheduled"), format!("many-{number:05}"), NOW.secs())
            .ignore();
        pipe.hset(key(&format!("t:many-{number:05}")), "state", "scheduled")
            .ignore();
    }
    let _: () = pipe.query(&mut bench.redis).unwrap();
    let all = bench.block_on(inspector.archive_all("default", Source::Scheduled, NOW));
    assert_eq!(all, Ok(10_102));
    assert_eq!(
        bench.set("archived").len(),
        9_999,
        "quirk: one less than the limit"
    );
    assert_eq!(
        bench.field("many-00000", "state").as_deref(),
        Some("archived"),
        "quirk: leaked"
    );
    assert_eq!(
        bench.block_on(inspector.run_all("default", Source::Archived)),
        Ok(9_999)
    );
    assert_eq!(
        bench.block_on(inspector.delete_all("default", Source::Pending)),
        Ok(10_002)
    );
}
