//! What a broker keeps: finished tasks, counters, the servers there are; and what it tells of them.

use super::state::{Content, State};
use super::{Broker, DAY, InMemory};
use crate::support::{NOW, Op, task};
use firedrill_asynq::broker::memory::MemoryBroker;
use firedrill_asynq::clock::Time;
use firedrill_asynq::message::{ServerInfo, TaskMessage};
use firedrill_asynq::op::{Accepted, QueueStats, Reply, ServerState, TaskState};
use std::collections::BTreeMap;

pub(super) fn kept_tasks_are_completed_and_cleaned(broker: &mut impl Broker) {
    let mut message = broker.active("a");
    message.retention = 60;
    let complete = Op::MarkAsComplete {
        message: message.clone(),
        now: NOW,
    };
    assert_eq!(broker.call(complete), Ok(Reply::Done));
    assert_eq!(broker.set("completed"), [("a".into(), NOW.secs() + 60)]);
    message.completed_at = NOW.secs();
    assert_eq!(broker.stored("a"), message);
    assert_eq!(
        (broker.number("processed"), broker.number("failed")),
        (Some(1), None)
    );
    let clean = |now_s| Op::DeleteExpiredCompleted {
        queue: "default".into(),
        now_s,
    };
    assert_eq!(broker.call(clean(NOW.secs() + 59)), Ok(Reply::Count(0)));
    assert_eq!(broker.call(clean(NOW.secs() + 60)), Ok(Reply::Count(1)));
    assert_eq!((broker.hash("a"), broker.set("completed")), (None, vec![]));
}

pub(super) fn the_archive_forgets_after_ninety_days(broker: &mut impl Broker) {
    let days = |count: i64| NOW.plus_millis(count * 86_400_000);
    for (id, at) in [("a", days(0)), ("b", days(1)), ("c", days(90))] {
        let message = broker.active(id);
        let op = Op::Archive { message, now: at };
        assert_eq!(broker.call(op), Ok(Reply::Done));
    }
    assert_eq!(
        broker.set("archived"),
        [("b".into(), days(1).secs()), ("c".into(), days(90).secs())],
        "exactly ninety days are over"
    );
    assert_eq!(broker.hash("a"), None);
    assert_eq!(broker.field("c", "state").as_deref(), Some("archived"));
    assert_eq!(
        (broker.number("processed"), broker.number("failed")),
        (Some(3), Some(3))
    );
}

pub(super) fn days_are_counted_apart(broker: &mut impl Broker) {
    // NOW is 17:46:40.5; the last millisecond of the day, the first of the next, and the day before again.
    let last = NOW.plus_millis((6 * 3_600 + 13 * 60 + 19) * 1_000 + 499);
    for (id, now) in [("a", last), ("b", last.plus_millis(1)), ("c", NOW)] {
        let message = broker.active(id);
        broker.call(Op::Done { message, now }).unwrap();
    }
    assert_eq!(broker.number("processed"), Some(3));
    assert_eq!(broker.number(&format!("processed:{DAY}")), Some(2));
    assert_eq!(broker.number("processed:2030-03-18"), Some(1));
}

pub(super) fn servers_come_and_go(broker: &mut impl Broker) {
    let info = ServerInfo {
        host: "h".into(),
        pid: 1,
        server_id: "s".into(),
        ..ServerInfo::default()
    };
    for at in [NOW, NOW.plus_millis(5_000)] {
        let op = Op::WriteServerState(Box::new(ServerState {
            info: info.clone(),
            workers: vec![],
            now: at,
            ttl_s: 10,
        }));
        assert_eq!(broker.call(op), Ok(Reply::Done));
    }
    let listed = |name: &str| Content::Sorted(vec![(name.into(), NOW.secs() + 15)]);
    let expected = [
        ("asynq:servers", "asynq:servers:{h:1:s}"),
        ("asynq:workers", "asynq:workers:{h:1:s}"),
    ]
    .map(|(index, name)| (index.to_owned(), listed(name)));
    assert_eq!(broker.state(), BTreeMap::from(expected));
    let op = Op::ClearServerState { info: info.into() };
    assert_eq!(broker.call(op.clone()), Ok(Reply::Done));
    assert_eq!(broker.call(op), Ok(Reply::Done), "twice is no error");
    assert_eq!(broker.state(), State::new());
}

