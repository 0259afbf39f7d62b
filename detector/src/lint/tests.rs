use super::RemarkKind::{
    AbsentWithoutFor, AlwaysHolds, BoolComparison, CounterDelta, DoubleCount, ForBelowScrape,
    GaugeRate, LabelDropped, NeverHolds, NeverMatch, NoComparison, RangeOfFewScrapes,
    RangeWithoutData, RawCounter,
};
use super::*;
use crate::rules::RuleFile;

fn kinds(expr: &str, more: &str) -> Vec<RemarkKind> {
    let remarks = remarks_in(&Surroundings::default(), Compat::V3, expr, more);
    remarks.iter().map(|remark| remark.kind).collect()
}

fn remarks_in(surroundings: &Surroundings, compat: Compat, expr: &str, more: &str) -> Vec<Remark> {
    let file = RuleFile {
        name: "r.yml".into(),
        text: format!(
            "groups:\n- name: g\n  rules:\n  - record: c\n    expr: m > 1\n  - alert: A\n    expr: |\n      {expr}\n{more}"
        ),
    };
    let rules = RuleSet::load(&[file], compat).unwrap_or_else(|e| panic!("{e:?}"));
    let found = rules.remarks(surroundings).remove(1);
    assert_eq!((found.name.as_str(), found.line, found.column), ("A", 6, 5));
    found.remarks
}

/// A fleet that is scraped every 15 s, but for its slow metrics.
fn fleet() -> Surroundings {
    let metric = |kind| Metric {
        kind,
        scrape_interval_ms: None,
        is_shared: false,
    };
    let (gauge, counter) = (metric(MetricType::Gauge), metric(MetricType::Counter));
    let slow = Metric {
        scrape_interval_ms: Some(60_000),
        ..counter
    };
    let shared = Metric {
        is_shared: true,
        ..gauge
    };
    let metrics = [
        ("depth", gauge),
        ("paused_total", gauge),
        ("seen", counter),
        ("slow", slow),
        ("queue_size", shared),
    ];
    Surroundings {
        metrics: metrics
            .map(|(name, metric)| (name.to_owned(), metric))
            .into(),
        scrape_interval_ms: Some(15_000),
    }
}

#[test]
fn traps_that_need_no_data() {
    for (expr, expected) in [
        ("m", &[NoComparison][..]),
        ("sum(rate(m[5m])) / sum(n)", &[NoComparison]),
        ("m > 1 or n", &[NoComparison]),
        ("m > 1", &[]),
        ("m and n", &[]),
        ("c", &[]),
        ("ALERTS{alertname=\"B\"}", &[]),
        ("(m > bool 60)", &[BoolComparison]),
        ("sum(m > bool 60) > 3", &[]),
        ("count(up == 1) == 0", &[NeverHolds]),
        ("0 == count(up == 1)", &[NeverHolds]),
        ("(count(up == 1) or vector(0)) == 0", &[]),
        ("count(up) >= 1", &[AlwaysHolds]),
        ("count(up) > 0", &[AlwaysHolds]),
        ("rate(m[5m]) >= 0", &[AlwaysHolds]),
        ("rate(m[5m]) == 0", &[]),
        ("sum(rate(m[5m])) < 0", &[NeverHolds]),
        ("up > 1", &[NeverHolds]),
        ("up == 2", &[NeverHolds]),
        ("up != 1", &[]),
        ("delta(m[5m]) < 0", &[]),
        ("vector(1) > 0", &[]),
        ("errors_total > 0", &[RawCounter]),
        ("sum by (a) (errors_total) > 0", &[RawCounter]),
        ("errors_total < 5", &[]),
        ("increase(errors_total[5m]) > 0", &[]),
        (
            "sum by (a) (rate(m[5m])) == 0 and n{b=\"x\"} > 0",
            &[NeverMatch],
        ),
        (
            "sum by (a) (rate(m[5m])) == 0 and on(a) n{b=\"x\"} > 0",
            &[],
        ),
        ("sum by (a) (m) > ignoring(b) n{b=\"x\"}", &[]),
        ("m{b=\"x\"} / sum without (b) (m) > 2", &[NeverMatch]),
        ("m{b=\"x\"} unless sum(m)", &[]),
        ("m{b=\"x\"} / on() group_left sum(m) > 2", &[]),
        ("absent(up)", &[AbsentWithoutFor]),
        ("m > 1 or absent(up)", &[AbsentWithoutFor]),
    ] {
        assert_eq!(kinds(expr, ""), expected, "{expr}");
    }
    assert_eq!(kinds("absent(up)", "    for: 5m\n"), []);
}

#[test]
fn labels_that_are_gone_from_templates() {
    let annotated = |text: &str| format!("    annotations: {{ a: '{text}' }}\n");
    let instance = annotated("on {{ $labels.instance }}");
    for (expr, is_gone) in [
        ("sum by (queue) (m) > 1", true),
        ("sum by (queue, instance) (m) > 1", false),
        ("sum without (instance) (m) > 1", true),
        ("sum without (queue) (m) > 1", false),
        ("sum(m) > 1", true),
        ("m > 1", false),
        ("m > on(queue) n", true),
        ("sum by (queue) (m) > 1 or n > 1", false),
        (
            "sum by (queue) (m) * on(queue) group_left(instance) n > 1",
            false,
        ),
        ("topk(3, m) > 1", false),
        (
            "label_replace(sum(m), \"instance\", \"x\", \"\", \"\") > 1",
            false,
        ),
        ("absent(up{job=\"x\"}) > 0", true),
        ("absent(up{instance=\"x\"}) > 0", false),
        ("m{instance=\"\"} > 1", true),
        ("sum(m) by (queue) > 1 and on(queue) n", true),
    ] {
        let found = kinds(expr, &instance).contains(&LabelDropped);
        assert_eq!(found, is_gone, "{expr}");
    }
    assert_eq!(
        kinds("sum(m) > 1", &annotated("{{ $value }} $labels.x")),
        []
    );
}

