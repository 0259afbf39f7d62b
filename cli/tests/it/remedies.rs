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
incidents: [{ cause: retry-storm, wanted: page, within: 2m, at: 1m, until: 3m }]
";

fn record(dir: &Path, engine: &str, text: &str) -> Record {
    let scenario = dir.join("s.yaml");
    fs::write(&scenario, text).unwrap();
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
        let record = record(dir.path(), engine, SCENARIO);
        let of_tasks = |mark: &&Mark| mark.what.starts_with("tasks.");
        let marks: Vec<&Mark> = record.marks().filter(of_tasks).collect();
        assert_eq!(marks.len(), 4, "{engine}: {marks:?}");
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
            audit.deleted > 0 && audit.costs.values().any(|cost| cost.archived > 0),
            "{engine}: {audit:?}"
        );
        assert_eq!(audit.jobs_lost(), Some(0), "{engine}");
    }
}

/// Long tasks that lose their leases and their worker, and are given back by hand; their locks refuse the next ones until then.
const ORPHANED: &str = "\
version: firedrill/v1
name: orphans
family: deadlock
summary: s
duration: 6m
warmup: 10s
queues: { sync: { wait_objective: 10m } }
workload:
  - { task: sync, queue: sync, arrivals: { constant: 12/m }, unique: { ttl: 1h, keys: 6 }, service: { constant: 90s } }
workers: [{ name: w, concurrency: 8 }]
timeline:
  - { id: leases, at: 1m, fault: lease.lose, queue: sync, until: { at: 62s } }
  - { id: killed, at: 63s, fault: worker.kill, select: [w-0], until: { at: 70s, remedy: worker.restart } }
  - { id: repair, at: 4m, remedy: orphans.repair, queue: sync }
incidents: [{ cause: deadlock, of: leases, wanted: ticket, until: 4m, within: 2m }]
";

#[test]
fn orphans_are_given_back_by_hand_on_both_engines() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let unmended = ORPHANED.replace(
        "  - { id: repair, at: 4m, remedy: orphans.repair, queue: sync }\n",
        "",
    );
    for engine in ["virtual", "live"] {
        let other = tempfile::tempdir().unwrap();
        let left = record(
            other.path(),
            engine,
            &unmended.replace("orphans\n", "unmended\n"),
        );
        let left = left.audit().unwrap();
        assert!(left.orphaned >= 4, "{engine}: nobody finds them: {left:?}");
        let record = record(dir.path(), engine, ORPHANED);
        let marks: Vec<&Mark> = record.marks().collect();
        assert!(
            marks.len() == 5 && marks.iter().all(|mark| mark.verified),
            "{engine}: {marks:?}"
        );
        assert_eq!(record.interference().next(), None, "{engine}");
        let repair = marks.iter().find(|mark| mark.what == "orphans.repair");
        let saw = &repair.unwrap().saw;
        let given_back: u64 = saw.split(' ').next().unwrap().parse().unwrap();
        let audit = record.audit().unwrap();
        let found = &audit.unexplained;
        assert_eq!(
            (found.lost, found.foreign, found.run_twice, audit.orphaned),
            (0, 0, 0, 0),
            "{engine}: {audit:?}"
        );
        assert_eq!(given_back, left.orphaned, "{engine}: {saw}");
        assert!(audit.executed_twice >= given_back, "{engine}: {audit:?}");
        // Their locks are gone, so that the next ones come again.
        assert!(
            audit.duplicates + 4 <= left.duplicates,
            "{engine}: {audit:?} {left:?}"
        );
        assert!(
            audit.succeeded > left.succeeded,
            "{engine}: {audit:?} {left:?}"
        );
    }
}

/// A poisonous type is given a queue of its own, by which it is served.
const MOVED: &str = "\
version: firedrill/v1
name: moved
family: retry-storm
summary: s
duration: 5m
warmup: 30s
queues: { default: { wait_objective: 60s }, apart: { wait_objective: 5m } }
workload:
  - { task: mail, queue: default, arrivals: { constant: 2/s }, service: { constant: 100ms } }
  - { task: bad, queue: default, arrivals: { constant: 1/s }, service: { constant: 5s }, unique: { ttl: 1h, keys: 100000 } }
  - { task: late, queue: default, arrivals: { constant: 6/m }, delay: 2m, service: { constant: 100ms } }
workers:
  - { name: w, concurrency: 4, queues: [default], retry_delay: { constant: 40s } }
  - { name: apart, concurrency: 20, queues: [apart], retry_delay: { constant: 40s } }
timeline:
  - { at: 1m, fault: handler.fail, task: bad, share: 50%, until: { at: 4m } }
  - { at: 2m, remedy: task.move, task: bad, queue: default, to: apart }
  - { at: 150s, remedy: task.move, task: late, queue: default, to: apart }
incidents: [{ cause: retry-storm, wanted: page, within: 2m, at: 1m, until: 4m }]
";

#[test]
fn a_task_type_is_moved_to_another_queue_on_both_engines() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let audits = ["virtual", "live"].map(|engine| {
        let record = record(dir.path(), engine, MOVED);
        let marks: Vec<&Mark> = record.marks().collect();
        assert!(
            marks.len() == 4 && marks.iter().all(|mark| mark.verified),
            "{engine}: {marks:?}"
        );
        assert_eq!(record.interference().next(), None, "{engine}");
        let audit = record.audit().unwrap();
        let found = &audit.unexplained;
        assert_eq!(
            (found.lost, found.foreign, found.run_twice, found.rejected),
            (0, 0, 0, 0),
            "{engine}: {audit:?}"
        );
        assert_eq!(
            (audit.lost, audit.deleted, audit.duplicates),
            (0, 0, 0),
            "{engine}"
        );
        let saw = |task: &str| {
            let moved = format!(" waiting tasks of {task} moved from default to apart");
            let mut marks = marks.iter();
            let count = marks.find_map(|mark| mark.saw.strip_suffix(&moved));
            count.unwrap().parse::<u64>().unwrap()
        };
        // Twelve wait for their time at any moment.
        assert!((11..=12).contains(&saw("late")), "{engine}");
        assert!(saw("bad") > 20, "{engine}");
        audit.clone()
    });
    let [model, live] = audits;
    assert_eq!(model.intended, live.intended);
    assert!(
        model.succeeded.abs_diff(live.succeeded) < 20,
        "{model:?} {live:?}"
    );
}
