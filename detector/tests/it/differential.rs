//! Random expressions over random series: our values against promtool's.
//!
//! `FIREDRILL_DIFF_CASES` sets how many expressions are compared (default 500), `FIREDRILL_DIFF_SEED` where to start. `.ci/long`
//! compares many more, also with the promtool of Prometheus 3.

#![expect(
    clippy::disallowed_methods,
    reason = "tests talk to promtool through files"
)]

use std::collections::BTreeMap;
use std::fmt::Write;

use firedrill_detector::query::Query;
use firedrill_detector::unit_test::{Comparison, TestFile};
use firedrill_detector::{
    Compat, Detector, Emitted, RuleFile, RuleSet, Sample, Schedule, Timestamp,
};

use crate::oracle::{Answer, Case, Oracle};
use crate::random::{
    LONGEST_QUERY_OFFSET_MS, Random, SLOTS_PER_SCRAPE, expression, failing_rules, rules, series,
};

const SAMPLES: usize = 60;
const STEP_MS: i64 = 30_000;
const PER_FILE: usize = 100;
/// Float addition is not associative and promtool adds in random order; a case gets this many chances to agree.
const TRIES: usize = 12;

const RULES: &str = "random.rules.yml";

pub(crate) fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn random_expressions() {
    if let Some(oracle) = Oracle::prometheus_2() {
        compare_expressions(&oracle);
    }
}

#[test]
fn random_expressions_3() {
    if let Some(oracle) = Oracle::prometheus_3() {
        compare_expressions(&oracle);
    }
}

/// Random rules: the series of alerts and recording rules, at every step.
#[test]
fn random_rules() {
    if let Some(oracle) = Oracle::prometheus_2() {
        compare_rules(&oracle);
    }
}

#[test]
fn random_rules_3() {
    if let Some(oracle) = Oracle::prometheus_3() {
        compare_rules(&oracle);
    }
}

/// Random rules that may fail: every word promtool says of a test file.
#[test]
fn random_failures() {
    if let Some(oracle) = Oracle::prometheus_2() {
        compare_failures(&oracle);
    }
}

#[test]
fn random_failures_3() {
    if let Some(oracle) = Oracle::prometheus_3() {
        compare_failures(&oracle);
    }
}

fn compare_failures(oracle: &Oracle) {
    let files = number("FIREDRILL_DIFF_CASES", 500).div_ceil(20);
    let seed = number("FIREDRILL_DIFF_SEED", 1).wrapping_add(1 << 33);
    let (mut failed, mut fired) = (0, 0);
    for file_seed in (0..files).map(|file| seed.wrapping_add(file)) {
        let mut random = Random(file_seed);
        let series = series(&mut random, SAMPLES);
        let rules = failing_rules(&mut random);
        let mut test = file(&series, &[], true);
        test.push_str(
            "  external_labels: { zone: 'zöne' }\n  external_url: http://h/p\n  alert_rule_test:\n",
        );
        for _ in 0..10 {
            let at_ms = random.below(SAMPLES * 2) as i64 * STEP_MS / 2;
            let name = random.below(3);
            writeln!(test, "  - {{ eval_time: {at_ms}ms, alertname: A{name} }}")
                .expect("strings take all");
        }
        let rule_file = RuleFile {
            name: RULES.into(),
            text: rules.clone(),
        };
        let read =
            TestFile::parse_as("random.yml", &test, oracle.compat).expect("it is a test file");
        let failures = read
            .run(&[rule_file], oracle.compat)
            .expect("the rules are fine");
        let failures = failures
            .iter()
            .map(|failure| failure.as_promtool(Comparison::Both));
        let ours: Vec<String> = failures.collect();
        failed += usize::from(ours.iter().any(|words| words.contains("err:")));
        fired += usize::from(ours.iter().any(|words| words.contains("got:")));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("random.yml");
        std::fs::write(&path, &test).expect("it can be written");
        std::fs::write(path.with_file_name(RULES), &rules).expect("it can be written");
        let (passed, theirs) = oracle.verdict(&path);
        // Both streams come together, so empty lines and the file's name are in between.
        let words = |text: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| {
                let is_frame =
                    ["  FAILED:", "  SUCCESS"].contains(line) || line.starts_with("Unit Testing:");
                !is_frame && !line.is_empty()
            });
            // Of several alerts that cannot be written promtool names one, in no defined order.
            let without_sample =
                |line: &str| match line.split_once("duplicate sample for timestamp") {
                    Some((before, _)) => before.to_owned(),
                    None => line.to_owned(),
                };
            lines.map(without_sample).collect()
        };
        assert_eq!(
            passed,
            ours.is_empty(),
            "seed {file_seed}: {theirs}\n{rules}"
        );
        assert_eq!(
            words(&ours.join("\n")),
            words(&theirs),
            "seed {file_seed}:\n{rules}"
        );
    }
    println!("{files} test files compared: rules failed in {failed}, alerts fired in {fired}");
    assert!(
        failed > 0 && fired > 0,
        "rules that never do anything prove nothing"
    );
}

