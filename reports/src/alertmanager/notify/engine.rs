//! The event loop: alerts come, groups are flushed, in order of time.

use super::log::{Entry, needs_update};
use super::{Grid, Notification, Reason, Sent, Silence, Suppressed};
use crate::alertmanager::matcher::Labels;
use crate::alertmanager::route::Reach;
use crate::alertmanager::{Config, Integration};
use crate::record::{AlertState, Transition};
use std::collections::{BTreeMap, BTreeSet};

/// For how long Prometheus goes on to send an alert that is over.
const RESOLVED_RETENTION_MS: i64 = 15 * 60_000;
/// How long it waits before it sends an alert again (`--rules.alert.resend-delay`).
const RESEND_DELAY_MS: i64 = 60_000;
/// Time intervals begin and end with minutes.
const MINUTE_MS: i64 = 60_000;

pub(super) struct Engine<'c> {
    config: &'c Config,
    epoch_ms: i64,
    end_ms: i64,
    /// By their numbers.
    alerts: Vec<Alert>,
    numbers: BTreeMap<Labels, usize>,
    /// Numbers of those that fire.
    firing: BTreeSet<usize>,
    groups: BTreeMap<GroupId, Group>,
    /// When groups are flushed next; of those at the same time the older first.
    flushes: BTreeMap<(i64, u64), GroupId>,
    /// How many groups there have been.
    born: u64,
    log: BTreeMap<LogId, Entry>,
    sent: Sent,
    /// The last of an alert that was kept back from a receiver, in `sent`.
    kept: BTreeMap<(usize, usize), usize>,
}

/// Route, and the group's labels.
type GroupId = (usize, Labels);
/// Route key, group, receiver, and which of its integrations.
type LogId = (String, Labels, String, usize);

struct Alert {
    labels: Labels,
    routes: Vec<usize>,
    reach: Reach,
    /// How many rules raise it.
    raised: u32,
    starts_ms: i64,
    over_ms: i64,
    /// Log entries in which it fires, of the reach that counts.
    logged: BTreeSet<LogId>,
}

struct Group {
    alerts: BTreeSet<usize>,
    /// Its place in `flushes`.
    next: (i64, u64),
    grid: Grid,
}

impl<'c> Engine<'c> {
    pub(super) fn new(config: &'c Config, epoch_ms: i64, end_ms: i64) -> Self {
        Self {
            config,
            epoch_ms,
            end_ms,
            alerts: Vec::new(),
            numbers: BTreeMap::new(),
            firing: BTreeSet::new(),
            groups: BTreeMap::new(),
            flushes: BTreeMap::new(),
            born: 0,
            log: BTreeMap::new(),
            sent: Sent::default(),
            kept: BTreeMap::new(),
        }
    }

    pub(super) fn run(mut self, transitions: &[Transition], evaluation_interval_ms: i64) -> Sent {
        // The first evaluation after the delay.
        let interval_ms = evaluation_interval_ms.max(1);
        let resend_ms = (RESEND_DELAY_MS / interval_ms + 1).saturating_mul(interval_ms);
        // When an alert that was over at a time is sent again.
        let mut resends: BTreeSet<(i64, usize, i64)> = BTreeSet::new();
        let mut coming = transitions
            .iter()
            .filter(|transition| {
                (transition.from == AlertState::Firing) != (transition.to == AlertState::Firing)
            })
            .peekable();
        loop {
            let change_ms = coming.peek().map(|transition| transition.at_ms);
            let resend_at_ms = resends.first().map(|(at_ms, ..)| *at_ms);
            let event_ms = change_ms.into_iter().chain(resend_at_ms).min();
            let event_ms = event_ms.filter(|at_ms| *at_ms <= self.end_ms);
            let flush_ms = self.flushes.first_key_value().map(|((at_ms, _), _)| *at_ms);
            match (event_ms, flush_ms) {
                (None, None) => break,
                (Some(at_ms), flush_ms) if flush_ms.is_none_or(|flush_ms| at_ms <= flush_ms) => {
                    if change_ms == Some(at_ms) {
                        let Some(transition) = coming.next() else {
                            continue;
                        };
                        let number = self.change(transition);
                        if transition.to != AlertState::Firing {
                            resends.insert((at_ms.saturating_add(resend_ms), number, at_ms));
                        }
                    } else if let Some((_, number, over_ms)) = resends.pop_first() {
                        let alert = &self.alerts[number];
                        if alert.raised > 0 || alert.over_ms != over_ms {
                            continue;
                        }
                        self.insert(number, at_ms);
                        let next_ms = at_ms.saturating_add(resend_ms);
                        if next_ms - over_ms <= RESOLVED_RETENTION_MS {
                            resends.insert((next_ms, number, over_ms));
                        }
                    }
                }
                (event_ms, _) => self.flush(event_ms),
            }
        }
        let order = |one: &Suppressed| one.from_ms;
        self.sent.suppressed.sort_by_key(order);
        self.sent
    }

