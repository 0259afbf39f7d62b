//! GitLab's code quality report: findings beside the lines of a merge request.

use super::Finding;
use crate::resample::fnv1a;
use firedrill_detector::text::printable;
use serde_json::json;

/// The report. What stands in no file is not in it: the format has no place for it.
#[must_use]
pub fn code_quality(findings: &[Finding]) -> String {
    let issues = findings.iter().filter_map(|finding| {
        let (file, line) = finding.place.as_ref()?;
        Some(json!({
            "description": printable(&finding.message),
            "check_name": format!("firedrill: {}", finding.kind),
            "fingerprint": fingerprint(&[finding.kind, file, &finding.message]),
            "severity": if finding.fails { "major" } else { "minor" },
            "location": { "path": file, "lines": { "begin": line } },
        }))
    });
    let issues: Vec<_> = issues.collect();
    format!("{:#}\n", json!(issues))
}

/// What tells a finding from others, and stays the same where a line moves.
fn fingerprint(parts: &[&str]) -> String {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    format!("{:016x}", fnv1a(bytes))
}
