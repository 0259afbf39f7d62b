//! Our side of the operations, asked in the words of Go's peer.

use super::said::Said;
use crate::support::{Answer, Op};
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::client::NewTask;
use firedrill_asynq::clock::Time;
use firedrill_asynq::inspector::{InspectError, Inspector, Page, Source, TaskInfo};
use firedrill_asynq::op::{Accepted, Reply, TaskState};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// A client and an inspector on our database.
pub(super) struct Ours {
    broker: RedisBroker,
    inspector: Inspector,
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
        let broker = runtime.block_on(connecting).unwrap();
        Self {
            inspector: Inspector::new(broker.clone()),
            broker,
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

    /// Asks the inspector, and puts what it answers as Go's peer does.
    fn inspect<T>(
        &self,
        answer: impl Future<Output = Result<T, InspectError>>,
        told: impl FnOnce(T) -> Value,
    ) -> Said {
        let answer = self.runtime.block_on(answer);
        answer.map(told).map_err(|error| error.to_string())
    }

    pub(super) fn enqueue(&mut self, now: Time, with: &Value) -> Said {
        let submission = new_task(with)
            .submission(now, || unreachable!("every task is given an id"))
            .map_err(|error| error.to_string())?;
        let message = submission.message.clone();
        if self.published.insert(message.queue.clone()) {
            let queue = message.queue.clone();
            self.call(Op::RegisterQueue { queue }).unwrap();
        }
        let next_process_at_s = submission.process_at.map(Time::secs);
        let state = match (next_process_at_s, message.group_key.as_str()) {
            (Some(_), _) => TaskState::Scheduled,
            (None, "") => TaskState::Pending,
            (None, _) => TaskState::Aggregating,
        };
        match self.call(submission.op(now)).unwrap() {
            Reply::Enqueued(Accepted::New) => {
                let info = TaskInfo {
                    message,
                    state,
                    next_process_at_s,
                    result: Vec::new(),
                    orphaned: false,
                };
                let mut told = task(&info);
                // The client answers in the words of its caller, before anything is cut to seconds.
                let fields = told.as_object_mut().expect("an object");
                for exact in [
                    "next_process_at_ms",
                    "timeout_ms",
                    "retention_ms",
                    "deadline_ms",
                ] {
                    fields.remove(exact);
                }
                Ok(told)
            }
            Reply::Enqueued(Accepted::Duplicate) => Err("task already exists".into()),
            Reply::Enqueued(Accepted::IdConflict) => {
                Err("task ID conflicts with another task".into())
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn queues(&mut self, _: Time, _: &Value) -> Said {
        self.inspect(self.inspector.queues(), |names| json!(names))
    }

    pub(super) fn queue_info(&mut self, now: Time, with: &Value) -> Said {
        self.inspect(self.inspector.queue_info(text(with, "queue"), now), |info| {
            json!({
                "queue": &info.queue, "latency_ns": info.latency_ns, "size": info.size(), "groups": info.groups,
                "pending": info.pending, "active": info.active, "scheduled": info.scheduled, "retry": info.retry,
                "archived": info.archived, "completed": info.completed, "aggregating": info.aggregating,
                "processed": info.processed, "failed": info.failed, "processed_total": info.processed_total,
                "failed_total": info.failed_total, "paused": info.paused,
            })
        })
    }

    pub(super) fn history(&mut self, now: Time, with: &Value) -> Said {
        let days = u32::try_from(number(with, "days").unwrap_or(0)).unwrap();
        self.inspect(self.inspector.history(text(with, "queue"), days, now), |days| {
            let day = |day: &firedrill_asynq::inspector::Day| {
                json!({ "processed": day.processed, "failed": day.failed })
            };
            days.iter().map(day).collect()
        })
    }

    pub(super) fn groups(&mut self, _: Time, with: &Value) -> Said {
        self.inspect(self.inspector.groups(text(with, "queue")), |list| {
            let sizes = list.groups.iter();
            sizes
                .map(|group| json!({ "group": group.group, "size": group.size }))
                .collect()
        })
    }

    pub(super) fn pause_queue(&mut self, now: Time, with: &Value) -> Said {
        self.inspect(self.inspector.pause_queue(text(with, "queue"), now), done)
    }

    pub(super) fn unpause_queue(&mut self, _: Time, with: &Value) -> Said {
        self.inspect(self.inspector.unpause_queue(text(with, "queue")), done)
    }

    pub(super) fn delete_queue(&mut self, _: Time, with: &Value) -> Said {
        let force = with["force"] == true;
        self.inspect(
            self.inspector.delete_queue(text(with, "queue"), force),
            done,
        )
    }

    pub(super) fn task_info(&mut self, now: Time, with: &Value) -> Said {
        let (queue, id) = (text(with, "queue"), text(with, "id"));
        self.inspect(self.inspector.task_info(queue, id, now), |info| task(&info))
    }

    pub(super) fn list_tasks(&mut self, now: Time, with: &Value) -> Said {
        let state = TaskState::named(text(with, "state")).unwrap();
        let default = Page::default();
        let given =
            |name, default| number(with, name).map_or(default, |n| u32::try_from(n).unwrap());
        let page = Page {
            number: given("page", default.number),
            size: given("size", default.size),
        };
        let listing =
            self.inspector
                .list_tasks(text(with, "queue"), state, text(with, "group"), page, now);
        self.inspect(listing, |list| {
            let listed = |info: &TaskInfo| {
                let mut told = task(info);
                told["is_orphaned"] = info.orphaned.into();
                told
            };
            list.tasks.iter().map(listed).collect()
        })
    }

    pub(super) fn run_task(&mut self, _: Time, with: &Value) -> Said {
        self.inspect(
            self.inspector
                .run_task(text(with, "queue"), text(with, "id")),
            done,
        )
    }

    pub(super) fn archive_task(&mut self, now: Time, with: &Value) -> Said {
        let (queue, id) = (text(with, "queue"), text(with, "id"));
        self.inspect(self.inspector.archive_task(queue, id, now), done)
    }

    pub(super) fn delete_task(&mut self, _: Time, with: &Value) -> Said {
        self.inspect(
            self.inspector
                .delete_task(text(with, "queue"), text(with, "id")),
            done,
        )
    }

    pub(super) fn update_task_payload(&mut self, now: Time, with: &Value) -> Said {
        let (queue, id) = (text(with, "queue"), text(with, "id"));
        let payload = text(with, "payload").as_bytes();
        self.inspect(
            self.inspector.update_task_payload(queue, id, payload, now),
            done,
        )
    }

    pub(super) fn cancel_processing(&mut self, _: Time, with: &Value) -> Said {
        self.inspect(self.inspector.cancel_processing(text(with, "id")), |_| {
            Value::Null
        })
    }

    pub(super) fn run_all_tasks(&mut self, _: Time, with: &Value) -> Said {
        let all = self.inspector.run_all(text(with, "queue"), source(with));
        self.inspect(all, Value::from)
    }

    pub(super) fn archive_all_tasks(&mut self, now: Time, with: &Value) -> Said {
        let all = self
            .inspector
            .archive_all(text(with, "queue"), source(with), now);
        self.inspect(all, Value::from)
    }

    pub(super) fn delete_all_tasks(&mut self, _: Time, with: &Value) -> Said {
        let all = self.inspector.delete_all(text(with, "queue"), source(with));
        self.inspect(all, Value::from)
    }
}

fn done((): ()) -> Value {
    Value::Null
}

fn text<'v>(with: &'v Value, name: &str) -> &'v str {
    with[name].as_str().unwrap_or_default()
}

fn number(with: &Value, name: &str) -> Option<i64> {
    with[name].as_i64()
}

fn source(with: &Value) -> Source<'_> {
    match text(with, "state") {
        "pending" => Source::Pending,
        "scheduled" => Source::Scheduled,
        "retry" => Source::Retry,
        "archived" => Source::Archived,
        "completed" => Source::Completed,
        "aggregating" => Source::Group(text(with, "group")),
        other => panic!("{other}"),
    }
}

fn new_task(with: &Value) -> NewTask {
    let given = |name: &str| with[name].as_str().map(str::to_owned);
    let span = |name| number(with, name).map(|ms| Duration::from_millis(ms.unsigned_abs()));
    let at = |name| number(with, name).map(Time::from_millis);
    NewTask {
        task_type: text(with, "type").into(),
        payload: given("payload").map(String::into_bytes),
        headers: serde_json::from_value(with["headers"].clone()).unwrap_or_default(),
        max_retry: number(with, "max_retry").map(|most| i32::try_from(most).unwrap()),
        queue: given("queue"),
        task_id: given("task_id"),
        timeout: span("timeout_ms"),
        deadline: at("deadline_ms"),
        unique_for: span("unique_ms"),
        process_at: at("process_at_ms"),
        retention: span("retention_ms"),
        group: given("group"),
    }
}

/// A task as Go's peer tells of it.
fn task(info: &TaskInfo) -> Value {
    let message = &info.message;
    let moment = |at_s: i64| (at_s != 0).then_some(at_s * 1_000);
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut told = json!({
        "id": message.id, "queue": message.queue, "type": message.r#type, "payload": lossy(&message.payload),
        "state": info.state.name(), "max_retry": message.retry, "retried": message.retried,
        "last_err": message.error_msg, "last_failed_at_ms": moment(message.last_failed_at),
        "timeout_ms": message.timeout * 1_000, "deadline_ms": moment(message.deadline), "group": message.group_key,
        "retention_ms": message.retention * 1_000, "completed_at_ms": moment(message.completed_at),
        "result": lossy(&info.result),
    });
    if !message.headers.is_empty() {
        told["headers"] = json!(message.headers);
    }
    // What is pending is due "now", which Go cuts to seconds in one answer and not in another.
    if info.state != TaskState::Pending {
        told["next_process_at_ms"] = info.next_process_at_s.map(|at_s| at_s * 1_000).into();
    }
    told
}
