//! YAML as Prometheus reads it: what promtool loads we load, with the same values, and what it refuses we refuse.

#![expect(
    clippy::disallowed_methods,
    reason = "tests talk to promtool through files"
)]

use std::fmt::Write;
use std::fs;

use firedrill_detector::{Compat, RuleFile, RuleSet};

use crate::oracle::Oracle;
use crate::random::Random;

fn load(text: &str) -> Result<RuleSet, String> {
    let file = RuleFile {
        name: "rules.yml".into(),
        text: text.into(),
    };
    RuleSet::load(&[file], Compat::V2).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })
}

const RULE: &str = "- name: g\n  rules:\n  - alert: A\n    expr: vector(1)\n";

/// Whole files, and whether promtool loads them.
fn files() -> Vec<(String, bool)> {
    let groups = format!("groups:\n{RULE}");
    let mut all: Vec<(String, bool)> = [
        ("", true),
        ("# nothing\n", true),
        ("---\n", true),
        ("~\n", true),
        ("--- # nothing\n...\n", true),
        ("groups:\n", true),
        ("groups: []\n", true),
        ("- 1\n", false),
        ("text\n", false),
        ("groups: [\n", false),
        ("%YAML 1.2\n---\ngroups: []\n", false),
        ("%YAML 1.1\n---\ngroups: []\n", true),
        ("%YAML 1.1\ngroups: []\n", false),
        ("groups: []\ngroups: []\n", false),
        ("groups: [{name: g, rules: [{alert: A,\texpr:\tvector(1)}]}]\n", true),
        ("groups: [{name: g, rules: [{alert: A, expr: 'vector(1)'}, {alert: B, expr: vector(1) } ] } ]", true),
        ("{\"groups\":[{\"name\":\"g\",\"rules\":[{\"alert\":\"A\",\"expr\":\"vector(1)\"}]}]}", true),
        ("groups:\n\t- name: g\n", false),
        ("groups:\n- name:\tg\n", true),
        ("groups:\n- name: g\n  rules: &r\n  - alert: A\n    expr: vector(1)\n- name: h\n  rules: *r\n", true),
        ("groups:\n- name: g\n  rules: *r\n", false),
        ("groups: &g [*g]\n", false),
        ("groups:\n- &a\n  name: g\n  rules: []\n- <<: *a\n  name: h\n", true),
        ("groups:\n- &a\n  name: g\n- <<: 1\n  name: h\n", false),
        ("groups:\n- name: 'g\n\n  h'\n- name: \"i\nj\"\n", true),
        ("groups:\n- name: \"\\q\"\n", false),
        ("groups:\n- name: 'open\n", false),
        ("groups:\n- name: a: b\n", false),
        ("groups:\n- name: a:b\n", true),
        ("groups:\n- name: a #b\n  rules: []\n", true),
        ("groups:\n- name: @a\n", false),
        ("groups:\n- name: a\n rules: []\n", false),
        ("groups:\n- name: a\n   rules: []\n", false),
        ("groups:\n- ? name\n  : g\n", true),
        ("groups:\n- name: !!str g\n", true),
        ("groups:\n- name: !x!y g\n", false),
        ("groups:\n- name: g\n  interval: 1m\n  interval: 2m\n", false),
        ("groups:\r\n- name: g\r\n  rules: []\r\n", true),
        ("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: |\n      vector(1)", true),
        ("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: >+2\n      vector(1)\n\n", true),
        ("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: |0\n      vector(1)\n", false),
        ("groups: [] \u{1}\n", false),
    ]
    .map(|(text, loads)| (text.to_owned(), loads))
    .into();
    all.push((format!("\u{feff}{groups}"), true));
    // Of several documents the first is read, whatever the others are.
    all.push((format!("{groups}---\n{groups}"), true));
    all.push((format!("{groups}---\n[\n"), true));
    all.push((format!("---\n{groups}...\n"), true));
    // Quoted text may go on wherever it likes.
    all.push((groups.replace("vector(1)", "'vector(\n1\n)'"), true));
    all
}

