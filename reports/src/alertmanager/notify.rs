//! Alertmanager as a function of time: what alerts do goes in, notifications come out.
//!
//! What Prometheus does is in it, too: an alert that is over is sent again for a quarter of an hour, about each minute
//! (`rules/alerting.go`: `resolvedRetention`, `needsSending`), and joins its group again each time. One that fires is sent
//! again, too, which changes nothing: it does not time out before (`global.resolve_timeout` is for senders that name no
//! end). What comes at the moment of a flush comes before it.

mod engine;
mod log;

use super::Config;
use super::matcher::Labels;
use crate::record::Transition;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A notification: what a receiver is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// When, milliseconds since the drill's start.
    pub at_ms: i64,
    /// The receiver's name.
    pub receiver: String,
    /// Whether it pages a person.
    pub page: bool,
    /// Why it is sent.
    pub reason: Reason,
    /// The labels of the group.
    pub group: Labels,
    /// The alerts in it that fire, by their labels, in order.
    pub firing: Vec<Labels>,
    /// The alerts in it that are over; none where the receiver is not sent those.
    pub resolved: Vec<Labels>,
}

/// Why a notification is sent (`notify.NotifyReason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reason {
    /// Nothing of the group was known to fire.
    FirstNotification,
    /// Alerts fire that did not in the last one.
    NewAlertsInGroup,
    /// Alerts are over that were not in the last one, and others fire.
    NewResolvedAlerts,
    /// All are over.
    AllAlertsResolved,
    /// Nothing has changed, and `repeat_interval` is over.
    RepeatIntervalElapsed,
}

/// Why an alert that fires is not sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Silence {
    /// By an inhibition rule.
    Inhibited {
        /// The alert that fires instead: its labels.
        by: Labels,
    },
    /// Its route is muted then.
    Muted {
        /// The time interval's name.
        interval: String,
    },
    /// Its route is active at other times.
    Inactive {
        /// The names of its time intervals.
        intervals: Vec<String>,
    },
    /// Its receivers have no integration.
    NoIntegration {
        /// Their names.
        receivers: Vec<String>,
    },
}

/// An alert that a flush kept back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppressed {
    /// Its labels.
    pub labels: Labels,
    /// The receiver that was not notified.
    pub receiver: String,
    /// The first flush that did, milliseconds since the drill's start.
    pub from_ms: i64,
    /// The last one.
    pub to_ms: i64,
    /// Why.
    pub why: Silence,
}

/// What became of a drill's alerts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sent {
    /// What receivers were sent, in order of time, and what the first flush of each group after the drill's end would have
    /// sent if all had stayed as it was.
    pub notifications: Vec<Notification>,
    /// What was kept back, in order of its beginning.
    pub suppressed: Vec<Suppressed>,
    /// Since when an alert's firing was in the notification log of a receiver of the best reach it has, or no longer, by
    /// labels.
    known: BTreeMap<Labels, Vec<(i64, bool)>>,
    /// The flushes of the groups that an alert has been in, by labels and route, in order of time.
    flushes: BTreeMap<Labels, BTreeMap<usize, Vec<Grid>>>,
}

/// When a group was flushed, while it was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Grid {
    /// Since when the group was there.
    created_ms: i64,
    first_ms: i64,
    interval_ms: i64,
}

/// Has an Alertmanager of this configuration see the transitions of a drill, in their order.
///
/// `epoch_ms` is the Unix time of the drill's start, by which time intervals go, `evaluation_interval_ms` that of the rules,
/// by which Prometheus repeats itself, `end_ms` when the drill ended. All milliseconds.
#[must_use]
pub fn notify(
    config: &Config,
    transitions: &[Transition],
    epoch_ms: i64,
    evaluation_interval_ms: i64,
    end_ms: i64,
) -> Sent {
    engine::Engine::new(config, epoch_ms, end_ms).run(transitions, evaluation_interval_ms)
}

impl Sent {
    /// Whether the last that anybody heard of an alert before a time was that it fires.
    pub(crate) fn is_known_before(&self, labels: &Labels, at_ms: i64) -> bool {
        let known = self.known.get(labels).map_or(&[][..], Vec::as_slice);
        let before = known.iter().rev().find(|(since_ms, _)| *since_ms < at_ms);
        before.is_some_and(|(_, fires)| *fires)
    }

    /// The first flush at or after a time of any group that an alert is in; `None`: it was in none.
    pub(crate) fn flush_at_or_after(&self, labels: &Labels, at_ms: i64) -> Option<i64> {
        let grids = self.grids(labels, at_ms);
        grids.map(|grid| grid.at_or_after(at_ms)).min()
    }

    /// The flushes of the groups that an alert was in at a time, or was last in before.
    fn grids<'s>(&'s self, labels: &Labels, at_ms: i64) -> impl Iterator<Item = &'s Grid> {
        let routes = self.flushes.get(labels).into_iter().flatten();
        routes.filter_map(move |(_, grids)| {
            let mut latest_first = grids.iter().rev();
            latest_first.find(|grid| grid.created_ms <= at_ms)
        })
    }

    /// Of each group that an alert is in within `reach_ms` of a time, the flushes around that time: the last before it, if there is
    /// one, and the first at or after it.
    pub(crate) fn flushes_around(
        &self,
        labels: &Labels,
        at_ms: i64,
        reach_ms: i64,
    ) -> Vec<(Option<i64>, i64)> {
        let grids = self.grids(labels, at_ms.saturating_add(reach_ms));
        let around = grids.map(|grid| {
            let after_ms = grid.at_or_after(at_ms);
            let before_ms = after_ms - grid.interval_ms;
            ((before_ms >= grid.first_ms).then_some(before_ms), after_ms)
        });
        around.collect()
    }

    /// By how much the end of a firing or the beginning of the next of the same alert would have to be moved for a flush to
    /// come between them, or between others; of all groups that it is in the least.
    pub(crate) fn margin_ms(&self, labels: &Labels, over_ms: i64, at_ms: i64) -> i64 {
        let grids = self.grids(labels, over_ms);
        let margins = grids.map(|grid| {
            let flush_ms = grid.at_or_after(over_ms);
            if flush_ms < at_ms {
                let last_ms = grid.at_or_after(at_ms) - grid.interval_ms;
                let between = |flush_ms: i64| (flush_ms - over_ms).min(at_ms - flush_ms);
                between(flush_ms).max(between(last_ms))
            } else {
                (flush_ms - at_ms).min(over_ms - (flush_ms - grid.interval_ms))
            }
        });
        margins.map(|ms| ms.max(0)).min().unwrap_or(i64::MAX)
    }
}

impl Grid {
    fn at_or_after(self, at_ms: i64) -> i64 {
        let behind_ms = at_ms.saturating_sub(self.first_ms).max(0);
        // Rounded up to whole intervals.
        let turns = behind_ms / self.interval_ms + i64::from(behind_ms % self.interval_ms > 0);
        self.first_ms
            .saturating_add(turns.saturating_mul(self.interval_ms))
    }
}

#[cfg(test)]
mod tests;
