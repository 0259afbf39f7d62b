//! What is left over in Redis: found by kind with its keys, without a write, and cleared.

use super::filled::{LOCK, empty, everything, filled};
use crate::support::{Bench, NOW, key, need};
use firedrill_asynq::inspector::{Inspector, LeftOver, OrphanKind, Orphans, SHOWN, Unseen};
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

/// A look without a limit that leaves nothing out.
fn all(bench: &Bench, inspector: &Inspector, only: Option<&str>) -> Vec<Orphans> {
    let found = inspector.orphans(only, u64::MAX);
    let LeftOver { orphans, unseen } = bench.block_on(found).unwrap();
    assert_eq!(unseen, []);
    orphans
}

#[test]
fn tasks_in_every_state_are_no_orphans() {
    need!("redis-server");
    let (bench, inspector) = filled();
    assert_eq!(all(&bench, &inspector, None), []);
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
    let found = all(&bench, &inspector, None);
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
    assert_eq!(all(&bench, &inspector, None), []);
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
    let found = all(&bench, &inspector, Some("q[1]"));
    assert_eq!((found[0].count, found[0].first.len()), (300, SHOWN));
    assert!(!found[0].is_least);
    let other = all(&bench, &inspector, Some("q"));
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
    assert_eq!(all(&bench, &inspector, Some("default")), []);
    let is_there: bool = bench.redis.exists(key("t:trimmed")).unwrap();
    assert!(!is_there);
}

/// Puts tasks into the queue `default`, many at a time.
fn fill(bench: &mut Bench, ids: std::ops::Range<u32>, state: &str, in_list: bool) {
    let script = "for id = ARGV[1], ARGV[2] - 1 do
        redis.call('HSET', KEYS[1] .. id, 'state', ARGV[3])
        if ARGV[4] == '1' then redis.call('LPUSH', KEYS[2], string.format('%d', id)) end
    end";
    let mut eval = redis::cmd("EVAL");
    eval.arg(script).arg(2).arg(key("t:")).arg(key("pending"));
    eval.arg(ids.start).arg(ids.end);
    eval.arg(state).arg(u8::from(in_list));
    eval.exec(&mut bench.redis).unwrap();
    let _: () = bench.redis.sadd("asynq:queues", "default").unwrap();
}

#[test]
fn more_tasks_than_anybody_holds_are_told_from_the_few_in_no_list() {
    need!("redis-server");
    let (mut bench, inspector) = empty();
    fill(&mut bench, 0..60_000, "pending", true);
    fill(&mut bench, 60_000..60_050, "pending", false);
    let found = all(&bench, &inspector, None);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].kind, found[0].count), (OrphanKind::Task, 50));
    assert!(!found[0].is_least);
    let cleared = inspector.clear_orphans("default", OrphanKind::Task, NOW);
    assert_eq!(bench.block_on(cleared).unwrap(), 50);
    assert_eq!(all(&bench, &inspector, None), []);
    let keys: u64 = redis::cmd("DBSIZE").query(&mut bench.redis).unwrap();
    assert_eq!(keys, 60_002, "no other task was touched");
}

#[test]
fn what_is_not_looked_at_is_told() {
    need!("redis-server");
    let (mut bench, inspector) = empty();
    fill(&mut bench, 0..3_000, "pending", true);
    fill(&mut bench, 3_000..3_200, "pending", false);
    fill(&mut bench, 3_200..5_200, "archived", false);
    for number in 0..12_000 {
        let _: () = bench
            .redis
            .lpush(key("active"), format!("a-{number}"))
            .unwrap();
    }
    // No limit: what is in doubt is looked for in whole lists, up to a number, and only so many active ones are compared.
    let found = bench.block_on(inspector.orphans(None, u64::MAX)).unwrap();
    let of = |found: &LeftOver, kind| -> (u64, bool) {
        let mut all = found.orphans.iter();
        let of_kind = all.find(|orphans| orphans.kind == kind).unwrap();
        (of_kind.count, of_kind.is_least)
    };
    assert_eq!(of(&found, OrphanKind::Task), (2_100, true));
    assert_eq!(of(&found, OrphanKind::Active), (10_000, true));
    let said: Vec<String> = found.unseen.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "queue default: the first 10000 active tasks were looked at",
            "queue default: of 100 tasks it is not known whether they are in a list",
        ]
    );
    // A limit: the rest of the keys and of the list.
    let found = bench.block_on(inspector.orphans(None, 1_000)).unwrap();
    let (count, is_least) = of(&found, OrphanKind::Task);
    assert!(is_least && count < 1_500, "{count}");
    for unseen in [
        Unseen::Keys {
            looked_at: 1_000,
            of: 5_203,
        },
        Unseen::Entries {
            queue: "default".into(),
            part: "pending",
            looked_at: 1_000,
        },
    ] {
        assert!(found.unseen.contains(&unseen), "{:?}", found.unseen);
    }
}
