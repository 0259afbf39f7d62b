//! How tasks come into a queue.

use super::{Place, Queue, payload_of};
use crate::broker::memory::dump::StoredTask;
use crate::clock::Time;
use crate::op::{Accepted, ScheduleUnique, TaskState};
use crate::table::Table;
use crate::task::Task;

impl<T: Task> Queue<T> {
    #[inline]
    pub(in crate::broker::memory) fn enqueue(&mut self, message: T, now: Time) -> Accepted {
        self.put_pending(message, now, None)
    }

    pub(in crate::broker::memory) fn enqueue_unique(
        &mut self,
        message: T,
        lock_ttl_s: i64,
        now: Time,
    ) -> Accepted {
        let lock = message.lock();
        if !self
            .locks
            .take(lock.as_ref(), &message.id(), lock_ttl_s, now)
        {
            return Accepted::Duplicate;
        }
        self.put_pending(message, now, lock)
    }

    #[inline]
    fn put_pending(&mut self, message: T, now: Time, unique_key: Option<T::Lock>) -> Accepted {
        let id = message.id();
        let stored = StoredTask {
            pending_since: Some(now.0),
            unique_key,
            ..StoredTask::new(message, TaskState::Pending)
        };
        if !self.store_new(&id, stored) {
            return Accepted::IdConflict;
        }
        self.pending.push_front(id);
        Accepted::New
    }

    pub(in crate::broker::memory) fn schedule(
        &mut self,
        message: T,
        process_at_s: i64,
    ) -> Accepted {
        self.put_scheduled(message, process_at_s, None)
    }

    pub(in crate::broker::memory) fn schedule_unique(
        &mut self,
        task: ScheduleUnique<T>,
    ) -> Accepted {
        let ScheduleUnique {
            message,
            process_at_s,
            lock_ttl_s,
            now,
        } = task;
        let lock = message.lock();
        if !self
            .locks
            .take(lock.as_ref(), &message.id(), lock_ttl_s, now)
        {
            return Accepted::Duplicate;
        }
        self.put_scheduled(message, process_at_s, lock)
    }

    fn put_scheduled(
        &mut self,
        message: T,
        process_at_s: i64,
        unique_key: Option<T::Lock>,
    ) -> Accepted {
        let id = message.id();
        let stored = StoredTask {
            unique_key,
            ..StoredTask::new(message, TaskState::Scheduled)
        };
        if !self.store_new(&id, stored) {
            return Accepted::IdConflict;
        }
        self.scheduled.add(process_at_s, id);
        Accepted::New
    }

    /// With a uniqueness lock if a time to live is given for it. Quirk: the hash does not name the lock.
    pub(in crate::broker::memory) fn add_to_group(
        &mut self,
        message: T,
        lock_ttl_s: Option<i64>,
        now: Time,
    ) -> Accepted {
        let (id, group, lock) = (message.id(), message.group(), message.lock());
        if let Some(ttl_s) = lock_ttl_s
            && !self.locks.take(lock.as_ref(), &id, ttl_s, now)
        {
            return Accepted::Duplicate;
        }
        let stored = StoredTask {
            group: group.clone(),
            ..StoredTask::new(message, TaskState::Aggregating)
        };
        if !self.store_new(&id, stored) {
            return Accepted::IdConflict;
        }
        if let Some(group) = group {
            self.groups.publish(group.clone());
            self.groups.add(group, now.secs(), id);
        }
        Accepted::New
    }

    /// Writes a new hash, unless there is one.
    #[inline]
    fn store_new(&mut self, id: &T::Id, stored: StoredTask<T>) -> bool {
        if !self.results.is_empty() && self.results.contains_key(id) {
            return false;
        }
        let bytes = payload_of(&stored);
        match self.places.get_mut(id) {
            Some(place) if place.hash.is_some() => return false,
            Some(place) => place.hash = Some(stored),
            None => self.places.insert(
                id.clone(),
                Place {
                    hash: Some(stored),
                    active: None,
                    lease: None,
                },
            ),
        }
        self.payloads += bytes;
        true
    }
}
