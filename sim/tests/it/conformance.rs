//! One suite, both brokers: the Lua scripts on a real Redis, and the model in memory that stands for them in virtual time.
//!
//! Each body tells what an operation does and leaves behind; `random` lays long random sequences side by side. What only
//! a Redis can do (refuse, forget its scripts, let keys expire) is in `broker`.

mod random;
mod state;

use crate::support::{Answer, Bench, NOW, Op, key, need, task};
use firedrill::asynq::message::{ServerInfo, TaskMessage};
use firedrill::asynq::op::{BrokerError, Delayed, QueueStats, Reply, ServerState, TaskState};
use firedrill::broker::memory::MemoryBroker;
use firedrill::clock::Time;
use firedrill::redis_server::Persistence;
use prost::Message;
use smallvec::smallvec;
use state::{Content, State};
use std::collections::{BTreeMap, BTreeSet};

/// The UTC day of [`NOW`].
const DAY: &str = "2030-03-17";

/// A broker that can be looked into.
trait Broker {
    fn call(&mut self, op: Op) -> Answer;

    /// Everything it holds.
    fn state(&mut self) -> State;

    fn list(&mut self, part: &str) -> Vec<String> {
        match self.state().remove(&key(part)) {
            Some(Content::List(members)) => members,
            None => Vec::new(),
            other => panic!("{part} is {other:?}"),
        }
    }

    fn set(&mut self, part: &str) -> Vec<(String, i64)> {
        match self.state().remove(&key(part)) {
            Some(Content::Sorted(members)) => members,
            None => Vec::new(),
            other => panic!("{part} is {other:?}"),
        }
    }

    fn number(&mut self, part: &str) -> Option<i64> {
        match self.state().remove(&key(part))? {
            Content::Text(text) => Some(String::from_utf8(text).unwrap().parse().unwrap()),
            other => panic!("{part} is {other:?}"),
        }
    }

    fn hash(&mut self, id: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        match self.state().remove(&key(&format!("t:{id}")))? {
            Content::Hash(fields) => Some(fields),
            other => panic!("{id} is {other:?}"),
        }
    }

    fn field(&mut self, id: &str, field: &str) -> Option<String> {
        let bytes = self.hash(id)?.remove(field)?;
        Some(String::from_utf8(bytes).unwrap())
    }

    fn stored(&mut self, id: &str) -> TaskMessage {
        let bytes = self.hash(id).unwrap().remove("msg").unwrap();
        TaskMessage::decode(&*bytes).unwrap()
    }

    fn enqueue(&mut self, id: &str) -> TaskMessage {
        let message = task(id);
        let op = Op::Enqueue {
            message: message.clone(),
            now: NOW,
        };
        assert_eq!(self.call(op), Ok(Reply::Enqueued(true)));
        message
    }

    fn dequeue(&mut self) -> Option<TaskMessage> {
        let op = Op::Dequeue {
            queues: smallvec!["default".into()],
            lease_expires_s: NOW.secs() + 30,
        };
        match self.call(op) {
            Ok(Reply::Dequeued(taken)) => taken,
            other => panic!("{other:?}"),
        }
    }

    /// Enqueues a task and takes it.
    fn active(&mut self, id: &str) -> TaskMessage {
        let message = self.enqueue(id);
        assert_eq!(self.dequeue().as_ref(), Some(&message));
        message
    }
}

struct OnRedis(Bench);

impl OnRedis {
    fn new() -> Self {
        Self(Bench::new(Persistence::None, 1.0))
    }

    /// With what a model holds.
    fn holding(mut model: MemoryBroker<TaskMessage>) -> Self {
        let mut broker = Self::new();
        let held = state::of_memory(&mut model, &["default"]);
        state::into_redis(&held, &mut broker.0.redis);
        assert_eq!(broker.state(), held);
        broker
    }
}

impl Broker for OnRedis {
    fn call(&mut self, op: Op) -> Answer {
        self.0.call(op)
    }

    fn state(&mut self) -> State {
        state::of_redis(&mut self.0.redis)
    }
}

#[derive(Default)]
struct InMemory(MemoryBroker<TaskMessage>);

impl InMemory {
    fn new() -> Self {
        Self::default()
    }

    fn holding(model: MemoryBroker<TaskMessage>) -> Self {
        Self(model)
    }
}

impl Broker for InMemory {
    fn call(&mut self, op: Op) -> Answer {
        self.0.call(op)
    }

    fn state(&mut self) -> State {
        state::of_memory(&mut self.0, &["default", "low"])
    }
}

