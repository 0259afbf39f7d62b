//! Findings as SARIF 2.1.0, which code hosts show beside the lines they are about.

use crate::check::{Checked, Finding, Kind, Place};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

/// What a path has to be rid of to be a URI reference; a colon would make a scheme of what is before it.
const NOT_OF_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b':')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// All of it as SARIF 2.1.0. `version`: that of firedrill.
#[must_use]
pub fn sarif(checked: &Checked, version: &str) -> String {
    let kinds = Kind::all();
    let found = checked.all();
    let results = found.iter().map(|found| result(found, &kinds));
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "firedrill",
                "semanticVersion": version,
                "rules": kinds.iter().map(|kind| rule(*kind)).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    });
    format!("{log:#}\n")
}

fn rule(kind: Kind) -> Value {
    json!({
        "id": kind.name(),
        "shortDescription": { "text": kind.about() },
        "help": { "text": format!("{} See `{}` in scenarios/rules/README.md.", kind.about(), kind.name()) },
        "defaultConfiguration": { "level": kind.severity().name() },
    })
}

fn result(found: &Finding, kinds: &[Kind]) -> Value {
    let mut text = match (&found.rule, &found.part) {
        (Some((_, rule)), Some(part)) => format!("{rule}: `{part}` {}", found.message),
        (Some((_, rule)), None) => format!("{rule}: {}", found.message),
        (None, _) => found.message.clone(),
    };
    if let Some(hint) = &found.hint {
        text.push_str(&format!("\n{hint}"));
    }
    let mut result = json!({
        "ruleId": found.kind.name(),
        "ruleIndex": kinds.iter().position(|kind| *kind == found.kind),
        "level": found.severity.name(),
        "message": { "text": text },
    });
    let mut location = json!({});
    if let Some(place) = &found.place {
        location["physicalLocation"] = physical(place);
    }
    if let Some((group, rule)) = &found.rule {
        location["logicalLocations"] = json!([{
            "name": rule,
            "fullyQualifiedName": format!("{group}/{rule}"),
        }]);
    }
    if location != json!({}) {
        result["locations"] = json!([location]);
    }
    result
}

fn physical(place: &Place) -> Value {
    let mut physical = json!({ "artifactLocation": { "uri": uri(&place.file) } });
    if let Some(line) = place.line {
        physical["region"] = json!({ "startLine": line });
        if let Some(column) = place.column {
            physical["region"]["startColumn"] = column.into();
        }
        if let Some(end) = place.end {
            physical["region"]["endLine"] = end.line.into();
            physical["region"]["endColumn"] = end.column.into();
        }
    }
    physical
}

/// A file's name as a URI: relative to where firedrill was started, as it was named.
fn uri(file: &str) -> String {
    let path = utf8_percent_encode(file, NOT_OF_PATHS);
    match file.starts_with('/') {
        true => format!("file://{path}"),
        false => path.to_string(),
    }
}
