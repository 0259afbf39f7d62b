//! `firedrill suggest`: what a pack lacks, as a diff that makes a file Prometheus takes, and a score that a drill under it confirms.

use crate::support::{need, project, said};
use serde_json::Value;
use std::fs;
use std::process::Command;

/// Few enough to be quick: two incidents the runbook misses for different reasons, one it sees, and nothing wrong.
const DRILLS: [&str; 4] = [
    "worker-crash-all",
    "paused-queue-forgotten",
    "retry-storm-dependency-down",
    "healthy",
];

#[test]
fn the_runbook_lacks_a_few_rules() {
    let dir = tempfile::tempdir().unwrap();
    let own = fs::read(project("scenarios/rules/runbook.yml")).unwrap();
    fs::write(dir.path().join("mine.yml"), &own).unwrap();
    let words = ["suggest", "--rules", "mine.yml", "--out", "new.yml"];
    let suggest = |more: &[&str]| said(dir.path(), &[&words[..], &DRILLS, more].concat());
    let (code, out, told) = suggest(&[]);
    assert_eq!(code, Some(0), "{told}");
    insta::assert_snapshot!(out);
    assert_eq!(suggest(&[]).1, out);

    // A drill under the new file comes to what was said of it.
    let (_, json, _) = suggest(&["--json"]);
    let found: Value = serde_json::from_str(&json).unwrap();
    let run = [
        "run",
        "--engine",
        "virtual",
        "--no-gate",
        "--json",
        "--rules",
        "new.yml",
    ];
    let (code, card, told) = said(dir.path(), &[&run[..], &DRILLS].concat());
    assert_eq!(code, Some(0), "{told}");
    let card: Value = serde_json::from_str(&card).unwrap();
    let drills = card["drills"].as_array().unwrap().iter();
    let incidents = drills.flat_map(|drill| drill["incidents"].as_array().unwrap());
    let in_time = incidents.filter(|incident| {
        let outcome = incident["outcome"].as_str().unwrap();
        outcome == "early" || outcome == "in_time"
    });
    assert_eq!(found["after"]["in_time"], in_time.count(), "{found:#}");
    assert!(found["after"]["in_time"].as_u64() > found["before"]["in_time"].as_u64());
    assert_eq!(
        found["after"]["false_pages"],
        found["before"]["false_pages"]
    );
    // The file itself says nothing of what it was before.
    assert!(
        fs::read(dir.path().join("new.yml"))
            .unwrap()
            .starts_with(&own)
    );

    need!("promtool");
    let checked = Command::new("promtool")
        .current_dir(dir.path())
        .args(["check", "rules", "new.yml"])
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn nothing_is_proposed_for_what_is_caught() {
    let dir = tempfile::tempdir().unwrap();
    let (code, out, told) = said(dir.path(), &["suggest", "healthy"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(
        out.starts_with("nothing is missing: every incident is caught in time\n"),
        "{out}"
    );
    assert!(!out.contains("+++"), "{out}");
    let (code, _, told) = said(dir.path(), &["suggest", "--rules", "firedrill", "healthy"]);
    assert_eq!(code, Some(2));
    assert!(
        told.contains("is what one of the rules is called"),
        "{told}"
    );
}

/// Sends pages about jobs to a person, and all else to a desk.
const ROUTES: &str = "\
# firedrill: pages = phone
receivers: [{ name: desk, webhook_configs: [{ url: 'http://127.0.0.1/' }] }, { name: phone, pagerduty_configs: [{ routing_key: k }] }]
route:
  receiver: desk
  group_by: [alertname]
  routes:
    - { receiver: phone, matchers: ['severity = \"page\"', 'team = \"jobs\"'] }
";

#[test]
fn what_is_proposed_is_routed_as_the_packs_own_pages_are() {
    let dir = tempfile::tempdir().unwrap();
    let own = "\
groups:
- name: jobs
  rules:
  - alert: RedisDown
    expr: redis_up == 0
    labels: { severity: page, team: jobs, tier: \"1\" }
  - alert: ManyFail
    expr: sum(rate(asynq_tasks_failed_total[5m])) > 100
    labels: { severity: note, team: jobs }
";
    fs::write(dir.path().join("mine.yml"), own).unwrap();
    fs::write(dir.path().join("am.yml"), ROUTES).unwrap();
    let drills = ["worker-crash-all", "paused-queue-forgotten", "healthy"];
    let words = [
        "suggest",
        "--rules",
        "mine.yml",
        "--alertmanager",
        "am.yml",
        "--out",
        "new.yml",
        "--json",
    ];
    let (code, out, told) = said(dir.path(), &[&words[..], &drills].concat());
    assert_eq!(code, Some(0), "{told}");
    let found: Value = serde_json::from_str(&out).unwrap();
    let new = fs::read_to_string(dir.path().join("new.yml")).unwrap();
    assert!(
        new.contains("labels: {severity: page, team: jobs, tier: \"1\"}"),
        "{new}"
    );
    assert!(
        new.contains("labels: {severity: note, team: jobs}"),
        "{new}"
    );
    // Both pages are sent by these routes.
    let run = [
        "run",
        "--engine",
        "virtual",
        "--no-gate",
        "--json",
        "--rules",
        "new.yml",
        "--alertmanager",
        "am.yml",
    ];
    let (code, card, told) = said(dir.path(), &[&run[..], &drills].concat());
    assert_eq!(code, Some(0), "{told}");
    let card: Value = serde_json::from_str(&card).unwrap();
    let in_time = &card["summary"]["recall_at_deadline"];
    assert_eq!(
        (&in_time["k"], &in_time["n"]),
        (&2.into(), &2.into()),
        "{found:#}"
    );
    let (code, _, told) = said(
        dir.path(),
        &["suggest", "--alertmanager", "none.yml", "healthy"],
    );
    assert_eq!(code, Some(2));
    assert!(told.contains("none.yml"), "{told}");
}
