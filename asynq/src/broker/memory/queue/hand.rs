//! What operators and faults do to a queue.

use super::Queue;
use crate::broker::memory::sorted::SortedSet;
use crate::clock::Time;
use crate::op::{Deed, TaskState};
use crate::settings::{ARCHIVE_MAX, KEEP_DAYS};
use crate::table::Table;
use crate::task::Task;
use std::collections::BTreeSet;

impl<T: Task> Queue<T> {
    /// See [`MemoryBroker::waiting`](super::super::MemoryBroker::waiting).
    pub(in crate::broker::memory) fn waiting_messages(
        &mut self,
        state: TaskState,
    ) -> Vec<(T, Option<i64>)> {
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

    /// See [`MemoryBroker::change`](super::MemoryBroker::change).
    pub(in crate::broker::memory) fn change(
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
            self.archived
                .take_up_to(now.secs() - KEEP_DAYS * 86_400, usize::MAX);
            let most = ARCHIVE_MAX as usize;
            let extra = (self.archived.len() + 1).saturating_sub(most);
            for id in self.archived.lowest(extra) {
                self.archived.remove(&id);
            }
        }
        ids
    }

    /// The set of a state that is neither pending nor archived.
    fn waiting(&mut self, state: TaskState) -> &mut SortedSet<T> {
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
    pub(in crate::broker::memory) fn repair_orphans(&mut self, now: Time) -> Vec<T::Id> {
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
            self.is_pending_since(id, now);
        }
        orphans
    }

    /// `DEL` of the set of leases; answers how many there were.
    pub(in crate::broker::memory) fn lose_leases(&mut self) -> usize {
        let lost = std::mem::take(&mut self.lease);
        for lease in &lost {
            if let Some(place) = self.places.get_mut(&lease.id) {
                place.lease = None;
            }
        }
        lost.len()
    }

    /// A message that nobody can decode, the next to be taken.
    pub(in crate::broker::memory) fn garble(&mut self, id: T::Id) {
        self.pending.push_back(id.clone());
        self.set(&id, TaskState::Pending, None);
        self.garbled.insert(id);
    }

    /// `SET NX` of the flag; answers whether it was not there.
    pub(in crate::broker::memory) fn pause(&mut self, now: Time) -> bool {
        let before = self.paused;
        self.paused = before.or(Some(now.secs()));
        before.is_none()
    }

    /// Answers whether the flag was there.
    pub(in crate::broker::memory) fn unpause(&mut self) -> bool {
        self.paused.take().is_some()
    }
}