fn compare_expressions(oracle: &Oracle) {
    let cases = number("FIREDRILL_DIFF_CASES", 500);
    let seed = number("FIREDRILL_DIFF_SEED", 1);
    let files = cases.div_ceil(PER_FILE as u64);
    let mut different = Vec::new();
    let (mut errors, mut empty, mut defects) = (0, 0, 0);
    for file in 0..files {
        let file_seed = seed.wrapping_add(file);
        let mut random = Random(file_seed);
        let series = series(&mut random, SAMPLES);
        let mut open: Vec<Case> = (0..PER_FILE)
            .map(|_| {
                let depth = random.below(4);
                Case {
                    expr: expression(&mut random, depth),
                    at_ms: random.below(SAMPLES) as i64 * STEP_MS
                        + [0, 0, 0, 1000, 14_999][random.below(5)],
                }
            })
            .collect();
        // What is refused for a defect of theirs has no answer to compare.
        let all = open.len();
        open.retain(|case| !refused_for_a_defect(case, oracle.compat));
        defects += all - open.len();
        let mut detector = loaded(&series, None, oracle.compat);
        for attempt in 0..TRIES {
            let theirs = promtools_answers(oracle, &series, &open, None);
            open.retain(|case| {
                let our = answer(&mut detector, case, oracle.compat);
                let their = &theirs[case];
                if attempt == 0 {
                    errors += usize::from(our.is_none());
                    empty += usize::from(our.as_ref().is_some_and(BTreeMap::is_empty));
                }
                let same = same(&our, their);
                if !same && attempt == TRIES - 1 {
                    let Case { expr, at_ms } = case;
                    different.push(format!(
                        "seed {file_seed}: {expr} at {at_ms} ms\n  ours:     {our:?}\n  promtool: {their:?}"
                    ));
                }
                !same
            });
            if open.is_empty() {
                break;
            }
        }
    }
    println!(
        "{} expressions compared: {errors} errors, {empty} empty; {defects} left out",
        files as usize * PER_FILE - defects
    );
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different.join("\n")
    );
}

fn compare_rules(oracle: &Oracle) {
    let files = number("FIREDRILL_DIFF_CASES", 500).div_ceil(PER_FILE as u64);
    let seed = number("FIREDRILL_DIFF_SEED", 1).wrapping_add(1 << 32);
    let mut compared = 0;
    for file in 0..files {
        let file_seed = seed.wrapping_add(file);
        let mut random = Random(file_seed);
        let series = series(&mut random, SAMPLES);
        let rules = rules(&mut random, oracle.compat);
        let cases: Vec<Case> = (0..SAMPLES as i64)
            .flat_map(|step| {
                ["ALERTS", "ALERTS_FOR_STATE", "{from=\"rule\"}"].map(|expr| Case {
                    expr: expr.to_owned(),
                    at_ms: step * STEP_MS,
                })
            })
            .collect();
        // Sums of counters hit their thresholds exactly now and then, so this too gets several chances.
        let agreed = (0..TRIES).any(|attempt| {
            let theirs = promtools_answers(oracle, &series, &cases, Some(&rules));
            let mut detector = loaded(&series, Some(&rules), oracle.compat);
            cases.iter().all(|case| {
                // Results of a group with a query offset are written that far back.
                let reached = Timestamp(case.at_ms + LONGEST_QUERY_OFFSET_MS);
                let errors = detector.advance(reached).into_iter();
                let errors: Vec<_> = errors.filter(|o| matches!(o, Emitted::Error(_))).collect();
                assert!(errors.is_empty(), "seed {file_seed}: {errors:?}\n{rules}");
                let our = answer(&mut detector, case, oracle.compat);
                let their = &theirs[case];
                compared += our.as_ref().map_or(0, BTreeMap::len);
                let same = same(&our, their);
                assert!(
                    same || attempt < TRIES - 1,
                    "seed {file_seed}: {} at {} ms\n  ours:     {our:?}\n  promtool: {their:?}\n{rules}",
                    case.expr,
                    case.at_ms
                );
                same
            })
        });
        assert!(agreed, "the last attempt either agrees or panics");
    }
    println!("{compared} samples of alerts and recording rules compared");
    assert!(compared > 100, "rules that never do anything prove nothing");
}

