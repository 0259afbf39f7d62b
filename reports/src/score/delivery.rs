//! When somebody is told of an alarm: a model of Alertmanager's groups, one for each unit of alert name and severity.

mod routed;

pub(super) use routed::{Routing, deliver_routed};

use crate::score::Delivery;
use crate::score::episode::{Episode, Firing, Refiring, in_order};
use crate::score::spans::Spans;
use std::collections::{BTreeMap, BTreeSet};

/// When Alertmanager tells of each episode and of each instance in it, and whether it does.
///
/// A group comes into being with its first firing, is flushed `group_wait` later and every `group_interval` from then on,
/// and goes with the first flush at which nothing of it fires. So an alert that fires again before that waits for the next
/// flush, and one that is over by its flush is told of only where something else of its group fires then: nobody is told
/// that all is over who was not told that it began. An alert whose data are away does not fire meanwhile.
///
/// A flush sends something only where an alert fires that did not in the last notification, or one is over that was not
/// over in it (`DedupStage.needsUpdate` of Alertmanager, with `send_resolved` and before `repeat_interval`). So
/// an instance that people know of and that fires again before a flush has found it over is the same alarm: nobody is told
/// of either, and its firings are joined to one. Of one that fires twice before its first flush, the later is told of.
///
/// What would be sent after the end of the drill was not sent in it, and whether the alert would still have been there
/// nobody has seen.
pub fn deliver(episodes: &mut Vec<Episode>, delivery: Delivery) {
    let mut units: BTreeMap<(String, String), Vec<Episode>> = BTreeMap::new();
    for episode in episodes.drain(..) {
        let unit = (episode.alert.clone(), episode.severity.clone());
        units.entry(unit).or_default().push(episode);
    }
    for unit in units.into_values() {
        episodes.extend(deliver_unit(unit, delivery));
    }
    in_order(episodes);
}

/// The episodes of one unit, in order, told of by the groups that severities make.
fn deliver_unit(episodes: Vec<Episode>, delivery: Delivery) -> Vec<Episode> {
    told_by(episodes, |all, episodes| {
        let fired = all.iter().flat_map(|one| one.firing.parts());
        Flushes::new(fired.collect(), delivery).notify(all, episodes)
    })
}

/// The episodes of one unit, in order. `notify` tells of all firings, which are ordered by instance and time, and joins
/// those that are one to people; it gives the last episode that each episode is joined with, too.
fn told_by(
    mut episodes: Vec<Episode>,
    notify: impl FnOnce(Vec<Placed>, usize) -> (Vec<Placed>, Vec<usize>),
) -> Vec<Episode> {
    let mut all: Vec<Placed> = Vec::new();
    for (place, episode) in episodes.iter_mut().enumerate() {
        for firing in std::mem::take(&mut episode.firings) {
            let order = all.len();
            all.push(Placed {
                order,
                place,
                firing,
            });
        }
    }
    all.sort_by(|a, b| (&a.firing.labels, a.order).cmp(&(&b.firing.labels, b.order)));
    let (mut told, reach) = notify(all, episodes.len());
    told.sort_by_key(|one| one.order);

    let mut joined: Vec<Episode> = Vec::new();
    let mut homes = Vec::new();
    let mut reached = None;
    for (place, episode) in episodes.into_iter().enumerate() {
        match joined.last_mut() {
            Some(last) if reached >= Some(place) => {
                last.end_ms = last.end_ms.max(episode.end_ms);
                last.open |= episode.open;
                last.data_gone = episode.data_gone;
                last.instances += episode.instances;
            }
            _ => joined.push(episode),
        }
        reached = reached.max(reach.get(place).copied());
        homes.push(joined.len() - 1);
    }
    for one in told {
        joined[homes[one.place]].firings.push(one.firing);
    }
    for episode in &mut joined {
        let sent = episode.firings.iter().filter(|firing| firing.sent);
        let first_ms = sent.map(|firing| firing.delivered_ms).min();
        let or_not = || episode.firings.first().map(|firing| firing.delivered_ms);
        episode.sent = first_ms.is_some();
        episode.cut_off = first_ms.is_none() && episode.firings.iter().any(|firing| firing.cut_off);
        episode.delivered_ms = first_ms.or_else(or_not).unwrap_or(episode.start_ms);
    }
    joined
}

