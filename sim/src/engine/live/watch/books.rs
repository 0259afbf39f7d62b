//! Whether the numbers of a queue add up: every task that was enqueued is somewhere, or has succeeded.
//!
//! asynq's scripts move a task in one step, so that this holds at every moment, whatever the drill does to its processes.
//! What bends it, if only for a while, is somebody else's hand: counters that are set, lists that are renamed.

use crate::plan::{Plan, Routes};
use firedrill_asynq::clock::Time;
use firedrill_asynq::op::QueueStats;
use firedrill_asynq::settings::ARCHIVE_MAX;
use std::collections::{BTreeMap, BTreeSet};

/// So much may be between two looks at the clock, virtual seconds.
const AGE_OFF_S: f64 = 120.0;

/// What the drill's producer has done, and what was seen of the counters, at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Before {
    /// Tasks sent: more cannot be there.
    sent: u64,
    /// Tasks that Redis has accepted: fewer cannot be there.
    accepted: u64,
    /// So many more are there than have come, by an operator's hand.
    more: i64,
    /// How often an operator has begun or ended to change tasks: odd while one does.
    hands: u64,
    /// The largest values of both totals.
    processed: u64,
    failed: u64,
}

/// What is in a queue at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(super) pending: u64,
    pub(super) active: u64,
    pub(super) scheduled: u64,
    pub(super) retry: u64,
    pub(super) archived: u64,
    /// Attempts that have ended.
    pub(super) processed: u64,
    /// Those of them that failed.
    pub(super) failed: u64,
}

impl From<&QueueStats> for Sizes {
    fn from(stats: &QueueStats) -> Self {
        Self {
            pending: stats.pending,
            active: stats.active,
            scheduled: stats.scheduled,
            retry: stats.retry,
            archived: stats.archived,
            processed: stats.processed_total,
            failed: stats.failed_total,
        }
    }
}

/// One queue's numbers.
#[derive(Debug, Default)]
struct Book {
    now: Before,
    /// Whether somebody was told that they do not add up.
    told: bool,
    /// Whether somebody was told of a task of another time.
    told_of_age: bool,
}

/// The numbers of all queues.
#[derive(Debug, Default)]
pub(super) struct Books {
    queues: BTreeMap<String, Book>,
    /// The queue of each leg of the plan's routes.
    legs: Vec<String>,
    /// Legs whose tasks wait in a group.
    grouped: Vec<usize>,
    /// Workers make tasks out of others, which only they count.
    aggregates: bool,
    /// The producer may send a task a second time when it was done already, so that it is there twice.
    repeats: bool,
    /// Handlers enqueue into these, and only they count that.
    children: BTreeSet<String>,
    /// How far clocks are ahead and behind by plan, at most.
    skew_s: [f64; 2],
}

impl Books {
    pub(super) fn new(plan: &Plan, origin: Time) -> Self {
        let queues = plan.queues.iter();
        let routes = Routes::of(plan, origin);
        Self {
            queues: queues.map(|q| (q.name.clone(), Book::default())).collect(),
            legs: routes.task_types().map(|(_, queue)| queue).collect(),
            grouped: (0..)
                .zip(routes.legs())
                .filter_map(|(leg, (entry, _))| plan.workload[entry].is_grouped().then_some(leg))
                .collect(),
            aggregates: plan.workers.iter().any(|worker| worker.groups.is_some()),
            repeats: plan.may_enqueue_twice(),
            children: plan.child_queues().into_iter().map(str::to_owned).collect(),
            skew_s: plan.most_skew_ms().map(|ms| ms as f64 / 1e3),
        }
    }

    fn of_leg(&mut self, leg: usize) -> Option<&mut Before> {
        let queue = self.legs.get(leg)?;
        self.queues.get_mut(queue).map(|book| &mut book.now)
    }

    /// A task is about to be sent.
    pub(super) fn sends(&mut self, leg: usize) {
        if let Some(enqueued) = self.of_leg(leg) {
            enqueued.sent += 1;
        }
    }

    /// One was accepted. What is in a group is in none of the numbers.
    pub(super) fn accepted(&mut self, leg: usize) {
        if !self.grouped.contains(&leg)
            && let Some(enqueued) = self.of_leg(leg)
        {
            enqueued.accepted += 1;
        }
    }

    /// An operator begins to change tasks of a queue.
    pub(super) fn hands_on(&mut self, queue: &str) {
        if let Some(book) = self.queues.get_mut(queue) {
            book.now.hands += 1;
        }
    }

    /// That is done, and so many more tasks are there than have come.
    pub(super) fn hands_off(&mut self, queue: &str, more: i64) {
        if let Some(book) = self.queues.get_mut(queue) {
            book.now.hands += 1;
            book.now.more += more;
        }
    }

    /// What is known of a queue so far.
    pub(super) fn before(&self, queue: &str) -> Before {
        let book = self.queues.get(queue);
        book.map_or_else(Before::default, |book| book.now)
    }

