//! What reads well and explodes when it is evaluated: each ends, in bounded memory and work, and says why.

use super::{alert, bounded, load, rules};
use firedrill_detector::query::{Query, QueryError};
use firedrill_detector::unit_test::TestFile;
use firedrill_detector::{Compat, Detector, Emitted, Labels, Sample, Schedule, Timestamp};

const SCHEDULE: Schedule = Schedule {
    start: Timestamp(0),
    interval_ms: 60_000,
    phase_ms: 0,
};

/// The error of an expression over one series, asked of rules that keep an hour.
fn failure(expr: &str) -> String {
    let rules = load(alert("max_over_time(x[1h])"));
    let mut detector = Detector::new(rules.expect("the rule is fine"), SCHEDULE);
    for i in 0..100 {
        detector.ingest(&Sample {
            labels: Labels::metric(
                "x",
                [("a", "0123456789abcdef"), ("i", i.to_string().as_str())],
            ),
            at: Timestamp(0),
            value: f64::from(i),
        });
    }
    let query = Query::parse(expr, Compat::V3).expect("the expression is fine");
    match bounded(expr, || detector.query(&query, Timestamp(0))) {
        Err(QueryError::Failed(message)) => message,
        other => panic!("{expr}: {other:?}"),
    }
}

#[test]
fn what_explodes_when_evaluated_fails() {
    let doubling =
        |inside: String, _| format!("label_replace({inside}, \"a\", \"$1$1\", \"a\", \"(.*)\")");
    let doubled = (0..90).fold("x".to_owned(), doubling);
    assert!(failure(&doubled).contains("longer than 65536 bytes"));
    let joining = |inside: String, _| format!("label_join({inside}, \"a\", \"\", \"a\", \"a\")");
    let joined = (0..90).fold("x".to_owned(), joining);
    assert!(failure(&joined).contains("longer than 65536 bytes"));
    let groups = format!(
        "label_replace(x, \"a\", \"{}\", \"a\", \"(.*)\")",
        "$1".repeat(30_000)
    );
    assert!(failure(&groups).contains("longer than 65536 bytes"));
    for steps in [
        "max_over_time(x[10y:1ms])",
        "max_over_time(max_over_time(vector(1)[1h:1s])[1h:1s])",
        // Fewer steps than are accepted, but with a hundred elements each.
        "max_over_time(timestamp(x @ 0)[800s:1ms])",
    ] {
        assert!(
            failure(steps).contains("more than 1000000 steps"),
            "{steps}"
        );
    }
}

/// A hundred levels of sixty kilobytes are six megabytes of what is compared to find equal parts; so many rules have more
/// than may be compared, and the last ones share nothing.
#[test]
fn rules_too_large_to_compare_are_evaluated_all_the_same() {
    let value = "x".repeat(60_000);
    let expr = format!("{}m{{a=\"{value}\"}}{}", "abs(".repeat(90), ")".repeat(90));
    let rules = bounded("identities", || {
        load(rules(
            (0..40).map(|rule| format!("alert: A{rule}, expr: '{expr} > 0'")),
        ))
    });
    let mut detector = Detector::new(rules.expect("they are large, not wrong"), SCHEDULE);
    detector.ingest(&Sample {
        labels: Labels::metric("m", [("a", value.as_str())]),
        at: Timestamp(0),
        value: 1.0,
    });
    let outcomes = bounded("evaluation", || detector.advance(Timestamp(0)));
    assert_eq!(outcomes.len(), 40);
}

/// Every step reads a long window: a thousand samples count as another step.
#[test]
fn windows_inside_of_subqueries_are_charged() {
    let text = "tests: [{ interval: 1s, input_series: [{ series: m, values: '0+1x100000' }], promql_expr_test: \
                [{ expr: 'max_over_time(sum_over_time(m[1d])[1d:1s])', eval_time: 1d }] }]";
    let test = TestFile::parse("t.yml", &format!("evaluation_interval: 1d\n{text}"))
        .expect("it is a test file");
    let failures = bounded("windows", || test.run(&[], Compat::V3)).expect("there are no rules");
    assert!(
        failures[0].to_string().contains("samples of windows"),
        "{}",
        failures[0]
    );
}

#[test]
fn alerts_whose_labels_double_stop_growing() {
    let text = rules([
        "alert: A, expr: 'vector(1) unless on() ALERTS', labels: { a: xxxxxxxxxxxxxxxx }",
        "alert: B, expr: 'ALERTS', labels: { a: '{{ $labels.a }}{{ $labels.a }}' }",
    ]);
    let mut detector = Detector::new(load(text).expect("the rules are fine"), SCHEDULE);
    let outcomes = bounded("doubling labels", || {
        detector.advance(Timestamp(40 * 60_000))
    });
    let longest = outcomes.iter().filter_map(|outcome| match outcome {
        Emitted::Transition(transition) => transition.labels.get("a").map(str::len),
        _ => None,
    });
    let longest = longest.max().expect("there are alerts");
    assert!((1024..=64 * 1024).contains(&longest), "{longest}");
}

/// Templates that would go on for ever, or make a text of any length, end in a text that says so.
#[test]
fn hostile_templates_end() {
    for template in [
        "{{ range 1000000000 }}{{ end }}",
        "{{ range 100000 }}{{ range 100000 }}x{{ end }}{{ end }}",
        "{{ range 1000 }}{{ range 1000 }}{{ query `x` }}{{ end }}{{ end }}",
        "{{ define `a` }}{{ template `a` . }}{{ end }}{{ template `a` . }}",
        "{{ define `a` }}{{ template `a` (args . .) }}{{ end }}{{ template `a` . }}",
        "{{ template `__alert_A` . }}",
        "{{ $x := `xxxxxxxxxxxxxxxx` }}{{ range 1000 }}{{ $x = print $x $x }}{{ end }}{{ len $x }}",
        "{{ $x := `&` }}{{ range 1000 }}{{ $x = print $x (html $x) }}{{ end }}{{ len $x }}",
        "{{ $x := args 1 }}{{ range 100000 }}{{ $x = args $x $x }}{{ end }}{{ len $x }}",
        "{{ $x := args 1 }}{{ range 45 }}{{ $x = args $x $x }}{{ end }}{{ printf `%v` $x }}",
        "{{ $x := printf `%60000s` `a` }}{{ range 1000000 }}{{ $x = reReplaceAll `a*` `b` $x }}{{ end }}",
        "{{ printf `%1000000d%1000000d` 1 1 }}",
        "{{ printf `%.1000000f` 1.0 }}",
    ] {
        let text = rules([&format!(
            "alert: A, expr: 'vector(1)', annotations: {{ a: '{template}' }}"
        )]);
        let mut detector = Detector::new(load(text).expect("the rules are fine"), SCHEDULE);
        let outcomes = bounded(template, || detector.advance(Timestamp(0)));
        let [Emitted::Transition(fired)] = outcomes.as_slice() else {
            panic!("{template}: {outcomes:?}");
        };
        let shown = &fired.annotations[0].1;
        assert!(
            shown.starts_with("<error expanding template: not known here: "),
            "{template}: {shown}"
        );
    }
}