/// A firing, its place among all of its unit, and its episode's.
struct Placed {
    order: usize,
    place: usize,
    firing: Firing,
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

    /// The flush that finds over what was over at a time.
    fn finds_over(&self, over_ms: i64) -> i64 {
        let begun = self
            .fired
            .partition_point(|(from_ms, _, _)| *from_ms < over_ms);
        let last = begun.checked_sub(1).and_then(|last| self.fired.get(last));
        last.map_or(over_ms, |(_, _, group_ms)| {
            self.at_or_after(*group_ms, over_ms)
        })
    }

    /// When it is flushed what began to fire at a time, and whether that is sent.
    fn told(&self, start_ms: i64) -> Option<(i64, bool)> {
        let (_, _, group_ms) = self.firing_at(start_ms)?;
        let flush_ms = self.at_or_after(group_ms, start_ms);
        Some((flush_ms, self.firing_at(flush_ms).is_some()))
    }

    /// The flushes that send a notification, as far as it depends on that whether anybody is told: where something is
    /// over by its first flush, and others fire then.
    fn updates(&self, all: &[Placed]) -> BTreeSet<i64> {
        let mut updates = BTreeSet::new();
        let instances = all.chunk_by(|a, b| a.firing.labels == b.firing.labels);
        let parts = || {
            instances
                .clone()
                .enumerate()
                .flat_map(|(instance, firings)| {
                    let parts = firings.iter().flat_map(|one| one.firing.parts());
                    parts.map(move |(from_ms, to_ms)| (instance, from_ms, to_ms))
                })
        };
        let depends = |(_, from_ms, to_ms): (usize, i64, i64)| {
            self.told(from_ms)
                .is_some_and(|(flush_ms, fires)| fires && flush_ms >= to_ms)
        };
        if !parts().any(depends) {
            return updates;
        }
        // What each flush finds begun or over.
        let mut found: BTreeMap<i64, Vec<(usize, bool)>> = BTreeMap::new();
        for (instance, from_ms, to_ms) in parts() {
            let begun = self.told(from_ms).map(|(flush_ms, _)| flush_ms);
            let to_ms = to_ms.max(from_ms.saturating_add(1));
            for flush_ms in begun.into_iter().chain([self.finds_over(to_ms)]) {
                let fires = (from_ms..to_ms).contains(&flush_ms);
                found.entry(flush_ms).or_default().push((instance, fires));
            }
        }
        let mut firing: BTreeSet<usize> = BTreeSet::new();
        // Of the last notification: what fired, and what was over.
        let mut log: Option<(BTreeSet<usize>, BTreeSet<usize>)> = None;
        for (flush_ms, changed) in found {
            let fires = changed.iter().filter(|(_, fires)| *fires);
            let fires: BTreeSet<usize> = fires.map(|(instance, _)| *instance).collect();
            let over = changed.iter().map(|(instance, _)| *instance);
            let over: BTreeSet<usize> = over.filter(|it| !fires.contains(it)).collect();
            firing.retain(|instance| !over.contains(instance));
            firing.extend(&fires);
            let sends = match &log {
                None => !firing.is_empty(),
                Some((known, _)) if !fires.is_subset(known) => true,
                Some((known, _)) if firing.is_empty() => !known.is_empty(),
                Some((_, known_over)) => !over.is_subset(known_over),
            };
            if sends {
                updates.insert(flush_ms);
                log = Some((firing.clone(), over));
            }
        }
        updates
    }

