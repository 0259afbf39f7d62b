//! Long random sequences of operations on both brokers: every answer and everything held, compared after each.

use super::state;
use super::{Broker, InMemory, OnRedis};
use crate::support::{Answer, NOW, Op, need, task};
use firedrill_asynq::clock::Time;
use firedrill_asynq::keys::Queue;
use firedrill_asynq::message::{ServerInfo, TaskMessage};
use firedrill_asynq::op::{BrokerError, Delayed, GroupLimits, Reply, ServerState};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use redis::{Commands, FlushAllOptions};
use smallvec::smallvec;
use std::cell::RefCell;
use uuid::Uuid;

const QUEUES: [&str; 2] = ["default", "low"];
/// Half a minute before midnight UTC.
const START: Time = NOW.plus_millis(((6 * 3_600 + 13 * 60 + 19) - 30) * 1_000);
/// Few, so that operations meet.
const IDS: u8 = 5;
const CASES: u32 = 400;

/// One task of the few there are.
#[derive(Debug, Clone, Copy)]
struct Which {
    id: u8,
    low: bool,
}

/// Name of a group.
type Group = &'static str;

#[derive(Debug, Clone, Copy)]
enum Finishing {
    Done,
    Complete { retention_s: i64 },
    Requeue,
    Retry { in_s: i64, is_failure: bool },
    Archive,
}

#[derive(Debug, Clone)]
enum Step {
    Wait {
        ms: i64,
    },
    Register {
        low: bool,
    },
    Enqueue(Which),
    EnqueueBatch(Vec<Which>),
    Schedule(Which, i64),
    EnqueueUnique(Which, u8),
    ScheduleUnique(Which, u8, i64),
    AddToGroup(Which, Group, Option<u8>),
    Result(Which),
    Check {
        low: bool,
        group: Group,
        limits: GroupLimits,
    },
    /// Of the set that was made so many checks ago.
    ReadSet {
        ago: usize,
    },
    DeleteSet {
        ago: usize,
    },
    Reclaim {
        low: bool,
    },
    Groups {
        low: bool,
    },
    Pause {
        low: bool,
    },
    Unpause {
        low: bool,
    },
    Dequeue {
        low_first: bool,
        lease_s: i64,
    },
    DequeueBatch {
        low_first: bool,
        max: u32,
        lease_s: i64,
    },
    /// Of the tasks that were taken so many dequeues ago, and of some in whatever state.
    DoneBatch {
        ago: Vec<usize>,
        others: Vec<Which>,
        younger: u32,
    },
    /// Of the task that was taken so many dequeues ago, or of any, in whatever state.
    FinishTaken {
        ago: usize,
        how: Finishing,
    },
    Finish(Which, Finishing),
    Extend {
        low: bool,
        ids: Vec<u8>,
        lease_s: i64,
    },
    Forward {
        low: bool,
        from: Delayed,
    },
    /// What a recoverer does: lists, then retries or archives each.
    Recover {
        low: bool,
        late_s: i64,
    },
    Clean {
        low: bool,
    },
    Announce {
        server: u8,
    },
    Leave {
        server: u8,
    },
    Stats {
        low: bool,
    },
    Ids {
        low: bool,
    },
    Queues,
}

fn which() -> impl Strategy<Value = Which> {
    (0..IDS, prop::bool::weighted(0.3)).prop_map(|(id, low)| Which { id, low })
}

fn finishing() -> impl Strategy<Value = Finishing> {
    prop_oneof![
        Just(Finishing::Done),
        (0..40_i64).prop_map(|retention_s| Finishing::Complete { retention_s }),
        Just(Finishing::Requeue),
        (0..40_i64, any::<bool>())
            .prop_map(|(in_s, is_failure)| Finishing::Retry { in_s, is_failure }),
        Just(Finishing::Archive),
    ]
}

fn payload() -> impl Strategy<Value = u8> {
    0..2_u8
}

fn group() -> impl Strategy<Value = Group> {
    prop_oneof![Just("g"), Just("h:i")]
}

