//! A sorted set: members in order of score, then of themselves.

use std::collections::{BTreeMap, BTreeSet};

/// Redis' sorted set, with whole seconds as scores.
#[derive(Debug, Clone)]
pub(super) struct SortedSet<I> {
    scores: BTreeMap<I, i64>,
    order: BTreeSet<(i64, I)>,
}

impl<I> Default for SortedSet<I> {
    fn default() -> Self {
        Self {
            scores: BTreeMap::new(),
            order: BTreeSet::new(),
        }
    }
}

impl<I: Clone + Ord> SortedSet<I> {
    /// `ZADD`; answers whether the member is new.
    pub(super) fn add(&mut self, score: i64, member: I) -> bool {
        let before = self.scores.insert(member.clone(), score);
        if let Some(before) = before {
            self.order.remove(&(before, member.clone()));
        }
        self.order.insert((score, member));
        before.is_none()
    }

    /// `ZREM`; answers whether the member was there.
    pub(super) fn remove(&mut self, member: &I) -> bool {
        match self.scores.remove(member) {
            Some(score) => self.order.remove(&(score, member.clone())),
            None => false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.scores.len()
    }

    /// Members with a score up to `max`, the lowest first, at most `limit`.
    pub(super) fn up_to(&self, max: i64, limit: usize) -> Vec<I> {
        self.order
            .iter()
            .take_while(|(score, _)| *score <= max)
            .take(limit)
            .map(|(_, member)| member.clone())
            .collect()
    }

    /// The lowest `count` members.
    pub(super) fn lowest(&self, count: usize) -> Vec<I> {
        self.order
            .iter()
            .take(count)
            .map(|(_, member)| member.clone())
            .collect()
    }

    /// Members with their scores, in order.
    pub(super) fn entries(&self) -> Vec<(I, i64)> {
        self.order
            .iter()
            .map(|(score, member)| (member.clone(), *score))
            .collect()
    }
}