    /// Takes in that a rule raises an alert, or does no longer.
    fn change(&mut self, transition: &Transition) -> usize {
        let mut labels = transition.labels.clone();
        labels
            .entry("alertname".to_owned())
            .or_insert_with(|| transition.alert.clone());
        let number = match self.numbers.get(&labels) {
            Some(number) => *number,
            None => {
                let number = self.alerts.len();
                self.numbers.insert(labels.clone(), number);
                self.alerts.push(Alert {
                    routes: self.config.matching(&labels),
                    reach: self.config.reach(&labels),
                    labels,
                    raised: 0,
                    starts_ms: transition.at_ms,
                    over_ms: transition.at_ms,
                    logged: BTreeSet::new(),
                });
                number
            }
        };
        let alert = &mut self.alerts[number];
        if transition.to == AlertState::Firing {
            if alert.raised == 0 {
                alert.starts_ms = transition.at_ms;
            }
            alert.raised += 1;
            self.firing.insert(number);
        } else {
            alert.raised = alert.raised.saturating_sub(1);
            if alert.raised > 0 {
                return number;
            }
            alert.over_ms = transition.at_ms;
            self.firing.remove(&number);
        }
        self.insert(number, transition.at_ms);
        number
    }

    /// Puts an alert into its groups, which come into being with it.
    fn insert(&mut self, number: usize, at_ms: i64) {
        let alert = &self.alerts[number];
        for at in alert.routes.clone() {
            let Some(route) = self.config.routes.get(at) else {
                continue;
            };
            let alert = &self.alerts[number];
            let id = (at, route.group(&alert.labels));
            if let Some(group) = self.groups.get_mut(&id) {
                group.alerts.insert(number);
                self.note_grid(number, &id);
                continue;
            }
            // Who has waited long enough waits no more.
            let due_ms = alert.starts_ms.saturating_add(route.group_wait_ms);
            let first_ms = match due_ms < at_ms {
                true => at_ms,
                false => at_ms.saturating_add(route.group_wait_ms),
            };
            self.born += 1;
            let next = (first_ms, self.born);
            let group = Group {
                alerts: [number].into(),
                next,
                grid: Grid {
                    created_ms: at_ms,
                    first_ms,
                    interval_ms: route.group_interval_ms,
                },
            };
            self.flushes.insert(next, id.clone());
            self.groups.insert(id.clone(), group);
            self.note_grid(number, &id);
        }
    }

    /// Notes when the group of an alert is flushed, where that is of the reach that counts.
    fn note_grid(&mut self, number: usize, id: &GroupId) {
        let alert = &self.alerts[number];
        let Some(group) = self.groups.get(id) else {
            return;
        };
        if self.config.reach_of(id.0) != alert.reach {
            return;
        }
        let own = self.sent.flushes.entry(alert.labels.clone()).or_default();
        let own = own.entry(id.0).or_default();
        if own.last() != Some(&group.grid) {
            own.push(group.grid);
        }
    }

