//! How tasks pass through a queue: into it, to a worker, back or out.

use super::{Broker, DAY};
use crate::support::{Answer, NOW, Op, task};
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::{Accepted, BrokerError, Delayed, Reply};
use smallvec::smallvec;
use std::collections::BTreeSet;

pub(super) fn enqueue_dequeue_done(broker: &mut impl Broker) {
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

pub(super) fn an_id_is_taken_until_its_task_is_gone(broker: &mut impl Broker) {
    let again = |broker: &mut dyn FnMut(Op) -> Answer| {
        let mut message = task("a");
        message.payload = b"another".to_vec();
        let scheduled = Op::Schedule {
            message: message.clone(),
            process_at_s: 5,
        };
        [broker(Op::Enqueue { message, now: NOW }), broker(scheduled)]
    };
    let refused = [
        Ok(Reply::Enqueued(Accepted::IdConflict)),
        Ok(Reply::Enqueued(Accepted::IdConflict)),
    ];
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
    assert_eq!(broker.call(op), Ok(Reply::Enqueued(Accepted::New)));
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

pub(super) fn queues_are_tried_in_the_order_given(broker: &mut impl Broker) {
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

pub(super) fn retry_counts_a_failure_or_does_not(broker: &mut impl Broker) {
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

pub(super) fn requeue_puts_a_task_first_and_counts_nothing(broker: &mut impl Broker) {
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

pub(super) fn what_is_not_in_progress_cannot_be_finished(broker: &mut impl Broker) {
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

pub(super) fn forward_moves_what_is_due_a_hundred_at_a_time(broker: &mut impl Broker) {
    for n in 0..150 {
        let op = Op::Schedule {
            message: task(&format!("{n:03}")),
            process_at_s: NOW.secs() - n % 2,
        };
        assert_eq!(broker.call(op), Ok(Reply::Enqueued(Accepted::New)));
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

pub(super) fn leases_are_extended_and_listed(broker: &mut impl Broker) {
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

/// Random operations: a task is always in exactly one state, or gone because it was done.
pub(super) fn tasks_are_conserved(broker: &mut impl Broker) {
    use rand::RngExt;
    let mut dice = firedrill_asynq::rng::stream(1, "conservation");
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
