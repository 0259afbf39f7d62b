//! Each operation's effects on a real Redis: keys, types, scores, fields, counters.

use crate::support::{Bench, NOW, Op, key, need, task};
use firedrill::asynq::message::ServerInfo;
use firedrill::asynq::op::{
    BrokerError, Delayed, InProgress, QueueStats, Reply, ServerState, TaskState,
};
use firedrill::redis_server::Persistence;
use prost::Message;
use redis::Commands;
use smallvec::smallvec;
use std::collections::{BTreeMap, BTreeSet};

fn bench() -> Bench {
    Bench::new(Persistence::None, 1.0)
}

/// The UTC day of [`NOW`].
const DAY: &str = "2030-03-17";

#[test]
fn enqueue_dequeue_done() {
    need!("redis-server");
    let mut bench = bench();
    assert_eq!(
        bench.call(Op::RegisterQueue {
            queue: "default".into()
        }),
        Ok(Reply::Done)
    );
    assert_eq!(
        bench.call(Op::Queues),
        Ok(Reply::Names(vec!["default".into()]))
    );
    let first = bench.enqueue("a");
    bench.enqueue("b");
    assert_eq!(bench.list("pending"), ["b", "a"], "new ones at the left");
    assert_eq!(bench.field("a", "state").as_deref(), Some("pending"));
    assert_eq!(bench.field("a", "pending_since"), Some(NOW.0.to_string()));
    let stored: Vec<u8> = bench.redis.hget(key("t:a"), "msg").unwrap();
    assert_eq!(stored, first.encode_to_vec());
    assert_eq!(
        bench.call(Op::Enqueue {
            message: task("a"),
            now: NOW
        }),
        Ok(Reply::Enqueued(false))
    );

    let dequeue = || Op::Dequeue {
        queues: smallvec!["empty".into(), "default".into()],
        lease_expires_s: 77,
    };
    assert_eq!(
        bench.call(dequeue()),
        Ok(Reply::Dequeued(Some(first.clone()))),
        "consumed from the right"
    );
    assert_eq!(
        (bench.list("active"), bench.set("lease")),
        (vec!["a".into()], vec![("a".into(), 77)])
    );
    assert_eq!(bench.field("a", "state").as_deref(), Some("active"));
    assert_eq!(bench.field("a", "pending_since"), None);

    assert_eq!(
        bench.call(Op::Done {
            message: first.clone(),
            now: NOW
        }),
        Ok(Reply::Done)
    );
    assert!(bench.list("active").is_empty() && bench.set("lease").is_empty());
    assert!(!bench.redis.exists::<_, bool>(key("t:a")).unwrap());
    assert_eq!(
        (bench.number("processed"), bench.number("failed")),
        (Some(1), None)
    );
    assert_eq!(bench.number(&format!("processed:{DAY}")), Some(1));
    let expiry: i64 = redis::cmd("EXPIRETIME")
        .arg(key(&format!("processed:{DAY}")))
        .query(&mut bench.redis)
        .unwrap();
    assert_eq!(expiry, NOW.secs() + 90 * 86_400);
    assert_eq!(
        bench.call(Op::Done {
            message: first,
            now: NOW
        }),
        Err(BrokerError::NotFound)
    );
}

#[test]
fn the_day_counter_gets_its_expiry_once() {
    need!("redis-server");
    let mut bench = bench();
    for (id, later_ms) in [("a", 0), ("b", 5_000)] {
        let message = bench.active(id);
        bench
            .call(Op::Done {
                message,
                now: NOW.plus_millis(later_ms),
            })
            .unwrap();
    }
    let expiry: i64 = redis::cmd("EXPIRETIME")
        .arg(key(&format!("processed:{DAY}")))
        .query(&mut bench.redis)
        .unwrap();
    assert_eq!(
        expiry,
        NOW.secs() + 90 * 86_400,
        "the second increment leaves it alone"
    );
}

#[test]
fn paused_and_ghostly_queues_give_nothing() {
    need!("redis-server");
    let mut bench = bench();
    bench.enqueue("a");
    let dequeue = || Op::Dequeue {
        queues: smallvec!["default".into()],
        lease_expires_s: 77,
    };
    let _: () = bench.redis.set(key("paused"), 1).unwrap();
    assert_eq!(bench.call(dequeue()), Ok(Reply::Dequeued(None)));
    let _: () = bench.redis.del(key("paused")).unwrap();
    let _: () = bench.redis.del(key("t:a")).unwrap();
    assert_eq!(bench.call(dequeue()), Ok(Reply::Dequeued(None)));
    // Quirk: the id without a hash is active and leased, and now has a hash with nothing but a state.
    assert_eq!(
        (bench.list("active"), bench.field("a", "state").as_deref()),
        (vec!["a".into()], Some("active"))
    );
    let expired = bench.call(Op::ListLeaseExpired {
        queue: "default".into(),
        cutoff_s: 77,
    });
    assert_eq!(expired, Ok(Reply::Messages(vec![])), "recovery skips it");
}