#[test]
fn what_is_known_of_metrics_goes_before_their_names() {
    for (expr, expected) in [
        ("rate(depth[5m]) > 1", &[GaugeRate][..]),
        ("sum(irate(paused_total[5m])) > 1", &[GaugeRate]),
        ("increase(depth[5m]) > 1", &[GaugeRate]),
        ("rate(unknown[5m]) > 1", &[]),
        ("rate(sum(depth)[5m:1m]) > 1", &[]),
        ("deriv(depth[5m]) > 1", &[]),
        ("paused_total > 0", &[]),
        ("seen > 5", &[RawCounter]),
        ("delta(seen[5m]) > 5", &[CounterDelta]),
        ("deriv(errors_total[5m]) > 5", &[CounterDelta]),
        ("idelta((seen[5m])) > 5", &[CounterDelta]),
        ("delta(paused_total[5m]) > 0", &[]),
    ] {
        let found = remarks_in(&fleet(), Compat::V3, expr, "");
        let found: Vec<RemarkKind> = found.iter().map(|remark| remark.kind).collect();
        assert_eq!(found, expected, "{expr}");
    }
}

#[test]
fn ranges_hold_as_many_scrapes_as_prometheus_finds_in_them() {
    for (expr, v3, v2) in [
        ("rate(m[1m]) > 1", None, None),
        (
            "rate(m[59s]) > 1",
            Some(RangeOfFewScrapes),
            Some(RangeOfFewScrapes),
        ),
        (
            "rate(m[30s]) > 1",
            Some(RangeOfFewScrapes),
            Some(RangeOfFewScrapes),
        ),
        (
            "rate(m[16s]) > 1",
            Some(RangeOfFewScrapes),
            Some(RangeOfFewScrapes),
        ),
        // The left end is closed in Prometheus 2.
        (
            "rate(m[15s]) > 1",
            Some(RangeWithoutData),
            Some(RangeOfFewScrapes),
        ),
        (
            "rate(m[14s]) > 1",
            Some(RangeWithoutData),
            Some(RangeWithoutData),
        ),
        (
            "rate(slow[1m]) > 1",
            Some(RangeWithoutData),
            Some(RangeOfFewScrapes),
        ),
        ("rate(slow[4m]) > 1", None, None),
        ("max_over_time(m[15s]) > 1", None, None),
        // What is recorded is as far apart as evaluations.
        ("rate(c[15s]) > 1", None, None),
        ("rate(job:m:sum[15s]) > 1", None, None),
        ("rate(sum(m)[15s:5s]) > 1", None, None),
    ] {
        for (compat, expected) in [(Compat::V3, v3), (Compat::V2, v2)] {
            let found = remarks_in(&fleet(), compat, expr, "");
            let found = found.first().map(|remark| remark.kind);
            assert_eq!(found, expected, "{expr}, {compat:?}");
        }
    }
    assert_eq!(kinds("rate(m[1s]) > 1", ""), []);
    for (expr, expected) in [
        ("rate(m[30s * 2]) > 1", None),
        ("rate(m[1m - step() - 1s]) > 1", Some(RangeOfFewScrapes)),
        (
            "rate(m[max_of(range(), 5s) * 3]) > 1",
            Some(RangeWithoutData),
        ),
    ] {
        let found = remarks_in(&fleet(), Compat::V3, expr, "");
        let found = found.first().map(|remark| remark.kind);
        assert_eq!(found, expected, "{expr}");
    }
}

#[test]
fn a_wait_shorter_than_a_scrape_sees_no_other_sample() {
    for (expr, wait, is_short) in [
        ("m > 1", "14s", true),
        ("m > 1", "15s", false),
        ("slow < 1", "30s", true),
        ("slow < 1 and m > 1", "30s", false),
        ("c > 1", "1s", false),
        ("vector(1) > hour()", "1s", false),
    ] {
        let more = format!("    for: {wait}\n");
        let found = remarks_in(&fleet(), Compat::V3, expr, &more);
        let found = found.iter().any(|remark| remark.kind == ForBelowScrape);
        assert_eq!(found, is_short, "{expr} for {wait}");
    }
}

#[test]
fn sums_over_exporters_of_one_redis() {
    for (expr, is_said) in [
        ("sum(queue_size) > 1", true),
        ("sum by (queue) (max_over_time(queue_size[5m])) > 1", true),
        ("sum without (queue) (queue_size) > 1", false),
        ("sum without (pod) (queue_size) > 1", true),
        ("sum by (instance) (queue_size) > 1", false),
        ("sum(queue_size{instance=\"a\"}) > 1", false),
        ("sum(max by (queue) (queue_size)) > 1", false),
        ("max(queue_size) > 1", false),
        ("sum(m) > 1", false),
    ] {
        let found = remarks_in(&fleet(), Compat::V3, expr, "");
        let found = found.iter().any(|remark| remark.kind == DoubleCount);
        assert_eq!(found, is_said, "{expr}");
    }
}

#[test]
fn kinds_are_listed_once() {
    let mut names = RemarkKind::ALL.map(RemarkKind::name);
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
}
