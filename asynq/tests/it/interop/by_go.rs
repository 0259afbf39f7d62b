//! What Go's client enqueues: every option of a task, and what our worker does with it.

use super::peer::{Peer, bench_and_go, need_peers, time_of_day};
use super::worker::{Asks, OurWorker};
use crate::support::{Bench, Op, key};
use crate::wait::eventually;
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::Reply;
use redis::Commands;
use serde_json::{Value, json};
use smallvec::smallvec;

/// A Redis, Go's client and inspector, and our worker.
struct Yard {
    go: Peer,
    ours: OurWorker,
    bench: Bench,
}

impl Yard {
    fn new() -> Self {
        let (bench, go) = bench_and_go();
        let ours = OurWorker::start(&bench.server.url());
        Self { go, ours, bench }
    }

    /// Waits until Go's inspector finds the task in `state`, and gives what it says of it.
    #[track_caller]
    fn wait_for(&mut self, id: &str, state: &str) -> Value {
        eventually(&format!("{id} to be {state}"), || {
            let info = self.info(id).ok()?;
            (info["state"] == state).then_some(info)
        })
    }

    /// Waits until the task is gone.
    #[track_caller]
    fn wait_until_gone(&mut self, id: &str) {
        eventually(&format!("the end of {id}"), || self.info(id).err());
    }

    fn info(&mut self, id: &str) -> Result<Value, String> {
        self.go
            .try_ask("task_info", json!({ "queue": "default", "id": id }))
    }

    fn queue_info(&mut self) -> Value {
        self.go.ask("queue_info", json!({ "queue": "default" }))
    }
}

