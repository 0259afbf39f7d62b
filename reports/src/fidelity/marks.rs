//! Faults and remedies side by side.

use crate::fidelity::Agreement;
use crate::fidelity::terms::is_twin;
use crate::jsonl::Record;
use crate::record::{Mark, Phase};

/// A fault or remedy in the drills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkPair {
    /// Kind, e.g. `worker.kill`.
    pub what: String,
    /// On what.
    pub target: String,
    /// When it was intended.
    pub planned_ms: i64,
    /// When it took effect in the live drill; `None`: it did not.
    pub live_ms: Option<i64>,
    /// In the model.
    pub model_ms: Option<i64>,
    /// In a drill of the model on the live drill's terms: one in which it is near, if any is.
    pub on_terms_ms: Option<i64>,
    /// Same: in both, or in neither, and within an evaluation interval.
    pub agreement: Agreement,
}

/// The marks of a record, each with how many of the same end of the same step came before it.
fn numbered(record: &Record) -> Vec<(&Mark, usize)> {
    let mut all: Vec<(&Mark, usize)> = Vec::new();
    for mark in record.marks() {
        let before = all.iter().filter(|(other, _)| is_twin(mark, other)).count();
        // An end has one; what a step does in between has its place among that.
        let place = if mark.phase == Some(Phase::During) {
            before
        } else {
            0
        };
        all.push((mark, place));
    }
    all
}

/// Pairs the marks of the drills: those of the same end of the same step, whenever it was planned and done.
pub(super) fn marks(live: &Record, model: &Record, on_terms: &[&Record]) -> Vec<MarkPair> {
    let interval_ms = live.header.evaluation_interval_ms;
    let mut known = numbered(live);
    for (mark, place) in numbered(model) {
        let is_known = |(other, of): &(&Mark, usize)| is_twin(mark, other) && *of == place;
        if !known.iter().any(is_known) {
            known.push((mark, place));
        }
    }
    let pair = |(mark, place): &(&Mark, usize)| {
        let twin = |record: &Record| {
            let mut same = record.marks().filter(|other| is_twin(mark, other));
            let found = same.nth(*place);
            found.and_then(|mark| mark.verified.then_some(mark.at_ms))
        };
        let (live_ms, model_ms) = (twin(live), twin(model));
        let is_near = |of_model: Option<i64>| match (live_ms, of_model) {
            (Some(a), Some(b)) => (a - b).abs() <= interval_ms,
            (None, None) => true,
            _ => false,
        };
        let of_terms: Vec<Option<i64>> = on_terms.iter().map(|record| twin(record)).collect();
        let near = of_terms.iter().copied().find(|of_terms| is_near(*of_terms));
        MarkPair {
            what: mark.what.clone(),
            target: mark.targets.join(", "),
            planned_ms: mark.planned_ms,
            live_ms,
            model_ms,
            on_terms_ms: near.or(of_terms.first().copied()).flatten(),
            agreement: Agreement::of(is_near(model_ms), near.is_some()),
        }
    };
    known.iter().map(pair).collect()
}
