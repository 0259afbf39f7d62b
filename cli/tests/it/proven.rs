//! `firedrill proven`: drills that were really run, a rule that is edited, and time that passes.

use crate::support::{project, said};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const RULES: &str = "\
# firedrill: pages = page
groups:
- name: queues
  rules:
  # firedrill: cause worker-crashed expects QueueGrows
  - alert: QueueGrows
    expr: asynq_queue_size{queue=\"default\"} > 50
    for: 1m
    labels: { severity: page }
  - alert: RedisDown
    expr: redis_up == 0
    labels: { severity: page }
";

fn proven(dir: &Path, words: &[&str]) -> (Option<i32>, Value) {
    let (code, out, told) = said(dir, &[&["proven", "r.yml", "--json"], words].concat());
    let value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{told}"));
    (code, value)
}

fn states(all: &Value) -> Vec<(&str, &str)> {
    let alerts = all["alerts"].as_array().unwrap().iter();
    alerts
        .map(|alert| {
            (
                alert["alert"].as_str().unwrap(),
                alert["state"].as_str().unwrap(),
            )
        })
        .collect()
}

/// A folder with the rules.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("r.yml"), RULES).unwrap();
    dir
}

/// Runs a drill in a folder; the folder of the drill.
fn run(dir: &Path, scenario: &str) -> PathBuf {
    let words = [
        "run",
        "--engine",
        "virtual",
        "--no-gate",
        "--rules",
        "r.yml",
    ];
    let (code, _, told) = said(dir, &[&words[..], &[scenario]].concat());
    assert_eq!(code, Some(0), "{told}");
    fs::canonicalize(dir.join("runs").join(scenario).join("latest")).unwrap()
}

#[test]
fn a_drill_proves_the_rule_as_it_was() {
    let dir = folder();
    run(dir.path(), "worker-crash-all");
    let (code, all) = proven(dir.path(), &[]);
    assert_eq!(code, Some(0));
    assert_eq!(
        states(&all),
        [("QueueGrows", "proven"), ("RedisDown", "never")],
        "{all:#}"
    );
    let proof = &all["alerts"][0]["proof"];
    assert_eq!(
        (&proof["scenario"], &proof["engine"]),
        (&"worker-crash-all".into(), &"virtual".into())
    );
    // A gate wants all of them; one of live drills none of these.
    let (code, _) = proven(dir.path(), &["--max-age", "90d"]);
    assert_eq!(code, Some(1));
    let (_, live) = proven(dir.path(), &["--engine", "live"]);
    assert_eq!(states(&live)[0].1, "never");

    // Written otherwise, it is the same rule; with another threshold it is another.
    let layout = RULES.replace(
        "asynq_queue_size{queue=\"default\"} > 50",
        "asynq_queue_size{ queue='default' }  >  5e1",
    );
    fs::write(dir.path().join("r.yml"), layout).unwrap();
    assert_eq!(states(&proven(dir.path(), &[]).1)[0].1, "proven");
    fs::write(dir.path().join("r.yml"), RULES.replace("> 50", "> 60")).unwrap();
    let (code, all) = proven(dir.path(), &["--max-age", "90d"]);
    assert_eq!((code, states(&all)[0].1), (Some(1), "changed"), "{all:#}");
    assert_eq!(
        all["alerts"][0]["before_change"]["scenario"],
        "worker-crash-all"
    );
    let (_, out, _) = said(dir.path(), &["proven", "r.yml"]);
    assert!(
        out.contains("QueueGrows (r.yml:6): the rule means something else than when it was proven"),
        "{out}"
    );
    assert!(
        out.ends_with("0 of 2 alerts proven, 1 changed since, 1 never; by 1 drill\n"),
        "{out}"
    );
}

