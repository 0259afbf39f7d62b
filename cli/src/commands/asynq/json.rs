//! The JSON values of `--json`: stable keys, times in Unix seconds (`_s`), spans in nanoseconds (`_ns`).
//!
//! | command | value |
//! | --- | --- |
//! | `queue ls` | `[name]`, with `--cluster` `[{queue, slot, nodes}]` |
//! | `queue inspect` | `[{queue, size, groups, paused, tasks, today, total, latency_ns, memory_bytes, at_s, odd}]` |
//! | `queue history` | `[{queue, days: [{date, processed, failed}]}]` |
//! | `queue pause`, `resume`, `rm` | `[{queue, done, error}]` |
//! | `task ls` | `{queue, state, page, size, tasks: [task], odd}` |
//! | `task inspect` | a task |
//! | `task run`, `archive`, `delete` | `{queue, id, done}` |
//! | `task cancel` | `[{id, listening}]` |
//! | `task runall`, `archiveall`, `deleteall` | `{queue, state, count}` |
//! | `task enqueue` | `{queue, id}` |
//! | `group ls` | `{queue, groups: [{group, size}], odd}` |
//! | `server ls` | `{servers: [...], silent: [{key, since_s}], odd}` |
//! | `cron ls` | `{entries: [...], odd}` |
//! | `cron history` | `[{entry, events: [{task_id, enqueued_at_s}], odd}]` |
//! | `stats` | what asynq's `stats --json` prints |
//!
//! `odd` is what cannot be read, as `[{key, what}]`. Bytes are `text`, or `hex` if they are no UTF-8.

use firedrill_asynq::inspector::{Oddity, QueueInfo, ServerView, TaskInfo};
use firedrill_asynq::message::{ProtoTimestamp, SchedulerEntry};
use firedrill_asynq::op::TaskState;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// Bytes as text where they are text.
fn bytes(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({ "text": text }),
        Err(_) => {
            let mut hex = String::with_capacity(bytes.len() * 2);
            for byte in bytes {
                let _ = write!(hex, "{byte:02x}");
            }
            json!({ "hex": hex })
        }
    }
}

/// Unix seconds that are 0 when there is no such time.
fn seconds(at_s: i64) -> Option<i64> {
    Some(at_s).filter(|at_s| *at_s != 0)
}

fn moment(at: Option<ProtoTimestamp>) -> Option<i64> {
    at.filter(|at| !ProtoTimestamp::is_never(Some(*at)))
        .map(|at| at.seconds)
}

/// What is odd.
pub(super) fn odd(oddities: &[Oddity]) -> Value {
    oddities
        .iter()
        .map(|oddity| {
            let told = oddity.to_string();
            let what = told
                .split_once(": ")
                .map_or(told.as_str(), |(_, what)| what);
            json!({ "key": oddity.key, "what": what })
        })
        .collect()
}

/// A task.
pub(super) fn task(task: &TaskInfo) -> Value {
    let message = &task.message;
    json!({
        "id": message.id,
        "queue": message.queue,
        "type": message.r#type,
        "payload": bytes(&message.payload),
        "state": task.state.name(),
        "retried": message.retried,
        "max_retry": message.retry,
        "last_error": Some(&message.error_msg).filter(|error| !error.is_empty()),
        "last_failed_at_s": seconds(message.last_failed_at),
        "timeout_s": message.timeout,
        "deadline_s": seconds(message.deadline),
        "group": Some(&message.group_key).filter(|group| !group.is_empty()),
        "unique_key": Some(&message.unique_key).filter(|key| !key.is_empty()),
        "headers": message.headers,
        "next_process_at_s": task.next_process_at_s,
        "orphaned": task.orphaned,
        "retention_s": message.retention,
        "completed_at_s": seconds(message.completed_at),
        "result": Some(&task.result).filter(|result| !result.is_empty()).map(|result| bytes(result)),
    })
}

/// A queue's numbers.
pub(super) fn queue(info: &QueueInfo) -> Value {
    let tasks: Map<String, Value> = TaskState::ALL
        .into_iter()
        .map(|state| (state.name().to_owned(), info.count(state).into()))
        .collect();
    json!({
        "queue": info.queue,
        "size": info.size(),
        "groups": info.groups,
        "paused": info.paused,
        "tasks": tasks,
        "today": { "processed": info.processed, "failed": info.failed },
        "total": { "processed": info.processed_total, "failed": info.failed_total },
        "latency_ns": info.latency_ns,
        "memory_bytes": info.memory_bytes,
        "at_s": info.at.secs(),
        "odd": odd(&info.oddities),
    })
}

/// A server with its tasks in progress.
pub(super) fn server(view: &ServerView) -> Value {
    let info = &view.info;
    let workers = view.workers.iter().map(|worker| {
        json!({
            "task_id": worker.task_id,
            "type": worker.task_type,
            "payload": bytes(&worker.task_payload),
            "queue": worker.queue,
            "started_at_s": moment(worker.start_time),
            "deadline_s": moment(worker.deadline),
        })
    });
    json!({
        "host": info.host,
        "pid": info.pid,
        "id": info.server_id,
        "state": info.status,
        "concurrency": info.concurrency,
        "active_workers": info.active_worker_count,
        "queues": info.queues,
        "strict_priority": info.strict_priority,
        "started_at_s": moment(info.start_time),
        "workers": workers.collect::<Value>(),
    })
}

/// A periodic task.
pub(super) fn entry(entry: &SchedulerEntry) -> Value {
    json!({
        "id": entry.id,
        "spec": entry.spec,
        "type": entry.task_type,
        "payload": bytes(&entry.task_payload),
        "options": entry.enqueue_options,
        "next_s": moment(entry.next_enqueue_time),
        "prev_s": moment(entry.prev_enqueue_time),
    })
}
