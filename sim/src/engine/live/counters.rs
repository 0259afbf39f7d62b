//! Whether asynq's counters say in the end what the drill's ledgers say.
//!
//! A handler's return is in the ledger before it is counted, so a process that is killed in between leaves it uncounted;
//! and what died with a process is counted by whoever recovers the task, without a return in any ledger. No more than
//! that may differ.

use crate::audit::{ByHand, Counted, Hand, ProcessLedger};
use crate::plan::{Plan, Routes, TaskPlan};
use firedrill_asynq::actor::ErrorKind;
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::clock::Time;
use firedrill_asynq::keys::Queue;
use firedrill_asynq::note::{Finish, Unhandled};
use firedrill_asynq::op::BrokerError;
use firedrill_asynq::settings::DEFAULT_TIMEOUT_S;
use std::collections::{BTreeMap, BTreeSet};

type Note = firedrill_asynq::note::Note<String>;

const DAY_MS: i64 = 86_400_000;

/// A queue's counters, by their names in asynq.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    processed: Count,
    failed: Count,
}

/// One of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    total: u64,
    /// The sum of its days.
    daily: u64,
}

/// Reads the counters of every queue of a drill that went from `from` to `to`.
///
/// # Errors
/// When Redis does not answer, or one of them is no number.
pub(crate) async fn read(
    plan: &Plan,
    broker: &RedisBroker,
    (from, to): (Time, Time),
) -> Result<BTreeMap<String, Counters>, BrokerError> {
    let mut all = BTreeMap::new();
    for queue in &plan.queues {
        let mut counters = Counters::default();
        for (name, count) in [
            ("processed", &mut counters.processed),
            ("failed", &mut counters.failed),
        ] {
            count.total = get(broker, Queue(&queue.name).key(name)).await?;
            // A worker counts on the day that its clock tells.
            let [ahead_ms, behind_ms] = plan.most_skew_ms();
            let first = (from.millis() - behind_ms) / DAY_MS;
            let last = (to.millis() + ahead_ms) / DAY_MS;
            for day in first..=last {
                let day = Time::from_millis(day * DAY_MS);
                count.daily += get(broker, Queue(&queue.name).daily(name, day)).await?;
            }
        }
        all.insert(queue.name.clone(), counters);
    }
    Ok(all)
}

async fn get(broker: &RedisBroker, key: String) -> Result<u64, BrokerError> {
    let mut get = redis::cmd("GET");
    let value: Option<String> = broker.command(get.arg(&key), "GET").await?;
    let Some(value) = value else {
        return Ok(0);
    };
    let number = value.parse();
    number.map_err(|_| BrokerError::Refused(format!("{key} is `{value:.40}`, no count").into()))
}

/// How many attempts have ended well in each queue: every end is counted, and those that failed a second time.
pub(crate) fn successes(counters: &BTreeMap<String, Counters>) -> Counted {
    let of = |(queue, of): (&String, &Counters)| {
        let well = of.processed.total.saturating_sub(of.failed.total);
        (queue.clone(), well)
    };
    Counted(counters.iter().map(of).collect())
}

/// Attempts of a queue's tasks, as the ledgers have them.
#[derive(Debug, Clone, Copy, Default)]
struct Attempts {
    processed: u64,
    failed: u64,
    /// So many may be counted beyond these.
    more: u64,
    /// So many of these may not be counted.
    fewer: u64,
}

/// What is wrong with the counters of which queue. Nothing can be said where workers make tasks out of groups, or where
/// Redis was away.
pub(crate) fn wrong(
    plan: &Plan,
    counters: &BTreeMap<String, Counters>,
    origin: Time,
    (producer, ledgers, by_hand): (&[Note], &[ProcessLedger], &[ByHand]),
) -> Vec<(String, String)> {
    if plan.workers.iter().any(|worker| worker.groups.is_some()) {
        return Vec::new();
    }
    let attempts = attempts(plan, origin, (producer, ledgers, by_hand));
    let mut found = Vec::new();
    for (queue, counters) in counters {
        let of = attempts.get(queue.as_str()).copied().unwrap_or_default();
        for (name, count, noted) in [
            ("processed", counters.processed, of.processed),
            ("failed", counters.failed, of.failed),
        ] {
            let Count { total, daily } = count;
            let likely = noted.saturating_sub(of.fewer)..=noted.saturating_add(of.more);
            if total != daily {
                found.push((
                    queue.clone(),
                    format!("asynq's counter `{name}` is {total}, and those of its days {daily}"),
                ));
            } else if !likely.contains(&total) {
                found.push((
                    queue.clone(),
                    format!(
                        "asynq's counter `{name}` is {total}, and the workers have noted {noted}"
                    ),
                ));
            }
        }
    }
    found
}

