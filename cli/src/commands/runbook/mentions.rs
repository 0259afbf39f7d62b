//! Metrics and alerts that a runbook names in its text, held against what is exposed and what rules there are.

use super::finding::{Finding, Judged, Verdict};
use super::judge::near;
use super::page::Mention;
use super::stand::Stand;
use firedrill_detector::yaml::closest;
use std::collections::BTreeSet;

/// What names of metrics end in; anything else with an underscore may be a field, a key or a file.
const ENDINGS: [&str; 8] = [
    "_total", "_seconds", "_bytes", "_count", "_sum", "_bucket", "_ratio", "_info",
];

/// Judges the names in the text of a runbook. Metrics where a page shows some, alerts where rules were given.
pub(super) fn judged(
    mentions: &[Mention],
    stand: &Stand,
    alerts: Option<&BTreeSet<String>>,
) -> Vec<Judged> {
    let exposed = stand.exposed();
    let judged = mentions.iter().filter_map(|mention| {
        let finding = match (metric(&mention.text), alert(mention)) {
            (Some(name), _) => of_metric(name, exposed.as_ref()?),
            (None, Some(name)) => of_alert(name, alerts?),
            (None, None) => return None,
        };
        Some(Judged {
            line: mention.line,
            text: mention.text.clone(),
            finding,
        })
    });
    judged.collect()
}

fn of_metric(name: &str, exposed: &BTreeSet<&str>) -> Finding {
    let whole = |suffix| exposed.contains(format!("{name}{suffix}").as_str());
    // A histogram is known by the name of its family.
    if exposed.contains(name) || ["_bucket", "_count", "_sum"].into_iter().any(whole) {
        return Finding::new(Verdict::Works, "a metric that is exposed");
    }
    near(
        Finding::misleads("nobody exposes this metric"),
        name,
        exposed,
        "metrics there",
    )
}

fn of_alert(name: &str, alerts: &BTreeSet<String>) -> Finding {
    if alerts.contains(name) {
        return Finding::new(Verdict::Works, "an alert of the rules");
    }
    let finding = Finding::misleads("no rule has this name");
    match closest(name, alerts.iter().map(String::as_str)) {
        Some(close) => finding.note(format!("did you mean {close}?")),
        None => finding,
    }
}

/// The metric that a span is about: a name, maybe with matchers.
fn metric(span: &str) -> Option<&str> {
    let (name, matchers) = match span.find(['{', '[']) {
        Some(at) => (&span[..at], &span[at..]),
        None => (span, ""),
    };
    let is_name = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'));
    let is_metric = ENDINGS.iter().any(|ending| name.ends_with(ending)) || matchers.contains('=');
    (is_name && !name.is_empty() && name.contains('_') && is_metric).then_some(name)
}

/// The alert that a span is about: a name in capitals and small letters where alerts are spoken of.
fn alert(mention: &Mention) -> Option<&str> {
    let name = mention.text.as_str();
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric());
    let capitals = name.chars().filter(char::is_ascii_uppercase).count();
    let begins = name.starts_with(|c: char| c.is_ascii_uppercase());
    let small = name.chars().any(|c| c.is_ascii_lowercase());
    (mention.among_alerts && is_name && begins && small && capitals > 1).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_and_alerts_are_told_from_other_names() {
        for (span, expected) in [
            ("job_processed_total", Some("job_processed_total")),
            (
                "job_processed_total{status=\"success\"}",
                Some("job_processed_total"),
            ),
            ("asynq_queue_size{queue=\"x\"}", Some("asynq_queue_size")),
            ("job_duration_seconds[5m]", Some("job_duration_seconds")),
            ("used_memory_human", None),
            ("make worker", None),
            ("asynq:{default}:t", None),
            ("", None),
        ] {
            assert_eq!(metric(span), expected, "{span}");
        }
        let of = |text: &str, among_alerts| {
            let mention = Mention {
                line: 1,
                text: text.to_owned(),
                among_alerts,
            };
            alert(&mention).is_some()
        };
        assert!(of("JobQueueBacklog", true));
        assert!(!of("JobQueueBacklog", false));
        assert!(!of("Warning", true) && !of("HTTP", true) && !of("job_x", true));
    }
}
