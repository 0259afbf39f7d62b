//! Whom incidents harm, by hand. Times in seconds since the start.

use super::*;

#[test]
fn a_killed_execution_is_harm_and_its_repetition_is_counted() {
    let arrivals = [arrival("a", 98, true)];
    let first = (vec![started("a", 99, 0)], Some(100));
    let second = (
        vec![started("a", 310, 1), finished("a", 311, 1, Finish::Ok)],
        None,
    );
    let (audit, impact) = run(&arrivals, &[first, second], &[]);
    assert_eq!(
        (audit.executed_twice, audit.succeeded, audit.lost),
        (1, 1, 0)
    );
    assert_eq!(
        (impact.first_ms, impact.last_ms, impact.harmed_tasks),
        (Some(100_000), Some(100_000), 1)
    );
}

#[test]
fn waiting_beyond_the_objective_is_harm_from_then_on() {
    let arrivals = [arrival("a", 150, true), arrival("b", 160, true)];
    let ledger = vec![started("a", 310, 0), finished("a", 311, 0, Finish::Ok)];
    let (audit, impact) = run(&arrivals, &[(ledger, None)], &[("b", TaskState::Pending)]);
    assert_eq!((audit.late, audit.still_queued), (2, 1));
    assert_eq!(
        (impact.first_ms, impact.last_ms, impact.harmed_tasks),
        (Some(210_000), Some(600_000), 2)
    );
}

#[test]
fn failures_count_as_harm_only_when_the_fault_made_them() {
    let arrivals = [arrival("own", 120, true), arrival("fault", 130, true)];
    let ledger = vec![
        started("own", 121, 0),
        finished("own", 122, 0, Finish::Failed),
        started("fault", 131, 0),
        finished("fault", 132, 0, Finish::FailedByFault),
    ];
    let left = [("own", TaskState::Retry), ("fault", TaskState::Retry)];
    let (audit, impact) = run(&arrivals, &[(ledger, None)], &left);
    assert_eq!((audit.failed_executions, audit.still_queued), (2, 2));
    assert_eq!((impact.first_ms, impact.harmed_tasks), (Some(132_000), 1));
}

#[test]
fn what_is_archived_without_a_start_is_harmed_until_then() {
    let arrivals = [
        arrival("late", 150, true),
        arrival("early", 290, true),
        arrival("failed", 160, true),
    ];
    let given_up = |id: &str, seconds: i64| Note::GivenUp {
        at: at(seconds),
        id: id.into(),
        retried: 0,
    };
    let ledger = vec![
        started("failed", 161, 0),
        finished("failed", 162, 0, Finish::Failed),
        given_up("failed", 162),
        // The write failed, and was made again.
        given_up("late", 280),
        given_up("late", 300),
        given_up("early", 310),
    ];
    let left = ["late", "early", "failed"].map(|id| (id, TaskState::Archived));
    let (audit, impact) = run(&arrivals, &[(ledger, None)], &left);
    assert_eq!((audit.archived, audit.late), (3, 1));
    assert_eq!(
        (impact.first_ms, impact.last_ms, impact.harmed_tasks),
        (Some(210_000), Some(310_000), 2)
    );
    assert_eq!(impact.queues, ["default"]);
    assert!(audit.unexplained.never_came.is_empty());
}

/// The audit of one drill of 600 s; `more` of its scenario, whose queue has an objective of a minute.
fn audited(more: &str, arrivals: &[[Note<String>; 2]], ledger: Vec<Note<String>>) -> Audited {
    let text = format!(
        "version: firedrill/v1\nname: t\nsummary: s\nduration: 10m\nwarmup: 1m\n\
         queues: {{ default: {{ wait_objective: 60s }} }}\n\
         workload: [{{ task: a, queue: default, arrivals: {{ poisson: 1/s }}, service: {{ constant: 1s }} }}]\n\
         workers: [{{ name: w, concurrency: 10 }}]\n{more}"
    );
    let scenario = Scenario::parse("s.yaml", &text).unwrap();
    let plan = Plan::resolve(&scenario, &PlanOptions::default()).unwrap();
    let ledgers = [ProcessLedger {
        process: "w-0".into(),
        entries: ledger,
        killed_at: None,
        ended_by: None,
    }];
    audit(&Evidence {
        plan: &plan,
        origin: at(0),
        end: at(600),
        producer: arrivals.as_flattened(),
        ledgers: &ledgers,
        left: &Leftover::default(),
        by_hand: &[],
        absences: Absences::default(),
        ledgers_whole: true,
        counted: None,
    })
}

fn ran(id: &str, from: i64) -> [Note<String>; 2] {
    [started(id, from, 0), finished(id, from + 1, 0, Finish::Ok)]
}

#[test]
fn harm_of_a_step_without_an_incident_is_not_that_of_one_that_is_over() {
    let arrivals = [arrival("in", 110, true), arrival("after", 410, true)];
    let ledger = [ran("in", 200), ran("after", 500)].concat();
    let incident = "family: worker-crashed\n\
        incidents: [{ cause: worker-crashed, wanted: page, within: 1m, at: 100s, until: 300s }]\n";
    let step = "timeline: [{ at: 400s, fault: handler.slow, factor: 9, until: { at: 500s } }]\n";
    let with = |more: &str| audited(more, &arrivals, ledger.clone()).impacts.remove(0);
    let alone = with(incident);
    assert_eq!((alone.harmed_tasks, alone.last_ms), (2, Some(500_000)));
    let beside = with(&format!("{incident}{step}"));
    assert_eq!((beside.harmed_tasks, beside.last_ms), (1, Some(200_000)));
}

