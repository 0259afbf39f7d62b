//! The real broker: one operation, one Lua script or plain command, many in flight on one connection.

pub mod address;
mod aggregate;
mod batch;
mod connection;
mod dial;
mod enqueue;
pub mod identity;
mod link;
mod presence;
mod queues;
mod reply;
pub mod script;
pub mod seen;
pub mod subscription;
pub mod sweep;
mod trouble;
mod worker;

use crate::keys::Queue;
use crate::message::TaskMessage;
pub use link::{RedisBroker, RedisOptions};

type Op = crate::op::Op<TaskMessage>;
type Reply = crate::op::Reply<TaskMessage>;
type Answer = crate::op::Answer<TaskMessage>;

impl RedisBroker {
    /// Carries out one operation.
    ///
    /// # Errors
    /// See [`BrokerError`](crate::op::BrokerError).
    pub async fn call(&self, op: Op) -> Answer {
        match op {
            Op::RegisterQueue { queue } => self.register_queue(&queue).await,
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
            Op::EnqueueBatch { messages, now } => {
                let answers = self.enqueue_all(&messages, now).await;
                Ok(Reply::EnqueuedBatch(answers))
            }
            Op::DequeueBatch(batch) => self.dequeue_batch(&batch).await,
            Op::DoneBatch { tasks, now } => {
                Ok(Reply::DoneBatch(self.done_batch(&tasks, now).await))
            }
            Op::Done { message, now } => self.done(message, now).await,
            Op::MarkAsComplete { message, now } => self.mark_as_complete(message, now).await,
            Op::Requeue { message } => self.requeue(message).await,
            Op::Retry {
                message,
                retry_at_s,
                is_failure,
                now,
            } => self.retry(message, retry_at_s, is_failure, now).await,
            Op::Archive { message, now } => self.archive(message, now).await,
            Op::ExtendLease {
                queue,
                ids,
                expires_s,
            } => self.extend_lease(Queue(&queue), &ids, expires_s).await,
            Op::Forward { queue, from, now } => self.forward(Queue(&queue), from, now).await,
            Op::ListLeaseExpired { queue, cutoff_s } => {
                self.list_lease_expired(Queue(&queue), cutoff_s).await
            }
            Op::DeleteExpiredCompleted { queue, now_s } => {
                self.delete_expired_completed(Queue(&queue), now_s).await
            }
            Op::WriteResult { message, result } => self.write_result(&message, &result).await,
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
            Op::Pause { queue, now } => self.pause(Queue(&queue), now).await,
            Op::Unpause { queue } => self.unpause(Queue(&queue)).await,
            Op::WriteSchedulerEntries(state) => self.write_scheduler_entries(&state).await,
            Op::ClearSchedulerEntries(state) => self.clear_scheduler_entries(&state).await,
            Op::RecordEnqueueEvent { entry, event } => {
                self.record_enqueue_event(&entry, &event).await
            }
            Op::Ping => self.ping().await.map(|()| Reply::Done),
            Op::WriteServerState(state) => self.write_server_state(*state).await,
            Op::ClearServerState { info } => self.clear_server_state(&info).await,
            Op::QueueStats { queue, now } => self.queue_stats(Queue(&queue), now).await,
            Op::Queues => self.queues().await,
            Op::ListIds { queue } => self.list_ids(Queue(&queue)).await,
        }
    }
}
