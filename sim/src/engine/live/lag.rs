//! How well a live drill kept time, from its ledgers.

use crate::audit::{ProcessLedger, quantiles};
use crate::clock::Time;
use crate::ledger;
use crate::plan::Plan;
use firedrill_reports::record::Lag;
use std::collections::{BTreeMap, VecDeque};

type Entry = ledger::Entry<String>;

/// Puts the lags together: `scrape_ms` of every scrape, `fault_ms_max` of the latest fault or remedy.
pub(crate) fn lag(
    plan: &Plan,
    producer: &[Entry],
    ledgers: &[ProcessLedger],
    mut scrape_ms: Vec<i64>,
    fault_ms_max: i64,
) -> Lag {
    let micros = |from: Time, to: Time| (to.0 - from.0) / 1_000;
    let (mut enqueue_us, mut redis_us) = (Vec::new(), Vec::new());
    let mut sent_at: BTreeMap<&str, Time> = BTreeMap::new();
    for entry in producer {
        match entry {
            Entry::Sent {
                at, id, intended, ..
            } => {
                enqueue_us.push(micros(*intended, *at));
                sent_at.insert(id, *at);
            }
            Entry::Answered {
                at,
                id,
                accepted: true,
            } => redis_us.extend(sent_at.get(id.as_str()).map(|sent| micros(*sent, *at))),
            _ => {}
        }
    }
    let mut overrun_us = Vec::new();
    let mut handler_us = Vec::new();
    for ledger in ledgers {
        let mut started: BTreeMap<(&str, i32), Time> = BTreeMap::new();
        for entry in &ledger.entries {
            match entry {
                Entry::Started { at, id, retried } => {
                    started.insert((id, *retried), *at);
                }
                Entry::Finished {
                    at,
                    id,
                    retried,
                    overrun_us: late_us,
                    ..
                } => {
                    overrun_us.push(*late_us);
                    let start = started.remove(&(id.as_str(), *retried));
                    handler_us.extend(start.map(|start| micros(start, *at)));
                }
                Entry::Sent { .. } | Entry::Answered { .. } | Entry::GivenUp { .. } => {}
            }
        }
    }
    let busy = busy(plan, ledgers, &sent_at);
    let millis = |values: [i64; 3]| values.map(|us| us / 1_000);
    let (redis_us, overrun_us) = (quantiles(&mut redis_us), quantiles(&mut overrun_us));
    let work_us = (quantiles(&mut handler_us)[0] - overrun_us[0]).max(1);
    Lag {
        enqueue_ms: millis(quantiles(&mut enqueue_us)),
        scrape_ms: quantiles(&mut scrape_ms),
        handler_ms: millis(overrun_us),
        fault_ms_max,
        redis_ms: millis(redis_us),
        slot_overhead: if handler_us.is_empty() {
            0.0
        } else {
            (2 * redis_us[0] + overrun_us[0]) as f64 / work_us as f64
        },
        busy_turn_ms: busy.turn_us.mean() / 1e3,
        busy_overrun_ms: busy.overrun_us.mean() / 1e3,
        gaps: Vec::new(),
    }
}

/// What slots lost while all of a process' slots were taken and tasks waited.
#[derive(Debug, Default)]
struct Busy {
    turn_us: Mean,
    overrun_us: Mean,
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
/// it gets was there by then, what passed until its start is the harness' alone.
fn busy(plan: &Plan, ledgers: &[ProcessLedger], sent_at: &BTreeMap<&str, Time>) -> Busy {
    let mut busy = Busy::default();
    for ledger in ledgers {
        let Some(slots) = slots(plan, &ledger.process) else {
            continue;
        };
        let mut running = 0;
        let mut free: VecDeque<Time> = VecDeque::new();
        for entry in &ledger.entries {
            match entry {
                Entry::Started { at, id, .. } => {
                    running += 1;
                    if let Some(since) = free.pop_front() {
                        if sent_at.get(id.as_str()).is_some_and(|sent| *sent <= since) {
                            busy.turn_us.add((at.0 - since.0) / 1_000);
                        } else {
                            // The queue had run empty, and the server paused.
                            free.clear();
                        }
                    }
                }
                Entry::Finished { at, overrun_us, .. } => {
                    if running == slots {
                        busy.overrun_us.add(*overrun_us);
                    }
                    if running == slots || !free.is_empty() {
                        free.push_back(*at);
                    }
                    running = running.saturating_sub(1);
                }
                Entry::Sent { .. } | Entry::Answered { .. } | Entry::GivenUp { .. } => {}
            }
        }
    }
    busy
}

/// Worker slots of a process.
fn slots(plan: &Plan, process: &str) -> Option<usize> {
    let mut processes = plan.processes().into_iter();
    let (_, worker) = processes.find(|(name, _)| name == process)?;
    Some(worker.concurrency as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Finish;
    use crate::scenario::{PlanOptions, Scenario};

    const SCENARIO: &str = include_str!("../../../../scenarios/worker-crash-all.yaml");

    fn at(ms: i64) -> Time {
        Time::from_millis(ms)
    }

    fn started(ms: i64, id: &str) -> Entry {
        Entry::Started {
            at: at(ms),
            id: id.into(),
            retried: 0,
        }
    }

    fn finished(ms: i64, id: &str) -> Entry {
        Entry::Finished {
            at: at(ms),
            id: id.into(),
            retried: 0,
            how: Finish::Ok,
            overrun_us: 4_000,
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
        };
        let found = busy(&plan, &[ledger], &sent_at);
        assert_eq!((found.turn_us.count, found.turn_us.mean()), (2, 40_000.0));
        assert_eq!(found.overrun_us.mean(), 4_000.0);
    }
}
