//! What incidents came to, and alerts that were on before them.

use super::{Told, Tone, clock, length, since};
use crate::Verdict;
use crate::alertmanager::Silence;
use crate::document::routed::silence;
use crate::record::Wanted;
use crate::score::judge::Outcome;
use crate::score::{DrillScore, IncidentScore, Standing};

/// Of an alarm that nobody was told of: why.
pub(super) fn unsent(kept_back: Option<&Silence>) -> String {
    kept_back.map_or_else(|| "resolved before it was sent".to_owned(), silence)
}

/// What an incident wanted: `page by +3:00`.
pub(crate) fn wanted(incident: &IncidentScore) -> String {
    let truth = &incident.truth;
    let class = match truth.wanted {
        Wanted::Page => "page",
        Wanted::Ticket => "ticket",
    };
    format!("{class} by {}", since(truth.deadline_ms, truth.fault_ms))
}

/// What an incident of a drill came to, in a few words.
pub(crate) fn outcome(drill: &DrillScore, incident: &IncidentScore) -> Told {
    if let (Outcome::Missed, true, true) = (
        incident.outcome,
        incident.unsent.is_some(),
        drill.verdict != Verdict::Inconclusive,
    ) {
        let why = unsent(incident.kept_back.as_ref());
        return (format!("MISSED, {why}"), Tone::Bad);
    }
    let (text, tone) = match incident.outcome {
        Outcome::Censored => ("cut short", Tone::Warn),
        _ if drill.verdict == Verdict::Inconclusive => ("not judged", Tone::Warn),
        Outcome::Early if incident.past_deadline => ("early, past deadline", Tone::Warn),
        Outcome::Early => ("early", Tone::Good),
        Outcome::OnTime => ("in time", Tone::Good),
        Outcome::Late => ("LATE", Tone::Bad),
        Outcome::Missed if incident.seen_after => ("MISSED, seen afterwards", Tone::Bad),
        Outcome::Missed => ("MISSED", Tone::Bad),
        Outcome::Masked => ("masked", Tone::Warn),
    };
    (text.to_owned(), tone)
}

/// What was measured of an incident, or what to say where there was nothing of it; where the drill ended too soon, nobody
/// can say that there was nothing.
pub(crate) fn measured(incident: &IncidentScore, text: Option<String>, nothing: &str) -> String {
    match (text, incident.outcome) {
        (Some(text), _) => text,
        (None, Outcome::Censored) => "-".to_owned(),
        (None, _) => nothing.to_owned(),
    }
}

/// From the fault until the alert was pending, from then until it fired, and from then until somebody was told.
pub(crate) fn parts(incident: &IncidentScore) -> String {
    incident.detection.as_ref().map_or("-".into(), |found| {
        let [signal, hold, delivery] = [
            found.pending_ms - incident.truth.fault_ms,
            found.fired_ms - found.pending_ms,
            found.delivered_ms - found.fired_ms,
        ]
        .map(length);
        format!("{signal}+{hold}+{delivery}")
    })
}

/// An alert that was on before anything was wrong, in a sentence.
pub(crate) fn standing(found: &Standing) -> Told {
    let at = |ms: i64| clock((ms as f64 / 1e3).round() as i64);
    let until = found
        .until_ms
        .map_or("to the end".into(), |ms| format!("until {}", at(ms)));
    let text = format!(
        "{} was on before anything was wrong: its condition held from {} on, it fired at {} and went on {until}",
        found.alert,
        at(found.since_ms),
        at(found.fired_ms)
    );
    match found.page {
        true => (text, Tone::Bad),
        false => (
            format!("{text} (a ticket, which fails no gate)"),
            Tone::Warn,
        ),
    }
}

/// When the last right alert was over, counted from the end of the incident.
pub(crate) fn reset(incident: &IncidentScore) -> String {
    let least = if incident.reset_open { ">= " } else { "" };
    incident
        .reset_ms
        .map_or("-".into(), |ms| format!("{least}{}", since(ms, 0)))
}
