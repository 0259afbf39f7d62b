//! Whatever happens in virtual time, every task is in exactly one place, and everything planned is done.

use crate::support::plan_of;
use crate::virtual_plans::{Sketch, sketch};
use firedrill_detector::Labels;
use firedrill_reports::record::{Audit, Mark, Unexplained};
use firedrill_sim::agenda::{Agenda, Phase, Turn, What};
use firedrill_sim::audit::Audited;
use firedrill_sim::engine::Observation;
use firedrill_sim::engine::virtual_time::{self, Counts, VirtualOptions};
use firedrill_sim::lever::{Lever, ProcessLever, RedisLever};
use firedrill_sim::plan::{Plan, Step, arrivals};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Everything a drill was seen to do.
struct Seen {
    audited: Audited,
    counts: Counts,
    marks: Vec<Mark>,
    labels: BTreeMap<u32, Labels>,
    scrapes: Vec<Scrape>,
}

/// When, which target, and numbers of series with their values.
type Scrape = (i64, String, Vec<(u32, f64)>);

fn run(plan: &Plan) -> Seen {
    let mut seen = Seen {
        audited: Audited {
            audit: Audit::default(),
            impacts: vec![],
            waits: vec![],
        },
        counts: Counts::default(),
        marks: vec![],
        labels: BTreeMap::new(),
        scrapes: vec![],
    };
    let ended = virtual_time::run(plan, VirtualOptions::default(), &mut |observation| {
        match observation {
            Observation::Series { id, labels } => {
                assert_eq!(seen.labels.insert(id, labels), None);
            }
            Observation::Scrape {
                at_ms,
                target,
                values,
            } => seen.scrapes.push((at_ms, target, values)),
            Observation::Mark(mark) => seen.marks.push(mark),
            found @ (Observation::Action(_) | Observation::Interference(_)) => {
                panic!("nobody is there to do it: {found:?}")
            }
            Observation::Heard(heard) => panic!("nobody is listened to: {heard:?}"),
            Observation::Ledger { audited, .. } => seen.audited = *audited,
        }
        Ok(())
    });
    let (ended, counts) = ended.unwrap();
    assert_eq!((ended.at_ms, ended.aborted), (plan.duration_ms, false));
    seen.counts = counts;
    seen
}

fn is_outage(step: &Step) -> bool {
    matches!(step.fault.begin(), Lever::Redis(RedisLever::Kill { .. }))
}

/// Every task is in exactly one place, and none was made up.
fn conserved(plan: &Plan, loses_data: bool, seen: &Seen) -> Result<(), TestCaseError> {
    let audit = &seen.audited.audit;
    let planned = (0..plan.workload.len())
        .map(|index| arrivals(plan, index).count() as u64)
        .sum::<u64>();
    prop_assert_eq!(audit.intended, planned);
    prop_assert_eq!(seen.counts.arrivals, planned);
    prop_assert_eq!(
        audit.intended,
        audit.enqueued + audit.rejected + audit.duplicates,
        "{:?}",
        audit
    );
    prop_assert_eq!(
        audit.enqueued,
        audit.succeeded
            + audit.archived
            + audit.trimmed
            + audit.deleted
            + audit.still_queued
            + audit.lost,
        "{:?}",
        audit
    );
    let sum = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
    prop_assert_eq!(sum(&audit.queued), audit.still_queued, "{:?}", audit);
    // Whatever was lost went with a step's data.
    prop_assert_eq!(sum(&audit.lost_in), audit.lost, "{:?}", audit);
    prop_assert!(audit.orphaned <= audit.stuck && audit.stuck <= audit.still_queued);
    prop_assert_eq!(audit.orphaned, 0, "no step loses leases: {:?}", audit);
    prop_assert!(audit.succeeded_twice <= audit.executed_twice);
    prop_assert!(audit.lost == 0 || loses_data, "{:?}", audit);
    prop_assert!(
        audit.rejected == 0 || plan.timeline.iter().any(is_outage),
        "{:?}",
        audit
    );
    let unexplained = Unexplained {
        // A random plan may well end before something comes.
        never_came: audit.unexplained.never_came.clone(),
        ..Unexplained::default()
    };
    prop_assert_eq!(&audit.unexplained, &unexplained);
    prop_assert_eq!(audit.untold, 0);
    prop_assert!(audit.late <= audit.enqueued && audit.executed_twice <= audit.enqueued);
    prop_assert!(audit.failed_executions <= seen.counts.returns);
    prop_assert!(audit.succeeded <= seen.counts.returns);
    prop_assert!(audit.wait_ms.is_sorted() && audit.wait_ms[0] >= 0);
    let started: u64 = seen
        .audited
        .waits
        .iter()
        .map(|queue| queue.counts.count())
        .sum();
    prop_assert!(
        audit.succeeded <= started && started <= audit.enqueued,
        "{:?}",
        audit
    );
    Ok(())
}

