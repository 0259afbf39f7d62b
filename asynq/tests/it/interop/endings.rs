//! How a task ends: what handlers ask for, cancellation, and servers that stop.

use super::peer::{Peer, bench_and_go, need_peers, time_of_day};
use super::worker::OurWorker;
use crate::support::{Bench, Op, Persistence, key, need, task};
use crate::wait::eventually;
use firedrill_asynq::inspector::Inspector;
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::Reply;
use redis::Commands;
use rustix::process::Signal;
use serde_json::{Value, json};

fn wait_for(go: &mut Peer, id: &str, state: &str) -> Value {
    eventually(&format!("{id} to be {state}"), || {
        let info = go.try_ask("task_info", json!({ "queue": "default", "id": id }));
        info.ok().filter(|info| info["state"] == state)
    })
}

#[test]
fn what_our_handlers_ask_for_is_what_go_finds() {
    need_peers!();
    let (mut bench, mut go) = bench_and_go();
    for (id, kind, retries) in [
        ("gives up", "skips", 25),
        ("is revoked", "revokes", 25),
        ("is not ready", "waits", 25),
        ("is not ready, and has no retries", "waits", 0),
        ("has a result", "tells", 25),
    ] {
        go.ask(
            "enqueue",
            json!({ "type": kind, "task_id": id, "max_retry": retries, "retention_ms": 60_000 }),
        );
    }
    let _ours = OurWorker::start(&bench.server.url());
    let skipped = wait_for(&mut go, "gives up", "archived");
    assert_eq!(
        (&skipped["retried"], &skipped["last_err"]),
        (&json!(0), &json!("gave up"))
    );
    let waiting = wait_for(&mut go, "is not ready", "retry");
    assert_eq!(waiting["retried"], 0, "{waiting}");
    wait_for(&mut go, "is not ready, and has no retries", "archived");
    let told = wait_for(&mut go, "has a result", "completed");
    assert_eq!(told["result"], "42");
    eventually("the end of what is revoked", || {
        let exists: bool = bench.redis.exists(key("t:is revoked")).unwrap();
        (!exists).then_some(())
    });
    let info = go.ask("queue_info", json!({ "queue": "default" }));
    // One is no failure and not counted, however often it comes back; two are archived, and archives count as failed.
    assert_eq!(
        (&info["processed"], &info["failed"]),
        (&json!(4), &json!(2)),
        "{info}"
    );
}

#[test]
fn go_cancels_a_task_in_our_worker() {
    need_peers!();
    let (bench, mut go) = bench_and_go();
    let mut ours = OurWorker::start(&bench.server.url());
    go.ask("enqueue", json!({ "type": "hangs", "task_id": "a" }));
    ours.wait_for_start("a");
    eventually("the cancellation", || {
        // Whoever subscribes late has missed it.
        go.ask("cancel_processing", json!({ "id": "a" }));
        let info = go.ask("task_info", json!({ "queue": "default", "id": "a" }));
        (info["last_err"] == "context canceled" && info["retried"] == 1).then_some(())
    });
}

#[test]
fn we_cancel_a_task_in_go() {
    need_peers!();
    let (bench, mut go) = bench_and_go();
    go.ask("serve", json!({ "concurrency": 4, "task_check_ms": 20 }));
    go.ask("enqueue", json!({ "type": "wait", "task_id": "a" }));
    go.wait_for("started", "a");
    let inspector = Inspector::new(bench.broker.clone());
    eventually("the cancellation", || {
        let heard = bench.block_on(inspector.cancel_processing("a")).unwrap();
        (heard > 0).then_some(())
    });
    let finished = go.wait_for("finished", "a");
    assert_eq!(finished["error"], "context canceled");
    let info = wait_for(&mut go, "a", "retry");
    assert_eq!(info["last_err"], "context canceled");
}

#[test]
fn our_worker_that_was_told_to_stop_fetches_nothing_and_is_listed_by_go_as_stopped() {
    need_peers!();
    let (bench, mut go) = bench_and_go();
    let mut ours = OurWorker::start(&bench.server.url());
    go.ask("enqueue", json!({ "type": "hangs", "task_id": "a" }));
    ours.wait_for_start("a");
    ours.signal(Signal::TSTP);
    eventually("the stop", || {
        let servers = go.ask("servers", json!({}));
        let server = &servers[0];
        (server["status"] == "stopped" && server["active_workers"][0]["task_id"] == "a")
            .then_some(())
    });
    go.ask("enqueue", json!({ "type": "t", "task_id": "b" }));
    assert!(ours.terminate().success());
    let info = go.ask("queue_info", json!({ "queue": "default" }));
    assert_eq!(
        (&info["pending"], &info["active"]),
        (&json!(2), &json!(0)),
        "{info}"
    );
    assert_eq!(ours.started(), 1);
    assert_eq!(go.ask("servers", json!({})), json!([]));
}

#[test]
fn a_queue_paused_by_us_rests_in_go() {
    need_peers!();
    let (bench, mut go) = bench_and_go();
    let (queue, now) = ("default".to_owned(), time_of_day());
    bench
        .call(Op::RegisterQueue {
            queue: queue.clone(),
        })
        .unwrap();
    let paused = bench.call(Op::Pause {
        queue: queue.clone(),
        now,
    });
    assert_eq!(paused, Ok(Reply::Changed(true)));
    let again = go.try_ask("pause_queue", json!({ "queue": "default" }));
    assert!(again.unwrap_err().contains("already paused"));
    go.ask(
        "serve",
        json!({ "concurrency": 4, "task_check_ms": 20, "queues": { "default": 1, "low": 1 } }),
    );
    for (name, id) in [("default", "rests"), ("low", "goes")] {
        let message = TaskMessage {
            queue: name.into(),
            ..task(id)
        };
        bench.call(Op::Enqueue { message, now }).unwrap();
    }
    // The other queue shows that the server is at work, and has looked here as well.
    go.wait_for("finished", "goes");
    let info = go.ask("queue_info", json!({ "queue": "default" }));
    assert_eq!(
        (&info["pending"], &info["paused"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(bench.call(Op::Unpause { queue }), Ok(Reply::Changed(true)));
    go.wait_for("finished", "rests");
}

#[test]
fn our_workers_health_check_tells_whether_redis_is_there() {
    need!("redis-server");
    let mut bench = Bench::new(Persistence::None, 1.0);
    let mut ours = OurWorker::start_at_speed(&bench.server.url(), 60.0);
    let mut says = |news: &str, healthy| {
        eventually(news, || (ours.is_healthy() == Some(healthy)).then_some(()));
    };
    says("good news", true);
    bench.server.kill();
    says("bad news", false);
    bench.server.restart();
    says("good news again", true);
}
