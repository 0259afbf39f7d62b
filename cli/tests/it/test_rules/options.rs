//! What the command takes beside files.

use super::{both, folder, ours, promtool_generation};
use insta::assert_snapshot;
use std::fs;

#[test]
fn fuzzy_compare_is_known_to_the_third_generation_only() {
    let sum = "promql_expr_test: [{ expr: vector(0.1) + 0.2, exp_samples: [{ value: 0.3 }] }]";
    let dir = folder(&[
        (
            "fuzzy.yml",
            &format!("fuzzy_compare: true\ntests: [{{ {sum} }}]"),
        ),
        (
            "exact.yml",
            &format!("fuzzy_compare: false\ntests: [{{ {sum} }}]"),
        ),
    ]);
    let codes = |generation: &str| {
        ["fuzzy.yml", "exact.yml"].map(|name| ours(dir.path(), &["--compat", generation, name]).0)
    };
    assert_eq!(codes("v3"), [Some(0), Some(1)]);
    assert_eq!(codes("v2"), [Some(1), Some(1)]);
    let (_, _, err) = ours(dir.path(), &["--compat", "v2", "fuzzy.yml"]);
    assert!(err.contains("unknown key `fuzzy_compare`"), "{err}");
}

#[test]
fn a_test_may_begin_at_a_time_of_its_own() {
    let dir = folder(&[
        (
            "r.rules",
            "groups: [{ name: g, rules: [{ alert: Leap, expr: 'day_of_month() == 29 and on () m > 1', for: 1m }] }]",
        ),
        (
            "t.yml",
            "rule_files: [r.rules]\n\
             tests:\n\
             - interval: 1m\n\
             \x20 start_timestamp: 2024-02-29T00:00:00+01:00\n\
             \x20 input_series: [{ series: m, values: 2x120 }]\n\
             \x20 alert_rule_test: [{ eval_time: 60m, alertname: Leap }, { eval_time: 61m, alertname: Leap, exp_alerts: [{}] }]\n\
             \x20 promql_expr_test:\n\
             \x20 - { expr: time(), eval_time: 1h, exp_samples: [{ value: 1709164800 }] }\n\
             \x20 - { expr: timestamp(m), eval_time: 61m, exp_samples: [{ value: 1709164860, labels: '{}' }] }\n",
        ),
    ]);
    let said = ours(dir.path(), &["t.yml"]);
    assert_eq!(said, (Some(0), "  SUCCESS\n\n".into(), String::new()));
    let (code, _, err) = ours(dir.path(), &["--compat", "v2", "t.yml"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("unknown key `start_timestamp`"), "{err}");
}

#[test]
fn a_groups_own_interval_counts_only_when_asked_for() {
    let rules = |interval: &str| {
        format!(
            "groups: [{{ name: g, interval: {interval}, rules: [{{ record: seen, expr: m }}] }}]"
        )
    };
    // What is recorded stands for five minutes: at 4m it is the value of the group's last evaluation.
    let test = |rules: &str, value: u8| {
        format!(
            "rule_files: [{rules}]\ntests: [{{ interval: 30s, input_series: [{{ series: m, values: 0+1x20 }}], \
             promql_expr_test: [{{ expr: seen, eval_time: 4m30s, exp_samples: [{{ labels: seen, value: {value} }}] }}] }}]"
        )
    };
    let dir = folder(&[
        ("slow.rules", &rules("3m")),
        ("fast.rules", &rules("30s")),
        ("together.yml", &test("slow.rules", 8)),
        ("slow.yml", &test("slow.rules", 6)),
        ("fast.yml", &test("fast.rules", 9)),
    ]);
    let codes = |flags: &[&str]| {
        ["together.yml", "slow.yml", "fast.yml"]
            .map(|name| ours(dir.path(), &[flags, &[name]].concat()).0)
    };
    assert_eq!(codes(&[]), [Some(0), Some(1), Some(1)]);
    assert_eq!(
        codes(&["--honour-group-interval"]),
        [Some(1), Some(0), Some(0)]
    );
    let Some(generation) = promtool_generation() else {
        return;
    };
    let (_, promtool) = both(dir.path(), generation, &["together.yml"]);
    assert_eq!(promtool.0, Some(0), "{promtool:?}");
}

#[test]
fn tests_are_chosen_by_name_and_told_as_junit() {
    let wrong = "promql_expr_test: [{ expr: '1', exp_samples: [{ value: 2 }] }]";
    let text =
        format!("tests: [{{ name: one & <two>, {wrong} }}, {{ name: three }}, {{ {wrong} }}]");
    let dir = folder(&[("t.yml", &text), ("broken.yml", "tests: 1")]);
    let chosen = |patterns: &[&str]| {
        let flags: Vec<&str> = patterns
            .iter()
            .flat_map(|pattern| ["--run", pattern])
            .collect();
        ours(dir.path(), &[&flags[..], &["t.yml"]].concat())
    };
    assert_eq!(
        chosen(&["thr"]),
        (Some(0), "  SUCCESS\n\n".into(), String::new())
    );
    assert_eq!(chosen(&["^four$"]).0, Some(0));
    let (code, out, err) = chosen(&["thr", "^one"]);
    assert_eq!((code, out.as_str()), (Some(1), "\n\n"));
    assert_eq!(err.matches("expr:").count(), 1);
    let (code, _, err) = chosen(&["("]);
    assert_eq!(code, Some(2));
    assert!(err.starts_with("error: regular expression \"(\""), "{err}");

    let (code, ..) = ours(dir.path(), &["--junit", "out.xml", "t.yml", "broken.yml"]);
    assert_eq!(code, Some(1));
    let xml = fs::read_to_string(dir.path().join("out.xml")).unwrap();
    let (before, rest) = xml.split_once("timestamp=\"2").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    assert_snapshot!(format!("{before}timestamp=\"TIME\"{after}").replace("><", ">\n<"), @r#"
    <testsuites>
    <testsuite name="t.yml" tests="3" failures="2" errors="0" skipped="0" timestamp="TIME">
    <testcase name="one &amp; &lt;two&gt;">
    <failure>    expr: &#34;1&#34;, time: 0s,&#xA;        exp: {} 2E+00&#xA;        got: {} 1E+00</failure>
    </testcase>
    <testcase name="three">
    </testcase>
    <testcase name="unnamed#2">
    <failure>    expr: &#34;1&#34;, time: 0s,&#xA;        exp: {} 2E+00&#xA;        got: {} 1E+00</failure>
    </testcase>
    </testsuite>
    <testsuite name="broken.yml" tests="1" failures="0" errors="1" skipped="0" timestamp="">
    <testcase name="unknown">
    <error>broken.yml:1:8: tests: expected a sequence, found `1`</error>
    </testcase>
    </testsuite>
    </testsuites>
    "#);
}

#[test]
fn experimental_functions_have_to_be_enabled() {
    let dir = folder(&[
        (
            "a.rules",
            "groups: [{ name: g, rules: [{ record: r, expr: 'mad_over_time(m[5m])' }] }]\n",
        ),
        (
            "t.yml",
            "rule_files: [a.rules]\n\
             tests: [{ interval: 1m, input_series: [{ series: m, values: 0+10x20 }], \
             promql_expr_test: [{ expr: 'max_of(1, 2) + r', eval_time: 10m, exp_samples: [{ value: 12 }] }] }]",
        ),
    ]);
    let run = |arguments: &[&str]| ours(dir.path(), arguments);
    let (code, _, err) = run(&["t.yml"]);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("mad_over_time() is experimental and must be enabled with --enable-feature=promql-experimental-functions"),
        "{err}"
    );
    let (code, _, err) = run(&["--enable-feature=promql-experimental-functions", "t.yml"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let (code, _, err) = run(&[
        "--enable-feature=promql-experimental-functions",
        "--compat=v2",
        "t.yml",
    ]);
    assert_eq!(code, Some(1));
    assert!(err.contains("unknown function"), "{err}");
    let (code, _, err) = run(&[
        "--enable-feature=promql-experimental-functions,promql-duration-expr",
        "t.yml",
    ]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let (code, _, err) = run(&["--enable-feature=everything", "t.yml"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("promql-experimental-functions"), "{err}");
}
