//! The short texts that all renderers share.

use crate::score::judge::{Class, Outcome};
use crate::score::stats::Share;
use crate::score::{AlertScore, Did, DrillScore, IncidentScore};

/// How a text should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Middling,
    Quiet,
}

/// `+15:15` after the fault (or the harmless event) began.
pub(super) fn since(at_ms: i64, zero_ms: i64) -> String {
    let seconds = (at_ms - zero_ms) as f64 / 1e3;
    let sign = if seconds < 0.0 { '-' } else { '+' };
    format!("{sign}{}", clock(seconds.abs().round() as i64))
}

/// `75:03`.
pub(super) fn clock(seconds: i64) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// A length of time in minutes and seconds.
pub(super) fn length(ms: i64) -> String {
    clock((ms as f64 / 1e3).round() as i64)
}

/// What an alert did, in a few words.
pub(super) fn alert(drill: &DrillScore, alert: &AlertScore) -> (String, Tone) {
    let at = |ms: i64| since(ms, drill.zero_ms);
    if alert.no_data && matches!(alert.did, Did::Missed | Did::Silent) {
        return ("no data".into(), Tone::Middling);
    }
    match &alert.did {
        Did::CriedWolf { at_ms } => (format!("FALSE {}", at(*at_ms)), Tone::Bad),
        Did::Detected {
            fired_ms,
            in_time,
            let_go_ms,
            flaps,
            ..
        } => {
            let mut text = at(*fired_ms);
            if !in_time {
                text.push_str(" late");
            }
            if let Some(ms) = let_go_ms {
                text.push_str(&format!(", LETS GO {}", at(*ms)));
            }
            if *flaps > 0 {
                text.push_str(&format!(", {flaps} flap(s)"));
            }
            let tone = match (in_time, let_go_ms) {
                (true, None) => Tone::Good,
                (true, Some(_)) | (false, None) => Tone::Middling,
                (false, Some(_)) => Tone::Bad,
            };
            (text, tone)
        }
        Did::Beside { at_ms, class } => {
            let what = match class {
                Class::Post => "afterwards",
                Class::Related => "symptom",
                _ => "wrong alert",
            };
            (format!("{} {what}", at(*at_ms)), Tone::Middling)
        }
        Did::Missed => ("MISSED".into(), Tone::Bad),
        Did::Masked => ("fired before".into(), Tone::Middling),
        Did::Silent if drill.incidents.is_empty() => ("silent".into(), Tone::Good),
        Did::Silent => ("-".into(), Tone::Quiet),
    }
}

/// What an incident came to, in a few words.
pub(super) fn outcome(incident: &IncidentScore) -> (&'static str, Tone) {
    match incident.outcome {
        Outcome::Early => ("early", Tone::Good),
        Outcome::OnTime => ("in time", Tone::Good),
        Outcome::Late => ("LATE", Tone::Bad),
        Outcome::Missed if incident.seen_after => ("MISSED, seen afterwards", Tone::Bad),
        Outcome::Missed => ("MISSED", Tone::Bad),
        Outcome::Masked => ("masked", Tone::Middling),
        Outcome::Censored => ("cut short", Tone::Middling),
    }
}

/// `2 of 3 = 67 % [21, 94]`.
pub(super) fn share(share: Option<Share>, nothing: &str) -> String {
    share.map_or_else(
        || format!("n/a ({nothing})"),
        |share| {
            let (low, high) = share.wilson();
            format!(
                "{} of {} = {:.0} % [{:.0}, {:.0}]",
                share.count,
                share.of,
                share.value() * 100.0,
                low * 100.0,
                high * 100.0
            )
        },
    )
}

/// The lines of the summary: what, and how much.
pub(super) fn summary(card: &crate::Scorecard) -> Vec<(&'static str, String)> {
    let summary = &card.summary;
    let latency = |latency: Option<i64>| latency.map_or("missed".to_owned(), length);
    let mut lines = vec![
        ("incidents detected", share(summary.recall, "no incidents")),
        (
            "detected by the deadline",
            share(summary.recall_at_deadline, "no incidents"),
        ),
        (
            "right pages of right and wrong ones",
            share(summary.precision, "no pages"),
        ),
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
    let (undetected, total) = summary.undetected_ms;
    if total > 0 {
        let percent = undetected as f64 / total as f64 * 100.0;
        lines.push((
            "user impact nobody was told of",
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
    if summary.inconclusive > 0 {
        lines.push((
            "inconclusive drills, not scored",
            summary.inconclusive.to_string(),
        ));
    }
    lines
}
