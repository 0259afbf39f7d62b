//! The model of a Redis with asynq's data: the same operations with the same effects, in memory.
//!
//! What a script does to Redis, step by step and quirk by quirk, is done here to plain collections; a conformance suite
//! runs the same operations on both and compares all that is left. Time to live is the one thing missing: nothing here
//! is forgotten by a clock, because no operation but a listing for people looks at what has one.

mod dump;
mod full;
mod groups;
mod locks;
mod queue;
mod sorted;

use crate::clock::Time;
use crate::keys;
use crate::message::ServerInfo;
use crate::op::{
    Accepted, AggregationCheck, Answer, BrokerError, DequeueBatch, Finished, Op, Reply,
    ServerState, Undecodable,
};
use crate::op::{Deed, TaskState};
use crate::task::Task;
use queue::Queue;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

pub use dump::{AggregationSet, Counters, QueueDump, Scored, StoredTask};

/// asynq's data in memory.
#[derive(Debug, Clone)]
pub struct MemoryBroker<T: Task> {
    published: BTreeSet<T::Queue>,
    /// The names of the queues that there are, and the queues: apart, so that names are close together.
    names: Vec<T::Queue>,
    queues: Vec<Queue<T>>,
    /// Expiry of each published server, Unix seconds: the index `asynq:servers`, and `asynq:workers` beside it.
    servers: BTreeMap<String, i64>,
}

impl<T: Task> Default for MemoryBroker<T> {
    fn default() -> Self {
        Self {
            published: BTreeSet::new(),
            names: Vec::new(),
            queues: Vec::new(),
            servers: BTreeMap::new(),
        }
    }
}

impl<T: Task> MemoryBroker<T> {
    /// Carries out one operation.
    ///
    /// # Errors
    /// [`BrokerError::NotFound`] and [`BrokerError::Refused`], as a script would.
    #[inline(always)]
    pub fn call(&mut self, op: Op<T>) -> Answer<T> {
        match op {
            Op::RegisterQueue { queue } => self.publish(queue),
            Op::Enqueue { message, now } => enqueued(self.queue_of(&message).enqueue(message, now)),
            Op::Schedule {
                message,
                process_at_s,
            } => enqueued(self.queue_of(&message).schedule(message, process_at_s)),
            Op::EnqueueUnique {
                message,
                lock_ttl_s,
                now,
            } => enqueued(
                self.queue_of(&message)
                    .enqueue_unique(message, lock_ttl_s, now),
            ),
            Op::ScheduleUnique(task) => {
                enqueued(self.queue_of(&task.message).schedule_unique(*task))
            }
            Op::AddToGroup { message, now } => {
                enqueued(self.queue_of(&message).add_to_group(message, None, now))
            }
            Op::AddToGroupUnique {
                message,
                lock_ttl_s,
                now,
            } => {
                let queue = self.queue_of(&message);
                enqueued(queue.add_to_group(message, Some(lock_ttl_s), now))
            }
            Op::Dequeue {
                queues,
                lease_expires_s,
            } => {
                for queue in queues.iter() {
                    match self.queue(queue).dequeue(lease_expires_s) {
                        Ok(None) => {}
                        Ok(Some(message)) => return Ok(Reply::Dequeued(Some(message))),
                        Err(id) => return Err(undecodable(&id)),
                    }
                }
                Ok(Reply::Dequeued(None))
            }
            Op::EnqueueBatch { messages, now } => {
                let put = |message: T| Ok(self.queue_of(&message).enqueue(message, now));
                Ok(Reply::EnqueuedBatch(
                    messages.into_iter().map(put).collect(),
                ))
            }
            Op::DequeueBatch(batch) => Ok(Reply::DequeuedBatch(self.dequeue_batch(&batch))),
            Op::DoneBatch { tasks, now } => {
                let finish =
                    |task: Finished<T>| self.queue_of(&task.message).done(&task.message, now);
                Ok(Reply::DoneBatch(tasks.into_iter().map(finish).collect()))
            }
            Op::Done { message, now } => done(self.queue_of(&message).done(&message, now)),
            Op::MarkAsComplete { mut message, now } => {
                message.completed(now.secs());
                done(self.queue_of(&message).mark_as_complete(message, now))
            }
            Op::Requeue { message } => done(self.queue_of(&message).requeue(&message.id())),
            Op::Retry {
                message,
                retry_at_s,
                is_failure,
                now,
            } => {
                let queue = self.queue_of(&message);
                done(queue.retry(message, retry_at_s, is_failure, now))
            }
            Op::Archive { message, now } => done(self.queue_of(&message).archive(message, now)),
            Op::ExtendLease {
                queue,
                ids,
                expires_s,
            } => done(self.extend_lease(&queue, &ids, expires_s)),
            Op::Forward { queue, from, now } => counted(self.queue(&queue).forward(from, now)),
            Op::ListLeaseExpired { queue, cutoff_s } => {
                let queue = self.queue(&queue);
                match queue.garbled_among_expired(cutoff_s) {
                    // One is enough for all to be left where they are.
                    Some(id) => Err(undecodable(&id)),
                    None => Ok(Reply::Messages(queue.lease_expired(cutoff_s))),
                }
            }
            Op::DeleteExpiredCompleted { queue, now_s } => {
                counted(self.queue(&queue).delete_expired_completed(now_s))
            }
            Op::WriteResult { message, result } => {
                self.queue_of(&message).write_result(message.id(), result);
                Ok(Reply::Done)
            }
            Op::ListGroups { queue } => Ok(Reply::Groups(self.queue(&queue).groups.names())),
            Op::AggregationCheck(check) => self.check_group(*check),
            Op::ReadAggregationSet { queue, group, set } => self.read_set(&queue, &group, set),
            Op::DeleteAggregationSet { queue, group, set } => {
                self.queue(&queue).delete_aggregation_set(&group, set);
                Ok(Reply::Done)
            }
            Op::ReclaimAggregationSets { queue, now_s } => {
                self.queue(&queue).groups.reclaim(now_s);
                Ok(Reply::Done)
            }
            Op::Pause { queue, now } => Ok(Reply::Changed(self.queue(&queue).pause(now))),
            Op::Unpause { queue } => Ok(Reply::Changed(self.queue(&queue).unpause())),
            // What a scheduler publishes is for listings alone: no decision depends on it.
            Op::WriteSchedulerEntries(_)
            | Op::ClearSchedulerEntries(_)
            | Op::RecordEnqueueEvent { .. }
            | Op::Ping => Ok(Reply::Done),
            Op::WriteServerState(state) => self.publish_server(&state),
            Op::ClearServerState { info } => self.forget_server(&info),
            Op::QueueStats { queue, now } => {
                Ok(Reply::Stats(Box::new(self.queue(&queue).stats(now))))
            }
            Op::Queues => Ok(Reply::Names(self.published.iter().cloned().collect())),
            Op::ListIds { queue } => Ok(Reply::Ids(self.queue(&queue).ids())),
        }
    }

