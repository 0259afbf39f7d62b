//! Firing episodes: maximal intervals in which at least one instance of an alert fires.

use crate::record::{AlertState, Transition};
use crate::score::Delivery;
use firedrill_detector::Labels;
use std::collections::BTreeMap;

/// One firing episode of a unit (alert name and severity).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Episode {
    /// Alert name.
    pub alert: String,
    /// Its `severity` label, or nothing.
    pub severity: String,
    /// When the condition of the instance that opened it began to hold: what the episode is due to was there by then.
    pub pending_ms: i64,
    /// First firing.
    pub start_ms: i64,
    /// When somebody was told, see [`deliver`].
    pub delivered_ms: i64,
    /// Last firing over, or the end of the drill.
    pub end_ms: i64,
    /// Whether it was still firing at the end of the drill.
    pub open: bool,
    /// It let go only because its series vanished, and they never came back.
    pub data_gone: bool,
    /// Firing starts of single instances inside it.
    pub instances: u32,
    /// The instances that fired in it, in order of their start; none where it is itself the firing of one of them.
    pub firings: Vec<Firing>,
}

/// One instance of an alert, firing. Where its series vanish and the condition holds as soon as they are back, it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// When its condition began to hold.
    pub pending_ms: i64,
    /// When it fired.
    pub start_ms: i64,
    /// When somebody was told of it.
    pub delivered_ms: i64,
    /// When it was over, or the end of the drill.
    pub end_ms: i64,
    /// Whether it was still firing at the end of the drill.
    pub open: bool,
}

/// Labels that tell the instances of an alert apart.
pub(crate) trait Instance: Ord + Copy {
    fn to_map(self) -> BTreeMap<String, String>;
}

impl Instance for &BTreeMap<String, String> {
    fn to_map(self) -> BTreeMap<String, String> {
        self.clone()
    }
}

impl Instance for &Labels {
    fn to_map(self) -> BTreeMap<String, String> {
        let pairs = self.iter();
        pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    }
}

/// A change of state as far as episodes depend on it. `instance` tells the instances of an alert apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'c, I> {
    pub(crate) at_ms: i64,
    pub(crate) alert: &'c str,
    pub(crate) severity: &'c str,
    pub(crate) instance: I,
    pub(crate) from: AlertState,
    pub(crate) to: AlertState,
    pub(crate) data_gone: bool,
    pub(crate) data_back: bool,
}

/// The episodes of every unit in order of their start. `end_ms` is the end of the drill.
#[must_use]
pub fn episodes(transitions: &[Transition], end_ms: i64) -> Vec<Episode> {
    let changes = transitions.iter().map(|transition| Change {
        at_ms: transition.at_ms,
        alert: &transition.alert,
        severity: transition.labels.get("severity").map_or("", String::as_str),
        instance: &transition.labels,
        from: transition.from,
        to: transition.to,
        data_gone: transition.data_gone,
        data_back: transition.data_back,
    });
    episodes_of(changes.collect(), end_ms)
}

/// Leaves out what only the coming and going of data made of alarms that went on: from where a firing instance let go
/// because its series vanished to where it fires again because they are back.
fn bridged<I: Ord + Copy>(changes: &mut Vec<Change<'_, I>>) {
    if !changes.iter().any(|change| change.data_back) {
        return;
    }
    // Of each instance that is away: the changes since it fired.
    let mut away: BTreeMap<(&str, I), Vec<usize>> = BTreeMap::new();
    let mut bridged = vec![false; changes.len()];
    for (index, change) in changes.iter().enumerate() {
        let instance = (change.alert, change.instance);
        match (change.from, change.to) {
            (AlertState::Firing, AlertState::Inactive) if change.data_gone => {
                away.insert(instance, vec![index]);
            }
            (_, AlertState::Firing) if change.data_back => {
                // One that only waited before its data went begins now.
                for since in away.remove(&instance).into_iter().flatten() {
                    bridged[since] = true;
                    bridged[index] = true;
                }
            }
            _ if change.data_back || change.data_gone => {
                if let Some(since) = away.get_mut(&instance) {
                    since.push(index);
                }
            }
            _ => {
                away.remove(&instance);
            }
        }
    }
    let mut bridged = bridged.into_iter();
    changes.retain(|_| bridged.next() != Some(true));
}

