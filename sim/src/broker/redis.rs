//! The real broker: one operation, one Lua script or plain command, many in flight on one connection.

pub mod address;
mod connection;
mod dial;
mod link;
mod reply;
mod script;
pub mod subscription;
mod sweep;
mod trouble;

use crate::actor::server::proto;
use crate::asynq::keys::{self, Queue};
use crate::asynq::message::{ServerInfo, TaskMessage, WorkerInfo};
use crate::asynq::op::{BrokerError, Delayed, InProgress, ServerState, TaskState};
use crate::asynq::settings::{ARCHIVE_MAX, BATCH, KEEP_DAYS};
use crate::clock::Time;
pub use link::{RedisBroker, RedisOptions};
use prost::Message;
use redis::Value;
use reply::{message, messages, stats};
use script::Call;

type Op = crate::asynq::op::Op<TaskMessage>;
type Reply = crate::asynq::op::Reply<TaskMessage>;
type Answer = crate::asynq::op::Answer<TaskMessage>;

/// The largest counter value asynq knows.
const COUNTER_MAX: i64 = i64::MAX;
impl RedisBroker {
    /// Carries out one operation.
    ///
    /// # Errors
    /// See [`BrokerError`].
    pub async fn call(&self, op: Op) -> Answer {
        match op {
            Op::RegisterQueue { queue } => {
                self.command::<()>(redis::cmd("SADD").arg(keys::QUEUES).arg(queue), "SADD")
                    .await?;
                Ok(Reply::Done)
            }
            Op::Enqueue { message, now } => {
                let queue = Queue(&message.queue);
                let call = Call::new(&script::ENQUEUE)
                    .keys([queue.task(&message.id), queue.key("pending")])
                    .arg(message.encode_to_vec())
                    .arg(&message.id)
                    .arg(now.0);
                self.script(call)
                    .await
                    .map(|value| Reply::Enqueued(value == Value::Int(1)))
            }
            Op::Schedule {
                message,
                process_at_s,
            } => {
                let queue = Queue(&message.queue);
                let call = Call::new(&script::SCHEDULE)
                    .keys([queue.task(&message.id), queue.key("scheduled")])
                    .arg(message.encode_to_vec())
                    .arg(process_at_s)
                    .arg(&message.id);
                self.script(call)
                    .await
                    .map(|value| Reply::Enqueued(value == Value::Int(1)))
            }
            Op::Dequeue {
                queues,
                lease_expires_s,
            } => self.dequeue(&queues, lease_expires_s).await,
            Op::Done { message, now } => {
                let queue = Queue(&message.queue);
                let call = Call::new(&script::DONE)
                    .keys(["active", "lease"].map(|part| queue.key(part)))
                    .keys([
                        queue.task(&message.id),
                        queue.daily("processed", now),
                        queue.key("processed"),
                    ])
                    .keys(
                        Some(&message.unique_key)
                            .filter(|key| !key.is_empty())
                            .cloned(),
                    )
                    .arg(&message.id)
                    .arg(counter_expiry_s(now))
                    .arg(COUNTER_MAX);
                self.script_done(call).await
            }
            Op::MarkAsComplete { mut message, now } => {
                message.completed_at = now.secs();
                let queue = Queue(&message.queue);
                let call = Call::new(&script::MARK_AS_COMPLETE)
                    .keys(["active", "lease", "completed"].map(|part| queue.key(part)))
                    .keys([
                        queue.task(&message.id),
                        queue.daily("processed", now),
                        queue.key("processed"),
                    ])
                    .keys(
                        Some(&message.unique_key)
                            .filter(|key| !key.is_empty())
                            .cloned(),
                    )
                    .arg(&message.id)
                    .arg(counter_expiry_s(now))
                    .arg(now.secs() + message.retention)
                    .arg(message.encode_to_vec())
                    .arg(COUNTER_MAX);
                self.script_done(call).await
            }
            Op::Requeue { message } => {
                let queue = Queue(&message.queue);
                let call = Call::new(&script::REQUEUE)
                    .keys(["active", "lease", "pending"].map(|part| queue.key(part)))
                    .keys([queue.task(&message.id)])
                    .arg(&message.id);
                self.script_done(call).await
            }
            Op::Retry {
                message,
                retry_at_s,
                is_failure,
                now,
            } => {
                let queue = Queue(&message.queue);
                let call = Call::new(&script::RETRY)
                    .keys([queue.task(&message.id)])
                    .keys(["active", "lease", "retry"].map(|part| queue.key(part)))
                    .keys(counters(queue, now))
                    .arg(&message.id)
                    .arg(message.encode_to_vec())
                    .arg(retry_at_s)
                    .arg(counter_expiry_s(now))
                    .arg(i64::from(is_failure))
                    .arg(COUNTER_MAX);
                self.script_done(call).await
            }
            Op::Archive { message, now } => {
                let queue = Queue(&message.queue);
                let call = Call::new(&script::ARCHIVE)
                    .keys([queue.task(&message.id)])
                    .keys(["active", "lease", "archived"].map(|part| queue.key(part)))
                    .keys(counters(queue, now))
                    .keys([queue.task_prefix()])
                    .arg(&message.id)
                    .arg(message.encode_to_vec())
                    .arg(now.secs())
                    .arg(now.secs() - KEEP_DAYS * 86_400)
                    .arg(i64::from(ARCHIVE_MAX))
                    .arg(counter_expiry_s(now))
                    .arg(COUNTER_MAX);
                self.script_done(call).await
            }
            Op::ExtendLease {
                queue,
                ids,
                expires_s,
            } => {
                let mut command = redis::cmd("ZADD");
                command.arg(Queue(&queue).key("lease")).arg("XX");
                for id in &ids {
                    command.arg(expires_s).arg(id);
                }
                self.command::<i64>(&command, "ZADD").await?;
                Ok(Reply::Done)
            }
            Op::Forward { queue, from, now } => {
                let queue = Queue(&queue);
                let source = match from {
                    Delayed::Scheduled => "scheduled",
                    Delayed::Retry => "retry",
                };
                let call = Call::new(&script::FORWARD)
                    .keys([queue.key(source), queue.key("pending")])
                    .arg(now.secs())
                    .arg(queue.task_prefix())
                    .arg(now.0)
                    .arg(queue.key("g:"));
                self.script(call)
                    .await
                    .map(|value| Reply::Count(reply::count(&value)))
            }
            Op::ListLeaseExpired { queue, cutoff_s } => {
                let queue = Queue(&queue);
                let call = Call::new(&script::LIST_LEASE_EXPIRED)
                    .keys([queue.key("lease")])
                    .arg(cutoff_s)
                    .arg(queue.task_prefix());
                messages(queue, self.script(call).await?).map(Reply::Messages)
            }
            Op::DeleteExpiredCompleted { queue, now_s } => {
                let queue = Queue(&queue);
                let call = Call::new(&script::DELETE_EXPIRED_COMPLETED)
                    .keys([queue.key("completed")])
                    .arg(now_s)
                    .arg(queue.task_prefix())
                    .arg(i64::from(BATCH));
                self.script(call)
                    .await
                    .map(|value| Reply::Count(reply::count(&value)))
            }
            Op::WriteServerState(state) => {
                let ServerState {
                    info,
                    workers,
                    now,
                    ttl_s,
                } = *state;
                let expires_s = now.secs() + ttl_s;
                let (server_key, workers_key) = (keys::server(&info), keys::workers(&info));
                for (index, key) in [(keys::SERVERS, &server_key), (keys::WORKERS, &workers_key)] {
                    self.command::<()>(
                        redis::cmd("ZADD").arg(index).arg(expires_s).arg(key),
                        "ZADD",
                    )
                    .await?;
                }
                let mut call = Call::new(&script::WRITE_SERVER_STATE)
                    .keys([server_key, workers_key])
                    .arg(self.real_ttl_ms(ttl_s))
                    .arg(info.encode_to_vec());
                for worker in workers {
                    let worker = worker_info(&info, worker);
                    call = call.arg(&worker.task_id).arg(worker.encode_to_vec());
                }
                self.script_done(call).await
            }
            Op::ClearServerState { info } => {
                let (server_key, workers_key) = (keys::server(&info), keys::workers(&info));
                for (index, key) in [(keys::SERVERS, &server_key), (keys::WORKERS, &workers_key)] {
                    self.command::<()>(redis::cmd("ZREM").arg(index).arg(key), "ZREM")
                        .await?;
                }
                self.script_done(
                    Call::new(&script::CLEAR_SERVER_STATE).keys([server_key, workers_key]),
                )
                .await
            }
            Op::QueueStats { queue, now } => {
                let queue = Queue(&queue);
                let parts = [
                    "pending",
                    "active",
                    "scheduled",
                    "retry",
                    "archived",
                    "completed",
                    "processed",
                    "failed",
                    "paused",
                ];
                let call = Call::new(&script::QUEUE_STATS)
                    .keys(parts.map(|part| queue.key(part)))
                    .arg(queue.task_prefix());
                stats(&self.script(call).await?, now)
                    .map(Box::new)
                    .map(Reply::Stats)
            }
            Op::Queues => self
                .command(redis::cmd("SMEMBERS").arg(keys::QUEUES), "SMEMBERS")
                .await
                .map(Reply::Names),
            Op::ListIds { queue } => self.list_ids(Queue(&queue)).await,
        }
    }

