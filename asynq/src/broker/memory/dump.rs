//! Everything a queue's keys would hold, for comparison with Redis.

use super::queue::{Lease, Queue};
use crate::op::TaskState;
use crate::table::Table;
use crate::task::Task;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// A task's hash but for its field `result`. The hash of a ghost has a state and no message.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTask<T: Task> {
    /// Field `msg`.
    pub message: Option<T>,
    /// Field `state`.
    pub state: TaskState,
    /// Field `pending_since`, nanoseconds.
    pub pending_since: Option<i64>,
    /// Field `unique_key`.
    pub unique_key: Option<T::Lock>,
    /// Field `group`.
    pub group: Option<T::Group>,
}

impl<T: Task> StoredTask<T> {
    #[inline]
    pub(super) fn new(message: T, state: TaskState) -> Self {
        Self {
            message: Some(message),
            ..Self::ghost(state)
        }
    }

    /// A hash that holds a state and nothing else.
    #[must_use]
    #[inline]
    pub fn ghost(state: TaskState) -> Self {
        Self {
            message: None,
            state,
            pending_since: None,
            unique_key: None,
            group: None,
        }
    }
}

/// All-time and daily counters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// `processed`.
    pub processed: i64,
    /// `failed`.
    pub failed: i64,
    /// `processed:<day>` by days since the epoch.
    pub processed_of_day: BTreeMap<i64, i64>,
    /// `failed:<day>` likewise.
    pub failed_of_day: BTreeMap<i64, i64>,
}

/// Members of a sorted set with their scores, in order.
pub type Scored<T> = Vec<(<T as Task>::Id, i64)>;

/// Tasks taken out of a group, to be aggregated.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregationSet<T: Task> {
    /// The group.
    pub group: T::Group,
    /// Names the set.
    pub set: Uuid,
    /// Its members with their scores in the group, in order.
    pub members: Scored<T>,
    /// When they go back, Unix seconds.
    pub deadline_s: i64,
}

/// Everything a queue's keys hold.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueDump<T: Task> {
    /// Hashes by id.
    pub tasks: Vec<(T::Id, StoredTask<T>)>,
    /// Fields `result` by id, also of ids that have no hash otherwise.
    pub results: Vec<(T::Id, Arc<Vec<u8>>)>,
    /// `pending` from the left, the newest first.
    pub pending: Vec<T::Id>,
    /// `active` from the left.
    pub active: Vec<T::Id>,
    /// `lease` in order.
    pub lease: Scored<T>,
    /// `scheduled` in order.
    pub scheduled: Scored<T>,
    /// `retry` in order.
    pub retry: Scored<T>,
    /// `archived` in order.
    pub archived: Scored<T>,
    /// `completed` in order.
    pub completed: Scored<T>,
    /// Names of groups in `groups`.
    pub group_names: Vec<T::Group>,
    /// `g:<group>`, each in order.
    pub groups: Vec<(T::Group, Scored<T>)>,
    /// `aggregation_sets` with what they hold.
    pub aggregation_sets: Vec<AggregationSet<T>>,
    /// Uniqueness locks and who holds them, whether or not their time is over.
    pub locks: Vec<(T::Lock, T::Id)>,
    /// Value of `paused`.
    pub paused: Option<i64>,
    /// Counters.
    pub counters: Counters,
}

impl<T: Task> Queue<T> {
    pub(super) fn dump(&self) -> QueueDump<T> {
        let pair = |lease: &Lease<T::Id>| (lease.id.clone(), lease.expires_s);
        let mut lease: Vec<(T::Id, i64)> = self.lease.iter().map(pair).collect();
        lease.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
        let tasks = self.places.entries().into_iter();
        let days = self.past_days.values().chain([&self.today]);
        let days = days.filter(|today| today.processed > 0);
        QueueDump {
            tasks: tasks
                .filter_map(|(id, place)| Some((id, place.hash?)))
                .collect(),
            results: self
                .results
                .iter()
                .map(|(id, result)| (id.clone(), result.clone()))
                .collect(),
            pending: self.pending.iter().cloned().collect(),
            active: self.active_ids(),
            lease,
            scheduled: self.scheduled.entries(),
            retry: self.retry.entries(),
            archived: self.archived.entries(),
            completed: self.completed.entries(),
            group_names: self.groups.names(),
            groups: self.groups.dump(),
            aggregation_sets: self.groups.dump_sets(),
            locks: self.locks.dump(),
            paused: self.paused,
            counters: Counters {
                processed: self.processed,
                failed: self.failed,
                processed_of_day: days
                    .clone()
                    .map(|today| (today.day, today.processed))
                    .collect(),
                failed_of_day: days
                    .filter(|today| today.failed > 0)
                    .map(|today| (today.day, today.failed))
                    .collect(),
            },
        }
    }
}
