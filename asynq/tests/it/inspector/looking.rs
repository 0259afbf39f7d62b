//! What is shown of queues and tasks.

use super::filled::{everything, filled, serve};
use crate::support::{Bench, NOW, key, need};
use firedrill_asynq::inspector::{InspectError, Inspector, Page};
use firedrill_asynq::op::TaskState;
use proptest::prelude::*;
use redis::Commands;

fn ids(bench: &Bench, inspector: &Inspector, state: TaskState, page: Page) -> Vec<String> {
    let group = if state == TaskState::Aggregating {
        "g1"
    } else {
        ""
    };
    let list = inspector.list_tasks("default", state, group, page, NOW);
    let list = bench.block_on(list).unwrap();
    assert_eq!(list.oddities, []);
    list.tasks.into_iter().map(|task| task.message.id).collect()
}

#[test]
fn a_queues_numbers() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    let later = NOW.plus_millis(2_500);
    let info = bench
        .block_on(inspector.queue_info("default", later))
        .unwrap();
    assert_eq!(
        TaskState::ALL.map(|state| info.count(state)),
        [1, 3, 2, 1, 1, 1, 2]
    );
    assert_eq!((info.size(), info.groups, info.paused), (11, 1, false));
    assert_eq!((info.processed, info.failed), (3, 2), "today");
    assert_eq!((info.processed_total, info.failed_total), (3, 2), "in all");
    assert_eq!(info.latency_ns, 2_500_000_000, "of the oldest pending task");
    assert_eq!(info.oddities, []);
    // Eleven hashes of some hundred bytes each, and the lists and sets.
    let sampled: u64 = (1..=3)
        .map(|number| -> u64 {
            let key = key(&format!("t:pending-{number}"));
            redis::cmd("MEMORY")
                .arg("USAGE")
                .arg(key)
                .query(&mut bench.redis)
                .unwrap()
        })
        .sum();
    assert!(
        info.memory_bytes > sampled,
        "{} {sampled}",
        info.memory_bytes
    );
    let yesterday = NOW.plus_millis(86_400_000);
    let info = bench
        .block_on(inspector.queue_info("default", yesterday))
        .unwrap();
    assert_eq!(
        (info.processed, info.processed_total),
        (0, 3),
        "another day"
    );
}

#[test]
fn history_goes_back_day_by_day() {
    need!("redis-server");
    let (bench, inspector) = filled();
    let tomorrow = NOW.plus_millis(86_400_000);
    let days = bench
        .block_on(inspector.history("default", 3, tomorrow))
        .unwrap();
    let counts: Vec<_> = days.iter().map(|day| (day.processed, day.failed)).collect();
    assert_eq!(counts, [(0, 0), (3, 2), (0, 0)]);
    assert_eq!(days[2].at, NOW.plus_millis(-86_400_000));
    let none = bench.block_on(inspector.history("default", 0, NOW));
    assert_eq!(none, Err(InspectError::NoDays));
}

#[test]
fn tasks_are_listed_oldest_or_first_due_first_in_pages() {
    need!("redis-server");
    let (bench, inspector) = filled();
    let of = |state, number, size| ids(&bench, &inspector, state, Page { number, size });
    assert_eq!(
        of(TaskState::Pending, 1, 30),
        ["pending-1", "pending-2", "pending-3"]
    );
    assert_eq!(of(TaskState::Pending, 1, 2), ["pending-1", "pending-2"]);
    assert_eq!(of(TaskState::Pending, 2, 2), ["pending-3"]);
    assert_eq!(of(TaskState::Pending, 3, 2), [""; 0]);
    assert_eq!(
        of(TaskState::Pending, 1, 0).len(),
        3,
        "quirk: size 0 is all"
    );
    assert_eq!(of(TaskState::Scheduled, 2, 1), ["scheduled-2"]);
    assert_eq!(
        of(TaskState::Scheduled, 1, 0).len(),
        2,
        "quirk: size 0 is all"
    );
    for (state, id) in [
        (TaskState::Active, "active-1"),
        (TaskState::Retry, "retry-1"),
        (TaskState::Archived, "archived-1"),
        (TaskState::Completed, "completed-1"),
    ] {
        assert_eq!(of(state, 1, 30), [id]);
    }
    assert_eq!(
        of(TaskState::Aggregating, 1, 30),
        ["grouped-1", "grouped-2"]
    );
}

#[test]
fn a_task_with_what_redis_knows_beside_its_message() {
    need!("redis-server");
    let (bench, inspector) = filled();
    let of = |id, now| {
        bench
            .block_on(inspector.task_info("default", id, now))
            .unwrap()
    };
    let retry = of("retry-1", NOW);
    assert_eq!(retry.state, TaskState::Retry);
    assert_eq!(retry.next_process_at_s, Some(NOW.secs() + 75));
    assert_eq!((retry.message.retried, retry.message.retry), (1, 25));
    assert_eq!(
        of("pending-1", NOW).next_process_at_s,
        Some(NOW.secs()),
        "now"
    );
    assert_eq!(of("archived-1", NOW).next_process_at_s, None);
    assert_eq!(of("completed-1", NOW).result, b"42 sent");
    assert!(!of("active-1", NOW).orphaned);
    assert!(
        of("active-1", NOW.plus_millis(30_000)).orphaned,
        "its lease is over"
    );
    let listed = inspector.list_tasks(
        "default",
        TaskState::Active,
        "",
        Page::default(),
        NOW.plus_millis(30_000),
    );
    assert!(bench.block_on(listed).unwrap().tasks[0].orphaned);
    let missing = bench.block_on(inspector.task_info("default", "x", NOW));
    assert_eq!(
        missing.unwrap_err().to_string(),
        "cannot find task with id=x in queue \"default\""
    );
}

