//! One queue of the model: its tasks and where each of them is.

use super::dump::StoredTask;
use super::groups::Groups;
use super::locks::Locks;
use super::sorted::SortedSet;
use crate::clock::Time;
use crate::op::{Accepted, BrokerError, Deed, Delayed, QueueStats, ScheduleUnique, TaskState};
use crate::settings::{ARCHIVE_MAX, BATCH, KEEP_DAYS};
use crate::table::Table;
use crate::task::Task;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use uuid::Uuid;

/// What is known of an id: its hash, and whether it is in `active` and in `lease`.
#[derive(Debug, Clone)]
pub(super) struct Place<T: Task> {
    pub(super) hash: Option<StoredTask<T>>,
    /// Where in `active` it is, if it is.
    active: Option<u32>,
    /// Where in `lease` it is, if it is.
    lease: Option<u32>,
}

/// A member of `active`, with a number that tells when it came.
#[derive(Debug, Clone)]
pub(super) struct Active<I> {
    id: I,
    arrival: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Lease<I> {
    pub(super) id: I,
    pub(super) expires_s: i64,
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Queue<T: Task> {
    pub(super) places: T::Table<Place<T>>,
    /// Bytes of the payloads of all hashes.
    pub(super) payloads: u64,
    /// The newest in front.
    pub(super) pending: VecDeque<T::Id>,
    active: Vec<Active<T::Id>>,
    pub(super) lease: Vec<Lease<T::Id>>,
    arrivals: u64,
    pub(super) scheduled: SortedSet<T::Id>,
    pub(super) retry: SortedSet<T::Id>,
    pub(super) archived: SortedSet<T::Id>,
    pub(super) completed: SortedSet<T::Id>,
    pub(super) groups: Groups<T>,
    pub(super) locks: Locks<T>,
    /// Field `result`, apart because few tasks have it; an id that is only here has a hash of nothing else.
    pub(super) results: BTreeMap<T::Id, Arc<Vec<u8>>>,
    /// Those whose message nobody can decode.
    pub(super) garbled: BTreeSet<T::Id>,
    /// Value of the flag: Unix seconds.
    pub(super) paused: Option<i64>,
    pub(super) processed: i64,
    pub(super) failed: i64,
    pub(super) today: Today,
    pub(super) past_days: BTreeMap<i64, Today>,
}

/// The counters of the day that was counted last.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Today {
    pub(super) day: i64,
    pub(super) processed: i64,
    pub(super) failed: i64,
}

/// Bytes of the payload in a hash.
#[inline]
fn payload_of<T: Task>(hash: &StoredTask<T>) -> u64 {
    hash.message.as_ref().map_or(0, T::payload_bytes)
}

impl<T: Task> Default for Queue<T> {
    fn default() -> Self {
        Self {
            places: T::Table::default(),
            payloads: 0,
            pending: VecDeque::new(),
            active: Vec::new(),
            lease: Vec::new(),
            arrivals: 0,
            scheduled: SortedSet::default(),
            retry: SortedSet::default(),
            archived: SortedSet::default(),
            completed: SortedSet::default(),
            groups: Groups::default(),
            locks: Locks::default(),
            results: BTreeMap::new(),
            garbled: BTreeSet::new(),
            paused: None,
            processed: 0,
            failed: 0,
            today: Today::default(),
            past_days: BTreeMap::new(),
        }
    }
}

impl<T: Task> Queue<T> {
    #[inline]
    pub(super) fn enqueue(&mut self, message: T, now: Time) -> Accepted {
        self.put_pending(message, now, None)
    }