    /// Flushes the group that is next, and says when it is flushed again: at the first of its times at which it could have
    /// something to say. `event_ms`: when the next alert comes.
    fn flush(&mut self, event_ms: Option<i64>) {
        let Some(((at_ms, born), id)) = self.flushes.pop_first() else {
            return;
        };
        let (Some(route), Some(group)) = (self.config.routes.get(id.0), self.groups.get(&id))
        else {
            return;
        };
        let (resolved, firing): (BTreeSet<usize>, BTreeSet<usize>) = group
            .alerts
            .iter()
            .partition(|number| !self.firing.contains(number));
        let silenced = self.silenced(id.0, at_ms);
        let mut kept = Vec::new();
        let mut sending = BTreeSet::new();
        for number in firing {
            match self.inhibited(number).or_else(|| silenced.clone()) {
                Some(why) => kept.extend(self.keep_back(number, id.0, at_ms, why)),
                None => {
                    sending.insert(number);
                }
            }
        }
        let is_sent = |number: &usize| silenced.is_none() && self.inhibited(*number).is_none();
        let over: BTreeSet<usize> = resolved.iter().copied().filter(is_sent).collect();
        let repeat_ms = self.notify(&id, at_ms, &sending, &over);

        // What is over has been told of, or never will be.
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        group.alerts.retain(|number| !resolved.contains(number));
        if group.alerts.is_empty() || at_ms > self.end_ms {
            self.groups.remove(&id);
            return;
        }
        let is_timed =
            !(route.mute_time_intervals.is_empty() && route.active_time_intervals.is_empty());
        let unix_ms = self.epoch_ms.saturating_add(at_ms);
        let minute_ms = at_ms + MINUTE_MS - unix_ms.rem_euclid(MINUTE_MS);
        let wake_ms = [
            Some(event_ms.unwrap_or(i64::MAX).min(self.end_ms + 1)),
            repeat_ms,
            is_timed.then_some(minute_ms),
        ];
        let wake_ms = wake_ms.into_iter().flatten().min().unwrap_or(at_ms);
        let next_ms = at_ms.saturating_add(route.group_interval_ms).max(wake_ms);
        group.next = (group.grid.at_or_after(next_ms), born);
        // The flushes in between would keep back the same.
        let last_ms = (group.next.0 - route.group_interval_ms).min(self.end_ms);
        for index in kept {
            if let Some(kept) = self.sent.suppressed.get_mut(index) {
                kept.to_ms = kept.to_ms.max(last_ms);
            }
        }
        self.flushes.insert(group.next, id);
    }

    /// Why a route sends nothing at a time.
    fn silenced(&self, route: usize, at_ms: i64) -> Option<Silence> {
        let route = self.config.routes.get(route)?;
        let unix_ms = self.epoch_ms.saturating_add(at_ms);
        let is_in = |name: &String| {
            let intervals = self.config.intervals.get(name);
            intervals.is_some_and(|all| all.iter().any(|one| one.contains(unix_ms)))
        };
        let active = &route.active_time_intervals;
        if !active.is_empty() && !active.iter().any(is_in) {
            let intervals = active.clone();
            return Some(Silence::Inactive { intervals });
        }
        let muted = route.mute_time_intervals.iter().find(|name| is_in(name));
        let interval = muted?.clone();
        Some(Silence::Muted { interval })
    }

    fn inhibited(&self, number: usize) -> Option<Silence> {
        let labels = &self.alerts[number].labels;
        self.config.inhibit_rules.iter().find_map(|rule| {
            let firing = self
                .firing
                .iter()
                .map(|number| &self.alerts[*number].labels);
            let by = rule.source_for(labels, firing)?.clone();
            Some(Silence::Inhibited { by })
        })
    }

