//! Label sets as small integers, so that evaluation compares and copies numbers instead of strings.

use std::collections::HashMap;

use crate::sample::{Labels, METRIC_NAME};

/// A label set known to an [`Interner`]; equal ids mean equal label sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LabelsId(u32);

impl LabelsId {
    /// The empty label set.
    pub(crate) const EMPTY: Self = Self(0);

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Every label set seen so far. Ids depend on the order of arrival, so nothing may be *ordered* by id.
#[derive(Debug, Clone)]
pub(crate) struct Interner {
    sets: Vec<Labels>,
    ids: HashMap<Labels, LabelsId>,
    nameless: Memo,
    /// About what the label sets take in memory.
    bytes: usize,
}

/// Most bytes of label sets. Rules can make new ones at every evaluation, and nothing is forgotten.
pub(crate) const LABEL_SETS_MAX: usize = 2 << 30;

impl Interner {
    pub(crate) fn new() -> Self {
        let mut interner = Self {
            sets: Vec::new(),
            ids: HashMap::new(),
            nameless: Memo::default(),
            bytes: 0,
        };
        interner.id(&Labels::default());
        interner
    }

    pub(crate) fn id(&mut self, labels: &Labels) -> LabelsId {
        if let Some(id) = self.ids.get(labels) {
            return *id;
        }
        let id = u32::try_from(self.sets.len()).expect("fewer than 2^32 label sets fit in memory");
        self.bytes = self.bytes.saturating_add(size(labels));
        self.sets.push(labels.clone());
        self.ids.insert(labels.clone(), LabelsId(id));
        LabelsId(id)
    }

    /// Whether the label sets take as much memory as they may: nothing should make more.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes > LABEL_SETS_MAX
    }

    /// Makes it as full as it may be, which takes gigabytes otherwise.
    #[cfg(test)]
    pub(crate) fn fill(&mut self) {
        self.bytes = LABEL_SETS_MAX + 1;
    }

    pub(crate) fn labels(&self, id: LabelsId) -> &Labels {
        &self.sets[id.index()]
    }

    /// The label set without its metric name.
    pub(crate) fn without_name(&mut self, id: LabelsId) -> LabelsId {
        if let Some(known) = self.nameless.get(id) {
            return known;
        }
        let labels = self.labels(id).retain(|name| name != METRIC_NAME);
        let result = self.id(&labels);
        self.nameless.set(id, result);
        result
    }
}

/// About what a label set takes, with its place in the table.
fn size(labels: &Labels) -> usize {
    let pairs = labels
        .iter()
        .map(|(name, value)| 64 + name.len() + value.len());
    pairs.fold(128, usize::saturating_add)
}

/// A remembered function from label sets to label sets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memo {
    /// Zero: not known yet. Otherwise one more than the id.
    known: Vec<u32>,
}

impl Memo {
    pub(crate) fn get(&self, id: LabelsId) -> Option<LabelsId> {
        match self.known.get(id.index()) {
            None | Some(0) => None,
            Some(next) => Some(LabelsId(next - 1)),
        }
    }

    pub(crate) fn set(&mut self, id: LabelsId, result: LabelsId) {
        if self.known.len() <= id.index() {
            self.known.resize(id.index() + 1, 0);
        }
        self.known[id.index()] = result.0 + 1;
    }

    /// As [`Self::apply`], when computing may fail.
    pub(crate) fn try_apply<E>(
        &mut self,
        id: LabelsId,
        interner: &mut Interner,
        compute: impl FnOnce(&Labels) -> Result<Labels, E>,
    ) -> Result<LabelsId, E> {
        if let Some(known) = self.get(id) {
            return Ok(known);
        }
        let labels = compute(interner.labels(id))?;
        let result = interner.id(&labels);
        self.set(id, result);
        Ok(result)
    }

    /// The remembered result, or the one `compute` gives.
    pub(crate) fn apply(
        &mut self,
        id: LabelsId,
        interner: &mut Interner,
        compute: impl FnOnce(&Labels) -> Labels,
    ) -> LabelsId {
        if let Some(known) = self.get(id) {
            return known;
        }
        let labels = compute(interner.labels(id));
        let result = interner.id(&labels);
        self.set(id, result);
        result
    }
}

/// A map from label sets to positions that is emptied in constant time and never hashes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    round: u32,
    slots: Vec<(u32, u32)>,
}

impl Places {
    /// Forgets every entry.
    pub(crate) fn clear(&mut self) {
        if self.round == u32::MAX {
            self.slots.clear();
            self.round = 0;
        }
        self.round += 1;
    }

    pub(crate) fn get(&self, id: LabelsId) -> Option<usize> {
        match self.slots.get(id.index()) {
            Some((round, place)) if *round == self.round => Some(*place as usize),
            _ => None,
        }
    }

    /// Notes `place` for `id` unless there is a place already, which is then returned.
    pub(crate) fn insert(&mut self, id: LabelsId, place: usize) -> Option<usize> {
        if let Some(taken) = self.get(id) {
            return Some(taken);
        }
        if self.slots.len() <= id.index() {
            self.slots.resize(id.index() + 1, (0, 0));
        }
        let place = u32::try_from(place).expect("a vector has fewer than 2^32 elements");
        self.slots[id.index()] = (self.round, place);
        None
    }
}
