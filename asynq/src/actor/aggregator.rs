//! The aggregator: makes one task of the tasks of a group (asynq `aggregator.go`).

use crate::actor::{Action, Aggregation, Out, Ticket, Timer};
use crate::client::Submission;
use crate::clock::Time;
use crate::op::{Accepted, AggregationCheck, Answer, GroupLimits, Op, Reply};
use crate::settings::{AGGREGATION_CHECKS_MAX, AGGREGATION_INTERVAL_MS};
use crate::task::Task;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;
use std::sync::Arc;
use uuid::Uuid;

/// At every tick a check goes through all groups of all queues, unless as many checks as asynq allows are still under way.
///
/// Whatever fails leaves its set behind; when the set's deadline has passed, a recoverer puts the tasks back. A server that
/// dies between enqueueing and deleting has its tasks aggregated twice.
#[derive(Debug)]
pub(crate) struct Aggregator<T: Task> {
    queues: Vec<T::Queue>,
    limits: GroupLimits,
    checks: [Option<Check<T>>; AGGREGATION_CHECKS_MAX],
    rng: ChaCha8Rng,
}

/// One check on its way.
#[derive(Debug)]
struct Check<T: Task> {
    /// The tick's time: all groups are judged by it.
    at: Time,
    queues: VecDeque<T::Queue>,
    queue: Option<T::Queue>,
    groups: VecDeque<T::Group>,
    set: Option<Set<T>>,
    step: Step,
}

/// The set in hand.
#[derive(Debug, Clone)]
struct Set<T: Task> {
    queue: T::Queue,
    group: T::Group,
    name: Uuid,
    deadline_s: i64,
}

/// What the check waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    List,
    Take,
    Read,
    Aggregate,
    Enqueue,
    Delete,
}

impl<T: Task> Aggregator<T> {
    /// An aggregator whose sets are named by `rng`.
    pub(crate) fn new(queues: Vec<T::Queue>, limits: GroupLimits, rng: ChaCha8Rng) -> Self {
        Self {
            queues,
            limits,
            checks: std::array::from_fn(|_| None),
            rng,
        }
    }

    pub(crate) fn start(&self, now: Time, out: &mut impl Out<T>) {
        let interval_ms = AGGREGATION_INTERVAL_MS.min(self.limits.grace_s * 1_000);
        out.push(Action::Timer(
            now.plus_millis(interval_ms),
            Timer::Aggregate,
        ));
    }

