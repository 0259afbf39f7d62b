//! What rule files are refused for, in which words, and what is accepted.

use firedrill_detector::rules::Reading;
use firedrill_detector::tuning::{SettingValue, Settings};
use firedrill_detector::{
    Compat, Detector, Emitted, Labels, RuleFile, RuleSet, Sample, Schedule, Timestamp,
};

const SCHEDULE: Schedule = Schedule {
    start: Timestamp(0),
    interval_ms: 60_000,
    phase_ms: 0,
};

fn load(text: &str, compat: Compat) -> Result<RuleSet, Vec<String>> {
    let file = RuleFile {
        name: "rules.yml".into(),
        text: text.into(),
    };
    RuleSet::load(&[file], compat)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// Loads a group with one rule, given in flow style.
fn rule(rule: &str, compat: Compat) -> Result<RuleSet, Vec<String>> {
    load(
        &format!("groups:\n- name: g\n  rules:\n  - {{ {rule} }}\n"),
        compat,
    )
}

#[test]
fn all_problems_at_once() {
    let problems = load(
        r#"
groups:
- name: g
  intervall: 1m
  rules:
  - alert: A
    expr: rate(x)
    for: 5 minutes
    lables: { severity: page }
  - alert: B
    expr: histogram_sum(x)
    labels: { v: '{{ mul 1 2 }}', __name__: x }
  - record: c d
    expr: x
    for: 1m
- name: g
  rules: []
"#,
        Compat::V2,
    )
    .unwrap_err();
    for (problem, wanted) in problems.iter().zip([
        ("rules.yml:4:", "unknown key `intervall`"),
        ("rules.yml:7:", "rate"),
        ("rules.yml:8:", "not a duration"),
        ("rules.yml:9:", "unknown key `lables`"),
        ("rules.yml:11:", "native histograms"),
        ("rules.yml:12:", "not defined"),
        ("rules.yml:12:", "not a name for a label"),
        ("rules.yml:13:", "not a metric name"),
        ("rules.yml:15:", "no meaning in a recording rule"),
        ("rules.yml:16:", "twice"),
    ]) {
        assert!(
            problem.starts_with(wanted.0),
            "{problem}\nexpected {wanted:?}"
        );
        assert!(problem.contains(wanted.1), "{problem}\nexpected {wanted:?}");
    }
    assert_eq!(problems.len(), 10, "{problems:#?}");
}

#[test]
fn experimental_functions_have_to_be_enabled() {
    let file = |expr: &str| {
        [RuleFile {
            name: "rules.yml".into(),
            text: format!("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: {expr}\n"),
        }]
    };
    let enabled = Reading {
        experimental_functions: true,
        ..Reading::default()
    };
    for expr in [
        "mad_over_time(x[5m]) > 1",
        "x > max_of(1, 2)",
        "limit_ratio(0.5, x) > 1",
        "limitk(1, x) > 1",
        "info(x) > 1",
    ] {
        let problems = RuleSet::load(&file(expr), Compat::V3).unwrap_err();
        let problem = problems[0].to_string();
        assert!(problem.starts_with("rules.yml:5:"), "{problem}");
        assert!(
            problem.contains("must be enabled with --enable-feature=promql-experimental-functions"),
            "{problem}"
        );
        assert!(RuleSet::load_as(&file(expr), Compat::V3, enabled).is_ok());
        assert!(RuleSet::load_as(&file(expr), Compat::V2, enabled).is_err());
    }
    for expr in [
        "info(x offset 5m)",
        "info(rate(x[5m] @ 0))",
        "max_over_time(info(x)[5m:])",
    ] {
        let problems = RuleSet::load_as(&file(expr), Compat::V3, enabled).unwrap_err();
        assert!(problems[0].to_string().contains("info()"), "{problems:?}");
    }
}

#[test]
fn refused_with_a_reason() {
    for (text, reason) in [
        ("alert: A, expr: 'limitk(1, x)'", "unknown function"),
        ("alert: A, expr: 'mad_over_time(x[5m])'", "unknown function"),
        ("alert: A, expr: 'histogram_count(x)'", "native histograms"),
        ("alert: A, expr: 'x + fill(0) y'", "unknown function"),
        ("alert: A, expr: 'integral(x[5m])'", "unknown function"),
        (
            "alert: A, expr: '{a=\"x\" or b=\"y\"}'",
            "not Prometheus syntax",
        ),
        ("alert: A, expr: 'x[5m]'", "apply a function"),
        (
            "alert: A, expr: 'double_exponential_smoothing(x[5m], 0.5, 0.5)'",
            "unknown function",
        ),
        ("alert: A, expr: ''", "empty"),
        ("alert: A", "expr"),
        ("alert: A, record: b, expr: x", "not both"),
        ("expr: x", "record"),
        ("alert: A, expr: x, labels: { a-b: c }", "not a name"),
        (
            "alert: A, expr: x, annotations: { a: '{{ $value' }",
            "does not parse",
        ),
        (
            "alert: A, expr: x, labels: { a: '{{ if true }}x' }",
            "unexpected EOF",
        ),
        ("alert: A, expr: x, for: -5m", "not a duration"),
    ] {
        let problems = rule(text, Compat::V2).map(|_| ()).unwrap_err().join("\n");
        assert!(problems.contains(reason), "{text}: {problems}");
    }
    let deep = format!("alert: A, expr: '{}x'", "-(".repeat(600));
    assert!(rule(&deep, Compat::V3).is_err());
    let long = format!("alert: A, expr: 'x{}'", " + x".repeat(500));
    assert!(rule(&long, Compat::V3).unwrap_err()[0].contains("levels deep"));
}

#[test]
fn what_is_accepted_can_be_evaluated() {
    // On the small stack of a test's thread.
    for expr in [
        format!("x{}", " + x".repeat(98)),
        format!("{}x{}", "abs(".repeat(98), ")".repeat(98)),
        format!("{}x{}", "sum(".repeat(98), ")".repeat(98)),
        format!("{}x{}", "x > (".repeat(49), ")".repeat(49)),
        format!(
            "{}x{}",
            "max_over_time((".repeat(30),
            ")[1m:1m])".repeat(30)
        ),
    ] {
        let rules = rule(&format!("alert: A, expr: '{expr}'"), Compat::V3).unwrap();
        let mut detector = Detector::new(rules, SCHEDULE);
        detector.ingest(&Sample {
            labels: Labels::metric("x", []),
            at: Timestamp(0),
            value: 1.0,
        });
        detector.advance(Timestamp(0));
    }
    let endless = "max_over_time((max_over_time(x[1d:1s]))[1d:1s])";
    let rules = rule(&format!("alert: A, expr: '{endless}'"), Compat::V3).unwrap();
    let outcomes = Detector::new(rules, SCHEDULE).advance(Timestamp(0));
    assert!(
        matches!(outcomes.as_slice(), [Emitted::Error(_)]),
        "{outcomes:?}"
    );
}

#[test]
fn generations_know_different_keys() {
    let group = "groups:\n- name: g\n  query_offset: 1m\n  labels: { team: a }\n  rules:\n  - { alert: A, expr: x, labels: { severity: page } }\n";
    let problems = load(group, Compat::V2).map(|_| ()).unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
    let rules = load(group, Compat::V3).unwrap();
    let alert = rules.alerts().next().unwrap();
    assert_eq!(alert.labels, [("severity", "page"), ("team", "a")]);
    assert_eq!(alert.severity(), "page");
    assert_eq!(rules.longest_lookback_ms(), 6 * 60_000);
    for (expr, compat_2, compat_3) in [
        ("first_over_time(x[5m])", false, true),
        ("rate(x[60])", false, true),
        ("x > 1_000", false, true),
        ("x > 5m", false, true),
        ("rate(x[1e300])", false, false),
        ("timestamp(x @ 600 offset 1m)", false, false),
        ("timestamp(x @ 600)", true, true),
        (
            "max_over_time((predict_linear(x[5m] @ 600, 60))[5m:1m])",
            false,
            true,
        ),
        ("predict_linear(x[5m] @ 600, 60)", true, true),
        ("sum_over_time((x @ 600)[5m:1m] offset -1m)", false, false),
        ("sum_over_time((x @ 600)[5m:1m] offset 1m)", true, true),
        ("sum_over_time(x[5m:1m] offset -1m)", true, true),
        ("predict_linear(x[5m:1m] @ 600, 60)", true, false),
        ("predict_linear((x @ 600)[5m:1m], 60)", true, true),
        (
            "quantile_over_time(scalar(x), x[5m:1m] @ end())",
            true,
            false,
        ),
        ("quantile_over_time(1 - 0.5, x[5m:1m] @ end())", true, true),
    ] {
        let text = format!("alert: A, expr: '{expr}'");
        assert_eq!(rule(&text, Compat::V2).is_ok(), compat_2, "{expr}");
        assert_eq!(rule(&text, Compat::V3).is_ok(), compat_3, "{expr}");
    }
}

#[test]
fn lookback_adds_up() {
    for (expr, seconds) in [
        ("x", 300),
        ("x offset 1m", 360),
        ("x offset -1m", 240),
        ("rate(x[10m])", 600),
        ("rate(x[10m] offset 5m)", 900),
        ("max_over_time(rate(x[5m])[1h:1m] offset 1m)", 3960),
        ("x or rate(y[20m])", 1200),
        ("vector(1)", 0),
    ] {
        let rules = rule(&format!("alert: A, expr: '{expr}', for: 90s"), Compat::V3).unwrap();
        assert_eq!(rules.longest_lookback_ms(), seconds * 1000, "{expr}");
        assert_eq!(rules.longest_for_ms(), 90_000);
    }
}

#[test]
fn templates_are_wrong_where_they_are() {
    let texts = [
        "  - { alert: A, expr: x, labels: { a: '{{ $labels.a }} {{ mul 1 2 }}' } }",
        "  - alert: A\n    expr: x\n    annotations:\n      a: |\n        fine\n        {{ $value | nope }}",
        "  - { alert: A, expr: x, annotations: { a: \"x\\n{{ mul }}\" } }",
    ];
    for (text, place) in texts.iter().zip(["4:59", "9:21", "4:51"]) {
        let text = format!("groups:\n- name: g\n  rules:\n{text}\n");
        let problems = load(&text, Compat::V3).map(|_| ()).unwrap_err();
        let wanted = format!("rules.yml:{place}: ");
        assert!(problems[0].starts_with(&wanted), "{wanted}{problems:?}");
    }
}

#[test]
fn wrong_queries_of_templates_are_told() {
    let text = "alert: A, expr: x, annotations: { a: '{{ with (query `sum(` | first) }}{{ . }}{{ end }}' }";
    let rules = rule(text, Compat::V3).unwrap();
    let warnings: Vec<String> = rules.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let wanted = "rules.yml:4:60: annotation \"a\": its query has no answer here: ";
    assert!(warnings[0].starts_with(wanted), "{wanted}{warnings:?}");
}

/// A template's query may look further back than any rule.
#[test]
fn queries_of_templates_keep_samples() {
    let text = "alert: A, expr: x, annotations: { a: '{{ query `rate(x[1h])` | len }}' }";
    let rules = rule(text, Compat::V3).unwrap();
    assert_eq!(rules.longest_lookback_ms(), 3_600_000);
}

#[test]
fn rules_without_data_are_named() {
    let text = "groups: [{ name: g, rules: [{ alert: A, expr: 'missing > 1' }, { alert: B, expr: 'vector(1)' }, { record: r, expr: 'b{c=\"d\"}' }, { alert: D, expr: 'missing > 2' }] }]";
    let mut detector = Detector::new(load(text, Compat::V3).unwrap(), SCHEDULE);
    detector.advance(Timestamp(60_000));
    let named: Vec<_> = detector
        .never_had_data()
        .into_iter()
        .map(|rule| (rule.rule, rule.selectors))
        .collect();
    assert_eq!(
        named,
        [
            ("A".to_owned(), vec!["missing".to_owned()]),
            ("r".to_owned(), vec!["b{c=\"d\"}".to_owned()]),
            ("D".to_owned(), vec!["missing".to_owned()])
        ]
    );
}

const RESOURCES: &str = r#"---
apiVersion: v1
kind: ConfigMap
metadata: { name: other }
data: { a: b }
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: jobs
  labels: { release: prometheus }
spec:
  groups:
  - name: g
    partial_response_strategy: warn
    rules:
    - alert: A
      expr: x > 1
---
apiVersion: v1
kind: List
items:
- apiVersion: monitoring.coreos.com/v1
  kind: PrometheusRule
  metadata: { name: more }
  spec:
    groups:
    - name: g
      rules:
      - alert: B
        expr: |
          y
            > 2
        for: 5m
"#;

#[test]
fn kubernetes_resources_are_read_like_rule_files() {
    let rules = load(RESOURCES, Compat::V3).unwrap();
    let found: Vec<_> = rules
        .alerts()
        .map(|alert| (alert.group, alert.name, alert.line))
        .collect();
    assert_eq!(found, [("g", "A", 17), ("g", "B", 30)]);
    let warnings: Vec<String> = rules.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["rules.yml:3:7: a resource of the kind ConfigMap has no rules; it is left out"]
    );
}

