//! Templates: what they expand to here and in promtool, and which are refused.
//!
//! `FIREDRILL_TEMPLATE_CASES` sets how many random templates are compared (default 600), `FIREDRILL_DIFF_SEED` where to start.

#![expect(
    clippy::disallowed_methods,
    reason = "tests talk to promtool through files"
)]

mod corpus;
mod random;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use firedrill_detector::unit_test::{Comparison, TestFile};
use firedrill_detector::{Compat, RuleFile, RuleSet};

use crate::oracle::Oracle;
use crate::random::Random;

const RULES: &str = "templates.rules.yml";
const PER_FILE: usize = 200;
/// What an expansion says that is not claimed to be Prometheus'.
const UNKNOWN: &str = "not known here";

#[test]
fn written_templates() {
    if let Some(oracle) = Oracle::prometheus_2() {
        assert_eq!(compare(&oracle, &corpus::templates(Compat::V2)), 0);
    }
}

#[test]
fn written_templates_3() {
    if let Some(oracle) = Oracle::prometheus_3() {
        assert_eq!(compare(&oracle, &corpus::templates(Compat::V3)), 0);
    }
}

#[test]
fn random_templates() {
    if let Some(oracle) = Oracle::prometheus_2() {
        compare_random(&oracle);
    }
}

#[test]
fn random_templates_3() {
    if let Some(oracle) = Oracle::prometheus_3() {
        compare_random(&oracle);
    }
}

fn compare_random(oracle: &Oracle) {
    let number = |name: &str, default: u64| {
        let text = std::env::var(name).ok();
        text.and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let count = number("FIREDRILL_TEMPLATE_CASES", 600) as usize;
    let seed = number("FIREDRILL_DIFF_SEED", 1);
    let mut random = Random(seed.wrapping_add(1 << 34));
    let templates: Vec<String> = (0..count)
        .map(|_| random::template(&mut random, oracle.compat))
        .collect();
    let unknown = compare(oracle, &templates);
    println!("{count} templates compared, {unknown} of them not known here");
    assert!(
        unknown * 5 < count,
        "{unknown} of {count} are not known here"
    );
}

/// Compares the templates, so many at a time. How many expand to something that is not claimed to be Prometheus'.
fn compare(oracle: &Oracle, templates: &[String]) -> usize {
    let mut unknown = 0;
    let mut different = Vec::new();
    for chunk in templates.chunks(PER_FILE) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let chunk: Vec<(String, &str)> = (0..)
            .zip(chunk)
            .map(|(number, template)| (format!("T{number}"), template.as_str()))
            .collect();
        let accepted = accepted(oracle, folder.path(), &chunk, &mut different);
        let ours = answers(&ours(oracle.compat, &accepted));
        let theirs = answers(&theirs(oracle, folder.path(), &accepted));
        for (name, template) in &accepted {
            let [our, their] = [&ours, &theirs].map(|answers| answers.get(name));
            if our.is_some_and(|our| our.contains(UNKNOWN)) {
                unknown += 1;
            } else if our != their || our.is_none() {
                different.push(format!(
                    "{template}\n  ours:     {our:?}\n  promtool: {their:?}"
                ));
            }
        }
    }
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different.join("\n")
    );
    unknown
}

/// The templates that are no reason to refuse a rule file; whether both agree on that.
fn accepted<'t>(
    oracle: &Oracle,
    folder: &Path,
    templates: &[(String, &'t str)],
    different: &mut Vec<String>,
) -> Vec<(String, &'t str)> {
    let path = folder.join("all.rules.yml");
    std::fs::write(&path, rules(templates)).expect("it can be written");
    let words = oracle.check(&path);
    // `... group "g", rule 1, "T0": annotation "a": template: ...`
    let named = words.split(", \"T").skip(1);
    let refused: BTreeSet<String> = named
        .filter_map(|words| words.split_once('"'))
        .map(|(number, _)| format!("T{number}"))
        .collect();
    let mut accepted = Vec::new();
    for (name, template) in templates {
        let one = (name.clone(), *template);
        let file = RuleFile {
            name: RULES.into(),
            text: rules(std::slice::from_ref(&one)),
        };
        let our = RuleSet::load(&[file], oracle.compat);
        match (&our, refused.contains(name)) {
            (Ok(_), false) => accepted.push(one),
            (Err(_), true) => {}
            (Ok(_), true) => different.push(format!("{template}\n  promtool refuses it: {words}")),
            (Err(problems), false) => {
                different.push(format!("{template}\n  only we refuse it: {problems:?}"));
            }
        }
    }
    accepted
}

fn ours(compat: Compat, templates: &[(String, &str)]) -> String {
    let test = TestFile::parse_as("test.yml", &test(templates), compat).expect("it is a test file");
    let file = RuleFile {
        name: RULES.into(),
        text: rules(templates),
    };
    let failures = test.run(&[file], compat).expect("the rules are fine");
    let words = failures
        .iter()
        .map(|failure| failure.as_promtool(Comparison::Both));
    words.collect::<Vec<_>>().join("\n")
}

fn theirs(oracle: &Oracle, folder: &Path, templates: &[(String, &str)]) -> String {
    let path = folder.join("test.yml");
    std::fs::write(&path, test(templates)).expect("it can be written");
    std::fs::write(folder.join(RULES), rules(templates)).expect("it can be written");
    oracle.verdict(&path).1
}

/// What was found of each alert.
fn answers(words: &str) -> BTreeMap<String, String> {
    let alerts = words.split("alertname: ").skip(1);
    let alerts = alerts.filter_map(|words| {
        let (name, words) = words.split_once(',')?;
        let (_, got) = words.split_once("got:")?;
        let lines: Vec<&str> = got.lines().map(str::trim).collect();
        Some((name.to_owned(), lines.join("\n").trim().to_owned()))
    });
    alerts.collect()
}

/// A rule for each template, which is a label and an annotation of it.
fn rules(templates: &[(String, &str)]) -> String {
    let mut text = "groups:\n- name: g\n  rules:\n".to_owned();
    for (name, template) in templates {
        let template = quoted(template);
        writeln!(
            text,
            "  - {{ alert: {name}, expr: m > 0, labels: {{ l: {template} }}, annotations: {{ a: {template} }} }}"
        )
        .expect("strings take all");
    }
    text
}

/// A test that expects nothing, so that all is shown that is found.
fn test(templates: &[(String, &str)]) -> String {
    let mut text = format!(
        "rule_files: [{RULES}]\nevaluation_interval: 1m\ntests:\n- interval: 1m\n  \
         external_labels: {{ zone: 'zöne' }}\n  external_url: http://h/p\n  input_series:\n"
    );
    for (series, values) in corpus::SERIES {
        writeln!(text, "  - {{ series: '{series}', values: '{values}' }}")
            .expect("strings take all");
    }
    text.push_str("  alert_rule_test:\n");
    for (name, _) in templates {
        writeln!(text, "  - {{ eval_time: 2m, alertname: {name} }}").expect("strings take all");
    }
    text
}

/// A double-quoted YAML text.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            _ => out.push(char),
        }
    }
    out.push('"');
    out
}
