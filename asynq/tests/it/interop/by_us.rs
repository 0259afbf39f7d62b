//! What we enqueue: every field of a task as Go reads it, and what Go's server does with it.

use super::peer::{Peer, behind, need_peers, time_of_day};
use crate::support::{Bench, Op, Persistence, key, task};
use crate::wait::eventually;
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::{Accepted, QueueStats, Reply, TaskState};
use prost::Message;
use redis::Commands;
use serde_json::{Value, json};

/// A Redis, and a Go server that looks often.
struct Yard {
    go: Peer,
    bench: Bench,
}

impl Yard {
    /// With a server of these options beside the usual ones.
    fn new(options: Value) -> Self {
        let bench = Bench::new(Persistence::None, 1.0);
        let mut go = Peer::start(&behind(&bench, 0));
        let mut serve = json!({
            "concurrency": 4, "task_check_ms": 20, "delayed_check_ms": 50, "retry_delay_ms": 3_600_000,
            "shutdown_ms": 200,
        });
        serve
            .as_object_mut()
            .unwrap()
            .extend(options.as_object().unwrap().clone());
        go.ask("serve", serve);
        Self { go, bench }
    }

    fn enqueue(&self, message: TaskMessage) {
        let queue = message.queue.clone();
        self.bench.call(Op::RegisterQueue { queue }).unwrap();
        let now = time_of_day();
        let answer = self.bench.call(Op::Enqueue { message, now });
        assert_eq!(answer, Ok(Reply::Enqueued(Accepted::New)));
    }

    /// The tasks of `default` with their states, as we read them.
    fn ids(&self) -> Vec<(String, TaskState)> {
        let queue = "default".into();
        match self.bench.call(Op::ListIds { queue }) {
            Ok(Reply::Ids(ids)) => ids,
            other => panic!("{other:?}"),
        }
    }