#[test]
fn proofs_grow_old_and_records_that_cannot_be_read_are_left_out() {
    let dir = folder();
    let drill = run(dir.path(), "worker-crash-all");
    let only = RULES.split("  - alert: RedisDown").next().unwrap();
    fs::write(dir.path().join("r.yml"), only).unwrap();
    let (code, _) = proven(dir.path(), &["--max-age", "90d"]);
    assert_eq!(code, Some(0));
    let old = drill.with_file_name("20200101T000000Z-1");
    fs::rename(&drill, &old).unwrap();
    let (code, all) = proven(dir.path(), &["--max-age", "90d"]);
    assert_eq!((code, states(&all)[0].1), (Some(1), "too_old"), "{all:#}");
    assert_eq!(all["alerts"][0]["proof"]["at_ms"], 1_577_836_800_000_i64);
    let (code, out, _) = said(
        dir.path(),
        &["proven", "r.yml", "--max-age", "90d", "--markdown"],
    );
    assert_eq!(code, Some(1));
    assert!(out.contains("| QueueGrows | **too old** |"), "{out}");

    let broken = old.with_file_name("20260101T000000Z-1");
    fs::create_dir(&broken).unwrap();
    fs::write(broken.join("record.jsonl"), "{").unwrap();
    let (code, out, told) = said(dir.path(), &["proven", "r.yml"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("by 1 drill"), "{out}");
    assert!(
        told.contains("left out: ") && told.contains("20260101T000000Z-1/record.jsonl"),
        "{told}"
    );
}

#[test]
fn an_alert_that_failed_in_another_scenario_is_told() {
    let dir = folder();
    for (scenario, stamp) in [
        // All drills of a run share one second.
        ("worker-crash-all", "20260101T000000Z-1"),
        ("benign-burst-drains", "20260101T000000Z-1"),
    ] {
        let drill = run(dir.path(), scenario);
        fs::rename(&drill, drill.with_file_name(stamp)).unwrap();
    }
    let (_, all) = proven(dir.path(), &[]);
    assert_eq!(states(&all)[0].1, "failed", "{all:#}");
    assert_eq!(all["alerts"][0]["failures"][0]["outcome"], "cried_wolf");
    assert_eq!(
        all["alerts"][0]["failures"][0]["scenario"],
        "benign-burst-drains"
    );
}

#[test]
fn a_time_nobody_knows_passes_no_gate() {
    let dir = folder();
    let only = RULES.split("  - alert: RedisDown").next().unwrap();
    fs::write(dir.path().join("r.yml"), only).unwrap();
    let drill = run(dir.path(), "worker-crash-all");
    let (code, out, told) = said(dir.path(), &["proven", "r.yml", "--max-age", "1h"]);
    assert_eq!(code, Some(0), "{out}{told}");

    let copied = drill.with_file_name("copied");
    fs::rename(&drill, &copied).unwrap();
    let (code, all) = proven(dir.path(), &["--max-age", "1h"]);
    assert_eq!(
        (code, states(&all)[0].1),
        (Some(1), "age_unknown"),
        "{all:#}"
    );
    let (code, all) = proven(dir.path(), &[]);
    assert_eq!((code, states(&all)[0].1), (Some(0), "proven"), "{all:#}");

    fs::rename(&copied, drill.with_file_name("29990101T000000Z-1")).unwrap();
    let (code, out, told) = said(dir.path(), &["proven", "r.yml", "--max-age", "1h"]);
    assert_eq!(code, Some(1), "{out}{told}");
    assert!(told.contains("dated in the future"), "{told}");
    let (_, out, _) = said(dir.path(), &["proven", "r.yml", "--markdown"]);
    assert!(
        out.contains("nothing proven") && !out.contains("passed"),
        "{out}"
    );
}

#[test]
fn of_two_rules_of_a_name_each_is_judged_by_itself() {
    let dir = folder();
    let twin =
        "  - { alert: QueueGrows, expr: 'nobody_has_this > 1', labels: { severity: ticket } }\n";
    let both = RULES.replace(
        "  - alert: RedisDown",
        &format!("{twin}  - alert: RedisDown"),
    );
    fs::write(dir.path().join("r.yml"), both).unwrap();
    run(dir.path(), "worker-crash-all");
    let (_, all) = proven(dir.path(), &[]);
    assert_eq!(
        states(&all)[..2],
        [("QueueGrows", "proven"), ("QueueGrows", "never")],
        "{all:#}"
    );
}

#[test]
fn recording_rules_that_are_not_given_are_named() {
    let dir = folder();
    let record = "groups: [{ name: r, rules: [{ record: q:size, expr: 'asynq_queue_size{queue=\"default\"}' }] }]\n";
    fs::write(dir.path().join("record.yml"), record).unwrap();
    let rules = RULES.replace("asynq_queue_size{queue=\"default\"}", "q:size");
    fs::write(dir.path().join("r.yml"), rules).unwrap();
    let words = [
        "run",
        "--engine",
        "virtual",
        "--no-gate",
        "--rules",
        "r.yml,record.yml",
    ];
    let (code, _, told) = said(dir.path(), &[&words[..], &["worker-crash-all"]].concat());
    assert_eq!(code, Some(0), "{told}");
    let (_, all) = proven(dir.path(), &[]);
    assert_eq!(states(&all)[0].1, "incomplete", "{all:#}");
    assert_eq!(all["alerts"][0]["lacks"][0], "q:size (record.yml)");
    let (_, all) = proven(dir.path(), &["record.yml"]);
    assert_eq!(states(&all)[0].1, "proven", "{all:#}");
}

#[test]
fn a_pattern_over_kept_drills_may_name_their_sets() {
    let dir = folder();
    run(dir.path(), "worker-crash-all");
    let drill = "runs/worker-crash-all/latest";
    let words = ["score", "--no-gate", drill, "runs/sets/latest"];
    let (code, out, told) = said(dir.path(), &words);
    assert_eq!(code, Some(0), "{out}{told}");
    assert!(told.contains("runs/sets/latest is no drill"), "{told}");
    let (code, of_set, told) = said(dir.path(), &["score", "--no-gate", "runs/sets/latest"]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(of_set, out);
}

#[test]
fn what_there_is_nothing_to_say_of() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("recorded.yml"),
        "groups: [{ name: g, rules: [{ record: a, expr: vector(1) }] }]\n",
    )
    .unwrap();
    let rules = project("scenarios/rules/runbook.yml").display().to_string();
    fs::create_dir(dir.path().join("runs")).unwrap();
    for (words, says) in [
        (&[rules.as_str()][..], "no drills kept yet: `firedrill run"),
        (&[rules.as_str(), "--runs", "none"], "none: No such file"),
        (&["recorded.yml"], "there is no alert in these rules"),
        (&["none.yml"], "none.yml"),
        (&[rules.as_str(), "--max-age", "soon"], "a duration such as"),
    ] {
        let (code, out, told) = said(dir.path(), &[&["proven"], words].concat());
        assert_eq!((code, out.as_str()), (Some(2), ""), "{words:?}: {told}");
        assert!(told.contains(says), "{words:?}: {told}");
    }
}
