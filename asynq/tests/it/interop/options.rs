//! Unique tasks, groups and batches, which one side makes and the other works off.

use super::peer::{Peer, bench_and_go, need_peers, time_of_day};
use super::worker::OurWorker;
use crate::support::{Bench, Op, key};
use crate::wait::eventually;
use firedrill_asynq::client::NewTask;
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::{Accepted, Reply};
use firedrill_asynq::{Config, Context, Server, Task};
use redis::Commands;
use serde_json::{Value, json};
use std::time::Duration;

/// A Go server that looks often and aggregates as soon as asynq allows.
fn serve(go: &mut Peer) {
    go.ask(
        "serve",
        json!({
            "concurrency": 4, "task_check_ms": 20, "delayed_check_ms": 50, "aggregates": true, "group_grace_ms": 1_000,
        }),
    );
}

fn new_task(id: &str) -> NewTask {
    NewTask {
        task_type: "email:send".into(),
        payload: Some(b"{\"to\":7}".to_vec()),
        task_id: Some(id.into()),
        ..NewTask::default()
    }
}

/// What our client makes of it, done.
fn submit(bench: &Bench, task: NewTask) -> Accepted {
    let now = time_of_day();
    let submission = task
        .submission(now, || unreachable!("the id is given"))
        .unwrap();
    let queue = submission.message.queue.clone();
    bench.call(Op::RegisterQueue { queue }).unwrap();
    match bench.call(submission.op(now)) {
        Ok(Reply::Enqueued(accepted)) => accepted,
        other => panic!("{other:?}"),
    }
}

fn unique(id: &str) -> NewTask {
    NewTask {
        unique_for: Some(Duration::from_secs(600)),
        ..new_task(id)
    }
}

/// The same task for Go.
fn unique_in_go(id: &str) -> Value {
    json!({ "type": "email:send", "payload": "{\"to\":7}", "task_id": id, "unique_ms": 600_000 })
}

#[test]
fn the_lock_of_our_unique_task_keeps_gos_out_until_go_has_done_it() {
    need_peers!();
    let (bench, mut go) = bench_and_go();
    assert_eq!(submit(&bench, unique("a")), Accepted::New);
    let twin = go.try_ask("enqueue", unique_in_go("b"));
    assert_eq!(twin, Err("task already exists".into()));
    serve(&mut go);
    eventually("the lock's release", || {
        go.try_ask("enqueue", unique_in_go("b")).ok()
    });
    go.wait_for("finished", "b");
}

#[test]
fn the_lock_of_our_scheduled_task_spans_its_wait_for_go() {
    need_peers!();
    let (mut bench, mut go) = bench_and_go();
    let later = NewTask {
        process_at: Some(time_of_day().plus_millis(3_600_000)),
        ..unique("a")
    };
    assert_eq!(submit(&bench, later), Accepted::New);
    let twin = go.try_ask("enqueue", unique_in_go("b"));
    assert_eq!(twin, Err("task already exists".into()));
    let lock = key("unique:email:send:b0830eb55b322318d82bb90de3c8e3df");
    let ttl_s: i64 = bench.redis.ttl(&lock).unwrap();
    assert!((4_190..=4_200).contains(&ttl_s), "{ttl_s}");
    // Whoever deletes it by hand gives its lock up.
    go.ask("delete_task", json!({ "queue": "default", "id": "a" }));
    assert!(!bench.redis.exists::<_, bool>(&lock).unwrap());
}

#[test]
fn a_duplicate_of_gos_unique_task_is_refused_to_us() {
    need_peers!();
    let (bench, mut go) = bench_and_go();
    go.ask("enqueue", unique_in_go("a"));
    assert_eq!(submit(&bench, unique("b")), Accepted::Duplicate);
    let grouped = NewTask {
        group: Some("g".into()),
        ..unique("b")
    };
    assert_eq!(submit(&bench, grouped), Accepted::Duplicate);
    let other = NewTask {
        payload: Some(b"{\"to\":8}".to_vec()),
        ..unique("a")
    };
    assert_eq!(submit(&bench, other), Accepted::IdConflict);
}

#[test]
fn our_tasks_of_a_group_are_aggregated_by_go() {
    need_peers!();
    let (mut bench, mut go) = bench_and_go();
    for number in 0..3 {
        let member = NewTask {
            payload: Some(number.to_string().into_bytes()),
            group: Some("g".into()),
            ..new_task(&format!("member {number}"))
        };
        assert_eq!(submit(&bench, member), Accepted::New);
    }
    let groups = go.ask("groups", json!({ "queue": "default" }));
    assert_eq!(groups, json!([{ "group": "g", "size": 3 }]));
    let listed = go.ask(
        "list_tasks",
        json!({ "queue": "default", "state": "aggregating", "group": "g" }),
    );
    assert_eq!(listed.as_array().map(Vec::len), Some(3), "{listed}");
    serve(&mut go);
    let started = go.wait_for_type("started", "aggregated:g");
    assert_eq!(started["payload"], "0,1,2");
    eventually("the end of the group", || {
        let left: Vec<String> = bench.redis.keys(key("*")).unwrap();
        let counters = |key: &String| !key.contains("processed");
        (!left.iter().any(counters)).then_some(())
    });
}

