//! Everything a drill needs of Redis, tried once before it begins, on keys of our own.
//!
//! A replica, a user who may not run scripts, a server whose memory is full: they all answer `PING`, and a drill on them
//! would measure nothing but their refusals.

use crate::redis_server::ours::{HOST, PROBE_QUEUE};
use firedrill_asynq::broker::redis::RedisBroker;
use firedrill_asynq::clock::Time;
use firedrill_asynq::inspector::Inspector;
use firedrill_asynq::keys::{self, Queue};
use firedrill_asynq::message::{SchedulerEnqueueEvent, SchedulerEntry, ServerInfo, TaskMessage};
use firedrill_asynq::op::{
    AggregationCheck, BrokerError, Delayed, GroupLimits, ScheduleUnique, SchedulerState,
    ServerState,
};
use smallvec::smallvec;
use std::sync::Arc;
use std::time::SystemTime;
use uuid::Uuid;

type Op = firedrill_asynq::op::Op<TaskMessage>;

/// A moment beyond all times to live of what is tried.
const LATER_S: i64 = 1_000_000;

/// Tries every operation of a drill on a queue of its own, and a write in each of `queues`. What that leaves is on the
/// list of what is ours.
///
/// # Errors
/// What Redis says to the first that it does not do.
pub(super) async fn probe(broker: &RedisBroker, queues: &[String]) -> Result<(), BrokerError> {
    for op in operations(now()) {
        match broker.call(op).await {
            // A script that finds nothing to do was still run.
            Ok(_) | Err(BrokerError::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    // Whoever may publish there may subscribe; no server has a task of this name.
    broker.publish(keys::CANCEL, b"firedrill-probe").await?;
    let inspector = Inspector::new(broker.clone());
    let memory = inspector.queue_memory_bytes(PROBE_QUEUE).await;
    memory.map_err(|error| BrokerError::Refused(error.to_string().into()))?;
    for queue in queues {
        // In a cluster each queue is on a master of its own; a user may be allowed some keys and not others.
        let key = Queue(queue).task("firedrill-probe");
        let mut write = redis::cmd("HSET");
        write.arg(&key).arg("state").arg("probe");
        broker.command::<i64>(&write, "HSET").await?;
        broker
            .command::<i64>(redis::cmd("UNLINK").arg(&key), "UNLINK")
            .await?;
    }
    Ok(())
}

/// Tries what keys are removed with, on one that is not there.
///
/// # Errors
/// What Redis says where it does not do that.
pub(super) async fn removes(broker: &RedisBroker) -> Result<(), BrokerError> {
    for name in ["DEL", "UNLINK"] {
        let mut remove = redis::cmd(name);
        broker
            .command::<i64>(remove.arg("firedrill:nothing"), name)
            .await?;
    }
    Ok(())
}

fn now() -> Time {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(0))
}

/// What actors and exporters ask of Redis, in an order in which each finds something to do.
fn operations(now: Time) -> Vec<Op> {
    let queue = || PROBE_QUEUE.to_owned();
    let task = |id: &str| TaskMessage {
        r#type: "firedrill:probe".into(),
        payload: b"{}".to_vec(),
        id: id.into(),
        queue: queue(),
        retry: 1,
        timeout: 60,
        ..TaskMessage::default()
    };
    let unique = |id: &str| TaskMessage {
        unique_key: Queue(PROBE_QUEUE).unique(id, None),
        ..task(id)
    };
    let grouped = TaskMessage {
        group_key: "g".into(),
        ..task("grouped")
    };
    let dequeue = || Op::Dequeue {
        queues: smallvec![queue()],
        lease_expires_s: now.secs() + 30,
    };
    let info = || ServerInfo {
        host: HOST.into(),
        pid: i32::try_from(std::process::id()).unwrap_or(0),
        server_id: Uuid::nil().to_string(),
        ..ServerInfo::default()
    };
    let entry = SchedulerEntry {
        id: Uuid::nil().to_string(),
        ..SchedulerEntry::default()
    };
    let scheduler = || {
        Box::new(SchedulerState {
            scheduler: format!("{HOST}:{}:{}", std::process::id(), Uuid::nil()),
            entries: vec![entry.clone()],
            now,
            ttl_s: 60,
        })
    };
    let set = Uuid::nil();
    vec![
        Op::Ping,
        Op::RegisterQueue { queue: queue() },
        Op::Enqueue {
            message: task("plain"),
            now,
        },
        dequeue(),
        Op::ExtendLease {
            queue: queue(),
            ids: vec!["plain".into()],
            expires_s: now.secs() + 60,
        },
        Op::ListLeaseExpired {
            queue: queue(),
            cutoff_s: now.secs() + LATER_S,
        },
        Op::WriteResult {
            message: task("plain"),
            result: Arc::new(b"result".to_vec()),
        },
        Op::Retry {
            message: task("plain"),
            retry_at_s: now.secs() - 1,
            is_failure: true,
            now,
        },
        Op::Forward {
            queue: queue(),
            from: Delayed::Retry,
            now,
        },
        dequeue(),
        Op::Requeue {
            message: task("plain"),
        },
        dequeue(),
        Op::Done {
            message: task("plain"),
            now,
        },
        Op::EnqueueUnique {
            message: TaskMessage {
                retention: 1,
                ..unique("retained")
            },
            lock_ttl_s: 60,
            now,
        },
        dequeue(),
        Op::MarkAsComplete {
            message: TaskMessage {
                retention: 1,
                ..unique("retained")
            },
            now,
        },
        Op::DeleteExpiredCompleted {
            queue: queue(),
            now_s: now.secs() + LATER_S,
        },
        Op::Schedule {
            message: task("scheduled"),
            process_at_s: now.secs() - 1,
        },
        Op::Forward {
            queue: queue(),
            from: Delayed::Scheduled,
            now,
        },
        dequeue(),
        Op::Archive {
            message: task("scheduled"),
            now,
        },
        Op::ScheduleUnique(Box::new(ScheduleUnique {
            message: unique("scheduled-unique"),
            process_at_s: now.secs() + 60,
            lock_ttl_s: 60,
            now,
        })),
        Op::AddToGroup {
            message: grouped.clone(),
            now,
        },
        Op::AddToGroupUnique {
            message: TaskMessage {
                group_key: "g".into(),
                ..unique("grouped-unique")
            },
            lock_ttl_s: 60,
            now,
        },
        Op::ListGroups { queue: queue() },
        Op::AggregationCheck(Box::new(AggregationCheck {
            queue: queue(),
            group: "g".into(),
            set,
            limits: GroupLimits {
                grace_s: 0,
                max_delay_s: 0,
                max_size: 1,
            },
            now,
        })),
        Op::ReadAggregationSet {
            queue: queue(),
            group: "g".into(),
            set,
        },
        Op::DeleteAggregationSet {
            queue: queue(),
            group: "g".into(),
            set,
        },
        Op::ReclaimAggregationSets {
            queue: queue(),
            now_s: now.secs(),
        },
        Op::WriteServerState(Box::new(ServerState {
            info: info(),
            workers: Vec::new(),
            now,
            ttl_s: 60,
        })),
        Op::ClearServerState {
            info: Box::new(info()),
        },
        Op::WriteSchedulerEntries(scheduler()),
        Op::RecordEnqueueEvent {
            entry: Uuid::nil().to_string().into(),
            event: Box::new(SchedulerEnqueueEvent {
                task_id: "plain".into(),
                enqueue_time: Some(now.into()),
            }),
        },
        Op::ClearSchedulerEntries(scheduler()),
        Op::QueueStats {
            queue: queue(),
            now,
        },
        Op::Queues,
        Op::ListIds { queue: queue() },
    ]
}