#[test]
fn retry_counts_a_failure_or_does_not() {
    need!("redis-server");
    let mut bench = bench();
    for (id, is_failure) in [("a", true), ("b", false)] {
        let mut message = bench.active(id);
        message.retried += 1;
        let op = Op::Retry {
            message: message.clone(),
            retry_at_s: 1_900_000_099,
            is_failure,
            now: NOW,
        };
        assert_eq!(bench.call(op), Ok(Reply::Done));
        let stored: Vec<u8> = bench.redis.hget(key(&format!("t:{id}")), "msg").unwrap();
        assert_eq!(stored, message.encode_to_vec());
        assert_eq!(bench.field(id, "state").as_deref(), Some("retry"));
    }
    assert_eq!(
        bench.set("retry"),
        [("a".into(), 1_900_000_099), ("b".into(), 1_900_000_099)]
    );
    assert_eq!(
        (bench.number("processed"), bench.number("failed")),
        (Some(1), Some(1))
    );
    assert_eq!(bench.number(&format!("failed:{DAY}")), Some(1));
}

#[test]
fn requeue_puts_a_task_first_and_counts_nothing() {
    need!("redis-server");
    let mut bench = bench();
    let message = bench.active("a");
    bench.enqueue("b");
    assert_eq!(bench.call(Op::Requeue { message }), Ok(Reply::Done));
    assert_eq!(bench.list("pending"), ["b", "a"]);
    assert_eq!(
        (
            bench.field("a", "state").as_deref(),
            bench.field("a", "pending_since")
        ),
        (Some("pending"), None)
    );
    assert_eq!(bench.number("processed"), None);
}

#[test]
fn a_lost_lease_takes_the_task_out_of_active_all_the_same() {
    need!("redis-server");
    let mut bench = bench();
    let message = bench.active("a");
    let _: () = bench.redis.del(key("lease")).unwrap();
    assert_eq!(
        bench.call(Op::Requeue { message }),
        Err(BrokerError::NotFound)
    );
    assert!(
        bench.list("active").is_empty(),
        "scripts are not rolled back"
    );
    assert_eq!(bench.field("a", "state").as_deref(), Some("active"));
}

#[test]
fn archive_keeps_9999_of_10000() {
    need!("redis-server");
    let mut bench = bench();
    let mut pipe = redis::pipe();
    for n in 0..10_000 {
        pipe.zadd(
            key("archived"),
            format!("old-{n:05}"),
            NOW.secs() - 100 + n / 1_000,
        )
        .ignore();
        pipe.hset(key(&format!("t:old-{n:05}")), "state", "archived")
            .ignore();
    }
    // One beyond the age limit.
    pipe.zadd(key("archived"), "ancient", NOW.secs() - 91 * 86_400)
        .ignore();
    let _: () = pipe.query(&mut bench.redis).unwrap();
    let message = bench.active("a");
    assert_eq!(
        bench.call(Op::Archive { message, now: NOW }),
        Ok(Reply::Done)
    );
    let archived = bench.set("archived");
    assert_eq!(archived.len(), 9_999);
    assert_eq!(archived.last(), Some(&("a".into(), NOW.secs())));
    assert!(!bench.redis.exists::<_, bool>(key("t:old-00000")).unwrap());
    assert_eq!(
        (bench.number("processed"), bench.number("failed")),
        (Some(1), Some(1))
    );
    assert_eq!(bench.field("a", "state").as_deref(), Some("archived"));
}