fn loaded(series: &[(String, String)], rules: Option<&str>, compat: Compat) -> Detector {
    let schedule = Schedule {
        start: Timestamp(0),
        interval_ms: STEP_MS,
        phase_ms: 0,
    };
    let files = rules.map(|text| RuleFile {
        name: RULES.into(),
        text: text.into(),
    });
    let rules = RuleSet::load(files.as_slice(), compat).expect("the rules are fine");
    let mut detector = Detector::new(rules, schedule);
    // The reader of test files knows the notation.
    let test = TestFile::parse("random.yml", &file(series, &[], false)).expect("it is a test file");
    for (labels, samples) in test.input_series(0) {
        for (at_ms, value) in samples {
            detector.ingest(&Sample {
                labels: labels.clone(),
                at: Timestamp(*at_ms),
                value: *value,
            });
        }
    }
    detector
}

fn answer(detector: &mut Detector, case: &Case, compat: Compat) -> Answer {
    let query = Query::parse(&case.expr, compat).ok()?;
    let values = detector.query(&query, Timestamp(case.at_ms)).ok()?;
    Some(values.into_iter().collect())
}

fn refused_for_a_defect(case: &Case, compat: Compat) -> bool {
    Query::parse(&case.expr, compat).is_err_and(|why| why.to_string().contains("a defect"))
}

/// Equal up to the rounding that another order of additions causes.
fn same(ours: &Answer, theirs: &Answer) -> bool {
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        return ours.is_none() && theirs.is_none();
    };
    let close = |a: f64, b: f64| {
        let scale = a.abs().max(b.abs()).max(1.0);
        a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-9 * scale
    };
    ours.len() == theirs.len()
        && ours
            .iter()
            .zip(theirs)
            .all(|((a, x), (b, y))| a == b && close(*x, *y))
}

/// A test file that expects nothing, so that promtool prints whatever it finds.
fn file(series: &[(String, String)], cases: &[Case], with_rules: bool) -> String {
    let mut text = String::new();
    if with_rules {
        text.push_str(&format!(
            "rule_files: [{RULES}]\ngroup_eval_order: [first, second]\n"
        ));
    }
    text.push_str("evaluation_interval: 30s\ntests:\n- interval: ");
    let slot_ms = STEP_MS / SLOTS_PER_SCRAPE as i64;
    writeln!(text, "{slot_ms}ms\n  input_series:").expect("strings take all");
    for (series, values) in series {
        writeln!(text, "  - {{ series: '{series}', values: '{values}' }}")
            .expect("strings take all");
    }
    text.push_str("  promql_expr_test:\n");
    // Evaluated last and true: it makes promtool load all samples.
    let last = SAMPLES as i64 * STEP_MS + 600_000;
    writeln!(
        text,
        "  - {{ expr: absent(nothing), eval_time: {last}ms, exp_samples: [{{ labels: '{{}}', value: 1 }}] }}"
    )
    .expect("strings take all");
    for Case { expr, at_ms } in cases {
        writeln!(text, "  - {{ expr: '{expr}', eval_time: {at_ms}ms }}").expect("strings take all");
    }
    text
}

/// What promtool makes of `cases` over `series`, with or without rules.
fn promtools_answers(
    oracle: &Oracle,
    series: &[(String, String)],
    cases: &[Case],
    rules: Option<&str>,
) -> BTreeMap<Case, Answer> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("random.yml");
    std::fs::write(&path, file(series, cases, rules.is_some())).expect("it can be written");
    if let Some(rules) = rules {
        std::fs::write(path.with_file_name(RULES), rules).expect("it can be written");
    }
    oracle.answers(&path, cases)
}
