//! Ground truth: every incident has the times of its own step, on both engines.

use crate::support::{firedrill, need, plan_of};
use firedrill_asynq::clock::Time;
use firedrill_reports::pack::RulePack;
use firedrill_reports::record::Phase;
use firedrill_reports::{Record, ScoreParams, score_recorded};
use firedrill_sim::drill as drills;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::time::{Duration, SystemTime};

const RULES: &str = "\
groups:
- name: g
  rules:
  - alert: QueueOld
    expr: max by (queue) (asynq_queue_latency_seconds) > 60
    labels: { severity: page }
  - alert: Morning
    expr: hour() == 9 and day_of_week() == 1
    labels: { severity: none }
  - alert: Night
    expr: hour() == 0
    labels: { severity: none }
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
    let pack = RulePack::parse(
        &record.header.rules,
        &["QueueOld", "Morning", "Night"].map(str::to_owned),
    )
    .unwrap();
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

/// A morning: a long job keeps others waiting beyond their deadline, a task of another day never comes, Redis is restarted.
const MORNING: &str = "\
version: firedrill/v1
name: morning
family: other
summary: A long job holds the only slot for three minutes; later Redis is gone for one.
seed: 5
starts: Mon 09:00
duration: 12m
warmup: 1m
queues: { default: { wait_objective: 30s }, other: }
workload:
  - task: foo
    queue: default
    arrivals: { constant: 0.5/s, until: 6m }
    service: { constant: 200ms }
    deadline: 60s
    max_retry: 0
  - { task: long, queue: default, arrivals: { burst: { count: 1, at: 2m } }, service: { constant: 3m } }
  - { task: tick, queue: other, arrivals: { cron: \"* 9 * * MON\" }, service: { constant: 100ms } }
  - { task: yearly, queue: other, arrivals: { cron: \"0 0 24 12 *\" }, service: { constant: 100ms } }
workers:
  - { name: w, concurrency: 1, queues: [default] }
  - { name: o, concurrency: 1, queues: [other] }
timeline:
  - { at: 8m, fault: redis.kill, until: { at: 9m, remedy: redis.start } }
incidents:
  - { cause: other, wanted: page, within: 1m, at: 2m, until: 4m }
  - { cause: redis-down, wanted: page, within: 1m }
";

fn is_a_morning(record: &Record) {
    // Monday, 09:00, whatever week.
    let minute = record.header.epoch_ms / 60_000 + 3 * 1_440;
    assert_eq!(
        (record.header.epoch_ms % 60_000, minute % 10_080),
        (0, 9 * 60)
    );
    let fired = |alert: &str| {
        record
            .transitions()
            .any(|transition| transition.alert == alert)
    };
    assert!(fired("Morning") && !fired("Night"));

    // Every task is on the plan's calendar: 180 of foo, one long, a tick a minute from 09:01 to 09:11.
    let audit = record.audit().unwrap();
    assert_eq!(audit.intended, 180 + 1 + 11, "{audit:?}");
    assert_eq!(audit.unexplained.never_came, ["yearly"]);

    // What came from 2:00 to 4:00 was archived at 5:00 without being started, and is not waited for until the end.
    assert!(audit.archived >= 50, "{audit:?}");
    let impact = record.impact(0).unwrap();
    let (first_ms, last_ms) = (impact.first_ms.unwrap(), impact.last_ms.unwrap());
    assert!((145_000..190_000).contains(&first_ms), "{first_ms}");
    assert!((295_000..400_000).contains(&last_ms), "{last_ms}");
    assert_eq!(impact.queues, ["default"]);

    // Nobody restarted the workers, and they were not born with the drill.
    let day_before = record.header.epoch_ms as f64 / 1e3 - 86_400.0;
    let born = record.scrapes().flat_map(|(_, _, samples)| {
        let of_birth = samples
            .into_iter()
            .filter(|(labels, _)| labels.name() == "process_start_time_seconds");
        of_birth.map(|(_, value)| value).collect::<Vec<_>>()
    });
    let born: Vec<f64> = born.filter(|value| !value.is_nan()).collect();
    assert!(!born.is_empty() && born.iter().all(|at| (at - day_before).abs() < 60.0));

    // Redis was up before the drill, and is young after its restart.
    let marked = |phase: Phase| {
        let mut marks = record.marks();
        let is_meant = |mark: &&firedrill_reports::record::Mark| {
            mark.step.as_deref() == Some("redis.kill") && mark.phase == Some(phase)
        };
        marks.find(is_meant).unwrap().at_ms
    };
    // When exactly it was back is known to within these.
    let (killed_ms, restarted_ms) = (marked(Phase::Begin), marked(Phase::End));
    let mut after = 0;
    for (at_ms, target, samples) in record.scrapes() {
        let of_uptime = |(labels, _): &&(firedrill_detector::Labels, f64)| {
            labels.name() == "redis_uptime_in_seconds"
        };
        let found = samples.iter().find(of_uptime).map(|(_, value)| *value);
        let Some(seconds) = found.filter(|value| target.starts_with("redis/") && !value.is_nan())
        else {
            continue;
        };
        if at_ms < killed_ms {
            assert!(seconds >= 86_400.0, "{seconds} at {at_ms}");
        } else if at_ms >= restarted_ms {
            let expected = (at_ms - restarted_ms) as f64 / 1e3;
            assert!(
                (seconds - expected).abs() < 60.0,
                "{seconds}, not {expected}"
            );
            after += 1;
        }
    }
    assert!(after > 0);
}

#[test]
fn a_morning_is_the_same_in_virtual_time() {
    is_a_morning(&drill(MORNING, &VIRTUAL));
}

#[test]
fn a_morning_is_the_same_for_real() {
    need!("redis-server");
    let record = drill(MORNING, &LIVE);
    is_a_morning(&record);
    assert_eq!(
        record.header.environment["clock"],
        "starts at Mon 09:00 UTC"
    );
}

#[test]
fn only_a_drill_at_speed_1_runs_on_the_real_time_of_day() {
    let plan = plan_of(MORNING);
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_700);
    let at = |speed| drills::live_epoch(now, &plan, speed).millis();
    assert_eq!(at(1.0), 1_700_000_000_000);
    // The Monday after that Tuesday, so that what Redis expires by its own clock is in its future.
    assert_eq!(at(60.0), 1_700_470_800_000);
    assert_eq!(
        at(60.0),
        plan.starts
            .next_from(Time::from_millis(1_700_000_000_000))
            .millis()
    );
}
