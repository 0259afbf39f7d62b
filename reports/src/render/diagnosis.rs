//! What is wrong with a fleet that was looked at, for people and machines: step by step as in the runbook, then the cause.

use crate::cause::{Diagnosis, Unknown, are_rivals};
use crate::document::Tone;
use crate::render::cause::{finding, finding_json, seen_json};
use crate::render::terminal::{Style, paint, paragraph};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Version of the JSON's form.
const SCHEMA_VERSION: &str = "1.0";

/// A step of the runbook's diagnosis, and what was found in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What was looked at.
    pub name: &'static str,
    /// What was found, a sentence each.
    pub lines: Vec<String>,
}

/// What a look came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Looked {
    /// Step by step.
    pub steps: Vec<Step>,
    /// What is wrong.
    pub diagnosis: Diagnosis,
}

/// For people.
#[must_use]
pub fn terminal(looked: &Looked, style: Style) -> String {
    let mut out = String::new();
    for step in &looked.steps {
        out.push_str(&format!("{}\n", step.name));
        for line in &step.lines {
            out.push_str(&paragraph(line, "  ", style));
        }
    }
    out.push('\n');
    let found = &looked.diagnosis;
    let tone = match found.findings.len() {
        0 => Tone::Warn,
        _ if found.possible.is_empty() && !are_rivals(&found.findings) => Tone::Bad,
        _ => Tone::Warn,
    };
    for one in &found.findings {
        out.push_str(&finding(one, tone, style));
    }
    for one in &found.possible {
        let lacks: Vec<&str> = one.lacks.iter().map(|lack| lack.symptom.id).collect();
        let text = format!(
            "not ruled out: {}: {} (not known: {})",
            one.cause.family,
            one.cause.says,
            lacks.join(", ")
        );
        out.push_str(&paragraph(&text, "  ", style));
    }
    let (text, tone) = verdict(found);
    out.push_str(&paint(&paragraph(&text, "", style), tone, style));
    if !found.besides.is_empty() {
        out.push_str("also seen\n");
        for seen in &found.besides {
            out.push_str(&paragraph(&seen.sentence(), "  ", style));
        }
    }
    for (lacks, symptoms) in unknown(&found.unknown) {
        let text = format!("not looked at for want of {lacks}: {}", symptoms.join(", "));
        out.push_str(&paragraph(&text, "", style));
    }
    out
}

/// What it comes to, in a sentence.
fn verdict(found: &Diagnosis) -> (String, Tone) {
    let confidence = found
        .confidence()
        .map_or("", |confidence| confidence.name());
    let text = match (found.findings.len(), found.possible.len()) {
        _ if found.is_blind() => "nothing is known of any queue: no verdict",
        (0, 0) if found.is_well() => return ("nothing found".to_owned(), Tone::Good),
        (0, 0) => "something is seen that no known cause explains",
        (0, _) => "no cause is sure",
        (1, 0) => "this alone fits, and nothing that was looked at speaks for another",
        (1, _) => "this fits; others could not be ruled out",
        _ if are_rivals(&found.findings) => "these cannot be told apart",
        (_, 0) => {
            "each of these explains something else, and nothing that was looked at speaks for another cause"
        }
        _ => "each of these explains something else; other causes could not be ruled out",
    };
    let text = match confidence {
        "" => text.to_owned(),
        confidence => format!("confidence {confidence}: {text}"),
    };
    (text, Tone::Warn)
}

/// What could not be looked at, by what it would have taken.
fn unknown(unknown: &[Unknown]) -> BTreeMap<&str, Vec<&'static str>> {
    let mut by_lack: BTreeMap<&str, Vec<&'static str>> = BTreeMap::new();
    for one in unknown {
        by_lack.entry(&one.lacks).or_default().push(one.symptom.id);
    }
    by_lack
}

/// For machines.
#[must_use]
pub fn json(looked: &Looked) -> Value {
    let found = &looked.diagnosis;
    let lacking =
        |unknown: &Unknown| json!({ "symptom": unknown.symptom.id, "lacks": unknown.lacks });
    let possible = found.possible.iter().map(|one| {
        json!({
            "id": one.cause.id,
            "cause": one.cause.family,
            "says": one.cause.says,
            "not_known": one.lacks.iter().map(lacking).collect::<Vec<_>>(),
        })
    });
    let steps = looked.steps.iter();
    json!({
        "schema_version": SCHEMA_VERSION,
        "verdict": verdict(found).0,
        "confidence": found.confidence().map(|confidence| confidence.name()),
        "findings": found.findings.iter().map(finding_json).collect::<Vec<_>>(),
        "not_ruled_out": possible.collect::<Vec<_>>(),
        "also_seen": found.besides.iter().map(seen_json).collect::<Vec<_>>(),
        "not_looked_at": found.unknown.iter().map(lacking).collect::<Vec<_>>(),
        "steps": steps.map(|step| json!({ "name": step.name, "lines": step.lines })).collect::<Vec<_>>(),
    })
}
