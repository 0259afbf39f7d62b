//! Audits by hand. Times in seconds since the start; the incident begins at 100.

mod costs;
mod harm;
mod histories;
mod unseen;

use super::*;
use crate::plan::PRODUCER;
use crate::scenario::{PlanOptions, Scenario};
use firedrill_asynq::note::{Finish, Note};
use firedrill_asynq::op::{Deed, TaskState};
use firedrill_reports::record::Unexplained;
use std::collections::BTreeMap;

fn plan() -> Plan {
    let text = "version: firedrill/v1\nname: t\nfamily: worker-crashed\nsummary: s\nduration: 10m\n\
                queues: { default: { wait_objective: 60s } }\n\
                workload: [{ task: a, queue: default, arrivals: { poisson: 1/s }, service: { constant: 1s } }]\n\
                workers: [{ name: w, concurrency: 10 }]\n\
                incidents: [{ cause: worker-crashed, wanted: page, within: 1m, at: 100s, until: 300s }]\n";
    Plan::resolve(
        &Scenario::parse("s.yaml", text).unwrap(),
        &PlanOptions::default(),
    )
    .unwrap()
}

fn at(seconds: i64) -> Time {
    Time::from_millis(seconds * 1_000)
}

fn arrival(id: &str, sent: i64, accepted: bool) -> [Note<String>; 2] {
    let answer = match accepted {
        true => Intake::Accepted,
        false => Intake::Rejected,
    };
    let (id, at, intended) = (id.to_owned(), at(sent), at(sent));
    let answered = Note::Answered {
        at,
        id: id.clone(),
        answer,
    };
    let sent = Note::Sent {
        at,
        id,
        workload: 0,
        intended,
    };
    [sent, answered]
}

fn started(id: &str, seconds: i64, retried: i32) -> Note<String> {
    Note::Started {
        at: at(seconds),
        id: id.into(),
        retried,
    }
}

fn finished(id: &str, seconds: i64, retried: i32, how: Finish) -> Note<String> {
    Note::Finished {
        at: at(seconds),
        id: id.into(),
        retried,
        how,
        overrun_us: 0,
        taken_off_us: 0,
    }
}

fn run(
    arrivals: &[[Note<String>; 2]],
    ledgers: &[(Vec<Note<String>>, Option<i64>)],
    left: &[(&str, TaskState)],
) -> (Audit, Impact) {
    run_with(arrivals, ledgers, left, (&Absences::default(), true))
}

fn run_with(
    arrivals: &[[Note<String>; 2]],
    ledgers: &[(Vec<Note<String>>, Option<i64>)],
    left: &[(&str, TaskState)],
    (absences, ledgers_whole): (&Absences, bool),
) -> (Audit, Impact) {
    let plan = plan();
    let ledgers: Vec<ProcessLedger> = ledgers
        .iter()
        .map(|(entries, killed)| ProcessLedger {
            process: "w-0".into(),
            entries: entries.clone(),
            killed_at: killed.map(at),
            ended_by: None,
        })
        .collect();
    let states = left.iter().map(|(id, state)| ((*id).to_owned(), *state));
    let left = Leftover {
        states: states.collect(),
        ..Leftover::default()
    };
    let evidence = Evidence {
        plan: &plan,
        origin: at(0),
        end: at(600),
        producer: arrivals.as_flattened(),
        ledgers: &ledgers,
        left: &left,
        by_hand: &[],
        absences: absences.clone(),
        ledgers_whole,
        counted: None,
    };
    let mut audited = audit(&evidence);
    (audited.audit, audited.impacts.remove(0))
}

#[test]
fn every_fate_is_told_apart() {
    let arrivals = [
        arrival("done", 1, true),
        arrival("retried", 2, true),
        arrival("archived", 3, true),
        arrival("waiting", 560, true),
        arrival("lost", 5, true),
        arrival("refused", 6, false),
    ];
    let ledger = vec![
        started("done", 2, 0),
        finished("done", 3, 0, Finish::Ok),
        started("retried", 3, 0),
        finished("retried", 4, 0, Finish::Failed),
        started("retried", 30, 1),
        finished("retried", 31, 1, Finish::Ok),
        started("archived", 4, 0),
        finished("archived", 5, 0, Finish::Failed),
        started("lost", 6, 0),
        finished("lost", 7, 0, Finish::Failed),
    ];
    let left = [
        ("archived", TaskState::Archived),
        ("waiting", TaskState::Pending),
    ];
    let (audit, impact) = run(&arrivals, &[(ledger, None)], &left);
    let expected = Audit {
        unexplained: Unexplained {
            rejected: 1,
            lost: 1,
            examples: vec!["lost lost".into(), "rejected refused".into()],
            ..Unexplained::default()
        },
        queued: BTreeMap::from([("pending".to_owned(), 1)]),
        intended: 6,
        enqueued: 5,
        rejected: 1,
        duplicates: 0,
        succeeded: 2,
        archived: 1,
        still_queued: 1,
        lost: 1,
        failed_executions: 3,
        wait_ms: [1_000, 1_000, 1_000],
        examples: vec!["lost lost".into()],
        ..Audit::default()
    };
    assert_eq!(audit, expected);
    assert_eq!(
        (impact.harmed_tasks, impact.first_ms),
        (0, None),
        "all of it was before the incident"
    );
}