fn attempts<'p>(
    plan: &'p Plan,
    origin: Time,
    (producer, ledgers, by_hand): (&[Note], &[ProcessLedger], &[ByHand]),
) -> BTreeMap<&'p str, Attempts> {
    let routes = Routes::of(plan, origin);
    // Each with the places of its queues: the first, and those that it was moved to, since when.
    let mut tasks: BTreeMap<&str, (&TaskPlan, usize)> = BTreeMap::new();
    let mut moved: BTreeMap<&str, Vec<(Time, usize)>> = BTreeMap::new();
    for done in by_hand {
        if let Hand::Moved(place) = done.what {
            for id in &done.ids {
                moved.entry(id).or_default().push((done.at, place));
            }
        }
    }
    let children = ledgers.iter().flat_map(|ledger| &ledger.entries);
    for entry in producer.iter().chain(children) {
        if let Note::Sent {
            at, id, workload, ..
        } = entry
            && let Some(task) = plan.workload.get(*workload as usize)
            && let Some(place) = routes.place(*workload as usize, *at)
        {
            tasks.insert(id, (task, place));
        }
    }
    let queue_at = |id: &str, sent_to: usize, at: Time| -> &'p str {
        let later = moved.get(id).into_iter().flatten();
        let later = later.rev().find(|(since, _)| *since <= at);
        &plan.queues[later.map_or(sent_to, |(_, place)| *place)].name
    };
    let under_way = |process: &str| {
        let mut processes = plan.processes().into_iter();
        let found = processes.find(|(name, _)| name == process);
        found.map_or(0, |(_, worker)| u64::from(worker.concurrency))
    };
    let lives: u64 = ledgers.iter().map(|life| under_way(&life.process)).sum();
    let mut all: BTreeMap<&str, Attempts> = plan
        .queues
        .iter()
        .map(|queue| {
            // What a process had fetched and not begun when it was killed is in no ledger; whoever recovers it counts it.
            let attempts = Attempts {
                more: lives,
                fewer: lives,
                ..Attempts::default()
            };
            (queue.name.as_str(), attempts)
        })
        .collect();
    for ledger in ledgers {
        let mut open: BTreeMap<(&str, i32), Time> = BTreeMap::new();
        let mut returned: BTreeSet<(&str, i32)> = BTreeSet::new();
        for entry in &ledger.entries {
            let (Note::Started { at, id, .. }
            | Note::Finished { at, id, .. }
            | Note::GivenUp { at, id, .. }
            | Note::Unhandled { at, id, .. }) = entry
            else {
                continue;
            };
            let Some((task, sent_to)) = tasks.get(id.as_str()).copied() else {
                continue;
            };
            let Some(of) = all.get_mut(queue_at(id, sent_to, *at)) else {
                continue;
            };
            match entry {
                Note::Started { at, id, retried } => {
                    // It was started before and is not back: whoever recovered it has counted that.
                    of.more += u64::from(open.insert((id, *retried), *at).is_some());
                }
                Note::Finished {
                    at,
                    id,
                    retried,
                    how,
                    ..
                } => {
                    of.processed += 1;
                    of.failed += u64::from(matches!(how, Finish::Failed | Finish::FailedByFault));
                    returned.insert((id, *retried));
                    let since = open.remove(&(id.as_str(), *retried));
                    let in_time = since.is_some_and(|since| is_in_time(task, since, *at));
                    if !in_time || task.fail_as == ErrorKind::NotAFailure {
                        (of.more, of.fewer) = (of.more + 1, of.fewer + 1);
                    }
                }
                Note::GivenUp { id, retried, .. } => {
                    // Unless a handler has returned from it, nothing else says that this attempt is counted.
                    of.more += u64::from(!returned.contains(&(id.as_str(), *retried)));
                }
                Note::Unhandled {
                    id, retried, why, ..
                } => match why {
                    Unhandled::TooLate => {
                        (of.processed, of.failed) = (of.processed + 1, of.failed + 1);
                        returned.insert((id, *retried));
                    }
                    // Of those who find it, one counts it.
                    Unhandled::Recovered => of.more += 1,
                },
                Note::Sent { .. } | Note::Answered { .. } => {}
            }
        }
        for ((id, _), since) in open {
            if let Some((_, sent_to)) = tasks.get(id)
                && let Some(of) = all.get_mut(queue_at(id, *sent_to, since))
            {
                of.more += 1;
            }
        }
    }
    all
}

