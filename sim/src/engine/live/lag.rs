//! How well a live drill kept time, from its ledgers.

use crate::audit::{Absences, ProcessLedger, REDIS, quantiles, way_of};
use crate::engine::live::watch::Gaps;
use crate::plan::Plan;
use crate::worker::turns::Turns;
use firedrill_asynq::clock::Time;
use firedrill_reports::record::{GapKind, Lag};
use std::collections::BTreeMap;

use firedrill_asynq::note::Intake;

type Note = firedrill_asynq::note::Note<String>;

/// The producer, as a subject of gaps.
const PRODUCER: &str = "producer";

/// Capacity lost is told minute by minute.
const BUCKET_MS: i64 = 60_000;

/// Puts the lags together: `scrape_ms` of every scrape, `fault_ms_max` of the latest fault or remedy. Single delays, but
/// for those in which somebody was away by plan, are added to `gaps`.
pub(crate) fn lag(
    plan: &Plan,
    (producer, ledgers): (&[Note], &[ProcessLedger]),
    (origin, absences): (Time, &Absences),
    mut scrape_ms: Vec<i64>,
    fault_ms_max: i64,
    gaps: &mut Gaps,
) -> Lag {
    let since_start = |at: Time| at.millis() - origin.millis();
    let micros = |from: Time, to: Time| (to.0 - from.0) / 1_000;
    let Sending {
        mut enqueue_us,
        mut redis_us,
        mut sent_at,
    } = sending((plan, producer), (origin, absences), gaps);
    let (mut overrun_us, mut taken_off_us) = (Vec::new(), Vec::new());
    let mut handler_us = Vec::new();
    for ledger in ledgers {
        let mut started: BTreeMap<(&str, i32), Time> = BTreeMap::new();
        for entry in &ledger.entries {
            match entry {
                Note::Started { at, id, retried } => {
                    started.insert((id, *retried), *at);
                }
                Note::Finished {
                    at,
                    id,
                    retried,
                    overrun_us: late_us,
                    taken_off_us: less_us,
                    ..
                } => {
                    // One that was stopped by plan could not return.
                    let due = at.plus_micros(-late_us.max(&0));
                    if absences.was_away(&ledger.process, due, *at) {
                        started.remove(&(id.as_str(), *retried));
                        continue;
                    }
                    overrun_us.push(*late_us);
                    taken_off_us.push(*less_us);
                    let late_ms = late_us / 1_000;
                    let from = since_start(*at) - late_ms;
                    gaps.add(GapKind::Handler, &ledger.process, from, late_ms);
                    let start = started.remove(&(id.as_str(), *retried));
                    handler_us.extend(start.map(|start| micros(start, *at)));
                }
                Note::Sent { .. }
                | Note::Answered { .. }
                | Note::GivenUp { .. }
                | Note::Unhandled { .. } => {}
            }
        }
    }
    for entry in ledgers.iter().flat_map(|ledger| &ledger.entries) {
        if let Note::Sent { id, at, .. } = entry {
            sent_at.insert(id, *at);
        }
    }
    // A task that is due later comes to its queue up to a forwarder's interval after that.
    let of_all = ledgers.iter().flat_map(|ledger| &ledger.entries);
    for entry in producer.iter().chain(of_all) {
        if let Note::Sent {
            at,
            id,
            workload,
            intended,
        } = entry
            && (intended > at
                || plan
                    .workload
                    .get(*workload as usize)
                    .is_some_and(|w| w.delay_ms > 0))
        {
            sent_at.remove(id.as_str());
        }
    }
    let busy = busy((plan, absences), ledgers, &sent_at);
    let mut lost_us: BTreeMap<i64, i64> = BTreeMap::new();
    for Turn { process, from, us } in &busy.turns {
        if absences.was_anybody_away(*from, from.plus_micros((*us).max(0))) {
            continue;
        }
        let at_ms = since_start(*from);
        gaps.add(GapKind::RoundTrip, process, at_ms, us / 1_000);
        *lost_us.entry(at_ms / BUCKET_MS * BUCKET_MS).or_default() += us;
    }
    let slots: u32 = plan
        .workers
        .iter()
        .map(|w| w.processes * w.concurrency)
        .sum();
    let lost = lost_us.into_iter();
    let lost = lost.map(|(at_ms, us)| (at_ms, us / 1_000 / i64::from(slots.max(1))));
    let millis = |values: [i64; 3]| values.map(|us| us / 1_000);
    let (redis_us, overrun_us) = (quantiles(&mut redis_us), quantiles(&mut overrun_us));
    let taken_off = taken_off_us.iter().sum::<i64>() as f64 / taken_off_us.len().max(1) as f64;
    let taken_off_us = quantiles(&mut taken_off_us)[0];
    let work_us = (quantiles(&mut handler_us)[0] - overrun_us[0] + taken_off_us).max(1);
    Lag {
        enqueue_ms: millis(quantiles(&mut enqueue_us)),
        scrape_ms: quantiles(&mut scrape_ms),
        handler_ms: millis(overrun_us),
        fault_ms_max,
        redis_ms: millis(redis_us),
        slot_overhead: if handler_us.is_empty() {
            0.0
        } else {
            let beyond_us = 2 * redis_us[0] + overrun_us[0] - taken_off_us;
            beyond_us.max(0) as f64 / work_us as f64
        },
        busy_turn_ms: busy.turn_us.mean() / 1e3,
        busy_overrun_ms: busy.overrun_us.mean() / 1e3,
        taken_off_ms: taken_off / 1e3,
        lost_ms: lost.filter(|(_, ms)| *ms > 0).collect(),
        gaps: Vec::new(),
    }
}

