//! What a live drill proves of the effects of its faults: what the plan does is seen, and is taken for nobody else's doing.

use crate::support::{firedrill, need};
use firedrill_reports::Record;
use firedrill_reports::record::Mark;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

/// A small drill: its workload beside the first entry, and its timeline.
fn scenario(name: &str, workload: &str, timeline: &str) -> String {
    format!(
        "\
version: firedrill/v1
name: {name}
family: benign
summary: s
duration: 4m
warmup: 30s
queues: {{ default: {{ priority: 1 }} }}
workload:
{workload}workers: [{{ name: w, processes: 2, concurrency: 5, retry_delay: {{ constant: 5s }}, restart: {{ backoff: 2s }} }}]
timeline: {timeline}
benign: [{{ what: all, at: 1m }}]
"
    )
}

/// Runs all of these live, and reads their records, in this order.
fn live(dir: &Path, all: &[(&str, String)]) -> Vec<Record> {
    let mut command = firedrill();
    command.current_dir(dir).args(["run", "--no-gate"]);
    for (name, text) in all {
        fs::write(dir.join(format!("{name}.yaml")), text).unwrap();
        command.arg(format!("{name}.yaml"));
    }
    let output = command.output().unwrap();
    let talk = String::from_utf8_lossy(&output.stderr);
    let read = |(name, _): &(&str, String)| {
        let path = dir.join("runs").join(name).join("latest/record.jsonl");
        let file = File::open(path).unwrap_or_else(|error| panic!("{name}: {error}: {talk}"));
        Record::read(BufReader::new(file)).unwrap()
    };
    all.iter().map(read).collect()
}

/// What is told of keys and counters that nobody's step explains: not how busy this machine was.
fn of_data(record: &Record) -> Vec<&str> {
    let found = record.interference();
    let of_data = found.filter(|found| found.subject == "default" || found.subject == "redis");
    of_data.map(|found| found.saw.as_str()).collect()
}

fn marks<'r>(record: &'r Record, what: &str) -> Vec<&'r Mark> {
    record.marks().filter(|mark| mark.what == what).collect()
}

#[test]
fn a_limit_that_only_large_tasks_meet_has_had_its_effect() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let text = scenario(
        "large",
        "  - { task: t, queue: default, arrivals: { constant: 2/s }, payload: 200KB, service: { constant: 500ms } }\n",
        "[{ at: 1m, fault: worker.stop, select: all, until: { at: 3m } }, { at: 1m, id: mm, fault: redis.maxmemory, bytes: 10MB, until: { at: 150s } }]",
    );
    let record = &live(dir.path(), &[("large", text)])[0];
    let found = marks(record, "redis.maxmemory");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found.iter().all(|mark| mark.verified), "{found:?}");
    let audit = record.audit().unwrap();
    assert!(audit.rejected > 0, "{audit:?}");
    assert_eq!(audit.unexplained.rejected, 0, "{audit:?}");
}

#[test]
fn a_limit_that_is_raised_too_little_goes_on() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let with = |name: &str, steps: &str| {
        let text = scenario(
            name,
            "  - { task: t, queue: default, arrivals: { constant: 2/s }, payload: 200KB, service: { constant: 500ms } }\n",
            &format!(
                "[{{ at: 1m, fault: worker.stop, select: all, until: {{ at: 3m }} }}, {steps}]"
            ),
        );
        (name.to_owned(), text)
    };
    let drills = [
        with(
            "short",
            "{ at: 1m, id: mm, fault: redis.maxmemory, bytes: 10MB }, { at: 90s, id: raise, remedy: redis.raise-maxmemory, bytes: 12MB }",
        ),
        with(
            "none",
            "{ at: 90s, id: raise, remedy: redis.raise-maxmemory, bytes: 10MB }",
        ),
    ];
    let [(short, of_short), (none, of_none)] = &drills;
    let records = live(
        dir.path(),
        &[(short, of_short.clone()), (none, of_none.clone())],
    );
    let told = |record: &Record| -> Vec<(bool, String)> {
        let marks = record
            .marks()
            .filter(|mark| mark.step.as_deref() == Some("raise"));
        marks
            .map(|mark| (mark.verified, mark.saw.clone()))
            .collect()
    };
    assert_eq!(
        told(&records[0]),
        [
            (true, "maxmemory raised; takes writes".to_owned()),
            (false, "the new limit was reached, too".to_owned())
        ]
    );
    let audit = records[0].audit().unwrap();
    assert!(audit.rejected > 0, "{audit:?}");
    assert_eq!(audit.unexplained.rejected, 0, "{audit:?}");
    assert_eq!(
        told(&records[1]),
        [(true, "no maxmemory is set: nothing was done".to_owned())]
    );
    assert_eq!(records[1].audit().unwrap().rejected, 0);
}

#[test]
fn what_no_handler_saw_and_what_lost_its_lease_by_plan_is_nobody_elses_doing() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let all = [
        (
            "late",
            scenario(
                "late",
                "  - { task: a, queue: default, arrivals: { constant: 1/s }, delay: 2s, deadline: 1s, max_retry: 1, service: { constant: 100ms } }\n",
                "[]",
            ),
        ),
        (
            "orphans",
            scenario(
                "orphans",
                "  - { task: t, queue: default, arrivals: { poisson: 3/s }, service: { constant: 400ms }, then: [{ task: u, delay: 5s }] }
  - { task: u, queue: default, service: { constant: 200ms }, fail: 10%, max_retry: 2 }\n",
                "[{ at: 1m, fault: link.repeat, call: dequeue, share: 20%, select: all, until: { at: 2m } }]",
            ),
        ),
        (
            "evicted",
            scenario(
                "evicted",
                "  - { task: t, queue: default, arrivals: { constant: 3/s }, payload: 20KB, retention: 1h, service: { constant: 500ms }, fail: 20%, max_retry: 1 }\n",
                "[{ at: 1m, fault: redis.evict, bytes: 2MB, policy: allkeys-random, until: { at: 2m } }]",
            ),
        ),
    ];
    let records = live(dir.path(), &all);
    for ((name, _), record) in all.iter().zip(&records) {
        assert_eq!(of_data(record), Vec::<&str>::new(), "{name}");
    }
    let [late, orphans, evicted] = &records[..] else {
        panic!("{}", records.len());
    };
    // Each was there.
    let audit = late.audit().unwrap();
    assert!(audit.archived > 100 && audit.succeeded == 0, "{audit:?}");
    for (record, what) in [(orphans, "link.repeat"), (evicted, "redis.evict")] {
        let found = marks(record, what);
        assert!(found.iter().all(|mark| mark.verified), "{found:?}");
    }
}