#[test]
fn files_load_as_in_promtool() {
    for (text, loads) in files() {
        let found = load(&text);
        assert_eq!(found.is_ok(), loads, "{text:?}: {found:?}");
    }
    let Some(oracle) = Oracle::prometheus_2() else {
        return;
    };
    let texts: Vec<String> = files().into_iter().map(|(text, _)| text).collect();
    let wanted: Vec<bool> = files().into_iter().map(|(_, loads)| loads).collect();
    for ((text, wanted), found) in texts.iter().zip(wanted).zip(loaded(&oracle, &texts)) {
        assert_eq!(found, wanted, "promtool: {text:?}");
    }
}

/// Which of the texts promtool loads.
fn loaded(oracle: &Oracle, texts: &[String]) -> Vec<bool> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let paths = texts.iter().enumerate().map(|(number, text)| {
        let path = folder.path().join(format!("{number:06}.yml"));
        fs::write(&path, text).expect("it can be written");
        path
    });
    let paths: Vec<_> = paths.collect();
    let told = oracle.check_rules(&paths);
    let answers = paths.iter().map(|path| {
        let head = format!("Checking {}\n", path.display());
        let at = told
            .find(&head)
            .unwrap_or_else(|| panic!("no {head} in {told}"));
        let rest = &told[at + head.len()..];
        let own = rest.split_once("Checking ").map_or(rest, |(own, _)| own);
        own.contains("SUCCESS")
    });
    answers.collect()
}

/// What a value may be made of.
const PIECES: [&str; 38] = [
    "a",
    "b c",
    ":",
    ": ",
    " ",
    "\n",
    "\n      ",
    "\n        ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "'",
    "\"",
    "|",
    ">",
    "|-\n",
    ">+\n",
    "|2\n",
    "\t",
    "#",
    " #",
    "&x ",
    "*x",
    "!!str ",
    "? ",
    "<<",
    "\\",
    "\\x41",
    "\\n",
    "\r\n",
    "\u{85}",
    "\u{2028}",
    "é",
    "''",
    "%",
];

fn with_annotation(value: &str) -> String {
    format!("groups:\n{RULE}    annotations:\n      a: {value}\n")
}

/// Random values: promtool loads those that we load, and reads what we read.
#[test]
fn random_values_are_read_as_in_promtool() {
    let Some(oracle) = Oracle::prometheus_2() else {
        return;
    };
    let mut random = Random(20_261_129);
    let values: Vec<String> = (0..1500)
        .map(|_| {
            let count = 1 + random.below(6);
            let pieces = (0..count).map(|_| random.pick(&PIECES));
            pieces.collect()
        })
        .collect();
    let texts: Vec<String> = values.iter().map(|value| with_annotation(value)).collect();
    let theirs = loaded(&oracle, &texts);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut test = String::from("rule_files: [r*.yml]\ntests:\n- alert_rule_test:\n");
    let mut read = 0;
    let mut different = Vec::new();
    for (number, (text, theirs)) in texts.iter().zip(theirs).enumerate() {
        let ours = load(text);
        if ours.is_ok() != theirs {
            let ours = ours.map(|_| "loaded");
            different.push(format!("{text:?}: {ours:?}"));
            continue;
        }
        let Ok(rules) = ours else { continue };
        let alert = rules.alerts().next().expect("the alert is there");
        let value = alert.annotations.first().map_or("", |(_, value)| value);
        read += 1;
        let renamed = text.replacen("alert: A", &format!("alert: A{number}"), 1);
        fs::write(folder.path().join(format!("r{number}.yml")), renamed)
            .expect("it can be written");
        writeln!(
            test,
            "  - {{ eval_time: 0m, alertname: A{number}, exp_alerts: [ {{ exp_annotations: {{ a: {} }} }} ] }}",
            quoted(value)
        )
        .expect("strings take all");
    }
    assert!(
        different.is_empty(),
        "{} different:\n{}",
        different.len(),
        different.join("\n")
    );
    assert!(read > 300, "{read}");
    let path = folder.path().join("test.yml");
    fs::write(&path, test).expect("it can be written");
    let (passed, told) = oracle.verdict(&path);
    assert!(passed, "{told}");
}

/// In double quotes, every other character as an escape.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            'a'..='z' | 'A'..='Z' | ' ' => quoted.push(char),
            char => write!(quoted, "\\U{:08x}", u32::from(char)).expect("strings take all"),
        }
    }
    quoted + "\""
}

