//! Test files that promtool and this crate must judge alike.

#![expect(
    clippy::disallowed_methods,
    reason = "tests talk to promtool through files"
)]

use std::path::{Path, PathBuf};

use firedrill_detector::unit_test::{RunOptions, TestFile};
use firedrill_detector::{Compat, RuleFile};

use crate::oracle::Oracle;

/// A folder of test files and their rules.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name)
}

/// The folder of what has to be enabled.
const EXPERIMENTAL: &str = "prometheus3-experimental";

/// What we say about a test file.
fn ours(path: &Path, compat: Compat) -> (bool, String) {
    let read = |path: &Path| std::fs::read_to_string(path).expect("the file can be read");
    let lines = |items: Vec<String>| (items.is_empty(), items.join("\n"));
    let name = path.file_name().expect("a file").to_string_lossy();
    let test = match TestFile::parse(&name, &read(path)) {
        Ok(test) => test,
        Err(problems) => return lines(problems.iter().map(ToString::to_string).collect()),
    };
    let rules: Vec<RuleFile> = test
        .rule_files()
        .iter()
        .map(|name| RuleFile {
            name: name.clone(),
            text: read(&path.with_file_name(name)),
        })
        .collect();
    let options = RunOptions {
        compat,
        experimental_functions: is_experimental(path),
        ..RunOptions::default()
    };
    match test.run_each(&rules, &options) {
        Ok(runs) => {
            let failures = runs.flat_map(|run| run.failures);
            lines(failures.map(|failure| failure.to_string()).collect())
        }
        Err(problems) => lines(problems.iter().map(ToString::to_string).collect()),
    }
}

/// Whether a test file is about functions that have to be enabled.
fn is_experimental(path: &Path) -> bool {
    path.parent()
        .is_some_and(|folder| folder.ends_with(EXPERIMENTAL))
}

/// The test files; those that must fail are called `fails-*.yml`.
fn test_files(name: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder(name)).expect("the folder is there");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| {
            let name = path.to_string_lossy();
            name.ends_with(".yml") && !name.ends_with(".rules.yml")
        })
        .collect();
    files.sort();
    files
}

fn must_fail(path: &Path) -> bool {
    let name = path.file_name().expect("a file");
    name.to_string_lossy().starts_with("fails-")
}

#[test]
fn our_verdicts() {
    for (name, compat) in [
        ("promtool", Compat::V2),
        ("prometheus3", Compat::V3),
        (EXPERIMENTAL, Compat::V3),
    ] {
        for path in test_files(name) {
            let (passed, text) = ours(&path, compat);
            assert_eq!(passed, !must_fail(&path), "{}:\n{text}", path.display());
        }
    }
}

#[test]
fn promtools_verdicts() {
    if let Some(oracle) = Oracle::prometheus_2() {
        judges_as_named(&oracle, "promtool");
    }
}

#[test]
fn promtools_verdicts_3() {
    if let Some(oracle) = Oracle::prometheus_3() {
        judges_as_named(&oracle, "prometheus3");
        only_loads_experimental_functions(&oracle.with_experimental_functions());
    }
}

/// `promtool test rules` of Prometheus 3.14 loads rules with the functions that were enabled, and evaluates with an engine that it
/// tells of none: what it says of a file about them is that they are not enabled, whatever the file claims. Once that changes,
/// such files are judged as they are called, like all others.
fn only_loads_experimental_functions(oracle: &Oracle) {
    for path in test_files(EXPERIMENTAL) {
        let (passed, text) = oracle.verdict(&path);
        let is_refused = |line: &str| {
            line.contains("is not enabled") || line.contains("is experimental and must be enabled")
        };
        let mut errors = text.lines().filter(|line| line.contains("err: "));
        assert!(
            !passed && text.lines().any(is_refused) && errors.all(is_refused),
            "{}:\n{text}",
            path.display()
        );
    }
}

fn judges_as_named(oracle: &Oracle, name: &str) {
    for path in test_files(name) {
        let (passed, text) = oracle.verdict(&path);
        assert_eq!(passed, !must_fail(&path), "{}:\n{text}", path.display());
    }
}

