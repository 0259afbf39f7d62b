//! Test files that are missing, wrong, or need more than there is.

use super::{FAILING, RULES, Said, both, folder, ours, promtool_generation, without_times};
use insta::assert_snapshot;

#[test]
fn a_missing_test_file_ends_as_with_promtool_before_anything_is_run() {
    let dir = folder(&[("t.yml", "tests: []")]);
    let said = ours(dir.path(), &["t.yml", "missing.yml"]);
    assert_eq!(
        said,
        (
            Some(1),
            String::new(),
            "error: path 'missing.yml' does not exist\n".into()
        )
    );
    let Some(generation) = promtool_generation() else {
        return;
    };
    let (_, promtool) = both(dir.path(), generation, &["t.yml", "missing.yml"]);
    assert_eq!((promtool.0, promtool.1), (said.0, said.1));
    assert!(promtool.2.contains("path 'missing.yml' does not exist"));
}

#[test]
fn problems_come_all_at_once_with_their_places() {
    let dir = folder(&[(
        "t.yml",
        "tests:\n- interval: 1x\n  foo: 1\n  input_series: [{ series: 'm{', values: 1y }]\n",
    )]);
    let (code, out, err) = ours(dir.path(), &["t.yml"]);
    assert_eq!((code, out.as_str()), (Some(1), "\n\n"));
    assert_snapshot!(err, @r#"
      FAILED:
    t.yml:2:13: "1x" is not a duration; accepted are whole numbers with the units y, w, d, h, m, s, ms in this order, like 90s or 1h30m
    t.yml:3:3: unknown key `foo` in test
        accepted: name, interval, input_series, external_labels, external_url, alert_rule_test, promql_expr_test, start_timestamp
    t.yml:4:28: "m{" is not a series: a label has no =
    t.yml:4:42: "1y" is no sample value; accepted are numbers, a+bxn, a-bxn, axn, _, _xn and stale
    "#);
}

#[test]
fn differences_data_and_unknown_keys_are_told_as_by_the_third_promtool() {
    let dir = folder(&[
        ("rules/a.yml", RULES),
        ("failing.yml", FAILING),
        (
            "unknown.rules",
            "bar: 1\ngroups:\n- name: x\n  foo: 1\n  rules: [{ alert: X, expr: m > 0, owner: me }]\n",
        ),
        (
            "unknown.yml",
            "rule_files: [unknown.rules]\n\
             tests: [{ interval: 1m, input_series: [{ series: m, values: 1x5 }], \
             alert_rule_test: [{ eval_time: 1m, alertname: X, exp_alerts: [{}, {}] }] }]",
        ),
        ("unknown-in-test.yml", "tests: [{ interval: 1m, foo: 1 }]"),
    ]);
    let arguments: [&[&str]; 6] = [
        &["--diff", "failing.yml"],
        &["--debug", "failing.yml"],
        &[
            "--debug",
            "--diff",
            "failing.yml",
            "--ignore-unknown-fields",
            "unknown.yml",
        ],
        &["--ignore-unknown-fields", "unknown.yml"],
        &["unknown.yml"],
        &["--ignore-unknown-fields", "unknown-in-test.yml"],
    ];
    let codes = arguments.map(|arguments| ours(dir.path(), arguments).0);
    assert_eq!(codes, [Some(1); 6]);
    let (_, _, err) = ours(
        dir.path(),
        &[
            "--ignore-unknown-fields",
            "--diff",
            "--debug",
            "unknown.yml",
        ],
    );
    let shown = err.replace('\u{1b}', "ESC").replace(" \n", "\n");
    let (before, rest) = shown.split_once("took ").unwrap();
    let (_, after) = rest.split_once('\n').unwrap();
    assert_snapshot!(format!("{before}took T\n{after}"), @r#"
    DEBUG: Starting test unnamed#0
    DEBUG: Dump of all data (input_series and rules) at 1m1s:
    {__name__="ALERTS", alertname="X", alertstate="firing"} =>
    1 @[60000]
    {__name__="ALERTS_FOR_STATE", alertname="X"} =>
    0 @[60000]
    {__name__="m"} =>
    1 @[60000]
    DEBUG: Test unnamed#0 finished, took T
      FAILED:
        alertname: X, time: 1m,
            diff: [
                    {
                        "Annotations": {},
                        "Labels": {
                            "alertname": "X"
                        }
                    },
                    ESC[0;31m{ESC[0m
                        ESC[0;31m"Annotations": {},ESC[0m
                        ESC[0;31m"Labels": {ESC[0m
                            ESC[0;31m"alertname": "X"ESC[0m
                        ESC[0;31m}ESC[0m
                    ESC[0;31m}ESC[0m
                ]
    "#);
    if promtool_generation() != Some("v3") {
        return;
    }
    for arguments in &arguments[..4] {
        let (ours, promtool) = both(dir.path(), "v3", arguments);
        assert_eq!(
            without_times(ours),
            without_times(promtool),
            "{arguments:?}"
        );
    }
    for arguments in &arguments[4..] {
        let (ours, promtool) = both(dir.path(), "v3", arguments);
        assert_eq!((ours.0, ours.1), (promtool.0, promtool.1), "{arguments:?}");
    }
}

#[test]
fn numbers_are_read_as_by_promtool() {
    let Some(generation) = promtool_generation() else {
        return;
    };
    let numbers = [
        "1_000",
        "1_0.5",
        "1__0",
        "1_",
        "_1",
        "0_7",
        "017",
        "08",
        ".5_0",
        "1e1_0",
        "0x10",
        "0x_1f",
        "0b11",
        "0o17",
        "1.",
        "1e400",
        "99999999999999999999",
        "-1_0",
        "+5",
        "Inf",
        ".inf",
        "'5'",
    ];
    // In a series, in an expression, and as what is expected.
    let texts = numbers.map(|number| {
        let plain = number.trim_matches('\'');
        [
            format!("tests: [{{ interval: 1m, input_series: [{{ series: m, values: '{plain}' }}], promql_expr_test: [{{ expr: m }}] }}]"),
            format!("tests: [{{ interval: 1m, promql_expr_test: [{{ expr: '{plain}' }}] }}]"),
            format!("tests: [{{ interval: 1m, promql_expr_test: [{{ expr: '5', exp_samples: [{{ labels: '{{}}', value: {number} }}] }}] }}]"),
        ]
    });
    for text in texts.as_flattened() {
        let dir = folder(&[("t.yml", text)]);
        let (ours, promtool) = both(dir.path(), generation, &["t.yml"]);
        assert_eq!((ours.0, &ours.1), (promtool.0, &promtool.1), "{text}");
        // Why something is no number has other words.
        let is_refused = |said: &Said| !said.2.contains("got:") && !said.2.is_empty();
        match is_refused(&promtool) {
            true => assert!(is_refused(&ours), "{text}: {ours:?}"),
            false => assert_eq!(ours, promtool, "{text}"),
        }
    }
}

#[test]
fn native_histograms_are_refused_with_the_reason() {
    let dir = folder(&[(
        "t.yml",
        "tests:\n- interval: 1m\n  input_series: [{ series: m, values: '{{schema:0 sum:1 count:1}}' }]\n  \
         promql_expr_test: [{ expr: m, exp_samples: [{ histogram: '{{count:1}}' }] }]\n",
    )]);
    let (code, _, err) = ours(dir.path(), &["t.yml"]);
    assert_eq!(code, Some(1));
    assert_snapshot!(err, @r#"
      FAILED:
    t.yml:3:39: "{{schema:0 sum:1 count:1}}": native histograms are not supported: their samples cannot be evaluated exactly here
    t.yml:4:60: native histograms are not supported: their samples cannot be evaluated exactly here
    "#);
}

#[test]
fn what_would_take_for_ever_is_refused() {
    let dir = folder(&[
        (
            "fast.rules",
            "groups: [{ name: g, interval: 1ms, rules: [{ record: a, expr: m }] }]",
        ),
        (
            "t.yml",
            "rule_files: [fast.rules]\ntests: [{ interval: 1m, alert_rule_test: [{ eval_time: 30d, alertname: A }] }]",
        ),
    ]);
    assert_eq!(ours(dir.path(), &["t.yml"]).0, Some(0));
    let (code, _, err) = ours(dir.path(), &["--honour-group-interval", "t.yml"]);
    assert_eq!(code, Some(1));
    assert_snapshot!(err, @r#"
      FAILED:
    t.yml:2:9: the tests of the file take more than 100000000 evaluations of rules together
        split the file, test at earlier times, or lengthen the intervals
    "#);
}
