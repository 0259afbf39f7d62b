//! What only a real Redis does: keys expire, scripts are forgotten, people change its data by hand, commands are refused.
//! What every broker does is in `conformance`.

use crate::support::Persistence;
use crate::support::{Bench, NOW, Op, key, need, task};
use firedrill_asynq::message::ServerInfo;
use firedrill_asynq::op::{
    BrokerError, Delayed, DequeueBatch, Finished, InProgress, QueueStats, Reply, ServerState,
};
use redis::Commands;
use smallvec::smallvec;

fn bench() -> Bench {
    Bench::new(Persistence::None, 1.0)
}

/// The UTC day of [`NOW`].
const DAY: &str = "2030-03-17";

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

fn take_all() -> Op {
    Op::DequeueBatch(Box::new(DequeueBatch {
        queues: smallvec!["default".into()],
        max: 9,
        lease_expires_s: 77,
    }))
}

fn done_all(ids: &[&str]) -> Op {
    let finished = |id: &&str| Finished {
        message: task(id),
        younger: 0,
    };
    Op::DoneBatch {
        tasks: ids.iter().map(finished).collect(),
        now: NOW,
    }
}

#[test]
fn what_nobody_can_work_on_keeps_no_batch_from_the_others() {
    need!("redis-server");
    let mut bench = bench();
    for id in ["ghost", "a", "string", "garbled", "b"] {
        bench.enqueue(id);
    }
    let _: () = bench.redis.del(key("t:ghost")).unwrap();
    let _: () = bench.redis.set(key("t:string"), 1).unwrap();
    let _: () = bench.redis.hset(key("t:garbled"), "msg", "?").unwrap();
    let Ok(Reply::DequeuedBatch(taken)) = bench.call(take_all()) else {
        panic!("tasks are there")
    };
    let told: Vec<String> = taken
        .iter()
        .map(|one| match one {
            Ok(message) => message.id.clone(),
            Err(error) => error.to_string(),
        })
        .collect();
    let [a, garbled, b, string] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!([a, b], ["a", "b"]);
    assert!(garbled.starts_with("undecodable message in asynq:{default}:t:garbled: "));
    assert!(string.starts_with("redis error: dequeue_batch: WRONGTYPE "));
    // As with a single task: all of them are active, and what cannot be written has no lease.
    assert_eq!(
        bench.list("active"),
        ["b", "garbled", "string", "a", "ghost"]
    );
    let leased: Vec<String> = bench.set("lease").into_iter().map(|(id, _)| id).collect();
    assert_eq!(leased, ["a", "b", "garbled", "ghost"]);
}

#[test]
fn a_batch_that_redis_refuses_loses_nothing() {
    need!("redis-server");
    let mut bench = bench();
    bench.enqueue("a");
    bench.enqueue("b");
    let _: () = bench.redis.set(key("active"), "no list").unwrap();
    let refused = bench.call(take_all());
    assert!(
        matches!(refused, Err(BrokerError::Refused(_))),
        "{refused:?}"
    );
    assert_eq!(bench.list("pending"), ["b", "a"]);
    let _: () = bench.redis.del(key("active")).unwrap();
    let Ok(Reply::DequeuedBatch(taken)) = bench.call(take_all()) else {
        panic!("tasks are there")
    };
    assert_eq!(taken, [Ok(task("a")), Ok(task("b"))]);
    // The calls of other queues are not concerned.
    let _: () = bench.redis.set(key("processed"), "no number").unwrap();
    let Ok(Reply::DoneBatch(answers)) = bench.call(done_all(&["a", "b"])) else {
        panic!("each task has an answer")
    };
    let all_refused =
        |answer: &Result<(), BrokerError>| matches!(answer, Err(BrokerError::Refused(_)));
    assert!(
        answers.len() == 2 && answers.iter().all(all_refused),
        "{answers:?}"
    );
}

#[test]
fn the_counter_starts_anew_in_the_middle_of_a_batch() {
    need!("redis-server");
    let mut bench = bench();
    let ids = ["a", "b", "c", "d"];
    for id in ids {
        bench.enqueue(id);
    }
    bench.call(take_all()).unwrap();
    let _: () = bench.redis.set(key("processed"), i64::MAX - 1).unwrap();
    assert_eq!(
        bench.call(done_all(&ids)),
        Ok(Reply::DoneBatch(vec![Ok(()); 4]))
    );
    let processed: i64 = bench.redis.get(key("processed")).unwrap();
    assert_eq!(processed, 3, "the largest, 1, 2, 3, as one after the other");
    let expiry: i64 = redis::cmd("EXPIRETIME")
        .arg(key(&format!("processed:{DAY}")))
        .query(&mut bench.redis)
        .unwrap();
    assert_eq!(expiry, NOW.secs() + 90 * 86_400);
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
fn a_task_of_a_group_goes_back_to_it() {
    need!("redis-server");
    let mut bench = bench();
    let op = Op::Schedule {
        message: task("a"),
        process_at_s: NOW.secs(),
    };
    bench.call(op).unwrap();
    let _: () = bench.redis.hset(key("t:a"), "group", "g1").unwrap();
    let forward = Op::Forward {
        queue: "default".into(),
        from: Delayed::Scheduled,
        now: NOW,
    };
    assert_eq!(bench.call(forward), Ok(Reply::Count(1)));
    assert_eq!(bench.set("g:g1"), [("a".into(), NOW.secs())]);
    assert_eq!(bench.field("a", "state").as_deref(), Some("aggregating"));
    assert!(bench.list("pending").is_empty());
}

#[test]
fn one_bad_message_blocks_the_recovery_of_all() {
    need!("redis-server");
    let mut bench = bench();
    bench.active("a");
    let _: () = bench.redis.zadd(key("lease"), "bad", 1).unwrap();
    let _: () = bench.redis.hset(key("t:bad"), "msg", b"\xff\xff").unwrap();
    let expired = Op::ListLeaseExpired {
        queue: "default".into(),
        cutoff_s: NOW.secs() + 30,
    };
    let Err(BrokerError::Undecodable(bad)) = bench.call(expired) else {
        panic!("quirk 5")
    };
    assert_eq!(bad.key, key("t:bad"));
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
fn a_paused_queue_says_so() {
    need!("redis-server");
    let mut bench = bench();
    let _: () = bench.redis.set(key("paused"), 1).unwrap();
    let op = Op::QueueStats {
        queue: "default".into(),
        now: NOW,
    };
    let expected = QueueStats {
        paused: true,
        ..QueueStats::default()
    };
    assert_eq!(bench.call(op), Ok(Reply::Stats(Box::new(expected))));
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
