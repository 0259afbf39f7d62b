//! What remedies threw away, by hand. Times in seconds since the start.

use super::*;
use crate::audit::{ByHand, Hand};
use firedrill_reports::record::Cost;

/// Two processes; `steps`: the timeline.
fn plan(steps: &str) -> Plan {
    let text = format!(
        "version: firedrill/v1\nname: t\nfamily: other\nsummary: s\nduration: 10m\nwarmup: 1m\n\
         queues: {{ default: {{ wait_objective: 60s }}, away: {{ wait_objective: 60s }} }}\n\
         workload:\n\
         \x20 - {{ task: a, queue: default, arrivals: {{ poisson: 1/s }}, service: {{ constant: 1s }}, timeout: 200s }}\n\
         \x20 - {{ task: poison, queue: default, arrivals: {{ poisson: 1/s }}, service: {{ constant: 1s }}, fail: 100% }}\n\
         workers: [{{ name: w, processes: 2, concurrency: 10, queues: [default] }}]\n\
         timeline:\n{steps}\
         incidents: [{{ cause: other, wanted: page, within: 1m, at: 100s, until: 300s }}]\n"
    );
    let scenario = Scenario::parse("s.yaml", &text).unwrap_or_else(|found| panic!("{found:?}"));
    Plan::resolve(&scenario, &PlanOptions::default()).unwrap_or_else(|found| panic!("{found:?}"))
}

const RESTART: &str = "  - { id: mend, at: 300s, remedy: worker.restart, select: all }\n";

/// What the remedy `mend` costs when `w-0` is ended by it at 310 with `a`, since 250, and `b`, since 290, in its hands.
fn cut(steps: &str, absences: &Absences) -> Option<Cost> {
    let plan = plan(steps);
    let arrivals = [arrival("a", 240, true), arrival("b", 240, true)];
    let ledgers = [ProcessLedger {
        process: "w-0".into(),
        entries: vec![started("a", 250, 0), started("b", 290, 0)],
        killed_at: Some(at(310)),
        ended_by: Some("mend".into()),
    }];
    let states = ["a", "b"].map(|id| (id.to_owned(), TaskState::Pending));
    let left = Leftover {
        states: BTreeMap::from(states),
        ..Leftover::default()
    };
    let audit = audit(&Evidence {
        plan: &plan,
        origin: at(0),
        end: at(600),
        producer: arrivals.as_flattened(),
        ledgers: &ledgers,
        left: &left,
        by_hand: &[],
        absences: absences.clone(),
        ledgers_whole: true,
        counted: None,
    });
    audit.audit.costs.get("mend").copied()
}

#[test]
fn work_in_progress_is_lost_to_whoever_takes_its_process_away() {
    let cost = cut(RESTART, &Absences::default());
    let expected = Cost {
        cut_off: 2,
        work_lost_ms: 80_000,
        ..Cost::default()
    };
    assert_eq!(cost, Some(expected));
}

#[test]
fn what_a_fault_had_in_its_hands_is_not_lost_to_the_remedy() {
    // Its process was stopped, or out of reach of a signal, when the remedy was due.
    let mut stopped = Absences::default();
    stopped.leaves("w-0", at(270));
    assert_eq!(cut(RESTART, &stopped), None);
    let mut other = Absences::default();
    other.leaves("w-1", at(270));
    assert!(cut(RESTART, &other).is_some());
    // Handlers that may be stuck, while the fault was on, in those processes.
    let with = |fault: &str| cut(&format!("{fault}{RESTART}"), &Absences::default());
    let leak = |select: &str, until: &str| {
        with(&format!(
            "  - {{ at: 200s, fault: handler.leak, every: 50, select: [{select}], until: {{ at: {until}, remedy: worker.restart }} }}\n"
        ))
    };
    assert_eq!(leak("w-0", "299s"), None);
    assert_eq!(leak("w-1", "299s").map(|cost| cost.cut_off), Some(2));
    // `b` began when it was over.
    assert_eq!(leak("w-0", "280s").map(|cost| cost.cut_off), Some(1));
}

#[test]
fn an_attempt_that_was_over_is_no_loss() {
    let short = plan(RESTART);
    let mut auditor = Auditor::new(&short, at(0), at(600));
    let mut life = accepted(&auditor, 0, 10);
    auditor.started(&mut life, at(20));
    let (process, by) = ("w-0", Some("mend"));
    // It has timed out after 200 s.
    auditor.killed(
        &mut life,
        End {
            at: at(310),
            process,
            by,
        },
    );
    auditor.close(&life, Some(rest(TaskState::Retry)), String::new);
    assert_eq!(auditor.finish().audit.costs, BTreeMap::new());
}

const BY_HAND: &str = "\
\x20 - { id: archive, at: 200s, remedy: tasks.archive, queue: default, state: retry }
\x20 - { id: delete, at: 210s, remedy: tasks.delete, queue: default, state: pending }
\x20 - { id: sweep, at: 220s, remedy: tasks.delete, queue: default, state: archived }
\x20 - { id: run, at: 230s, remedy: tasks.run, queue: default, state: retry }
\x20 - { id: move, at: 240s, remedy: task.move, task: a, queue: default, to: away }
";

/// The costs of a drill with one task, of this workload entry, to which this was done; `left`: where it is in the end.
fn by_hand(
    entry: u32,
    done: &[(i64, Hand, &str)],
    left: Option<TaskState>,
) -> BTreeMap<String, Cost> {
    let plan = plan(BY_HAND);
    let mut auditor = Auditor::new(&plan, at(0), at(600));
    auditor.halt(&BTreeSet::from(["away".to_owned()]));
    let mut life = accepted(&auditor, entry, 100);
    auditor.started(&mut life, at(110));
    auditor.finished(&mut life, at(111), Finish::FailedByFault);
    for (when, what, by) in done {
        auditor.by_hand(&mut life, (at(*when), *what), by);
    }
    auditor.close(&life, left.map(rest), String::new);
    auditor.finish().audit.costs
}

