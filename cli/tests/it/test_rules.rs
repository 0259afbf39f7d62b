//! `firedrill test rules` against the real `promtool test rules`: exit code, standard output and standard error.

use crate::support::{firedrill, has, project, skip};
use insta::assert_snapshot;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Exit code, standard output, standard error.
type Said = (Option<i32>, String, String);

fn said(output: Output) -> Said {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn ours(dir: &Path, args: &[&str]) -> Said {
    let mut command = firedrill();
    let command = command.current_dir(dir).args(["test", "rules"]).args(args);
    said(command.output().unwrap())
}

/// The generation of the promtool that is there, as `--compat` calls it.
fn promtool_generation() -> Option<&'static str> {
    if !has("promtool") {
        skip("promtool");
        return None;
    }
    let (_, out, err) = said(Command::new("promtool").arg("--version").output().unwrap());
    let is_second = format!("{out}{err}").starts_with("promtool, version 2.");
    Some(if is_second { "v2" } else { "v3" })
}

/// What we say and what promtool says.
fn both(dir: &Path, generation: &str, files: &[&str]) -> (Said, Said) {
    let mut promtool = Command::new("promtool");
    let promtool = promtool
        .current_dir(dir)
        .args(["test", "rules"])
        .args(files);
    let ours = ours(dir, &[&["--compat", generation], files].concat());
    (ours, said(promtool.output().unwrap()))
}

/// Test files of a folder, in order.
fn test_files(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter(|name| name.ends_with(".yml") && !name.ends_with(".rules.yml"))
        .collect();
    names.sort();
    names
}

/// A folder with files of its own.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path: PathBuf = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

#[test]
fn the_detectors_files_get_the_same_output_byte_for_byte() {
    let Some(generation) = promtool_generation() else {
        return;
    };
    let dir = project(match generation {
        "v2" => "detector/tests/promtool",
        _ => "detector/tests/prometheus3",
    });
    let names = test_files(&dir);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for name in &names {
        let (ours, promtool) = both(&dir, generation, &[name]);
        assert_eq!(ours, promtool, "{name}");
        let failed = i32::from(name.starts_with("fails-"));
        assert_eq!(ours.0, Some(failed), "{name}");
    }
    let (ours, promtool) = both(&dir, generation, &names);
    assert_eq!(ours, promtool, "all of them, side by side");
}

const RULES: &str = r#"
groups:
- name: one
  rules:
  - alert: Up
    expr: m > 0
    labels: { q: "a\"b\\c\tdé" }
    annotations: { value: "{{ $value }} of {{ $labels.i }}" }
- name: two
  rules:
  - alert: Up
    expr: m > 1
  - alert: Held
    expr: m > 0
    for: 2m
"#;