#[test]
fn forward_moves_what_is_due_a_hundred_at_a_time() {
    need!("redis-server");
    let mut bench = bench();
    for n in 0..150 {
        let op = Op::Schedule {
            message: task(&format!("{n:03}")),
            process_at_s: NOW.secs(),
        };
        assert_eq!(bench.call(op), Ok(Reply::Enqueued(true)));
    }
    bench
        .call(Op::Schedule {
            message: task("later"),
            process_at_s: NOW.secs() + 1,
        })
        .unwrap();
    let _: () = bench.redis.hset(key("t:000"), "group", "g1").unwrap();
    let forward = |from| Op::Forward {
        queue: "default".into(),
        from,
        now: NOW,
    };
    let moved: Vec<_> = (0..3)
        .map(|_| bench.call(forward(Delayed::Scheduled)))
        .collect();
    assert_eq!(
        moved,
        [
            Ok(Reply::Count(100)),
            Ok(Reply::Count(50)),
            Ok(Reply::Count(0))
        ]
    );
    assert_eq!(bench.call(forward(Delayed::Retry)), Ok(Reply::Count(0)));
    assert_eq!(bench.set("scheduled"), [("later".into(), NOW.secs() + 1)]);
    assert_eq!(bench.list("pending").len(), 149);
    assert_eq!(bench.field("001", "pending_since"), Some(NOW.0.to_string()));
    assert_eq!(
        bench.set("g:g1"),
        [("000".into(), NOW.secs())],
        "a task of a group goes back to it"
    );
    assert_eq!(bench.field("000", "state").as_deref(), Some("aggregating"));
}

#[test]
fn leases_are_extended_listed_and_blocked_by_one_bad_message() {
    need!("redis-server");
    let mut bench = bench();
    let message = bench.active("a");
    let ids = vec!["a".into(), "gone".into()];
    let extend = Op::ExtendLease {
        queue: "default".into(),
        ids,
        expires_s: 500,
    };
    assert_eq!(bench.call(extend), Ok(Reply::Done));
    assert_eq!(
        bench.set("lease"),
        [("a".into(), 500)],
        "only what is there"
    );
    let expired = |cutoff_s| Op::ListLeaseExpired {
        queue: "default".into(),
        cutoff_s,
    };
    assert_eq!(bench.call(expired(499)), Ok(Reply::Messages(vec![])));
    assert_eq!(bench.call(expired(500)), Ok(Reply::Messages(vec![message])));
    let _: () = bench.redis.zadd(key("lease"), "bad", 1).unwrap();
    let _: () = bench.redis.hset(key("t:bad"), "msg", b"\xff\xff").unwrap();
    let Err(BrokerError::Undecodable(bad)) = bench.call(expired(500)) else {
        panic!("quirk 5")
    };
    assert_eq!(bad.key, key("t:bad"));
}

#[test]
fn kept_tasks_are_completed_and_cleaned() {
    need!("redis-server");
    let mut bench = bench();
    let mut message = task("a");
    message.retention = 60;
    bench
        .call(Op::Enqueue {
            message: message.clone(),
            now: NOW,
        })
        .unwrap();
    bench
        .call(Op::Dequeue {
            queues: smallvec!["default".into()],
            lease_expires_s: 77,
        })
        .unwrap();
    assert_eq!(
        bench.call(Op::MarkAsComplete { message, now: NOW }),
        Ok(Reply::Done)
    );
    assert_eq!(bench.set("completed"), [("a".into(), NOW.secs() + 60)]);
    let clean = |now_s| Op::DeleteExpiredCompleted {
        queue: "default".into(),
        now_s,
    };
    assert_eq!(bench.call(clean(NOW.secs() + 59)), Ok(Reply::Count(0)));
    assert_eq!(bench.call(clean(NOW.secs() + 60)), Ok(Reply::Count(1)));
    assert!(!bench.redis.exists::<_, bool>(key("t:a")).unwrap());
}

#[test]
fn server_state_lives_a_virtual_ten_seconds() {
    need!("redis-server");
    let mut bench = Bench::new(Persistence::None, 10.0);
    let info = ServerInfo {
        host: "h".into(),
        pid: 1,
        server_id: "s".into(),
        ..ServerInfo::default()
    };
    let worker = InProgress {
        task: task("a"),
        started: NOW,
        deadline: NOW.plus_millis(1_800_000),
    };
    let op = Op::WriteServerState(Box::new(ServerState {
        info: info.clone(),
        workers: vec![worker],
        now: NOW,
        ttl_s: 10,
    }));
    assert_eq!(bench.call(op), Ok(Reply::Done));
    let ttl: i64 = bench.redis.pttl("asynq:servers:{h:1:s}").unwrap();
    assert!(
        (1..=1_000).contains(&ttl),
        "10 s at ten times the speed: {ttl} ms"
    );
    let ttl: i64 = bench.redis.pttl("asynq:workers:{h:1:s}").unwrap();
    assert!((1..=1_000).contains(&ttl), "{ttl} ms");
    let score: i64 = bench
        .redis
        .zscore("asynq:servers", "asynq:servers:{h:1:s}")
        .unwrap();
    assert_eq!(score, NOW.secs() + 10, "the index is in virtual time");
    assert_eq!(
        bench.call(Op::ClearServerState { info: info.into() }),
        Ok(Reply::Done)
    );
    assert_eq!(
        bench
            .redis
            .exists::<_, i64>(&["asynq:servers", "asynq:servers:{h:1:s}"])
            .unwrap(),
        0
    );
}