#[test]
fn tasks_of_a_group_of_go_are_aggregated_by_our_worker() {
    need_peers!();
    let (mut bench, mut go) = bench_and_go();
    for number in 0..3 {
        go.ask(
            "enqueue",
            // Within a second the order is that of the ids.
            json!({
                "type": "email:send", "payload": number.to_string(), "group": "g", "retention_ms": 60_000,
                "task_id": format!("member {number}"),
            }),
        );
    }
    // Of what it makes of them we look at the message; nobody takes it from this queue.
    go.ask("pause_queue", json!({ "queue": "default" }));
    let mut ours = OurWorker::start(&bench.server.url());
    eventually("the group's task", || {
        let pending = go.ask(
            "list_tasks",
            json!({ "queue": "default", "state": "pending" }),
        );
        let told = ["type", "payload", "group"].map(|name| pending[0][name].clone());
        (told == [json!("digest"), json!("[\"0\",\"1\",\"2\"]"), json!("")]).then_some(())
    });
    eventually("the end of the group", || {
        let sets: usize = bench.redis.zcard(key("aggregation_sets")).unwrap();
        (sets == 0).then_some(())
    });
    let groups = go.ask("groups", json!({ "queue": "default" }));
    assert_eq!(groups, json!([]));
    let info = go.ask("queue_info", json!({ "queue": "default" }));
    assert_eq!(info["size"], 1, "{info}");
    assert_eq!(ours.started(), 0);
}

#[test]
fn a_set_that_a_dead_aggregator_of_go_left_is_put_back_and_aggregated_by_our_worker() {
    need_peers!();
    let (mut bench, mut go) = bench_and_go();
    go.ask(
        "enqueue",
        json!({ "type": "email:send", "payload": "0", "group": "g", "task_id": "a" }),
    );
    let set = uuid::Uuid::from_u128(7);
    let limits = firedrill_asynq::op::GroupLimits {
        grace_s: 1,
        max_delay_s: 0,
        max_size: 1,
    };
    let taken = bench.call(Op::AggregationCheck(Box::new(
        firedrill_asynq::op::AggregationCheck {
            queue: "default".into(),
            group: "g".into(),
            set,
            limits,
            // Long ago, so that its deadline has passed.
            now: time_of_day().plus_millis(-300_000),
        },
    )));
    assert_eq!(taken, Ok(Reply::Taken(true)));
    let counted = go.ask("queue_info", json!({ "queue": "default" }));
    assert_eq!(counted["aggregating"], 0, "a quirk: nobody counts them");
    let _ours = OurWorker::start(&bench.server.url());
    eventually("its return", || {
        let waiting: usize = bench.redis.zcard(key("g:g")).unwrap();
        (waiting == 1).then_some(())
    });
    // Quirk: nobody looks there until another joins.
    let groups = go.ask("groups", json!({ "queue": "default" }));
    assert_eq!(groups, json!([]));
    go.ask(
        "enqueue",
        json!({ "type": "email:send", "payload": "1", "group": "g", "task_id": "b" }),
    );
    eventually("both", || {
        let waiting: usize = bench.redis.exists(key("t:a")).unwrap();
        (waiting == 0).then_some(())
    });
}

#[test]
fn a_batch_of_ours_is_done_by_go() {
    need_peers!();
    let (bench, mut go) = bench_and_go();
    serve(&mut go);
    let now = time_of_day();
    let submission = |task: NewTask| task.submission(now, || unreachable!("given")).unwrap();
    let mut tasks: Vec<_> = (0..50)
        .map(|number| submission(new_task(&format!("task {number}"))))
        .collect();
    tasks.push(submission(NewTask {
        queue: Some("low".into()),
        process_at: Some(now.plus_millis(3_600_000)),
        ..new_task("later")
    }));
    let answers = bench
        .block_on(bench.broker.enqueue_batch(tasks, now))
        .unwrap();
    assert_eq!(answers, vec![Ok(Accepted::New); 51]);
    for number in 0..50 {
        go.wait_for("finished", &format!("task {number}"));
    }
    let later = go.ask("task_info", json!({ "queue": "low", "id": "later" }));
    assert_eq!(later["state"], "scheduled");
    let refused = bench.block_on(
        bench
            .broker
            .enqueue_batch(vec![submission(unique("a"))], now),
    );
    assert_eq!(
        refused.unwrap_err().to_string(),
        "batch enqueue does not support unique tasks"
    );
}

