//! One queue, served by Go and by us, while either is killed with SIGKILL.
//!
//! A lease lasts 30 s, its grace another 30 s, and a recoverer looks once a minute. The tests do not wait so long: they
//! rewrite the leases of the dead into the past, and begin with the first look of a server, which is at its start. The
//! last test waits in real time; the long run has it.

use super::peer::{Peer, behind, need_peers, time_of_day};
use super::worker::{Asks, OurWorker};
use crate::support::{Bench, Op, Persistence, key, skip_unless_long, task};
use crate::wait::{eventually, eventually_within};
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::{Accepted, Reply, TaskState};
use prost::Message;
use redis::Commands;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// Slots of either server.
const SLOTS: usize = 4;

/// A Redis with a Go worker and one of ours on `default`.
struct Yard {
    bench: Bench,
    go: Peer,
    ours: OurWorker,
}

impl Yard {
    fn new() -> Self {
        let bench = Bench::new(Persistence::None, 1.0);
        let queue = "default".into();
        bench.call(Op::RegisterQueue { queue }).unwrap();
        let go = go_worker(&bench);
        let ours = OurWorker::start(&bench.server.url());
        Self { bench, go, ours }
    }

    /// Enqueues tasks that ask the same of either side.
    fn enqueue(&self, asks_go: &str, asks_us: Asks, count: usize) -> BTreeSet<String> {
        let id = |number: usize| format!("task-{number}");
        for number in 0..count {
            let message = TaskMessage {
                r#type: asks_go.into(),
                payload: asks_us.payload().into_bytes(),
                ..task(&id(number))
            };
            let now = time_of_day();
            let answer = self.bench.call(Op::Enqueue { message, now });
            assert_eq!(answer, Ok(Reply::Enqueued(Accepted::New)));
        }
        (0..count).map(id).collect()
    }

    /// Fills the slots of both with tasks that never end, and gives the tasks that Go has, and those we have.
    fn fill(&mut self) -> (BTreeSet<String>, BTreeSet<String>) {
        let all = self.enqueue("hang", Asks::Hangs, 2 * SLOTS);
        eventually("both to be full", || {
            let full = self.go.count("started") == SLOTS && self.ours.started() == SLOTS;
            full.then_some(())
        });
        let ours = self.ours.ids_started();
        (all.difference(&ours).cloned().collect(), ours)
    }

    fn active(&mut self) -> BTreeSet<String> {
        self.bench.list("active").into_iter().collect()
    }

    /// Rewrites the leases of `ids` so that they ended a minute ago.
    fn age(&mut self, ids: &BTreeSet<String>) {
        let long_ago_s = time_of_day().secs() - 60;
        for id in ids {
            let _: () = self.bench.redis.zadd(key("lease"), id, long_ago_s).unwrap();
        }
    }

    fn message(&mut self, id: &str) -> TaskMessage {
        let bytes: Vec<u8> = self
            .bench
            .redis
            .hget(key(&format!("t:{id}")), "msg")
            .unwrap();
        TaskMessage::decode(&*bytes).unwrap()
    }

    /// Every one of `ids` has been recovered once: a retry is used up, for the reason asynq gives, and counted.
    fn assert_recovered(&mut self, ids: &BTreeSet<String>) {
        for id in ids {
            let message = self.message(id);
            assert_eq!(message.retried, 1, "{message:?}");
            assert_eq!(message.error_msg, "asynq: task lease expired");
        }
        for counter in ["processed", "failed"] {
            let count: usize = self.bench.redis.get(key(counter)).unwrap();
            assert_eq!(count, ids.len(), "{counter}");
        }
    }
}

fn go_worker(bench: &Bench) -> Peer {
    let mut go = Peer::start(&behind(bench, 0));
    let options = json!({
        "concurrency": SLOTS, "task_check_ms": 20, "delayed_check_ms": 50, "retry_delay_ms": 0, "shutdown_ms": 200,
    });
    go.ask("serve", options);
    go
}

