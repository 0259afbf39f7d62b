//! Workers that write nothing down: what Redis has counted stands for what they did, and nothing is called lost.

use super::*;

/// Five tasks were accepted, of which `left` are in Redis, and `successes` executions were counted.
fn audited(left: &[(&str, TaskState)], successes: u64, absences: Absences) -> Audited {
    let arrivals = ["a", "b", "c", "d", "e"].map(|id| arrival(id, 110, true));
    let states = left.iter().map(|(id, state)| ((*id).to_owned(), *state));
    let left = Leftover {
        states: states.collect(),
        ..Leftover::default()
    };
    audit(&Evidence {
        plan: &plan(),
        origin: at(0),
        end: at(600),
        producer: arrivals.as_flattened(),
        ledgers: &[],
        left: &left,
        by_hand: &[],
        absences,
        ledgers_whole: true,
        counted: Some(Counted([("default".to_owned(), successes)].into())),
    })
}

fn classes(audited: &Audited) -> [u64; 5] {
    let audit = &audited.audit;
    assert!(audit.unseen);
    [
        audit.succeeded,
        audit.archived,
        audit.still_queued,
        audit.untold,
        audit.lost,
    ]
}

#[test]
fn what_is_gone_has_succeeded_as_far_as_redis_has_counted() {
    let left = [("a", TaskState::Archived), ("b", TaskState::Retry)];
    let all = audited(&left, 3, Absences::default());
    assert_eq!(classes(&all), [3, 1, 1, 0, 0]);
    assert_eq!(all.audit.jobs_lost(), Some(0));
    // What ran twice is counted twice, and is no more than it was.
    assert_eq!(
        classes(&audited(&left, 9, Absences::default())),
        [3, 1, 1, 0, 0]
    );
    let some = audited(&left, 1, Absences::default());
    assert_eq!(classes(&some), [1, 1, 1, 2, 0]);
    assert_eq!(
        (some.audit.jobs_lost(), some.audit.jobs_succeeded()),
        (None, None)
    );
}

#[test]
fn what_is_kept_has_used_up_its_count() {
    let left = [("a", TaskState::Completed), ("b", TaskState::Completed)];
    let found = audited(&left, 4, Absences::default());
    assert_eq!(classes(&found), [4, 0, 0, 1, 0]);
}

#[test]
fn counters_that_were_lost_with_the_data_say_nothing() {
    let mut absences = Absences::default();
    absences.loses_data(at(300));
    assert_eq!(classes(&audited(&[], 5, absences)), [0, 0, 0, 5, 0]);
}

#[test]
fn of_waits_and_repetitions_nothing_is_said() {
    let found = audited(&[("a", TaskState::Active)], 4, Absences::default());
    let audit = &found.audit;
    assert_eq!(
        (audit.late, audit.executed_twice, audit.orphaned),
        (0, 0, 0)
    );
    assert_eq!((audit.jobs_duplicated(), audit.jobs_stuck()), (None, None));
    assert!(found.waits.iter().all(|queue| queue.counts.count() == 0));
    assert!(found.impacts.iter().all(|impact| impact.harmed_tasks == 0));
    assert!(audit.waiting.is_empty() && !found.impacts[0].unmet);
}