#[test]
fn what_succeeded_and_is_archived_or_waits_all_the_same_is_told() {
    let names = ["archived", "retried", "held"];
    let arrivals = names.map(|id| arrival(id, 1, true));
    let ledger = names.map(|id| [started(id, 2, 0), finished(id, 90, 0, Finish::Ok)]);
    let left = [
        ("archived", TaskState::Archived),
        ("retried", TaskState::Retry),
        ("held", TaskState::Active),
    ];
    let (audit, _) = run(&arrivals, &[(ledger.concat(), None)], &left);
    let counts = (audit.succeeded, audit.archived, audit.still_queued);
    assert_eq!(counts, (3, 0, 0));
    assert_eq!(
        audit.succeeded_unheard, 2,
        "asynq may hear of the third yet"
    );
}

#[test]
fn what_never_came_is_named() {
    let (audit, impact) = run(&[], &[], &[]);
    assert_eq!(audit.unexplained.never_came, ["a"]);
    assert!(impact.queues.is_empty());
}

#[test]
fn quantiles_are_nearest_rank() {
    assert_eq!(quantiles(&mut []), [0, 0, 0]);
    assert_eq!(quantiles(&mut [5]), [5, 5, 5]);
    assert_eq!(
        quantiles(&mut (1..=200).collect::<Vec<_>>()),
        [100, 198, 200]
    );
}

#[test]
fn what_is_taken_up_after_an_absence_and_recovered_meanwhile_is_explained() {
    let text = "version: firedrill/v1\nname: t\nfamily: benign\nsummary: s\nduration: 10m\nwarmup: 1m\n\
         queues: { default: { wait_objective: 60s } }\n\
         workload: [{ task: a, queue: default, arrivals: { poisson: 1/s }, service: { constant: 1s } }]\n\
         workers: [{ name: w, concurrency: 10 }]\n";
    let scenario = Scenario::parse("s.yaml", text).unwrap();
    let plan = Plan::resolve(&scenario, &PlanOptions::default()).unwrap();
    let run_twice = |first: i64| {
        let mut auditor = Auditor::new(&plan, at(0), at(600));
        auditor.absences.leaves("w-0", at(60));
        auditor.absences.returns("w-0", at(120));
        let mut life = Life::sent(at(59), 0);
        auditor.answered(&mut life, at(59), Intake::Accepted, PRODUCER);
        for start in [first, first + 4] {
            auditor.started(&mut life, at(start));
            auditor.finished(&mut life, at(start + 1), Finish::Ok);
        }
        auditor.close(&life, None, || "t".into());
        auditor.finish().audit.unexplained.run_twice
    };
    // Redis had given it to the one that was stopped; its lease ran out meanwhile, and both work on it.
    assert_eq!(run_twice(121), 0);
    assert_eq!(run_twice(151), 1, "long after that nobody is to blame");
}