/// How late tasks were sent, and how long Redis took to answer, microseconds.
struct Sending<'n> {
    enqueue_us: Vec<i64>,
    redis_us: Vec<i64>,
    /// When each task was sent.
    sent_at: BTreeMap<&'n str, Time>,
}

fn sending<'n>(
    (plan, producer): (&Plan, &'n [Note]),
    (origin, absences): (Time, &Absences),
    gaps: &mut Gaps,
) -> Sending<'n> {
    let since_start = |at: Time| at.millis() - origin.millis();
    let micros = |from: Time, to: Time| (to.0 - from.0) / 1_000;
    let (mut enqueue_us, mut redis_us) = (Vec::new(), Vec::new());
    let mut sent_at: BTreeMap<&str, Time> = BTreeMap::new();
    for entry in producer {
        match entry {
            Note::Sent {
                at, id, intended, ..
            } => {
                let late_us = micros(*intended, *at);
                enqueue_us.push(late_us);
                gaps.add(
                    GapKind::Enqueue,
                    PRODUCER,
                    since_start(*intended),
                    late_us / 1_000,
                );
                sent_at.insert(id, *at);
            }
            Note::Answered { at, id, answer } => {
                let Some(sent) = sent_at.get(id.as_str()) else {
                    continue;
                };
                let took_us = micros(*sent, *at);
                // Between the first call and the last, a task that is sent again waits for nobody.
                let again = plan.sends_again(since_start(*sent)).is_some();
                let is_one_call = *answer != Intake::Rejected && !again;
                redis_us.extend(is_one_call.then_some(took_us));
                // A call that waits for a Redis that is away by plan is no delay of ours.
                let was_away = |who| absences.was_away(who, *sent, *at);
                if !was_away(REDIS) && !was_away(&way_of(PRODUCER)) {
                    gaps.add(
                        GapKind::RoundTrip,
                        PRODUCER,
                        since_start(*sent),
                        took_us / 1_000,
                    );
                }
            }
            Note::Started { .. }
            | Note::Finished { .. }
            | Note::GivenUp { .. }
            | Note::Unhandled { .. } => {}
        }
    }
    Sending {
        enqueue_us,
        redis_us,
        sent_at,
    }
}

/// What slots lost while all of a process' slots were taken and tasks waited.
#[derive(Debug, Default)]
struct Busy<'l> {
    turn_us: Mean,
    overrun_us: Mean,
    /// Each loss.
    turns: Vec<Turn<'l>>,
}

/// For how long a slot of a process was lost to the harness.
#[derive(Debug)]
struct Turn<'l> {
    process: &'l str,
    from: Time,
    us: i64,
}

#[derive(Debug, Default)]
struct Mean {
    sum: i64,
    count: i64,
}

impl Mean {
    fn add(&mut self, value: i64) {
        (self.sum, self.count) = (self.sum + value, self.count + 1);
    }

    /// 0 of nothing.
    fn mean(&self) -> f64 {
        self.sum as f64 / self.count.max(1) as f64
    }
}

