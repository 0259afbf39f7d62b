//! What can be seen of a queue without changing it.

use super::{Active, Lease, Queue};
use crate::clock::Time;
use crate::op::{Delayed, QueueStats, TaskState};
use crate::table::Table;
use crate::task::Task;
use uuid::Uuid;

impl<T: Task> Queue<T> {
    pub(in crate::broker::memory) fn stats(&self, now: Time) -> QueueStats {
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
    pub(in crate::broker::memory) fn active_ids(&self) -> Vec<T::Id> {
        let mut active: Vec<&Active<T::Id>> = self.active.iter().collect();
        active.sort_by_key(|member| std::cmp::Reverse(member.arrival));
        active.into_iter().map(|member| member.id.clone()).collect()
    }

    /// As `active` has them, those without a lease.
    pub(in crate::broker::memory) fn leaseless(&self) -> Vec<T::Id> {
        let leased = |id: &T::Id| {
            self.places
                .get(id)
                .is_some_and(|place| place.lease.is_some())
        };
        let active = self.active_ids().into_iter();
        active.filter(|id| !leased(id)).collect()
    }

    pub(in crate::broker::memory) fn ids(&self) -> Vec<(T::Id, TaskState)> {
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

    pub(in crate::broker::memory) fn len(&self) -> u64 {
        let sets = [
            &self.scheduled,
            &self.retry,
            &self.archived,
            &self.completed,
        ];
        let delayed: usize = sets.iter().map(|set| set.len()).sum();
        (self.pending.len() + self.active.len() + delayed) as u64 + self.groups.len()
    }

    /// A garbled one whose lease has expired.
    pub(in crate::broker::memory) fn garbled_among_expired(&self, cutoff_s: i64) -> Option<T::Id> {
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

    /// In order of expiry, then of ids.
    pub(in crate::broker::memory) fn lease_expired(&self, cutoff_s: i64) -> Vec<T> {
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

    /// Whether there is something to be forwarded.
    pub(in crate::broker::memory) fn has_due(&self, from: Delayed, now: Time) -> bool {
        let source = match from {
            Delayed::Scheduled => &self.scheduled,
            Delayed::Retry => &self.retry,
        };
        !source.up_to(now.secs(), 1).is_empty()
    }

    /// The messages of an aggregation set in order of their score; those without one are left out.
    pub(in crate::broker::memory) fn aggregation_set(
        &self,
        group: &T::Group,
        set: Uuid,
    ) -> Option<(Vec<T>, i64)> {
        let (members, deadline_s) = self.groups.set(group, set)?;
        let messages = members
            .into_iter()
            .filter_map(|id| self.places.get(&id)?.hash.as_ref()?.message.clone());
        Some((messages.collect(), deadline_s))
    }
}
