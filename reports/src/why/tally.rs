//! What was counted of a rule and its parts, over all evaluations of all records.

use firedrill_detector::Labels;
use firedrill_detector::anatomy::{Anatomy, PartKind};
use std::collections::{BTreeMap, BTreeSet};

/// The values of an expression at one evaluation, or why it has none.
pub(super) type Answer = Result<Vec<(Labels, f64)>, String>;

/// One rule.
#[derive(Debug)]
pub(super) struct RuleTally {
    pub(super) evaluations: u64,
    pub(super) held: u64,
    /// After the warm-up and outside of incidents.
    pub(super) calm: Calm,
    /// Records in which the alert fired.
    pub(super) fired_in: BTreeSet<usize>,
    /// The longest an instance's expression held in a row: from the first evaluation at which it did to the last.
    pub(super) longest_ms: i64,
    /// Failed evaluations, and why the first one failed.
    pub(super) failures: u64,
    pub(super) failure: Option<String>,
    /// In the order of the anatomy's parts.
    pub(super) parts: Vec<PartTally>,
}

/// Evaluations at which nothing was wrong.
#[derive(Debug, Default)]
pub(super) struct Calm {
    pub(super) evaluations: u64,
    /// At which the expression had a value.
    pub(super) held: u64,
    /// At which it had none, and nothing to have one from.
    pub(super) without_data: u64,
}

/// One part of a rule's expression.
#[derive(Debug, Default)]
pub(super) struct PartTally {
    pub(super) whole: Values,
    pub(super) left: Values,
    pub(super) right: Values,
    /// Evaluations after the warm-up at which the whole had values: before it, not everything has been scraped.
    pub(super) scored: u64,
    /// Evaluations at which both sides had values.
    pub(super) both: u64,
    /// Where what is compared with a low number was gone during an incident.
    pub(super) vanished: Vec<Vanished>,
}

/// A disappearance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vanished {
    /// Scenario.
    pub(super) record: String,
    /// Cause of the incident.
    pub(super) cause: String,
    /// From the fault to the first evaluation without it.
    pub(super) after_ms: i64,
    /// The series that ended with a staleness marker.
    pub(super) series: Labels,
}

/// Values of one expression.
#[derive(Debug, Default)]
pub(super) struct Values {
    /// Evaluations at which there was one.
    pub(super) seen: u64,
    /// Evaluations at which one was not a number.
    pub(super) not_numbers: u64,
    /// Record and time of the first one that was not.
    pub(super) first_not_number: Option<(usize, i64)>,
    /// Smallest and largest number.
    pub(super) range: Option<(f64, f64)>,
}

impl RuleTally {
    pub(super) fn new(anatomy: &Anatomy) -> Self {
        Self {
            evaluations: 0,
            held: 0,
            calm: Calm::default(),
            fired_in: BTreeSet::new(),
            longest_ms: 0,
            failures: 0,
            failure: None,
            parts: anatomy.parts.iter().map(|_| PartTally::default()).collect(),
        }
    }
}

impl Values {
    /// Takes in what there was at an evaluation.
    pub(super) fn take(&mut self, answer: &Answer, record: usize, at_ms: i64) {
        let Ok(values) = answer else { return };
        self.seen += u64::from(!values.is_empty());
        if values.iter().any(|(_, value)| value.is_nan()) {
            self.not_numbers += 1;
            self.first_not_number.get_or_insert((record, at_ms));
        }
        for value in values
            .iter()
            .map(|(_, value)| *value)
            .filter(|value| !value.is_nan())
        {
            let (low, high) = self.range.get_or_insert((value, value));
            *low = low.min(value);
            *high = high.max(value);
        }
    }
}

/// For every rule and part that compares something with a low number: what there was of it before the incident.
#[derive(Debug, Default)]
pub(super) struct Before(BTreeMap<(usize, usize), BTreeSet<Labels>>);

impl Before {
    /// Remembers what there is.
    pub(super) fn note(&mut self, place: (usize, usize), values: &[(Labels, f64)]) {
        let labels = values.iter().map(|(labels, _)| labels.clone()).collect();
        self.0.insert(place, labels);
    }

    /// Whether something that was there before is missing.
    pub(super) fn misses(&self, place: (usize, usize), values: &[(Labels, f64)]) -> bool {
        self.0.get(&place).is_some_and(|before| {
            let now: BTreeSet<&Labels> = values.iter().map(|(labels, _)| labels).collect();
            before.iter().any(|labels| !now.contains(labels))
        })
    }
}

/// Whether a part is a comparison that holds for low values of one side only, and which side that is: true for the left.
pub(super) fn low_side(kind: &PartKind) -> Option<bool> {
    let PartKind::Operation {
        op, left, right, ..
    } = kind
    else {
        return None;
    };
    match (op.as_str(), left.number, right.number) {
        ("<" | "<=", None, Some(_)) => Some(true),
        (">" | ">=", Some(_), None) => Some(false),
        ("==", None, Some(0.0)) => Some(true),
        ("==", Some(0.0), None) => Some(false),
        _ => None,
    }
}