/// At every scrape of the exporter, what came is in a queue, in one state, or has succeeded: while Redis is never down,
/// everything that came was accepted.
fn conserved_at_every_scrape(plan: &Plan, seen: &Seen) -> Result<(), TestCaseError> {
    if plan.timeline.iter().any(is_outage) {
        return Ok(());
    }
    let mut came_us: Vec<i64> = (0..plan.workload.len())
        .flat_map(|index| arrivals(plan, index))
        .collect();
    came_us.sort_unstable();
    for (at_ms, target, values) in &seen.scrapes {
        if target != "asynq-exporter/exporter" {
            continue;
        }
        let sum = |name: &str| {
            let of_name = values
                .iter()
                .filter(|(id, _)| seen.labels[id].name() == name);
            of_name.map(|(_, value)| *value as i64).sum::<i64>()
        };
        let queued = sum("asynq_tasks_enqueued_total");
        let succeeded = sum("asynq_tasks_processed_total") - sum("asynq_tasks_failed_total");
        // What comes at the very moment of the scrape may be in it or not.
        let before = came_us.partition_point(|us| *us < at_ms * 1_000) as i64;
        let until = came_us.partition_point(|us| *us <= at_ms * 1_000) as i64;
        prop_assert!(
            (before..=until).contains(&(queued + succeeded)),
            "{} queued and {} succeeded of {} at {} ms",
            queued,
            succeeded,
            until,
            at_ms
        );
    }
    Ok(())
}

/// What is done to the system, not by the handlers, with the time by which it is done at the latest: one deed after the
/// other, each restart as long as its graceful shutdown and half a second.
fn deeds(plan: &Plan) -> Vec<(Turn, i64)> {
    let patience_ms = plan
        .workers
        .iter()
        .map(|worker| worker.shutdown_timeout_ms)
        .max();
    let patience_ms = patience_ms.unwrap_or(0) + 500;
    let mut agenda = Agenda::new(plan);
    let mut free_ms = 0;
    let mut deeds = Vec::new();
    while let Some(turn) = agenda.take(i64::MAX) {
        free_ms = turn.at_ms.max(free_ms);
        match turn.lever(plan) {
            None | Some(Lever::Handler(_) | Lever::Resource { .. }) => continue,
            Some(Lever::Process(
                ProcessLever::Restart
                | ProcessLever::Terminate { .. }
                | ProcessLever::Deploy { .. },
            )) => {
                free_ms += patience_ms;
            }
            Some(_) => {}
        }
        deeds.push((turn, free_ms));
    }
    deeds
}

/// Every deed was done, once and in time.
fn done(plan: &Plan, seen: &Seen) -> Result<(), TestCaseError> {
    for (turn, by_ms) in deeds(plan) {
        let (id, phase) = match turn.what {
            What::Begin(step) => (&plan.timeline[step].id, Phase::Begin),
            What::End(step) => (&plan.timeline[step].id, Phase::End),
            What::Remedy(index) => (&plan.remedies[index].id, Phase::Begin),
            What::Goes(..) | What::RemedyGoes(..) => unreachable!("nothing was done"),
            What::Prepare(_) => continue,
        };
        let is_of = |mark: &&Mark| mark.step.as_ref() == Some(id) && mark.phase == Some(phase);
        let done_ms: Vec<i64> = seen
            .marks
            .iter()
            .filter(is_of)
            .map(|mark| mark.at_ms)
            .collect();
        let least = usize::from(by_ms < plan.duration_ms);
        prop_assert!(
            (least..=1).contains(&done_ms.len()),
            "{:?} of {}: done at {:?}, by {}",
            phase,
            id,
            done_ms,
            by_ms
        );
        let in_time = |at_ms: &i64| (turn.at_ms..=by_ms).contains(at_ms);
        prop_assert!(done_ms.iter().all(in_time), "{} {:?}", id, done_ms);
    }
    Ok(())
}

