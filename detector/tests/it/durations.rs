//! Lengths of time that are computed: what they come to in a rule, and when such a rule is refused.
//!
//! That they are read as Prometheus reads them, and come to what it computes, is held in `promql`. The promtool of 3.14 is of no
//! help with their values: it reads them in rules, and evaluates none, as its engine is not told to.

use firedrill_detector::query::Query;
use firedrill_detector::rules::Reading;
use firedrill_detector::{
    Compat, Detector, Labels, RuleFile, RuleSet, Sample, Schedule, Timestamp,
};

fn rules(expr: &str) -> Result<RuleSet, String> {
    let file = RuleFile {
        name: "r.yml".into(),
        text: format!("groups:\n- name: g\n  rules:\n  - record: r\n    expr: {expr}\n"),
    };
    let loaded = RuleSet::load_as(&[file], Compat::V3, Reading::default());
    loaded.map_err(|problems| problems[0].to_string())
}

/// The one value of an expression about a metric whose value is the minute.
fn value(expr: &str) -> f64 {
    const MINUTE: i64 = 60_000;
    let schedule = Schedule {
        start: Timestamp(0),
        interval_ms: MINUTE,
        phase_ms: 0,
    };
    // The rule has that much kept.
    let rules = rules("count_over_time(m[3h])").unwrap();
    let mut detector = Detector::new(rules, schedule);
    for minute in 0..=120 {
        detector.ingest(&Sample {
            labels: Labels::metric("m", []),
            at: Timestamp(minute * MINUTE),
            value: minute as f64,
        });
    }
    let query = Query::parse(expr, Compat::V3).unwrap_or_else(|error| panic!("{expr}: {error}"));
    let found = detector.query(&query, Timestamp(90 * MINUTE)).unwrap();
    assert_eq!(found.len(), 1, "{expr}: {found:?}");
    found[0].1
}

#[test]
fn they_are_evaluated_as_what_they_come_to() {
    for (computed, written, value_then) in [
        ("m offset (1h / 2)", "m offset 30m", 60.0),
        ("m offset -(5m + 5m)", "m offset -10m", 100.0),
        ("m offset --2 * 5m", "m offset 10m", 80.0),
        ("m offset max_of(step(), 10m) + 1", "m offset 10m + 1", 81.0),
        ("m offset 5m * 2", "(m offset 5m) * 2", 170.0),
        ("m offset -(5m) * 2", "(m offset -5m) * 2", 190.0),
        ("count_over_time(m[5m + 1m])", "count_over_time(m[6m])", 6.0),
        (
            "count_over_time(m[(5 + 2) * 1m])",
            "count_over_time(m[7m])",
            7.0,
        ),
        (
            "count_over_time(m[2 ^ 3 ^ 1 * 1m])",
            "count_over_time(m[8m])",
            8.0,
        ),
        (
            "count_over_time(m[4h % 3h - -30m])",
            "count_over_time(m[1h30m])",
            90.0,
        ),
        (
            "count_over_time(m[min_of(range() + 20m, 1h)] offset (10m - 600))",
            "count_over_time(m[20m] offset 0s)",
            20.0,
        ),
        (
            "sum_over_time(m[10m * 2:step() + 2 * 5m] offset (10m * 1))",
            "sum_over_time(m[20m:10m] offset 10m)",
            150.0,
        ),
    ] {
        assert_eq!(value(computed), value_then, "{computed}");
        assert_eq!(value(written), value_then, "{written}");
    }
}

#[test]
fn rules_are_refused_that_prometheus_fails_at_or_changes() {
    let mut told = String::new();
    for expr in [
        "last_over_time(m[5m * 0])",
        "last_over_time(m[5m - 10m])",
        "last_over_time(m[step()])",
        "last_over_time(m[5m:min_of(range(), 1m)])",
        "last_over_time(m[5m / (1 - 1)])",
        "m offset (5m % step())",
        "m offset (1e9 * 1e9)",
        "m offset (NaN + 1)",
        "last_over_time(m[4m ^ 1.5])",
        "last_over_time(m[1 / 1e6])",
        // Printed without its parentheses.
        "m offset (5m) * 2",
        "m offset --5m * 2",
        "1 + last_over_time(m[5m * (-2) ^ 2])",
    ] {
        let problem = rules(expr).map(|_| ()).unwrap_err();
        told.push_str(&format!("{expr}\n    {problem}\n"));
    }
    insta::assert_snapshot!(told);
    for expr in [
        "m offset ((5m) * 2)",
        "m offset -(5m + 1m)",
        "m offset ((5m)) > 1",
        "last_over_time(m[5m * 2 ^ -(-2)])",
        "last_over_time(m[max_of(5m, step())] @ 1700000000.1 offset (-5m - 1))",
    ] {
        assert!(rules(expr).is_ok(), "{expr}: {:?}", rules(expr).map(|_| ()));
    }
}