    /// Tells of all firings of a unit, which are ordered by instance and time, and joins those that are one to people.
    /// Also the last episode that each episode is joined with.
    fn notify(&self, all: Vec<Placed>, episodes: usize) -> (Vec<Placed>, Vec<usize>) {
        let mut reach: Vec<usize> = (0..episodes).collect();
        let mut told: Vec<Placed> = Vec::new();
        let mut known = Known::default();
        let updates = self.updates(&all);
        // What is sent after the end is of something that fired to the end.
        let open = all.iter().filter(|one| one.firing.open);
        let drill_ends_ms = open.map(|one| one.firing.end_ms).max();
        let mut rest = all.into_iter().peekable();
        while let Some(mut one) = rest.next() {
            let labels = &one.firing.labels;
            let next = rest.peek().filter(|next| next.firing.labels == *labels);
            let next_ms = next.map(|next| next.firing.start_ms);
            let before = told.last_mut();
            let before = before.filter(|before| before.firing.labels == *labels);
            if before.is_none() {
                known = Known::default();
            }
            let refires = known.refires(self, one.firing.start_ms);
            let goes_on = known.is_known_at(self, one.firing.start_ms);
            let parts: Vec<(i64, i64)> = one.firing.parts().collect();
            for (from_ms, to_ms) in &parts {
                known.fires(self, *from_ms, *to_ms);
            }
            if let (true, Some(before)) = (goes_on, before) {
                reach[before.place] = reach[before.place].max(one.place);
                before.firing.again.extend(refires);
                before.firing.goes_on_with(one.firing);
                continue;
            }
            // One that fires again before it is flushed takes the place of the earlier.
            let starts = parts.iter().map(|(from_ms, _)| *from_ms);
            let nexts = starts.clone().skip(1).map(Some).chain([next_ms]);
            let mut first = None;
            for ((start_ms, next_ms), (_, to_ms)) in starts.zip(nexts).zip(&parts) {
                let Some((flush_ms, sent)) = self.told(start_ms) else {
                    continue;
                };
                let sent = sent
                    && next_ms.is_none_or(|next_ms| next_ms > flush_ms)
                    && (flush_ms < *to_ms || updates.contains(&flush_ms));
                if sent || first.is_none() {
                    first = Some((flush_ms, sent));
                }
                if sent {
                    break;
                }
            }
            let (flush_ms, sent) = first.unwrap_or((one.firing.start_ms, false));
            one.firing.delivered_ms = flush_ms;
            one.firing.cut_off = sent && drill_ends_ms.is_some_and(|end_ms| flush_ms > end_ms);
            one.firing.sent = sent && !one.firing.cut_off;
            one.firing.after = refires;
            told.push(one);
        }
        (told, reach)
    }
}

/// What people know of one instance, as time goes by: since the last flush, whether it fires.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// A flush has found it firing, and none over.
    fires: bool,
    /// When it was over last.
    over_ms: i64,
}

impl Known {
    /// Whether people take it to fire until a time at which it fires again.
    fn is_known_at(self, flushes: &Flushes, at_ms: i64) -> bool {
        self.fires && flushes.finds_over(self.over_ms) >= at_ms
    }

    /// It fires from and until.
    fn fires(&mut self, flushes: &Flushes, from_ms: i64, to_ms: i64) {
        let to_ms = to_ms.max(from_ms.saturating_add(1));
        let found = flushes.told(from_ms);
        self.fires = self.is_known_at(flushes, from_ms)
            || found.is_some_and(|(flush_ms, _)| flush_ms < to_ms);
        self.over_ms = to_ms;
    }

    /// That it fires again, if people knew of it.
    fn refires(self, flushes: &Flushes, at_ms: i64) -> Option<Refiring> {
        if !self.fires {
            return None;
        }
        let over_ms = self.over_ms;
        let flush_ms = flushes.finds_over(over_ms);
        let interval_ms = flushes.delivery.group_interval_ms.max(1);
        let margin_ms = if flush_ms < at_ms {
            // Of several flushes in between, the first or the last.
            let last_ms = flush_ms + (at_ms - 1 - flush_ms) / interval_ms * interval_ms;
            let between = |flush_ms: i64| (flush_ms - over_ms).min(at_ms - flush_ms);
            between(flush_ms).max(between(last_ms))
        } else {
            (flush_ms - at_ms).min(over_ms - (flush_ms - interval_ms))
        };
        Some(Refiring {
            over_ms,
            at_ms,
            margin_ms,
        })
    }
}

#[cfg(test)]
mod tests;
