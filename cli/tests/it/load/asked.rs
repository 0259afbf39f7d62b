//! What can be asked of a load: gates and baselines, the largest rate, and what is refused.

use super::only;
use crate::support::{need, said};
use serde_json::Value;
use std::fs;

#[test]
fn gates_judge_loads() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let gates = "gates:\n  load_service_seconds: p(50) > 1\n";
    fs::write(dir.path().join("g.yaml"), gates).unwrap();
    let args = [
        "load",
        "--rate",
        "50/s",
        "--duration",
        "2s",
        "--poll",
        "5ms",
        "--gate",
        "g.yaml",
    ];
    let (code, out, err) = said(dir.path(), &args);
    match out.contains("the generator was the limit") {
        true => assert_eq!(code, Some(3), "{out}{err}"),
        false => assert_eq!(code, Some(1), "{out}{err}"),
    }
    assert!(only(dir.path()).join("figures.jsonl").is_file());
}

#[test]
fn the_largest_rate_is_looked_for() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    // Two slots of 50 ms do 40 a second.
    let args = [
        "load",
        "--find-max",
        "--json",
        "--rate",
        "20/s",
        "--duration",
        "3s",
        "--warmup",
        "0s",
        "--service",
        "50ms",
        "--concurrency",
        "2",
        "--poll",
        "5ms",
        "--max-wait",
        "500ms",
        "--drain",
        "1s",
        "--repeats",
        "1",
    ];
    let (code, out, err) = said(dir.path(), &args);
    assert!(matches!(code, Some(0 | 3)), "{err}");
    let result: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(result["kind"], "knee");
    let trials = result["trials"].as_array().unwrap();
    let is_clear = |trial: &Value| trial["borne"].is_boolean();
    match trials.last().is_some_and(is_clear) {
        true => assert!(trials.iter().any(|trial| trial["borne"] == false), "{out}"),
        // A machine that is too busy to tell says so.
        false => assert!(out.contains("the generator was the limit"), "{out}"),
    }
    if let Some(rate) = result["rate"].as_f64() {
        assert!(rate < 80.0, "twice what the slots can do: {rate}");
    }
}

/// A scenario with faults.
const RETRIES: [&str; 2] = ["--scenario", "retry-storm-dependency-down"];

#[test]
fn a_baseline_of_another_load_is_refused_before_anything_starts() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let load = ["load", "--duration", "1s", "--warmup", "0s", "--rate"];
    let several = ["20/s", "--repeats", "2", "--json"];
    let (code, out, err) = said(dir.path(), &[&load[..], &several].concat());
    assert!(matches!(code, Some(0 | 3)), "{err}");
    // One document, whatever the number of loads.
    let results: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(results.as_array().map(Vec::len), Some(2));
    // Each of them has a report and figures of its own.
    let run = |args: &[&str]| said(dir.path(), args);
    let (code, _, err) = run(&["report", "runs/load/latest"]);
    assert_eq!(code, Some(2));
    assert!(
        err.contains("there are several loads in it; name one of them") && err.contains("/2"),
        "{err}"
    );
    let [first, second] = ["runs/load/latest/1", "runs/load/latest/2"];
    let (code, page, err) = run(&["report", first, "-o", "-"]);
    assert_eq!(code, Some(0), "{err}");
    let own = fs::read_to_string(dir.path().join(first).join("report.html")).unwrap();
    assert_eq!(page, own);
    let (_, _, err) = run(&["report", first, second]);
    assert!(
        err.contains("a report is of one load or of drills"),
        "{err}"
    );
    let (_, _, err) = run(&["report", first, "--rules", "runbook"]);
    assert!(err.contains("in which no alerts are judged"), "{err}");
    let (code, out, err) = run(&["compare", first, first]);
    assert!(matches!(code, Some(0 | 3)), "{err}");
    assert!(out.contains("load"), "{out}");
    let before = fs::read_dir(dir.path().join("runs/load")).unwrap().count();
    let unlike = ["30/s", "--baseline", "runs/load/latest"];
    let (code, _, err) = said(dir.path(), &[&load[..], &unlike].concat());
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("`workload` differs"), "{err}");
    let after = fs::read_dir(dir.path().join("runs/load")).unwrap().count();
    assert_eq!(after, before, "nothing was started");
}

#[test]
fn what_cannot_be_is_refused_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    for (args, words) in [
        (&["--rate", "0/s"][..], "a rate above zero"),
        (&["--rate", "5000000/s"], "up to 1000000/s"),
        (&["--duration", "0s"], "a duration"),
        (&["--stages", "10/s:0s"], "no time above zero"),
        (
            &["--payload", "1GB"],
            "more than 64MiB, the largest payload that firedrill sends",
        ),
        (
            &["--rate", "1000000/s", "--duration", "1d"],
            "a load has at most",
        ),
        (
            &["--rate", "1000000/s", "--payload", "1MB"],
            "no machine makes that",
        ),
        (&["--unique", "60%", "--grouped", "60%"], "120 %"),
        (&["--service", "soon"], "how long handlers work"),
        (&["--produce-only", "--consume-only"], "cannot be used with"),
        (&["--produce-only", "--workers", "3"], "cannot be used with"),
        (&["--closed", "4", "--rate", "100/s"], "cannot be used with"),
        (&["--closed", "4", "--evenly"], "cannot be used with"),
        (&["--warmup", "500ms"], "whole seconds"),
        (&["--keep"], "a load's own Redis goes with it"),
        (&["--beside"], "nothing of others in it"),
        (&["--find-max", "--keep"], "leave --find-max and --repeats"),
        (
            &["--repeats", "2", "--keep"],
            "leave --find-max and --repeats",
        ),
        (
            &["--find-max", "--summary", "s.md"],
            "a search is not judged",
        ),
        (
            &["--queue", "a:1", "--queue", "a:2"],
            "--queue a: it is named twice",
        ),
        (&[RETRIES[0], RETRIES[1], "--keep"], "leave --keep away"),
        (
            &[RETRIES[0], RETRIES[1], "--backlog", "5"],
            "leave --backlog away",
        ),
        (
            &[RETRIES[0], RETRIES[1], "--drain", "1s"],
            "leave --drain away",
        ),
        (
            &[RETRIES[0], RETRIES[1], "--batch", "1"],
            "leave --batch away",
        ),
        // What would be so anyway is refused as well.
        (
            &[RETRIES[0], RETRIES[1], "--drain", "10s"],
            "leave --drain away",
        ),
        (
            &[RETRIES[0], RETRIES[1], "--batch", "100"],
            "leave --batch away",
        ),
        (&["--scenario", "nowhere.yaml"], "nowhere.yaml"),
        (&["--max-wait", "1s"], "--find-max"),
        (
            &["--find-max", "--max-wait", "1500ms", "--poll", "1s"],
            "no rate would be borne",
        ),
        (
            &["--find-max", "--max-wait", "2s", "--duration", "5s"],
            "8s at least",
        ),
    ] {
        let (code, _, err) = said(dir.path(), &[&["load"], args].concat());
        assert_eq!(code, Some(2), "{args:?}: {err}");
        let err = err.replace("\n    ", " ");
        assert!(err.contains(words), "{args:?}: {err}");
        assert!(!dir.path().join("runs").exists(), "{args:?}");
    }
}