#[test]
fn stats_and_ids() {
    need!("redis-server");
    let mut bench = bench();
    bench.active("a");
    bench.enqueue("b");
    bench
        .call(Op::Schedule {
            message: task("c"),
            process_at_s: 1,
        })
        .unwrap();
    let _: () = bench.redis.set(key("paused"), 1).unwrap();
    let op = Op::QueueStats {
        queue: "default".into(),
        now: NOW.plus_millis(2_500),
    };
    let expected = QueueStats {
        pending: 1,
        active: 1,
        scheduled: 1,
        latency_seconds: 2.5,
        paused: true,
        ..QueueStats::default()
    };
    assert_eq!(bench.call(op), Ok(Reply::Stats(Box::new(expected))));
    let Ok(Reply::Ids(ids)) = bench.call(Op::ListIds {
        queue: "default".into(),
    }) else {
        panic!()
    };
    let expected = [
        ("a", TaskState::Active),
        ("b", TaskState::Pending),
        ("c", TaskState::Scheduled),
    ];
    assert_eq!(
        BTreeMap::from_iter(ids),
        BTreeMap::from(expected.map(|(id, state)| (id.to_owned(), state)))
    );
}

#[test]
fn forgotten_scripts_are_sent_again() {
    need!("redis-server");
    let mut bench = bench();
    bench.enqueue("a");
    let _: () = redis::cmd("SCRIPT")
        .arg("FLUSH")
        .query(&mut bench.redis)
        .unwrap();
    bench.enqueue("b");
    assert_eq!(bench.list("pending"), ["b", "a"]);
}

#[test]
fn what_redis_refuses_is_named() {
    need!("redis-server");
    let mut bench = bench();
    let _: () = bench.redis.set(key("pending"), "not a list").unwrap();
    let Err(BrokerError::Refused(text)) = bench.call(Op::Enqueue {
        message: task("a"),
        now: NOW,
    }) else {
        panic!()
    };
    assert!(
        text.starts_with("enqueue: ") && text.contains("WRONGTYPE"),
        "{text}"
    );
}

/// Random operations: a task is always in exactly one state, or gone because it was done.
#[test]
fn tasks_are_conserved() {
    need!("redis-server");
    use rand::RngExt;
    let bench = bench();
    let mut dice = firedrill::rng::stream(1, "conservation");
    let (mut known, mut done) = (BTreeSet::new(), BTreeSet::new());
    let mut in_progress = Vec::new();
    for step in 0..600_i64 {
        let now = NOW.plus_millis(step * 1_000);
        match dice.random_range(0..8) {
            0 | 1 => {
                let message = task(&step.to_string());
                known.insert(message.id.clone());
                bench.call(Op::Enqueue { message, now }).unwrap();
            }
            2 => {
                let message = task(&step.to_string());
                known.insert(message.id.clone());
                bench
                    .call(Op::Schedule {
                        message,
                        process_at_s: now.secs() + dice.random_range(0..40),
                    })
                    .unwrap();
            }
            3 | 4 => {
                let op = Op::Dequeue {
                    queues: smallvec!["default".into()],
                    lease_expires_s: now.secs() + 30,
                };
                if let Ok(Reply::Dequeued(Some(message))) = bench.call(op) {
                    in_progress.push(message);
                }
            }
            5 => {
                for from in [Delayed::Scheduled, Delayed::Retry] {
                    bench
                        .call(Op::Forward {
                            queue: "default".into(),
                            from,
                            now,
                        })
                        .unwrap();
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
                bench.call(op).unwrap();
            }
            _ => {}
        }
        if step % 20 == 0 {
            let Ok(Reply::Ids(ids)) = bench.call(Op::ListIds {
                queue: "default".into(),
            }) else {
                panic!()
            };
            let found: Vec<String> = ids.into_iter().map(|(id, _)| id).collect();
            let distinct: BTreeSet<String> = found.iter().cloned().collect();
            assert_eq!(
                found.len(),
                distinct.len(),
                "a task in two states at step {step}"
            );
            assert_eq!(distinct, &known - &done, "at step {step}");
        }
    }
    assert!(done.len() > 10 && known.len() > 150);
}