fn limits() -> impl Strategy<Value = GroupLimits> {
    (0..20_i64, 0..30_i64, 0..3_u32).prop_map(|(grace_s, max_delay_s, max_size)| GroupLimits {
        grace_s,
        max_delay_s,
        max_size,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let low = || prop::bool::weighted(0.3);
    let from = prop_oneof![Just(Delayed::Scheduled), Just(Delayed::Retry)];
    // Moments, seconds, a day, and what an archive remembers.
    let wait = prop_oneof![
        8 => 0..3_000_i64,
        6 => 0..60_000_i64,
        1 => Just(86_400_000_i64),
        1 => 88 * 86_400_000_i64..=91 * 86_400_000,
    ];
    prop_oneof![
        6 => wait.prop_map(|ms| Step::Wait { ms }),
        1 => low().prop_map(|low| Step::Register { low }),
        12 => which().prop_map(Step::Enqueue),
        3 => prop::collection::vec(which(), 0..5).prop_map(Step::EnqueueBatch),
        5 => (any::<bool>(), 1..5_u32, 0..40_i64)
            .prop_map(|(low_first, max, lease_s)| Step::DequeueBatch { low_first, max, lease_s }),
        4 => (prop::collection::vec(0..4_usize, 0..4), prop::collection::vec(which(), 0..3), 0..4_u32)
            .prop_map(|(ago, others, younger)| Step::DoneBatch { ago, others, younger }),
        3 => (which(), -5..30_i64).prop_map(|(which, in_s)| Step::Schedule(which, in_s)),
        5 => (which(), payload()).prop_map(|(which, payload)| Step::EnqueueUnique(which, payload)),
        2 => (which(), payload(), -5..30_i64)
            .prop_map(|(which, payload, in_s)| Step::ScheduleUnique(which, payload, in_s)),
        6 => (which(), group(), prop::option::weighted(0.3, payload()))
            .prop_map(|(which, group, payload)| Step::AddToGroup(which, group, payload)),
        2 => which().prop_map(Step::Result),
        6 => (low(), group(), limits())
            .prop_map(|(low, group, limits)| Step::Check { low, group, limits }),
        2 => (0..3_usize).prop_map(|ago| Step::ReadSet { ago }),
        2 => (0..3_usize).prop_map(|ago| Step::DeleteSet { ago }),
        2 => low().prop_map(|low| Step::Reclaim { low }),
        1 => low().prop_map(|low| Step::Groups { low }),
        1 => low().prop_map(|low| Step::Pause { low }),
        4 => low().prop_map(|low| Step::Unpause { low }),
        12 => (any::<bool>(), 0..40_i64)
            .prop_map(|(low_first, lease_s)| Step::Dequeue { low_first, lease_s }),
        8 => (0..4_usize, finishing()).prop_map(|(ago, how)| Step::FinishTaken { ago, how }),
        3 => (which(), finishing()).prop_map(|(which, how)| Step::Finish(which, how)),
        2 => (low(), prop::collection::vec(0..IDS, 0..4), 0..60_i64)
            .prop_map(|(low, ids, lease_s)| Step::Extend { low, ids, lease_s }),
        4 => (low(), from).prop_map(|(low, from)| Step::Forward { low, from }),
        4 => (low(), -30..60_i64).prop_map(|(low, late_s)| Step::Recover { low, late_s }),
        2 => low().prop_map(|low| Step::Clean { low }),
        1 => (0..2_u8).prop_map(|server| Step::Announce { server }),
        1 => (0..2_u8).prop_map(|server| Step::Leave { server }),
        1 => low().prop_map(|low| Step::Stats { low }),
        1 => low().prop_map(|low| Step::Ids { low }),
        1 => Just(Step::Queues),
    ]
}

fn queue(low: bool) -> String {
    QUEUES[usize::from(low)].into()
}

fn message(which: Which) -> TaskMessage {
    TaskMessage {
        queue: queue(which.low),
        ..task(&which.id.to_string())
    }
}

/// Redis' own clock ends locks, and it does not move with ours: these outlast every sequence.
const LOCK_TTL_S: i64 = 10_000_000_000;

/// A task whose payload alone decides which lock it wants.
fn unique(which: Which, payload: u8) -> TaskMessage {
    let payload = payload.to_string().into_bytes();
    TaskMessage {
        unique_key: Queue(&queue(which.low)).unique("email:send", Some(&payload)),
        payload,
        ..message(which)
    }
}

fn add_to_group(which: Which, group: Group, payload: Option<u8>, now: Time) -> Op {
    let message = payload.map_or_else(|| message(which), |payload| unique(which, payload));
    let message = TaskMessage {
        group_key: group.into(),
        ..message
    };
    match payload {
        None => Op::AddToGroup { message, now },
        Some(_) => Op::AddToGroupUnique {
            message,
            lock_ttl_s: LOCK_TTL_S,
            now,
        },
    }
}

fn server(number: u8) -> ServerInfo {
    ServerInfo {
        host: "h".into(),
        pid: number.into(),
        ..ServerInfo::default()
    }
}

/// Both brokers, the time, and the tasks a worker has taken.
struct Pair<'a> {
    redis: &'a mut OnRedis,
    memory: InMemory,
    now: Time,
    taken: Vec<TaskMessage>,
    recovered: usize,
    /// Aggregation sets made, by queue, group and name.
    sets: Vec<(String, String, Uuid)>,
    checks: u128,
}

impl Pair<'_> {
    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        let now = self.now;
        let secs = |in_s: i64| now.secs() + in_s;
        let op = match step {
            Step::Wait { ms } => {
                self.now = now.plus_millis(ms);
                return Ok(());
            }
            Step::Register { low } => Op::RegisterQueue { queue: queue(low) },
            Step::Enqueue(which) => Op::Enqueue {
                message: message(which),
                now,
            },
            Step::Schedule(which, in_s) => Op::Schedule {
                message: message(which),
                process_at_s: secs(in_s),
            },
            Step::EnqueueUnique(which, payload) => Op::EnqueueUnique {
                message: unique(which, payload),
                lock_ttl_s: LOCK_TTL_S,
                now,
            },
            Step::ScheduleUnique(which, payload, in_s) => {
                Op::ScheduleUnique(Box::new(firedrill_asynq::op::ScheduleUnique {
                    message: unique(which, payload),
                    process_at_s: secs(in_s),
                    lock_ttl_s: LOCK_TTL_S,
                    now,
                }))
            }
            Step::AddToGroup(which, group, payload) => add_to_group(which, group, payload, now),
            Step::Result(which) => Op::WriteResult {
                message: message(which),
                result: b"result".to_vec().into(),
            },
            Step::Check { low, group, limits } => return self.check(low, group, limits),
            Step::ReadSet { ago } => match self.set(ago) {
                Some((queue, group, set)) => Op::ReadAggregationSet { queue, group, set },
                None => return Ok(()),
            },
            Step::DeleteSet { ago } => match self.set(ago) {
                Some((queue, group, set)) => Op::DeleteAggregationSet { queue, group, set },
                None => return Ok(()),
            },
            Step::Reclaim { low } => Op::ReclaimAggregationSets {
                queue: queue(low),
                now_s: secs(0),
            },
            Step::Groups { low } => Op::ListGroups { queue: queue(low) },
            Step::Pause { low } => Op::Pause {
                queue: queue(low),
                now,
            },
            Step::Unpause { low } => Op::Unpause { queue: queue(low) },
            Step::Dequeue { low_first, lease_s } => Op::Dequeue {
                queues: smallvec![queue(low_first), queue(!low_first)],
                lease_expires_s: secs(lease_s),
            },
            Step::EnqueueBatch(whiches) => Op::EnqueueBatch {
                messages: whiches.into_iter().map(message).collect(),
                now,
            },
            Step::DequeueBatch {
                low_first,
                max,
                lease_s,
            } => Op::DequeueBatch(Box::new(firedrill_asynq::op::DequeueBatch {
                queues: smallvec![queue(low_first), queue(!low_first)],
                max,
                lease_expires_s: secs(lease_s),
            })),
            Step::DoneBatch {
                ago,
                others,
                younger,
            } => {
                let taken = ago
                    .iter()
                    .filter_map(|ago| self.taken.iter().rev().nth(*ago));
                let others = others.into_iter().map(message);
                let finished = |message| firedrill_asynq::op::Finished { message, younger };
                Op::DoneBatch {
                    tasks: taken.cloned().chain(others).map(finished).collect(),
                    now,
                }
            }
            Step::FinishTaken { ago, how } => {
                let Some(message) = self.taken.iter().rev().nth(ago) else {
                    return Ok(());
                };
                self.finish(message.clone(), how)
            }
            Step::Finish(which, how) => self.finish(message(which), how),
            Step::Extend { low, ids, lease_s } => Op::ExtendLease {
                queue: queue(low),
                ids: ids.iter().map(u8::to_string).collect(),
                expires_s: secs(lease_s),
            },
            Step::Forward { low, from } => Op::Forward {
                queue: queue(low),
                from,
                now,
            },
            Step::Recover { low, late_s } => return self.recover(low, secs(-late_s)),
            Step::Clean { low } => Op::DeleteExpiredCompleted {
                queue: queue(low),
                now_s: secs(0),
            },
            Step::Announce { server: number } => Op::WriteServerState(Box::new(ServerState {
                info: server(number),
                workers: vec![],
                now,
                ttl_s: 10,
            })),
            Step::Leave { server: number } => Op::ClearServerState {
                info: server(number).into(),
            },
            Step::Stats { low } => Op::QueueStats {
                queue: queue(low),
                now,
            },
            Step::Ids { low } => Op::ListIds { queue: queue(low) },
            Step::Queues => Op::Queues,
        };
        self.call(op).map(|_| ())
    }

    fn check(&mut self, low: bool, group: Group, limits: GroupLimits) -> Result<(), TestCaseError> {
        self.checks += 1;
        let (queue, group, set) = (queue(low), group.to_owned(), Uuid::from_u128(self.checks));
        let check = Op::AggregationCheck(Box::new(firedrill_asynq::op::AggregationCheck {
            queue: queue.clone(),
            group: group.clone(),
            set,
            limits,
            now: self.now,
        }));
        if self.call(check)? == Ok(Reply::Taken(true)) {
            self.sets.push((queue, group, set));
        }
        Ok(())
    }

    /// The set that was made so many checks ago.
    fn set(&self, ago: usize) -> Option<(String, String, Uuid)> {
        self.sets.iter().rev().nth(ago).cloned()
    }

    fn finish(&self, mut message: TaskMessage, how: Finishing) -> Op {
        let now = self.now;
        match how {
            Finishing::Done => Op::Done { message, now },
            Finishing::Complete { retention_s } => {
                message.retention = retention_s;
                Op::MarkAsComplete { message, now }
            }
            Finishing::Requeue => Op::Requeue { message },
            Finishing::Retry { in_s, is_failure } => {
                message.retried += 1;
                message.error_msg = "boom".into();
                message.last_failed_at = now.secs();
                Op::Retry {
                    message,
                    retry_at_s: now.secs() + in_s,
                    is_failure,
                    now,
                }
            }
            Finishing::Archive => {
                message.error_msg = "gave up".into();
                Op::Archive { message, now }
            }
        }
    }

    fn recover(&mut self, low: bool, cutoff_s: i64) -> Result<(), TestCaseError> {
        let queue = queue(low);
        let listed = self.call(Op::ListLeaseExpired { queue, cutoff_s })?;
        let Ok(Reply::Messages(expired)) = listed else {
            return Err(TestCaseError::fail(format!("{listed:?}")));
        };
        self.recovered += expired.len();
        for message in expired {
            let how = if message.retried > 1 {
                Finishing::Archive
            } else {
                Finishing::Retry {
                    in_s: 15,
                    is_failure: true,
                }
            };
            let _ = self.call(self.finish(message, how))?;
        }
        Ok(())
    }

    /// Asks both, and compares what they answer and what they hold then.
    fn call(&mut self, op: Op) -> Result<Answer, TestCaseError> {
        let [real, model] =
            [self.redis.call(op.clone()), self.memory.call(op.clone())].map(comparable);
        prop_assert_eq!(
            &real,
            &model,
            "Redis' answer, and the model's, to {:?}",
            &op
        );
        let real_state = self.redis.state();
        let model_state = state::of_memory(&mut self.memory.0, &QUEUES);
        prop_assert_eq!(
            real_state,
            model_state,
            "Redis, and the model, after {:?}",
            op
        );
        match &model {
            Ok(Reply::Dequeued(Some(taken))) => self.taken.push(taken.clone()),
            Ok(Reply::DequeuedBatch(taken)) => self.taken.extend(taken.iter().flatten().cloned()),
            _ => {}
        }
        Ok(model)
    }
}