#[test]
fn users_who_wait_all_along_and_a_drill_without_arrivals_are_told() {
    let benign = "family: benign\n";
    let audit = |more: &str, arrivals: &[[Note<String>; 2]], ledger: &[[Note<String>; 2]]| {
        let audit = audited(more, arrivals, ledger.concat()).audit;
        (audit.idle, audit.waiting)
    };
    let nobody = Vec::<String>::new();
    let two = [arrival("one", 70, true), arrival("two", 80, true)];
    assert_eq!(
        audit(benign, &two, &[ran("one", 71), ran("two", 81)]),
        (false, nobody.clone())
    );
    assert_eq!(
        audit(benign, &two, &[]),
        (false, vec!["default".to_owned()])
    );
    assert_eq!(
        audit(benign, &two, &[ran("one", 71), ran("two", 300)]),
        (false, nobody.clone()),
        "half of them"
    );
    let early = [arrival("one", 10, true)];
    assert_eq!(
        audit(benign, &early, &[ran("one", 11)]),
        (true, nobody.clone())
    );
    // Beside an incident, only what was so before it counts.
    let incident = "family: worker-crashed\n\
        incidents: [{ cause: worker-crashed, wanted: page, within: 1m, at: 200s, until: 300s }]\n";
    assert_eq!(
        audit(incident, &two, &[]),
        (false, vec!["default".to_owned()])
    );
    let late = [arrival("one", 70, true), arrival("two", 190, true)];
    assert_eq!(audit(incident, &late, &[ran("one", 71)]), (false, nobody));
}

#[test]
fn harm_is_that_of_the_incident_that_can_harm_the_queue() {
    let text = "version: firedrill/v1\nname: t\nfamily: worker-crashed\nsummary: s\nduration: 10m\nwarmup: 1m\n\
         queues: { a: { wait_objective: 60s }, b: { wait_objective: 60s }, c: { wait_objective: 60s } }\n\
         workload:\n\
         \x20 - { task: a, queue: a, arrivals: { poisson: 1/s }, service: { constant: 1s } }\n\
         \x20 - { task: b, queue: b, arrivals: { poisson: 1/s }, service: { constant: 1s } }\n\
         \x20 - { task: c, queue: c, arrivals: { poisson: 1/s }, service: { constant: 1s } }\n\
         workers:\n\
         \x20 - { name: a, concurrency: 10, queues: [a] }\n\
         \x20 - { name: b, concurrency: 10, queues: [b] }\n\
         \x20 - { name: c, concurrency: 10, queues: [c] }\n\
         timeline:\n\
         \x20 - { id: one, at: 100s, fault: worker.kill, select: [a-0], until: end }\n\
         \x20 - { id: two, at: 200s, fault: worker.kill, select: [b-0], until: end }\n\
         \x20 - { id: three, at: 300s, fault: redis.kill, until: end }\n\
         incidents:\n\
         \x20 - { cause: worker-crashed, of: one, wanted: page, within: 1m }\n\
         \x20 - { cause: worker-crashed, of: two, wanted: page, within: 1m }\n\
         \x20 - { cause: redis-down, of: three, wanted: page, within: 1m }\n";
    let plan = Plan::resolve(
        &Scenario::parse("s.yaml", text).unwrap(),
        &PlanOptions::default(),
    )
    .unwrap();
    let mut auditor = Auditor::new(&plan, at(0), at(600));
    // Each comes at this time, and nobody ever takes it.
    for (workload, came) in [(0, 110), (0, 150), (1, 110), (2, 110), (2, 210)] {
        let mut life = Life::sent(at(came), workload);
        auditor.answered(&mut life, at(came), Intake::Accepted, PRODUCER);
        auditor.close(&life, Some(rest(TaskState::Pending)), || "t".into());
    }
    let impacts = auditor.finish().impacts;
    let told: Vec<_> = impacts
        .iter()
        .map(|impact| {
            (
                impact.queues.join(" "),
                impact.harmed_tasks,
                impact.first_ms,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("a".to_owned(), 2, Some(170_000)),
            ("b".to_owned(), 1, Some(200_000)),
            ("a b c".to_owned(), 5, Some(300_000))
        ],
        "what began later harms a queue that both can harm from then on"
    );
    assert_eq!(impacts[0].last_ms, Some(300_000));
}

#[test]
fn nobody_waits_any_longer_for_what_is_lost_or_deleted() {
    for (lost, last_ms) in [(true, 400_000), (false, 500_000)] {
        let mut auditor = Auditor::new(&two_queues(), at(0), at(600));
        let sent = if lost { 300 } else { 410 };
        let mut life = accepted(&auditor, 0, sent);
        match lost {
            true => auditor.absences.loses_data(at(400)),
            false => auditor.by_hand(&mut life, (at(500), Hand::Did(Deed::Delete)), "delete"),
        }
        auditor.close(&life, None, || "t".into());
        let impact = auditor.finish().impacts.remove(0);
        assert_eq!((impact.harmed_tasks, impact.last_ms), (1, Some(last_ms)));
    }
}
