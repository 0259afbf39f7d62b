//! Files decide about lengths, intervals and series. Whatever they say, a command ends, and says what was too much.

use crate::support::firedrill;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const RECORD: &str = include_str!("../../../reports/tests/it/records/short-crash-1.1.jsonl");

/// Far longer than any of these commands takes, and far shorter than for ever.
const PATIENCE: Duration = Duration::from_secs(240);

/// Runs a command to its end, or kills it and fails.
fn ends(dir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let mut command = firedrill();
    command.current_dir(dir).args(args).stdout(Stdio::null());
    let err = fs::File::create(dir.join("stderr")).unwrap();
    let mut child: Child = command.stderr(err).spawn().unwrap();
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return (
                status.code(),
                fs::read_to_string(dir.join("stderr")).unwrap(),
            );
        }
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{args:?} goes on for ever");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn edited(edit: impl Fn(&mut Value)) -> String {
    let lines = RECORD.lines().map(|line| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        edit(&mut value);
        format!("{value}\n")
    });
    lines.collect()
}

/// Numbers of the series that may have any value: gauges that are drawn.
fn gauges() -> Vec<Value> {
    let lines = RECORD
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let gauges = lines.filter(|line: &Value| {
        let name = &line["labels"]["__name__"];
        name == "asynq_queue_latency_seconds" || name == "asynq_queue_size"
    });
    gauges.map(|line| line["id"].clone()).collect()
}

#[test]
fn values_without_end_are_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let gauges = gauges();
    assert!(!gauges.is_empty());
    for put in [
        json!("+Inf"),
        json!("-Inf"),
        json!("NaN"),
        json!(f64::MAX),
        json!(f64::MIN),
        json!(1e-320),
    ] {
        let text = edited(|line| {
            if line["kind"] == "scrape" {
                for sample in line["values"].as_array_mut().unwrap() {
                    if gauges.contains(&sample[0]) {
                        sample[1] = put.clone();
                    }
                }
            }
        });
        fs::write(dir.path().join("r.jsonl"), text).unwrap();
        let (code, err) = ends(dir.path(), &["report", "r.jsonl"]);
        assert_eq!(code, Some(0), "{put}: {err}");
    }
}

#[test]
fn evaluations_without_end_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let month_ms = 30 * 86_400_000_i64;
    let long = |interval_ms: i64| {
        edited(|line| match line["kind"].as_str().unwrap() {
            "header" => {
                line["evaluation_interval_ms"] = json!(interval_ms);
                line["evaluation_phase_ms"] = json!(0);
                line["duration_ms"] = json!(month_ms);
            }
            "footer" => line["at_ms"] = json!(month_ms),
            _ => {}
        })
    };
    fs::write(dir.path().join("1ms.jsonl"), long(1)).unwrap();
    // As many series as lines of their own can name, of which rules would look for each in vain.
    let mut many = String::new();
    let mut series = 0;
    for line in long(1_000).lines() {
        if line.contains("\"audit\"") {
            for number in series..30_000 {
                let labels = json!({ "__name__": "up", "job": "worker", "n": number.to_string() });
                many.push_str(
                    &json!({ "kind": "series", "id": number, "labels": labels }).to_string(),
                );
                many.push('\n');
            }
        }
        series += usize::from(line.contains("\"kind\":\"series\""));
        many.push_str(line);
        many.push('\n');
    }
    fs::write(dir.path().join("series.jsonl"), many).unwrap();
    for record in ["1ms.jsonl", "series.jsonl"] {
        for args in [
            &["score", record][..],
            &["report", "-o", "-", record],
            &["check", "r.yml", "--against", record],
        ] {
            fs::write(dir.path().join("r.yml"), RULES).unwrap();
            let (code, err) = ends(dir.path(), args);
            assert_eq!(code, Some(2), "{args:?}: {err}");
            assert!(
                err.contains("its rules would be evaluated"),
                "{args:?}: {err}"
            );
        }
    }
    let hasty = RULES.replace("- name: jobs", "- name: jobs\n  interval: 1ms");
    fs::write(dir.path().join("r.yml"), hasty).unwrap();
    let scenario = crate::support::project("scenarios/benign/healthy.yaml");
    let text = fs::read_to_string(scenario)
        .unwrap()
        .replace("duration: 45m", "duration: 20d")
        .replace("poisson: 10/s", "poisson: 1/s");
    fs::write(dir.path().join("s.yaml"), text).unwrap();
    for args in [
        &["run", "--rules", "r.yml", "s.yaml"][..],
        &["run", "--engine", "virtual", "--rules", "r.yml", "s.yaml"],
        &["fidelity", "--rules", "r.yml", "s.yaml"],
    ] {
        let (code, err) = ends(dir.path(), args);
        assert_eq!(code, Some(2), "{args:?}: {err}");
        assert!(
            err.contains("its rules would be evaluated"),
            "{args:?}: {err}"
        );
    }
    assert!(!dir.path().join("runs").exists());
}

/// Many series that come once and go: what forgets them does not look at all for each.
#[test]
fn many_series_that_vanish_are_forgotten_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = String::new();
    let mut series = 0_usize;
    let many = 60_000_usize;
    let mut is_first = true;
    for line in RECORD.lines() {
        let mut value: Value = serde_json::from_str(line).unwrap();
        // Those of the first scrape keep their numbers.
        series += usize::from(is_first && value["kind"] == "series");
        if value["kind"] == "series" && !is_first {
            value["id"] = json!(value["id"].as_u64().unwrap() as usize + many);
        }
        if value["kind"] == "scrape" {
            if is_first {
                for number in series..series + many {
                    let labels = json!({ "__name__": "up", "job": "odd", "n": number.to_string() });
                    text.push_str(
                        &json!({ "kind": "series", "id": number, "labels": labels }).to_string(),
                    );
                    text.push('\n');
                }
            }
            for sample in value["values"].as_array_mut().unwrap() {
                let id = sample[0].as_u64().unwrap() as usize;
                if id >= series && !is_first {
                    sample[0] = json!(id + many);
                }
            }
            if is_first {
                let values = value["values"].as_array_mut().unwrap();
                values.extend((series..series + many).map(|id| json!([id, 1])));
                is_first = false;
            }
        }
        text.push_str(&value.to_string());
        text.push('\n');
    }
    fs::write(dir.path().join("r.jsonl"), text).unwrap();
    let (code, err) = ends(dir.path(), &["score", "--no-gate", "r.jsonl"]);
    assert_eq!(code, Some(0), "{err}");
}

const RULES: &str = "\
groups:
- name: jobs
  rules:
  - alert: WorkerDown
    expr: sum(up{job=\"worker\"}) == 0
    for: 1m
    labels: { severity: page }
";