    fn dequeue_batch(&mut self, batch: &DequeueBatch<T>) -> Vec<Result<T, BrokerError>> {
        for name in &batch.queues {
            let taken = self
                .queue(name)
                .dequeue_batch(batch.max, batch.lease_expires_s);
            if !taken.is_empty() {
                let taken = taken.into_iter();
                return taken
                    .map(|one| one.map_err(|id| undecodable(&id)))
                    .collect();
            }
        }
        Vec::new()
    }

    fn publish(&mut self, queue: T::Queue) -> Answer<T> {
        self.published.insert(queue);
        Ok(Reply::Done)
    }

    fn extend_lease(
        &mut self,
        queue: &T::Queue,
        ids: &[T::Id],
        expires_s: i64,
    ) -> Result<(), BrokerError> {
        if ids.is_empty() {
            let reason = "ZADD: wrong number of arguments";
            return Err(BrokerError::Refused(reason.into()));
        }
        self.queue(queue).extend_lease(ids, expires_s);
        Ok(())
    }

    fn check_group(&mut self, check: AggregationCheck<T>) -> Answer<T> {
        let groups = &mut self.queue(&check.queue).groups;
        let taken = groups.check(check.group, check.set, check.limits, check.now);
        Ok(Reply::Taken(taken))
    }

    fn read_set(&mut self, queue: &T::Queue, group: &T::Group, set: Uuid) -> Answer<T> {
        let read = self.queue(queue).aggregation_set(group, set);
        let (messages, deadline_s) = read.ok_or(BrokerError::NotFound)?;
        Ok(Reply::AggregationSet {
            messages,
            deadline_s,
        })
    }

    fn publish_server(&mut self, state: &ServerState<T>) -> Answer<T> {
        let expires_s = state.now.secs() + state.ttl_s;
        self.servers.insert(keys::server(&state.info), expires_s);
        Ok(Reply::Done)
    }

    fn forget_server(&mut self, info: &ServerInfo) -> Answer<T> {
        self.servers.remove(&keys::server(info));
        Ok(Reply::Done)
    }

