//! What an Alertmanager file made of drills, in words.

use super::words::clock;
use crate::Scorecard;
use crate::alertmanager::{Labels, Silence};
use crate::score::{DrillScore, Routed};

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