#[test]
fn what_a_step_explains_is_not_unexplained() {
    let arrivals = [
        arrival("refused", 100, false),
        arrival("lost", 101, true),
        arrival("late", 150, true),
        arrival("killed", 160, true),
        arrival("slow", 170, true),
        arrival("twice", 180, true),
    ];
    let ledgers = [(
        vec![
            started("killed", 161, 0),
            // Nobody was away, and the first attempt has not failed.
            started("twice", 181, 0),
            finished("twice", 182, 0, Finish::Ok),
            started("twice", 190, 1),
            finished("twice", 191, 1, Finish::Ok),
            started("late", 151, 0),
            finished("late", 152, 0, Finish::Failed),
            started("late", 200, 1),
            finished("late", 201, 1, Finish::Ok),
            // Its attempts may take half an hour.
            started("slow", 171, 0),
            started("slow", 1_971, 1),
            finished("slow", 1_972, 1, Finish::Ok),
            started("strange", 300, 0),
        ],
        None,
    )];
    let second = (
        vec![
            started("killed", 230, 1),
            finished("killed", 231, 1, Finish::Ok),
        ],
        None,
    );
    let ledgers = [ledgers[0].clone(), second];
    let left = [("odd", TaskState::Pending)];
    let (audit, _) = run(&arrivals, &ledgers, &left);
    let expected = Unexplained {
        rejected: 1,
        lost: 1,
        run_twice: 2,
        foreign: 2,
        never_came: Vec::new(),
        examples: [
            "foreign odd",
            "foreign strange",
            "rejected refused",
            "lost lost",
            "run twice killed",
            "run twice twice",
        ]
        .map(str::to_owned)
        .into(),
    };
    assert_eq!(audit.unexplained, expected);

    // A worker was down meanwhile, and Redis was, and lost its data.
    let mut absences = Absences::default();
    absences.leaves("w-0", at(165));
    absences.returns("w-0", at(166));
    absences.leaves(REDIS, at(99));
    absences.loses_data(at(102));
    absences.returns(REDIS, at(102));
    let (audit, _) = run_with(&arrivals, &ledgers, &[], (&absences, true));
    let found = audit.unexplained;
    assert_eq!(
        (found.rejected, found.lost, found.run_twice, found.examples),
        (
            0,
            0,
            1,
            vec!["foreign strange".to_owned(), "run twice twice".to_owned()]
        )
    );

    // Who knows what the ledgers said?
    let (audit, _) = run_with(&arrivals, &ledgers, &[], (&Absences::default(), false));
    assert_eq!(
        (audit.lost, audit.untold, audit.unexplained.lost),
        (0, 1, 0)
    );
}

#[test]
fn tasks_that_share_an_id_have_lives_of_their_own() {
    let answered = |sent: i64, answer| {
        let [sent, _] = arrival("a", sent, true);
        let Note::Sent { at, ref id, .. } = sent else {
            panic!("{sent:?}");
        };
        let id = id.clone();
        [sent, Note::Answered { at, id, answer }]
    };
    // The second comes while the first is there; the third when it is done, and is archived; the fourth finds that.
    let arrivals = [
        answered(1, Intake::Accepted),
        answered(5, Intake::Duplicate),
        answered(10, Intake::Accepted),
        answered(20, Intake::Duplicate),
    ];
    let ledger = vec![
        started("a", 2, 0),
        finished("a", 8, 0, Finish::Ok),
        started("a", 11, 0),
        finished("a", 12, 0, Finish::Failed),
    ];
    let (audit, impact) = run(&arrivals, &[(ledger, None)], &[("a", TaskState::Archived)]);
    let counts = (audit.intended, audit.enqueued, audit.duplicates);
    assert_eq!(counts, (4, 2, 2), "{audit:?}");
    let fates = (audit.succeeded, audit.archived, audit.lost, audit.rejected);
    assert_eq!(fates, (1, 1, 0, 0), "{audit:?}");
    assert_eq!((audit.executed_twice, impact.harmed_tasks), (0, 0));
}

#[test]
fn a_call_that_was_repeated_over_an_outage_may_have_come_all_the_same() {
    let [sent, _] = arrival("a", 50, true);
    let id = "a".to_owned();
    let doubtful = [
        sent,
        Note::Answered {
            at: at(52),
            id,
            answer: Intake::Duplicate,
        },
    ];
    let arrivals = [arrival("a", 1, true), doubtful];
    let ledger = vec![
        started("a", 2, 0),
        finished("a", 3, 0, Finish::Ok),
        started("a", 60, 0),
        finished("a", 61, 0, Finish::Ok),
    ];
    let ledgers = [(ledger, None)];
    let mut absences = Absences::default();
    absences.leaves(REDIS, at(51));
    absences.returns(REDIS, at(52));
    let (audit, _) = run_with(&arrivals, &ledgers, &[], (&absences, true));
    let counts = (audit.enqueued, audit.succeeded, audit.executed_twice);
    assert_eq!((counts, audit.duplicates), ((2, 2, 0), 0), "{audit:?}");
    // Without an outage nothing is in doubt: the one that was accepted ran twice.
    let (audit, _) = run(&arrivals, &ledgers, &[]);
    let counts = (audit.enqueued, audit.succeeded, audit.executed_twice);
    assert_eq!((counts, audit.duplicates), ((1, 1, 1), 1), "{audit:?}");
}

fn rest(state: TaskState) -> Rest {
    Rest {
        state,
        leaseless: false,
        held: false,
    }
}

