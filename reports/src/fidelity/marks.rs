//! Faults and remedies side by side.

use crate::fidelity::Agreement;
use crate::fidelity::terms::is_twin;
use crate::jsonl::Record;
use crate::record::Mark;

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
    /// In the model on the live drill's terms.
    pub on_terms_ms: Option<i64>,
    /// Same: in both, or in neither, and within an evaluation interval.
    pub agreement: Agreement,
}

/// Pairs the marks of the drills: those of the same end of the same step, whenever it was planned and done.
pub(super) fn marks(live: &Record, model: &Record, third: Option<&Record>) -> Vec<MarkPair> {
    let interval_ms = live.header.evaluation_interval_ms;
    let mut known: Vec<&Mark> = live.marks().collect();
    for mark in model.marks() {
        if !known.iter().any(|other| is_twin(mark, other)) {
            known.push(mark);
        }
    }
    let pair = |mark: &&Mark| {
        let twin = |record: &Record| {
            let found = record.marks().find(|other| is_twin(mark, other));
            found.and_then(|mark| mark.verified.then_some(mark.at_ms))
        };
        let (live_ms, model_ms) = (twin(live), twin(model));
        let on_terms_ms = third.and_then(twin);
        let is_near = |of_model: Option<i64>| match (live_ms, of_model) {
            (Some(a), Some(b)) => (a - b).abs() <= interval_ms,
            (None, None) => true,
            _ => false,
        };
        MarkPair {
            what: mark.what.clone(),
            target: mark.targets.join(", "),
            planned_ms: mark.planned_ms,
            live_ms,
            model_ms,
            on_terms_ms,
            agreement: Agreement::of(is_near(model_ms), third.map(|_| is_near(on_terms_ms))),
        }
    };
    known.iter().map(pair).collect()
}
