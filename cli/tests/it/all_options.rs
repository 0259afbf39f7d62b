//! All that a workload can say, in one drill on both engines: what becomes of its tasks is the same.

use crate::support::{need, said};
use firedrill_reports::Record;
use firedrill_reports::record::{Audit, Unexplained};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

/// Ids and locks that are taken, a group that nobody aggregates, payloads, a trace, bursts by chance, and a chain. One task is
/// archived under its id, and its successors are refused; the others are done long before the end.
const SCENARIO: &str = "\
version: firedrill/v1
name: options
family: other
summary: Every option of a workload.
seed: 3
duration: 6m
warmup: 30s
queues: { default: { wait_objective: 60s } }
workload:
  - { task: verify, queue: default, arrivals: { cron: \"@every 10s\" }, service: { constant: 1s }, task_id: verify, max_retry: 0 }
  - { task: hourly, queue: default, arrivals: { constant: 0.5/s, until: 5m }, service: { constant: 200ms }, task_id: \"h-{n % 20}\", retention: 65s }
  - { task: slow, queue: default, arrivals: { constant: 0.2/s, until: 5m }, service: { constant: 7s }, unique: { ttl: 1h, keys: 1 } }
  - { task: sync, queue: default, arrivals: { constant: 0.2/s, until: 5m }, service: { constant: 200ms }, unique: 1h, group: tenants, payload: 20KB }
  - { task: mail, queue: default, arrivals: { trace: { file: mails.csv, at: 1m } }, service: { constant: 300ms }, then: [ { task: thumb, count: 2, delay: 5s } ] }
  - { task: burst, queue: default, arrivals: { mmpp: [ { rate: 0.2/s, mean_stay: 40s }, { rate: 5/s, mean_stay: 10s } ] }, service: { constant: 200ms }, payload: 3KB }
  - { task: thumb, queue: default, arrivals: none, service: { constant: 100ms } }
workers: [ { name: w, processes: 2, concurrency: 20 } ]
scrape: { interval: 5s }
evaluation: { interval: 5s }
timeline:
  - { at: 118s, fault: handler.fail, task: verify, share: 100%, until: { at: 129s } }
incidents:
  - { cause: other, of: handler.fail, unusual_cause: true, wanted: ticket, within: 2m }
";

/// Times, and how many came at each.
const MAILS: &str = "time,count\n1767225600,3\n1767225630,10\n1767225690,1\n1767225691,6\n";

/// How many of a thousand tasks may be at another place on the other engine: what comes or ends near the end, or just where
/// an id is free again.
const APART: u64 = 12;

fn audit(dir: &Path, args: &[&str]) -> (Option<i32>, String, Audit) {
    let (code, _, told) = said(dir, &[&["run", "--no-gate", "s.yaml"], args].concat());
    let path = dir.join("runs/options/latest/record.jsonl");
    let file = File::open(path).unwrap_or_else(|error| panic!("{error}: {told}"));
    let record = Record::read(BufReader::new(file)).unwrap();
    assert_eq!(record.interference().next(), None, "{told}");
    let audit = record.audit().unwrap_or_else(|| panic!("{told}"));
    (code, told, audit.clone())
}

/// The classes, and the states of what is queued.
fn classes(audit: &Audit) -> BTreeMap<String, u64> {
    let classes = [
        ("intended", audit.intended),
        ("enqueued", audit.enqueued),
        ("duplicates", audit.duplicates),
        ("succeeded", audit.succeeded),
        ("archived", audit.archived),
        ("still queued", audit.still_queued),
        ("failed executions", audit.failed_executions),
        ("late", audit.late),
    ];
    let classes = classes.map(|(name, count)| (name.to_owned(), count));
    let states = audit.queued.iter();
    let states = states.map(|(state, count)| (format!("queued: {state}"), *count));
    classes.into_iter().chain(states).collect()
}

#[test]
fn every_option_of_a_workload_comes_to_the_same_live_and_on_the_model() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("s.yaml"), SCENARIO).unwrap();
    fs::write(dir.path().join("mails.csv"), MAILS).unwrap();
    let (_, told, model) = audit(dir.path(), &["--engine", "virtual"]);
    // Each of them did what it is there for.
    assert_eq!(model.archived, 1, "{told}");
    assert!(model.duplicates > 40, "{model:?}");
    assert_eq!(model.queued.get("aggregating"), Some(&60), "{model:?}");
    assert!(model.succeeded > 300, "{model:?}");
    for speed in ["20", "10"] {
        let (code, told, live) = audit(dir.path(), &["--speed", speed]);
        if code == Some(3) && speed != "10" {
            continue;
        }
        assert_eq!(live.unexplained, Unexplained::default(), "{told}");
        let exact = |audit: &Audit| {
            let gone = (audit.lost, audit.rejected, audit.trimmed, audit.untold);
            (gone, audit.executed_twice, audit.archived, audit.orphaned)
        };
        assert_eq!(exact(&live), exact(&model), "{live:?}");
        let (live, model) = (classes(&live), classes(&model));
        let apart = (model["intended"] * APART).div_ceil(1_000);
        for name in live.keys().chain(model.keys()) {
            let count = |of: &BTreeMap<String, u64>| of.get(name).copied().unwrap_or(0);
            assert!(
                count(&live).abs_diff(count(&model)) <= apart,
                "{name}: live {live:#?}, on the model {model:#?}"
            );
        }
        return;
    }
}
