//! Groups of tasks that wait to be aggregated, and the sets taken out of them.

use super::dump::{AggregationSet, Scored};
use super::sorted::SortedSet;
use crate::clock::Time;
use crate::op::GroupLimits;
use crate::settings::AGGREGATION_TIMEOUT_S;
use crate::task::Task;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// The groups of a queue.
#[derive(Debug, Clone)]
pub(super) struct Groups<T: Task> {
    /// What aggregators look at. Quirk: a group can have tasks and not be in here.
    published: BTreeSet<T::Group>,
    waiting: BTreeMap<T::Group, SortedSet<T>>,
    sets: BTreeMap<(T::Group, Uuid), Set<T::Id>>,
}

#[derive(Debug, Clone)]
struct Set<I> {
    members: Vec<(I, i64)>,
    deadline_s: i64,
}

impl<T: Task> Default for Groups<T> {
    fn default() -> Self {
        Self {
            published: BTreeSet::new(),
            waiting: BTreeMap::new(),
            sets: BTreeMap::new(),
        }
    }
}

impl<T: Task> Groups<T> {
    pub(super) fn publish(&mut self, group: T::Group) {
        self.published.insert(group);
    }

    pub(super) fn add(&mut self, group: T::Group, at_s: i64, id: T::Id) {
        self.waiting.entry(group).or_default().add(at_s, id);
    }

    pub(super) fn names(&self) -> Vec<T::Group> {
        self.published.iter().cloned().collect()
    }

    /// Takes tasks out into a set if it is time; answers whether it was.
    pub(super) fn check(
        &mut self,
        group: T::Group,
        set: Uuid,
        limits: GroupLimits,
        now: Time,
    ) -> bool {
        let Some(waiting) = self.waiting.get_mut(&group) else {
            return false;
        };
        let entries = waiting.entries();
        let (Some((_, oldest)), Some((_, newest))) = (entries.first(), entries.last()) else {
            return false;
        };
        let most = limits.max_size as usize;
        let full = most != 0 && entries.len() >= most;
        let late = limits.max_delay_s != 0 && *oldest <= now.secs() - limits.max_delay_s;
        if !(full || late || *newest <= now.secs() - limits.grace_s) {
            return false;
        }
        let take = if most == 0 { entries.len() } else { most };
        let members: Scored<T> = entries.into_iter().take(take).collect();
        for (id, _) in &members {
            waiting.remove(id);
        }
        if waiting.len() == 0 {
            self.waiting.remove(&group);
            self.published.remove(&group);
        }
        let deadline_s = now.secs() + AGGREGATION_TIMEOUT_S;
        let taken = Set {
            members,
            deadline_s,
        };
        self.sets.insert((group, set), taken);
        true
    }

    /// Members of a set in order, and its deadline.
    pub(super) fn set(&self, group: &T::Group, set: Uuid) -> Option<(Vec<T::Id>, i64)> {
        let set = self.sets.get(&(group.clone(), set))?;
        let members = set.members.iter().map(|(id, _)| id.clone());
        Some((members.collect(), set.deadline_s))
    }

    /// Forgets a set; answers its members with their scores.
    pub(super) fn remove_set(&mut self, group: &T::Group, set: Uuid) -> Scored<T> {
        let removed = self.sets.remove(&(group.clone(), set));
        removed.map(|set| set.members).unwrap_or_default()
    }

    /// Whether there are sets whose deadline has passed.
    pub(super) fn has_stale(&self, now_s: i64) -> bool {
        self.sets.values().any(|set| set.deadline_s <= now_s)
    }

    /// Puts the members of sets whose deadline has passed back. Quirk: the group is not published again.
    pub(super) fn reclaim(&mut self, now_s: i64) {
        let over = self.sets.iter().filter(|(_, set)| set.deadline_s <= now_s);
        let stale: Vec<(T::Group, Uuid)> = over.map(|(name, _)| name.clone()).collect();
        for name in stale {
            let members = self.remove_set(&name.0, name.1);
            let group = name.0;
            for (id, score) in members {
                self.add(group.clone(), score, id);
            }
        }
    }

    /// How many tasks wait in published groups: all that asynq counts.
    pub(super) fn waiting(&self) -> u64 {
        let sizes = self.published.iter().filter_map(|g| self.waiting.get(g));
        sizes.map(|waiting| waiting.len() as u64).sum()
    }

    /// How many tasks wait or are being aggregated, counted or not.
    pub(super) fn len(&self) -> u64 {
        let waiting: usize = self.waiting.values().map(SortedSet::len).sum();
        let taken: usize = self.sets.values().map(|set| set.members.len()).sum();
        (waiting + taken) as u64
    }

    /// Their ids: groups first, then sets.
    pub(super) fn ids(&self) -> Vec<T::Id> {
        let published = self.published.iter().filter_map(|g| self.waiting.get(g));
        let waiting = published.flat_map(SortedSet::entries);
        let taken = self.sets.values().flat_map(|set| set.members.clone());
        waiting.chain(taken).map(|(id, _)| id).collect()
    }

    pub(super) fn dump(&self) -> Vec<(T::Group, Scored<T>)> {
        self.waiting
            .iter()
            .map(|(group, waiting)| (group.clone(), waiting.entries()))
            .collect()
    }

    pub(super) fn dump_sets(&self) -> Vec<AggregationSet<T>> {
        self.sets
            .iter()
            .map(|((group, name), set)| AggregationSet {
                group: group.clone(),
                set: *name,
                members: set.members.clone(),
                deadline_s: set.deadline_s,
            })
            .collect()
    }
}
