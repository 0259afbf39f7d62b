//! `asynq orphan`: what is left over in Redis, and clearing it. asynq's own command line has nothing of the kind.

use crate::commands::asynq::connect::quoted;
use crate::commands::asynq::session::{About, Session};
use crate::commands::asynq::shown::safe;
use firedrill_asynq::inspector::{LeftOver, OrphanKind, Orphans};
use firedrill_detector::text::counted;
use serde_json::{Value, json};

/// `orphan ls`.
pub(super) async fn list(session: &mut Session<'_>, queue: Option<&str>) {
    let LeftOver { orphans, unseen } = match session.inspector.orphans(queue, u64::MAX).await {
        Ok(found) => found,
        Err(error) => {
            let lead = "could not look for orphans: ";
            return session.failed(lead, &error, About::default()).await;
        }
    };
    for unseen in &unseen {
        session.note(safe(&unseen.to_string()));
    }
    if session.json {
        return session.value(&orphans.iter().map(value).collect::<Value>());
    }
    if orphans.is_empty() {
        return session.line("No orphans found");
    }
    for orphans in orphans {
        let text = lines(&orphans, &session.place.typed);
        session.text(&text);
    }
}

/// `orphan clear`.
pub(super) async fn clear(session: &mut Session<'_>, queue: &str, kind: OrphanKind) {
    let cleared = session.inspector.clear_orphans(queue, kind, session.now());
    match cleared.await {
        Ok(count) if session.json => {
            session.value(&json!({ "queue": queue, "kind": kind.name(), "cleared": count }));
        }
        Ok(count) => session.line(&format!(
            "{} cleared in queue {queue:?}",
            counted(count, "orphan")
        )),
        Err(error) => session.failed("", &error, About::default()).await,
    }
}

/// The orphans of one kind in one queue, with their keys and what clears them. `asynq`: how the command line begins.
pub(crate) fn lines(orphans: &Orphans, asynq: &str) -> String {
    let Orphans { queue, kind, .. } = orphans;
    let least = if orphans.is_least { "at least " } else { "" };
    let mut text = format!(
        "{}: {} ({}): {least}{}\n",
        safe(queue),
        kind.says(),
        kind.name(),
        orphans.count
    );
    for orphan in &orphans.first {
        let id = match orphan.key.ends_with(&orphan.id) {
            true => String::new(),
            false => format!(" {}", safe(&orphan.id)),
        };
        text.push_str(&format!("  {}{id}\n", safe(&orphan.key)));
    }
    let more = orphans.count - orphans.first.len() as u64;
    if more > 0 {
        text.push_str(&format!("  and {more} more\n"));
    }
    text.push_str(&format!(
        "  {asynq} orphan clear --queue={} --kind={} {}\n",
        quoted(queue),
        kind.name(),
        kind.cleared()
    ));
    text
}

/// The same for machines.
pub(crate) fn value(orphans: &Orphans) -> Value {
    let first = orphans.first.iter();
    let first = first.map(|orphan| json!({ "key": orphan.key, "id": orphan.id }));
    json!({
        "queue": orphans.queue,
        "kind": orphans.kind.name(),
        "count": orphans.count,
        "is_least": orphans.is_least,
        "first": first.collect::<Value>(),
    })
}
