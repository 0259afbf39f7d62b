//! What is left over in Redis: found by kind with its keys, without a write, and cleared.

use super::filled::{LOCK, empty, everything, filled};
use crate::support::{NOW, key, need};
use firedrill_asynq::inspector::{OrphanKind, Orphans, SHOWN};
use redis::Commands;

fn told(found: &[Orphans]) -> Vec<(OrphanKind, u64, Vec<&str>)> {
    found
        .iter()
        .map(|orphans| {
            let first = orphans.first.iter();
            let ids = first.map(|orphan| orphan.id.as_str()).collect();
            (orphans.kind, orphans.count, ids)
        })
        .collect()
}

#[test]
fn tasks_in_every_state_are_no_orphans() {
    need!("redis-server");
    let (bench, inspector) = filled();
    assert_eq!(bench.block_on(inspector.orphans(None)).unwrap(), []);
}

#[test]
fn each_kind_is_found_and_cleared() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    let redis = &mut bench.redis;
    // Trimmed from the archive; pending by its word, and in no list; its data lost, a result written later.
    let _: () = redis.hset(key("t:trimmed"), "state", "archived").unwrap();
    let _: () = redis.hset(key("t:nowhere"), "state", "pending").unwrap();
    let _: () = redis.hset(key("t:result"), "result", "42").unwrap();
    // A worker's death between two writes, a lease by hand, a lock that was left, an entry whose hash was evicted.
    let _: () = redis.zrem(key("lease"), "active-1").unwrap();
    let _: () = redis.lpush(key("active"), "gone").unwrap();
    let _: () = redis.zadd(key("lease"), "idle", NOW.secs()).unwrap();
    let _: () = redis.set(LOCK, "nobody").unwrap();
    let _: () = redis.rpush(key("pending"), "ghost").unwrap();
    // Another program's, and a queue that nobody has published.
    let _: () = redis.set("asynq:{default}:t:text", "no task").unwrap();
    let _: () = redis.hset("asynq:{old}:t:left", "state", "retry").unwrap();

    let before = everything(&mut bench.redis);
    let found = bench.block_on(inspector.orphans(None)).unwrap();
    assert_eq!(everything(&mut bench.redis), before);
    let mut of_default = told(&found);
    let old = of_default.pop().unwrap();
    assert_eq!(old, (OrphanKind::Task, 1, vec!["left"]));
    of_default[0].2.sort_unstable();
    of_default[1].2.sort_unstable();
    assert_eq!(
        of_default,
        [
            (OrphanKind::Task, 3, vec!["nowhere", "result", "trimmed"]),
            (OrphanKind::Active, 2, vec!["active-1", "gone"]),
            (OrphanKind::Lease, 1, vec!["idle"]),
            (OrphanKind::Lock, 1, vec!["nobody"]),
            (OrphanKind::Pending, 1, vec!["ghost"]),
        ]
    );
    assert_eq!(found[3].first[0].key, LOCK);

    for orphans in &found {
        let cleared = inspector.clear_orphans(&orphans.queue, orphans.kind, NOW);
        assert_eq!(
            bench.block_on(cleared).unwrap(),
            orphans.count,
            "{orphans:?}"
        );
    }
    assert_eq!(bench.block_on(inspector.orphans(None)).unwrap(), []);
    let pending: Vec<String> = bench.redis.lrange(key("pending"), 0, -1).unwrap();
    assert_eq!(pending.last().unwrap(), "active-1", "first in line again");
    let text: String = bench.redis.get("asynq:{default}:t:text").unwrap();
    assert_eq!(text, "no task");
}

#[test]
fn many_are_counted_and_some_are_named() {
    need!("redis-server");
    let (mut bench, inspector) = empty();
    for number in 0..300 {
        let hash = format!("asynq:{{q[1]}}:t:{number}");
        let _: () = bench.redis.hset(hash, "state", "archived").unwrap();
    }
    let found = bench.block_on(inspector.orphans(Some("q[1]"))).unwrap();
    assert_eq!((found[0].count, found[0].first.len()), (300, SHOWN));
    assert!(!found[0].is_least);
    let other = bench.block_on(inspector.orphans(Some("q"))).unwrap();
    assert_eq!(other, []);
}

#[test]
fn a_queue_that_is_removed_leaves_no_trimmed_tasks() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    let active: Vec<String> = bench.redis.lrange(key("active"), 0, -1).unwrap();
    for id in active {
        let _: () = bench.redis.lrem(key("active"), 0, &id).unwrap();
    }
    let _: () = bench
        .redis
        .hset(key("t:trimmed"), "state", "archived")
        .unwrap();
    bench
        .block_on(inspector.delete_queue("default", true))
        .unwrap();
    assert_eq!(
        bench.block_on(inspector.orphans(Some("default"))).unwrap(),
        []
    );
    let is_there: bool = bench.redis.exists(key("t:trimmed")).unwrap();
    assert!(!is_there);
}
