//! What a Redis refuses that has reached its `maxmemory` and evicts nothing: a script whose first write needs memory, and
//! such a command. After a first write that needs none, the rest of a script runs.

use super::MemoryBroker;
use super::queue::Queue;
use crate::op::{Op, Reply};
use crate::task::Task;

impl<T: Task> MemoryBroker<T> {
    fn of(&self, name: &T::Queue) -> Option<&Queue<T>> {
        let place = self.names.iter().position(|known| known == name)?;
        self.queues.get(place)
    }

    /// Whether an operation has a command in it that writes, which a replica refuses.
    #[must_use]
    pub fn writes(&self, op: &Op<T>) -> bool {
        let is_write = matches!(
            op,
            // LREM and the like, whether they find anything or not.
            Op::Done { .. }
                | Op::DoneBatch { .. }
                | Op::MarkAsComplete { .. }
                | Op::Requeue { .. }
                | Op::Retry { .. }
                | Op::Archive { .. }
                | Op::DeleteAggregationSet { .. }
                | Op::Unpause { .. }
                | Op::ClearSchedulerEntries(_)
                | Op::RecordEnqueueEvent { .. }
                | Op::ClearServerState { .. }
        );
        is_write || self.needs_memory(op)
    }

    /// Whether an operation would be refused now.
    #[must_use]
    pub fn needs_memory(&self, op: &Op<T>) -> bool {
        match op {
            Op::RegisterQueue { .. }
            | Op::Enqueue { .. }
            | Op::EnqueueBatch { .. }
            | Op::Schedule { .. }
            | Op::EnqueueUnique { .. }
            | Op::ScheduleUnique(_)
            | Op::AddToGroup { .. }
            | Op::AddToGroupUnique { .. }
            // RPOPLPUSH, even from an empty queue.
            | Op::Dequeue { .. }
            | Op::ExtendLease { .. }
            | Op::WriteResult { .. }
            | Op::Pause { .. }
            | Op::WriteSchedulerEntries(_)
            | Op::WriteServerState(_) => true,
            // It writes when it takes something.
            Op::DequeueBatch(batch) => batch.queues.iter().any(|name| self.of(name).is_some_and(Queue::has_next)),
            Op::Forward { queue, from, now } => self.of(queue).is_some_and(|queue| queue.has_due(*from, *now)),
            Op::ReclaimAggregationSets { queue, now_s } => {
                self.of(queue).is_some_and(|queue| queue.groups.has_stale(*now_s))
            }
            // It writes when it takes something.
            Op::AggregationCheck(_) => {
                let taken = self.clone().call(op.clone());
                matches!(taken, Ok(Reply::Taken(true)))
            }
            Op::Done { .. }
            | Op::DoneBatch { .. }
            | Op::MarkAsComplete { .. }
            | Op::Requeue { .. }
            | Op::Retry { .. }
            | Op::Archive { .. }
            | Op::ListLeaseExpired { .. }
            | Op::DeleteExpiredCompleted { .. }
            | Op::ListGroups { .. }
            | Op::ReadAggregationSet { .. }
            | Op::DeleteAggregationSet { .. }
            | Op::Unpause { .. }
            | Op::ClearSchedulerEntries(_)
            | Op::RecordEnqueueEvent { .. }
            | Op::Ping
            | Op::ClearServerState { .. }
            | Op::QueueStats { .. }
            | Op::Queues
            | Op::ListIds { .. } => false,
        }
    }
}
