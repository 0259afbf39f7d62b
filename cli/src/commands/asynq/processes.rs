//! `server` and `cron`: the processes that publish themselves.

use crate::args::asynq::Page;
use crate::commands::asynq::json;
use crate::commands::asynq::session::{About, SEPARATOR, Session};
use crate::commands::asynq::shown::{go_time, payload, safe, span, table};
use crate::commands::asynq::tasks::page;
use firedrill_asynq::message::{ProtoTimestamp, SchedulerEntry, ServerInfo};
use serde_json::{Value, json};

/// How long a server is shown after its last heartbeat, in seconds.
const TTL_S: i64 = firedrill_asynq::settings::SERVER_STATE_TTL_S;

/// `server ls`.
pub(super) async fn servers(session: &mut Session<'_>) {
    let list = match session.inspector.servers(session.now()).await {
        Ok(list) => list,
        Err(error) => {
            let lead = "could not fetch list of servers: ";
            return session.failed(lead, &error, About::default()).await;
        }
    };
    session.oddities(&list.oddities);
    for (key, expired_s) in &list.silent {
        let ago_ns = session.now().0 - (expired_s - TTL_S).saturating_mul(1_000_000_000);
        session.note(format!(
            "{}: last heard of {} ago; it was killed or cannot reach Redis",
            safe(key),
            span(ago_ns)
        ));
    }
    if session.json {
        let servers: Value = list.servers.iter().map(json::server).collect();
        let silent = list.silent.iter();
        let silent = silent.map(|(key, since_s)| json!({ "key": key, "since_s": since_s }));
        return session.value(&json!({
            "servers": servers,
            "silent": silent.collect::<Value>(),
            "odd": json::odd(&list.oddities),
        }));
    }
    if list.servers.is_empty() {
        return session.line("No running servers");
    }
    let row = |info: &ServerInfo| {
        vec![
            info.host.clone(),
            info.pid.to_string(),
            info.status.clone(),
            format!("{}/{}", info.active_worker_count, info.concurrency),
            priorities(info),
            ago(session, info.start_time),
        ]
    };
    let rows: Vec<Vec<String>> = list.servers.iter().map(|view| row(&view.info)).collect();
    let columns = [
        "Host",
        "PID",
        "State",
        "Active Workers",
        "Queues",
        "Started",
    ];
    session.text(&table(&columns, &rows));
}

/// Queues by descending priority, then name.
fn priorities(info: &ServerInfo) -> String {
    let mut queues: Vec<(&String, &i32)> = info.queues.iter().collect();
    queues.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let queues = queues.into_iter();
    let queues: Vec<String> = queues
        .map(|(name, priority)| format!("{name}:{priority}"))
        .collect();
    queues.join(" ")
}

/// Nanoseconds from `at` until now; an absent time is the Unix epoch, as in Go.
fn since_ns(session: &Session<'_>, at: Option<ProtoTimestamp>) -> i64 {
    let at = at.unwrap_or_default();
    let at_ns = at
        .seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(i64::from(at.nanos));
    session.now().0.saturating_sub(at_ns)
}

fn ago(session: &Session<'_>, at: Option<ProtoTimestamp>) -> String {
    format!("{} ago", span(since_ns(session, at)))
}

/// `cron ls`.
pub(super) async fn entries(session: &mut Session<'_>) {
    let list = match session.inspector.scheduler_entries(session.now()).await {
        Ok(list) => list,
        Err(error) => {
            let lead = "could not fetch scheduler entries: ";
            return session.failed(lead, &error, About::default()).await;
        }
    };
    session.oddities(&list.oddities);
    if session.json {
        let entries: Value = list.entries.iter().map(json::entry).collect();
        return session.value(&json!({ "entries": entries, "odd": json::odd(&list.oddities) }));
    }
    if list.entries.is_empty() {
        return session.line("No scheduler entries");
    }
    let row = |entry: &SchedulerEntry| {
        vec![
            entry.id.clone(),
            entry.spec.clone(),
            entry.task_type.clone(),
            payload(&entry.task_payload),
            options(&entry.enqueue_options),
            next(session, entry.next_enqueue_time),
            match entry.prev_enqueue_time {
                Some(ProtoTimestamp::NEVER) => "N/A".to_owned(),
                prev => ago(session, prev),
            },
        ]
    };
    let rows: Vec<Vec<String>> = list.entries.iter().map(row).collect();
    let columns = [
        "EntryID", "Spec", "Type", "Payload", "Options", "Next", "Prev",
    ];
    session.text(&table(&columns, &rows));
}

fn next(session: &Session<'_>, at: Option<ProtoTimestamp>) -> String {
    let wait_ns = since_ns(session, at).saturating_neg();
    match span(wait_ns) {
        wait if wait.starts_with('-') => "Now".to_owned(),
        wait => format!("In {wait}"),
    }
}

/// The options of an entry in brackets. Quirk: asynq reads its own texts back and leaves out what it cannot: the options
/// `TaskID` and `Group`, and arguments with a closing bracket in them.
fn options(texts: &[String]) -> String {
    const READ: [&str; 9] = [
        "Queue",
        "MaxRetry",
        "Timeout",
        "Deadline",
        "Unique",
        "ProcessAt",
        "ProcessIn",
        "Retention",
        "Header",
    ];
    let read = |text: &&String| {
        let name = text.split_once('(').map(|(name, _)| name);
        name.is_some_and(|name| READ.contains(&name)) && text.find(')') == Some(text.len() - 1)
    };
    let texts: Vec<&str> = texts.iter().filter(read).map(String::as_str).collect();
    format!("[{}]", texts.join(" "))
}

/// `cron history`.
pub(super) async fn events(session: &mut Session<'_>, entries: &[String], args: Page) {
    let mut values = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        if !session.json {
            if number > 0 {
                session.line(&format!("\n{SEPARATOR}"));
            }
            session.line(&format!("\nEntry: {}\n", safe(entry)));
        }
        let list = match session.inspector.scheduler_events(entry, page(args)).await {
            Ok(list) => list,
            Err(error) => {
                session.failed("", &error, About::default()).await;
                continue;
            }
        };
        session.oddities(&list.oddities);
        let at = |at: Option<ProtoTimestamp>| at.unwrap_or_default();
        if session.json {
            let events = list.events.iter().map(|event| {
                json!({ "task_id": event.task_id, "enqueued_at_s": at(event.enqueue_time).seconds })
            });
            values.push(json!({
                "entry": entry,
                "events": events.collect::<Value>(),
                "odd": json::odd(&list.oddities),
            }));
            continue;
        }
        if list.events.is_empty() {
            let entry = safe(entry);
            session.line(&format!(
                "No scheduler enqueue events found for entry: {entry}"
            ));
            continue;
        }
        let row = |event: &firedrill_asynq::message::SchedulerEnqueueEvent| {
            let at = at(event.enqueue_time);
            vec![event.task_id.clone(), go_time(at.seconds, at.nanos)]
        };
        let rows: Vec<Vec<String>> = list.events.iter().map(row).collect();
        session.text(&table(&["TaskID", "EnqueuedAt"], &rows));
    }
    if session.json {
        session.value(&values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_asynq_reads_back() {
        let texts = [
            "Queue(\"low\")",
            "TaskID(\"x\")",
            "MaxRetry(3)",
            "Queue(\"a)b\")",
            "nonsense",
        ];
        let texts: Vec<String> = texts.into_iter().map(str::to_owned).collect();
        assert_eq!(options(&texts), "[Queue(\"low\") MaxRetry(3)]");
        assert_eq!(options(&[]), "[]");
    }
}