/// Expressions no Prometheus evaluates, over the series of the test below.
const FAILING: &[&str] = &[
    // Many on both sides, or more than one side allows.
    "a * on(job) lim",
    "a == on(i) b",
    "a + ignoring(i) group_left(job) b",
    // Equal labels once the name is gone.
    r#"{i="1",job="x"} + 1"#,
    r#"-{i="1",job="x"}"#,
    r#"abs({i="1",job="x"})"#,
    r#"count_over_time({i="1",job="x"}[5m])"#,
    r#"label_replace(a, "i", "same", "i", ".*")"#,
    // Not what a rule may be.
    "a[5m]",
    r#""text""#,
    r#"{job=~".*"}"#,
    "{}",
    "1 > 2",
    "a and 1",
    "a + group_left lim",
    "time()[5m:1m]",
    "rate(a[5m]) offset 1m",
    "(a) offset 1m",
    "rate(a)",
    "abs(1)",
    "exp(Inf)",
    "vector(a)",
    "topk(NaN, a)",
    r#"label_replace(a, "b", "x", "i", "(")"#,
    r#"a{b=~"a**"}"#,
    r#"a{b=~".{0,1001}"}"#,
    r#"{a="x" or b="y"}"#,
    r#"sum by ("") (a)"#,
    "limitk(1, a)",
    "mad_over_time(a[5m])",
    "sort_by_label(a, \"i\")",
    "double_exponential_smoothing(a[5m], 0.5, 0.5)",
    "vector(start())",
    "integral(a[5m])",
    // Durations that come to nothing.
    "last_over_time(a[5m * 0])",
    "last_over_time(a[1m - 5m])",
    "last_over_time(a[step()])",
    "last_over_time(a[5m / (1 - 1)])",
    "a offset (5m % 0)",
];

/// Expressions only Prometheus 3 knows, and those that not even we know.
const NEW: &[&str] = &[
    r#"count_values("1a", a)"#,
    r#"label_replace(a, "1a", "x", "i", ".*")"#,
    "a > 5m",
    "a > 1_000",
    "rate(a[60])",
    "a offset 5",
    "a offset 0s",
    "a offset (5m)",
    "last_over_time(a[5m + 1m])",
    "first_over_time(a[5m])",
    r#"sum by ("job") (a)"#,
    r#"{"a"}"#,
    "a + fill(0) b",
];

#[test]
fn both_refuse() {
    let oracle = Oracle::prometheus_2();
    refused(FAILING.iter().chain(NEW), Compat::V2, oracle.as_ref());
}

#[test]
fn both_refuse_3() {
    let oracle = Oracle::prometheus_3();
    refused(FAILING.iter(), Compat::V3, oracle.as_ref());
}

fn refused<'t>(
    expressions: impl Iterator<Item = &'t &'t str>,
    compat: Compat,
    oracle: Option<&Oracle>,
) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("test.yml");
    for expr in expressions {
        let text = format!(
            "tests:\n- interval: 1m\n  input_series:\n\
             \x20 - {{ series: 'a{{i=\"1\",job=\"x\"}}', values: '10' }}\n\
             \x20 - {{ series: 'a{{i=\"2\",job=\"x\"}}', values: '20' }}\n\
             \x20 - {{ series: 'b{{i=\"1\",job=\"x\"}}', values: '1' }}\n\
             \x20 - {{ series: 'b{{i=\"1\",job=\"y\"}}', values: '1' }}\n\
             \x20 - {{ series: 'lim{{job=\"x\"}}', values: '15' }}\n\
             \x20 promql_expr_test: [{{ expr: '{expr}' }}]\n"
        );
        std::fs::write(&path, text).expect("it can be written");
        let (passed, _) = ours(&path, compat);
        assert!(!passed, "we accept {expr}");
        if let Some(oracle) = oracle {
            let (passed, _) = oracle.verdict(&path);
            assert!(!passed, "promtool accepts {expr}");
        }
    }
}
