//! One queue of the model: its tasks and where each of them is.

mod hand;
mod intake;
mod look;
mod work;

use super::dump::StoredTask;
use super::groups::Groups;
use super::locks::Locks;
use super::sorted::SortedSet;
use crate::clock::Time;
use crate::op::{BrokerError, Delayed, TaskState};
use crate::settings::BATCH;
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
    pub(super) scheduled: SortedSet<T>,
    pub(super) retry: SortedSet<T>,
    pub(super) archived: SortedSet<T>,
    pub(super) completed: SortedSet<T>,
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

    /// `HSET` of the state and of the time at which it became that.
    fn is_pending_since(&mut self, id: &T::Id, now: Time) {
        self.set(id, TaskState::Pending, None);
        let place = self.places.get_mut(id);
        if let Some(hash) = place.and_then(|place| place.hash.as_mut()) {
            hash.pending_since = Some(now.0);
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

    pub(super) fn forward(&mut self, from: Delayed, now: Time) -> u64 {
        let source = match from {
            Delayed::Scheduled => &mut self.scheduled,
            Delayed::Retry => &mut self.retry,
        };
        let due = source.take_up_to(now.secs(), BATCH as usize);
        for id in &due {
            let hash = self.places.get(id).and_then(|place| place.hash.as_ref());
            // Quirk: the name of the group is not published again.
            if let Some(group) = hash.and_then(|hash| hash.group.clone()) {
                self.groups.add(group, now.secs(), id.clone());
                self.set(id, TaskState::Aggregating, None);
                continue;
            }
            self.pending.push_front(id.clone());
            self.is_pending_since(id, now);
        }
        due.len() as u64
    }

    pub(super) fn delete_expired_completed(&mut self, now_s: i64) -> u64 {
        let over = self.completed.take_up_to(now_s, BATCH as usize);
        for id in &over {
            self.delete(id);
        }
        over.len() as u64
    }

    pub(super) fn delete_aggregation_set(&mut self, group: &T::Group, set: Uuid) {
        for (id, _) in self.groups.remove_set(group, set) {
            self.delete(&id);
        }
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
