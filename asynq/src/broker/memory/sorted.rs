//! A sorted set: members in order of score, then of themselves.

use crate::table::Table;
use crate::task::Task;
use std::collections::BTreeSet;

/// Redis' sorted set of task ids, with whole seconds as scores.
#[derive(Debug, Clone)]
pub(super) struct SortedSet<T: Task> {
    scores: T::Table<i64>,
    order: BTreeSet<(i64, T::Id)>,
}

impl<T: Task> Default for SortedSet<T> {
    fn default() -> Self {
        Self {
            scores: T::Table::default(),
            order: BTreeSet::new(),
        }
    }
}

impl<T: Task> SortedSet<T> {
    /// `ZADD`; answers whether the member is new.
    pub(super) fn add(&mut self, score: i64, member: T::Id) -> bool {
        let before = self.scores.get(&member).copied();
        if let Some(before) = before {
            self.order.remove(&(before, member.clone()));
        }
        self.scores.insert(member.clone(), score);
        self.order.insert((score, member));
        before.is_none()
    }

    /// `ZREM`; answers whether the member was there.
    pub(super) fn remove(&mut self, member: &T::Id) -> bool {
        match self.scores.remove(member) {
            Some(score) => self.order.remove(&(score, member.clone())),
            None => false,
        }
    }

    /// Takes members with a score up to `max` out, the lowest first, at most `limit`.
    pub(super) fn take_up_to(&mut self, max: i64, limit: usize) -> Vec<T::Id> {
        let mut taken = Vec::new();
        while taken.len() < limit
            && self.order.first().is_some_and(|(score, _)| *score <= max)
            && let Some((_, member)) = self.order.pop_first()
        {
            self.scores.remove(&member);
            taken.push(member);
        }
        taken
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Members with a score up to `max`, the lowest first, at most `limit`.
    pub(super) fn up_to(&self, max: i64, limit: usize) -> Vec<T::Id> {
        self.order
            .iter()
            .take_while(|(score, _)| *score <= max)
            .take(limit)
            .map(|(_, member)| member.clone())
            .collect()
    }

    /// The lowest `count` members.
    pub(super) fn lowest(&self, count: usize) -> Vec<T::Id> {
        self.order
            .iter()
            .take(count)
            .map(|(_, member)| member.clone())
            .collect()
    }

    /// Members with their scores, in order.
    pub(super) fn entries(&self) -> Vec<(T::Id, i64)> {
        self.order
            .iter()
            .map(|(score, member)| (member.clone(), *score))
            .collect()
    }
}
