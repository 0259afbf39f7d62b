//! `task` about single tasks, and `task ls`.

use crate::args::asynq::{Many, One, Page as PageArgs};
use crate::commands::asynq::json;
use crate::commands::asynq::session::{About, Session, library_words};
use crate::commands::asynq::shown::{date, payload, safe, span, table};
use firedrill_asynq::inspector::{InspectError, Page, TaskInfo, TaskList};
use firedrill_asynq::op::TaskState;
use serde_json::{Value, json};

/// A page as asked for. Quirk: a negative page is the first, a negative size means all.
pub(super) fn page(args: PageArgs) -> Page {
    let positive = |number: i64| u32::try_from(number.max(0)).unwrap_or(u32::MAX);
    Page {
        number: positive(args.page).max(1),
        size: positive(args.size),
    }
}

/// `task ls`.
pub(super) async fn list(session: &mut Session<'_>, many: &Many, args: PageArgs) {
    let queue = many.queue.as_deref().unwrap_or_default();
    let group = many.group.as_deref().unwrap_or_default();
    let Some(state) = many.state.as_deref().and_then(TaskState::named) else {
        return;
    };
    let page = page(args);
    let listing = session
        .inspector
        .list_tasks(queue, state, group, page, session.now());
    let list = match listing.await {
        Ok(list) => list,
        Err(error) => {
            let words = library_words(&error);
            return session.failed_as(words, &error, About::default()).await;
        }
    };
    session.oddities(&list.oddities);
    session.orphans(&list.tasks);
    if session.json {
        let tasks: Value = list.tasks.iter().map(json::task).collect();
        return session.value(&json!({
            "queue": queue,
            "state": state.name(),
            "page": page.number,
            "size": page.size,
            "tasks": tasks,
            "odd": json::odd(&list.oddities),
        }));
    }
    if list.tasks.is_empty() {
        return session.line(&match state {
            TaskState::Aggregating => format!("No aggregating tasks in group {group:?} "),
            _ => format!("No {} tasks in {queue:?} queue", state.name()),
        });
    }
    let text = tabulated(session, state, &list);
    session.text(&text);
}

fn tabulated(session: &Session<'_>, state: TaskState, list: &TaskList) -> String {
    let extra: &[&str] = match state {
        TaskState::Active | TaskState::Pending => &[],
        TaskState::Scheduled => &["Process In"],
        TaskState::Retry => &[
            "Next Retry",
            "Last Error",
            "Last Failed",
            "Retried",
            "Max Retry",
        ],
        TaskState::Archived => &["Last Failed", "Last Error"],
        TaskState::Completed => &["CompletedAt", "Result"],
        TaskState::Aggregating => &["Group"],
    };
    let zone = &session.setting.zone;
    let row = |task: &TaskInfo| {
        let message = &task.message;
        let mut row = vec![
            message.id.clone(),
            message.r#type.clone(),
            payload(&message.payload),
        ];
        let failed = date(message.last_failed_at, zone);
        let error = message.error_msg.clone();
        match state {
            TaskState::Active | TaskState::Pending => {}
            TaskState::Scheduled => row.push(process_in(session, task)),
            TaskState::Retry => row.extend([
                process_in(session, task),
                error,
                failed,
                message.retried.to_string(),
                message.retry.to_string(),
            ]),
            TaskState::Archived => row.extend([failed, error]),
            TaskState::Completed => {
                row.extend([date(message.completed_at, zone), payload(&task.result)]);
            }
            TaskState::Aggregating => row.push(message.group_key.clone()),
        }
        row
    };
    let rows: Vec<Vec<String>> = list.tasks.iter().map(row).collect();
    table(&[&["ID", "Type", "Payload"], extra].concat(), &rows)
}

/// Nanoseconds from now until a task is processed next.
fn wait_ns(session: &Session<'_>, at_s: i64) -> i64 {
    at_s.saturating_mul(1_000_000_000)
        .saturating_sub(session.now().0)
}

fn process_in(session: &Session<'_>, task: &TaskInfo) -> String {
    match wait_ns(session, task.next_process_at_s.unwrap_or(0)) {
        wait if wait < 0 => "right now".to_owned(),
        wait => format!("in {}", span(wait)),
    }
}