/// `SMEMBERS` has no order, and a refusal's text is Redis' own.
fn comparable(answer: Answer) -> Answer {
    match answer {
        Ok(Reply::Names(mut names)) => {
            names.sort();
            Ok(Reply::Names(names))
        }
        Ok(Reply::Groups(mut names)) => {
            names.sort();
            Ok(Reply::Groups(names))
        }
        Ok(Reply::Ids(mut ids)) => {
            ids.sort();
            Ok(Reply::Ids(ids))
        }
        Err(BrokerError::Refused(text)) => {
            let what = text.split(':').next().unwrap_or_default();
            Err(BrokerError::Refused(what.into()))
        }
        other => other,
    }
}

#[test]
fn redis_and_the_model_hold_the_same_after_every_operation() {
    need!("redis-server");
    let redis = RefCell::new(OnRedis::new());
    // What the sequences came to, so that it is seen when they come to nothing.
    let reached = RefCell::new([0_usize; 6]);
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let sequences = prop::collection::vec(step(), 1..110);
    let outcome = TestRunner::new(config).run(&sequences, |steps| {
        let mut redis = redis.borrow_mut();
        let _: () = redis
            .0
            .redis
            .flushall_options(&FlushAllOptions::default())
            .unwrap();
        let mut pair = Pair {
            redis: &mut redis,
            memory: InMemory::new(),
            now: START,
            taken: Vec::new(),
            recovered: 0,
            sets: Vec::new(),
            checks: 0,
        };
        for step in steps {
            pair.take(step)?;
        }
        let [processed, failed] = ["processed", "failed"].map(|part| pair.memory.number(part));
        let came_to = [
            pair.taken.len(),
            pair.recovered,
            processed.unwrap_or(0).unsigned_abs() as usize,
            failed.unwrap_or(0).unsigned_abs() as usize,
            pair.memory.set("archived").len() + pair.memory.set("completed").len(),
            pair.sets.len(),
        ];
        for (sum, count) in reached.borrow_mut().iter_mut().zip(came_to) {
            *sum += count;
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let reached = reached.into_inner();
    assert!(reached.iter().all(|count| *count > 100), "{reached:?}");
}
