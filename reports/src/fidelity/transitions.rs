//! The transitions of every alert instance, paired.

use crate::fidelity::Agreement;
use crate::jsonl::Record;
use crate::record::{AlertState, Transition};
use std::collections::BTreeMap;

/// Changes further apart than this are not the same change: ten minutes, more than the `for` of most rules.
const PAIR_MS_MAX: i64 = 600_000;

/// A change of state in either drill or in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// State before.
    pub from: AlertState,
    /// State after.
    pub to: AlertState,
    /// When, in the live drill.
    pub live_ms: Option<i64>,
    /// When, in the model's.
    pub model_ms: Option<i64>,
}

/// An alert instance in the drills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Alert name.
    pub alert: String,
    /// Labels that tell it from other instances of the alert, as `{queue="default"}`; empty where there are none.
    pub labels: String,
    /// Changes of the live drill beside the model's, by time.
    pub changes: Vec<Change>,
    /// The same beside a drill of the model on the live drill's terms: one that is the same, if any is; empty without.
    pub on_terms: Vec<Change>,
    /// Same: every change has its like within an evaluation interval, or is part of a state that lasted no longer than
    /// one, or fell within one of the end: the grid of evaluations tells nothing finer.
    pub agreement: Agreement,
}

type Key<'r> = (&'r str, &'r str, &'r BTreeMap<String, String>);
type Changes<'r> = BTreeMap<Key<'r>, Vec<&'r Transition>>;

/// All instances that changed their state in any of the drills.
pub(super) fn instances(live: &Record, model: &Record, on_terms: &[&Record]) -> Vec<Instance> {
    let interval_ms = live.header.evaluation_interval_ms;
    let end_ms = live.end_ms().min(model.end_ms());
    let (of_live, of_model) = (by_instance(live), by_instance(model));
    let of_terms: Vec<Changes<'_>> = on_terms.iter().map(|record| by_instance(record)).collect();
    let mut keys: Vec<Key<'_>> = of_live.keys().chain(of_model.keys()).copied().collect();
    keys.extend(of_terms.iter().flat_map(|changes| changes.keys().copied()));
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
        .map(|key| {
            let of = |changes: &Changes<'_>| -> Vec<(i64, AlertState, AlertState)> {
                let changes = changes.get(&key).into_iter().flatten();
                changes
                    .map(|change| (change.at_ms, change.from, change.to))
                    .collect()
            };
            let live = of(&of_live);
            let changes = pair(&live, &of(&of_model));
            let agrees = |changes: &Vec<Change>| is_same(changes, interval_ms, end_ms);
            let mut on_terms = of_terms.iter().map(|of_terms| pair(&live, &of(of_terms)));
            let mut beside = on_terms.next().unwrap_or_default();
            let explained = !of_terms.is_empty()
                && (agrees(&beside) || on_terms.find(agrees).map(|found| beside = found).is_some());
            Instance {
                alert: key.1.to_owned(),
                labels: told_apart_by(key.2),
                agreement: Agreement::of(agrees(&changes), explained),
                changes,
                on_terms: beside,
            }
        })
        .collect()
}

fn by_instance(record: &Record) -> Changes<'_> {
    let mut changes: Changes<'_> = BTreeMap::new();
    for transition in record.transitions() {
        let key = (
            transition.group.as_str(),
            transition.alert.as_str(),
            &transition.labels,
        );
        changes.entry(key).or_default().push(transition);
    }
    changes
}