#[test]
fn a_task_is_found_without_its_queue() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    let _: () = bench.redis.sadd("asynq:queues", "low").unwrap();
    let _: () = bench
        .redis
        .hset("asynq:{low}:t:retry-1", "state", "archived")
        .unwrap();
    let found = bench.block_on(inspector.find_task("retry-1")).unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|found| (found.queue.as_str(), found.state.as_str()))
        .collect();
    assert_eq!(found, [("default", "retry"), ("low", "archived")]);
    let grouped = bench.block_on(inspector.find_task("grouped-1")).unwrap();
    assert_eq!(grouped[0].group.as_deref(), Some("g1"));
    assert_eq!(bench.block_on(inspector.find_task("x")), Ok(vec![]));
}

#[test]
fn only_published_queues_exist() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    let _: () = bench.redis.del("asynq:queues").unwrap();
    let unknown = InspectError::QueueNotFound("default".into());
    let info = bench.block_on(inspector.queue_info("default", NOW));
    assert_eq!(info, Err(unknown.clone()));
    let list = inspector.list_tasks("default", TaskState::Pending, "", Page::default(), NOW);
    assert_eq!(bench.block_on(list), Err(unknown.clone()));
    assert_eq!(
        bench.block_on(inspector.run_task("default", "retry-1")),
        Err(unknown)
    );
    let groups = bench.block_on(inspector.groups("default")).unwrap();
    assert_eq!(
        groups.groups[0].size, 2,
        "quirk: groups are shown all the same"
    );
    assert_eq!(
        bench.block_on(inspector.queue_info(" ", NOW)),
        Err(InspectError::BlankQueue)
    );
}

/// Something that only looks.
#[derive(Debug, Clone)]
enum Look {
    Queues,
    Info(String),
    History(String),
    Task(String, String),
    Find(String),
    List(String, TaskState, u32, u32),
    Groups(String),
    Servers,
    Entries,
    Events(String),
    Length(String),
}

fn look() -> impl Strategy<Value = Look> {
    let queue = prop::sample::select(vec!["default", "low", "odd", "", "no such queue"]);
    let id = prop::sample::select(vec![
        "pending-1",
        "retry-1",
        "ghost",
        "bad",
        "text",
        "grouped-1",
        "",
    ]);
    let state = prop::sample::select(TaskState::ALL.to_vec());
    let queue = queue.prop_map(str::to_owned);
    let id = id.prop_map(str::to_owned);
    prop_oneof![
        Just(Look::Queues),
        queue.clone().prop_map(Look::Info),
        queue.clone().prop_map(Look::History),
        (queue.clone(), id.clone()).prop_map(|(queue, id)| Look::Task(queue, id)),
        id.prop_map(Look::Find),
        (queue.clone(), state, 0_u32..4, 0_u32..4)
            .prop_map(|(queue, state, number, size)| Look::List(queue, state, number, size)),
        queue.clone().prop_map(Look::Groups),
        Just(Look::Servers),
        Just(Look::Entries),
        queue.clone().prop_map(Look::Events),
        queue.prop_map(|queue| Look::Length(format!("asynq:{{{queue}}}:pending"))),
    ]
}

async fn carry_out(inspector: &Inspector, look: Look, ahead_s: i64) {
    use firedrill_asynq::inspector::KeyType;
    let now = NOW.plus_millis(ahead_s * 1_000);
    match look {
        Look::Queues => drop(inspector.queues().await),
        Look::Info(queue) => drop(inspector.queue_info(&queue, now).await),
        Look::History(queue) => drop(inspector.history(&queue, 9, now).await),
        Look::Task(queue, id) => drop(inspector.task_info(&queue, &id, now).await),
        Look::Find(id) => drop(inspector.find_task(&id).await),
        Look::List(queue, state, number, size) => {
            let page = Page { number, size };
            drop(inspector.list_tasks(&queue, state, "g1", page, now).await);
        }
        Look::Groups(queue) => drop(inspector.groups(&queue).await),
        Look::Servers => drop(inspector.servers(now).await),
        Look::Entries => drop(inspector.scheduler_entries(now).await),
        Look::Events(entry) => drop(inspector.scheduler_events(&entry, Page::default()).await),
        Look::Length(key) => drop(inspector.key_length(&key, KeyType::List).await),
    }
}

#[test]
fn looking_changes_no_key() {
    need!("redis-server");
    let (mut bench, inspector) = filled();
    super::filled::spoil(&mut bench.redis);
    serve(&bench, "h1", "sid");
    // An index that asynq's own listings would prune, and time moves on beyond every expiry.
    for index in ["asynq:servers", "asynq:workers", "asynq:schedulers"] {
        let _: () = bench.redis.zadd(index, "asynq:gone:{x}", 1).unwrap();
    }
    // The server's own keys would expire in the middle of the test.
    for name in ["asynq:servers:{h1:42:sid}", "asynq:workers:{h1:42:sid}"] {
        let _: () = bench.redis.persist(name).unwrap();
    }
    let before = everything(&mut bench.redis);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(300));
    runner
        .run(&(look(), 0_i64..100), |(look, ahead_s)| {
            bench.block_on(carry_out(&inspector, look, ahead_s));
            Ok(())
        })
        .unwrap();
    assert_eq!(everything(&mut bench.redis), before);
}
