//! When somebody is told of an alarm: a model of Alertmanager's groups, one for each unit of alert name and severity.

use crate::score::Delivery;
use crate::score::episode::Episode;
use crate::score::spans::Spans;
use std::collections::BTreeMap;

/// When Alertmanager tells of each episode and of each instance in it, and whether it does.
///
/// A group comes into being with its first firing, is flushed `group_wait` later and every `group_interval` from then on,
/// and goes with the first flush at which nothing of it fires. So an alert that fires again before that waits for the next
/// flush, and one that is over by its flush is told of only where something else of its group fires then: nobody is told
/// that all is over who was not told that it began. An alert whose data are away does not fire meanwhile.
pub fn deliver(episodes: &mut [Episode], delivery: Delivery) {
    let mut fired: BTreeMap<(String, String), Vec<(i64, i64)>> = BTreeMap::new();
    for episode in episodes.iter() {
        let unit = (episode.alert.clone(), episode.severity.clone());
        let fired = fired.entry(unit).or_default();
        fired.extend(episode.firings.iter().flat_map(|firing| firing.parts()));
        if episode.firings.is_empty() {
            fired.push((
                episode.start_ms,
                if episode.open {
                    i64::MAX
                } else {
                    episode.end_ms
                },
            ));
        }
    }
    let flushes: BTreeMap<(String, String), Flushes> = fired
        .into_iter()
        .map(|(unit, fired)| (unit, Flushes::new(fired, delivery)))
        .collect();
    for episode in episodes {
        let unit = (episode.alert.clone(), episode.severity.clone());
        let Some(flushes) = flushes.get(&unit) else {
            continue;
        };
        for firing in &mut episode.firings {
            let told = flushes.first_told(firing.parts().map(|(from_ms, _)| from_ms));
            (firing.delivered_ms, firing.sent) = told.unwrap_or((firing.start_ms, false));
        }
        let sent = episode.firings.iter().filter(|firing| firing.sent);
        let first_ms = sent.map(|firing| firing.delivered_ms).min();
        (episode.delivered_ms, episode.sent) = match first_ms {
            Some(first_ms) => (first_ms, true),
            None => flushes
                .told(episode.start_ms)
                .unwrap_or((episode.start_ms, false)),
        };
    }
}

/// The flushes of a unit's groups.
struct Flushes {
    delivery: Delivery,
    /// From when until when anything of the unit fired, and since when its group was there.
    fired: Vec<(i64, i64, i64)>,
}

impl Flushes {
    fn new(fired: Vec<(i64, i64)>, delivery: Delivery) -> Self {
        // What is over at once has fired for a moment.
        let fired = fired
            .into_iter()
            .map(|(from_ms, to_ms)| (from_ms, to_ms.max(from_ms.saturating_add(1))));
        let mut flushes = Self {
            delivery,
            fired: Vec::new(),
        };
        // Since when the last group is there, and when it goes.
        let mut last: Option<(i64, i64)> = None;
        for (from_ms, to_ms) in Spans::new(fired).intervals() {
            let group_ms = match last {
                Some((group_ms, gone_ms)) if from_ms <= gone_ms => group_ms,
                _ => from_ms,
            };
            last = Some((group_ms, flushes.at_or_after(group_ms, to_ms)));
            flushes.fired.push((from_ms, to_ms, group_ms));
        }
        flushes
    }

    /// The first flush at or after `at_ms` of a group that is there since `group_ms`.
    fn at_or_after(&self, group_ms: i64, at_ms: i64) -> i64 {
        let interval_ms = self.delivery.group_interval_ms.max(1);
        let first_ms = group_ms.saturating_add(self.delivery.group_wait_ms.max(0));
        let behind_ms = at_ms.saturating_sub(first_ms).max(0);
        // Rounded up to whole intervals.
        let turns = behind_ms / interval_ms + i64::from(behind_ms % interval_ms > 0);
        first_ms.saturating_add(turns.saturating_mul(interval_ms))
    }

    /// The span in which something fired at a time, and its group.
    fn firing_at(&self, at_ms: i64) -> Option<(i64, i64, i64)> {
        let begun = self
            .fired
            .partition_point(|(from_ms, _, _)| *from_ms <= at_ms);
        let last = begun.checked_sub(1).and_then(|last| self.fired.get(last));
        last.filter(|(_, to_ms, _)| at_ms < *to_ms).copied()
    }

    /// When it is flushed what began to fire at a time, and whether that is sent.
    fn told(&self, start_ms: i64) -> Option<(i64, bool)> {
        let (_, _, group_ms) = self.firing_at(start_ms)?;
        let flush_ms = self.at_or_after(group_ms, start_ms);
        Some((flush_ms, self.firing_at(flush_ms).is_some()))
    }

    /// The same of what began to fire several times: the first flush that is sent, or else the first.
    fn first_told(&self, starts_ms: impl Iterator<Item = i64>) -> Option<(i64, bool)> {
        let mut first = None;
        for told in starts_ms.filter_map(|start_ms| self.told(start_ms)) {
            if told.1 {
                return Some(told);
            }
            first.get_or_insert(told);
        }
        first
    }
}

#[cfg(test)]
mod tests;