/// Several tests fail, each in several ways; of every kind of text that is shown there is one.
const FAILING: &str = r#"
rule_files: [rules/*.yml]
group_eval_order: [two, one]
tests:
- name: a "name"
  interval: 1m
  input_series: [{ series: 'm{i="1"}', values: 0 1 2 }, { series: 'm{i="2"}', values: 0 2 0 }]
  alert_rule_test:
  - { eval_time: 1m, alertname: Up, exp_alerts: [{ exp_labels: { b: "1\n2", a: "" } }, { exp_annotations: { b: x, a: y } }, {}] }
  - { eval_time: 90s, alertname: Held, exp_alerts: [{ exp_labels: { i: "1" } }] }
  - { eval_time: 30s, alertname: Nothing, exp_alerts: [{}] }
  - { eval_time: 1m, alertname: Up }
- interval: 30s
  input_series: [{ series: 'm{i="☃\n\u0001"}', values: '1+1x10' }]
  external_labels: { zone: z }
  external_url: http://x
  alert_rule_test: [{ eval_time: 2m, alertname: Held, exp_alerts: [] }]
  promql_expr_test:
  - { expr: 'm{a="b\n"}', eval_time: 1500ms, exp_samples: [{ labels: '', value: -.inf }, { value: .5 }, { labels: 'm{i="2"}', value: 123456789 }] }
  - { expr: m, eval_time: 1m }
  - { expr: '1', eval_time: 2w, exp_samples: [{ value: 1e-7 }] }
  - { expr: '1', eval_time: 1d1h, exp_samples: [{ value: 1 }] }
- name: passes
  interval: 1m
  promql_expr_test: [{ expr: vector(1), exp_samples: [{ labels: '{}', value: 1 }] }]
"#;

#[test]
fn files_of_all_kinds_get_the_same_output_byte_for_byte() {
    let Some(generation) = promtool_generation() else {
        return;
    };
    let dir = folder(&[
        ("rules/a.yml", RULES),
        ("rules/broken.rules", "groups: ["),
        ("failing.yml", FAILING),
        (
            "below/relative.yml",
            "rule_files: ['../rules/[a-b].yml', ../rules/a.yml]\ntests: [{ interval: 1m }]",
        ),
        (
            "passing.yml",
            "rule_files: [rules/a.yml]\ntests: [{ interval: 1m, alert_rule_test: [{ eval_time: 5m, alertname: Up }] }]",
        ),
        (
            "no-match.yml",
            "rule_files: [nothing-*.yml, missing.yml, '', 'rules/?.yml']\ntests: [{ interval: 1m }]",
        ),
        (
            "bad-pattern.yml",
            "rule_files: [missing.yml, 'rules/[.yml']\ntests: [{ interval: 1m }]",
        ),
        (
            "no-interval.yml",
            "tests: [{ input_series: [{ series: m, values: _ 1 2 3 }], promql_expr_test: [{ expr: m, eval_time: 2m }, { expr: 'count_over_time(m[5m])', eval_time: 1m }] }]",
        ),
        ("empty.yml", ""),
        ("comments.yml", "# nothing\n---\n"),
        (
            "untested.yml",
            "rule_files: [rules/broken.rules]\ntests: []",
        ),
        (
            "rule-error.yml",
            "rule_files: [same.rules]\ntests: [{ name: n, interval: 1m, input_series: [{ series: 'm{i=\"1\"}', values: _ 1 }, { series: 'm{i=\"2\"}', values: _ 1 }], alert_rule_test: [{ eval_time: 3m, alertname: A }] }]",
        ),
        (
            "same.rules",
            "groups: [{ name: g, rules: [{ record: a, expr: 'sum by (x) (m) or label_replace(m, \"i\", \"\", \"\", \"\")' }, { alert: A, expr: m, labels: { i: '' } }, { record: b, expr: 'm * on(j) group_left m * on (j) m' }] }]",
        ),
        (
            "many.yml",
            "tests: [{ interval: 1m, input_series: [{ series: 'm{i=\"1\"}', values: 1 }, { series: 'm{i=\"2\"}', values: 1 }, { series: 'n', values: 1 }], promql_expr_test: [{ expr: m == on() n }, { expr: 'm * on() group_left m' , exp_samples: [{ value: 1 }] }] }]",
        ),
    ]);
    let names = [
        "failing.yml",
        "./below/relative.yml",
        "passing.yml",
        "no-match.yml",
        "bad-pattern.yml",
        "no-interval.yml",
        "empty.yml",
        "comments.yml",
        "untested.yml",
        "rule-error.yml",
        "many.yml",
    ];
    for name in names {
        let (ours, promtool) = both(dir.path(), generation, &[name]);
        assert_eq!(in_order(ours), in_order(promtool), "{name}");
    }
    let (ours, promtool) = both(dir.path(), generation, &names);
    assert_eq!(ours.0, Some(1));
    assert_eq!(in_order(ours), in_order(promtool), "all at once");
}

/// promtool names the two series of a match group in an order that changes from run to run: here they are sorted.
fn in_order((code, out, err): Said) -> Said {
    let sorted = err.split_inclusive('\n').map(|line| {
        let parts = line.split_once("operation: [");
        let parts = parts.and_then(|(before, rest)| Some((before, rest.split_once("];")?)));
        let Some((before, (series, after))) = parts else {
            return line.to_owned();
        };
        let mut series: Vec<&str> = series
            .split("}, ")
            .map(|one| one.trim_end_matches('}'))
            .collect();
        series.sort_unstable();
        format!("{before}operation: [{}];{after}", series.join("}, "))
    });
    (code, out, sorted.collect())
}

/// Where promtool's reason has other words: what is written, how its line begins with both, and what we say.
#[test]
fn only_reasons_have_other_words() {
    let Some(generation) = promtool_generation() else {
        return;
    };
    let dir = folder(&[
        ("broken-yaml.yml", "tests: [\n"),
        ("unknown-key.yml", "tests: [{ interval: 1m, foo: 1 }]"),
        ("bad-duration.yml", "evaluation_interval: 1x\ntests: []"),
        ("repeated-group.yml", "group_eval_order: [a, a]\ntests: []"),
        (
            "bad-series.yml",
            "tests: [{ interval: 1m, input_series: [{ series: 'm{', values: 1 }] }]",
        ),
        (
            "bad-values.yml",
            "tests: [{ interval: 1m, input_series: [{ series: 'm', values: 1y }] }]",
        ),
        (
            "no-alertname.yml",
            "tests: [{ interval: 1m, alert_rule_test: [{ eval_time: 1m }] }]",
        ),
        (
            "empty-alertname.yml",
            "tests: [{ interval: 1m, alert_rule_test: [{ eval_time: 1m, alertname: '' }] }]",
        ),
        (
            "bad-rules.yml",
            "rule_files: [bad.rules]\ntests: [{ interval: 1m }]",
        ),
        (
            "bad.rules",
            "groups: [{ name: a, rules: [{ alert: X, expr: a, fro: 1 }] }]",
        ),
        (
            "bad-rule-expression.yml",
            "rule_files: [expression.rules]\ntests: [{ interval: 1m }]",
        ),
        (
            "expression.rules",
            "groups: [{ name: a, rules: [{ alert: X, expr: 'a(' }] }]",
        ),
    ]);
    for name in test_files(dir.path()) {
        let (ours, promtool) = both(dir.path(), generation, &[&name]);
        assert_eq!((ours.0, &ours.1), (promtool.0, &promtool.1), "{name}");
        assert_eq!(ours.0, Some(1), "{name}");
        for err in [&ours.2, &promtool.2] {
            let reason = err
                .strip_prefix("  FAILED:\n")
                .unwrap_or_else(|| panic!("{name}: {err}"));
            assert!(!reason.trim().is_empty(), "{name}: {err}");
        }
    }
    // Of an expression under test only what follows `err: ` differs, and the rest is run.
    let text = "tests: [{ interval: 1m, promql_expr_test: [{ expr: 'm{', eval_time: 1m }, { expr: '1' }, { expr: 'm[5m]' }] }]";
    let dir = folder(&[("t.yml", text)]);
    let (ours, promtool) = both(dir.path(), generation, &["t.yml"]);
    let without_reasons = |err: &str| -> Vec<String> {
        let lines = err
            .lines()
            .map(|line| line.split("err: ").next().unwrap_or_default());
        lines.map(str::to_owned).collect()
    };
    assert_eq!((ours.0, &ours.1), (promtool.0, &promtool.1));
    assert_eq!(without_reasons(&ours.2), without_reasons(&promtool.2));
    assert_eq!(ours.2.matches("err: ").count(), 2);
}

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

/// Time that a test took, which differs from run to run, as `T`.
fn without_times((code, out, err): Said) -> Said {
    let lines = err.split_inclusive('\n');
    let shown = lines.map(|line| match line.split_once("finished, took ") {
        Some((before, _)) => format!("{before}finished, took T\n"),
        None => line.to_owned(),
    });
    (code, out, shown.collect())
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
