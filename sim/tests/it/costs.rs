//! What a wrong remedy throws away is told, and of a right one nothing is: on the model. `cli/tests/it/costs.rs` does the same for
//! real.

use crate::support::plan_of;
use firedrill_reports::record::{Audit, Cost};
use firedrill_sim::engine::Observation;
use firedrill_sim::engine::virtual_time::{self, VirtualOptions};
use std::collections::BTreeMap;

/// Exports of 5 min beside mail that takes 100 ms, whose dependency fails from 2m to 6m; `more`: entries of the timeline, one of
/// them with the id `mend`.
pub(crate) fn scenario(more: &str) -> String {
    format!(
        "version: firedrill/v1\nname: costs\nfamily: retry-storm\nsummary: s\nduration: 12m\nwarmup: 1m\n\
         queues: {{ default: {{ wait_objective: 60s }}, apart: {{ wait_objective: 60s }} }}\n\
         workload:\n\
         \x20 - {{ task: export, queue: default, arrivals: {{ constant: 1/m }}, service: {{ constant: 5m }} }}\n\
         \x20 - {{ task: pay, queue: default, arrivals: {{ constant: 2/s }}, service: {{ constant: 100ms }} }}\n\
         \x20 - {{ task: poison, queue: default, arrivals: {{ constant: 6/m }}, service: {{ constant: 100ms }}, fail: 100% }}\n\
         workers: [{{ name: w, processes: 2, concurrency: 10, queues: [default], retry_delay: {{ constant: 3m }} }}]\n\
         timeline:\n\
         \x20 - {{ id: storm, at: 2m, fault: handler.fail, task: pay, share: 100%, until: {{ at: 6m }} }}\n{more}\
         incidents: [{{ cause: retry-storm, of: storm, wanted: page, within: 2m }}]\n"
    )
}

fn audit_of(text: &str) -> Audit {
    let plan = plan_of(text);
    let mut audited = None;
    let sink = &mut |observation| {
        match observation {
            Observation::Mark(mark) => assert!(mark.verified, "{mark:?}"),
            Observation::Ledger { audited: all, .. } => audited = Some(all.audit),
            _ => {}
        }
        Ok(())
    };
    virtual_time::run(&plan, VirtualOptions::default(), sink).unwrap();
    let audit = audited.unwrap();
    assert_eq!(audit.unexplained, Default::default());
    audit
}

/// What `mend` costs, and that nothing else costs anything.
fn cost_of(mend: &str) -> Option<Cost> {
    let mut costs = audit_of(&scenario(mend)).costs;
    let cost = costs.remove("mend");
    assert_eq!(costs, BTreeMap::new());
    cost
}

#[test]
fn a_restart_during_long_jobs_throws_their_work_away() {
    let restart = "  - { id: mend, at: 9m, remedy: worker.restart, select: all }\n";
    let cost = cost_of(restart).unwrap();
    // Those of the last five minutes, one a minute: they have worked for 1, 2, 3, 4 and nearly 5 minutes, and for the 8 s of the
    // graceful shutdown.
    assert!((4..=5).contains(&cost.cut_off), "{cost:?}");
    let minutes = cost.work_lost_ms as f64 / 6e4;
    assert!((7.0..16.0).contains(&minutes), "{cost:?}");
    assert_eq!((cost.archived, cost.deleted, cost.failed_again), (0, 0, 0));
    // One process after the other, or half of them for good.
    let rolling = "  - { id: mend, at: 8m, remedy: worker.rolling-restart, select: all }\n";
    let scale = "  - { id: mend, at: 9m, remedy: workers.scale, worker: w, to: 1 }\n";
    let (rolled, scaled) = (cost_of(rolling).unwrap(), cost_of(scale).unwrap());
    assert!(rolled.cut_off >= 3, "{rolled:?}");
    assert!(
        scaled.cut_off >= 1 && scaled.cut_off < cost.cut_off,
        "{scaled:?}"
    );
}