/// Two queues; `b` is served by nobody in the end, and its Redis loses its data at 400 s.
fn two_queues() -> Plan {
    let text = "version: firedrill/v1\nname: t\nfamily: redis-down\nsummary: s\nduration: 10m\nwarmup: 1m\n\
         queues: { a: { wait_objective: 60s }, b: { wait_objective: 60s } }\n\
         workload:\n\
         \x20 - { task: a, queue: a, arrivals: { poisson: 1/s }, service: { constant: 1s } }\n\
         \x20 - { task: b, queue: b, arrivals: { poisson: 1/s }, service: { constant: 1s } }\n\
         workers:\n\
         \x20 - { name: a, concurrency: 10, queues: [a] }\n\
         \x20 - { name: b, concurrency: 10, queues: [b] }\n\
         timeline: [{ id: wiped, at: 400s, fault: redis.kill, keep_data: false, until: { at: 401s, remedy: redis.start } }]\n\
         incidents: [{ cause: redis-down, of: wiped, wanted: page, within: 1m }]\n";
    Plan::resolve(
        &Scenario::parse("s.yaml", text).unwrap(),
        &PlanOptions::default(),
    )
    .unwrap()
}

fn accepted(auditor: &Auditor, workload: u32, sent: i64) -> Life {
    let mut life = Life::sent(at(sent), workload);
    auditor.answered(&mut life, at(sent), Intake::Accepted, PRODUCER);
    life
}

#[test]
fn what_is_deleted_by_hand_lost_orphaned_and_stuck_is_told_apart() {
    let mut auditor = Auditor::new(&two_queues(), at(0), at(600));
    auditor.halt(&BTreeSet::from(["b".to_owned()]));
    auditor.absences.loses_data(at(400));
    let close = |auditor: &mut Auditor, life: &Life, rest| {
        auditor.close(life, rest, || "t".into());
    };
    let mut deleted = accepted(&auditor, 0, 410);
    auditor.by_hand(&mut deleted, (at(450), Hand::Did(Deed::Delete)), "delete");
    close(&mut auditor, &deleted, None);
    let lost = accepted(&auditor, 0, 300);
    close(&mut auditor, &lost, None);
    let late = accepted(&auditor, 0, 401);
    close(&mut auditor, &late, None);
    let mut running = accepted(&auditor, 0, 599);
    running.started(at(599));
    for (leaseless, held) in [(true, false), (true, true), (false, false)] {
        let state = TaskState::Active;
        let rest = Rest {
            state,
            leaseless,
            held,
        };
        close(&mut auditor, &running, Some(rest));
    }
    let waiting = accepted(&auditor, 1, 590);
    close(&mut auditor, &waiting, Some(rest(TaskState::Pending)));
    let mut archived = accepted(&auditor, 0, 410);
    auditor.by_hand(
        &mut archived,
        (at(520), Hand::Did(Deed::Archive)),
        "archive",
    );
    close(&mut auditor, &archived, Some(rest(TaskState::Archived)));
    let audited = auditor.finish();
    let audit = &audited.audit;
    let seen = (audit.deleted, audit.lost, audit.unexplained.lost);
    assert_eq!(seen, (1, 2, 1));
    assert_eq!(audit.lost_in, BTreeMap::from([("wiped".to_owned(), 1)]));
    assert_eq!((audit.archived, audit.archived_unstarted), (1, 1));
    let states = [("active".to_owned(), 3), ("pending".to_owned(), 1)];
    assert_eq!(audit.queued, BTreeMap::from(states));
    assert_eq!((audit.orphaned, audit.stuck), (1, 2));
    assert_eq!((audit.jobs_lost(), audit.jobs_stuck()), (Some(2), Some(2)));
    let sum = audit.succeeded + audit.archived + audit.deleted + audit.still_queued + audit.lost;
    assert_eq!(sum, audit.enqueued);
}

#[test]
fn a_full_archive_drops_the_oldest_and_loses_nothing_else() {
    let of = |given_up: i64, missing: &[i64]| {
        let mut auditor = Auditor::new(&two_queues(), at(0), at(600));
        for number in 0..given_up {
            let mut life = accepted(&auditor, 0, 1);
            life.started(at(2));
            life.finished(at(3), Finish::Failed);
            // A hundred a second.
            life.given_up(at(3).plus_millis(number * 10));
            let left = (!missing.contains(&number)).then(|| rest(TaskState::Archived));
            auditor.close(&life, left, || number.to_string());
        }
        let audit = auditor.finish().audit;
        (audit.trimmed, audit.lost, audit.unexplained.lost)
    };
    assert_eq!(of(10_001, &[0, 1]), (2, 0, 0));
    // One that is among the newest 9,999 is not dropped.
    assert_eq!(of(10_001, &[0, 9_000]), (1, 1, 1));
    assert_eq!(of(9_000, &[0]), (0, 1, 1));
}
