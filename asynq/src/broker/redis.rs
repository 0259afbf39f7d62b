//! The real broker: one operation, one Lua script or plain command, many in flight on one connection.

pub mod address;
mod aggregate;
mod connection;
mod dial;
mod enqueue;
pub mod identity;
mod link;
mod presence;
mod reply;
pub mod script;
pub mod seen;
pub mod subscription;
mod sweep;
mod trouble;

use crate::clock::Time;
use crate::keys::{self, Queue};
use crate::message::TaskMessage;
use crate::op::{Delayed, TaskState};
use crate::settings::{ARCHIVE_MAX, BATCH, KEEP_DAYS};
pub use link::{RedisBroker, RedisOptions};
use prost::Message;
use reply::{message, messages, stats};
use script::Call;

type Op = crate::op::Op<TaskMessage>;
type Reply = crate::op::Reply<TaskMessage>;
type Answer = crate::op::Answer<TaskMessage>;

/// The largest counter value asynq knows.
const COUNTER_MAX: i64 = i64::MAX;

impl RedisBroker {
    /// Carries out one operation.
    ///
    /// # Errors
    /// See [`BrokerError`](crate::op::BrokerError).
    pub async fn call(&self, op: Op) -> Answer {
        match op {
            Op::RegisterQueue { queue } => {
                self.command::<()>(redis::cmd("SADD").arg(keys::QUEUES).arg(queue), "SADD")
                    .await?;
                Ok(Reply::Done)
            }
            Op::Enqueue { message, now } => self.enqueue(message, now).await,
            Op::EnqueueUnique {
                message,
                lock_ttl_s,
                now,
            } => self.enqueue_unique(message, lock_ttl_s, now).await,
            Op::Schedule {
                message,
                process_at_s,
            } => self.schedule(message, process_at_s).await,
            Op::ScheduleUnique(task) => self.schedule_unique(&task).await,
            Op::AddToGroup { message, now } => self.add_to_group(message, None, now).await,
            Op::AddToGroupUnique {
                message,
                lock_ttl_s,
                now,
            } => self.add_to_group(message, Some(lock_ttl_s), now).await,
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
            Op::WriteResult { message, result } => {
                let mut command = redis::cmd("HSET");
                let key = Queue(&message.queue).task(&message.id);
                command.arg(key).arg("result").arg(&*result);
                self.command::<()>(&command, "HSET").await?;
                Ok(Reply::Done)
            }
            Op::ListGroups { queue } => self.list_groups(Queue(&queue)).await,
            Op::AggregationCheck(check) => self.aggregation_check(&check).await,
            Op::ReadAggregationSet { queue, group, set } => {
                self.read_aggregation_set(Queue(&queue), &group, set).await
            }
            Op::DeleteAggregationSet { queue, group, set } => {
                self.delete_aggregation_set(Queue(&queue), &group, set)
                    .await
            }
            Op::ReclaimAggregationSets { queue, now_s } => {
                self.reclaim_aggregation_sets(Queue(&queue), now_s).await
            }
            Op::Pause { queue, now } => {
                let mut command = redis::cmd("SET");
                command.arg(Queue(&queue).key("paused")).arg(now.secs());
                let set: Option<String> = self.command(command.arg("NX"), "SET").await?;
                Ok(Reply::Changed(set.is_some()))
            }
            Op::Unpause { queue } => {
                let key = Queue(&queue).key("paused");
                let deleted: u64 = self.command(redis::cmd("DEL").arg(key), "DEL").await?;
                Ok(Reply::Changed(deleted > 0))
            }
            Op::WriteSchedulerEntries(state) => self.write_scheduler_entries(&state).await,
            Op::ClearSchedulerEntries(state) => self.clear_scheduler_entries(&state).await,
            Op::RecordEnqueueEvent { entry, event } => {
                self.record_enqueue_event(&entry, &event).await
            }
            Op::Ping => self.ping().await.map(|()| Reply::Done),
            Op::WriteServerState(state) => self.write_server_state(*state).await,
            Op::ClearServerState { info } => self.clear_server_state(&info).await,
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
                    "groups",
                ];
                let call = Call::new(&script::QUEUE_STATS)
                    .keys(parts.map(|part| queue.key(part)))
                    .arg(queue.task_prefix())
                    .arg(queue.group(""));
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
        let groups: Vec<String> = self
            .command(redis::cmd("SMEMBERS").arg(queue.key("groups")), "SMEMBERS")
            .await?;
        let sets_left: Vec<String> = self
            .command(
                redis::cmd("ZRANGE")
                    .arg(queue.key("aggregation_sets"))
                    .arg(0)
                    .arg(-1),
                "ZRANGE",
            )
            .await?;
        let grouped = groups
            .iter()
            .map(|group| queue.group(group))
            .chain(sets_left)
            .map(|key| ("ZRANGE", key, TaskState::Aggregating));
        let mut found = Vec::new();
        for (command, key, state) in of("LRANGE", &lists)
            .into_iter()
            .chain(of("ZRANGE", &sets))
            .chain(grouped)
        {
            let ids: Vec<String> = self
                .command(redis::cmd(command).arg(key).arg(0).arg(-1), command)
                .await?;
            found.extend(ids.into_iter().map(|id| (id, state)));
        }
        Ok(Reply::Ids(found))
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