#[test]
fn what_go_enqueues_is_done_in_batches_by_our_server() {
    need_peers!();
    let (mut bench, mut go) = bench_and_go();
    let ids: Vec<String> = (0..60).map(|number| format!("task {number}")).collect();
    for id in &ids {
        let mut request = json!({ "type": "t", "task_id": id, "payload": id });
        if id == "task 7" {
            request["unique_ms"] = json!(3_600_000);
        }
        go.ask("enqueue", request);
    }
    let config = Config {
        concurrency: 20,
        batch: 10,
        ..Config::default()
    };
    let broker = bench.broker.clone();
    let handled = bench.block_on(async move {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let server = Server::new(broker, config).start(move |task: Task, _: Context| {
            let tell = tell.clone();
            async move {
                tell.send(String::from_utf8(task.payload().to_vec())?)?;
                Ok(())
            }
        });
        let mut handled = Vec::new();
        for _ in 0..60 {
            handled.push(told.recv().await.unwrap());
        }
        server.shutdown().await.unwrap();
        handled
    });
    let of = |ids: Vec<String>| ids.into_iter().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(of(handled), of(ids));
    let info = go.ask("queue_info", json!({ "queue": "default" }));
    assert_eq!(
        (
            &info["size"],
            &info["active"],
            &info["processed"],
            &info["failed"]
        ),
        (&json!(0), &json!(0), &json!(60), &json!(0))
    );
    let left: Vec<String> = bench.redis.keys(key("*")).unwrap();
    let of_tasks = |name: &&String| name.contains(":t:") || name.contains(":unique:");
    assert_eq!(left.iter().find(of_tasks), None, "{left:?}");
}

#[test]
fn every_option_that_we_give_a_task_reaches_go() {
    need_peers!();
    let (bench, mut go) = bench_and_go();
    let now = time_of_day();
    let task = NewTask {
        headers: [("trace".to_owned(), "é".to_owned())].into(),
        max_retry: Some(3),
        queue: Some("low".into()),
        timeout: Some(Duration::from_millis(90_500)),
        deadline: Some(now.plus_millis(7_200_000)),
        process_at: Some(now.plus_millis(3_600_000)),
        retention: Some(Duration::from_secs(120)),
        group: Some("g".into()),
        ..unique("id 1")
    };
    assert_eq!(submit(&bench, task), Accepted::New);
    let info = go.ask("task_info", json!({ "queue": "low", "id": "id 1" }));
    let secs = |ms: i64| ms / 1_000 * 1_000;
    let expected = json!({
        "id": "id 1", "queue": "low", "type": "email:send", "payload": "{\"to\":7}", "headers": { "trace": "é" },
        "state": "scheduled", "max_retry": 3, "retried": 0, "last_err": "", "last_failed_at_ms": null,
        "timeout_ms": 90_000, "deadline_ms": secs(now.millis() + 7_200_000), "group": "g",
        "next_process_at_ms": secs(now.millis() + 3_600_000), "is_orphaned": false, "retention_ms": 120_000,
        "completed_at_ms": null, "result": "",
    });
    assert_eq!(info, expected);
}

#[test]
fn every_operation_that_gos_options_choose_is_read_by_us() {
    need_peers!();
    let (mut bench, mut go) = bench_and_go();
    go.ask(
        "enqueue",
        json!({ "type": "t", "task_id": "grouped", "group": "g", "unique_ms": 60_000 }),
    );
    go.ask(
        "enqueue",
        json!({ "type": "t", "task_id": "later", "group": "g", "process_in_ms": 60_000 }),
    );
    let fields = |bench: &mut Bench, id: &str| {
        let names: Vec<String> = bench.redis.hkeys(key(&format!("t:{id}"))).unwrap();
        names.into_iter().collect::<std::collections::BTreeSet<_>>()
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    // Quirk: no `unique_key` in a group; and no group for a task that is not due yet.
    assert_eq!(
        fields(&mut bench, "grouped"),
        names(&["msg", "state", "group"])
    );
    assert_eq!(fields(&mut bench, "later"), names(&["msg", "state"]));
    let groups = bench.call(Op::ListGroups {
        queue: "default".into(),
    });
    assert_eq!(groups, Ok(Reply::Groups(vec!["g".into()])));
    let bytes: Vec<u8> = bench.redis.hget(key("t:grouped"), "msg").unwrap();
    let message: TaskMessage = prost::Message::decode(&*bytes).unwrap();
    assert_eq!(message.group_key, "g");
    assert_eq!(message.unique_key, key("unique:t:"));
}
