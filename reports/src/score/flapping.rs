//! Flapping: single instances of an alert that fire, let go and fire again.

use crate::record::{AlertState, Transition};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// So many firings of one instance ...
const CHATTER_STARTS: usize = 3;
/// ... within so long are chatter.
const CHATTER_MS: i64 = 1_800_000;

/// When the instances of each alert began to fire, by the instances' labels.
pub(super) struct Starts<'t> {
    of: BTreeMap<&'t str, BTreeMap<&'t BTreeMap<String, String>, Vec<i64>>>,
}

impl<'t> Starts<'t> {
    /// The firings from `warmup_ms` on; transitions are in order of time.
    pub(super) fn new(transitions: &'t [Transition], warmup_ms: i64) -> Self {
        let mut of: BTreeMap<_, BTreeMap<_, Vec<i64>>> = BTreeMap::new();
        let firings = transitions.iter().filter(|transition| {
            transition.to == AlertState::Firing && transition.at_ms >= warmup_ms
        });
        for transition in firings {
            of.entry(transition.alert.as_str())
                .or_default()
                .entry(&transition.labels)
                .or_default()
                .push(transition.at_ms);
        }
        Self { of }
    }

    /// How often instances of an alert, of the severities named, fired beyond their first time while `during`.
    pub(super) fn flaps(
        &self,
        alert: &str,
        severities: &BTreeSet<&str>,
        during: Range<i64>,
    ) -> u32 {
        let instances = self.of.get(alert).into_iter().flatten();
        let again = instances
            .filter(|(labels, _)| {
                severities.contains(labels.get("severity").map_or("", String::as_str))
            })
            .map(|(_, starts)| {
                let inside = starts.iter().filter(|at| during.contains(at)).count();
                inside.saturating_sub(1)
            })
            .sum::<usize>();
        u32::try_from(again).unwrap_or(u32::MAX)
    }

    /// Whether one instance of an alert fired three times or more within half an hour.
    pub(super) fn chatters(&self, alert: &str) -> bool {
        let instances = self.of.get(alert).into_iter().flatten();
        instances
            .flat_map(|(_, starts)| starts.windows(CHATTER_STARTS))
            .any(|starts| starts[CHATTER_STARTS - 1] - starts[0] <= CHATTER_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn firing(at_s: i64, queue: &str, severity: &str) -> Transition {
        Transition {
            at_ms: at_s * 1000,
            group: "g".into(),
            alert: "A".into(),
            labels: [("queue", queue), ("severity", severity)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            from: AlertState::Pending,
            to: AlertState::Firing,
            value: None,
            data_gone: false,
            data_back: false,
        }
    }

    #[test]
    fn flaps_are_counted_by_instance() {
        let found = [
            firing(10, "a", "page"),
            firing(20, "b", "page"),
            firing(30, "a", "page"),
            firing(40, "a", "ticket"),
            firing(50, "a", "page"),
            firing(100, "a", "page"),
        ];
        let starts = Starts::new(&found, 0);
        let page = BTreeSet::from(["page"]);
        assert_eq!(
            starts.flaps("A", &page, 10_000..100_000),
            2,
            "a fires three times, b and the ticket once each"
        );
        let both = BTreeSet::from(["page", "ticket"]);
        assert_eq!(starts.flaps("A", &both, 40_000..60_000), 0);
        assert_eq!(starts.flaps("B", &page, 0..100_000), 0);
    }

    #[test]
    fn chatter_is_three_firings_of_one_instance_in_half_an_hour() {
        let fires = |times: &[i64]| -> Vec<Transition> {
            times.iter().map(|at| firing(*at, "a", "page")).collect()
        };
        let chatters = |times: &[i64]| Starts::new(&fires(times), 600_000).chatters("A");
        assert!(chatters(&[600, 700, 2_400]));
        assert!(!chatters(&[600, 700, 2_401]));
        assert!(!chatters(&[599, 700, 800]), "the first is in the warm-up");
        let two = [
            firing(600, "a", "page"),
            firing(700, "b", "page"),
            firing(800, "a", "page"),
        ];
        assert!(!Starts::new(&two, 600_000).chatters("A"));
    }
}
