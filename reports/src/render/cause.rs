//! What incidents are called when somebody is told of them, for people and machines.

use crate::cause::{Answer, Asked, Finding, Seen, are_rivals, confusion};
use crate::document::words::since;
use crate::document::{Tone, called};
use crate::render::terminal::columns::titled;
use crate::render::terminal::{Style, paint, paragraph, plain};
use firedrill_detector::text::counted;
use serde_json::{Value, json};

/// Version of the JSON's form.
const SCHEMA_VERSION: &str = "1.0";

/// One block for each incident; of several, a table of what each cause was called.
#[must_use]
pub fn terminal(asked: &[Asked], style: Style) -> String {
    let mut out = String::new();
    for one in asked {
        out.push_str(&block(one, style));
        out.push('\n');
    }
    if asked.len() > 1 {
        out.push_str(&titled(&called(&confusion(asked)), style));
    }
    let count = |answer| asked.iter().filter(|one| one.answer() == answer).count();
    out.push_str(&paragraph(
        &format!(
            "{}: {} named rightly, {} left open, {} taken for another, {} with no known cause",
            counted(asked.len(), "incident"),
            count(Answer::Right),
            count(Answer::Open),
            count(Answer::Wrong),
            count(Answer::Nothing)
        ),
        "",
        style,
    ));
    out
}

fn tone(answer: Answer) -> Tone {
    match answer {
        Answer::Right => Tone::Good,
        Answer::Open => Tone::Warn,
        Answer::Wrong | Answer::Nothing => Tone::Bad,
    }
}

fn block(asked: &Asked, style: Style) -> String {
    let when = since(asked.after_ms, 0);
    let told = match &asked.alert {
        Some(alert) => format!("{when}, when somebody is told of {alert}"),
        None => format!("{when}, its deadline, as nobody is told"),
    };
    let head = format!("{}, {}: {told}", asked.scenario, asked.cause);
    let mut out = paragraph(&head, "", style);
    if asked.findings.is_empty() {
        let nothing = "  no known cause fits\n";
        out.push_str(&paint(nothing, tone(Answer::Nothing), style));
    }
    for found in &asked.findings {
        out.push_str(&finding(found, tone(asked.answer()), style));
    }
    if are_rivals(&asked.findings) {
        out.push_str("  these cannot be told apart\n");
    }
    out
}

/// A cause with its evidence and what to do.
pub(super) fn finding(found: &Finding, tone: Tone, style: Style) -> String {
    let about = match found.queues.is_empty() {
        true => String::new(),
        false => format!(" (queue {})", found.queues.join(", ")),
    };
    let name = format!("{}: {}{about}", found.cause.family, found.cause.says);
    let mut out = format!("  {}\n", paint(&plain(&name), tone, style));
    for seen in &found.evidence {
        out.push_str(&paragraph(&seen.sentence(), "    ", style));
    }
    out.push_str(&paragraph(
        &format!("do: {}", found.cause.remedy),
        "    ",
        style,
    ));
    out
}

/// A cause for machines.
pub(super) fn finding_json(found: &Finding) -> Value {
    json!({
        "id": found.cause.id,
        "cause": found.cause.family,
        "says": found.cause.says,
        "remedy": found.cause.remedy,
        "queues": found.queues,
        "evidence": found.evidence.iter().map(seen_json).collect::<Vec<_>>(),
    })
}

/// A symptom for machines.
pub(super) fn seen_json(seen: &Seen) -> Value {
    json!({
        "symptom": seen.symptom.id,
        "says": seen.sentence(),
        "labels": seen.labels,
        "value": seen.value,
        "expr": seen.symptom.expr,
    })
}

/// For machines.
#[must_use]
pub fn json(asked: &[Asked]) -> Value {
    let incidents = asked.iter().map(|one| {
        let findings = one.findings.iter().map(finding_json);
        json!({
            "scenario": one.scenario,
            "cause": one.cause,
            "alert": one.alert,
            "after_ms": one.after_ms,
            "answer": match one.answer() {
                Answer::Right => "right",
                Answer::Open => "open",
                Answer::Wrong => "wrong",
                Answer::Nothing => "nothing",
            },
            "findings": findings.collect::<Vec<_>>(),
        })
    });
    json!({ "schema_version": SCHEMA_VERSION, "incidents": incidents.collect::<Vec<_>>() })
}
