//! Anchors, aliases and merge keys in the files people write for promtool.

use firedrill_detector::unit_test::TestFile;
use firedrill_detector::{Compat, RuleFile};

const RULES: &str = "
groups:
- name: g
  rules:
  - alert: QueueBusy
    expr: depth > 1
    labels: &labels { severity: page }
  - alert: QueueFull
    expr: depth > 20
    labels: *labels
";

fn failures(text: &str) -> Vec<String> {
    let rules = RuleFile {
        name: "rules.yml".into(),
        text: RULES.into(),
    };
    let test = TestFile::parse("test.yml", text).unwrap();
    let failures = test.run(&[rules], Compat::V3).unwrap();
    failures
        .iter()
        .map(|failure| format!("{failure:?}"))
        .collect()
}

#[test]
fn what_an_alias_names_stands_in_its_place() {
    let text = r#"
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
- interval: 1m
  input_series:
    - series: &depth 'depth{queue="default"}'
      values: '5x15'
  promql_expr_test:
    - expr: depth > 1
      eval_time: 10m
      exp_samples:
      - { labels: *depth, value: 5 }
"#;
    assert_eq!(failures(text), Vec::<String>::new());
    assert_eq!(failures(&text.replace("value: 5", "value: 6")).len(), 1);
}

#[test]
fn a_test_takes_its_keys_from_another() {
    let text = r#"
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
- &base
  interval: 1m
  input_series:
    - { series: 'depth{queue="default"}', values: '5x15' }
  alert_rule_test:
    - { eval_time: 10m, alertname: QueueBusy, exp_alerts: [ { exp_labels: { queue: default, severity: page } } ] }
- <<: *base
  name: again
"#;
    assert_eq!(failures(text), Vec::<String>::new());
    let both = text.replace("severity: page", "severity: ticket");
    assert_eq!(failures(&both).len(), 2, "the second runs, too");
}
