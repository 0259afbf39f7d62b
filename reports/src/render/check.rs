//! What was found in files, for machines: JSON of our own, and SARIF.

mod sarif;
#[cfg(test)]
mod tests;

pub use sarif::sarif;

use super::diagnose;
use crate::check::{Checked, Finding, Severity};
use firedrill_detector::text::{printable, printable_lines};
use serde_json::{Value, json};

/// Version of the JSON's form.
const SCHEMA_VERSION: &str = "1.1";

/// All of it as JSON, pretty-printed: `files`, `findings`, and of records what [`diagnose::json`] says.
#[must_use]
pub fn json(checked: &Checked, is_strict: bool) -> String {
    let mut whole = match &checked.diagnosis {
        Some(found) => diagnose::value(found),
        None => json!({}),
    };
    let files = checked.files.iter();
    whole["schema_version"] = SCHEMA_VERSION.into();
    whole["sound"] = checked.is_sound(is_strict).into();
    whole["files"] = files
        .map(|file| json!({ "file": file.file, "what": file.what }))
        .collect();
    whole["findings"] = checked.all().iter().map(finding).collect();
    format!("{whole:#}\n")
}

fn finding(found: &Finding) -> Value {
    let place = found.place.as_ref();
    let rule = found.rule.as_ref();
    json!({
        "file": place.map(|place| &place.file),
        "line": place.and_then(|place| place.line),
        "column": place.and_then(|place| place.column),
        "group": rule.map(|(group, _)| group),
        "rule": rule.map(|(_, name)| name),
        "kind": found.kind.name(),
        "severity": found.severity.name(),
        "part": found.part,
        "message": found.message,
        "hint": found.hint,
    })
}

/// A finding in a line or two, as problems are told. Names and quotes come from files, and neither steer a terminal nor look
/// like another finding.
#[must_use]
pub fn line(found: &Finding) -> String {
    let mut text = match found.severity {
        Severity::Error => String::new(),
        severity => format!("{}: ", severity.name()),
    };
    if let Some(place) = &found.place {
        text.push_str(&printable(&place.file));
        for number in [place.line, place.column].into_iter().flatten() {
            text.push_str(&format!(":{number}"));
        }
        text.push_str(": ");
    }
    if let Some((_, name)) = &found.rule {
        text.push_str(&format!("{}: ", printable(name)));
    }
    if let Some(part) = &found.part {
        text.push_str(&format!("`{}` ", printable(part)));
    }
    text.push_str(&printable(&found.message));
    if let Some(hint) = &found.hint {
        text.push_str(&format!("\n    {}", printable_lines(hint)));
    }
    text
}
