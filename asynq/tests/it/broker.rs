//! What only a real Redis does: keys expire, scripts are forgotten, people change its data by hand, commands are refused.
//! What every broker does is in `conformance`.

use crate::support::Persistence;
use crate::support::{Bench, NOW, Op, key, need, task};
use firedrill_asynq::message::ServerInfo;
use firedrill_asynq::op::{BrokerError, Delayed, InProgress, QueueStats, Reply, ServerState};
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
