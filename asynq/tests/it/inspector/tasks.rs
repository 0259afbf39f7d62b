//! What is changed about single tasks and queues.

use super::filled::{LOCK, filled, group, lock};
use crate::support::{Bench, NOW, Op, key, need};
use firedrill_asynq::inspector::InspectError;
use firedrill_asynq::op::{Reply, TaskState};
use redis::Commands;
use smallvec::smallvec;

#[test]
fn a_task_is_run_from_every_state_it_can_wait_in() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    for id in [
        "scheduled-1",
        "retry-1",
        "archived-1",
        "completed-1",
        "grouped-1",
    ] {
        assert_eq!(
            bench.block_on(inspector.run_task("default", id)),
            Ok(()),
            "{id}"
        );
        assert_eq!(bench.field(id, "state").as_deref(), Some("pending"), "{id}");
        assert_eq!(bench.field(id, "pending_since"), None, "quirk: no latency");
        assert_eq!(bench.list("pending")[0], id, "{id}");
    }
    assert_eq!(bench.set("g:g1").len(), 1);
    bench
        .block_on(inspector.run_task("default", "grouped-2"))
        .unwrap();
    let groups: Vec<String> = bench.redis.smembers(key("groups")).unwrap();
    assert_eq!(groups, [""; 0], "an empty group is none");
    let run = |id| bench.block_on(inspector.run_task("default", id));
    assert_eq!(run("pending-1"), Err(InspectError::AlreadyPending));
    assert_eq!(run("active-1"), Err(InspectError::Running));
    assert!(matches!(run("x"), Err(InspectError::TaskNotFound { .. })));
    // A worker takes what was run like anything else, after what waited longer.
    for expected in ["pending-1", "pending-2", "pending-3", "scheduled-1"] {
        let Ok(Reply::Dequeued(Some(message))) = bench.call(Op::Dequeue {
            queues: smallvec!["default".into()],
            lease_expires_s: NOW.secs() + 30,
        }) else {
            panic!("{expected}")
        };
        assert_eq!(message.id, expected);
    }
}

#[test]
fn a_task_is_archived_from_every_state_but_active() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    for id in [
        "pending-2",
        "scheduled-1",
        "retry-1",
        "completed-1",
        "grouped-1",
    ] {
        let archived = inspector.archive_task("default", id, NOW);
        assert_eq!(bench.block_on(archived), Ok(()), "{id}");
        assert_eq!(
            bench.field(id, "state").as_deref(),
            Some("archived"),
            "{id}"
        );
        assert!(
            bench.set("archived").contains(&(id.into(), NOW.secs())),
            "{id}"
        );
    }
    assert!(
        bench.field("pending-2", "pending_since").is_some(),
        "quirk: it stays"
    );
    let archive = |id| bench.block_on(inspector.archive_task("default", id, NOW));
    assert_eq!(archive("active-1"), Err(InspectError::ArchiveActive));
    assert!(matches!(
        archive("retry-1"),
        Err(InspectError::AlreadyArchived { .. })
    ));
}

#[test]
fn archiving_trims_and_leaks() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    let later = NOW.plus_millis(91 * 86_400_000);
    bench
        .block_on(inspector.archive_task("default", "pending-1", later))
        .unwrap();
    assert_eq!(bench.set("archived"), [("pending-1".into(), later.secs())]);
    assert_eq!(
        bench.field("archived-1", "state").as_deref(),
        Some("archived"),
        "quirk: the hash of what was trimmed stays"
    );
}

#[test]
fn deleting_a_task_releases_its_own_lock_only() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    lock(&mut bench.redis, "retry-1", "retry-1");
    bench
        .block_on(inspector.delete_task("default", "retry-1"))
        .unwrap();
    assert_eq!(bench.redis.exists(LOCK), Ok(false));
    lock(&mut bench.redis, "archived-1", "somebody else's");
    bench
        .block_on(inspector.delete_task("default", "archived-1"))
        .unwrap();
    assert_eq!(bench.redis.exists(LOCK), Ok(true));
    for id in [
        "pending-1",
        "scheduled-1",
        "completed-1",
        "grouped-1",
        "grouped-2",
    ] {
        assert_eq!(
            bench.block_on(inspector.delete_task("default", id)),
            Ok(()),
            "{id}"
        );
        assert_eq!(
            bench.redis.exists(key(&format!("t:{id}"))),
            Ok(false),
            "{id}"
        );
    }
    let info = bench
        .block_on(inspector.queue_info("default", NOW))
        .unwrap();
    assert_eq!((info.size(), info.groups, info.oddities), (4, 0, vec![]));
    assert_eq!(
        bench.block_on(inspector.delete_task("default", "active-1")),
        Err(InspectError::DeleteActive)
    );
}