#[test]
fn go_and_our_worker_share_a_queue() {
    need_peers!();
    let mut yard = Yard::new();
    let all = yard.enqueue("slow:100", Asks::Lasts, 40);
    eventually("the queue to be empty", || {
        let left: Vec<String> = yard.bench.redis.keys(key("t:*")).unwrap();
        left.is_empty().then_some(())
    });
    // Each has done some, both together all, and none was done twice.
    let ours = yard.ours.ids_started();
    assert!(ours.len() == yard.ours.started() && !ours.is_empty());
    let by_go = yard.go.count("started");
    assert!(by_go > 0);
    assert_eq!(by_go + ours.len(), all.len());
}

#[test]
fn what_our_killed_worker_left_is_recovered_by_go() {
    need_peers!();
    let mut yard = Yard::new();
    let (go_has, we_had) = yard.fill();
    yard.ours.kill();
    yard.age(&we_had);
    let mut heir = go_worker(&yard.bench);
    for id in &we_had {
        let started = heir.wait_for("started", id);
        assert_eq!(started["retried"], 1, "{started}");
    }
    yard.assert_recovered(&we_had);
    let all: BTreeSet<String> = go_has.union(&we_had).cloned().collect();
    assert_eq!(yard.active(), all, "the others were left alone");
}

#[test]
fn what_a_killed_go_worker_left_is_recovered_by_us() {
    need_peers!();
    let mut yard = Yard::new();
    let (go_had, we_have) = yard.fill();
    yard.go.kill();
    yard.age(&go_had);
    let mut heir = OurWorker::start(&yard.bench.server.url());
    for id in &go_had {
        assert_eq!(heir.wait_for_start(id), 1);
    }
    yard.assert_recovered(&go_had);
    let all: BTreeSet<String> = go_had.union(&we_have).cloned().collect();
    assert_eq!(yard.active(), all, "the others were left alone");
}

#[test]
fn what_has_no_retries_left_is_archived_by_either_heir() {
    need_peers!();
    for heir_is_go in [true, false] {
        let mut bench = Bench::new(Persistence::None, 1.0);
        let queue: String = "default".into();
        bench
            .call(Op::RegisterQueue {
                queue: queue.clone(),
            })
            .unwrap();
        let message = TaskMessage {
            retry: 0,
            ..task("a")
        };
        let now = time_of_day();
        bench.call(Op::Enqueue { message, now }).unwrap();
        // Whoever took it is gone without a trace.
        let op = Op::Dequeue {
            queues: std::iter::once(queue.clone()).collect(),
            lease_expires_s: now.secs() - 60,
        };
        bench.call(op).unwrap();
        let _heir = heir_is_go.then(|| go_worker(&bench));
        let _our_heir = (!heir_is_go).then(|| OurWorker::start(&bench.server.url()));
        let archived = vec![("a".to_owned(), TaskState::Archived)];
        eventually("the archive", || {
            let ids = bench.call(Op::ListIds {
                queue: queue.clone(),
            });
            (ids == Ok(Reply::Ids(archived.clone()))).then_some(())
        });
        let bytes: Vec<u8> = bench.redis.hget(key("t:a"), "msg").unwrap();
        let message = TaskMessage::decode(&*bytes).unwrap();
        assert_eq!(
            (message.retried, &*message.error_msg),
            (0, "asynq: task lease expired")
        );
    }
}

/// Lease, grace, a recoverer's pause, and a forwarder's.
const REAL_RECOVERY: Duration = Duration::from_secs(30 + 30 + 60 + 5 + 30);

#[test]
fn either_recovers_what_the_other_left_in_real_time() {
    need_peers!();
    skip_unless_long!();
    let by_go = std::thread::spawn(|| {
        let mut yard = Yard::new();
        let (_, we_had) = yard.fill();
        yard.ours.kill();
        eventually_within(REAL_RECOVERY, "Go to recover them", || {
            let recovered: usize = yard.bench.redis.get(key("failed")).unwrap_or(0);
            (recovered == we_had.len()).then_some(())
        });
        yard.assert_recovered(&we_had);
    });
    let mut yard = Yard::new();
    let (go_had, _) = yard.fill();
    yard.go.kill();
    eventually_within(REAL_RECOVERY, "us to recover them", || {
        let recovered: usize = yard.bench.redis.get(key("failed")).unwrap_or(0);
        (recovered == go_had.len()).then_some(())
    });
    yard.assert_recovered(&go_had);
    by_go.join().unwrap();
}
