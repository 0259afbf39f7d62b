//! Ground truth: every incident has the times of its own step, on both engines.

use crate::support::{firedrill, need};
use firedrill_reports::pack::RulePack;
use firedrill_reports::record::Phase;
use firedrill_reports::{Record, ScoreParams, score_recorded};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

const RULES: &str = "\
groups:
- name: g
  rules:
  - alert: QueueOld
    expr: max by (queue) (asynq_queue_latency_seconds) > 60
    labels: { severity: page }
";

/// Four faults, two of them at one time, and incidents in another order.
const FOUR: &str = "\
version: firedrill/v1
name: four
family: other
summary: Four things go wrong in ten minutes.
seed: 3
duration: 10m
warmup: 1m
queues: { default: }
workload:
  - { task: a, queue: default, arrivals: { poisson: 3/s }, service: { constant: 500ms } }
  - { task: b, queue: default, arrivals: { poisson: 1/s }, service: { constant: 500ms } }
workers:
  - { name: w, processes: 2, concurrency: 6 }
timeline:
  - { at: 2m, fault: worker.kill, select: [w-0], until: { at: 4m, remedy: worker.restart } }
  - { at: 5m, fault: redis.kill, until: { at: 6m, remedy: redis.start } }
  - { id: downstream, at: 7m, fault: handler.slow, task: a, factor: 3, until: { at: 9m } }
  - { at: 7m, fault: handler.fail, task: b, until: { at: 8m } }
incidents:
  - { cause: retry-storm, wanted: ticket, within: 3m }
  - { cause: redis-down, wanted: page, within: 2m }
  - { cause: slow-jobs, wanted: page, within: 5m }
  - { cause: worker-crashed, wanted: page, within: 3m }
  - { cause: slow-jobs, of: downstream, at: 8m, wanted: ticket, within: 1m }
";

/// Runs a scenario and reads its record.
fn drill(scenario: &str, engine: &[&str]) -> Record {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("s.yaml"), scenario).unwrap();
    fs::write(dir.path().join("r.yml"), RULES).unwrap();
    let output = firedrill()
        .current_dir(dir.path())
        .args(["run", "--no-gate", "--rules", "r.yml", "s.yaml"])
        .args(engine)
        .output()
        .unwrap();
    let runs = dir.path().join("runs");
    let found = fs::read_dir(&runs).into_iter().flatten().flatten().next();
    let found = found.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    read(&found.path().join("latest/record.jsonl"))
}

fn read(path: &Path) -> Record {
    Record::read(BufReader::new(File::open(path).unwrap())).unwrap()
}

const VIRTUAL: [&str; 2] = ["--engine", "virtual"];
const LIVE: [&str; 2] = ["--speed", "30"];

fn each_has_its_own_times(record: &Record) {
    let pack = RulePack::parse(&record.header.rules, &["QueueOld".to_owned()]).unwrap();
    let score = score_recorded(record, &pack, &ScoreParams::default());
    let steps = [
        "handler.fail",
        "redis.kill",
        "downstream",
        "worker.kill",
        "downstream",
    ];
    for (incident, step) in score.incidents.iter().zip(steps) {
        let planned = &record.header.incidents[incident.truth.id as usize];
        assert_eq!(planned.step.as_deref(), Some(step));
        let mark = |phase: Phase| {
            let mut marks = record.marks();
            let mark =
                marks.find(|mark| mark.step.as_deref() == Some(step) && mark.phase == Some(phase));
            mark.unwrap_or_else(|| panic!("{step} {phase:?}"))
        };
        let (begin, end) = (mark(Phase::Begin), mark(Phase::End));
        assert!(begin.verified && end.verified);
        let late_ms = begin.at_ms - begin.planned_ms;
        assert_eq!(
            incident.truth.fault_ms,
            planned.starts_ms + late_ms,
            "{step}"
        );
        assert_eq!(incident.truth.deadline_ms, planned.deadline_ms + late_ms);
        assert!(incident.truth.end_ms >= end.at_ms, "{step}");
    }
    assert_eq!(score.incidents.len(), steps.len());
}

#[test]
fn every_incident_has_its_own_steps_times_in_virtual_time() {
    each_has_its_own_times(&drill(FOUR, &VIRTUAL));
}

#[test]
fn every_incident_has_its_own_steps_times_for_real() {
    need!("redis-server");
    each_has_its_own_times(&drill(FOUR, &LIVE));
}
