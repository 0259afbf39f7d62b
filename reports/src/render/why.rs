//! What was found in rules, for people and machines.

use crate::render::cell::Tone;
use crate::render::terminal::{Style, paint, paragraph, plain};
use crate::why::{Explanation, Finding, Grade, RuleExplanation, RuleState, SelectorSight};
use firedrill_detector::text::counted;
use serde_json::{Value, json};

/// Version of the JSON's form.
const SCHEMA_VERSION: &str = "1.0";

/// Most values of a label that are listed.
const VALUES_MAX: usize = 6;

/// One block for each rule.
#[must_use]
pub fn terminal(explanation: &Explanation, style: Style) -> String {
    let mut out = paragraph(
        &format!(
            "against {}; what is said holds for these records",
            explanation.records.join(", ")
        ),
        "",
        style,
    );
    for rule in &explanation.rules {
        out.push('\n');
        out.push_str(&block(rule, explanation.records.len(), style));
    }
    let count = |state| {
        explanation
            .rules
            .iter()
            .filter(|rule| rule.state == state)
            .count()
    };
    out.push_str(&format!(
        "\n{} rules: {} without data, {} that cannot fire, {} that always hold, {} with a trap, {} without findings\n",
        explanation.rules.len(),
        count(RuleState::NoData),
        count(RuleState::CannotFire),
        count(RuleState::AlwaysHolds),
        count(RuleState::Trap),
        count(RuleState::Fine)
    ));
    out
}

fn block(rule: &RuleExplanation, records: usize, style: Style) -> String {
    let state = match rule.state {
        RuleState::NoData | RuleState::CannotFire | RuleState::AlwaysHolds => Tone::Bad,
        RuleState::Trap => Tone::Middling,
        RuleState::Fine => Tone::Good,
    };
    let mut out = format!(
        "{} ({}, {}:{}): {}\n",
        plain(&rule.name),
        plain(&rule.group),
        plain(&rule.file),
        rule.line,
        paint(rule.state.name(), state, style)
    );
    let mut held = format!(
        "{} at {} of {} evaluations",
        if rule.is_alert { "held" } else { "recorded" },
        rule.held,
        rule.evaluations
    );
    if rule.is_alert {
        held.push_str(&format!(
            ", fired in {} of {}",
            rule.fired_in,
            counted(records, "record")
        ));
    }
    out.push_str(&paragraph(&held, "  ", style));
    for sight in &rule.selectors {
        out.push_str(&paragraph(&sight_line(sight, records), "  ", style));
    }
    for finding in &rule.findings {
        let (word, tone) = match finding.grade {
            Grade::Dead => ("dead", Tone::Bad),
            Grade::Always => ("always", Tone::Bad),
            Grade::Trap => ("trap", Tone::Middling),
            Grade::Note => ("note", Tone::Quiet),
        };
        let line = format!("{word}: `{}` {}", finding.part, finding.message);
        out.push_str(&painted(&paragraph(&line, "  ", style), tone, style));
        if let Some(hint) = &finding.hint {
            out.push_str(&paragraph(hint, "      ", style));
        }
    }
    out
}

/// Colours lines without what ends them.
fn painted(text: &str, tone: Tone, style: Style) -> String {
    let lines = text.lines().map(|line| paint(line, tone, style) + "\n");
    lines.collect()
}

fn sight_line(sight: &SelectorSight, records: usize) -> String {
    let labels = sight.labels.iter().map(|(name, values)| {
        let mut listed: Vec<&str> = values.iter().map(String::as_str).take(VALUES_MAX).collect();
        let more = format!("{} more", values.len().saturating_sub(VALUES_MAX));
        if values.len() > VALUES_MAX {
            listed.push(&more);
        }
        format!("; {name}: {}", listed.join(", "))
    });
    format!(
        "{}: {} series in {} of {}{}",
        sight.text,
        sight.series,
        sight.records,
        counted(records, "record"),
        labels.collect::<String>()
    )
}

/// The same as JSON, pretty-printed.
#[must_use]
pub fn json(explanation: &Explanation) -> String {
    let mut text = format!("{:#}", value(explanation));
    text.push('\n');
    text
}

pub(super) fn value(explanation: &Explanation) -> Value {
    json!({
        "schema_version": SCHEMA_VERSION,
        "sound": explanation.is_sound(),
        "records": explanation.records,
        "rules": explanation.rules.iter().map(rule).collect::<Vec<_>>(),
    })
}

fn rule(rule: &RuleExplanation) -> Value {
    json!({
        "file": rule.file,
        "line": rule.line,
        "group": rule.group,
        "rule": rule.name,
        "kind": if rule.is_alert { "alert" } else { "record" },
        "expr": rule.expr,
        "state": match rule.state {
            RuleState::NoData => "no_data",
            RuleState::CannotFire => "cannot_fire",
            RuleState::AlwaysHolds => "always_holds",
            RuleState::Trap => "trap",
            RuleState::Fine => "ok",
        },
        "evaluations": rule.evaluations,
        "held": rule.held,
        "fired_in_records": rule.fired_in,
        "selectors": rule.selectors.iter().map(|sight| json!({
            "selector": sight.text,
            "series": sight.series,
            "records": sight.records,
            "labels": sight.labels,
        })).collect::<Vec<_>>(),
        "findings": rule.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "grade": match finding.grade {
            Grade::Dead => "dead",
            Grade::Always => "always",
            Grade::Trap => "trap",
            Grade::Note => "note",
        },
        "kind": finding.kind.name(),
        "part": finding.part,
        "message": finding.message,
        "hint": finding.hint,
    })
}
