//! Options of tasks in scenarios: what they do to tasks, and that a plan says them.

use crate::support::plan_of;
use firedrill_sim::audit::Audited;
use firedrill_sim::engine::Observation;
use firedrill_sim::engine::virtual_time::{self, VirtualOptions};
use firedrill_sim::plan::Plan;
use std::collections::BTreeMap;

/// Every option, on tasks whose number is known: one a minute for an hour, or by the calendar.
const SCENARIO: &str = "\
version: firedrill/v1
name: options
family: benign
summary: One task of each kind a minute.
seed: 3
duration: 70m
queues: { default: { wait_objective: 10s } }
workload:
  - { task: kept, queue: default, arrivals: { constant: 1/m, until: 1h }, service: { constant: 1s }, retention: 2h, result: done }
  - { task: later, queue: default, arrivals: { constant: 1/m, until: 1h }, service: { constant: 1s }, delay: 5m }
  - { task: skips, queue: default, arrivals: { constant: 1/m, until: 1h }, service: { constant: 1s }, fail: 100%, fail_as: skip_retry }
  - { task: revokes, queue: default, arrivals: { constant: 1/m, until: 1h }, service: { constant: 1s }, fail: 100%, fail_as: revoke }
  - { task: late, queue: default, arrivals: { constant: 1/m, until: 1h }, service: { constant: 30s }, deadline: 10s, max_retry: 0 }
  - { task: often, queue: default, arrivals: { cron: \"@every 5m\" }, service: { constant: 1s } }
workers:
  - { name: w, processes: 1, concurrency: 20, groups: { grace_period: 10s, max_delay: 1m, max_size: 5, into: digest } }
";

fn audited(plan: &Plan) -> Audited {
    let mut found = None;
    virtual_time::run(plan, VirtualOptions::default(), &mut |observation| {
        if let Observation::Ledger { audited, .. } = observation {
            found = Some(*audited);
        }
        Ok(())
    })
    .unwrap();
    found.unwrap()
}

#[test]
fn a_plan_says_every_option_so_that_it_is_read_back() {
    let plan = plan_of(SCENARIO);
    let written = plan.to_yaml();
    assert_eq!(plan_of(&written), plan, "{written}");
}

#[test]
fn every_task_ends_as_its_options_say() {
    let audit = audited(&plan_of(SCENARIO)).audit;
    // Five times sixty, and one every five minutes but for the last, which comes at the very end.
    assert_eq!(audit.intended, 300 + 13, "{audit:?}");
    assert_eq!(
        (audit.rejected, audit.lost, audit.executed_twice),
        (0, 0, 0),
        "{audit:?}"
    );
    // Given up: what skips its retries, what is revoked, what misses its deadline without a retry left. Their handlers go on
    // after the deadline, and return.
    assert_eq!(audit.archived, 120, "{audit:?}");
    assert_eq!(audit.succeeded, 120 + 60 + 13, "{audit:?}");
    // A task that is not due yet keeps nobody waiting: the forwarder looks every 5 s, a worker every 1.5 s at most.
    assert_eq!(audit.late, 0, "{audit:?}");
    assert!(audit.wait_ms[2] < 7_000, "{audit:?}");
}

/// Tasks that are refused because there is such a one.
const DUPLICATES: &str = "\
version: firedrill/v1
name: duplicates
family: other
summary: A periodic task with a fixed id is archived once, and nobody notices.
seed: 1
duration: 60m
warmup: 5m
queues: { default: { wait_objective: 60s } }
workload:
  - { task: verify, queue: default, arrivals: { cron: \"@every 1m\" }, service: { constant: 2s }, task_id: verify, max_retry: 0 }
  - { task: hourly, queue: default, arrivals: { constant: 1/m }, service: { constant: 1s }, task_id: \"hourly-{n % 12}\", retention: 5m30s }
  - { task: slow, queue: default, arrivals: { constant: 1/m }, service: { constant: 150s }, unique: { ttl: 1h, keys: 2 } }
  - { task: sync, queue: default, arrivals: { constant: 1/m }, service: { constant: 200ms }, unique: 1h, group: tenants, payload: 50KB }
workers:
  - { name: w, processes: 1, concurrency: 20 }
timeline:
  - { at: 20m, fault: handler.fail, task: verify, share: 100%, until: { at: 22m } }
incidents:
  - { cause: other, of: handler.fail, unusual_cause: true, wanted: ticket, within: 10m }
";

#[test]
fn a_duplicate_is_refused_counted_and_harms_nobody() {
    let plan = plan_of(DUPLICATES);
    assert_eq!(plan_of(&plan.to_yaml()), plan, "{}", plan.to_yaml());
    let (mut audited, mut names, mut last) = (None, BTreeMap::new(), BTreeMap::new());
    virtual_time::run(&plan, VirtualOptions::default(), &mut |observation| {
        match observation {
            Observation::Series { id, labels } => {
                names.insert(id, labels.to_string());
            }
            Observation::Scrape { values, .. } => last.extend(values),
            Observation::Ledger { audited: found, .. } => audited = Some(*found),
            _ => {}
        }
        Ok(())
    })
    .unwrap();
    let value = |of: &[&str]| {
        let named = |(_, name): &(&u32, &String)| of.iter().all(|part| name.contains(part));
        let mut found = names
            .iter()
            .filter(named)
            .filter_map(|(id, _)| last.get(id));
        found.next().copied()
    };
    let enqueued = |task: &str, result: &str| value(&["job_enqueued_total", task, result]);
    // The one that fails at 20m stays in the archive, and every later one is refused.
    assert_eq!(enqueued("verify", "\"ok\""), Some(20.0));
    assert_eq!(enqueued("verify", "\"duplicate\""), Some(39.0));
    // Twelve keys, and each is free again after five minutes.
    assert_eq!(enqueued("hourly", "\"ok\""), Some(60.0));
    assert_eq!(enqueued("hourly", "\"duplicate\""), None);
    // 150 s of each two minutes somebody holds the lock.
    assert_eq!(enqueued("slow", "\"ok\""), Some(30.0));
    assert_eq!(enqueued("slow", "\"duplicate\""), Some(30.0));
    let audited = audited.unwrap();
    let audit = &audited.audit;
    assert_eq!(
        (audit.duplicates, audit.rejected),
        (39 + 30, 0),
        "{audit:?}"
    );
    assert_eq!(
        (audit.archived, audit.lost, audit.executed_twice),
        (1, 0, 0)
    );
    // What waits in its group is late, and there is no end to it.
    assert!((58..=60).contains(&audit.still_queued), "{audit:?}");
    let late = audit.late;
    assert!((58..=60).contains(&late), "{audit:?}");
    // 60 payloads of 50 KB, each in 56 KB of memory.
    let used = value(&["redis_memory_used_bytes"]).unwrap();
    let expected = 1e6 + 60.0 * 57_344.0;
    assert!((used - expected).abs() < 100e3, "{used} {expected}");
}

/// A drill of ten minutes with these arrivals, and as many slots.
fn drill_of(arrivals: &str, concurrency: u32) -> Audited {
    let text = format!(
        "version: firedrill/v1\nname: t\nfamily: benign\nsummary: s\nseed: 2\nduration: 10m\nwarmup: 1m\nqueues: {{ default: {{}} }}\n\
         workload: [{{ task: a, queue: default, arrivals: {arrivals}, service: {{ constant: 100s }} }}]\n\
         workers: [{{ name: w, concurrency: {concurrency} }}]\n"
    );
    audited(&plan_of(&text))
}

#[test]
fn a_drill_in_which_nothing_came_says_so_whatever_should_have() {
    for arrivals in [
        "{ cron: \"0 12 * * *\" }",
        "{ stages: [{ duration: 1m, target: 1/h }] }",
        "{ stages: [{ duration: 1m, target: 1/h }], evenly: true }",
        "{ diurnal: { mean: 0.1/h, peak_to_trough: 1000, peak_at: \"12:00\" } }",
        "{ mmpp: [{ rate: 0/s, mean_stay: 300h }, { rate: 1/s, mean_stay: 1m }] }",
        "{ trace: { data: \"5000\", at: 10m } }",
        "{ poisson: 0.01/h }",
    ] {
        let audit = drill_of(arrivals, 10).audit;
        assert_eq!(audit.intended, 0, "{arrivals}");
        assert_eq!(audit.unexplained.never_came, ["a"], "{arrivals}");
    }
    let came = drill_of("{ trace: { data: \"5000*3\", at: 8m } }", 10).audit;
    assert_eq!((came.intended, came.unexplained.never_came.len()), (3, 0));
}

#[test]
fn a_process_may_have_a_hundred_thousand_slots() {
    // 90,000 tasks of 100 s within half a minute, all of them at once under way, their leases kept by heartbeats.
    let audited = drill_of("{ burst: { count: 90000, at: 2m, over: 30s } }", 100_000);
    let audit = &audited.audit;
    assert_eq!(
        (audit.succeeded, audit.executed_twice, audit.late),
        (90_000, 0, 0),
        "{audit:?}"
    );
}
