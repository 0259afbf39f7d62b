//! What fails a run as SARIF 2.1.0, for code hosts that show it beside the rule or the scenario.

use super::Finding;
use crate::sarif::{Rule, log, uri};
use firedrill_detector::text::printable;
use serde_json::json;
use std::collections::BTreeSet;

/// The log. What stands in no file is not in it: GitHub takes no result without a place. `version`: that of firedrill.
#[must_use]
pub fn sarif(findings: &[Finding], version: &str) -> String {
    let placed = findings.iter().filter_map(|finding| {
        let (file, line) = finding.place.as_ref()?;
        Some((finding, file, line))
    });
    let results = placed.clone().map(|(finding, file, line)| {
        json!({
            "ruleId": id(finding.kind),
            "level": if finding.fails { "error" } else { "warning" },
            "message": { "text": printable(&finding.message) },
            "locations": [{ "physicalLocation": {
                "artifactLocation": { "uri": uri(file) },
                "region": { "startLine": line },
            } }],
        })
    });
    let kinds: BTreeSet<&str> = placed.map(|(finding, ..)| finding.kind).collect();
    let ids: Vec<(String, &str)> = kinds.into_iter().map(|kind| (id(kind), kind)).collect();
    let rules = ids.iter().map(|(id, kind)| Rule {
        id,
        about: kind,
        help: "docs/scorecard.md says what drills come to, docs/ci.md how they fail a run.".into(),
        level: "error",
    });
    log(
        version,
        &rules.collect::<Vec<_>>(),
        &results.collect::<Vec<_>>(),
    )
}

fn id(kind: &str) -> String {
    kind.replace(' ', "-")
}
