//! `firedrill test rules` against the real `promtool test rules`: exit code, standard output and standard error.

mod files;
mod options;

use crate::support::{firedrill, has, project, skip};
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

/// Time that a test took, which differs from run to run, as `T`.
fn without_times((code, out, err): Said) -> Said {
    let lines = err.split_inclusive('\n');
    let shown = lines.map(|line| match line.split_once("finished, took ") {
        Some((before, _)) => format!("{before}finished, took T\n"),
        None => line.to_owned(),
    });
    (code, out, shown.collect())
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