pub(super) fn stats_and_ids(broker: &mut impl Broker) {
    broker.active("a");
    broker.enqueue("b");
    let scheduled = Op::Schedule {
        message: task("c"),
        process_at_s: 1,
    };
    broker.call(scheduled).unwrap();
    let stats = |now: Time| Op::QueueStats {
        queue: "default".into(),
        now,
    };
    let expected = |latency_seconds| {
        Ok(Reply::Stats(Box::new(QueueStats {
            pending: 1,
            active: 1,
            scheduled: 1,
            latency_seconds,
            ..QueueStats::default()
        })))
    };
    assert_eq!(broker.call(stats(NOW.plus_millis(2_500))), expected(2.5));
    // As asynq's own collector has it when clocks differ.
    assert_eq!(broker.call(stats(NOW.plus_millis(-10))), expected(-0.01));
    let op = Op::ListIds {
        queue: "default".into(),
    };
    let expected = [
        ("b", TaskState::Pending),
        ("a", TaskState::Active),
        ("c", TaskState::Scheduled),
    ];
    let expected = expected.map(|(id, state)| (id.to_owned(), state));
    assert_eq!(broker.call(op), Ok(Reply::Ids(expected.into())));
}

/// One task short of what is too many, archived at `first` and in the seconds after it.
fn archive_of_9999(first: Time) -> MemoryBroker<TaskMessage> {
    let mut model = InMemory::new();
    for n in 0..9_999 {
        let message = model.active(&format!("old-{n:04}"));
        let now = first.plus_millis(n / 1_000 * 1_000);
        model.call(Op::Archive { message, now }).unwrap();
    }
    model.0
}

pub(super) fn a_full_archive() -> MemoryBroker<TaskMessage> {
    archive_of_9999(NOW.plus_millis(-100_000))
}

pub(super) fn a_full_archive_of_later_times() -> MemoryBroker<TaskMessage> {
    archive_of_9999(NOW.plus_millis(1_000))
}

pub(super) fn the_archive_keeps_9999_of_10000(broker: &mut impl Broker) {
    assert_eq!(broker.set("archived").len(), 9_999);
    let message = broker.active("a");
    assert_eq!(
        broker.call(Op::Archive { message, now: NOW }),
        Ok(Reply::Done)
    );
    let archived = broker.set("archived");
    assert_eq!(archived.len(), 9_999);
    assert_eq!(archived.last(), Some(&("a".into(), NOW.secs())));
    assert_eq!(archived[0].0, "old-0001");
    assert_eq!(broker.hash("old-0000"), None);
    assert_eq!(broker.field("a", "state").as_deref(), Some("archived"));
    assert_eq!(
        (broker.number("processed"), broker.number("failed")),
        (Some(10_000), Some(10_000))
    );
}

/// Quirk: its hash is written after the trim, and stays for ever in no state at all.
pub(super) fn a_task_can_be_the_one_the_archive_drops(broker: &mut impl Broker) {
    let message = broker.active("a");
    let op = Op::Archive {
        message: message.clone(),
        now: NOW,
    };
    assert_eq!(broker.call(op), Ok(Reply::Done));
    let archived = broker.set("archived");
    assert_eq!(archived.len(), 9_999);
    assert!(archived.iter().all(|(id, _)| id != "a"));
    assert_eq!(broker.stored("a"), message);
    let op = Op::Enqueue { message, now: NOW };
    assert_eq!(broker.call(op), Ok(Reply::Enqueued(Accepted::IdConflict)));
}