/// Runs each body on both brokers. Those after the semicolon begin with what a model holds.
macro_rules! conformance {
    ($($body:ident),* ; $($body_of:ident($holding:ident)),* $(,)?) => {
        mod on_redis {
            use super::*;
            $(#[test] fn $body() { need!("redis-server"); super::$body(&mut OnRedis::new()); })*
            $(#[test] fn $body_of() {
                need!("redis-server");
                super::$body_of(&mut OnRedis::holding($holding()));
            })*
        }
        mod in_memory {
            use super::*;
            $(#[test] fn $body() { super::$body(&mut InMemory::new()); })*
            $(#[test] fn $body_of() { super::$body_of(&mut InMemory::holding($holding())); })*
        }
    };
}

conformance! {
    enqueue_dequeue_done,
    an_id_is_taken_until_its_task_is_gone,
    queues_are_tried_in_the_order_given,
    retry_counts_a_failure_or_does_not,
    requeue_puts_a_task_first_and_counts_nothing,
    what_is_not_in_progress_cannot_be_finished,
    forward_moves_what_is_due_a_hundred_at_a_time,
    leases_are_extended_and_listed,
    kept_tasks_are_completed_and_cleaned,
    the_archive_forgets_after_ninety_days,
    days_are_counted_apart,
    servers_come_and_go,
    stats_and_ids,
    tasks_are_conserved;
    the_archive_keeps_9999_of_10000(a_full_archive),
    a_task_can_be_the_one_the_archive_drops(a_full_archive_of_later_times),
}

fn enqueue_dequeue_done(broker: &mut impl Broker) {
    let register = Op::RegisterQueue {
        queue: "default".into(),
    };
    assert_eq!(broker.call(register), Ok(Reply::Done));
    assert_eq!(
        broker.call(Op::Queues),
        Ok(Reply::Names(vec!["default".into()]))
    );
    let first = broker.enqueue("a");
    broker.enqueue("b");
    assert_eq!(broker.list("pending"), ["b", "a"], "new ones at the left");
    assert_eq!(broker.field("a", "state").as_deref(), Some("pending"));
    assert_eq!(broker.field("a", "pending_since"), Some(NOW.0.to_string()));
    assert_eq!(broker.stored("a"), first);

    assert_eq!(broker.dequeue().as_ref(), Some(&first), "from the right");
    assert_eq!(
        (broker.list("active"), broker.set("lease")),
        (vec!["a".into()], vec![("a".into(), NOW.secs() + 30)])
    );
    assert_eq!(broker.field("a", "state").as_deref(), Some("active"));
    assert_eq!(broker.field("a", "pending_since"), None);
    broker.dequeue().unwrap();
    assert_eq!(broker.list("active"), ["b", "a"]);
    assert_eq!(broker.dequeue(), None, "nothing is left");

    let done = || Op::Done {
        message: first.clone(),
        now: NOW,
    };
    assert_eq!(broker.call(done()), Ok(Reply::Done));
    assert_eq!(
        (broker.list("active"), broker.hash("a")),
        (vec!["b".into()], None)
    );
    assert_eq!(
        (broker.number("processed"), broker.number("failed")),
        (Some(1), None)
    );
    assert_eq!(broker.number(&format!("processed:{DAY}")), Some(1));
    assert_eq!(broker.call(done()), Err(BrokerError::NotFound));
}

fn an_id_is_taken_until_its_task_is_gone(broker: &mut impl Broker) {
    let again = |broker: &mut dyn FnMut(Op) -> Answer| {
        let mut message = task("a");
        message.payload = b"another".to_vec();
        let scheduled = Op::Schedule {
            message: message.clone(),
            process_at_s: 5,
        };
        [broker(Op::Enqueue { message, now: NOW }), broker(scheduled)]
    };
    let refused = [Ok(Reply::Enqueued(false)), Ok(Reply::Enqueued(false))];
    broker.enqueue("a");
    assert_eq!(again(&mut |op| broker.call(op)), refused, "pending");
    let message = broker.dequeue().unwrap();
    assert_eq!(again(&mut |op| broker.call(op)), refused, "active");
    let retry = Op::Retry {
        message: message.clone(),
        retry_at_s: NOW.secs(),
        is_failure: true,
        now: NOW,
    };
    broker.call(retry).unwrap();
    let before = broker.state();
    assert_eq!(again(&mut |op| broker.call(op)), refused, "retry");
    assert_eq!(
        broker.state(),
        before,
        "a refusal leaves everything as it was"
    );
    // An id belongs to its queue.
    let mut elsewhere = task("a");
    elsewhere.queue = "low".into();
    let op = Op::Enqueue {
        message: elsewhere,
        now: NOW,
    };
    assert_eq!(broker.call(op), Ok(Reply::Enqueued(true)));
    let forward = Op::Forward {
        queue: "default".into(),
        from: Delayed::Retry,
        now: NOW,
    };
    broker.call(forward).unwrap();
    let message = broker.dequeue().unwrap();
    broker.call(Op::Done { message, now: NOW }).unwrap();
    broker.enqueue("a");
}

fn queues_are_tried_in_the_order_given(broker: &mut impl Broker) {
    broker.enqueue("a");
    let mut low = task("b");
    low.queue = "low".into();
    let op = Op::Enqueue {
        message: low.clone(),
        now: NOW,
    };
    broker.call(op).unwrap();
    let dequeue = || Op::Dequeue {
        queues: smallvec!["empty".into(), "low".into(), "default".into()],
        lease_expires_s: 77,
    };
    assert_eq!(broker.call(dequeue()), Ok(Reply::Dequeued(Some(low))));
    assert_eq!(broker.call(dequeue()), Ok(Reply::Dequeued(Some(task("a")))));
    assert_eq!(broker.call(dequeue()), Ok(Reply::Dequeued(None)));
}

fn retry_counts_a_failure_or_does_not(broker: &mut impl Broker) {
    for (id, is_failure) in [("a", true), ("b", false)] {
        let mut message = broker.active(id);
        message.retried += 1;
        let op = Op::Retry {
            message: message.clone(),
            retry_at_s: 1_900_000_099,
            is_failure,
            now: NOW,
        };
        assert_eq!(broker.call(op), Ok(Reply::Done));
        assert_eq!(broker.stored(id), message);
        assert_eq!(broker.field(id, "state").as_deref(), Some("retry"));
    }
    assert_eq!(
        broker.set("retry"),
        [("a".into(), 1_900_000_099), ("b".into(), 1_900_000_099)]
    );
    assert_eq!(
        (broker.number("processed"), broker.number("failed")),
        (Some(1), Some(1))
    );
    assert_eq!(broker.number(&format!("failed:{DAY}")), Some(1));
}

fn requeue_puts_a_task_first_and_counts_nothing(broker: &mut impl Broker) {
    let message = broker.active("a");
    broker.enqueue("b");
    assert_eq!(broker.call(Op::Requeue { message }), Ok(Reply::Done));
    assert_eq!(broker.list("pending"), ["b", "a"]);
    assert_eq!(
        (
            broker.field("a", "state").as_deref(),
            broker.field("a", "pending_since")
        ),
        (Some("pending"), None)
    );
    assert_eq!(broker.number("processed"), None);
}

fn what_is_not_in_progress_cannot_be_finished(broker: &mut impl Broker) {
    let finishing = |id: &str| {
        let message = task(id);
        let retry = Op::Retry {
            message: message.clone(),
            retry_at_s: 9,
            is_failure: true,
            now: NOW,
        };
        let of = |message: &TaskMessage| message.clone();
        [
            Op::Done {
                message: of(&message),
                now: NOW,
            },
            Op::MarkAsComplete {
                message: of(&message),
                now: NOW,
            },
            Op::Archive {
                message: of(&message),
                now: NOW,
            },
            retry,
            Op::Requeue { message },
        ]
    };
    broker.enqueue("pending");
    let before = broker.state();
    for id in ["pending", "unknown"] {
        for op in finishing(id) {
            assert_eq!(broker.call(op), Err(BrokerError::NotFound));
            assert_eq!(broker.state(), before);
        }
    }
}

fn forward_moves_what_is_due_a_hundred_at_a_time(broker: &mut impl Broker) {
    for n in 0..150 {
        let op = Op::Schedule {
            message: task(&format!("{n:03}")),
            process_at_s: NOW.secs() - n % 2,
        };
        assert_eq!(broker.call(op), Ok(Reply::Enqueued(true)));
    }
    let later = Op::Schedule {
        message: task("later"),
        process_at_s: NOW.secs() + 1,
    };
    broker.call(later).unwrap();
    assert_eq!(broker.field("000", "state").as_deref(), Some("scheduled"));
    let forward = |from| Op::Forward {
        queue: "default".into(),
        from,
        now: NOW,
    };
    let moved: Vec<_> = (0..3)
        .map(|_| broker.call(forward(Delayed::Scheduled)))
        .collect();
    assert_eq!(moved, [100, 50, 0].map(|count| Ok(Reply::Count(count))));
    assert_eq!(broker.call(forward(Delayed::Retry)), Ok(Reply::Count(0)));
    assert_eq!(broker.set("scheduled"), [("later".into(), NOW.secs() + 1)]);
    assert_eq!(
        broker.field("001", "pending_since"),
        Some(NOW.0.to_string())
    );
    // The earliest first, and by id among those of one second.
    let mut order = broker.list("pending");
    order.reverse();
    let odd = (0..150).filter(|n| n % 2 == 1);
    let expected: Vec<String> = odd
        .chain((0..150).filter(|n| n % 2 == 0))
        .map(|n| format!("{n:03}"))
        .collect();
    assert_eq!(order, expected);
}

fn leases_are_extended_and_listed(broker: &mut impl Broker) {
    let message = broker.active("a");
    let extend = |ids: &[&str], expires_s| Op::ExtendLease {
        queue: "default".into(),
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        expires_s,
    };
    assert_eq!(broker.call(extend(&["a", "gone"], 500)), Ok(Reply::Done));
    assert_eq!(
        broker.set("lease"),
        [("a".into(), 500)],
        "only what is there"
    );
    let Err(BrokerError::Refused(_)) = broker.call(extend(&[], 900)) else {
        panic!("ZADD wants at least one member")
    };
    let expired = |cutoff_s| Op::ListLeaseExpired {
        queue: "default".into(),
        cutoff_s,
    };
    assert_eq!(broker.call(expired(499)), Ok(Reply::Messages(vec![])));
    let second = broker.active("0");
    broker.call(extend(&["0"], 500)).unwrap();
    let third = broker.active("b");
    broker.call(extend(&["b"], 400)).unwrap();
    assert_eq!(
        broker.call(expired(500)),
        Ok(Reply::Messages(vec![third, second, message])),
        "by expiry, then by id"
    );
}

fn kept_tasks_are_completed_and_cleaned(broker: &mut impl Broker) {
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

fn the_archive_forgets_after_ninety_days(broker: &mut impl Broker) {
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

fn days_are_counted_apart(broker: &mut impl Broker) {
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

fn servers_come_and_go(broker: &mut impl Broker) {
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

fn stats_and_ids(broker: &mut impl Broker) {
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
    assert_eq!(broker.call(stats(NOW.plus_millis(-10))), expected(0.0));
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

/// Random operations: a task is always in exactly one state, or gone because it was done.
fn tasks_are_conserved(broker: &mut impl Broker) {
    use rand::RngExt;
    let mut dice = firedrill::rng::stream(1, "conservation");
    let (mut known, mut done) = (BTreeSet::new(), BTreeSet::new());
    let mut in_progress = Vec::new();
    for step in 0..600_i64 {
        let now = NOW.plus_millis(step * 1_000);
        match dice.random_range(0..8) {
            number @ 0..=2 => {
                let message = task(&step.to_string());
                known.insert(message.id.clone());
                let op = if number < 2 {
                    Op::Enqueue { message, now }
                } else {
                    Op::Schedule {
                        message,
                        process_at_s: now.secs() + dice.random_range(0..40),
                    }
                };
                broker.call(op).unwrap();
            }
            3 | 4 => in_progress.extend(broker.dequeue()),
            5 => {
                for from in [Delayed::Scheduled, Delayed::Retry] {
                    let queue = "default".into();
                    broker.call(Op::Forward { queue, from, now }).unwrap();
                }
            }
            _ if !in_progress.is_empty() => {
                let message = in_progress.swap_remove(dice.random_range(0..in_progress.len()));
                let op = match dice.random_range(0..4) {
                    0 => {
                        done.insert(message.id.clone());
                        Op::Done { message, now }
                    }
                    1 => Op::Retry {
                        message,
                        retry_at_s: now.secs() + 15,
                        is_failure: true,
                        now,
                    },
                    2 => Op::Archive { message, now },
                    _ => Op::Requeue { message },
                };
                broker.call(op).unwrap();
            }
            _ => {}
        }
        if step % 20 == 0 {
            let op = Op::ListIds {
                queue: "default".into(),
            };
            let Ok(Reply::Ids(ids)) = broker.call(op) else {
                panic!()
            };
            let found: Vec<String> = ids.into_iter().map(|(id, _)| id).collect();
            let distinct: BTreeSet<String> = found.iter().cloned().collect();
            assert_eq!(found.len(), distinct.len(), "two states at step {step}");
            assert_eq!(distinct, &known - &done, "at step {step}");
        }
    }
    assert!(done.len() > 10 && known.len() > 150);
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

fn a_full_archive() -> MemoryBroker<TaskMessage> {
    archive_of_9999(NOW.plus_millis(-100_000))
}

fn a_full_archive_of_later_times() -> MemoryBroker<TaskMessage> {
    archive_of_9999(NOW.plus_millis(1_000))
}

fn the_archive_keeps_9999_of_10000(broker: &mut impl Broker) {
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
fn a_task_can_be_the_one_the_archive_drops(broker: &mut impl Broker) {
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
    assert_eq!(broker.call(op), Ok(Reply::Enqueued(false)));
}
