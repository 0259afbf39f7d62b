//! What a trial has seen: the values of its expressions at every evaluation.

use std::ops::Range;

use super::Variant;
use super::presence::Presence;
use crate::sample::Labels;

/// What became of a [`Trial`](super::Trial).
#[derive(Debug, Clone)]
pub struct Tried {
    pub(super) group: String,
    pub(super) alert: String,
    /// In label order.
    pub(super) instances: Vec<Labels>,
    pub(super) seen: Vec<Seen>,
    /// Where the data of instances were; none if that cannot be said.
    pub(super) shadow: Option<Seen>,
    pub(super) variants: Vec<Variant>,
}

/// The values of one expression.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) slots: Vec<Slot>,
    /// Instance and value, of one slot after the other.
    pub(super) elements: Vec<(u32, f64)>,
}

/// One evaluation.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) at_ms: i64,
    /// Where its elements end; they begin where those before end.
    pub(super) end: usize,
    /// Why it failed, if it did.
    pub(super) error: Option<String>,
}

impl Seen {
    /// Where the elements of a slot are.
    pub(super) fn elements_of(&self, slot: usize) -> Range<usize> {
        let start = slot
            .checked_sub(1)
            .map_or(0, |before| self.slots[before].end);
        start..self.slots[slot].end
    }
}

impl Tried {
    /// The rule group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The alert.
    #[must_use]
    pub fn alert(&self) -> &str {
        &self.alert
    }

    /// The labels of all instances that were there under any of the thresholds, as a [`Step`](super::Step) counts them.
    #[must_use]
    pub fn instances(&self) -> &[Labels] {
        &self.instances
    }

    /// How many sets of thresholds were tried.
    #[must_use]
    pub fn variants(&self) -> usize {
        self.variants.len()
    }

    /// When each instance was there under a set of thresholds; `None` if there is no such set.
    #[must_use]
    pub fn presence(&self, variant: usize) -> Option<Presence<'_>> {
        let Variant { base, filter } = *self.variants.get(variant)?;
        Some(Presence::new(self, &self.seen[base], filter))
    }
}