#[test]
fn what_prometheus_would_not_read_is_told() {
    let text = format!("groups:\n{RULE}---\ngroups:\n{RULE}");
    let rules = load(&text).expect("it loads");
    assert_eq!(rules.rule_count(), 1);
    let warnings: Vec<String> = rules.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "rules.yml:7:1: a second document begins here; Prometheus reads the first one only, and so is it done here"
        ]
    );
}

#[test]
fn rules_of_other_kinds_load_or_are_refused() {
    let resource = |version: &str, kind: &str, more: &str| {
        let groups = RULE.replace('\n', "\n  ");
        format!("apiVersion: {version}\nkind: {kind}\nspec:\n  groups:\n  {groups}{more}")
    };
    for (version, kind, warned) in [
        ("monitoring.coreos.com/v1", "PrometheusRule", ""),
        ("monitoring.rhobs/v1", "PrometheusRule", ""),
        (
            "operator.victoriametrics.com/v1beta1",
            "VMRule",
            "MetricsQL",
        ),
        ("monitoring.googleapis.com/v1", "Rules", "Google"),
        ("monitoring.googleapis.com/v1", "ClusterRules", "Google"),
        ("monitoring.googleapis.com/v1", "GlobalRules", "Google"),
    ] {
        let rules = load(&resource(version, kind, "")).expect(kind);
        assert_eq!(rules.rule_count(), 1, "{kind}");
        let told: Vec<String> = rules.warnings().iter().map(ToString::to_string).collect();
        assert_eq!(told.is_empty(), warned.is_empty(), "{told:?}");
        assert!(told.join("").contains(warned), "{told:?}");
        let wrong = load(&resource("example.com/v1", kind, "")).unwrap_err();
        assert!(wrong.contains("is no known version of"), "{wrong}");
    }
    let victoria = |key: &str| {
        let text = resource("operator.victoriametrics.com/v1beta1", "VMRule", "");
        load(&text.replacen("name: g", &format!("name: g\n    {key}"), 1))
    };
    assert!(victoria("concurrency: 2").is_ok());
    let wrong = victoria("type: graphite").unwrap_err();
    assert!(wrong.contains("groups of the type `graphite`"), "{wrong}");
    let wrong = victoria("concurency: 2").unwrap_err();
    assert!(wrong.contains("unknown key `concurency`"), "{wrong}");
}

#[test]
fn keys_of_others_are_refused_or_ignored_aloud() {
    let text = format!("namespace: n\ngroups:\n{RULE}").replacen(
        "name: g",
        "name: g\n  partial_response_strategy: warn\n  source_tenants: [a]",
        1,
    );
    let wrong = load(&text).unwrap_err();
    for part in [
        "rules.yml:1:1: unknown key `namespace` in rule file: it is one of Mimir, and Prometheus refuses it\n    --ignore-unknown-fields",
        "rules.yml:4:3: unknown key `partial_response_strategy` in rule group: it is one of Thanos",
        "rules.yml:5:3: unknown key `source_tenants`",
    ] {
        assert!(wrong.contains(part), "{wrong}");
    }
    let file = RuleFile {
        name: "rules.yml".into(),
        text,
    };
    let ignored = firedrill_detector::yaml::UnknownKeys::Ignored;
    let rules = RuleSet::load_with(&[file], Compat::V3, ignored).expect("they are ignored");
    assert_eq!((rules.rule_count(), rules.warnings().len()), (1, 3));
}

#[test]
fn helm_templates_are_answered_with_what_to_type() {
    let text = format!("{{{{- if .Values.alerts }}}}\ngroups:\n{RULE}{{{{- end }}}}\n");
    let wrong = load(&text).unwrap_err();
    assert!(
        wrong.starts_with("rules.yml:1:1: `{{- if .Values.alerts }}` is of a Helm template"),
        "{wrong}"
    );
    assert!(wrong.contains("helm template"), "{wrong}");
}

/// It was taken for a column, and what stood further to the left for the end of the file.
#[test]
fn a_mark_of_the_encoding_takes_no_column() {
    let text = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: vector(\n";
    let told = load(text).unwrap_err();
    assert_eq!(load(&format!("\u{feff}{text}")).unwrap_err(), told);
    let text = text.replace("vector(", "vector(1)");
    let alerts = |text: &str| load(text).unwrap().alerts().count();
    assert_eq!(alerts(&text), 1);
    assert_eq!(alerts(&format!("\u{feff}{text}")), 1);
    assert_eq!(alerts(&format!("\u{feff}\n{text}")), 1);
}