#[test]
fn problems_of_kubernetes_resources_have_their_place() {
    let text = RESOURCES
        .replace("for: 5m", "fro: 5m")
        .replace("kind: List\n", "kind: List\nitmes: []\n")
        .replacen("coreos.com/v1", "coreos.com/v2", 1);
    assert_eq!(
        load(&text, Compat::V3).map(|_| ()).unwrap_err(),
        [
            "rules.yml:7:13: `monitoring.coreos.com/v2` is no known version of PrometheusRule\n    accepted: monitoring.coreos.com/v1, monitoring.rhobs/v1",
            "rules.yml:22:1: unknown key `itmes` in resource\n    did you mean `items`? accepted: kind, apiVersion, metadata, items",
            "rules.yml:35:9: unknown key `fro` in rule\n    did you mean `for`? accepted: record, alert, expr, for, keep_firing_for, labels, annotations",
        ]
    );
    let twice = RESOURCES.replacen(
        "  - name: g\n",
        "  - { name: g, rules: [] }\n  - name: g\n",
        1,
    );
    let problems = load(&twice, Compat::V3).map(|_| ()).unwrap_err();
    assert!(
        problems[0].contains("in this resource twice"),
        "{problems:?}"
    );
}

#[test]
fn settings_of_kubernetes_resources_can_be_changed() {
    let file = RuleFile {
        name: "rules.yml".into(),
        text: RESOURCES.into(),
    };
    let settings = Settings::load(vec![file], Compat::V3).unwrap();
    for (name, value, from, to) in [
        ("B.threshold", SettingValue::Number(7.5), "> 2", "> 7.5"),
        (
            "B.for",
            SettingValue::Milliseconds(60_000),
            "for: 5m",
            "for: 1m",
        ),
        (
            "A.for",
            SettingValue::Milliseconds(60_000),
            "expr: x > 1\n",
            "expr: x > 1\n      for: 1m\n",
        ),
    ] {
        let setting = settings.find(name).unwrap();
        let changed = settings.change(setting, value).unwrap();
        assert_eq!(
            changed.files()[0].text,
            RESOURCES.replace(from, to),
            "{name}"
        );
    }
}

