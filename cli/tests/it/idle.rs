//! Faults that hit nobody, for real: no alert is said to have missed them, or to have seen them.

use crate::support::{firedrill, need};
use std::fs;

/// All is done half a minute before the fault begins.
fn scenario(fault: &str, remedy: &str) -> String {
    format!(
        "version: firedrill/v1\nname: idle\nfamily: other\nsummary: s\nduration: 3m\nwarmup: 15s\n\
         queues: {{ default: {{ wait_objective: 30s }} }}\n\
         workload: [{{ task: t, queue: default, arrivals: {{ poisson: 4/s, until: 30s }}, service: {{ constant: 200ms }} }}]\n\
         workers: [{{ name: w, processes: 2, concurrency: 3 }}]\n\
         timeline: [{{ at: 1m, fault: {fault}, until: {{ at: 2m{remedy} }} }}]\n\
         incidents: [{{ cause: other, wanted: page, within: 30s }}]\n"
    )
}

#[test]
fn what_hits_an_idle_fleet_is_no_incident_on_both_engines() {
    need!("redis-server");
    for (fault, remedy) in [
        ("worker.kill, select: all", ", remedy: worker.restart"),
        ("redis.stop", ""),
    ] {
        for engine in ["virtual", "live"] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("s.yaml"), scenario(fault, remedy)).unwrap();
            let output = firedrill()
                .current_dir(dir.path())
                .args(["run", "--engine", engine, "--rules", "runbook", "s.yaml"])
                .output();
            let output = output.unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(
                output.status.code(),
                Some(3),
                "{fault} {engine}: {text}{told}"
            );
            let words: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(
                words.contains("no task was there for the other incident to harm"),
                "{fault} {engine}: {text}{told}"
            );
        }
    }
}