fn told_apart_by(labels: &BTreeMap<String, String>) -> String {
    let common = ["alertname", "severity"];
    let labels: Vec<String> = labels
        .iter()
        .filter(|(name, _)| !common.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    if labels.is_empty() {
        String::new()
    } else {
        format!("{{{}}}", labels.join(","))
    }
}

/// Pairs changes of the same kind, in order, such that as little as possible is left over and far apart.
fn pair(
    live: &[(i64, AlertState, AlertState)],
    model: &[(i64, AlertState, AlertState)],
) -> Vec<Change> {
    let kinds = [
        (AlertState::Inactive, AlertState::Pending),
        (AlertState::Inactive, AlertState::Firing),
        (AlertState::Pending, AlertState::Firing),
        (AlertState::Pending, AlertState::Inactive),
        (AlertState::Firing, AlertState::Inactive),
        (AlertState::Firing, AlertState::Pending),
    ];
    let mut changes = Vec::new();
    for (from, to) in kinds {
        let times = |of: &[(i64, AlertState, AlertState)]| -> Vec<i64> {
            of.iter()
                .filter(|change| (change.1, change.2) == (from, to))
                .map(|change| change.0)
                .collect()
        };
        let pairs = pair_times(&times(live), &times(model));
        changes.extend(pairs.into_iter().map(|(live_ms, model_ms)| Change {
            from,
            to,
            live_ms,
            model_ms,
        }));
    }
    changes.sort_by_key(|change| (change.live_ms.or(change.model_ms), change.model_ms));
    changes
}

/// The cheapest way to pair two ascending lists in order: a pair costs its distance, a time alone half of the longest
/// distance, so that whatever is near enough is paired.
fn pair_times(live: &[i64], model: &[i64]) -> Vec<(Option<i64>, Option<i64>)> {
    const ALONE: i64 = PAIR_MS_MAX / 2;
    let width = model.len() + 1;
    let at = |i: usize, j: usize| i * width + j;
    // Costs of pairing what is left from live[i..] and model[j..].
    let mut costs = vec![0_i64; (live.len() + 1) * width];
    for i in (0..=live.len()).rev() {
        for j in (0..=model.len()).rev() {
            costs[at(i, j)] = match (live.get(i), model.get(j)) {
                (None, None) => 0,
                (Some(_), None) => costs[at(i + 1, j)] + ALONE,
                (None, Some(_)) => costs[at(i, j + 1)] + ALONE,
                (Some(a), Some(b)) => {
                    let apart = (costs[at(i + 1, j)]).min(costs[at(i, j + 1)]) + ALONE;
                    apart.min(costs[at(i + 1, j + 1)] + (a - b).abs())
                }
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut pairs = Vec::new();
    loop {
        match (live.get(i), model.get(j)) {
            (None, None) => return pairs,
            (Some(a), Some(b)) if costs[at(i, j)] == costs[at(i + 1, j + 1)] + (a - b).abs() => {
                pairs.push((Some(*a), Some(*b)));
                (i, j) = (i + 1, j + 1);
            }
            (Some(a), _) if costs[at(i, j)] == costs[at(i + 1, j)] + ALONE => {
                pairs.push((Some(*a), None));
                i += 1;
            }
            (_, b) => {
                pairs.push((None, b.copied()));
                j += 1;
            }
        }
    }
}

/// See [`Instance::agreement`].
fn is_same(changes: &[Change], interval_ms: i64, end_ms: i64) -> bool {
    let only = |side: fn(&Change) -> Option<i64>,
                other: fn(&Change) -> Option<i64>|
     -> Vec<(i64, Change)> {
        let alone = changes.iter().filter(|change| other(change).is_none());
        alone
            .filter_map(|change| Some((side(change)?, *change)))
            .collect()
    };
    let (live, model) = (
        only(|change| change.live_ms, |change| change.model_ms),
        only(|change| change.model_ms, |change| change.live_ms),
    );
    let near = changes
        .iter()
        .all(|change| match (change.live_ms, change.model_ms) {
            (Some(a), Some(b)) => (a - b).abs() <= interval_ms,
            _ => true,
        });
    near && [live, model]
        .iter()
        .all(|alone| is_brief(alone, interval_ms, end_ms))
}

/// Whether changes of one drill alone come to nothing: into a state and back within an evaluation interval, or so near
/// the end that the other drill's would have come after it.
fn is_brief(alone: &[(i64, Change)], interval_ms: i64, end_ms: i64) -> bool {
    let mut rest = alone;
    while let Some(((at_ms, change), after)) = rest.split_first() {
        if end_ms - at_ms <= interval_ms {
            return true;
        }
        match after.split_first() {
            Some(((back_ms, back), after))
                if back_ms - at_ms <= interval_ms
                    && (change.from, change.to) == (back.to, back.from) =>
            {
                rest = after;
            }
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_near_is_paired_whatever_is_left_over() {
        // Two pointers from the left would pair 0 with 100 s.
        let pairs = pair_times(&[0, 100_000], &[100_000]);
        assert_eq!(pairs, [(Some(0), None), (Some(100_000), Some(100_000))]);
        assert_eq!(
            pair_times(&[0], &[PAIR_MS_MAX]),
            [(Some(0), Some(PAIR_MS_MAX))]
        );
        let apart = pair_times(&[0], &[PAIR_MS_MAX + 1]);
        assert!(
            apart
                .iter()
                .all(|(live_ms, model_ms)| live_ms.is_some() != model_ms.is_some())
        );
    }

    proptest! {
        /// Every time is there once, in order, and no two that are too far apart are a pair.
        #[test]
        fn every_time_is_in_one_pair(
            mut live in prop::collection::vec(0_i64..4_000_000, 0..12),
            mut model in prop::collection::vec(0_i64..4_000_000, 0..12),
        ) {
            live.sort_unstable();
            model.sort_unstable();
            let pairs = pair_times(&live, &model);
            let of_live: Vec<i64> = pairs.iter().filter_map(|pair| pair.0).collect();
            let of_model: Vec<i64> = pairs.iter().filter_map(|pair| pair.1).collect();
            prop_assert_eq!(of_live, live);
            prop_assert_eq!(of_model, model);
            for (live_ms, model_ms) in pairs {
                if let (Some(live_ms), Some(model_ms)) = (live_ms, model_ms) {
                    prop_assert!((live_ms - model_ms).abs() <= PAIR_MS_MAX);
                }
            }
        }
    }
}