#[test]
fn expressions_are_wrong_at_a_line_and_a_column() {
    for (expr, place) in [
        ("expr: sum(rate(x[5m])", "5:14:"),
        ("expr: 'a + foo(x)'", "5:16:"),
        ("expr: \"a + foo(x)\"", "5:16:"),
        ("expr: 'x{a=''b''} + foo(x)'", "5:25:"),
        ("expr: \"x{a=\\\"b\\\"} + foo(x)\"", "5:25:"),
        // Behind an anchor: the scalar's own place.
        ("expr: &e x + foo(x)", "5:11:"),
        (
            "expr: |\n      sum(x)\n        # and\n        / foo(y)\n",
            "8:11:",
        ),
        (
            "expr: >-\n      sum(x)\n        / sum(rate(y[5m])\n        > 1\n",
            "7:14:",
        ),
        ("expr: |\n      é{a=\"b\"} > foo(x)\n", "6:7:"),
        ("expr: |\n      x{a=\"é\"} > foo(x)\n", "6:18:"),
        ("expr:\n      sum(x) /\n      foo(y)\n", "7:7:"),
        // What cannot follow, or what nothing follows.
        ("expr: |\n      sum(x)\n        y\n", "7:9:"),
        ("expr: 'a > > 1'", "5:16:"),
        ("expr: a and", "5:13:"),
    ] {
        let text = format!("groups:\n- name: g\n  rules:\n  - alert: A\n    {expr}");
        let problems = load(&text, Compat::V3).map(|_| ()).unwrap_err();
        assert!(
            problems[0].starts_with(&format!("rules.yml:{place}")),
            "{expr}\n{problems:?}, expected at {place}"
        );
    }
}
