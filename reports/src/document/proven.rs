//! When alerts were last seen to work, as a document.

use super::{Block, Document, Finding, Table, Told, Tone, Verdict};
use crate::proven::{Proof, Proven, Seen, State};
use firedrill_detector::text::counted;

/// When alerts were last seen to work, for people.
#[must_use]
pub fn of_proven(proven: &Proven) -> Document {
    let rows = proven.alerts.iter().map(|alert| row(alert, proven.now_ms));
    let table = Table::new(
        "Alerts",
        "Proven is an alert by which somebody was told of an incident in time; the rule must mean the same now.",
        ["alert", "state", "last proven", "by", "engine", "failed"],
        rows.collect(),
    );
    let mut blocks: Vec<Block> = table.block().into_iter().collect();
    let findings: Vec<Finding> = proven.alerts.iter().filter_map(finding).collect();
    if !findings.is_empty() {
        blocks.push(Block::Findings(findings));
    }
    let (sentence, tone) = verdict(proven);
    let all = proven.count(State::Proven) == proven.alerts.len();
    let word = match (proven.passes(), all, proven.count(State::Proven)) {
        (Some(true), ..) => "passed",
        (Some(false), ..) => "failed",
        (None, true, _) => "proven",
        (None, false, 0) => "nothing proven",
        (None, false, _) => "partly proven",
    };
    Document {
        title: "firedrill proven".to_owned(),
        verdict: Some(Verdict {
            word: word.to_owned(),
            counts: String::new(),
            sentence,
            tone,
        }),
        next: Vec::new(),
        blocks,
    }
}

fn row(alert: &Proof, now_ms: i64) -> Vec<Told> {
    let (word, tone) = match alert.state {
        State::Proven => ("proven", Tone::Good),
        State::TooOld => ("too old", Tone::Bad),
        State::AgeUnknown => ("age unknown", Tone::Bad),
        State::Failed => ("failed", Tone::Bad),
        State::Incomplete => ("files missing", Tone::Warn),
        State::Changed => ("changed", Tone::Warn),
        State::Never => ("never proven", Tone::Bad),
    };
    let muted = |text: String| (text, Tone::Muted);
    let proof = alert.proof.as_ref().or(alert.before_change.as_ref());
    let failed = alert.failures.first().map_or_else(String::new, |seen| {
        format!(
            "{} in {}, {}",
            seen.outcome.words(),
            seen.scenario,
            age(seen, now_ms)
        )
    });
    vec![
        muted(alert.alert.clone()),
        (word.to_owned(), tone),
        muted(proof.map_or_else(String::new, |proof| age(proof, now_ms))),
        muted(proof.map_or_else(String::new, |proof| proof.scenario.clone())),
        muted(proof.map_or_else(String::new, |proof| proof.engine.clone())),
        muted(failed),
    ]
}

/// How long ago a drill was.
fn age(seen: &Seen, now_ms: i64) -> String {
    let Some(at_ms) = seen.at_ms else {
        return "age unknown".to_owned();
    };
    let minutes = (now_ms - at_ms).max(0) / 60_000;
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
    let lacks;
    let said = match alert.state {
        State::Proven => return None,
        State::TooOld => "was proven longer ago than is asked for",
        State::AgeUnknown => {
            "was proven, and nothing says when: a directory that is named as `run` names it, such as \
             20261124T134501Z-42, does"
        }
        State::Failed => "did wrong, and no later drill of that scenario says otherwise",
        State::Incomplete => {
            lacks = format!(
                "was proven with recording rules behind it that are not in these files; give them, too: {}",
                alert.lacks.join(", ")
            );
            &lacks
        }
        State::Changed => "the rule means something else than when it was proven",
        State::Never => "no drill here has seen it work",
    };
    let drill = match alert.state {
        State::TooOld | State::AgeUnknown => alert.proof.as_ref(),
        State::Failed => alert.failures.first(),
        _ => alert.before_change.as_ref().or(alert.failures.first()),
    };
    let drill = drill.map_or_else(String::new, |seen| format!(": {}", seen.record));
    Some(Finding::new(&about, (format!("{said}{drill}"), Tone::Warn)))
}

fn verdict(proven: &Proven) -> Told {
    let mut parts = vec![format!(
        "{} of {} proven",
        proven.count(State::Proven),
        counted(proven.alerts.len(), "alert")
    )];
    for (state, words) in [
        (State::TooOld, "too long ago"),
        (State::AgeUnknown, "of unknown age"),
        (State::Failed, "failed"),
        (State::Incomplete, "with files missing"),
        (State::Changed, "changed since"),
        (State::Never, "never"),
    ] {
        let count = proven.count(state);
        if count > 0 {
            parts.push(format!("{count} {words}"));
        }
    }
    let mut of = format!("by {}", counted(proven.drills, "drill"));
    let nothing = match (proven.drills, proven.inconclusive) {
        (_, 0) => String::new(),
        (1, 1) => ", which proves nothing".to_owned(),
        (_, 1) => ", of which 1 proves nothing".to_owned(),
        (_, some) => format!(", of which {some} prove nothing"),
    };
    of.push_str(&nothing);
    let all = proven.count(State::Proven) == proven.alerts.len();
    let tone = match (all, proven.passes()) {
        (true, _) => Tone::Good,
        (false, Some(false)) => Tone::Bad,
        (false, _) => Tone::Warn,
    };
    (format!("{}; {of}", parts.join(", ")), tone)
}
