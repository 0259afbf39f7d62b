//! Options of tasks in scenarios: what they do to tasks, and that a plan says them.

use crate::support::plan_of;
use firedrill_sim::audit::Audited;
use firedrill_sim::engine::Observation;
use firedrill_sim::engine::virtual_time::{self, VirtualOptions};
use firedrill_sim::plan::Plan;

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