#[test]
fn only_a_scheduled_tasks_payload_is_changed() {
    need!("redis-server");
    let (bench, inspector) = filled();
    let change = |id| bench.block_on(inspector.update_task_payload("default", id, b"new", NOW));
    assert_eq!(change("scheduled-1"), Ok(()));
    let info = bench
        .block_on(inspector.task_info("default", "scheduled-1", NOW))
        .unwrap();
    assert_eq!(
        (info.message.payload.as_slice(), info.state),
        (&b"new"[..], TaskState::Scheduled)
    );
    assert_eq!(change("retry-1"), Err(InspectError::NotScheduled));
    assert!(matches!(
        change("x"),
        Err(InspectError::TaskNotFound { .. })
    ));
}

#[test]
fn a_queue_is_paused_once_even_one_that_does_not_exist() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    for queue in ["default", "no-such-queue"] {
        assert_eq!(bench.block_on(inspector.pause_queue(queue, NOW)), Ok(()));
        let paused: i64 = bench
            .redis
            .get(format!("asynq:{{{queue}}}:paused"))
            .unwrap();
        assert_eq!(paused, NOW.secs());
        let again = bench.block_on(inspector.pause_queue(queue, NOW));
        assert_eq!(again, Err(InspectError::AlreadyPaused(queue.into())));
        assert_eq!(bench.block_on(inspector.unpause_queue(queue)), Ok(()));
        let again = bench.block_on(inspector.unpause_queue(queue));
        assert_eq!(again, Err(InspectError::NotPaused(queue.into())));
    }
}

#[test]
fn a_queue_is_removed_when_it_is_empty_or_by_force() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    let remove = |bench: &Bench, force| bench.block_on(inspector.delete_queue("default", force));
    assert_eq!(
        remove(&bench, false),
        Err(InspectError::QueueNotEmpty("default".into()))
    );
    assert_eq!(
        remove(&bench, true),
        Err(InspectError::QueueActive("default".into()))
    );
    let _: () = bench.redis.del(&[key("active"), key("lease")]).unwrap();
    assert_eq!(remove(&bench, true), Ok(()));
    assert_eq!(bench.redis.exists("asynq:queues"), Ok(false));
    for id in ["pending-1", "scheduled-1", "retry-1", "archived-1"] {
        assert_eq!(
            bench.redis.exists(key(&format!("t:{id}"))),
            Ok(false),
            "{id}"
        );
    }
    for id in ["completed-1", "grouped-1"] {
        assert_eq!(
            bench.redis.exists(key(&format!("t:{id}"))),
            Ok(true),
            "quirk: {id} stays"
        );
    }
    assert_eq!(
        remove(&bench, true),
        Err(InspectError::QueueNotFound("default".into()))
    );
    let _: () = bench.redis.sadd("asynq:queues", "default").unwrap();
    assert_eq!(
        remove(&bench, false),
        Ok(()),
        "quirk: completed tasks and groups do not count"
    );
}

#[test]
fn a_cancellation_is_published() {
    need!("redis-server");
    let (bench, inspector) = filled();
    assert_eq!(
        bench.block_on(inspector.cancel_processing("x")),
        Ok(0),
        "nobody listens"
    );
    let client = redis::Client::open(bench.server.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let mut listener = connection.as_pubsub();
    listener.subscribe("asynq:cancel").unwrap();
    assert_eq!(
        bench.block_on(inspector.cancel_processing("active-1")),
        Ok(1)
    );
    let payload: String = listener.get_message().unwrap().get_payload().unwrap();
    assert_eq!(payload, "active-1");
}

#[test]
fn groups_are_shown_by_name() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    group(&mut bench.redis, "other", "a");
    let groups = bench.block_on(inspector.groups("default")).unwrap().groups;
    let groups: Vec<_> = groups
        .iter()
        .map(|group| (group.group.as_str(), group.size))
        .collect();
    assert_eq!(groups, [("a", 1), ("g1", 2)]);
}