    fn stats(&self) -> QueueStats {
        let (queue, now) = ("default".into(), time_of_day());
        match self.bench.call(Op::QueueStats { queue, now }) {
            Ok(Reply::Stats(stats)) => *stats,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until we find the task in `state`, and gives its message.
    #[track_caller]
    fn wait_for(&mut self, id: &str, state: TaskState) -> TaskMessage {
        eventually(&format!("{id} to be {state:?}"), || {
            self.ids().contains(&(id.to_owned(), state)).then_some(())
        });
        let bytes: Vec<u8> = self
            .bench
            .redis
            .hget(key(&format!("t:{id}")), "msg")
            .unwrap();
        TaskMessage::decode(&*bytes).unwrap()
    }

    #[track_caller]
    fn wait_until_gone(&mut self, id: &str) {
        eventually(&format!("the end of {id}"), || {
            let exists: bool = self.bench.redis.exists(key(&format!("t:{id}"))).unwrap();
            (!exists).then_some(())
        });
    }
}

/// A task whose type tells the Go handler what to do.
fn asking(what: &str, id: &str) -> TaskMessage {
    TaskMessage {
        r#type: what.into(),
        ..task(id)
    }
}

#[test]
fn every_field_of_a_task_that_we_enqueue_reaches_go() {
    need_peers!();
    let bench = Bench::new(Persistence::None, 1.0);
    let mut go = Peer::start(&behind(&bench, 0));
    let message = TaskMessage {
        queue: "low".into(),
        retry: 3,
        timeout: 90,
        deadline: 2_000_000_000,
        retention: 120,
        headers: [("trace".to_owned(), "é".to_owned())].into(),
        ..task("id 1")
    };
    bench
        .call(Op::RegisterQueue {
            queue: "low".into(),
        })
        .unwrap();
    let now = time_of_day();
    bench.call(Op::Enqueue { message, now }).unwrap();
    let mut info = go.ask("task_info", json!({ "queue": "low", "id": "id 1" }));
    let next = info["next_process_at_ms"].take().as_i64().unwrap();
    // Go says "now" in whole seconds.
    assert!((-1_000..60_000).contains(&(next - now.millis())));
    let expected = json!({
        "id": "id 1", "queue": "low", "type": "email:send", "payload": "{\"to\":7}", "headers": { "trace": "é" },
        "state": "pending", "max_retry": 3, "retried": 0, "last_err": "", "last_failed_at_ms": null,
        "timeout_ms": 90_000, "deadline_ms": 2_000_000_000_000_i64, "group": "", "next_process_at_ms": null,
        "is_orphaned": false, "retention_ms": 120_000, "completed_at_ms": null, "result": "",
    });
    assert_eq!(info, expected);

    let twin = go.try_ask(
        "enqueue",
        json!({ "type": "t", "queue": "low", "task_id": "id 1" }),
    );
    assert_eq!(twin, Err("task ID conflicts with another task".into()));
}

#[test]
fn a_task_that_we_enqueue_is_done_by_go() {
    need_peers!();
    let mut yard = Yard::new(json!({}));
    let message = TaskMessage {
        headers: [("trace".to_owned(), "1".to_owned())].into(),
        ..task("a")
    };
    let before = time_of_day();
    yard.enqueue(message);
    let started = yard.go.wait_for("started", "a");
    let deadline = started["deadline_ms"].as_i64().unwrap() - 1_800_000;
    assert!(deadline >= before.millis() && deadline <= time_of_day().millis());
    let told = [
        "type",
        "payload",
        "queue",
        "headers",
        "retried",
        "max_retry",
    ]
    .map(|name| started[name].clone());
    let expected = json!(["email:send", "{\"to\":7}", "default", { "trace": "1" }, 0, 25]);
    assert_eq!(json!(told), expected);
    yard.wait_until_gone("a");
    let stats = yard.stats();
    assert_eq!((stats.processed_total, stats.failed_total), (1, 0));
    assert_eq!(yard.ids(), []);
}

#[test]
fn a_task_that_we_schedule_is_done_by_go_when_it_is_due() {
    need_peers!();
    let mut yard = Yard::new(json!({}));
    let due_s = time_of_day().secs() + 2;
    yard.bench
        .call(Op::RegisterQueue {
            queue: "default".into(),
        })
        .unwrap();
    let op = Op::Schedule {
        message: task("a"),
        process_at_s: due_s,
    };
    assert_eq!(yard.bench.call(op), Ok(Reply::Enqueued(Accepted::New)));
    let listed = yard.go.ask(
        "list_tasks",
        json!({ "queue": "default", "state": "scheduled" }),
    );
    assert_eq!(listed[0]["next_process_at_ms"], due_s * 1_000, "{listed}");
    yard.go.wait_for("started", "a");
    assert!(time_of_day().secs() >= due_s);
    yard.wait_until_gone("a");
}

#[test]
fn what_becomes_of_our_tasks_in_go_is_read_by_us() {
    need_peers!();
    let mut yard = Yard::new(json!({}));
    let kept = |what: &str, id: &str| TaskMessage {
        retention: 60,
        ..asking(what, id)
    };
    yard.enqueue(asking("fail", "fails"));
    yard.enqueue(asking("panic", "panics"));
    yard.enqueue(asking("not-a-failure", "is not ready"));
    yard.enqueue(asking("skip-retry", "gives up"));
    yard.enqueue(kept("revoke", "is revoked"));
    yard.enqueue(kept("write-result", "has a result"));
    yard.enqueue(TaskMessage {
        retry: 0,
        ..asking("fail", "has no retries")
    });
    yard.enqueue(TaskMessage {
        timeout: 1,
        ..asking("wait", "takes too long")
    });
    yard.enqueue(TaskMessage {
        deadline: 1_000_000_000,
        ..asking("ok", "is too late")
    });

    for (id, retried, error) in [
        ("fails", 1, "boom"),
        ("panics", 1, "panic error cause by"),
        ("is not ready", 0, "not a failure"),
        ("takes too long", 1, "context deadline exceeded"),
        ("is too late", 1, "context deadline exceeded"),
    ] {
        let message = yard.wait_for(id, TaskState::Retry);
        assert_eq!(message.retried, retried, "{id}");
        assert!(
            message.error_msg.contains(error),
            "{id}: {}",
            message.error_msg
        );
        assert!(
            (time_of_day().secs() - message.last_failed_at).abs() < 60,
            "{id}"
        );
    }
    for (id, error) in [
        ("gives up", "skip retry for the task"),
        ("has no retries", "boom"),
    ] {
        let message = yard.wait_for(id, TaskState::Archived);
        assert_eq!((message.retried, message.error_msg.as_str()), (0, error));
    }
    let message = yard.wait_for("has a result", TaskState::Completed);
    assert!((time_of_day().secs() - message.completed_at).abs() < 60);
    let result = yard.bench.field("has a result", "result");
    assert_eq!(result.as_deref(), Some("{\"to\":7}"));
    yard.wait_until_gone("is revoked");

    let stats = yard.stats();
    let counts = (stats.retry, stats.archived, stats.completed, stats.active);
    assert_eq!(counts, (5, 2, 1, 0));
    // All but the one that is no failure were counted; six as failed.
    assert_eq!((stats.processed_total, stats.failed_total), (8, 6));
}

#[test]
fn a_task_of_ours_that_is_retried_in_go_is_done_at_last() {
    need_peers!();
    let mut yard = Yard::new(json!({ "retry_delay_ms": 0 }));
    let message = TaskMessage {
        retry: 2,
        ..asking("fail", "a")
    };
    yard.enqueue(message);
    for retried in 0..=2 {
        let started = yard.go.wait_for("started", "a");
        assert_eq!(started["retried"], retried, "{started}");
    }
    let message = yard.wait_for("a", TaskState::Archived);
    assert_eq!(message.retried, 2);
    let stats = yard.stats();
    assert_eq!((stats.processed_total, stats.failed_total), (3, 3));
}

#[test]
fn a_task_in_progress_in_go_is_read_by_us() {
    need_peers!();
    let mut yard = Yard::new(json!({}));
    yard.enqueue(asking("hang", "a"));
    yard.go.wait_for("started", "a");
    assert_eq!(yard.ids(), [("a".to_owned(), TaskState::Active)]);
    // Its lease as we list it, and as it will be found expired.
    let lease_s = yard.bench.set("lease")[0].1;
    assert!((29..=31).contains(&(lease_s - time_of_day().secs())));
    let expired = |cutoff_s| {
        let queue = "default".into();
        match yard.bench.call(Op::ListLeaseExpired { queue, cutoff_s }) {
            Ok(Reply::Messages(messages)) => messages,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(expired(lease_s - 1), []);
    assert_eq!(expired(lease_s), [asking("hang", "a")]);

    // A graceful end gives it back to whoever comes next.
    assert!(yard.go.terminate().success());
    assert_eq!(yard.ids(), [("a".to_owned(), TaskState::Pending)]);
    let stats = yard.stats();
    assert_eq!((stats.processed_total, stats.latency_seconds), (0, 0.0));
}

#[test]
fn tasks_of_ours_are_taken_by_go_in_their_order() {
    need_peers!();
    let bench = Bench::new(Persistence::None, 1.0);
    let ids: Vec<String> = (0..20).map(|number| format!("task-{number}")).collect();
    for id in &ids {
        bench.enqueue(id);
    }
    let mut go = Peer::start(&behind(&bench, 0));
    go.ask("serve", json!({ "concurrency": 1, "task_check_ms": 10 }));
    for id in &ids {
        go.wait_for("finished", id);
    }
    assert_eq!(go.ids("started"), ids);
}

#[test]
fn what_we_kept_is_cleaned_away_by_gos_janitor() {
    need_peers!();
    let mut bench = Bench::new(Persistence::None, 1.0);
    let now = time_of_day();
    for (id, retention) in [("short", 1), ("long", 3_600)] {
        let message = TaskMessage {
            retention,
            ..task(id)
        };
        let enqueued = Op::Enqueue {
            message: message.clone(),
            now,
        };
        bench.call(enqueued).unwrap();
        let taken = Op::Dequeue {
            queues: std::iter::once("default".to_owned()).collect(),
            lease_expires_s: now.secs() + 30,
        };
        bench.call(taken).unwrap();
        bench.call(Op::MarkAsComplete { message, now }).unwrap();
    }
    let mut go = Peer::start(&behind(&bench, 0));
    go.ask("serve", json!({ "janitor_ms": 50 }));
    eventually("Go's janitor", || {
        (bench.set("completed").len() == 1).then_some(())
    });
    let left: Vec<String> = bench.redis.keys(key("t:*")).unwrap();
    assert_eq!(left, [key("t:long")]);
}
