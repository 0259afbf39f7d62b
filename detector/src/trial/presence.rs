//! When the instances of an alert were there under one set of thresholds, and what that makes of them.

use std::ops::Range;

use super::Filter;
use super::tried::{Seen, Tried};
use crate::alert::{AlertError, Holds, Life};
use crate::sample::Timestamp;
use crate::transition::AlertState;

/// See [`Tried::presence`].
#[derive(Debug, Clone)]
pub struct Presence<'t> {
    seen: &'t Seen,
    shadow: Option<&'t Seen>,
    filter: Option<Filter>,
    /// The evaluations that did not fail: their times and slots.
    times: Vec<i64>,
    slots: Vec<usize>,
    /// By instance, then time.
    runs: Vec<Run>,
    errors: Vec<(Timestamp, String)>,
}

/// Evaluations one after the other that found an instance, by their number among those that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    instance: u32,
    from: usize,
    to: usize,
}

/// An instance changing its state, as a [`Transition`](crate::Transition) without what all of them share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The evaluation that noticed.
    pub at: Timestamp,
    /// Position in [`Tried::instances`].
    pub instance: usize,
    /// The state before.
    pub from: AlertState,
    /// The state after.
    pub to: AlertState,
    /// The expression's value, if it had one at this evaluation.
    pub value: Option<f64>,
    /// As [`Transition::data_gone`](crate::transition::Transition::data_gone).
    pub data_gone: bool,
    /// As [`Transition::data_back`](crate::transition::Transition::data_back).
    pub data_back: bool,
}

impl<'t> Presence<'t> {
    pub(super) fn new(tried: &'t Tried, seen: &'t Seen, filter: Option<Filter>) -> Self {
        let mut presence = Self {
            seen,
            shadow: tried.shadow.as_ref(),
            filter,
            times: Vec::with_capacity(seen.slots.len()),
            slots: Vec::with_capacity(seen.slots.len()),
            runs: Vec::new(),
            errors: Vec::new(),
        };
        // Of each instance: its latest run, which ends at the evaluation looked at last.
        let mut latest: Vec<Option<usize>> = vec![None; tried.instances.len()];
        let mut there: Vec<u32> = Vec::new();
        for (index, slot) in seen.slots.iter().enumerate() {
            let elements = &seen.elements[seen.elements_of(index)];
            let kept = elements.iter().filter(|(_, value)| presence.keeps(*value));
            there.clear();
            there.extend(kept.map(|(instance, _)| *instance));
            let error = slot.error.clone().or_else(|| {
                let instance = twice(&there)?;
                let labels = tried.instances[instance as usize].clone();
                Some(AlertError::SameLabels(labels).to_string())
            });
            if let Some(message) = error {
                presence.errors.push((Timestamp(slot.at_ms), message));
                continue;
            }
            let now = presence.times.len();
            for instance in &there {
                let known = latest[*instance as usize];
                match known.map(|run| &mut presence.runs[run]) {
                    Some(run) if run.to == now => run.to += 1,
                    _ => {
                        latest[*instance as usize] = Some(presence.runs.len());
                        presence.runs.push(Run {
                            instance: *instance,
                            from: now,
                            to: now + 1,
                        });
                    }
                }
            }
            presence.times.push(slot.at_ms);
            presence.slots.push(index);
        }
        presence.runs.sort_unstable();
        presence
    }

    /// Whether no instance was ever there, so that no holds make a difference.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The evaluations that failed, and why.
    #[must_use]
    pub fn errors(&self) -> &[(Timestamp, String)] {
        &self.errors
    }

    /// Every change of state under these holds, in order of time, then of instances.
    #[must_use]
    pub fn steps(&self, holds: Holds) -> Vec<Step> {
        let mut steps = Vec::new();
        for runs in self.runs.chunk_by(|a, b| a.instance == b.instance) {
            let mut life = None;
            // Whether the data have been gone since the run before.
            let mut away = false;
            for (index, run) in runs.iter().enumerate() {
                let next = runs.get(index + 1).map_or(self.times.len(), |run| run.from);
                let returns = away && life.is_none();
                let mut current = life
                    .take()
                    .unwrap_or_else(|| Life::new(self.times[run.from]));
                let back_to = self.back_to(run.instance, run.to..next);
                away = back_to == next;
                let first = steps.len();
                let mut walk = |present, range| {
                    self.walk(
                        &mut current,
                        (run.instance, present),
                        range,
                        holds,
                        &mut steps,
                    )
                };
                let goes_on = walk(true, run.from..run.to) && walk(false, run.to..next);
                if goes_on {
                    life = Some(current);
                }
                for step in &mut steps[first..] {
                    match step.to {
                        AlertState::Inactive => {
                            let at = self.times.partition_point(|time| *time < step.at.0);
                            step.data_gone = at < back_to;
                        }
                        AlertState::Pending | AlertState::Firing => step.data_back = returns,
                    }
                }
            }
        }
        steps.sort_by_key(|step| (step.at, step.instance));
        steps
    }

    /// Lives through evaluations that all find an instance, or all do not; false if it is over then.
    fn walk(
        &self,
        life: &mut Life,
        (instance, present): (u32, bool),
        range: Range<usize>,
        holds: Holds,
        steps: &mut Vec<Step>,
    ) -> bool {
        let mut at = range.start;
        while at < range.end {
            let now_ms = self.times[at];
            let (from, to) = life.step(present, holds, now_ms);
            if from != to {
                steps.push(Step {
                    at: Timestamp(now_ms),
                    instance: instance as usize,
                    from,
                    to,
                    value: present.then(|| self.value(at, instance)).flatten(),
                    data_gone: false,
                    data_back: false,
                });
            }
            if to == AlertState::Inactive {
                return false;
            }
            let Some(due_ms) = life.due_ms(holds) else {
                break;
            };
            at += 1;
            at += self.times[at..range.end].partition_point(|time| *time < due_ms);
        }
        true
    }

    /// The first of these evaluations, none of which finds the instance, that has its data; the end if none has.
    fn back_to(&self, instance: u32, range: Range<usize>) -> usize {
        let is_there = |at: &usize| {
            let Some(shadow) = self.shadow else {
                return true;
            };
            let slot = self.slots[*at];
            let elements = &shadow.elements[shadow.elements_of(slot)];
            shadow.slots[slot].error.is_some()
                || elements.iter().any(|(other, _)| *other == instance)
        };
        range.clone().find(is_there).unwrap_or(range.end)
    }

    /// An element that the filter drops may have the same labels as one that it keeps.
    fn value(&self, at: usize, instance: u32) -> Option<f64> {
        let elements = &self.seen.elements[self.seen.elements_of(self.slots[at])];
        let own = |(other, value): &&(u32, f64)| *other == instance && self.keeps(*value);
        elements.iter().find(own).map(|(_, value)| *value)
    }

    fn keeps(&self, value: f64) -> bool {
        self.filter.is_none_or(|filter| filter.keeps(value))
    }
}

/// The first instance that has been there before.
fn twice(there: &[u32]) -> Option<u32> {
    let before = |(index, instance): (usize, &u32)| there[..index].contains(instance);
    // Vectors are short mostly; long ones are looked through in order.
    if there.len() <= 16 {
        let found = there.iter().enumerate().find(|item| before(*item));
        return found.map(|(_, instance)| *instance);
    }
    let mut known = std::collections::BTreeSet::new();
    there
        .iter()
        .find(|instance| !known.insert(**instance))
        .copied()
}
