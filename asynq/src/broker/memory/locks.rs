//! Uniqueness locks: who holds them, and until when.

use crate::clock::Time;
use crate::task::Task;
use std::collections::BTreeMap;

/// The locks of a queue. A lock whose time is over is as good as none.
#[derive(Debug, Clone)]
pub(super) struct Locks<T: Task>(BTreeMap<T::Lock, Held<T::Id>>);

#[derive(Debug, Clone)]
struct Held<I> {
    by: I,
    until: Time,
}

impl<T: Task> Default for Locks<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Task> Locks<T> {
    /// `SET NX`; answers whether the lock was free. No lock is always free.
    pub(super) fn take(
        &mut self,
        lock: Option<&T::Lock>,
        by: &T::Id,
        ttl_s: i64,
        now: Time,
    ) -> bool {
        let Some(lock) = lock else { return true };
        if self.0.get(lock).is_some_and(|held| held.until > now) {
            return false;
        }
        let held = Held {
            by: by.clone(),
            until: now.plus_millis(ttl_s.saturating_mul(1_000)),
        };
        self.0.insert(lock.clone(), held);
        true
    }

    /// Gives a lock up, if this task holds it.
    #[inline]
    pub(super) fn release(&mut self, lock: Option<&T::Lock>, by: &T::Id) {
        if let Some(lock) = lock
            && self.0.get(lock).is_some_and(|held| held.by == *by)
        {
            self.0.remove(lock);
        }
    }

    /// Has a task hold a lock for good, whoever has it now.
    pub(super) fn leave(&mut self, lock: T::Lock, by: T::Id) {
        let until = Time(i64::MAX);
        self.0.insert(lock, Held { by, until });
    }

    /// Deletes a lock, whoever has it; answers whether it was there.
    pub(super) fn delete(&mut self, lock: &T::Lock) -> bool {
        self.0.remove(lock).is_some()
    }

    pub(super) fn dump(&self) -> Vec<(T::Lock, T::Id)> {
        self.0
            .iter()
            .map(|(lock, held)| (lock.clone(), held.by.clone()))
            .collect()
    }
}