/// See [`episodes`].
pub(crate) fn episodes_of<I: Instance>(
    mut changes: Vec<Change<'_, I>>,
    end_ms: i64,
) -> Vec<Episode> {
    bridged(&mut changes);
    let mut pending: BTreeMap<(&str, I), i64> = BTreeMap::new();
    // Since when those waited whose data are away.
    let mut waited: BTreeMap<(&str, I), i64> = BTreeMap::new();
    let mut firing: BTreeMap<(&str, &str), (u32, Episode)> = BTreeMap::new();
    let mut done = Vec::new();
    for change in changes {
        let instance = (change.alert, change.instance);
        let unit = (change.alert, change.severity);
        match change.to {
            AlertState::Pending => {
                let since_ms = waited.remove(&instance).filter(|_| change.data_back);
                pending.insert(instance, since_ms.unwrap_or(change.at_ms));
            }
            AlertState::Firing => {
                let pending_ms = pending.remove(&instance).unwrap_or(change.at_ms);
                let (open, episode) = firing.entry(unit).or_insert_with(|| {
                    let episode = Episode {
                        alert: change.alert.to_owned(),
                        severity: change.severity.to_owned(),
                        pending_ms,
                        start_ms: change.at_ms,
                        delivered_ms: change.at_ms,
                        end_ms,
                        open: true,
                        data_gone: false,
                        instances: 0,
                        firings: Vec::new(),
                    };
                    (0, episode)
                });
                *open += 1;
                episode.instances += 1;
                episode.firings.push(Firing {
                    labels: change.instance.to_map(),
                    pending_ms,
                    start_ms: change.at_ms,
                    delivered_ms: change.at_ms,
                    end_ms,
                    open: true,
                });
            }
            AlertState::Inactive => {
                if let Some(since_ms) = pending.remove(&instance)
                    && change.data_gone
                {
                    waited.insert(instance, since_ms);
                }
                if change.from == AlertState::Firing
                    && let Some((open, episode)) = firing.get_mut(&unit)
                {
                    *open = open.saturating_sub(1);
                    let labels = change.instance.to_map();
                    let mut own = episode.firings.iter_mut().rev();
                    if let Some(ended) = own.find(|other| other.open && other.labels == labels) {
                        ended.end_ms = change.at_ms;
                        ended.open = false;
                    }
                    if *open == 0
                        && let Some((_, mut episode)) = firing.remove(&unit)
                    {
                        episode.end_ms = change.at_ms;
                        episode.open = false;
                        episode.data_gone = change.data_gone;
                        done.push(episode);
                    }
                }
            }
        }
    }
    done.extend(firing.into_values().map(|(_, episode)| episode));
    done.sort_by(|a, b| {
        (a.start_ms, &a.alert, &a.severity).cmp(&(b.start_ms, &b.alert, &b.severity))
    });
    done
}