    async fn dequeue(&self, queues: &[String], lease_expires_s: i64) -> Answer {
        for name in queues {
            let queue = Queue(name);
            let call = Call::new(&script::DEQUEUE)
                .keys(["pending", "paused", "active", "lease"].map(|part| queue.key(part)))
                .arg(lease_expires_s)
                .arg(queue.task_prefix());
            if let Some(message) = message(queue, self.script(call).await?)? {
                return Ok(Reply::Dequeued(Some(message)));
            }
        }
        Ok(Reply::Dequeued(None))
    }

    async fn list_ids(&self, queue: Queue<'_>) -> Answer {
        let lists = [
            ("pending", TaskState::Pending),
            ("active", TaskState::Active),
        ];
        let sets = [
            ("scheduled", TaskState::Scheduled),
            ("retry", TaskState::Retry),
            ("archived", TaskState::Archived),
            ("completed", TaskState::Completed),
        ];
        let of = |command, parts: &[(&str, TaskState)]| {
            parts
                .iter()
                .map(|(part, state)| (command, queue.key(part), *state))
                .collect::<Vec<_>>()
        };
        let mut found = Vec::new();
        for (command, key, state) in of("LRANGE", &lists).into_iter().chain(of("ZRANGE", &sets)) {
            let ids: Vec<String> = self
                .command(redis::cmd(command).arg(key).arg(0).arg(-1), command)
                .await?;
            found.extend(ids.into_iter().map(|id| (id, state)));
        }
        Ok(Reply::Ids(found))
    }
}

/// A task in progress as its server publishes it.
fn worker_info(server: &ServerInfo, worker: InProgress<TaskMessage>) -> WorkerInfo {
    WorkerInfo {
        host: server.host.clone(),
        pid: server.pid,
        server_id: server.server_id.clone(),
        task_id: worker.task.id,
        task_type: worker.task.r#type,
        task_payload: worker.task.payload,
        queue: worker.task.queue,
        start_time: Some(proto(worker.started)),
        deadline: Some(proto(worker.deadline)),
    }
}

/// The four counters of a queue in the order the scripts take them.
fn counters(queue: Queue<'_>, now: Time) -> [String; 4] {
    [
        queue.daily("processed", now),
        queue.daily("failed", now),
        queue.key("processed"),
        queue.key("failed"),
    ]
}

/// When the counters of a day go away, Unix seconds.
fn counter_expiry_s(now: Time) -> i64 {
    now.secs() + KEEP_DAYS * 86_400
}