    /// What is wrong with the age of the task that waits longest, seconds, once: none is older than the drill, or from the
    /// future.
    pub(super) fn check_age(&mut self, queue: &str, waits_s: f64, drill_s: f64) -> Option<String> {
        let book = self.queues.get_mut(queue)?;
        let [ahead_s, behind_s] = self.skew_s;
        let may_be = -AGE_OFF_S - ahead_s..=drill_s + AGE_OFF_S + behind_s;
        if may_be.contains(&waits_s) || std::mem::replace(&mut book.told_of_age, true) {
            return None;
        }
        Some(format!(
            "its oldest task has been waiting for {waits_s:.0} s, and the drill began {drill_s:.0} s ago"
        ))
    }

    /// What is wrong with the numbers of a queue, once. `before`: what was known when they were asked for;
    /// what others have seen since may be newer.
    pub(super) fn check(&mut self, queue: &str, before: Before, now: Sizes) -> Option<String> {
        let uncounted = self.aggregates || self.repeats || self.children.contains(queue);
        let book = self.queues.get_mut(queue)?;
        if book.told {
            return None;
        }
        let back = |name: &str, from: u64, to: u64| {
            (to < from).then(|| format!("{name} has gone from {from} back to {to}"))
        };
        let found = back("asynq's counter `processed`", before.processed, now.processed)
            .or_else(|| back("asynq's counter `failed`", before.failed, now.failed))
            .or_else(|| {
                // Quirk: of a full archive one less is kept.
                let full = now.archived + 1 >= u64::from(ARCHIVE_MAX);
                let by_hand = before.hands % 2 == 1 || before.hands != book.now.hands;
                let adds_up = uncounted || full || by_hand || {
                    let succeeded = now.processed.checked_sub(now.failed);
                    let there = now.pending + now.active + now.scheduled + now.retry + now.archived;
                    let more = book.now.more;
                    succeeded.is_some_and(|succeeded| {
                        let least = before.accepted.saturating_add_signed(more);
                        (least..=book.now.sent.saturating_add_signed(more))
                            .contains(&there.saturating_add(succeeded))
                    })
                };
                (!adds_up).then(|| {
                    let Sizes {
                        pending,
                        active,
                        scheduled,
                        retry,
                        archived,
                        ..
                    } = now;
                    let waiting = scheduled + retry;
                    format!(
                        "its numbers do not add up: of {} tasks {pending} are pending, {active} active, {waiting} \
                         scheduled, {archived} archived, and the counters say {} processed, {} failed",
                        before.accepted, now.processed, now.failed
                    )
                })
            });
        let known = &mut book.now;
        known.processed = known.processed.max(now.processed);
        known.failed = known.failed.max(now.failed);
        book.told = found.is_some();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{PlanOptions, Scenario};

    fn books() -> Books {
        let text = include_str!("../../../../../scenarios/worker-crashed/worker-crash-all.yaml");
        let scenario = Scenario::parse("s.yaml", text).unwrap();
        let plan = Plan::resolve(&scenario, &PlanOptions { seed: None }).unwrap();
        let mut books = Books::new(&plan, Time(0));
        for number in 0..10 {
            books.sends(0);
            if number < 8 {
                books.accepted(0);
            }
        }
        books
    }

    #[test]
    fn no_task_is_older_than_the_drill() {
        let mut books = books();
        let queue = books.legs[0].clone();
        assert_eq!(books.check_age(&queue, 300.0, 300.0), None);
        assert_eq!(books.check_age(&queue, 0.0, 300.0), None);
        let said = books.check_age(&queue, 1.7e9, 300.0).unwrap();
        assert!(said.contains("waiting for 1700000000 s"), "{said}");
        assert_eq!(
            books.check_age(&queue, 1.7e9, 315.0),
            None,
            "it is told once"
        );
        let mut books = self::books();
        assert!(books.check_age(&queue, -3_600.0, 300.0).is_some());
    }

    #[test]
    fn a_task_is_somewhere_or_has_succeeded() {
        let right = Sizes {
            pending: 2,
            active: 1,
            retry: 1,
            archived: 1,
            // Three have succeeded.
            processed: 7,
            failed: 4,
            ..Sizes::default()
        };
        let mut books = books();
        let queue = books.legs[0].clone();
        let mut check = |sizes| {
            let before = books.before(&queue);
            books.check(&queue, before, sizes)
        };
        assert_eq!(check(right), None);
        // Two more were sent, and may be there.
        assert_eq!(
            check(Sizes {
                pending: 4,
                ..right
            }),
            None
        );
        let back = check(Sizes { failed: 3, ..right }).unwrap();
        assert!(
            back.contains("`failed` has gone from 4 back to 3"),
            "{back}"
        );
        // It is told once.
        assert_eq!(
            check(Sizes {
                pending: 0,
                ..right
            }),
            None
        );
        for wrong in [
            Sizes {
                pending: 0,
                ..right
            },
            Sizes {
                failed: 504,
                ..right
            },
            Sizes {
                processed: 999_999,
                ..right
            },
            Sizes {
                archived: 4,
                ..right
            },
        ] {
            let mut books = self::books();
            let before = books.before(&queue);
            let said = books.check(&queue, before, wrong);
            assert!(
                said.is_some_and(|said| said.contains("do not add up")),
                "{wrong:?}"
            );
        }
    }
}