fn dequeued(bench: &Bench, queue: &str) -> TaskMessage {
    let op = Op::Dequeue {
        queues: smallvec![queue.into()],
        lease_expires_s: time_of_day().secs() + 30,
    };
    match bench.call(op) {
        Ok(Reply::Dequeued(Some(message))) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_option_that_go_gives_a_task_reaches_us() {
    need_peers!();
    let (bench, mut go) = bench_and_go();
    let now = time_of_day();
    let unique_key = "asynq:{low}:unique:email:send:b0830eb55b322318d82bb90de3c8e3df";
    let given = json!({
        "type": "email:send", "payload": "{\"to\":7}", "headers": { "trace": "é", "tenant": "" },
        "task_id": "id 1", "queue": "low", "max_retry": 3, "timeout_ms": 90_500,
        "deadline_ms": now.millis() + 3_600_000, "unique_ms": 60_000, "retention_ms": 120_000,
    });
    go.ask("enqueue", given);
    let expected = TaskMessage {
        r#type: "email:send".into(),
        payload: b"{\"to\":7}".to_vec(),
        id: "id 1".into(),
        queue: "low".into(),
        retry: 3,
        timeout: 90,
        deadline: now.secs() + 3_600,
        unique_key: unique_key.into(),
        retention: 120,
        headers: [("trace", "é"), ("tenant", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..TaskMessage::default()
    };
    assert_eq!(dequeued(&bench, "low"), expected);
}

#[test]
fn the_defaults_that_go_gives_a_task_reach_us() {
    need_peers!();
    let (bench, mut go) = bench_and_go();
    // An absent payload, an empty one, no options; and a deadline alone, which is no timeout.
    let id = |info: Value| info["id"].as_str().unwrap().to_owned();
    let bare = id(go.ask("enqueue", json!({ "type": "bare" })));
    let late = id(go.ask(
        "enqueue",
        json!({ "type": "late", "payload": "", "deadline_ms": 2_000_000_000_000_i64 }),
    ));
    let expected = |r#type: &str, id: String, timeout, deadline| TaskMessage {
        r#type: r#type.into(),
        id,
        queue: "default".into(),
        retry: 25,
        timeout,
        deadline,
        ..TaskMessage::default()
    };
    assert_eq!(
        dequeued(&bench, "default"),
        expected("bare", bare, 1_800, 0)
    );
    assert_eq!(
        dequeued(&bench, "default"),
        expected("late", late, 0, 2_000_000_000)
    );
}

#[test]
fn a_task_enqueued_by_go_is_done_by_our_worker() {
    need_peers!();
    let mut yard = Yard::new();
    yard.go.ask(
        "enqueue",
        json!({ "type": "email:send", "payload": "not ours", "task_id": "a" }),
    );
    yard.wait_until_gone("a");
    let info = yard.queue_info();
    assert_eq!(
        (
            &info["size"],
            &info["processed"],
            &info["processed_total"],
            &info["failed"]
        ),
        (&json!(0), &json!(1), &json!(1), &json!(0)),
        "{info}"
    );
    assert_eq!(yard.ours.started(), 1);
}

#[test]
fn a_task_scheduled_by_go_is_done_by_our_worker_when_it_is_due() {
    need_peers!();
    let mut yard = Yard::new();
    let due = time_of_day().plus_millis(1_500);
    let info = yard.go.ask(
        "enqueue",
        json!({ "type": "email:send", "task_id": "a", "process_at_ms": due.millis() }),
    );
    assert_eq!(info["state"], "scheduled");
    yard.wait_until_gone("a");
    let (_, started) = yard.ours.executions()[0];
    // asynq keeps whole seconds, so a task may start within the second it is due in.
    assert!(started.secs() >= due.secs());
}

#[test]
fn a_task_of_go_that_fails_in_our_worker_is_retried_and_archived_at_last() {
    need_peers!();
    let mut yard = Yard::new();
    let payload = Asks::Fails.payload();
    yard.go.ask(
        "enqueue",
        json!({ "type": "email:send", "payload": payload, "task_id": "a", "max_retry": 1 }),
    );
    let info = yard.wait_for("a", "retry");
    assert_eq!(
        (&info["retried"], &info["last_err"]),
        (&json!(1), &json!("job failed")),
        "{info}"
    );
    let next = info["next_process_at_ms"].as_i64().unwrap();
    let failed = info["last_failed_at_ms"].as_i64().unwrap();
    assert!((0..=1_000).contains(&(next - failed - 1_000)), "{info}");

    let info = yard.wait_for("a", "archived");
    // The archive uses up no retry.
    assert_eq!(info["retried"], 1, "{info}");
    let counted = yard.queue_info();
    assert_eq!(
        (
            &counted["processed"],
            &counted["failed"],
            &counted["archived"]
        ),
        (&json!(2), &json!(2), &json!(1)),
        "{counted}"
    );
    assert_eq!(yard.ours.started(), 2);
}

#[test]
fn a_task_of_go_with_retention_is_kept_by_our_worker() {
    need_peers!();
    let mut yard = Yard::new();
    yard.go.ask(
        "enqueue",
        json!({ "type": "email:send", "task_id": "a", "retention_ms": 60_000 }),
    );
    let info = yard.wait_for("a", "completed");
    let completed = info["completed_at_ms"].as_i64().unwrap();
    assert!((time_of_day().millis() - completed).abs() < 60_000);
    let kept = yard.bench.set("completed");
    assert_eq!(kept, [("a".to_owned(), completed / 1_000 + 60)]);
}

#[test]
fn a_task_of_go_that_overruns_its_timeout_fails_in_our_worker() {
    need_peers!();
    let mut yard = Yard::new();
    let payload = Asks::Hangs.payload();
    yard.go.ask(
        "enqueue",
        json!({ "type": "email:send", "payload": payload, "task_id": "slow", "timeout_ms": 1_000 }),
    );
    let past = time_of_day().millis() - 1_000;
    yard.go.ask(
        "enqueue",
        json!({ "type": "email:send", "task_id": "late", "deadline_ms": past }),
    );
    for id in ["slow", "late"] {
        let info = yard.wait_for(id, "retry");
        assert_eq!(info["last_err"], "context deadline exceeded", "{info}");
    }
    // The handler of a task whose deadline is over is not called.
    assert_eq!(yard.ours.started(), 1);
}

#[test]
fn the_lock_of_a_unique_task_of_go_is_released_by_our_worker() {
    need_peers!();
    let mut yard = Yard::new();
    let unique = |id: &str, asks: Asks| {
        json!({
            "type": "email:send", "payload": asks.payload(), "task_id": id, "unique_ms": 3_600_000,
        })
    };
    yard.go.ask("enqueue", unique("a", Asks::Lasts));
    let twin = yard.go.try_ask("enqueue", unique("b", Asks::Lasts));
    assert_eq!(twin, Err("task already exists".into()));
    yard.wait_until_gone("a");
    yard.go.ask("enqueue", unique("c", Asks::Lasts));
    // A failure releases nothing.
    yard.go.ask("enqueue", unique("d", Asks::Fails));
    yard.wait_for("d", "retry");
    let twin = yard.go.try_ask("enqueue", unique("e", Asks::Fails));
    assert_eq!(twin, Err("task already exists".into()));
}

#[test]
fn a_queue_paused_by_go_rests_in_our_worker() {
    need_peers!();
    let mut yard = Yard::new();
    let queue = json!({ "queue": "default" });
    yard.go.ask("pause_queue", queue.clone());
    yard.go
        .ask("enqueue", json!({ "type": "email:send", "task_id": "a" }));
    // Tasks of another queue pass by meanwhile: the worker has come round, and left the paused one alone.
    for n in 0..3 {
        let id = n.to_string();
        yard.go.ask(
            "enqueue",
            json!({ "type": "t", "task_id": id, "queue": "low" }),
        );
        yard.ours.wait_for_start(&id);
    }
    assert_eq!(yard.bench.list("pending"), ["a"]);
    yard.go.ask("unpause_queue", queue);
    yard.wait_until_gone("a");
}

#[test]
fn a_task_that_our_worker_gives_back_keeps_its_retries() {
    need_peers!();
    let mut yard = Yard::new();
    let payload = Asks::Hangs.payload();
    yard.go.ask(
        "enqueue",
        json!({ "type": "email:send", "payload": payload, "task_id": "a" }),
    );
    yard.ours.wait_for_start("a");
    assert!(yard.ours.terminate().success());
    let info = yard.info("a").unwrap();
    assert_eq!(
        (&info["state"], &info["retried"], &info["last_err"]),
        (&json!("pending"), &json!(0), &json!("")),
        "{info}"
    );
    let counted = yard.queue_info();
    assert_eq!(counted["processed"], 0, "{counted}");
    let servers = yard.go.ask("servers", json!({}));
    assert_eq!(servers, json!([]), "it has left the listings");
    let since: Option<String> = yard.bench.redis.hget(key("t:a"), "pending_since").unwrap();
    assert_eq!(since, None);
}

#[test]
fn tasks_of_go_are_taken_by_our_worker_in_their_order() {
    need_peers!();
    let (bench, mut go) = bench_and_go();
    let ids: Vec<String> = (0..20).map(|number| format!("task-{number}")).collect();
    for id in &ids {
        go.ask("enqueue", json!({ "type": "email:send", "task_id": id }));
    }
    let mut ours = OurWorker::start(&bench.server.url());
    eventually("all to be started", || {
        (ours.started() == ids.len()).then_some(())
    });
    let started = ours.executions().into_iter().map(|(id, _)| id);
    assert_eq!(started.collect::<Vec<_>>(), ids);
}

#[test]
fn what_go_kept_is_cleaned_away_by_our_janitor() {
    need_peers!();
    let (mut bench, mut go) = bench_and_go();
    go.ask(
        "enqueue",
        json!({ "type": "write-result", "payload": "x", "task_id": "a", "retention_ms": 1_000 }),
    );
    go.ask(
        "serve",
        json!({ "task_check_ms": 10, "janitor_ms": 3_600_000 }),
    );
    eventually("Go to keep it", || {
        (bench.set("completed").len() == 1).then_some(())
    });
    let _ours = OurWorker::start(&bench.server.url());
    eventually("our janitor", || {
        bench.set("completed").is_empty().then_some(())
    });
    let left: bool = bench.redis.exists(key("t:a")).unwrap();
    assert!(!left);
}
