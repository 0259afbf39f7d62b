//! What was found in files, for machines: JSON of our own, and SARIF.

mod sarif;
#[cfg(test)]
mod tests;

pub use sarif::sarif;

use super::why;
use crate::alertmanager::Reach;
use crate::check::{Checked, Finding, RoutedAlert, Severity};
use firedrill_detector::text::{printable, printable_lines};
use serde_json::{Value, json};

/// Version of the JSON's form.
const SCHEMA_VERSION: &str = "1.2";

/// All of it as JSON, pretty-printed: `files`, `findings`, and of records what [`why::json`] says.
#[must_use]
pub fn json(checked: &Checked, is_strict: bool) -> String {
    let mut whole = match &checked.explanation {
        Some(found) => why::value(found),
        None => json!({}),
    };
    let files = checked.files.iter();
    whole["schema_version"] = SCHEMA_VERSION.into();
    whole["sound"] = checked.is_sound(is_strict).into();
    whole["files"] = files
        .map(|file| json!({ "file": file.file, "what": file.what }))
        .collect();
    if !checked.routes.is_empty() {
        whole["routes"] = checked.routes.iter().map(as_json).collect();
    }
    whole["findings"] = checked.all().iter().map(finding).collect();
    format!("{whole:#}\n")
}

fn as_json(routed: &RoutedAlert) -> Value {
    let receivers = routed.receivers.iter().map(|one| {
        json!({
            "receiver": one.receiver,
            "pages": one.reach == Reach::Person,
            "certain": one.is_certain,
        })
    });
    json!({
        "file": routed.file,
        "line": routed.line,
        "group": routed.group,
        "rule": routed.alert,
        "receivers": receivers.collect::<Vec<_>>(),
    })
}

/// Whom an alert is sent to, in a line.
#[must_use]
pub fn route(routed: &RoutedAlert) -> String {
    let of = |is_certain: bool| {
        let own = routed.receivers.iter();
        let own = own.filter(move |one| one.is_certain == is_certain);
        let named = own.map(|one| {
            let what = match one.reach {
                Reach::Person => " (pages)",
                Reach::Channel => "",
                Reach::Nobody => " (sends nothing)",
            };
            format!("{}{what}", printable(&one.receiver))
        });
        named.collect::<Vec<String>>().join(", ")
    };
    let (always, perhaps) = (of(true), of(false));
    let whom = match (always.as_str(), perhaps.as_str()) {
        (always, "") => always.to_owned(),
        ("", perhaps) => format!("one or more of {perhaps}, by labels of its series"),
        (always, perhaps) => format!("{always}, and by labels of its series perhaps to {perhaps}"),
    };
    let (file, alert) = (printable(&routed.file), printable(&routed.alert));
    format!("{file}:{}: {alert} is sent to {whom}", routed.line)
}

fn finding(found: &Finding) -> Value {
    let place = found.place.as_ref();
    let rule = found.rule.as_ref();
    json!({
        "file": place.map(|place| &place.file),
        "line": place.and_then(|place| place.line),
        "column": place.and_then(|place| place.column),
        "end_line": place.and_then(|place| Some(place.end?.line)),
        "end_column": place.and_then(|place| Some(place.end?.column)),
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
