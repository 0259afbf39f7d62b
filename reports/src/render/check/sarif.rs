//! Findings as SARIF 2.1.0, which code hosts show beside the lines they are about.

use crate::check::{Checked, Finding, Kind, Place};
use crate::sarif::{Rule, log, uri};
use serde_json::{Value, json};

/// All of it as SARIF 2.1.0. `version`: that of firedrill.
#[must_use]
pub fn sarif(checked: &Checked, version: &str) -> String {
    let kinds = Kind::all();
    let found = checked.all();
    let results = found.iter().map(|found| result(found, &kinds));
    let rules = kinds.iter().map(|kind| Rule {
        id: kind.name(),
        about: kind.about(),
        help: format!(
            "{} See `{}` in scenarios/rules/README.md.",
            kind.about(),
            kind.name()
        ),
        level: kind.severity().name(),
    });
    log(
        version,
        &rules.collect::<Vec<_>>(),
        &results.collect::<Vec<_>>(),
    )
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