    /// The queue of a task.
    #[inline]
    fn queue_of(&mut self, message: &T) -> &mut Queue<T> {
        self.queue(&message.queue())
    }

    /// The queue of a name; it comes into being when it is first named, as its keys do.
    #[inline]
    fn queue(&mut self, name: &T::Queue) -> &mut Queue<T> {
        // A handful at most, so looking through beats a map.
        let place = match self.names.iter().position(|known| known == name) {
            Some(place) => place,
            None => self.begin(name),
        };
        &mut self.queues[place]
    }

    #[cold]
    fn begin(&mut self, name: &T::Queue) -> usize {
        self.names.push(name.clone());
        self.queues.push(Queue::default());
        self.queues.len() - 1
    }

    /// The set of a queue's leases is deleted; answers how many there were.
    pub fn lose_leases(&mut self, queue: &T::Queue) -> usize {
        self.queue(queue).lose_leases()
    }

    /// Puts a message that nobody can decode where it is the next to be taken.
    pub fn garble(&mut self, queue: &T::Queue, id: T::Id) {
        self.queue(queue).garble(id);
    }

    /// Does something to those tasks of a state that are `chosen` by their message, as the inspector's `change` does to
    /// tasks that are not in a group; returns their ids. `since`: only those that are there since then.
    pub fn change(
        &mut self,
        queue: &T::Queue,
        (what, from): (Deed, TaskState),
        chosen: Option<&dyn Fn(&T) -> bool>,
        since: Option<Time>,
        now: Time,
    ) -> Vec<T::Id> {
        let queue = self.queue(queue);
        queue.change((what, from), chosen, since, now)
    }

    /// The messages of those tasks of a state, pending, scheduled or waiting for their retry, that are `chosen`, the one that is due first
    /// first; and when each is due, Unix seconds, where it waits for that.
    pub fn waiting(
        &mut self,
        queue: &T::Queue,
        state: TaskState,
        chosen: impl Fn(&T) -> bool,
    ) -> Vec<(T, Option<i64>)> {
        let mut found = self.queue(queue).waiting_messages(state);
        found.retain(|(message, _)| chosen(message));
        found
    }

    /// Gives tasks that are active and have no lease back to the head of pending, without their uniqueness locks; returns
    /// their ids.
    pub fn repair_orphans(&mut self, queue: &T::Queue, now: Time) -> Vec<T::Id> {
        self.queue(queue).repair_orphans(now)
    }

    /// Has a task hold a uniqueness lock until it is [deleted](Self::delete_lock), whoever has it now and whether there is such a
    /// task.
    pub fn leave_lock(&mut self, queue: &T::Queue, lock: T::Lock, by: T::Id) {
        self.queue(queue).locks.leave(lock, by);
    }

    /// Deletes a uniqueness lock, whoever has it; answers whether it was there.
    pub fn delete_lock(&mut self, queue: &T::Queue, lock: &T::Lock) -> bool {
        self.queue(queue).locks.delete(lock)
    }

    /// Ids that are in `active` and not in `lease`: no recoverer ever finds them.
    #[must_use]
    pub fn leaseless(&mut self, queue: &T::Queue) -> Vec<T::Id> {
        self.queue(queue).leaseless()
    }

    /// How many tasks there are, in all queues and all states.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.queues.iter().map(Queue::len).sum()
    }

    /// Bytes of the payloads of all tasks there are, in all queues and all states.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        self.queues.iter().map(|queue| queue.payloads).sum()
    }

    /// Whether no task is queued anywhere.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Everything a queue's keys would hold, for comparison with Redis.
    #[must_use]
    pub fn dump(&mut self, queue: &T::Queue) -> QueueDump<T> {
        self.queue(queue).dump()
    }

    /// The published servers with their expiry, Unix seconds.
    #[must_use]
    pub fn servers(&self) -> &BTreeMap<String, i64> {
        &self.servers
    }
}

fn undecodable<I: std::fmt::Debug>(id: &I) -> BrokerError {
    let bad = Undecodable {
        key: format!("{id:?}"),
        reason: "it is garbled".into(),
    };
    Box::new(bad).into()
}

#[inline]
fn enqueued<T: Task>(accepted: Accepted) -> Answer<T> {
    Ok(Reply::Enqueued(accepted))
}

#[inline]
fn counted<T: Task>(count: u64) -> Answer<T> {
    Ok(Reply::Count(count))
}

#[inline]
fn done<T: Task>(outcome: Result<(), BrokerError>) -> Answer<T> {
    outcome.map(|()| Reply::Done)
}