fn one(id: &str, cost: Cost) -> BTreeMap<String, Cost> {
    BTreeMap::from([(id.to_owned(), cost)])
}

#[test]
fn what_would_have_been_tried_again_is_lost_to_whoever_archived_or_deleted_it() {
    let archive = (200, Hand::Did(Deed::Archive), "archive");
    let delete = (210, Hand::Did(Deed::Delete), "delete");
    let sweep = (220, Hand::Did(Deed::Delete), "sweep");
    let run = (230, Hand::Did(Deed::Run), "run");
    let archived = Cost {
        archived: 1,
        ..Cost::default()
    };
    let deleted = Cost {
        deleted: 1,
        ..Cost::default()
    };
    let in_archive = Some(TaskState::Archived);
    assert_eq!(by_hand(0, &[archive], in_archive), one("archive", archived));
    assert_eq!(by_hand(0, &[delete], None), one("delete", deleted));
    // Whoever sweeps the archive takes nothing that would have been tried again.
    assert_eq!(
        by_hand(0, &[archive, sweep], None),
        one("archive", archived)
    );
    assert_eq!(by_hand(0, &[sweep], None), BTreeMap::new());
    // It was run again after all, or it fails whatever is done.
    let waits = Some(TaskState::Pending);
    assert_eq!(by_hand(0, &[archive, run], waits), BTreeMap::new());
    assert_eq!(by_hand(1, &[archive], in_archive), BTreeMap::new());
    assert_eq!(by_hand(1, &[delete], None), BTreeMap::new());
}

#[test]
fn what_is_moved_to_where_nobody_serves_is_stranded() {
    let moved = (240, Hand::Moved(1), "move");
    let stranded = Cost {
        stranded: 1,
        ..Cost::default()
    };
    let waits = Some(TaskState::Pending);
    assert_eq!(by_hand(0, &[moved], waits), one("move", stranded));
    let back = (250, Hand::Moved(0), "move");
    assert_eq!(by_hand(0, &[moved, back], waits), BTreeMap::new());
}

#[test]
fn what_comes_after_a_move_to_where_nobody_serves_is_stranded_too() {
    let plan =
        plan("  - { id: move, at: 240s, remedy: task.move, task: a, queue: default, to: away }\n");
    let arrivals = [arrival("before", 230, true), arrival("after", 250, true)];
    let states = ["before", "after"].map(|id| (id.to_owned(), TaskState::Pending));
    let left = Leftover {
        states: BTreeMap::from(states),
        ..Leftover::default()
    };
    let audit = audit(&Evidence {
        plan: &plan,
        origin: at(0),
        end: at(600),
        producer: arrivals.as_flattened(),
        ledgers: &[],
        left: &Leftover {
            halted: halted(&plan, &BTreeSet::new(), |_| true),
            ..left
        },
        by_hand: &[],
        absences: Absences::default(),
        ledgers_whole: true,
        counted: None,
    });
    let stranded = Cost {
        stranded: 1,
        ..Cost::default()
    };
    assert_eq!(audit.audit.costs, one("move", stranded));
}

#[test]
fn what_is_run_too_early_and_fails_again_is_told_once() {
    let plan = plan(BY_HAND);
    let cost_of = |hows: &[Finish], by_itself: bool| {
        let mut auditor = Auditor::new(&plan, at(0), at(600));
        let mut life = accepted(&auditor, 0, 100);
        auditor.started(&mut life, at(110));
        auditor.finished(&mut life, at(111), Finish::FailedByFault);
        if !by_itself {
            auditor.by_hand(&mut life, (at(230), Hand::Did(Deed::Run)), "run");
        }
        for (number, how) in (0..).zip(hows) {
            auditor.started(&mut life, at(240 + 10 * number));
            auditor.finished(&mut life, at(243 + 10 * number), *how);
        }
        auditor.close(&life, Some(rest(TaskState::Retry)), String::new);
        auditor.finish().audit.costs
    };
    let failed = Cost {
        failed_again: 1,
        work_lost_ms: 3_000,
        ..Cost::default()
    };
    let by_fault = Finish::FailedByFault;
    // The second failure is of a retry that came by itself.
    assert_eq!(cost_of(&[by_fault, by_fault], false), one("run", failed));
    assert_eq!(cost_of(&[Finish::Ok], false), BTreeMap::new());
    assert_eq!(cost_of(&[by_fault], true), BTreeMap::new());
}

/// A process that is killed by a fault, or that goes by itself while a remedy is due, costs no remedy anything.
#[test]
fn nobody_is_charged_for_what_another_did() {
    let plan = plan(RESTART);
    let by_hand: [ByHand; 0] = [];
    for by in [None, Some("somebody".to_owned())] {
        let arrivals = [arrival("a", 240, true)];
        let ledgers = [ProcessLedger {
            process: "w-0".into(),
            entries: vec![started("a", 250, 0)],
            killed_at: Some(at(310)),
            ended_by: by,
        }];
        let audited = audit(&Evidence {
            plan: &plan,
            origin: at(0),
            end: at(600),
            producer: arrivals.as_flattened(),
            ledgers: &ledgers,
            left: &Leftover::default(),
            by_hand: &by_hand,
            absences: Absences::default(),
            ledgers_whole: true,
            counted: None,
        });
        assert_eq!(audited.audit.costs, BTreeMap::new());
    }
}