/// `task inspect`.
pub(super) async fn inspect(session: &mut Session<'_>, one: &One) {
    let (queue, id) = named(one);
    let info = match session.inspector.task_info(queue, id, session.now()).await {
        Ok(info) => info,
        Err(error) => return failed(session, "get task info", &error, "task inspect", id).await,
    };
    session.orphans(std::slice::from_ref(&info));
    if session.json {
        return session.value(&json::task(&info));
    }
    let message = &info.message;
    session.heading("Task Info");
    session.line(&format!("Queue:   {}", safe(&message.queue)));
    session.line(&format!("ID:      {}", safe(&message.id)));
    session.line(&format!("Type:    {}", safe(&message.r#type)));
    session.line(&format!("State:   {}", info.state.name()));
    session.line(&format!("Retried: {}/{}\n", message.retried, message.retry));
    session.line(&format!(
        "Next process time: {}",
        next_process_time(session, &info)
    ));
    if !message.error_msg.is_empty() {
        session.heading_after_gap("Last Failure");
        let failed = date(message.last_failed_at, &session.setting.zone);
        session.line(&format!("Failed at:     {failed}"));
        session.line(&format!("Error message: {}", safe(&message.error_msg)));
    }
}

fn next_process_time(session: &Session<'_>, info: &TaskInfo) -> String {
    let Some(at_s) = info.next_process_at_s.filter(|at_s| *at_s != 0) else {
        return "n/a".to_owned();
    };
    match wait_ns(session, at_s) {
        wait if wait < 0 || info.state == TaskState::Pending => "now".to_owned(),
        wait => format!("{} (in {})", date(at_s, &session.setting.zone), span(wait)),
    }
}

/// `task run`.
pub(super) async fn run(session: &mut Session<'_>, one: &One) {
    let (queue, id) = named(one);
    match session.inspector.run_task(queue, id).await {
        Ok(()) => done(session, one, "task is now pending"),
        Err(error) => failed(session, "run task", &error, "task run", id).await,
    }
}

/// `task archive`.
pub(super) async fn archive(session: &mut Session<'_>, one: &One) {
    let (queue, id) = named(one);
    match session
        .inspector
        .archive_task(queue, id, session.now())
        .await
    {
        Ok(()) => done(session, one, "task archived"),
        Err(error) => failed(session, "archive task", &error, "task archive", id).await,
    }
}

/// `task delete`.
pub(super) async fn delete(session: &mut Session<'_>, one: &One) {
    let (queue, id) = named(one);
    match session.inspector.delete_task(queue, id).await {
        Ok(()) => done(session, one, "task deleted"),
        Err(error) => failed(session, "delete task", &error, "task delete", id).await,
    }
}

fn named(one: &One) -> (&str, &str) {
    (
        one.queue.as_deref().unwrap_or_default(),
        one.id.as_deref().unwrap_or_default(),
    )
}

fn done(session: &mut Session<'_>, one: &One, text: &str) {
    let (queue, id) = named(one);
    match session.json {
        true => session.value(&json!({ "queue": queue, "id": id, "done": true })),
        false => session.line(text),
    }
}

async fn failed(
    session: &mut Session<'_>,
    verb: &str,
    error: &InspectError,
    command: &str,
    id: &str,
) {
    let words = format!("could not {verb}: {}", library_words(error));
    session.failed_as(words, error, About { command, id }).await;
}

/// `task cancel`.
pub(super) async fn cancel(session: &mut Session<'_>, ids: &[String]) {
    let mut values = Vec::new();
    for id in ids {
        match session.inspector.cancel_processing(id).await {
            Ok(listening) => {
                values.push(json!({ "id": id, "listening": listening }));
                if listening == 0 {
                    session.note(format!(
                        "nobody listens for cancellations on {}: no worker server is connected there",
                        session.place.shown
                    ));
                }
                if !session.json {
                    session.line(&format!("Sent cancelation signal for task {}", safe(id)));
                }
            }
            Err(error) => {
                let lead = "could not send cancelation signal: ";
                session.failed(lead, &error, About::default()).await;
            }
        }
    }
    if session.json {
        session.value(&values);
    }
}
