//! What an Alertmanager file made of drills, in words.

use crate::Scorecard;
use crate::alertmanager::{Labels, Notification, Reason, Silence, Suppressed};
use crate::render::cell::clock;
use crate::render::json::{lower, seconds};
use crate::score::{DrillScore, Routed};
use serde_json::{Value, json};

/// Why an alert was not sent.
pub(super) fn silence(why: &Silence) -> String {
    match why {
        Silence::Inhibited { by } => format!("inhibited by {}", alert(by)),
        Silence::Muted { interval } => format!("muted by the time interval {interval}"),
        Silence::Inactive { intervals } => {
            format!("outside the time intervals {}", intervals.join(", "))
        }
        Silence::NoIntegration { receivers } => {
            format!("routed to {}, which sends nothing", receivers.join(", "))
        }
    }
}

/// An alert by its name and what tells it apart: `QueueOld{queue="bulk"}`.
fn alert(labels: &Labels) -> String {
    let name = labels.get("alertname").map_or("", String::as_str);
    let others = labels.iter().filter(|(name, _)| *name != "alertname");
    let others: Vec<String> = others
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    match others.is_empty() {
        true => name.to_owned(),
        false => format!("{name}{{{}}}", others.join(", ")),
    }
}

/// How many pages there were; nothing where no Alertmanager file says what is sent.
pub(super) fn pages(card: &Scorecard) -> Option<String> {
    let all: Vec<&Routed> = card
        .drills
        .iter()
        .filter_map(|drill| drill.routed.as_ref())
        .collect();
    if all.is_empty() {
        return None;
    }
    let sum = |of: fn(&Routed) -> u64| all.iter().map(|routed| of(routed)).sum::<u64>();
    Some(format!(
        "{}, {} of them reminders (repeat_interval)",
        sum(|routed| routed.pages),
        sum(|routed| routed.repeats)
    ))
}

/// What was kept back in a drill from receivers that would have been notified, an alert and reason a line.
pub(super) fn kept_back(drill: &DrillScore) -> Vec<String> {
    let all = drill.routed.iter().flat_map(|routed| &routed.suppressed);
    let at = |ms: i64| clock((ms as f64 / 1e3).round() as i64);
    all.map(|one| {
        let times = match one.from_ms == one.to_ms {
            true => format!("at {}", at(one.from_ms)),
            false => format!("from {} to {}", at(one.from_ms), at(one.to_ms)),
        };
        format!(
            "{} was kept back from {} {times}: {}",
            alert(&one.labels),
            one.receiver,
            silence(&one.why)
        )
    })
    .collect()
}

/// For machines; `null` where no Alertmanager file says what is sent. Times count from the start of the drill.
pub(super) fn value(routed: Option<&Routed>) -> Value {
    let Some(routed) = routed else {
        return Value::Null;
    };
    json!({
        "file": routed.file,
        "pages": routed.pages,
        "repeats": routed.repeats,
        "false_pages": routed.false_pages,
        "notifications": routed.notifications.iter().map(notification).collect::<Vec<_>>(),
        "kept_back": routed.suppressed.iter().map(suppressed).collect::<Vec<_>>(),
    })
}

fn notification(one: &Notification) -> Value {
    json!({
        "at_seconds": seconds(one.at_ms),
        "receiver": one.receiver,
        "page": one.page && !one.firing.is_empty(),
        "reason": reason(one.reason),
        "group_labels": one.group,
        "firing": one.firing,
        "resolved": one.resolved,
    })
}

/// In Alertmanager's words.
fn reason(reason: Reason) -> String {
    lower(reason)
}

fn suppressed(one: &Suppressed) -> Value {
    json!({
        "labels": one.labels,
        "receiver": one.receiver,
        "from_seconds": seconds(one.from_ms),
        "to_seconds": seconds(one.to_ms),
        "why": why(&one.why),
    })
}

/// What kept an alert back, for machines.
pub(super) fn why(why: &Silence) -> Value {
    match why {
        Silence::Inhibited { by } => json!({ "reason": "inhibited", "by": by }),
        Silence::Muted { interval } => json!({ "reason": "muted", "time_interval": interval }),
        Silence::Inactive { intervals } => {
            json!({ "reason": "inactive", "time_intervals": intervals })
        }
        Silence::NoIntegration { receivers } => {
            json!({ "reason": "no_integration", "receivers": receivers })
        }
    }
}