/// A handler that returns while all slots are taken leaves the only free one, and the server fetches at once. If the task
/// it gets was there by then, or the server has had no time to pause, what passed until its start is the harness' alone.
fn busy<'l>(
    (plan, absences): (&Plan, &Absences),
    ledgers: &'l [ProcessLedger],
    sent_at: &BTreeMap<&str, Time>,
) -> Busy<'l> {
    let mut busy = Busy::default();
    for ledger in ledgers {
        let mut processes = plan.processes().into_iter();
        let Some((_, worker)) = processes.find(|(name, _)| *name == ledger.process) else {
            continue;
        };
        // A Redis that refuses by plan keeps slots empty on the model, too.
        let was_away = |from, to| {
            absences.was_away(&ledger.process, from, to) || absences.was_away(REDIS, from, to)
        };
        let mut turns = Turns::of(worker);
        for entry in &ledger.entries {
            match entry {
                Note::Started { at, id, retried } => {
                    let Some(since) = turns.starts() else {
                        continue;
                    };
                    if was_away(since, *at) {
                        // It was stopped by plan meanwhile, or Redis was not there for it.
                        continue;
                    }
                    let us = (at.0 - since.0) / 1_000;
                    // One that is tried again was put back at a time nobody has written down.
                    let waited = *retried == 0
                        && sent_at.get(id.as_str()).is_some_and(|sent| *sent <= since);
                    if !waited && turns.may_have_paused(us) {
                        turns.found_nothing();
                        continue;
                    }
                    busy.turn_us.add(us);
                    busy.turns.push(Turn {
                        process: &ledger.process,
                        from: since,
                        us,
                    });
                }
                Note::Finished {
                    at,
                    overrun_us,
                    taken_off_us,
                    ..
                } => {
                    let due = at.plus_micros(-overrun_us.max(&0));
                    if turns.returns(*at) && !was_away(due, *at) {
                        let us = overrun_us - taken_off_us;
                        busy.overrun_us.add(us);
                        busy.turns.push(Turn {
                            process: &ledger.process,
                            from: at.plus_micros(-us.max(0)),
                            us,
                        });
                    }
                }
                Note::Sent { .. }
                | Note::Answered { .. }
                | Note::GivenUp { .. }
                | Note::Unhandled { .. } => {}
            }
        }
    }
    busy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{PlanOptions, Scenario};
    use firedrill_asynq::note::Finish;

    const SCENARIO: &str =
        include_str!("../../../../scenarios/worker-crashed/worker-crash-all.yaml");

    fn at(ms: i64) -> Time {
        Time::from_millis(ms)
    }

    fn started(ms: i64, id: &str) -> Note {
        Note::Started {
            at: at(ms),
            id: id.into(),
            retried: 0,
        }
    }

    fn finished(ms: i64, id: &str) -> Note {
        Note::Finished {
            at: at(ms),
            id: id.into(),
            retried: 0,
            how: Finish::Ok,
            overrun_us: 4_000,
            taken_off_us: 0,
        }
    }

    #[test]
    fn only_slots_that_are_all_busy_and_tasks_that_wait_tell_what_a_turn_costs() {
        let text = SCENARIO.replace("concurrency: 10", "concurrency: 2");
        let scenario = Scenario::parse("s.yaml", &text).unwrap();
        let plan = Plan::resolve(&scenario, &PlanOptions { seed: None }).unwrap();
        let sent = ["a", "b", "c", "d"].map(|id| (id, at(0)));
        let mut sent_at: BTreeMap<&str, Time> = sent.into_iter().collect();
        sent_at.insert("late", at(900));
        let entries = vec![
            started(10, "a"),
            started(20, "b"),
            // Both slots are taken: 30 ms until the next one starts.
            finished(100, "a"),
            started(130, "c"),
            finished(200, "b"),
            started(250, "d"),
            // Nothing waits: the next one comes much later.
            finished(300, "c"),
            started(905, "late"),
            finished(1_000, "d"),
        ];
        let ledger = ProcessLedger {
            process: "w-0".into(),
            entries,
            killed_at: None,
            ended_by: None,
        };
        let ledgers = [ledger];
        let found = busy((&plan, &Absences::default()), &ledgers, &sent_at);
        assert_eq!((found.turn_us.count, found.turn_us.mean()), (2, 40_000.0));
        assert_eq!(found.overrun_us.mean(), 4_000.0);
        // What a slot waits while Redis refuses by plan is no cost of the harness.
        let mut absences = Absences::default();
        absences.refuses(at(210));
        absences.returns(REDIS, at(240));
        let found = busy((&plan, &absences), &ledgers, &sent_at);
        assert_eq!((found.turn_us.count, found.turn_us.mean()), (1, 30_000.0));
    }
}
