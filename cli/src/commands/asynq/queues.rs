//! `queue` and `group`.

use crate::commands::asynq::json;
use crate::commands::asynq::session::{About, SEPARATOR, Session};
use crate::commands::asynq::shown::{day, error_rate, safe, table};
use firedrill_asynq::inspector::{InspectError, Odd, QueueInfo};
use firedrill_asynq::op::TaskState;
use serde_json::{Value, json};

/// The states in the order in which asynq shows their numbers.
pub(super) const SHOWN_STATES: [TaskState; 7] = [
    TaskState::Active,
    TaskState::Pending,
    TaskState::Aggregating,
    TaskState::Scheduled,
    TaskState::Retry,
    TaskState::Archived,
    TaskState::Completed,
];

/// Days that history goes back at most: counters are kept for 90.
const DAYS_MAX: i64 = 10_000;

/// `queue ls`.
pub(super) async fn list(session: &mut Session<'_>) {
    let queues = match session.inspector.queues().await {
        Ok(queues) => queues,
        Err(error) => {
            let lead = "could not fetch list of queues: ";
            return session.failed(lead, &error, About::default()).await;
        }
    };
    if session.place.is_cluster() {
        return list_with_nodes(session, queues).await;
    }
    if session.json {
        return session.value(&queues);
    }
    for queue in queues {
        session.line(&safe(&queue));
    }
}

async fn list_with_nodes(session: &mut Session<'_>, queues: Vec<String>) {
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for queue in queues {
        let slot = session.inspector.cluster_key_slot(&queue).await;
        let nodes = session.inspector.cluster_nodes(&queue).await;
        match (slot, nodes) {
            (Ok(slot), Ok(nodes)) => {
                let nodes: Vec<String> = nodes.into_iter().map(|node| node.address).collect();
                values.push(json!({ "queue": queue, "slot": slot, "nodes": nodes }));
                rows.push(vec![queue, slot.to_string(), nodes.join(" ")]);
            }
            (Err(error), _) => {
                let lead = format!("could not get cluster keyslot for {queue:?}: ");
                session.failed(&lead, &error, About::default()).await;
            }
            (_, Err(error)) => {
                let lead = format!("could not get cluster nodes for {queue:?}: ");
                session.failed(&lead, &error, About::default()).await;
            }
        }
    }
    match session.json {
        true => session.value(&values),
        false => session.text(&table(
            &["Queue", "Cluster KeySlot", "Cluster Nodes"],
            &rows,
        )),
    }
}

/// `queue inspect`.
pub(super) async fn inspect(session: &mut Session<'_>, queues: &[String]) {
    let mut values = Vec::new();
    for (number, queue) in queues.iter().enumerate() {
        if number > 0 && !session.json {
            session.line(&format!("\n{SEPARATOR}\n"));
        }
        match session.inspector.queue_info(queue, session.now()).await {
            Ok(info) => {
                session.oddities(&info.oddities);
                match session.json {
                    true => values.push(json::queue(&info)),
                    false => show(session, &info),
                }
            }
            Err(error) => session.failed("", &error, About::default()).await,
        }
    }
    if session.json {
        session.value(&values);
    }
}

fn show(session: &mut Session<'_>, info: &QueueInfo) {
    session.heading("Queue Info");
    session.line(&format!("Name:   {}", safe(&info.queue)));
    session.line(&format!("Size:   {}", info.size()));
    session.line(&format!("Groups: {}", info.groups));
    session.line(&format!("Paused: {}\n", info.paused));
    session.heading("Task Count by State");
    let counts = SHOWN_STATES.map(|state| count(info, state)).to_vec();
    session.text(&table(&SHOWN_STATES.map(TaskState::name), &[counts]));
    session.heading_after_gap(&format!("Daily Stats {} UTC", day(info.at.secs())));
    let rate = error_rate(info.processed, info.failed);
    let row = vec![info.processed.to_string(), info.failed.to_string(), rate];
    session.text(&table(&["processed", "failed", "error rate"], &[row]));
}

/// How many tasks are in a state; a question mark where that could not be read.
fn count(info: &QueueInfo, state: TaskState) -> String {
    let part = match state {
        TaskState::Aggregating => ":groups",
        _ => state.name(),
    };
    let unread = info
        .oddities
        .iter()
        .any(|oddity| !matches!(oddity.what, Odd::NoNumber(_)) && oddity.key.ends_with(part));
    match unread {
        true => "?".to_owned(),
        false => info.count(state).to_string(),
    }
}

