//! Which of the rules that a drill is judged by a Prometheus has, too.

use super::prometheus::Rule;
use firedrill_detector::rules::AlertRule;
use firedrill_detector::{Compat, RuleSet, promql};
use firedrill_reports::record::{KnownRule, Likeness};

/// Each alerting rule of the files, and how it is found there.
pub(super) fn compared(ours: &RuleSet, theirs: &[Rule]) -> Vec<KnownRule> {
    let compared = ours.alerts().map(|rule| {
        let named: Vec<&Rule> = theirs
            .iter()
            .filter(|other| other.name == rule.name)
            .collect();
        let differ: Vec<Vec<String>> = named
            .iter()
            .map(|other| differences(&rule, other))
            .collect();
        let (how, other) = match differ.iter().min_by_key(|found| found.len()) {
            None => (Likeness::Missing, String::new()),
            Some(found) if found.is_empty() => (Likeness::Same, String::new()),
            Some(found) => (Likeness::Other, found.join("; ")),
        };
        KnownRule {
            alert: rule.name.to_owned(),
            how,
            other,
        }
    });
    compared.collect()
}

/// What is not alike, for people.
fn differences(ours: &AlertRule<'_>, theirs: &Rule) -> Vec<String> {
    let mut found = Vec::new();
    if printed(ours.expr) != printed(&theirs.query) {
        found.push(format!("its expression is `{}`", theirs.query));
    }
    let mut length = |what: &str, ours_ms: i64, theirs_s: f64| {
        if (ours_ms as f64 - theirs_s * 1e3).abs() > 0.5 {
            let ours_s = ours_ms as f64 / 1e3;
            found.push(format!("its `{what}` is {theirs_s} s, not {ours_s} s"));
        }
    };
    length("for", ours.for_ms, theirs.duration);
    length(
        "keep_firing_for",
        ours.keep_firing_for_ms,
        theirs.keep_firing_for,
    );
    found
}

/// An expression as it is printed here, so that only what it means counts; as it stands where it cannot be read.
fn printed(text: &str) -> String {
    let read = promql::parse(text, Compat::V3).or_else(|_| promql::parse(text, Compat::V2));
    read.map_or_else(|_| text.trim().to_owned(), |expr| expr.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use firedrill_detector::RuleFile;
    use firedrill_reports::record::{Source, SourceKind};

    const OURS: &str = "
groups:
- name: g
  rules:
  - { alert: Same, expr: 'sum by (job) (rate(a[5m])) > 1', for: 1m }
  - { alert: Other, expr: 'up == 0', for: 1m }
  - { alert: Twice, expr: 'up == 0' }
  - { alert: Missing, expr: 'up == 0' }
";

    #[test]
    fn rules_are_compared_by_what_they_mean() {
        let file = RuleFile {
            name: "r.yml".into(),
            text: OURS.into(),
        };
        let ours = RuleSet::load(&[file], Compat::V3).unwrap();
        let rule = |name: &str, query: &str, seconds: f64| -> Rule {
            let json = serde_json::json!({ "name": name, "query": query, "duration": seconds });
            serde_json::from_value(json).unwrap()
        };
        let theirs = [
            rule("Same", "sum by(job) (rate(a[5m]))  >  1", 60.0),
            rule("Other", "up == 0", 300.0),
            rule("Twice", "up{job=\"a\"} == 0", 0.0),
            rule("Twice", "up == 0", 0.0),
            rule("Theirs", "up == 0", 0.0),
        ];
        let source = Source {
            source: "prometheus".into(),
            of: SourceKind::Prometheus,
            place: String::new(),
            rules: compared(&ours, &theirs),
        };
        let lines = source.rules_told();
        insta::assert_snapshot!(lines.join("\n"), @r"
        of 4 alerts in the rules it has 2 as they are
        Other is another rule there: its `for` is 300 s, not 60 s
        it does not have Missing
        ");
    }
}
