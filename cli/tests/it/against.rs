//! `check --against`: rules held against virtual drills, and rules in Kubernetes resources wherever rules are read.

use crate::support::{firedrill, project};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn run(dir: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = firedrill().current_dir(dir).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// Runs virtual drills and gives the directories of their records.
fn records(dir: &Path, rules: &str, scenarios: &[&str]) -> Vec<String> {
    let mut args = vec!["run", "--engine", "virtual", "--no-gate", "--rules", rules];
    args.extend(scenarios);
    let (code, _, err) = run(dir, &args);
    assert_eq!(code, Some(0), "{err}");
    let latest = scenarios.iter().map(|name| format!("runs/{name}/latest"));
    latest.collect()
}

fn runbook() -> String {
    project("scenarios/rules/runbook.yml").display().to_string()
}

#[test]
fn the_runbook_can_fire_but_waits_for_a_zero_that_never_comes() {
    let dir = tempfile::tempdir().unwrap();
    let runs = records(
        dir.path(),
        &runbook(),
        &["worker-crash-all", "retry-storm-dependency-down"],
    );
    let mut args = vec!["check", "--json", "r.yml", "--against"];
    args.extend(runs.iter().map(String::as_str));
    fs::copy(runbook(), dir.path().join("r.yml")).unwrap();
    let (code, out, err) = run(dir.path(), &args);
    assert_eq!(
        (code, err.as_str()),
        (Some(0), "ok r.yml: 4 alerting rules\n")
    );
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(found["records"].as_array().unwrap().len(), 2);
    let stalled = &found["rules"][3];
    assert_eq!(
        (
            &stalled["rule"],
            &stalled["state"],
            &stalled["findings"][0]["kind"]
        ),
        (
            &"JobProcessingStalled".into(),
            &"trap".into(),
            &"vanished".into()
        )
    );
    assert_eq!(
        stalled["findings"][0]["part"],
        "sum(rate(job_processed_total[5m])) == 0"
    );
    // The crash alone has no failed job, so that two alerts could not fire in it.
    let (code, out, _) = run(dir.path(), &["check", "r.yml", "--against", &runs[0]]);
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(out);
    assert_eq!(
        run(dir.path(), &["check", "r.yml", "--against", &runs[0]]).1,
        out
    );
}

#[test]
fn rules_that_cannot_fire_fail_the_check() {
    let dir = tempfile::tempdir().unwrap();
    let runs = records(dir.path(), &runbook(), &["retry-storm-dependency-down"]);
    let rules = "groups:\n- name: g\n  rules:\n  - alert: Typo\n    expr: rate(jobs_processed_total{status=\"error\"}[5m]) > 1\n";
    fs::write(dir.path().join("r.yml"), rules).unwrap();
    let (code, out, _) = run(dir.path(), &["check", "r.yml", "--against", &runs[0]]);
    assert_eq!(code, Some(1), "{out}");
    assert!(
        out.contains("Typo (g, r.yml:4): unscorable: no data")
            && out.contains("did you mean job_processed_total? status has the values failed, success, not error;"),
        "{out}"
    );
    let scenario = project("scenarios/benign/healthy.yaml")
        .display()
        .to_string();
    let (code, _, err) = run(dir.path(), &["check", &scenario, "--against", &runs[0]]);
    assert!(
        code == Some(2) && err.contains("there is no rule file"),
        "{err}"
    );
    let (code, _, err) = run(dir.path(), &["check", "r.yml", "--against", "nowhere"]);
    assert!(code == Some(2) && err.contains("nowhere"), "{err}");
}

#[test]
fn silence_without_data_is_inconclusive() {
    let dir = tempfile::tempdir().unwrap();
    let rules = "groups:\n- name: g\n  rules:\n  - { alert: Typo, expr: jobs_total > 1, labels: { severity: page } }\n";
    fs::write(dir.path().join("r.yml"), rules).unwrap();
    let healthy = project("scenarios/benign/healthy.yaml")
        .display()
        .to_string();
    let args = ["run", "--engine", "virtual", "--rules", "r.yml", &healthy];
    let (code, out, err) = run(dir.path(), &args);
    assert_eq!(code, Some(3), "{out}{err}");
    assert!(
        out.contains("inconclusive: none of the alerts had data: their silence says nothing"),
        "{out}"
    );
}

/// The runbook as an operator would have it in a cluster, its comments for the scorer included.
fn resource() -> String {
    let text = fs::read_to_string(runbook()).unwrap();
    let inside: String = text.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{ name: jobs }}\n---\napiVersion: monitoring.coreos.com/v1\n\
         kind: PrometheusRule\nmetadata: {{ name: runbook }}\nspec:\n{inside}"
    )
}

#[test]
fn kubernetes_resources_are_rule_files_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("k8s.yml"), resource()).unwrap();
    let (code, out, err) = run(dir.path(), &["check", "k8s.yml"]);
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "ok k8s.yml: 4 alerting rules\n")
    );
    assert!(
        err.contains("k8s.yml:2:7: a resource of the kind Namespace has no rules; it is left out"),
        "{err}"
    );
    let scored = |args: &[&str]| {
        let (code, out, err) = run(dir.path(), args);
        assert_eq!(code, Some(0), "{err}");
        serde_json::from_str::<Value>(&out).unwrap()
    };
    let runs = records(dir.path(), "k8s.yml", &["retry-storm-dependency-down"]);
    let own = scored(&["score", "--no-gate", "--json", &runs[0]]);
    let plain = scored(&[
        "score",
        "--no-gate",
        "--json",
        "--rules",
        &runbook(),
        &runs[0],
    ]);
    assert_eq!(own, plain);
    assert_eq!(own["drills"][0]["alerts"].as_array().unwrap().len(), 4);
    let again = scored(&[
        "score",
        "--no-gate",
        "--json",
        "--rules",
        "k8s.yml",
        &runs[0],
    ]);
    assert_eq!(own, again);

    let tune = [
        "tune",
        "--rules",
        "k8s.yml",
        "--vary",
        "JobFailureRate.for=1m..3m",
        &runs[0],
    ];
    let (_, _, err) = run(dir.path(), &tune);
    let edited = dir.path().join("runs/tune/latest/k8s.yml");
    let edited = fs::read_to_string(edited).unwrap_or_else(|error| panic!("{error}: {err}"));
    let changed = edited
        .lines()
        .zip(resource().lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|(now, before)| now != before)
        .count();
    assert_eq!(
        (changed, edited.lines().count()),
        (1, resource().lines().count()),
        "{edited}"
    );
}

#[test]
fn what_is_never_absent_is_a_trap() {
    let dir = tempfile::tempdir().unwrap();
    let runs = records(dir.path(), &runbook(), &["healthy"]);
    let rules = "groups: [{ name: g, rules: [{ alert: A, expr: absent(up) }] }]\n";
    fs::write(dir.path().join("r.yml"), rules).unwrap();
    // At the first evaluation nothing has been scraped yet.
    let (code, out, _) = run(dir.path(), &["check", "r.yml", "--against", &runs[0]]);
    assert_eq!(code, Some(0));
    assert!(
        out.contains(
            "trap: `absent(up)` never held after the warm-up: what it looks for was there at every evaluation"
        ),
        "{out}"
    );
}
