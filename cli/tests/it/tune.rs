//! `firedrill tune` over the plan, with an Alertmanager that says who is told.

use crate::support::{SHORT, said};
use serde_json::Value;
use std::fs;
use std::path::Path;

const RULES: &str = "\
groups:
- name: own
  rules:
  - { alert: Waiting, expr: 'max(asynq_queue_latency_seconds) > 30', labels: { severity: page, team: jobs } }
";

/// One group, and as long a wait as is put in.
fn routes(dir: &Path, group_wait: &str) {
    let routes = "\
# firedrill: pages = phone
receivers: [{ name: phone, pagerduty_configs: [{ routing_key: k }] }]
route: { receiver: phone, group_by: [alertname], group_wait: WAIT }
";
    fs::write(dir.join("am.yml"), routes.replace("WAIT", group_wait)).unwrap();
}

fn bench() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("s.yaml"), SHORT).unwrap();
    fs::write(dir.path().join("r.yml"), RULES).unwrap();
    dir
}

const VARY: [&str; 6] = [
    "tune",
    "--trials",
    "3",
    "--vary",
    "workers.w.processes=1,2",
    "s.yaml",
];

#[test]
fn values_of_the_plan_are_tried_with_who_is_told() {
    let dir = bench();
    routes(dir.path(), "10s");
    let judged = [&VARY[..], &["--rules", "r.yml", "--alertmanager", "am.yml"]].concat();
    let (code, out, told) = said(dir.path(), &judged);
    assert_eq!(code, Some(0), "{told}");
    insta::assert_snapshot!(out);

    // What is sent is up to the file: too late for the same rules.
    routes(dir.path(), "2m");
    let (_, json, _) = said(dir.path(), &[&judged[..], &["--json"]].concat());
    let found: Value = serde_json::from_str(&json).unwrap();
    let alone = &found["rows"][0]["told"];
    assert_eq!(
        (&alone["in_time"], &alone["incidents"]),
        (&0.into(), &3.into()),
        "{found:#}"
    );

    // Nobody asks who is told where neither rules nor routes are named.
    let (_, out, _) = said(dir.path(), &VARY);
    assert!(!out.contains("told"), "{out}");
    let wrong = [&VARY[..], &["--alertmanager", "none.yml"]].concat();
    let (code, _, told) = said(dir.path(), &wrong);
    assert_eq!(code, Some(2));
    assert!(told.contains("none.yml"), "{told}");
}

#[test]
fn settings_of_a_pack_are_tried_in_a_world() {
    let dir = bench();
    let words = [
        "tune",
        "--trials",
        "3",
        "--vary",
        "AsynqQueueNotProcessing.for=15s,45s",
        "--rules",
        "firedrill",
        "--world",
        "wiki-kubernetes",
        "s.yaml",
    ];
    let (_, _, told) = said(dir.path(), &words);
    assert!(
        told.contains("rules: firedrill-wiki-kubernetes.yml (built in)"),
        "{told}"
    );
    let edited = fs::read_to_string(
        dir.path()
            .join("runs/tune/latest/firedrill-wiki-kubernetes.yml"),
    );
    assert!(edited.unwrap().contains("job=\"asynq-worker\""));
}