#[test]
fn whoever_archives_or_deletes_all_retries_of_a_storm_throws_jobs_away() {
    let without = audit_of(&scenario(""));
    assert_eq!(without.costs, BTreeMap::new());
    let (mut archived, mut deleted) = (0, 0);
    for deed in ["archive", "delete"] {
        let text = scenario(&format!(
            "  - {{ id: mend, at: 5m, remedy: tasks.{deed}, queue: default, state: retry }}\n"
        ));
        let audit = audit_of(&text);
        let cost = audit.costs["mend"];
        assert_eq!(
            (cost.cut_off, cost.failed_again, cost.work_lost_ms),
            (0, 0, 0)
        );
        // Payments of three minutes, two a second; the poison among them would have failed for ever.
        assert!(
            (300..=365).contains(&(cost.archived + cost.deleted)),
            "{cost:?}"
        );
        // Without the remedy they would have been done.
        assert_eq!(
            audit.succeeded + cost.archived + cost.deleted,
            without.succeeded,
            "{audit:?} {without:?}"
        );
        (archived, deleted) = (archived + cost.archived, deleted + cost.deleted);
    }
    assert_eq!(archived, deleted);
}

#[test]
fn whoever_deletes_what_waits_throws_jobs_away() {
    let paused = "\x20 - { at: 7m, id: paused, fault: queue.pause, queue: default, until: { at: 9m, remedy: queue.unpause } }
  - { id: mend, at: 8m, remedy: tasks.delete, queue: default, state: pending }
";
    let cost = cost_of(paused).unwrap();
    // Two payments a second for a minute, and retries that came due.
    assert!(cost.deleted >= 110, "{cost:?}");
}

#[test]
fn whoever_runs_retries_while_nothing_is_mended_has_them_fail_again() {
    let early =
        "  - { id: mend, at: 4m, remedy: tasks.run, queue: default, state: retry, task: pay }\n";
    let cost = cost_of(early).unwrap();
    assert!((230..=245).contains(&cost.failed_again), "{cost:?}");
    let seconds = cost.work_lost_ms as f64 / 1e3;
    assert!(
        (seconds - cost.failed_again as f64 * 0.1).abs() < 1.0,
        "{cost:?}"
    );
}

#[test]
fn whoever_moves_tasks_to_where_nobody_serves_strands_them() {
    let away =
        "  - { id: mend, at: 5m, remedy: task.move, task: pay, queue: default, to: apart }\n";
    let cost = cost_of(away).unwrap();
    assert!(cost.stranded > 300, "{cost:?}");
}

/// What mends something, or takes only what would never have been done, costs nothing.
#[test]
fn of_a_right_remedy_no_cost_is_told() {
    for right in [
        // They are mended by then.
        "  - { id: mend, at: 7m, remedy: tasks.run, queue: default, state: retry, task: pay }\n",
        // Those fail whatever is done.
        "  - { id: mend, at: 5m, remedy: tasks.archive, queue: default, state: retry, task: poison }\n",
        "  - { id: mend, at: 5m, remedy: tasks.delete, queue: default, state: retry, task: poison }\n",
        // More hands, and a queue that was closed by mistake.
        "  - { id: mend, at: 5m, remedy: workers.scale, worker: w, to: 4 }\n",
        "  - { id: mend, at: 7m, fault: queue.pause, queue: default, until: { at: 8m, remedy: queue.unpause } }\n",
        // Who is dead or frozen has lost its work to that.
        "  - { id: mend, at: 7m, fault: worker.kill, select: all, until: { at: 8m, remedy: worker.restart } }\n",
        "  - { id: mend, at: 7m, fault: worker.stop, select: all, until: { at: 8m, remedy: worker.restart } }\n",
        // Handlers that lock each other out do not come back by themselves.
        "  - { id: mend, at: 7m, fault: handler.deadlock, select: all, until: { at: 8m, remedy: worker.restart } }\n",
        "  - { id: mend, at: 7m, fault: handler.leak, every: 10, select: all, until: { at: 8m, remedy: worker.restart } }\n",
        "  - { id: mend, at: 7m, fault: worker.deploy-broken, select: all, until: { at: 8m, remedy: worker.rollback } }\n",
        "  - { id: mend, at: 7m, fault: redis.kill, until: { at: 8m, remedy: redis.start } }\n",
    ] {
        assert_eq!(cost_of(right), None, "{right}");
    }
    // Short jobs are through before the graceful shutdown is.
    let short = scenario("  - { id: mend, at: 9m, remedy: worker.restart, select: all }\n")
        .replace("constant: 5m", "constant: 5s");
    assert_eq!(audit_of(&short).costs, BTreeMap::new());
}
