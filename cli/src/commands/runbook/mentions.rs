//! Metrics and alerts that a runbook names in its text, held against what is exposed and what rules there are.

use super::finding::{Finding, Judged, Verdict};
use super::judge::near;
use super::page::Mention;
use super::stand::Stand;
use firedrill_detector::yaml::closest;
use regex::Regex;
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
        let finding = match (metric(&mention.text), alert(&mention.text)) {
            (Some(name), _) => {
                of_metric(name, &mention.text[name.len()..], exposed.as_ref()?, stand)
            }
            (None, Some(name)) => of_alert(name, mention.among_alerts, alerts?)?,
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

fn of_metric(name: &str, matchers: &str, exposed: &BTreeSet<&str>, stand: &Stand) -> Finding {
    // A histogram is known by the name of its family.
    let names = ["", "_bucket", "_count", "_sum"].map(|suffix| format!("{name}{suffix}"));
    let shown = names.iter().find(|name| exposed.contains(name.as_str()));
    if let Some(shown) = shown {
        let found = equal_to(matchers)
            .into_iter()
            .filter_map(|(label, value)| of_value(shown, &label, &value, stand));
        let worst = found.reduce(Finding::and);
        return worst.unwrap_or_else(|| Finding::new(Verdict::Works, "a metric that is exposed"));
    }
    near(
        Finding::misleads("nobody exposes this metric"),
        name,
        exposed,
        "metrics there",
    )
}

/// Label and value of matchers such as `{status="failed"}`; those by other signs are let go.
fn equal_to(matchers: &str) -> Vec<(String, String)> {
    let equal = Regex::new(r#"(\w+)\s*=\s*"([^"\\]*)""#).expect("held by a test");
    let found = equal.captures_iter(matchers);
    found
        .map(|found| (found[1].to_owned(), found[2].to_owned()))
        .collect()
}

/// What is wrong with a label's value, if anything is known to be.
fn of_value(metric: &str, label: &str, value: &str, stand: &Stand) -> Option<Finding> {
    let there = stand.values_of(metric, label);
    if there.contains(value) {
        return None;
    }
    let what = format!("no series of {metric} has {label}={value:?}");
    if there.is_empty() {
        return (!["instance", "job"].contains(&label)).then(|| {
            Finding::not_tried(format!(
                "{what}, nor the label at all; Prometheus may add it to what is exposed"
            ))
        });
    }
    if there.iter().all(|value| stand.has_made_up(value)) {
        return Some(Finding::not_tried(format!(
            "{what} here, as queues and task types are the stand's own; name your page with --metrics"
        )));
    }
    let there: Vec<String> = there.iter().map(|value| format!("{value:?}")).collect();
    Some(Finding::misleads(what).note(format!("values of {label} there: {}", there.join(", "))))
}

/// What is said of a name that looks like an alert's. Where nobody speaks of alerts it may be something else, unless it is nearly one.
fn of_alert(name: &str, among_alerts: bool, alerts: &BTreeSet<String>) -> Option<Finding> {
    if alerts.contains(name) {
        return Some(Finding::new(Verdict::Works, "an alert of the rules"));
    }
    let finding = Finding::misleads("no rule has this name");
    match closest(name, alerts.iter().map(String::as_str)) {
        Some(close) => Some(finding.note(format!("did you mean {close}?"))),
        None => among_alerts.then_some(finding),
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

/// The alert that a span may be about: a name in capitals and small letters.
fn alert(name: &str) -> Option<&str> {
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric());
    let capitals = name.chars().filter(char::is_ascii_uppercase).count();
    let begins = name.starts_with(|c: char| c.is_ascii_uppercase());
    let small = name.chars().any(|c| c.is_ascii_lowercase());
    (is_name && begins && small && capitals > 1).then_some(name)
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
        let of = |text: &str| alert(text).is_some();
        assert!(of("JobQueueBacklog"));
        assert!(!of("Warning") && !of("HTTP") && !of("job_x"));
    }

    #[test]
    fn only_what_is_nearly_an_alert_is_one_anywhere() {
        let alerts = BTreeSet::from(["JobQueueBacklog".to_owned()]);
        let said = |name, among| of_alert(name, among, &alerts).map(|found| found.verdict);
        for (name, among, expected) in [
            ("JobQueueBacklog", false, Some(Verdict::Works)),
            ("JobQueueBackLogs", false, Some(Verdict::Misleads)),
            ("CrashLoopBackOff", false, None),
            ("CrashLoopBackOff", true, Some(Verdict::Misleads)),
        ] {
            assert_eq!(said(name, among), expected, "{name}");
        }
    }

    #[test]
    fn values_are_read_from_matchers() {
        let both = [("status", "failed"), ("queue", "x")];
        let both = both.map(|(label, value)| (label.to_owned(), value.to_owned()));
        let matchers = r#"{status="failed", queue = "x", type=~"a|b", kind!="c"}[5m]"#;
        assert_eq!(equal_to(matchers), both);
    }
}
