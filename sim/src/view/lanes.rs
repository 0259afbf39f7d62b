//! How alerts have been over the last minutes.

use super::{Lane, Span};
use crate::drill::Instances;
use firedrill_reports::record::AlertState;
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

/// Most times that are kept of an alert: of more, the oldest are let go.
const SPANS_MOST: usize = 60;
/// Most alerts that are shown.
const LANES_MOST: usize = 30;

/// All alerts that were ever on; there are as many as rules.
#[derive(Debug, Default)]
pub(super) struct Lanes(BTreeMap<String, Kept>);

#[derive(Debug, Default)]
struct Kept {
    instances: Instances,
    spans: VecDeque<Span>,
    delivered_ms: VecDeque<i64>,
}

impl Kept {
    fn last_ms(&self) -> i64 {
        let last = self.spans.back();
        last.map_or(i64::MIN, |span| span.to_ms.unwrap_or(span.from_ms))
    }
}

impl Lanes {
    /// An instance of an alert went from one state to another.
    pub(super) fn changed(
        &mut self,
        alert: &str,
        at_ms: i64,
        (from, to): (AlertState, AlertState),
    ) {
        let kept = self.0.entry(alert.to_owned()).or_default();
        let (before, after) = kept.instances.changed(from, to);
        if before == after {
            return;
        }
        if let Some(open) = kept.spans.back_mut().filter(|span| span.to_ms.is_none()) {
            open.to_ms = Some(at_ms);
        }
        if after != AlertState::Inactive {
            kept.spans.push_back(Span {
                state: name(after),
                from_ms: at_ms,
                to_ms: None,
            });
        }
        let surplus = kept.spans.len().saturating_sub(SPANS_MOST);
        kept.spans.drain(..surplus);
    }

    /// Somebody was told of an alert.
    pub(super) fn delivered(&mut self, alert: &str, at_ms: i64) {
        let told = &mut self.0.entry(alert.to_owned()).or_default().delivered_ms;
        if told.back() != Some(&at_ms) {
            told.push_back(at_ms);
        }
        let surplus = told.len().saturating_sub(SPANS_MOST);
        told.drain(..surplus);
    }

    /// How many alerts fire, and how many are pending.
    pub(super) fn on(&self) -> (usize, usize) {
        let count = |state| {
            let all = self.0.values();
            all.filter(|kept| kept.instances.state() == state).count()
        };
        (count(AlertState::Firing), count(AlertState::Pending))
    }

    /// Those that were on since a time, those that fire first, and how many more there are.
    pub(super) fn shown(&self, since_ms: i64) -> (Vec<Lane>, usize) {
        let is_in = |kept: &&Kept| {
            kept.spans
                .iter()
                .any(|span| span.to_ms.is_none_or(|to| to >= since_ms))
        };
        let mut all: Vec<_> = self.0.iter().filter(|(_, kept)| is_in(kept)).collect();
        all.sort_by_key(|(name, kept)| {
            (
                Reverse(kept.instances.state()),
                Reverse(kept.last_ms()),
                *name,
            )
        });
        let left_out = all.len().saturating_sub(LANES_MOST);
        let lanes = all.into_iter().take(LANES_MOST).map(|(alert, kept)| {
            let spans = kept.spans.iter();
            let spans = spans.filter(|span| span.to_ms.is_none_or(|to| to >= since_ms));
            let told = kept.delivered_ms.iter().copied();
            Lane {
                alert: alert.clone(),
                state: name(kept.instances.state()),
                spans: spans.cloned().collect(),
                delivered_ms: told.filter(|at_ms| *at_ms >= since_ms).collect(),
            }
        });
        (lanes.collect(), left_out)
    }
}

fn name(state: AlertState) -> &'static str {
    match state {
        AlertState::Inactive => "inactive",
        AlertState::Pending => "pending",
        AlertState::Firing => "firing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AlertState::{Firing, Inactive, Pending};
    use proptest::prelude::*;

    #[test]
    fn an_alert_is_what_its_worst_instance_is() {
        let mut lanes = Lanes::default();
        for (at_ms, from, to) in [
            (1, Inactive, Pending),
            (2, Inactive, Pending),
            (3, Pending, Firing),
            (4, Pending, Inactive),
            (9, Firing, Inactive),
        ] {
            lanes.changed("A", at_ms, (from, to));
        }
        lanes.changed("B", 5, (Inactive, Pending));
        lanes.delivered("A", 6);
        let (shown, left_out) = lanes.shown(0);
        assert_eq!(left_out, 0);
        let names: Vec<_> = shown
            .iter()
            .map(|lane| (&*lane.alert, lane.state))
            .collect();
        assert_eq!(names, [("B", "pending"), ("A", "inactive")]);
        let span = |state, from_ms, to_ms| Span {
            state,
            from_ms,
            to_ms,
        };
        assert_eq!(
            shown[1].spans,
            [span("pending", 1, Some(3)), span("firing", 3, Some(9))]
        );
        assert_eq!(shown[1].delivered_ms, [6]);
        assert_eq!(lanes.on(), (0, 1));
        let (later, _) = lanes.shown(10);
        assert_eq!(later.len(), 1, "what was over long ago is not shown");
    }

    proptest! {
        #[test]
        fn times_follow_each_other_and_the_last_is_open_while_it_is_on(
            steps in proptest::collection::vec((0_usize..3, 0_usize..3), 0..200)
        ) {
            let states = [Inactive, Pending, Firing];
            let mut instances = [Inactive; 3];
            let mut lanes = Lanes::default();
            for (at_ms, (instance, to)) in (0..).zip(steps) {
                let from = std::mem::replace(&mut instances[instance], states[to]);
                lanes.changed("A", at_ms, (from, states[to]));
                let worst = *instances.iter().max().unwrap();
                let (shown, _) = lanes.shown(i64::MIN);
                let Some(lane) = shown.first() else {
                    prop_assert_eq!(worst, Inactive);
                    continue;
                };
                prop_assert_eq!(lane.state, name(worst));
                let (last, before) = lane.spans.split_last().unwrap();
                prop_assert_eq!(last.to_ms.is_none(), worst != Inactive);
                prop_assert!(before.iter().all(|span| span.to_ms.is_some()));
                for pair in lane.spans.windows(2) {
                    prop_assert!(pair[0].from_ms < pair[0].to_ms.unwrap());
                    prop_assert!(pair[0].to_ms.unwrap() <= pair[1].from_ms);
                }
            }
        }
    }

    #[test]
    fn one_that_flaps_for_ever_takes_no_more_memory() {
        let mut lanes = Lanes::default();
        for at_ms in 0..10_000 {
            lanes.changed("A", at_ms, (Inactive, Firing));
            lanes.delivered("A", at_ms);
            lanes.changed("A", at_ms, (Firing, Inactive));
        }
        let (shown, _) = lanes.shown(0);
        assert_eq!(shown[0].spans.len(), SPANS_MOST);
        assert_eq!(shown[0].delivered_ms.len(), SPANS_MOST);
    }
}