    pub(super) fn enqueue_unique(&mut self, message: T, lock_ttl_s: i64, now: Time) -> Accepted {
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

    pub(super) fn schedule(&mut self, message: T, process_at_s: i64) -> Accepted {
        self.put_scheduled(message, process_at_s, None)
    }

    pub(super) fn schedule_unique(&mut self, task: ScheduleUnique<T>) -> Accepted {
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
    pub(super) fn add_to_group(
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

    /// `HSET` of a state, and of a message where one is given: it makes the hash where there is none.
    fn set(&mut self, id: &T::Id, state: TaskState, message: Option<T>) {
        let stored = StoredTask::ghost(state);
        let hash = match self.places.get_mut(id) {
            Some(place) => place.hash.get_or_insert(stored),
            None => {
                self.payloads += message.as_ref().map_or(0, T::payload_bytes);
                self.places.insert(
                    id.clone(),
                    Place {
                        hash: Some(StoredTask { message, ..stored }),
                        active: None,
                        lease: None,
                    },
                );
                return;
            }
        };
        hash.state = state;
        if message.is_some() {
            self.payloads -= payload_of(hash);
            hash.message = message;
            self.payloads += payload_of(hash);
        }
    }

    /// `DEL` of a hash; answers whether it was there.
    #[inline]
    fn delete(&mut self, id: &T::Id) -> bool {
        let result = !self.results.is_empty() && self.results.remove(id).is_some();
        let Some(place) = self.places.get_mut(id) else {
            return result;
        };
        let hash = match place.active.is_none() && place.lease.is_none() {
            true => self.places.remove(id).and_then(|place| place.hash),
            false => place.hash.take(),
        };
        self.payloads -= hash.as_ref().map_or(0, payload_of);
        hash.is_some() || result
    }

    /// The one that is next; an error: its message cannot be decoded, and it is taken all the same.
    pub(super) fn dequeue(&mut self, lease_expires_s: i64) -> Result<Option<T>, T::Id> {
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

    /// `LREM` from `active` and `ZREM` from `lease`: how every finishing script begins. Not rolled back when the second
    /// fails.
    fn leave(&mut self, id: &T::Id) -> Result<(), BrokerError> {
        let place = self.places.get_mut(id).ok_or(BrokerError::NotFound)?;
        let active = place.active.take().ok_or(BrokerError::NotFound)? as usize;
        let lease = place.lease.take();
        self.active.swap_remove(active);
        if let Some(moved) = self.active.get(active)
            && let Some(place) = self.places.get_mut(&moved.id)
        {
            place.active = u32::try_from(active).ok();
        }
        let lease = lease.ok_or(BrokerError::NotFound)? as usize;
        self.lease.swap_remove(lease);
        if let Some(moved) = self.lease.get(lease)
            && let Some(place) = self.places.get_mut(&moved.id)
        {
            place.lease = u32::try_from(lease).ok();
        }
        Ok(())
    }

    #[inline]
    pub(super) fn done(&mut self, message: &T, now: Time) -> Result<(), BrokerError> {
        let id = message.id();
        self.leave(&id)?;
        if !self.delete(&id) {
            return Err(BrokerError::NotFound);
        }
        self.count(now, false);
        self.locks.release(message.lock().as_ref(), &id);
        Ok(())
    }

    pub(super) fn mark_as_complete(&mut self, message: T, now: Time) -> Result<(), BrokerError> {
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

    /// A garbled one whose lease has expired.
    pub(super) fn garbled_among_expired(&self, cutoff_s: i64) -> Option<T::Id> {
        if self.garbled.is_empty() {
            return None;
        }
        let expired = self
            .lease
            .iter()
            .filter(|lease| lease.expires_s <= cutoff_s);
        let mut garbled = expired.filter(|lease| self.garbled.contains(&lease.id));
        garbled.next().map(|lease| lease.id.clone())
    }

    /// `DEL` of the set of leases; answers how many there were.
    pub(super) fn lose_leases(&mut self) -> usize {
        let lost = std::mem::take(&mut self.lease);
        for lease in &lost {
            if let Some(place) = self.places.get_mut(&lease.id) {
                place.lease = None;
            }
        }
        lost.len()
    }

    /// A message that nobody can decode, the next to be taken.
    pub(super) fn garble(&mut self, id: T::Id) {
        self.pending.push_back(id.clone());
        self.set(&id, TaskState::Pending, None);
        self.garbled.insert(id);
    }

    pub(super) fn requeue(&mut self, id: &T::Id) -> Result<(), BrokerError> {
        self.leave(id)?;
        self.pending.push_back(id.clone());
        self.set(id, TaskState::Pending, None);
        Ok(())
    }

    pub(super) fn retry(
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

    pub(super) fn archive(&mut self, message: T, now: Time) -> Result<(), BrokerError> {
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

    pub(super) fn extend_lease(&mut self, ids: &[T::Id], expires_s: i64) {
        for id in ids {
            let at = self.places.get(id).and_then(|place| place.lease);
            if let Some(at) = at {
                self.lease[at as usize].expires_s = expires_s;
            }
        }
    }

    /// Whether there is something to be forwarded.
    pub(super) fn has_due(&self, from: Delayed, now: Time) -> bool {
        let source = match from {
            Delayed::Scheduled => &self.scheduled,
            Delayed::Retry => &self.retry,
        };
        !source.up_to(now.secs(), 1).is_empty()
    }

    pub(super) fn forward(&mut self, from: Delayed, now: Time) -> u64 {
        let source = match from {
            Delayed::Scheduled => &mut self.scheduled,
            Delayed::Retry => &mut self.retry,
        };
        let due = source.up_to(now.secs(), BATCH as usize);
        for id in &due {
            source.remove(id);
        }
        for id in &due {
            let hash = self.places.get(id).and_then(|place| place.hash.as_ref());
            // Quirk: the name of the group is not published again.
            if let Some(group) = hash.and_then(|hash| hash.group.clone()) {
                self.groups.add(group, now.secs(), id.clone());
                self.set(id, TaskState::Aggregating, None);
                continue;
            }
            self.pending.push_front(id.clone());
            self.set(id, TaskState::Pending, None);
            if let Some(hash) = self
                .places
                .get_mut(id)
                .and_then(|place| place.hash.as_mut())
            {
                hash.pending_since = Some(now.0);
            }
        }
        due.len() as u64
    }

    /// In order of expiry, then of ids.
    pub(super) fn lease_expired(&self, cutoff_s: i64) -> Vec<T> {
        let mut expired: Vec<&Lease<T::Id>> = self
            .lease
            .iter()
            .filter(|lease| lease.expires_s <= cutoff_s)
            .collect();
        expired.sort_by(|a, b| (a.expires_s, &a.id).cmp(&(b.expires_s, &b.id)));
        expired
            .into_iter()
            .filter_map(|lease| self.places.get(&lease.id)?.hash.as_ref()?.message.clone())
            .collect()
    }

    pub(super) fn delete_expired_completed(&mut self, now_s: i64) -> u64 {
        let over = self.completed.up_to(now_s, BATCH as usize);
        for id in &over {
            self.delete(id);
            self.completed.remove(id);
        }
        over.len() as u64
    }

    /// The messages of an aggregation set in order of their score; those without one are left out.
    pub(super) fn aggregation_set(&self, group: &T::Group, set: Uuid) -> Option<(Vec<T>, i64)> {
        let (members, deadline_s) = self.groups.set(group, set)?;
        let messages = members
            .into_iter()
            .filter_map(|id| self.places.get(&id)?.hash.as_ref()?.message.clone());
        Some((messages.collect(), deadline_s))
    }

    pub(super) fn delete_aggregation_set(&mut self, group: &T::Group, set: Uuid) {
        for (id, _) in self.groups.remove_set(group, set) {
            self.delete(&id);
        }
    }

    /// `SET NX` of the flag; answers whether it was not there.
    pub(super) fn pause(&mut self, now: Time) -> bool {
        let before = self.paused;
        self.paused = before.or(Some(now.secs()));
        before.is_none()
    }

    /// Answers whether the flag was there.
    pub(super) fn unpause(&mut self) -> bool {
        self.paused.take().is_some()
    }

    /// Quirk: nobody looks whether there is a task.
    pub(super) fn write_result(&mut self, id: T::Id, result: Arc<Vec<u8>>) {
        self.results.insert(id, result);
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

    pub(super) fn stats(&self, now: Time) -> QueueStats {
        let oldest = self.pending.back().and_then(|id| self.places.get(id));
        let since = oldest
            .and_then(|place| place.hash.as_ref())
            .and_then(|hash| hash.pending_since);
        let latency_ns = since.map_or(0, |since| now.0.saturating_sub(since));
        QueueStats {
            pending: self.pending.len() as u64,
            active: self.active.len() as u64,
            scheduled: self.scheduled.len() as u64,
            retry: self.retry.len() as u64,
            archived: self.archived.len() as u64,
            completed: self.completed.len() as u64,
            aggregating: self.groups.waiting(),
            processed_total: u64::try_from(self.processed).unwrap_or(0),
            failed_total: u64::try_from(self.failed).unwrap_or(0),
            latency_seconds: latency_ns as f64 / 1e9,
            paused: self.paused.is_some(),
        }
    }

    /// As `LRANGE` gives it: the latest first.
    pub(super) fn active_ids(&self) -> Vec<T::Id> {
        let mut active: Vec<&Active<T::Id>> = self.active.iter().collect();
        active.sort_by_key(|member| std::cmp::Reverse(member.arrival));
        active.into_iter().map(|member| member.id.clone()).collect()
    }

    /// See [`MemoryBroker::change`](super::MemoryBroker::change).
    pub(super) fn change(
        &mut self,
        (what, from): (Deed, TaskState),
        chosen: Option<&dyn Fn(&T) -> bool>,
        since: Option<Time>,
        now: Time,
    ) -> Vec<T::Id> {
        let is_choice = chosen.is_some() || since.is_some();
        let listed: Vec<(T::Id, Option<i64>)> = match from {
            TaskState::Pending if what != Deed::Run => {
                let since = |id: &T::Id| self.places.get(id)?.hash.as_ref()?.pending_since;
                let pending = self.pending.iter();
                pending
                    .map(|id| (id.clone(), since(id).map(|ns| ns / 1_000_000_000)))
                    .collect()
            }
            TaskState::Scheduled | TaskState::Retry | TaskState::Completed => {
                let entries = self.waiting(from).entries().into_iter();
                entries.map(|(id, score)| (id, Some(score))).collect()
            }
            TaskState::Archived if what != Deed::Archive => {
                let entries = self.archived.entries().into_iter();
                entries.map(|(id, score)| (id, Some(score))).collect()
            }
            _ => Vec::new(),
        };
        let is_chosen = |(id, since_s): &(T::Id, Option<i64>)| {
            let message = || self.places.get(id)?.hash.as_ref()?.message.as_ref();
            chosen.is_none_or(|chosen| message().is_some_and(chosen))
                && since.is_none_or(|since| since_s.is_some_and(|at_s| at_s <= since.secs()))
        };
        let ids: Vec<T::Id> = listed
            .into_iter()
            .filter(is_chosen)
            .map(|(id, _)| id)
            .collect();
        match from {
            TaskState::Pending => {
                let gone: BTreeSet<&T::Id> = ids.iter().collect();
                self.pending.retain(|id| !gone.contains(id));
            }
            TaskState::Archived => ids.iter().for_each(|id| {
                self.archived.remove(id);
            }),
            _ => ids.iter().for_each(|id| {
                self.waiting(from).remove(id);
            }),
        }
        for id in &ids {
            match what {
                Deed::Run => {
                    self.pending.push_front(id.clone());
                    self.set(id, TaskState::Pending, None);
                }
                Deed::Archive => {
                    self.archived.add(now.secs(), id.clone());
                    self.set(id, TaskState::Archived, None);
                }
                Deed::Delete => {
                    if from != TaskState::Pending || is_choice {
                        self.release_lock(id);
                    }
                    self.delete(id);
                }
            }
        }
        if what == Deed::Archive && !ids.is_empty() {
            // Quirk: what is trimmed leaves its hash behind.
            let old = self
                .archived
                .up_to(now.secs() - KEEP_DAYS * 86_400, usize::MAX);
            let most = ARCHIVE_MAX as usize;
            for id in old {
                self.archived.remove(&id);
            }
            let extra = (self.archived.len() + 1).saturating_sub(most);
            for id in self.archived.lowest(extra) {
                self.archived.remove(&id);
            }
        }
        ids
    }

    /// See [`MemoryBroker::waiting`](super::MemoryBroker::waiting).
    pub(super) fn waiting_messages(&mut self, state: TaskState) -> Vec<(T, Option<i64>)> {
        let listed: Vec<(T::Id, Option<i64>)> = match state {
            TaskState::Pending => {
                let oldest_first = self.pending.iter().rev();
                oldest_first.map(|id| (id.clone(), None)).collect()
            }
            TaskState::Scheduled | TaskState::Retry => {
                let entries = self.waiting(state).entries().into_iter();
                entries.map(|(id, score)| (id, Some(score))).collect()
            }
            _ => Vec::new(),
        };
        let message = |(id, at_s): (T::Id, Option<i64>)| {
            let message = self.places.get(&id)?.hash.as_ref()?.message.clone()?;
            Some((message, at_s))
        };
        listed.into_iter().filter_map(message).collect()
    }

    /// The set of a state that is neither pending nor archived.
    fn waiting(&mut self, state: TaskState) -> &mut SortedSet<T::Id> {
        match state {
            TaskState::Scheduled => &mut self.scheduled,
            TaskState::Completed => &mut self.completed,
            _ => &mut self.retry,
        }
    }

    /// Gives up the lock that a task's hash names, if the task holds it.
    fn release_lock(&mut self, id: &T::Id) {
        let hash = self.places.get(id).and_then(|place| place.hash.as_ref());
        let lock = hash.and_then(|hash| hash.unique_key.clone());
        self.locks.release(lock.as_ref(), id);
    }

    /// See [`MemoryBroker::repair_orphans`](super::MemoryBroker::repair_orphans).
    pub(super) fn repair_orphans(&mut self, now: Time) -> Vec<T::Id> {
        let has_hash = |id: &T::Id| {
            self.places
                .get(id)
                .is_some_and(|place| place.hash.is_some())
        };
        let mut orphans = self.leaseless();
        orphans.retain(has_hash);
        for id in &orphans {
            // It has no lease: out of `active` is all there is to it.
            let _ = self.leave(id);
            self.release_lock(id);
            self.pending.push_back(id.clone());
            self.set(id, TaskState::Pending, None);
            if let Some(hash) = self
                .places
                .get_mut(id)
                .and_then(|place| place.hash.as_mut())
            {
                hash.pending_since = Some(now.0);
            }
        }
        orphans
    }

    /// As `active` has them, those without a lease.
    pub(super) fn leaseless(&self) -> Vec<T::Id> {
        let leased = |id: &T::Id| {
            self.places
                .get(id)
                .is_some_and(|place| place.lease.is_some())
        };
        let active = self.active_ids().into_iter();
        active.filter(|id| !leased(id)).collect()
    }

    pub(super) fn ids(&self) -> Vec<(T::Id, TaskState)> {
        let pending = self
            .pending
            .iter()
            .map(|id| (id.clone(), TaskState::Pending));
        let active = self.active_ids().into_iter();
        let sets = [
            (&self.scheduled, TaskState::Scheduled),
            (&self.retry, TaskState::Retry),
            (&self.archived, TaskState::Archived),
            (&self.completed, TaskState::Completed),
        ];
        let delayed = sets
            .into_iter()
            .flat_map(|(set, state)| set.entries().into_iter().map(move |(id, _)| (id, state)));
        let grouped = self.groups.ids().into_iter();
        pending
            .chain(active.map(|id| (id, TaskState::Active)))
            .chain(delayed)
            .chain(grouped.map(|id| (id, TaskState::Aggregating)))
            .collect()
    }

    pub(super) fn len(&self) -> u64 {
        let sets = [
            &self.scheduled,
            &self.retry,
            &self.archived,
            &self.completed,
        ];
        let delayed: usize = sets.iter().map(|set| set.len()).sum();
        (self.pending.len() + self.active.len() + delayed) as u64 + self.groups.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::TaskMessage;

    const NOW: Time = Time::from_millis(1_900_000_000_000);

    fn task(id: &str) -> TaskMessage {
        TaskMessage {
            id: id.into(),
            queue: "default".into(),
            ..TaskMessage::default()
        }
    }

    /// As a Redis does whose hash somebody deleted; no operation gets there.
    #[test]
    fn a_ghost_is_taken_and_given_to_nobody() {
        let mut queue: Queue<TaskMessage> = Queue::default();
        queue.enqueue(task("a"), NOW);
        queue.places.remove("a");
        assert_eq!(queue.stats(NOW).latency_seconds, 0.0);
        assert_eq!(queue.dequeue(77), Ok(None));
        let dump = queue.dump();
        let ghost = StoredTask::ghost(TaskState::Active);
        assert_eq!(dump.tasks, [("a".to_owned(), ghost)]);
        assert_eq!(
            (dump.active, dump.lease),
            (vec!["a".to_owned()], vec![("a".to_owned(), 77)])
        );
        assert_eq!(queue.lease_expired(77), [], "recovery skips it");
        assert_eq!(queue.done(&task("a"), NOW), Ok(()));
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_lost_lease_takes_the_task_out_of_active_all_the_same() {
        let mut queue: Queue<TaskMessage> = Queue::default();
        for id in ["a", "b"] {
            queue.enqueue(task(id), NOW);
            queue.dequeue(77).unwrap();
        }
        queue.lease.remove(0);
        queue.places.get_mut("a").unwrap().lease = None;
        queue.places.get_mut("b").unwrap().lease = Some(0);
        let requeued = queue.requeue(&"a".to_owned());
        assert_eq!(requeued, Err(BrokerError::NotFound));
        assert_eq!(queue.dump().active, ["b"], "scripts are not rolled back");
        assert_eq!(queue.requeue(&"b".to_owned()), Ok(()));
        assert_eq!(queue.requeue(&"a".to_owned()), Err(BrokerError::NotFound));
    }

    #[test]
    fn a_paused_queue_gives_nothing() {
        let mut queue: Queue<TaskMessage> = Queue::default();
        queue.enqueue(task("a"), NOW);
        assert!(queue.pause(NOW));
        assert!(!queue.pause(NOW), "already");
        assert_eq!(queue.dequeue(77), Ok(None));
        assert!(queue.stats(NOW).paused);
        assert!(queue.unpause());
        assert!(!queue.unpause(), "already");
        assert_eq!(queue.dequeue(77), Ok(Some(task("a"))));
    }
}
