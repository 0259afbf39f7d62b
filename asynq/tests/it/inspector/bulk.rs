//! What is changed about all tasks of a state.

use super::filled::{LOCK, empty, filled, lock};
use crate::conformance::state;
use crate::support::{Bench, NOW, Op, key, need, task};
use firedrill_asynq::broker::memory::MemoryBroker;
use firedrill_asynq::clock::Time;
use firedrill_asynq::inspector::{Change, Source};
use firedrill_asynq::keys::Queue;
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::{Deed, TaskState};
use redis::Commands;
use smallvec::smallvec;

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

/// Does the same on a Redis and on the model, and compares every key.
fn alike(
    what: Deed,
    from: (Source<'static>, TaskState),
    only: Option<&[&str]>,
    since: Option<Time>,
) -> Vec<String> {
    let (mut bench, inspector) = empty();
    let mut model: MemoryBroker<TaskMessage> = MemoryBroker::default();
    let later = NOW.plus_millis(60_000);
    let queue = || "default".to_owned();
    let take = || Op::Dequeue {
        queues: smallvec![queue()],
        lease_expires_s: NOW.secs() + 30,
    };
    let enqueue = |id: &str, now| Op::Enqueue {
        message: task(id),
        now,
    };
    let mut ops = vec![Op::RegisterQueue { queue: queue() }];
    for (id, now) in [
        ("r1", NOW),
        ("r2", later),
        ("a1", NOW),
        ("a2", later),
        ("c1", NOW),
    ] {
        ops.extend([enqueue(id, now), take()]);
        ops.push(match id.as_bytes()[0] {
            b'r' => Op::Retry {
                message: task(id),
                retry_at_s: now.secs() + 75,
                is_failure: true,
                now,
            },
            b'a' => Op::Archive {
                message: task(id),
                now,
            },
            _ => Op::MarkAsComplete {
                message: TaskMessage {
                    retention: 3_600,
                    ..task(id)
                },
                now,
            },
        });
    }
    for id in ["s1", "s2"] {
        ops.push(Op::Schedule {
            message: task(id),
            process_at_s: NOW.secs() + 3_725,
        });
    }
    for (id, now) in [("p1", NOW), ("p2", later), ("p3", later)] {
        let message = TaskMessage {
            unique_key: Queue("default").key(&format!("unique:t:{id}")),
            ..task(id)
        };
        ops.push(Op::EnqueueUnique {
            message,
            lock_ttl_s: 600,
            now,
        });
    }
    for op in ops {
        let answers = (bench.call(op.clone()), model.call(op));
        assert_eq!(answers.0, answers.1);
    }
    let ids: Option<Vec<String>> = only.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect());
    let change = Change {
        what,
        from: from.0,
        only: ids.as_deref(),
        since,
    };
    let now = NOW.plus_millis(120_000);
    let changed = bench.block_on(inspector.change_tasks("default", change, now));
    let changed = changed.unwrap();
    let is_chosen = |task: &TaskMessage| only.is_none_or(|ids| ids.contains(&task.id.as_str()));
    let chosen = only.map(|_| &is_chosen as &dyn Fn(&TaskMessage) -> bool);
    let modelled = model.change(&queue(), (what, from.1), chosen, since, now);
    assert_eq!(changed, modelled, "{what:?} {from:?}");
    let state = state::of_redis(&mut bench.redis);
    assert_eq!(
        state,
        state::of_memory(&mut model, &["default"]),
        "{what:?} {from:?}"
    );
    changed
}

#[test]
fn tasks_of_a_state_are_changed_on_redis_as_on_the_model() {
    need!("redis-server");
    let pending = (Source::Pending, TaskState::Pending);
    let scheduled = (Source::Scheduled, TaskState::Scheduled);
    let retry = (Source::Retry, TaskState::Retry);
    let archived = (Source::Archived, TaskState::Archived);
    let completed = (Source::Completed, TaskState::Completed);
    for (what, from, count) in [
        (Deed::Run, pending, 0),
        (Deed::Run, scheduled, 2),
        (Deed::Run, retry, 2),
        (Deed::Run, archived, 2),
        (Deed::Run, completed, 1),
        (Deed::Archive, pending, 3),
        (Deed::Archive, scheduled, 2),
        (Deed::Archive, retry, 2),
        (Deed::Archive, archived, 0),
        (Deed::Delete, pending, 3),
        (Deed::Delete, scheduled, 2),
        (Deed::Delete, retry, 2),
        (Deed::Delete, archived, 2),
        (Deed::Delete, completed, 1),
    ] {
        assert_eq!(
            alike(what, from, None, None).len(),
            count,
            "{what:?} {from:?}"
        );
    }
    for what in [Deed::Archive, Deed::Delete] {
        assert_eq!(alike(what, pending, Some(&["p2", "none"]), None), ["p2"]);
        assert_eq!(alike(what, pending, None, Some(NOW)), ["p1"]);
    }
    assert_eq!(alike(Deed::Run, retry, Some(&["r2"]), None), ["r2"]);
    assert_eq!(alike(Deed::Delete, archived, None, Some(NOW)), ["a1"]);
}

#[test]
fn orphans_are_given_back_without_their_locks() {
    need!("redis-server");
    let (mut bench, inspector) = empty();
    let mut model: MemoryBroker<TaskMessage> = MemoryBroker::default();
    for id in ["a", "b"] {
        let message = TaskMessage {
            unique_key: Queue("default").key(&format!("unique:t:{id}")),
            ..task(id)
        };
        for op in [
            Op::RegisterQueue {
                queue: "default".into(),
            },
            Op::EnqueueUnique {
                message,
                lock_ttl_s: 600,
                now: NOW,
            },
            Op::Dequeue {
                queues: smallvec!["default".to_owned()],
                lease_expires_s: NOW.secs() + 30,
            },
        ] {
            let answers = (bench.call(op.clone()), model.call(op));
            assert_eq!(answers.0, answers.1);
        }
    }
    let repair = |bench: &Bench| bench.block_on(inspector.repair_orphans("default", NOW));
    assert_eq!(repair(&bench), Ok(Vec::new()), "both have leases");
    assert_eq!(
        model.repair_orphans(&"default".to_owned(), NOW),
        Vec::<String>::new()
    );
    let _: () = bench.redis.del(key("lease")).unwrap();
    let mut repaired = repair(&bench).unwrap();
    repaired.sort();
    assert_eq!(repaired, ["a", "b"]);
    assert_eq!(bench.list("active"), Vec::<String>::new());
    let mut pending = bench.list("pending");
    pending.sort();
    assert_eq!(pending, ["a", "b"]);
    let locks: Vec<String> = bench.redis.keys("*unique*").unwrap();
    assert_eq!(locks, Vec::<String>::new());
    assert_eq!(bench.field("a", "state").as_deref(), Some("pending"));
}
