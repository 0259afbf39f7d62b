//! What workers do with the tasks of a queue.

use super::{Active, Lease, Place, Queue, Today};
use crate::broker::memory::dump::StoredTask;
use crate::clock::Time;
use crate::op::{BrokerError, TaskState};
use crate::settings::{ARCHIVE_MAX, KEEP_DAYS};
use crate::table::Table;
use crate::task::Task;
use std::sync::Arc;

impl<T: Task> Queue<T> {
    /// The one that is next; an error: its message cannot be decoded, and it is taken all the same.
    pub(in crate::broker::memory) fn dequeue(
        &mut self,
        lease_expires_s: i64,
    ) -> Result<Option<T>, T::Id> {
        if self.paused.is_some() {
            return Ok(None);
        }
        let Some(id) = self.pending.pop_back() else {
            return Ok(None);
        };
        let garbled = !self.garbled.is_empty() && self.garbled.contains(&id);
        let garbled = garbled.then(|| id.clone());
        let (active_at, lease_at) = (self.active.len(), self.lease.len());
        let (active_at, lease_at) = (
            u32::try_from(active_at).unwrap_or(u32::MAX),
            u32::try_from(lease_at).unwrap_or(u32::MAX),
        );
        self.arrivals += 1;
        self.active.push(Active {
            id: id.clone(),
            arrival: self.arrivals,
        });
        let Some(place) = self.places.get_mut(&id) else {
            // Quirk: a ghost. An id without a hash is taken all the same.
            self.lease.push(Lease {
                id: id.clone(),
                expires_s: lease_expires_s,
            });
            self.places.insert(
                id,
                Place {
                    hash: Some(StoredTask::ghost(TaskState::Active)),
                    active: Some(active_at),
                    lease: Some(lease_at),
                },
            );
            return Ok(None);
        };
        let hash = place
            .hash
            .get_or_insert_with(|| StoredTask::ghost(TaskState::Active));
        hash.state = TaskState::Active;
        hash.pending_since = None;
        let message = hash.message.clone();
        place.active = Some(active_at);
        match place.lease {
            Some(at) => self.lease[at as usize].expires_s = lease_expires_s,
            None => {
                place.lease = Some(lease_at);
                self.lease.push(Lease {
                    id,
                    expires_s: lease_expires_s,
                });
            }
        }
        match garbled {
            Some(id) => Err(id),
            None => Ok(message),
        }
    }

    /// Whether a task would be taken now.
    pub(in crate::broker::memory) fn has_next(&self) -> bool {
        self.paused.is_none() && !self.pending.is_empty()
    }

    /// Those that are next, ghosts left out.
    pub(in crate::broker::memory) fn dequeue_batch(
        &mut self,
        max: u32,
        lease_expires_s: i64,
    ) -> Vec<Result<T, T::Id>> {
        let mut taken = Vec::new();
        for _ in 0..max {
            if !self.has_next() {
                break;
            }
            taken.extend(self.dequeue(lease_expires_s).transpose());
        }
        taken
    }

    #[inline]
    pub(in crate::broker::memory) fn done(
        &mut self,
        message: &T,
        now: Time,
    ) -> Result<(), BrokerError> {
        let id = message.id();
        self.leave(&id)?;
        if !self.delete(&id) {
            return Err(BrokerError::NotFound);
        }
        self.count(now, false);
        self.locks.release(message.lock().as_ref(), &id);
        Ok(())
    }

    pub(in crate::broker::memory) fn mark_as_complete(
        &mut self,
        message: T,
        now: Time,
    ) -> Result<(), BrokerError> {
        let id = message.id();
        self.leave(&id)?;
        if !self
            .completed
            .add(now.secs() + message.retention_s(), id.clone())
        {
            return Err(BrokerError::Refused("mark_as_complete: INTERNAL".into()));
        }
        let lock = message.lock();
        self.set(&id, TaskState::Completed, Some(message));
        self.count(now, false);
        self.locks.release(lock.as_ref(), &id);
        Ok(())
    }

    pub(in crate::broker::memory) fn requeue(&mut self, id: &T::Id) -> Result<(), BrokerError> {
        self.leave(id)?;
        self.pending.push_back(id.clone());
        self.set(id, TaskState::Pending, None);
        Ok(())
    }

    pub(in crate::broker::memory) fn retry(
        &mut self,
        message: T,
        retry_at_s: i64,
        is_failure: bool,
        now: Time,
    ) -> Result<(), BrokerError> {
        let id = message.id();
        self.leave(&id)?;
        self.retry.add(retry_at_s, id.clone());
        self.set(&id, TaskState::Retry, Some(message));
        if is_failure {
            self.count(now, true);
        }
        Ok(())
    }

    pub(in crate::broker::memory) fn archive(
        &mut self,
        message: T,
        now: Time,
    ) -> Result<(), BrokerError> {
        let id = message.id();
        self.leave(&id)?;
        self.archived.add(now.secs(), id.clone());
        let old = self
            .archived
            .up_to(now.secs() - KEEP_DAYS * 86_400, usize::MAX);
        self.forget_archived(old);
        // Quirk: ranks 0 to -10000 go, so 9999 stay.
        let most = ARCHIVE_MAX as usize;
        if self.archived.len() >= most {
            let extra = self.archived.lowest(self.archived.len() - most + 1);
            self.forget_archived(extra);
        }
        self.set(&id, TaskState::Archived, Some(message));
        self.count(now, true);
        Ok(())
    }

    fn forget_archived(&mut self, ids: Vec<T::Id>) {
        for id in ids {
            self.delete(&id);
            self.archived.remove(&id);
        }
    }

    pub(in crate::broker::memory) fn extend_lease(&mut self, ids: &[T::Id], expires_s: i64) {
        for id in ids {
            let at = self.places.get(id).and_then(|place| place.lease);
            if let Some(at) = at {
                self.lease[at as usize].expires_s = expires_s;
            }
        }
    }

    /// A finished attempt.
    fn count(&mut self, now: Time, failed: bool) {
        let day = now.secs().div_euclid(86_400);
        if day != self.today.day {
            let kept = self.past_days.remove(&day).unwrap_or(Today {
                day,
                ..Today::default()
            });
            let past = std::mem::replace(&mut self.today, kept);
            if past.processed > 0 {
                self.past_days.insert(past.day, past);
            }
        }
        self.today.processed += 1;
        self.today.failed += i64::from(failed);
        // Both totals start anew together, and only the first is looked at.
        if self.processed == i64::MAX {
            self.processed = 1;
            self.failed = if failed { 1 } else { self.failed };
        } else {
            self.processed += 1;
            self.failed += i64::from(failed);
        }
    }

    /// Quirk: nobody looks whether there is a task.
    pub(in crate::broker::memory) fn write_result(&mut self, id: T::Id, result: Arc<Vec<u8>>) {
        self.results.insert(id, result);
    }
}