    /// Whether no check is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.checks.iter().all(Option::is_none)
    }

    pub(crate) fn tick(&mut self, now: Time, out: &mut impl Out<T>) {
        self.start(now, out);
        let free = (0..).zip(&self.checks).find(|(_, check)| check.is_none());
        let Some((number, _)) = free else { return };
        self.checks[usize::from(number)] = Some(Check {
            at: now,
            queues: self.queues.iter().cloned().collect(),
            queue: None,
            groups: VecDeque::new(),
            set: None,
            step: Step::List,
        });
        self.next_group(number, out);
    }

    /// Goes on with the next group, or the groups of the next queue.
    fn next_group(&mut self, number: u8, out: &mut impl Out<T>) {
        let slot = &mut self.checks[usize::from(number)];
        let Some(check) = slot else { return };
        check.set = None;
        let op = match (check.groups.pop_front(), &check.queue) {
            (Some(group), Some(queue)) => {
                let name = uuid::Builder::from_random_bytes(self.rng.random()).into_uuid();
                check.step = Step::Take;
                check.set = Some(Set {
                    queue: queue.clone(),
                    group: group.clone(),
                    name,
                    deadline_s: 0,
                });
                Op::AggregationCheck(Box::new(AggregationCheck {
                    queue: queue.clone(),
                    group,
                    set: name,
                    limits: self.limits,
                    now: check.at,
                }))
            }
            _ => {
                let Some(queue) = check.queues.pop_front() else {
                    *slot = None;
                    return;
                };
                check.step = Step::List;
                check.queue = Some(queue.clone());
                Op::ListGroups { queue }
            }
        };
        out.push(Action::Call(Ticket::Aggregate(number), op));
    }

    pub(crate) fn answered(
        &mut self,
        now: Time,
        number: u8,
        answer: Answer<T>,
        out: &mut impl Out<T>,
    ) {
        let Some(check) = &mut self.checks[usize::from(number)] else {
            return;
        };
        let ticket = Ticket::Aggregate(number);
        match (check.step, answer, &mut check.set) {
            (Step::List, Ok(Reply::Groups(groups)), _) => {
                check.groups = groups.into();
                self.next_group(number, out);
            }
            (Step::Take, Ok(Reply::Taken(true)), Some(set)) => {
                check.step = Step::Read;
                let op = Op::ReadAggregationSet {
                    queue: set.queue.clone(),
                    group: set.group.clone(),
                    set: set.name,
                };
                out.push(Action::Call(ticket, op));
            }
            (
                Step::Read,
                Ok(Reply::AggregationSet {
                    messages,
                    deadline_s,
                }),
                Some(set),
            ) => {
                check.step = Step::Aggregate;
                set.deadline_s = deadline_s;
                out.push(Action::Aggregate(Box::new(Aggregation {
                    check: number,
                    queue: set.queue.clone(),
                    group: set.group.clone(),
                    tasks: messages,
                })));
            }
            (Step::Enqueue, Ok(Reply::Enqueued(Accepted::New)), Some(set))
                if now.secs() < set.deadline_s =>
            {
                check.step = Step::Delete;
                let op = Op::DeleteAggregationSet {
                    queue: set.queue.clone(),
                    group: set.group.clone(),
                    set: set.name,
                };
                out.push(Action::Call(ticket, op));
            }
            _ => self.next_group(number, out),
        }
    }

    /// The host has made one task of them, or could not. One that took longer than the set's deadline comes too late.
    pub(crate) fn aggregated(
        &mut self,
        now: Time,
        number: u8,
        task: Result<Box<Submission<T>>, Arc<str>>,
        out: &mut impl Out<T>,
    ) {
        let Some(check) = &mut self.checks[usize::from(number)] else {
            return;
        };
        match (task, &check.set) {
            (Ok(task), Some(set))
                if check.step == Step::Aggregate && now.secs() < set.deadline_s =>
            {
                check.step = Step::Enqueue;
                out.push(Action::Call(Ticket::Aggregate(number), task.op(now)));
            }
            _ => self.next_group(number, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::TaskMessage;
    use crate::op::BrokerError;
    use crate::rng;

    type Actions = crate::actor::Actions<TaskMessage>;

    const NOW: Time = Time::from_millis(1_700_000_000_000);

    fn aggregator(grace_s: i64) -> Aggregator<TaskMessage> {
        let limits = GroupLimits {
            grace_s,
            max_delay_s: 0,
            max_size: 0,
        };
        Aggregator::new(vec!["default".into()], limits, rng::stream(1, "test"))
    }

    fn message(id: &str) -> TaskMessage {
        TaskMessage {
            id: id.into(),
            queue: "default".into(),
            group_key: "g".into(),
            ..TaskMessage::default()
        }
    }

    /// Takes the check to where the host is asked.
    fn asked(aggregator: &mut Aggregator<TaskMessage>) -> Box<Aggregation<TaskMessage>> {
        aggregator.tick(NOW, &mut Actions::new());
        let mut out = Actions::new();
        let mut answer = |reply| {
            out.clear();
            aggregator.answered(NOW, 0, Ok(reply), &mut out);
        };
        answer(Reply::Groups(vec!["g".into()]));
        answer(Reply::Taken(true));
        answer(Reply::AggregationSet {
            messages: vec![message("a"), message("b")],
            deadline_s: NOW.secs() + 120,
        });
        match out.pop() {
            Some(Action::Aggregate(aggregation)) => aggregation,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_group_becomes_one_task() {
        let mut aggregator = aggregator(10);
        let aggregation = asked(&mut aggregator);
        let ids: Vec<&str> = aggregation.tasks.iter().map(|task| &*task.id).collect();
        assert_eq!(
            (aggregation.check, &*aggregation.group, ids),
            (0, "g", vec!["a", "b"])
        );
        let one = TaskMessage {
            group_key: String::new(),
            ..message("one")
        };
        let mut out = Actions::new();
        aggregator.aggregated(NOW, 0, Ok(Box::new(Submission::now(one))), &mut out);
        assert!(matches!(out[..], [Action::Call(_, Op::Enqueue { .. })]));
        out.clear();
        aggregator.answered(NOW, 0, Ok(Reply::Enqueued(Accepted::New)), &mut out);
        assert!(matches!(
            out[..],
            [Action::Call(_, Op::DeleteAggregationSet { .. })]
        ));
        assert!(!aggregator.is_idle());
        aggregator.answered(NOW, 0, Ok(Reply::Done), &mut out);
        assert!(aggregator.is_idle());
    }

    #[test]
    fn what_fails_or_comes_too_late_leaves_its_set_behind() {
        let late = NOW.plus_millis(120_000);
        for (now, task) in [
            (NOW, Err("boom".into())),
            (late, Ok(Box::new(Submission::now(message("one"))))),
        ] {
            let mut aggregator = aggregator(10);
            asked(&mut aggregator);
            let mut out = Actions::new();
            aggregator.aggregated(now, 0, task, &mut out);
            assert!(out.is_empty() && aggregator.is_idle(), "{out:?}");
        }
    }

    #[test]
    fn three_checks_at_a_time_and_no_more() {
        let mut aggregator = aggregator(3);
        let mut calls = Vec::new();
        for _ in 0..4 {
            let mut out = Actions::new();
            aggregator.tick(NOW, &mut out);
            assert!(
                matches!(out[0], Action::Timer(at, Timer::Aggregate) if at == NOW.plus_millis(3_000))
            );
            calls.push(out.len() - 1);
        }
        assert_eq!(calls, [1, 1, 1, 0]);
        let mut out = Actions::new();
        let gone = BrokerError::Unreachable("gone".into());
        aggregator.answered(NOW, 1, Err(gone), &mut out);
        assert!(out.is_empty() && !aggregator.is_idle());
        aggregator.tick(NOW, &mut out);
        assert!(matches!(
            out[1],
            Action::Call(Ticket::Aggregate(1), Op::ListGroups { .. })
        ));
    }
}
