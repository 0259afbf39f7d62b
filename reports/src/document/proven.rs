//! When alerts were last seen to work, as a document.

use super::{Block, Document, Finding, Table, Told, Tone, Verdict};
use crate::proven::{Outcome, Proof, Proven, Seen, State};
use firedrill_detector::text::counted;

/// When alerts were last seen to work, for people.
#[must_use]
pub fn of_proven(proven: &Proven) -> Document {
    let rows = proven.alerts.iter().map(|alert| row(alert, proven.now_ms));
    let table = Table::new(
        "Alerts",
        "Proven is an alert by which somebody was told of an incident in time; the rule must mean the same now.",
        ["alert", "state", "last proven", "by", "engine", "since"],
        rows.collect(),
    );
    let mut blocks: Vec<Block> = table.block().into_iter().collect();
    let findings: Vec<Finding> = proven.alerts.iter().filter_map(finding).collect();
    if !findings.is_empty() {
        blocks.push(Block::Findings(findings));
    }
    Document {
        title: "firedrill proven".to_owned(),
        verdict: Some(Verdict::of(Some(proven.passes()), verdict(proven))),
        next: Vec::new(),
        blocks,
    }
}

fn row(alert: &Proof, now_ms: i64) -> Vec<Told> {
    let (word, tone) = match alert.state {
        State::Proven => ("proven", Tone::Good),
        State::TooOld => ("too old", Tone::Bad),
        State::FailedSince => ("failed since", Tone::Bad),
        State::Changed => ("changed", Tone::Warn),
        State::Never => ("never proven", Tone::Bad),
    };
    let muted = |text: String| (text, Tone::Muted);
    let proof = alert.proof.as_ref().or(alert.before_change.as_ref());
    let last = alert
        .last
        .as_ref()
        .filter(|last| last.outcome != Outcome::InTime);
    let since = last.map_or_else(String::new, |last| {
        format!(
            "{} in {}, {}",
            last.outcome.words(),
            last.scenario,
            age(last, now_ms)
        )
    });
    vec![
        muted(alert.alert.clone()),
        (word.to_owned(), tone),
        muted(proof.map_or_else(String::new, |proof| age(proof, now_ms))),
        muted(proof.map_or_else(String::new, |proof| proof.scenario.clone())),
        muted(proof.map_or_else(String::new, |proof| proof.engine.clone())),
        muted(since),
    ]
}

/// How long ago a drill was.
fn age(seen: &Seen, now_ms: i64) -> String {
    let minutes = (now_ms - seen.at_ms).max(0) / 60_000;
    let (count, unit) = match minutes {
        0 => return "just now".to_owned(),
        minutes @ 1..60 => (minutes, "minute"),
        minutes @ 60..2_880 => (minutes / 60, "hour"),
        minutes => (minutes / 1_440, "day"),
    };
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    format!("{} ago", counted(count, unit))
}

/// What is to be said of an alert that is not proven.
fn finding(alert: &Proof) -> Option<Finding> {
    let about = format!("{} ({}:{})", alert.alert, alert.file, alert.line);
    let said = match alert.state {
        State::Proven => return None,
        State::TooOld => "was proven longer ago than is asked for",
        State::FailedSince => "was proven, and a later drill says otherwise",
        State::Changed => "the rule means something else than when it was proven",
        State::Never => "no drill here has seen it work",
    };
    let drill = match alert.state {
        State::FailedSince => alert.last.as_ref(),
        State::TooOld => alert.proof.as_ref(),
        _ => alert.before_change.as_ref().or(alert.last.as_ref()),
    };
    let drill = drill.map_or_else(String::new, |seen| format!(": {}", seen.record));
    Some(Finding::new(&about, (format!("{said}{drill}"), Tone::Warn)))
}

fn verdict(proven: &Proven) -> Told {
    let count = |state| {
        let alerts = proven.alerts.iter();
        alerts.filter(|alert| alert.state == state).count()
    };
    let mut parts = vec![format!(
        "{} of {} proven",
        count(State::Proven),
        counted(proven.alerts.len(), "alert")
    )];
    for (state, words) in [
        (State::TooOld, "too long ago"),
        (State::FailedSince, "failed since"),
        (State::Changed, "changed since"),
        (State::Never, "never"),
    ] {
        if count(state) > 0 {
            parts.push(format!("{} {words}", count(state)));
        }
    }
    let mut of = format!("by {}", counted(proven.drills, "drill"));
    if proven.inconclusive > 0 {
        of.push_str(&format!(", of which {} prove nothing", proven.inconclusive));
    }
    let all = count(State::Proven) == proven.alerts.len();
    let tone = match (all, proven.passes()) {
        (true, _) => Tone::Good,
        (false, true) => Tone::Warn,
        (false, false) => Tone::Bad,
    };
    (format!("{}; {of}", parts.join(", ")), tone)
}
