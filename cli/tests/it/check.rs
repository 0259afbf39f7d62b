//! `check` for machines: JSON and SARIF of what is found in files and records.

use crate::support::{project, said};
use serde_json::Value;
use std::fs;

/// A gauge's rate, and a range and a wait that are too short for what scrapes there are.
const RULES: &str = "\
groups:
- name: g
  rules:
  - alert: Growing
    expr: rate(asynq_queue_size[5m]) > 1
    for: 5s
    labels: { severity: page }
  - alert: Stalled
    expr: sum by (queue) (rate(job_processed_total[30s])) < 1
";

#[test]
fn machines_get_every_finding_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("r.yml"), RULES).unwrap();
    fs::write(
        dir.join("wrong.yml"),
        "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up\n    exp: up\n",
    )
    .unwrap();
    let (code, out, err) = said(dir, &["check", "--json", "r.yml", "wrong.yml"]);
    assert_eq!(code, Some(2), "{err}");
    let found: Value = serde_json::from_str(&out).unwrap();
    let rows: Vec<String> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| {
            format!(
                "{}:{}:{} {} {} {}",
                found["file"],
                found["line"],
                found["column"],
                found["rule"],
                found["severity"],
                found["kind"]
            )
            .replace('"', "")
        })
        .collect();
    assert_eq!(
        rows,
        [
            "r.yml:4:5 Growing warning for_below_scrape",
            "r.yml:4:5 Growing warning gauge_rate",
            "r.yml:8:5 Stalled warning range_of_few_scrapes",
            "wrong.yml:6:5 null error invalid",
        ]
    );
    assert_eq!(
        (&found["sound"], &found["files"][0]["file"]),
        (&false.into(), &"r.yml".into())
    );

    // The same places as SARIF, and what is wrong on standard error as ever.
    let (code, out, told) = said(dir, &["check", "--sarif", "r.yml", "wrong.yml"]);
    assert_eq!((code, &told), (Some(2), &err));
    let log: Value = serde_json::from_str(&out).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let last = &results[3]["locations"][0]["physicalLocation"];
    assert_eq!(last["artifactLocation"]["uri"], "wrong.yml");
    assert_eq!(
        (&last["region"]["startLine"], &last["region"]["startColumn"]),
        (&6.into(), &5.into())
    );

    // Sums over several exporters of one Redis.
    fs::write(
        dir.join("sum.yml"),
        "groups: [{ name: g, rules: [{ alert: Deep, expr: sum(asynq_queue_size) > 9 }] }]",
    )
    .unwrap();
    let (code, _, err) = said(dir, &["check", "sum.yml", "--strict"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let (code, _, err) = said(dir, &["check", "sum.yml", "--strict", "--exporters", "2"]);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("Deep: `sum(asynq_queue_size)` counts every queue once for each exporter"),
        "{err}"
    );

    // Under scrapes that are often enough, and strictly.
    let quick = ["check", "r.yml", "--strict", "--scrape-interval", "5s"];
    let (code, _, err) = said(dir, &quick);
    assert_eq!(
        (code, err.matches("warning:").count()),
        (Some(1), 1),
        "{err}"
    );
    assert!(
        err.starts_with(
            "warning: r.yml:4:5: Growing: `rate(asynq_queue_size[5m])` asynq_queue_size is a gauge"
        ),
        "{err}"
    );
}

#[test]
fn scrapes_are_as_the_drill_has_them() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("r.yml"), RULES).unwrap();
    let healthy = project("scenarios/benign/healthy.yaml");
    let text = fs::read_to_string(healthy).unwrap();
    let seldom = text.replace("duration: ", "scrape: { interval: 1m }\nduration: ");
    fs::write(dir.join("s.yaml"), seldom).unwrap();
    let (code, _, err) = said(dir, &["check", "r.yml", "s.yaml"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(
        err.contains("with a scrape every 1m, 30s hold one sample at most"),
        "{err}"
    );

    // What rules saw in a record stands beside what their text says.
    let (code, _, err) = said(
        dir,
        &[
            "run",
            "--engine",
            "virtual",
            "--no-gate",
            "--rules",
            "r.yml",
            "s.yaml",
        ],
    );
    assert_eq!(code, Some(0), "{err}");
    let (_, out, err) = said(
        dir,
        &[
            "check",
            "--json",
            "r.yml",
            "--against",
            "runs/healthy/latest",
        ],
    );
    let found: Value =
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    let kinds: Vec<&str> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["kind"].as_str().unwrap())
        .collect();
    assert!(kinds.contains(&"range_without_data"), "{kinds:?}");
    // And the record proves it.
    let stalled = &found["rules"][1];
    assert_eq!(
        (&stalled["rule"], &stalled["state"]),
        (&"Stalled".into(), &"cannot_fire".into()),
        "{stalled:#}"
    );
    assert!(kinds.contains(&"empty_side"), "{kinds:?}");
}
