//! What operators do to tasks by hand, for real, and the model beside it.

use crate::support::{firedrill, need};
use firedrill_reports::Record;
use firedrill_reports::record::Mark;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

/// Every remedy on tasks, each with something to change.
const SCENARIO: &str = "\
version: firedrill/v1
name: by-hand
family: retry-storm
summary: s
duration: 4m
warmup: 30s
queues: { default: { wait_objective: 60s } }
workload:
  - { task: pay, queue: default, arrivals: { constant: 2/s }, service: { constant: 100ms } }
  - { task: mail, queue: default, arrivals: { constant: 2/s }, service: { constant: 100ms }, retention: 10m }
workers: [{ name: w, concurrency: 10, retry_delay: { constant: 3m } }]
timeline:
  - { at: 1m, fault: handler.fail, task: pay, share: 100%, until: { at: 3m } }
  - { at: 90s, remedy: tasks.archive, queue: default, state: retry, task: pay }
  - { at: 2m, remedy: tasks.delete, queue: default, state: archived, older_than: 20s }
  - { at: 150s, remedy: tasks.run, queue: default, state: retry }
  - { at: 165s, remedy: tasks.delete, queue: default, state: completed }
  - { at: 200s, remedy: tasks.run, queue: default, state: completed }
incidents: [{ cause: retry-storm, wanted: page, within: 2m, at: 1m, until: 3m }]
";

fn record(dir: &Path, engine: &str) -> Record {
    let scenario = dir.join("s.yaml");
    fs::write(&scenario, SCENARIO).unwrap();
    let out = dir.join(engine);
    let output = firedrill()
        .args(["run", "--engine", engine, "--rules", "runbook", "--out"])
        .arg(&out)
        .arg(&scenario)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    let mut found = Vec::new();
    let mut folders = vec![out];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false if entry.file_name() == "record.jsonl" => found.push(entry.path()),
                false => {}
            }
        }
    }
    let [path] = &found[..] else {
        panic!("{found:?}: {text}");
    };
    Record::read(BufReader::new(File::open(path).unwrap())).unwrap()
}

#[test]
fn tasks_are_run_archived_and_deleted_by_hand_on_both_engines() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    for engine in ["virtual", "live"] {
        let record = record(dir.path(), engine);
        let of_tasks = |mark: &&Mark| mark.what.starts_with("tasks.");
        let marks: Vec<&Mark> = record.marks().filter(of_tasks).collect();
        assert_eq!(marks.len(), 5, "{engine}: {marks:?}");
        assert!(
            marks.iter().all(|mark| mark.verified),
            "{engine}: {marks:?}"
        );
        // Nobody but the plan did any of this.
        let foreign = record
            .interference()
            .find(|found| found.subject == "default");
        assert_eq!(foreign, None, "{engine}");
        let audit = record.audit().unwrap();
        let found = &audit.unexplained;
        assert_eq!(
            (found.lost, found.foreign, found.run_twice),
            (0, 0, 0),
            "{engine}"
        );
        assert!(
            audit.deleted > 0 && audit.succeeded_twice > 0,
            "{engine}: {audit:?}"
        );
        assert_eq!(audit.jobs_lost(), 0, "{engine}");
    }
}
