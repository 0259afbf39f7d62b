//! What a verdict goes by: who pages, when somebody was told, and what was on before anything was wrong.

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

/// A rule file of these rules, under comments for the scoring.
fn rules(dir: &Path, comments: &str, rules: &str) {
    let text = format!("{comments}\ngroups:\n- name: g\n  rules:\n{rules}");
    fs::write(dir.join("r.yml"), text).unwrap();
}

fn scenario(name: &str) -> String {
    let path = project("scenarios").join(format!("{name}.yaml"));
    path.display().to_string()
}

/// Simulates scenarios under `r.yml`; exit code, scorecard, and what was said beside it.
fn simulated(dir: &Path, scenarios: &[&str], more: &[&str]) -> (Option<i32>, Value, String) {
    let paths: Vec<String> = scenarios.iter().map(|name| scenario(name)).collect();
    let mut args = vec![
        "run", "--engine", "virtual", "--json", "--rules", "r.yml", "--quiet",
    ];
    args.extend(paths.iter().map(String::as_str));
    args.extend(more);
    let (code, out, err) = run(dir, &args);
    (code, serde_json::from_str(&out).unwrap_or(Value::Null), err)
}

const FAILING: &str = "  - { alert: Failing, expr: 'sum(rate(job_processed_total{status=\"failed\"}[5m])) > 1', for: 3m, labels: { severity: critical } }\n";

#[test]
fn typos_in_who_pages_are_refused_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    rules(dir.path(), "", FAILING);
    let healthy = scenario("healthy");
    let with = |more: &[&str]| {
        let mut args = vec!["run", "--engine", "virtual", "--rules", "r.yml", &healthy];
        args.extend(more);
        run(dir.path(), &args)
    };
    for (pages, told) in [
        (
            "crtical",
            "--pages: no alert has the severity `crtical`; did you mean `critical`? the alerts have `critical`",
        ),
        ("", "--pages: a severity that pages is empty"),
        ("critical,", "--pages: a severity that pages is empty"),
    ] {
        let (code, out, err) = with(&["--pages", pages]);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{pages}: {err}");
        assert!(err.contains(told), "{pages}: {err}");
    }
    rules(dir.path(), "# firedrill: pages = critical, page", FAILING);
    let (code, _, err) = with(&[]);
    assert_eq!(code, Some(2), "{err}");
    assert!(
        err.contains("r.yml:1:1: no alert has the severity `page`"),
        "{err}"
    );
    let (code, _, err) = run(dir.path(), &["check", "r.yml"]);
    assert_eq!(code, Some(2), "{err}");

    rules(dir.path(), "", &FAILING.replace("critical", "warning"));
    let (code, _, err) = with(&[]);
    assert_eq!(code, Some(2), "{err}");
    assert!(
        err.contains("none of the alerts would page") && err.contains("the alerts have `warning`"),
        "{err}"
    );
    let (code, _, err) = run(dir.path(), &["check", "r.yml"]);
    assert_eq!(code, Some(0), "a part of a pack need not page: {err}");
    assert!(!dir.path().join("runs").exists(), "nothing was started");
}

#[test]
fn a_page_is_judged_when_it_is_delivered() {
    let dir = tempfile::tempdir().unwrap();
    rules(dir.path(), "", FAILING);
    let drill = "retry-storm-dependency-down";
    let (_, card, err) = simulated(dir.path(), &[drill], &["--group-wait", "0s"]);
    let incident = |card: &Value| card["drills"][0]["incidents"][0].clone();
    let at_once = incident(&card);
    assert_eq!(at_once["outcome"], "on_time", "{err} {card}");
    assert_eq!(at_once["detection"]["delivery_seconds"], 0.0);
    let told = at_once["detection"]["from_fault_seconds"].as_f64().unwrap();
    let wanted =
        at_once["deadline_seconds"].as_f64().unwrap() - at_once["fault_seconds"].as_f64().unwrap();
    // So long that it is delivered one second after the deadline.
    let wait = format!("{}s", (wanted - told).floor() + 1.0);
    let record = format!("runs/{drill}/latest/record.jsonl");
    let scored = |more: &[&str]| {
        let mut args = vec!["score", "--json", &record];
        args.extend(more);
        let (code, out, err) = run(dir.path(), &args);
        let card: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{err}"));
        (code, card)
    };
    let (code, card) = scored(&[]);
    assert_eq!(card["drills"][0]["group_wait_seconds"], 0.0, "the header's");
    assert_eq!((code, &incident(&card)), (Some(0), &at_once));
    let (code, card) = scored(&["--group-wait", &wait]);
    let late = incident(&card);
    assert_eq!(
        (code, &late["outcome"]),
        (Some(1), &Value::from("late")),
        "fired before the deadline, told after it"
    );
    assert_eq!(
        late["detection"]["hold_seconds"],
        at_once["detection"]["hold_seconds"]
    );
    let (_, out, _) = run(dir.path(), &["score", &record, "--group-interval", "7m"]);
    assert!(
        out.contains("group_wait 0s, group_interval 7m"),
        "named in the summary: {out}"
    );
}
