//! The summary of a scorecard.

use super::{length, share};
use crate::Scorecard;
use crate::document::routed;
use crate::score::{Delivery, DrillScore};
use firedrill_detector::duration::format_ms;
use std::collections::BTreeSet;

/// How pages were delivered: as Alertmanager does with these settings.
fn delivery(delivery: Delivery) -> String {
    let [wait, interval] = [delivery.group_wait_ms, delivery.group_interval_ms].map(format_ms);
    format!("group_wait {wait}, group_interval {interval}")
}

/// The distinct ways in which pages of all drills were delivered.
fn deliveries(drills: &[DrillScore]) -> String {
    let each = |drill: &DrillScore| match (&drill.heard, &drill.routed) {
        (Some(heard), _) if heard.is_delivered => format!("as it came to the {}", heard.by),
        (_, Some(routed)) => routed.file.clone(),
        (_, None) => delivery(drill.delivery),
    };
    // By their lengths of time, those of files last.
    let all: BTreeSet<(bool, Delivery, String)> = drills
        .iter()
        .map(|drill| (drill.routed.is_some(), drill.delivery, each(drill)))
        .collect();
    let mut all: Vec<String> = all.into_iter().map(|(.., told)| told).collect();
    all.dedup();
    all.join("; ")
}

/// The lines of the summary: what, and how much.
pub(crate) fn summary(card: &Scorecard) -> Vec<(&'static str, String)> {
    let summary = &card.summary;
    let latency = |latency: Option<i64>| latency.map_or("missed".to_owned(), length);
    let mut lines = vec![
        ("incidents detected", share(summary.recall, "no incidents")),
        (
            "detected by the deadline",
            share(summary.recall_at_deadline, "no incidents"),
        ),
        ("page precision", share(summary.precision, "no pages")),
        (
            "incidents detected per page sent",
            share(summary.useful_pages, "no pages"),
        ),
        (
            "fault to notification, median / p90",
            summary
                .latency_ms
                .map_or("n/a (no incidents)".into(), |[median, p90]| {
                    format!("{} / {}", latency(median), latency(p90))
                }),
        ),
    ];
    lines.push(("delivery (Alertmanager)", deliveries(&card.drills)));
    lines.extend(routed::pages(card).map(|told| ("pages sent", told)));
    let (undetected, total) = summary.undetected_ms;
    if total > 0 {
        let percent = undetected as f64 / total as f64 * 100.0;
        lines.push((
            "user impact before any page",
            format!(
                "{} of {} min = {percent:.0} %",
                undetected / 60_000,
                total / 60_000
            ),
        ));
    }
    lines.push((
        "harmless events with a page",
        share(summary.benign_trips, "none rehearsed"),
    ));
    lines.push((
        "false pages per week",
        summary
            .false_pages_per_week()
            .map_or("n/a (no quiet time)".into(), |(rate, low, high)| {
                let hours = summary.exposure_ms as f64 / 3_600_000.0;
                format!(
                    "{rate:.0} [{low:.0}, {high:.0}] ({} in {hours:.1} h)",
                    summary.false_pages
                )
            }),
    ));
    if let Some(tickets) = &card.tickets {
        lines.push((
            "tickets: incidents by the deadline",
            share(tickets.recall_at_deadline, "none deserve just a ticket"),
        ));
        lines.push(("ticket precision", share(tickets.precision, "no tickets")));
    }
    if summary.over_escalated > 0 {
        lines.push((
            "pages where a ticket would have done",
            summary.over_escalated.to_string(),
        ));
    }
    // Of one drill it goes without saying that most alerts are about something else.
    let never_fired: &[String] = if card.drills.len() > 1 {
        &card.never_fired
    } else {
        &[]
    };
    for (what, alerts) in [
        ("never fired", never_fired),
        ("never had data", &card.never_had_data),
        ("rules that fail the gate", &card.dead),
        ("cannot fire in drills this short", &card.cut_short),
        ("always firing", &card.always_firing),
    ] {
        if !alerts.is_empty() {
            lines.push((what, alerts.join(", ")));
        }
    }
    if summary.inconclusive > 0 {
        lines.push((
            "inconclusive drills, not scored",
            summary.inconclusive.to_string(),
        ));
    }
    lines
}