/// When Alertmanager tells of each episode, grouping by unit: `group_wait` after the first firing of a group, and every
/// `group_interval` from then on as long as the group is there. A group goes with the notification that all is over, so
/// an alert that fires again before that waits for the next turn. `episodes` are in order of their start.
pub fn deliver(episodes: &mut [Episode], delivery: Delivery) {
    let interval_ms = delivery.group_interval_ms.max(1);
    let turn = |group_ms: i64, at_ms: i64| {
        let first_ms = group_ms.saturating_add(delivery.group_wait_ms.max(0));
        let behind_ms = at_ms.saturating_sub(first_ms).max(0);
        // Rounded up to whole intervals.
        let turns = behind_ms / interval_ms + i64::from(behind_ms % interval_ms > 0);
        first_ms.saturating_add(turns.saturating_mul(interval_ms))
    };
    // Of each unit: since when its group is there, and until when.
    let mut groups: BTreeMap<(String, String), (i64, i64)> = BTreeMap::new();
    for episode in episodes {
        let unit = (episode.alert.clone(), episode.severity.clone());
        let group_ms = match groups.get(&unit) {
            Some((group_ms, gone_ms)) if episode.start_ms <= *gone_ms => *group_ms,
            _ => episode.start_ms,
        };
        episode.delivered_ms = turn(group_ms, episode.start_ms);
        for firing in &mut episode.firings {
            firing.delivered_ms = turn(group_ms, firing.start_ms);
        }
        let gone_ms = if episode.open {
            i64::MAX
        } else {
            turn(group_ms, episode.end_ms)
        };
        groups.insert(unit, (group_ms, gone_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_is_still_there_makes_wait() {
        let episode = |start_s: i64, end_s: i64| Episode {
            alert: "A".into(),
            severity: "page".into(),
            pending_ms: 0,
            start_ms: start_s * 1000,
            delivered_ms: 0,
            end_ms: end_s * 1000,
            open: false,
            data_gone: false,
            instances: 1,
            firings: Vec::new(),
        };
        let mut found = [
            episode(0, 40),
            episode(100, 120),
            episode(331, 400),
            episode(2_000, 2_010),
        ];
        let delivery = Delivery {
            group_wait_ms: 30_000,
            group_interval_ms: 300_000,
        };
        deliver(&mut found, delivery);
        // The group of the first goes at 330 s; the next one, begun at 331 s, goes at 661 s.
        assert_eq!(
            found.map(|episode| episode.delivered_ms / 1000),
            [30, 330, 361, 2_030]
        );
    }

    fn transition(at_ms: i64, queue: &str, to: AlertState) -> Transition {
        let from = if to == AlertState::Inactive {
            AlertState::Firing
        } else {
            AlertState::Inactive
        };
        let labels = [("queue", queue), ("severity", "page")]
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .into();
        Transition {
            at_ms,
            group: "g".into(),
            alert: "A".into(),
            labels,
            from,
            to,
            value: None,
            data_gone: false,
            data_back: false,
        }
    }

    #[test]
    fn an_alarm_goes_on_over_a_gap_in_its_data() {
        use AlertState::{Firing, Inactive, Pending};
        let change = |at_ms, from, to, data_gone, data_back| Transition {
            from,
            data_gone,
            data_back,
            ..transition(at_ms, "a", to)
        };
        let spans = |transitions: &[Transition]| -> Vec<_> {
            let found = episodes(transitions, 100);
            found
                .iter()
                .map(|e| (e.pending_ms, e.start_ms, e.end_ms, e.open, e.data_gone))
                .collect()
        };
        let mut goes_on = vec![
            change(5, Inactive, Pending, false, false),
            change(10, Pending, Firing, false, false),
            change(20, Firing, Inactive, true, false),
        ];
        assert_eq!(spans(&goes_on), [(5, 10, 20, false, true)]);
        goes_on.extend([
            change(30, Inactive, Pending, false, true),
            change(32, Pending, Inactive, true, false),
            change(35, Inactive, Pending, false, true),
            change(40, Pending, Firing, false, true),
        ]);
        assert_eq!(spans(&goes_on), [(5, 10, 100, true, false)]);
        goes_on[3].data_back = false;
        goes_on[4].data_gone = false;
        goes_on[5].data_back = false;
        goes_on[6].data_back = false;
        assert_eq!(
            spans(&goes_on),
            [(5, 10, 20, false, true), (35, 40, 100, true, false)],
            "data that were back without the condition end it"
        );
        let waits = [
            change(5, Inactive, Pending, false, false),
            change(10, Pending, Inactive, true, false),
            change(20, Inactive, Pending, false, true),
            change(30, Pending, Firing, false, true),
        ];
        assert_eq!(
            spans(&waits),
            [(5, 30, 100, true, false)],
            "its condition began before the gap"
        );
    }

    #[test]
    fn instances_make_one_episode_as_long_as_one_fires() {
        use AlertState::{Firing, Inactive, Pending};
        let transitions = [
            transition(10, "a", Pending),
            transition(20, "a", Firing),
            transition(25, "b", Firing),
            transition(30, "a", Inactive),
            transition(40, "b", Inactive),
            transition(50, "a", Firing),
        ];
        let found = episodes(&transitions, 100);
        let spans: Vec<_> = found
            .iter()
            .map(|e| (e.pending_ms, e.start_ms, e.end_ms, e.open, e.instances))
            .collect();
        assert_eq!(spans, [(10, 20, 40, false, 2), (50, 50, 100, true, 1)]);
    }
}
