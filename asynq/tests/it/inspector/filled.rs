//! A Redis with tasks in every state, and a look at every byte of it.

use crate::support::Persistence;
use crate::support::{Bench, NOW, Op, key, task};
use firedrill_asynq::inspector::Inspector;
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::{InProgress, ServerState};
use prost::Message;
use redis::{Commands, Connection};

/// A lock of a unique task.
pub(crate) const LOCK: &str = "asynq:{default}:unique:email:send:b0830eb55b322318d82bb90de3c8e3df";

/// A private Redis without anything in it, with an inspector.
pub(crate) fn empty() -> (Bench, Inspector) {
    let bench = Bench::new(Persistence::None, 1.0);
    let inspector = Inspector::new(bench.broker.clone());
    (bench, inspector)
}

/// A private Redis whose queue `default` has tasks in every state, each named by its state: `pending-1` is the oldest.
pub(crate) fn filled() -> (Bench, Inspector) {
    let (mut bench, inspector) = empty();
    bench
        .call(Op::RegisterQueue {
            queue: "default".into(),
        })
        .unwrap();
    let message = bench.active("retry-1");
    bench
        .call(Op::Retry {
            message: failed(message, "dial tcp: connection refused", 1),
            retry_at_s: NOW.secs() + 75,
            is_failure: true,
            now: NOW,
        })
        .unwrap();
    let message = bench.active("archived-1");
    bench
        .call(Op::Archive {
            message: failed(message, "boom\nat line 2", 25),
            now: NOW,
        })
        .unwrap();
    let mut message = bench.active("completed-1");
    message.retention = 3_600;
    bench
        .call(Op::MarkAsComplete { message, now: NOW })
        .unwrap();
    let _: () = bench
        .redis
        .hset(key("t:completed-1"), "result", "42 sent")
        .unwrap();
    bench.active("active-1");
    for id in ["scheduled-1", "scheduled-2"] {
        bench
            .call(Op::Schedule {
                message: task(id),
                process_at_s: NOW.secs() + 3_725,
            })
            .unwrap();
    }
    for id in ["pending-1", "pending-2", "pending-3"] {
        bench.enqueue(id);
    }
    for id in ["grouped-1", "grouped-2"] {
        group(&mut bench.redis, id, "g1");
    }
    (bench, inspector)
}

fn failed(message: TaskMessage, error: &str, retried: i32) -> TaskMessage {
    TaskMessage {
        error_msg: error.into(),
        last_failed_at: NOW.secs() - 60,
        retried,
        ..message
    }
}

/// Puts a task into a group.
pub(crate) fn group(redis: &mut Connection, id: &str, group: &str) {
    let message = TaskMessage {
        group_key: group.into(),
        ..task(id)
    };
    let fields = [
        ("msg", message.encode_to_vec()),
        ("state", b"aggregating".to_vec()),
        ("group", group.into()),
    ];
    let _: () = redis
        .hset_multiple(key(&format!("t:{id}")), &fields)
        .unwrap();
    let _: () = redis
        .zadd(key(&format!("g:{group}")), id, NOW.secs())
        .unwrap();
    let _: () = redis.sadd(key("groups"), group).unwrap();
}

/// Gives a task a uniqueness lock, held by `holder`.
pub(crate) fn lock(redis: &mut Connection, id: &str, holder: &str) {
    let _: () = redis.set(LOCK, holder).unwrap();
    let _: () = redis
        .hset(key(&format!("t:{id}")), "unique_key", LOCK)
        .unwrap();
}

/// A running server with a task in progress.
pub(crate) fn serve(bench: &Bench, host: &str, server_id: &str) {
    let info = firedrill_asynq::message::ServerInfo {
        host: host.into(),
        pid: 42,
        server_id: server_id.into(),
        concurrency: 10,
        queues: [("default".into(), 3), ("critical".into(), 6)].into(),
        status: "active".into(),
        start_time: Some(firedrill_asynq::message::ProtoTimestamp {
            seconds: NOW.secs() - 90,
            nanos: 0,
        }),
        active_worker_count: 1,
        ..Default::default()
    };
    let worker = InProgress {
        task: task("active-1"),
        started: NOW,
        deadline: NOW.plus_millis(1_800_000),
    };
    bench
        .call(Op::WriteServerState(Box::new(ServerState {
            info,
            workers: vec![worker],
            now: NOW,
            ttl_s: 10,
        })))
        .unwrap();
}

/// A key, its type, whether it expires, and what it holds.
type Held = (Vec<u8>, String, bool, Vec<Vec<u8>>);

/// Every key with its type, whether it expires, and every byte it holds.
pub(crate) fn everything(redis: &mut Connection) -> Vec<Held> {
    const LOOK: &str = "
    local found = {}
    for _, key in ipairs(redis.call('KEYS', '*')) do
      local kind = redis.call('TYPE', key).ok
      local held
      if kind == 'string' then held = {redis.call('GET', key)}
      elseif kind == 'list' then held = redis.call('LRANGE', key, 0, -1)
      elseif kind == 'set' then held = redis.call('SMEMBERS', key); table.sort(held)
      elseif kind == 'zset' then held = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
      else held = redis.call('HGETALL', key) end
      table.insert(found, {key, kind, redis.call('PTTL', key) >= 0 and 1 or 0, held})
    end
    return found";
    let mut rows: Vec<Held> = redis::cmd("EVAL").arg(LOOK).arg(0).query(redis).unwrap();
    rows.sort();
    rows
}

/// Puts into the queue `default` tasks that are none, and makes a queue `odd` whose every key is of a wrong type.
pub(crate) fn spoil(redis: &mut Connection) {
    for id in ["ghost", "bad", "text", "astray"] {
        let _: () = redis.lpush(key("pending"), id).unwrap();
    }
    // A string that is no UTF-8, which Go refuses to decode.
    let _: () = redis
        .hset(key("t:bad"), "msg", b"\x0a\x02\xff\xfe")
        .unwrap();
    let _: () = redis.hset(key("t:bad"), "state", "pending").unwrap();
    let _: () = redis.set(key("t:text"), "not a hash").unwrap();
    let _: () = redis
        .hset(key("t:astray"), "msg", task("elsewhere").encode_to_vec())
        .unwrap();
    let _: () = redis.hset(key("t:astray"), "state", "retry").unwrap();
    let _: () = redis.sadd("asynq:queues", "odd").unwrap();
    for part in [
        "scheduled",
        "retry",
        "archived",
        "completed",
        "lease",
        "groups",
    ] {
        let _: () = redis.set(format!("asynq:{{odd}}:{part}"), "x").unwrap();
    }
    for part in ["pending", "active", "processed"] {
        let _: () = redis.hset(format!("asynq:{{odd}}:{part}"), "x", 1).unwrap();
    }
    let _: () = redis.set("asynq:{odd}:failed", "many").unwrap();
}
