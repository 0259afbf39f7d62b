//! Our side of the operations, asked in the words of Go's peer.

use super::{Said, Time};
use crate::support::{Answer, Op};
use firedrill::asynq::message::TaskMessage;
use firedrill::asynq::op::{Accepted, BrokerError, Reply};
use firedrill::broker::redis::{RedisBroker, RedisOptions};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// asynq's timeout of a task that has neither timeout nor deadline, seconds.
const DEFAULT_TIMEOUT_S: i64 = 1_800;
const DEFAULT_MAX_RETRY: i64 = 25;

/// A client and an inspector on our database.
pub(super) struct Ours {
    broker: RedisBroker,
    /// The queues that the client has published.
    published: BTreeSet<String>,
    runtime: tokio::runtime::Runtime,
}

impl Ours {
    pub(super) fn new(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let connecting = RedisBroker::connect(url, RedisOptions::at_speed(1.0));
        Self {
            broker: runtime.block_on(connecting).unwrap(),
            published: BTreeSet::new(),
            runtime,
        }
    }

    /// Forgets what a new process would not know.
    pub(super) fn restart(&mut self) {
        self.published.clear();
    }

    pub(super) fn call(&self, op: Op) -> Answer {
        self.runtime.block_on(self.broker.call(op))
    }

    pub(super) fn enqueue(&mut self, now: Time, with: &Value) -> Said {
        let message = message(with);
        if self.published.insert(message.queue.clone()) {
            let queue = message.queue.clone();
            self.call(Op::RegisterQueue { queue }).map_err(text)?;
        }
        let later = with["process_at_ms"]
            .as_i64()
            .filter(|at_ms| *at_ms > now.millis());
        let state = if later.is_some() {
            "scheduled"
        } else {
            "pending"
        };
        let answer = json!({ "id": &message.id, "queue": &message.queue, "state": state });
        let op = match later {
            Some(at_ms) => Op::Schedule {
                message,
                process_at_s: at_ms.div_euclid(1_000),
            },
            None => Op::Enqueue { message, now },
        };
        match self.call(op).map_err(text)? {
            Reply::Enqueued(Accepted::New) => Ok(answer),
            Reply::Enqueued(Accepted::Duplicate) => Err("task already exists".into()),
            _ => Err("task ID conflicts with another task".into()),
        }
    }

    pub(super) fn queues(&mut self, _: Time, _: &Value) -> Said {
        match self.call(Op::Queues).map_err(text)? {
            Reply::Names(names) => Ok(json!(names)),
            other => Err(format!("{other:?}")),
        }
    }

    pub(super) fn queue_info(&mut self, now: Time, with: &Value) -> Said {
        let queue = with["queue"].as_str().unwrap_or_default().to_owned();
        // The broker's numbers are the exporter's, which asks only for queues it has found.
        let Reply::Names(known) = self.call(Op::Queues).map_err(text)? else {
            return Err("no names".into());
        };
        if !known.contains(&queue) {
            return Err(format!("NOT_FOUND: queue \"{queue}\" does not exist"));
        }
        match self.call(Op::QueueStats { queue, now }).map_err(text)? {
            Reply::Stats(stats) => Ok(json!({
                "pending": stats.pending, "active": stats.active, "scheduled": stats.scheduled, "retry": stats.retry,
                "archived": stats.archived, "completed": stats.completed, "processed_total": stats.processed_total,
                "failed_total": stats.failed_total, "paused": stats.paused,
                "latency_ns": (stats.latency_seconds * 1e9).round() as i64,
            })),
            other => Err(format!("{other:?}")),
        }
    }
}

fn text(error: BrokerError) -> String {
    error.to_string()
}

/// The message of a task with these options (asynq `client.go`, `composeOptions` and `EnqueueContext`).
fn message(with: &Value) -> TaskMessage {
    let text = |name: &str| with[name].as_str().unwrap_or_default().to_owned();
    let secs = |name: &str| with[name].as_i64().map_or(0, |ms| ms.div_euclid(1_000));
    let headers: BTreeMap<String, String> =
        serde_json::from_value(with["headers"].clone()).unwrap_or_default();
    let given = |name: &str| with[name].as_i64().is_some_and(|ms| ms != 0);
    // A timeout below a second is given, and yet stored as none.
    let unlimited = !given("timeout_ms") && !given("deadline_ms");
    let retry = with["max_retry"]
        .as_i64()
        .unwrap_or(DEFAULT_MAX_RETRY)
        .max(0);
    TaskMessage {
        r#type: text("type"),
        payload: text("payload").into_bytes(),
        id: text("task_id"),
        queue: text("queue"),
        retry: i32::try_from(retry).unwrap(),
        timeout: if unlimited {
            DEFAULT_TIMEOUT_S
        } else {
            secs("timeout_ms")
        },
        deadline: secs("deadline_ms"),
        retention: secs("retention_ms"),
        headers,
        ..TaskMessage::default()
    }
}