/// Once all that was killed is restarted, every process answers its scrapes again.
fn alive_again(plan: &Plan, seen: &Seen) -> Result<(), TestCaseError> {
    let kill_for_good = plan
        .timeline
        .iter()
        .any(|step| step.until.is_none() && step.fault.takes_processes());
    let calm_ms = deeds(plan).last().map_or(0, |(_, by_ms)| *by_ms);
    if kill_for_good {
        return Ok(());
    }
    for (at_ms, target, values) in &seen.scrapes {
        if *at_ms <= calm_ms || !target.starts_with("worker/") {
            continue;
        }
        let up = values
            .iter()
            .find(|(id, _)| seen.labels[id].name() == "up")
            .map(|(_, value)| *value);
        prop_assert_eq!(
            up,
            Some(1.0),
            "{} at {} ms, calm from {}",
            target,
            at_ms,
            calm_ms
        );
    }
    Ok(())
}

fn check(sketch: &Sketch) -> Result<(), TestCaseError> {
    let plan = sketch.plan();
    let whole = run(&plan);
    conserved(&plan, sketch.loses_data(), &whole)?;
    done(&plan, &whole)?;
    alive_again(&plan, &whole)?;
    conserved_at_every_scrape(&plan, &whole)?;
    prop_assert!(whole.scrapes.is_sorted_by_key(|(at_ms, ..)| *at_ms));
    // The same drill stopped earlier: nothing that happened until then depends on what comes after, and at that moment,
    // too, every task is in one place.
    for part in 1..4 {
        let mut cut = plan.clone();
        cut.duration_ms = plan.duration_ms * part / 4 + part;
        let seen = run(&cut);
        conserved(&cut, sketch.loses_data(), &seen)?;
        let until = whole
            .scrapes
            .partition_point(|(at_ms, ..)| *at_ms < cut.duration_ms);
        let same = format!("{:?}", seen.scrapes) == format!("{:?}", &whole.scrapes[..until]);
        prop_assert!(same, "scrapes until {} ms", cut.duration_ms);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_task_is_in_one_place(sketch in sketch()) {
        check(&sketch)?;
    }
}

/// Restarts that begin while another is going on, and a kill: done one after the other, as for real.
#[test]
fn deeds_wait_for_each_other() {
    let plan = plan_of(
        "{ version: firedrill/v1, name: overlap, family: benign, summary: s, duration: 5m, queues: { default: },
           workload: [{ task: a, queue: default, arrivals: { poisson: 2/s }, service: { constant: 1s } }],
           workers: [{ name: w, processes: 2, concurrency: 2, shutdown_timeout: 20s }],
           timeline: [
             { at: 60s, fault: handler.deadlock, select: [w-0], until: { at: 100s, remedy: worker.restart } },
             { at: 61s, fault: handler.deadlock, select: [w-1], until: { at: 101s, remedy: worker.restart } },
             { at: 102s, fault: worker.kill, select: [w-0], until: { at: 103s, remedy: worker.restart } },
           ] }",
    );
    let seen = run(&plan);
    conserved(&plan, false, &seen).unwrap();
    done(&plan, &seen).unwrap();
    alive_again(&plan, &seen).unwrap();
    let deeds = seen.marks.iter().map(|mark| {
        let note = mark.saw.split(';').next().unwrap_or_default();
        (mark.at_ms / 1_000, mark.what.as_str(), note)
    });
    let deeds: Vec<_> = deeds.filter(|deed| deed.1 != "handler.deadlock").collect();
    let stopped = "1 started, 1 stopped gracefully before";
    let expected = [
        (120, "worker.restart", stopped),
        (140, "worker.restart", stopped),
        (140, "worker.kill", "SIGKILL"),
        (
            140,
            "worker.restart",
            "1 started, 0 stopped gracefully before",
        ),
    ];
    assert_eq!(deeds, expected);
}

#[test]
fn a_handler_may_take_centuries() {
    let plan = plan_of(
        "{ version: firedrill/v1, name: slow, family: benign, summary: s, duration: 2h, queues: { default: },
           workload: [{ task: a, queue: default, arrivals: { poisson: 1/s }, max_retry: 1, timeout: 3650d,
                        service: { lognormal: { mu: 20, sigma: 10 } } }],
           workers: [{ name: w, concurrency: 1000, retry_delay: { constant: 3650d } }],
           timeline: [{ at: 1m, fault: handler.slow, factor: 10000, until: end }] }",
    );
    let seen = run(&plan);
    conserved(&plan, false, &seen).unwrap();
    assert!(seen.audited.audit.still_queued > 1_000);
}
