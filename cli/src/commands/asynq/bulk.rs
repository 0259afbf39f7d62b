//! `task runall`, `archiveall` and `deleteall`.

use crate::args::asynq::Many;
use crate::commands::asynq::session::{About, Session};
use firedrill_asynq::inspector::{InspectError, Source};
use firedrill_asynq::op::TaskState;
use serde_json::json;

/// `task runall`.
pub(super) async fn run(session: &mut Session<'_>, many: &Many) {
    let Some(source) = source(many) else { return };
    let all = session.inspector.run_all(queue(many), source).await;
    tell(session, many, all, "tasks are now pending").await;
}

/// `task archiveall`.
pub(super) async fn archive(session: &mut Session<'_>, many: &Many) {
    let Some(source) = source(many) else { return };
    let now = session.now();
    let all = session
        .inspector
        .archive_all(queue(many), source, now)
        .await;
    tell(session, many, all, "tasks archived").await;
}

/// `task deleteall`.
pub(super) async fn delete(session: &mut Session<'_>, many: &Many) {
    let Some(source) = source(many) else { return };
    let all = session.inspector.delete_all(queue(many), source).await;
    tell(session, many, all, "tasks deleted").await;
}

fn queue(many: &Many) -> &str {
    many.queue.as_deref().unwrap_or_default()
}

fn source(many: &Many) -> Option<Source<'_>> {
    Some(match TaskState::named(many.state.as_deref()?)? {
        TaskState::Pending => Source::Pending,
        TaskState::Scheduled => Source::Scheduled,
        TaskState::Retry => Source::Retry,
        TaskState::Archived => Source::Archived,
        TaskState::Completed => Source::Completed,
        TaskState::Aggregating => Source::Group(many.group.as_deref()?),
        TaskState::Active => return None,
    })
}

async fn tell(session: &mut Session<'_>, many: &Many, all: Result<u64, InspectError>, what: &str) {
    let count = match all {
        Ok(count) => count,
        Err(error) => return session.failed("", &error, About::default()).await,
    };
    session.note(format!("on {}", session.place.shown));
    match session.json {
        true => session.value(&json!({ "queue": many.queue, "state": many.state, "count": count })),
        false => session.line(&format!("{count} {what}")),
    }
}