/// `queue history`.
pub(super) async fn history(session: &mut Session<'_>, queues: &[String], days: i64) {
    let mut values = Vec::new();
    // More days than anybody keeps are as many as anybody keeps.
    let days = u32::try_from(days.clamp(0, DAYS_MAX)).unwrap_or(0);
    for (number, queue) in queues.iter().enumerate() {
        if !session.json {
            if number > 0 {
                session.line(&format!("\n{SEPARATOR}\n"));
            }
            session.line(&format!("Queue: {}\n", safe(queue)));
        }
        let found = match session.inspector.history(queue, days, session.now()).await {
            Ok(found) => found,
            Err(error) => {
                session.failed("", &error, About::default()).await;
                continue;
            }
        };
        if session.json {
            let days = found.iter().map(|found| {
                json!({ "date": day(found.at.secs()), "processed": found.processed, "failed": found.failed })
            });
            values.push(json!({ "queue": queue, "days": days.collect::<Value>() }));
            continue;
        }
        let row = |found: &firedrill_asynq::inspector::Day| {
            vec![
                day(found.at.secs()),
                found.processed.to_string(),
                found.failed.to_string(),
                error_rate(found.processed, found.failed),
            ]
        };
        let rows: Vec<Vec<String>> = found.iter().map(row).collect();
        let columns = ["date (UTC)", "processed", "failed", "error rate"];
        session.text(&table(&columns, &rows));
    }
    if session.json {
        session.value(&values);
    }
}

/// `queue pause`.
pub(super) async fn pause(session: &mut Session<'_>, queues: &[String]) {
    let mut done = Vec::new();
    for queue in queues {
        let outcome = session.inspector.pause_queue(queue, session.now()).await;
        if outcome.is_ok() {
            warn_of_a_typo(session, queue).await;
        }
        done.push((queue, outcome));
    }
    tell(session, done, "Successfully paused queue").await;
}

/// asynq pauses what is not there without a word.
async fn warn_of_a_typo(session: &mut Session<'_>, queue: &str) {
    let known = session.inspector.queues().await;
    if known.is_ok_and(|known| !known.iter().any(|name| name == queue)) {
        session.note(format!(
            "no producer has published a queue {queue:?} here; it is paused all the same"
        ));
    }
}

/// `queue resume`.
pub(super) async fn resume(session: &mut Session<'_>, queues: &[String]) {
    let mut done = Vec::new();
    for queue in queues {
        done.push((queue, session.inspector.unpause_queue(queue).await));
    }
    tell(session, done, "Successfully unpaused queue").await;
}

/// `queue rm`.
pub(super) async fn remove(session: &mut Session<'_>, queues: &[String], force: bool) {
    let mut done = Vec::new();
    for queue in queues {
        done.push((queue, session.inspector.delete_queue(queue, force).await));
    }
    tell(session, done, "Successfully removed queue").await;
}

/// Says what became of each queue.
async fn tell(
    session: &mut Session<'_>,
    outcomes: Vec<(&String, Result<(), InspectError>)>,
    success: &str,
) {
    let mut values = Vec::new();
    for (queue, outcome) in outcomes {
        let error = outcome.as_ref().err().map(ToString::to_string);
        values.push(json!({ "queue": queue, "done": outcome.is_ok(), "error": error }));
        match outcome {
            Ok(()) if !session.json => session.line(&format!("{success} {queue:?}")),
            Ok(()) => {}
            Err(error) => session.failed("", &error, About::default()).await,
        }
    }
    if session.json {
        session.value(&values);
    }
}

/// `group ls`.
pub(super) async fn groups(session: &mut Session<'_>, queue: &str) {
    let list = match session.inspector.groups(queue).await {
        Ok(list) => list,
        Err(error) => {
            let lead = "could not fetch groups: ";
            return session.failed(lead, &error, About::default()).await;
        }
    };
    session.oddities(&list.oddities);
    if session.json {
        let groups = list.groups.iter();
        let groups = groups.map(|group| json!({ "group": group.group, "size": group.size }));
        return session.value(&json!({
            "queue": queue,
            "groups": groups.collect::<Value>(),
            "odd": json::odd(&list.oddities),
        }));
    }
    if list.groups.is_empty() {
        return session.line(&format!("No groups found in queue {queue:?}"));
    }
    for group in &list.groups {
        session.line(&safe(&group.group));
    }
}
