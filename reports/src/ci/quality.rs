//! GitLab's code quality report: findings beside the lines of a merge request.

use super::Finding;
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

/// What tells a finding from others, and stays the same where a line moves: 64-bit FNV-1a.
fn fingerprint(parts: &[&str]) -> String {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