/// Whether an attempt was over before asynq would have given it up.
fn is_in_time(task: &TaskPlan, since: Time, at: Time) -> bool {
    let timeout_ms = match task.timeout_ms {
        0 => DEFAULT_TIMEOUT_S * 1_000,
        timeout_ms => timeout_ms,
    };
    task.deadline_ms.is_none() && at.millis() - since.millis() + 1_000 < timeout_ms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tests::plan_with_arrivals;

    /// Two processes of ten slots each.
    fn plan() -> Plan {
        plan_with_arrivals("{ poisson: 10/s }")
    }

    fn sent(count: u64) -> Vec<Note> {
        let at = Time::from_millis(0);
        let sent = |id: u64| Note::Sent {
            at,
            id: id.to_string(),
            workload: 0,
            intended: at,
        };
        (0..count).map(sent).collect()
    }

    /// A life in which the first so many tasks succeeded, and the last of them was begun.
    fn life(finished: u64, begun: u64) -> ProcessLedger {
        let mut entries = Vec::new();
        for id in 0..finished + begun {
            let (at, id, retried) = (Time::from_millis(0), id.to_string(), 0);
            entries.push(Note::Started {
                at,
                id: id.clone(),
                retried,
            });
            if entries.len() as u64 <= 2 * finished {
                entries.push(Note::Finished {
                    at,
                    id,
                    retried,
                    how: Finish::Ok,
                    overrun_us: 0,
                    taken_off_us: 0,
                });
            }
        }
        ProcessLedger {
            process: "w-0".to_owned(),
            entries,
            killed_at: None,
            ended_by: None,
        }
    }

    fn found(processed: Count, failed: u64, life: ProcessLedger) -> Vec<(String, String)> {
        let failed = Count {
            total: failed,
            daily: failed,
        };
        let counters = Counters { processed, failed };
        let counters = BTreeMap::from([("default".to_owned(), counters)]);
        wrong(&plan(), &counters, Time(0), (&sent(1_000), &[life], &[]))
    }

    fn both(count: u64) -> Count {
        Count {
            total: count,
            daily: count,
        }
    }

    #[test]
    fn what_the_ledgers_say_is_right() {
        assert_eq!(found(both(200), 0, life(200, 0)), []);
    }

    #[test]
    fn five_hundred_more_are_found_in_either_counter() {
        let [(queue, saw)] = found(both(700), 0, life(200, 0)).try_into().unwrap();
        assert_eq!(queue, "default");
        assert_eq!(
            saw,
            "asynq's counter `processed` is 700, and the workers have noted 200"
        );
        let [(_, saw)] = found(both(200), 500, life(200, 0)).try_into().unwrap();
        assert_eq!(
            saw,
            "asynq's counter `failed` is 500, and the workers have noted 0"
        );
    }

    #[test]
    fn what_fails_without_a_handler_is_counted_too() {
        let noted = |why| {
            let mut life = life(200, 0);
            life.entries.extend((200..500).map(|id| Note::Unhandled {
                at: Time::from_millis(0),
                id: id.to_string(),
                retried: 0,
                why,
            }));
            life
        };
        let late = || noted(Unhandled::TooLate);
        assert_eq!(found(both(500), 300, late()), []);
        assert_eq!(found(both(800), 300, late()).len(), 1);
        assert_eq!(found(both(200), 0, late()).len(), 2);
        // Several may have found the same task.
        let recovered = || noted(Unhandled::Recovered);
        assert_eq!(found(both(500), 300, recovered()), []);
        assert_eq!(found(both(350), 150, recovered()), []);
        assert_eq!(found(both(511), 311, recovered()).len(), 2);
    }

    #[test]
    fn fewer_are_found_too() {
        assert_eq!(found(both(100), 0, life(200, 0)).len(), 1);
    }

    #[test]
    fn a_total_that_is_not_the_sum_of_its_days_is_found() {
        let count = Count {
            total: 200,
            daily: 203,
        };
        let [(_, saw)] = found(count, 0, life(200, 0)).try_into().unwrap();
        assert_eq!(
            saw,
            "asynq's counter `processed` is 200, and those of its days 203"
        );
    }

    #[test]
    fn what_was_fetched_and_not_begun_at_a_kill_is_allowed() {
        // Ten slots: as many may have been fetched, and whoever recovers them counts them.
        assert_eq!(found(both(210), 0, life(200, 0)), []);
        assert_eq!(found(both(211), 0, life(200, 0)).len(), 1);
        // What was begun and did not return may be counted as well.
        assert_eq!(found(both(213), 0, life(200, 3)), []);
        assert_eq!(found(both(214), 0, life(200, 3)).len(), 1);
    }
}
