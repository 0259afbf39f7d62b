//! `firedrill diagnose`: the cause of what a record holds, by name.

use crate::support::said;
use serde_json::Value;

#[test]
fn the_cause_is_named_with_evidence_and_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let drill = ["run", "--engine", "virtual", "--no-gate"];
    let (code, _, told) = said(
        dir.path(),
        &[&drill[..], &["worker-crash-all", "healthy"]].concat(),
    );
    assert_eq!(code, Some(0), "{told}");
    let diagnose = |words: &[&str]| said(dir.path(), &[&["diagnose"], words].concat());

    // The pack of the record tells nobody, so that the deadline counts; another one has a page earlier.
    let crash = "runs/worker-crash-all/latest";
    let (code, out, _) = diagnose(&[crash]);
    assert_eq!(code, Some(0));
    assert!(
        out.starts_with(
            "worker-crash-all, worker-crashed: +3:00, its deadline, as nobody is told\n"
        ),
        "{out}"
    );
    assert!(out.contains("worker-crashed: no worker is running (queue default)"));
    assert!(out.contains("do: start the workers; after a deploy, roll it back"));
    let (_, out, _) = diagnose(&[crash, "--rules", "firedrill", "--json"]);
    let found: Value = serde_json::from_str(&out).unwrap();
    let incident = &found["incidents"][0];
    assert_eq!(incident["alert"], "AsynqQueueFallingBehind");
    assert_eq!(incident["answer"], "right");
    assert_eq!(incident["findings"][0]["id"], "workers-gone");

    let (code, _, told) = diagnose(&["runs/healthy/latest"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("these records have no incident"), "{told}");
    let (code, _, told) = diagnose(&["nowhere"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("nowhere"), "{told}");
}

#[test]
fn a_run_of_several_scenarios_shows_what_each_cause_was_called() {
    let dir = tempfile::tempdir().unwrap();
    let run = [
        "run",
        "--engine",
        "virtual",
        "--no-gate",
        "--rules",
        "firedrill",
    ];
    let run = |more: &[&str]| said(dir.path(), &[&run[..], more].concat());
    let two = ["worker-crash-all", "redis-outage"];
    let (code, out, told) = run(&[two[0], two[1], "--json"]);
    assert_eq!(code, Some(0), "{told}");
    let card: Value = serde_json::from_str(&out).unwrap();
    let called = |cause: &str| {
        let rows = card["causes"].as_array().unwrap();
        let row = rows.iter().find(|row| row["cause"] == cause);
        row.unwrap()["called"].clone()
    };
    assert_eq!(
        called("worker-crashed"),
        serde_json::json!(["worker-crashed"])
    );
    assert_eq!(called("redis-down"), serde_json::json!(["redis-down"]));
    let (_, out, _) = run(&two);
    assert!(
        out.contains("\nCAUSE           called          incidents\n"),
        "{out}"
    );
    // Of one there is nothing to compare.
    let (_, out, _) = run(&two[..1]);
    assert!(!out.contains("\nCAUSE "), "{out}");
}
