//! What only workers do, and our broker does on both databases alike.

use super::GROUPS;
use super::operations::a_known_queue;
use crate::support::Op;
use firedrill_asynq::clock::Time;
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::{Delayed, GroupLimits};
use firedrill_asynq::task::Task;
use proptest::prelude::*;
use proptest::sample::select;
use smallvec::smallvec;
use uuid::Uuid;

/// A worker's deed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    Take {
        queue: &'static str,
    },
    Done,
    Fail {
        retry_in_s: i64,
    },
    GiveUp,
    GiveBack,
    Forward {
        queue: &'static str,
        from: Delayed,
    },
    /// Of the task that was taken last.
    Tell {
        result: u8,
    },
    Clean {
        queue: &'static str,
    },
    /// Take a group out into a set.
    Aggregate {
        queue: &'static str,
        group: &'static str,
        set: u8,
    },
    /// Be done with a set.
    Aggregated {
        queue: &'static str,
        group: &'static str,
        set: u8,
    },
    /// Give up the sets that are overdue.
    Reclaim {
        queue: &'static str,
    },
}

pub(super) fn work() -> impl Strategy<Value = Work> {
    let queue = a_known_queue;
    let group = || select(&GROUPS[..]);
    let from = select(&[Delayed::Scheduled, Delayed::Retry][..]);
    prop_oneof![
        6 => queue().prop_map(|queue| Work::Take { queue }),
        2 => Just(Work::Done),
        2 => (0..40_i64).prop_map(|retry_in_s| Work::Fail { retry_in_s }),
        1 => Just(Work::GiveUp),
        1 => Just(Work::GiveBack),
        2 => (queue(), from).prop_map(|(queue, from)| Work::Forward { queue, from }),
        1 => (0..4_u8).prop_map(|result| Work::Tell { result }),
        1 => queue().prop_map(|queue| Work::Clean { queue }),
        2 => (queue(), group(), 0..2_u8)
            .prop_map(|(queue, group, set)| Work::Aggregate { queue, group, set }),
        1 => (queue(), group(), 0..2_u8)
            .prop_map(|(queue, group, set)| Work::Aggregated { queue, group, set }),
        1 => queue().prop_map(|queue| Work::Reclaim { queue }),
    ]
}

impl Work {
    /// Its operation; what finishes a task takes the last of those in progress.
    pub(super) fn op(self, now: Time, taken: &mut Vec<TaskMessage>) -> Option<Op> {
        Some(match self {
            Self::Take { queue } => Op::Dequeue {
                queues: smallvec![queue.to_owned()],
                lease_expires_s: now.secs() + 30,
            },
            Self::Forward { queue, from } => Op::Forward {
                queue: queue.to_owned(),
                from,
                now,
            },
            Self::Tell { result } => Op::WriteResult {
                message: taken.last()?.clone(),
                result: vec![b'0' + result].into(),
            },
            Self::Clean { queue } => Op::DeleteExpiredCompleted {
                queue: queue.to_owned(),
                now_s: now.secs(),
            },
            Self::Aggregate { queue, group, set } => {
                Op::AggregationCheck(Box::new(firedrill_asynq::op::AggregationCheck {
                    queue: queue.to_owned(),
                    group: group.into(),
                    set: uuid(set),
                    limits: GroupLimits {
                        grace_s: 1,
                        max_delay_s: 0,
                        max_size: 3,
                    },
                    now,
                }))
            }
            Self::Aggregated { queue, group, set } => Op::DeleteAggregationSet {
                queue: queue.to_owned(),
                group: group.into(),
                set: uuid(set),
            },
            Self::Reclaim { queue } => Op::ReclaimAggregationSets {
                queue: queue.to_owned(),
                now_s: now.secs(),
            },
            Self::Done | Self::Fail { .. } | Self::GiveUp | Self::GiveBack => {
                finish(taken.pop()?, self, now)
            }
        })
    }
}

fn finish(mut message: TaskMessage, work: Work, now: Time) -> Op {
    match work {
        Work::Fail { retry_in_s } => {
            message.failed("boom", now.secs(), true);
            let retry_at_s = now.secs() + retry_in_s;
            Op::Retry {
                message,
                retry_at_s,
                is_failure: true,
                now,
            }
        }
        Work::GiveUp => {
            message.failed("gave up", now.secs(), false);
            Op::Archive { message, now }
        }
        Work::GiveBack => Op::Requeue { message },
        _ if message.retention > 0 => Op::MarkAsComplete { message, now },
        _ => Op::Done { message, now },
    }
}

/// Names a set.
fn uuid(set: u8) -> Uuid {
    Uuid::from_u128(set.into())
}