    /// Notes that a route kept back an alert in the drill, and returns where.
    fn keep_back(
        &mut self,
        number: usize,
        route: usize,
        at_ms: i64,
        why: Silence,
    ) -> Option<usize> {
        if at_ms > self.end_ms {
            return None;
        }
        let alert = &self.alerts[number];
        if let Some(index) = self.kept.get(&(number, route))
            && let Some(last) = self.sent.suppressed.get_mut(*index)
            && last.why == why
            && last.from_ms >= alert.starts_ms
        {
            last.to_ms = at_ms;
            return Some(*index);
        }
        let index = self.sent.suppressed.len();
        self.kept.insert((number, route), index);
        let receiver = self.config.routes.get(route);
        self.sent.suppressed.push(Suppressed {
            labels: alert.labels.clone(),
            receiver: receiver.map_or_else(String::new, |route| route.receiver.clone()),
            from_ms: at_ms,
            to_ms: at_ms,
            why,
        });
        Some(index)
    }

    /// Notifies the integrations of a group's receiver. Returns from when on one of them is to be reminded.
    fn notify(
        &mut self,
        id: &GroupId,
        at_ms: i64,
        firing: &BTreeSet<usize>,
        resolved: &BTreeSet<usize>,
    ) -> Option<i64> {
        let route = self.config.routes.get(id.0)?;
        let receiver = self.config.receivers.get(&route.receiver)?;
        let key = self.config.route_key(id.0);
        let mut reminded_ms: Option<i64> = None;
        let mut told: Option<(Reason, bool)> = None;
        for (place, integration) in receiver.integrations.iter().enumerate() {
            let Integration { send_resolved, .. } = *integration;
            let log_id = (key.clone(), id.1.clone(), route.receiver.clone(), place);
            let repeat_ms = route.repeat_interval_ms;
            let reason = match firing.is_empty() && resolved.is_empty() {
                true => None,
                false => {
                    let entry = self.log.get(&log_id);
                    needs_update(entry, firing, resolved, send_resolved, repeat_ms, at_ms)
                }
            };
            if let Some(reason) = reason {
                self.enter(&log_id, id.0, at_ms, firing, resolved);
                if send_resolved || !firing.is_empty() {
                    let (before, all) = told.unwrap_or((reason, false));
                    told = Some((before.min(reason), all || send_resolved));
                }
            }
            let entry_ms = self.log.get(&log_id).map(|entry| entry.at_ms);
            let due_ms = entry_ms.map(|ms| ms.saturating_add(repeat_ms).saturating_add(1));
            reminded_ms = [reminded_ms, due_ms].into_iter().flatten().min();
        }
        if let Some((reason, with_resolved)) = told {
            let labels = |numbers: &BTreeSet<usize>| {
                let mut all: Vec<Labels> = numbers
                    .iter()
                    .map(|number| self.alerts[*number].labels.clone())
                    .collect();
                all.sort();
                all
            };
            self.sent.notifications.push(Notification {
                at_ms,
                receiver: route.receiver.clone(),
                page: receiver.pages,
                reason,
                group: id.1.clone(),
                firing: labels(firing),
                resolved: if with_resolved {
                    labels(resolved)
                } else {
                    Vec::new()
                },
            });
        }
        reminded_ms
    }

    /// Writes into the log, and who is known to fire by it.
    fn enter(
        &mut self,
        id: &LogId,
        route: usize,
        at_ms: i64,
        firing: &BTreeSet<usize>,
        resolved: &BTreeSet<usize>,
    ) {
        let entry = Entry {
            at_ms,
            firing: firing.clone(),
            resolved: resolved.clone(),
        };
        let before = self.log.insert(id.clone(), entry).unwrap_or_default();
        let reach = self.config.reach_of(route);
        for number in before.firing.union(firing) {
            let alert = &mut self.alerts[*number];
            if alert.reach != reach {
                continue;
            }
            let was_known = !alert.logged.is_empty();
            match firing.contains(number) {
                true => alert.logged.insert(id.clone()),
                false => alert.logged.remove(id),
            };
            let is_known = !alert.logged.is_empty();
            if was_known != is_known {
                let known = self.sent.known.entry(alert.labels.clone()).or_default();
                known.push((at_ms, is_known));
            }
        }
    }
}
