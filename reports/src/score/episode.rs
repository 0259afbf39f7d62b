//! Firing episodes: maximal intervals in which at least one instance of an alert fires.

use crate::alertmanager::Silence;
use crate::record::{AlertState, Transition};
use firedrill_detector::Labels;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One firing episode of a unit: alert name, severity, and whether its routes lead to a receiver that pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// Alert name.
    pub alert: String,
    /// Its `severity` label, or nothing.
    pub severity: String,
    /// Whether it is sent to a receiver that pages, by an Alertmanager file; `None`: by its severity.
    pub page: Option<bool>,
    /// When the condition of the instance that opened it began to hold: what the episode is due to was there by then.
    pub pending_ms: i64,
    /// First firing.
    pub start_ms: i64,
    /// When somebody was told, see [`deliver`](super::delivery::deliver).
    pub delivered_ms: i64,
    /// Whether anybody was: what is over before its group's notification is not sent, and `delivered_ms` is when it would
    /// have been.
    pub sent: bool,
    /// It is not known: it was firing when the drill ended, and its group's notification was due after that.
    pub cut_off: bool,
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

/// One instance of an alert, firing. Where its series vanish and the condition holds as soon as they are back, it goes on;
/// so it does where it fires again and Alertmanager would not tell of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firing {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// When its condition began to hold.
    pub pending_ms: i64,
    /// When it fired.
    pub start_ms: i64,
    /// When somebody was told of it.
    pub delivered_ms: i64,
    /// Whether anybody was, as in [`Episode::sent`].
    pub sent: bool,
    /// Whether that is not known, as in [`Episode::cut_off`].
    pub cut_off: bool,
    /// Why nobody was, where an Alertmanager file kept it back.
    pub kept_back: Option<Silence>,
    /// While its data were away, and until it fired again, it did not fire; from and until when, in order.
    pub gaps: Vec<(i64, i64)>,
    /// When it was over, or the end of the drill.
    pub end_ms: i64,
    /// Whether it was still firing at the end of the drill.
    pub open: bool,
    /// How it came to be an alarm of its own, where one of the same instance that people knew of went before it.
    pub after: Option<Refiring>,
    /// When it fired again and nobody was told, in order; see [`deliver`](super::delivery::deliver).
    pub again: Vec<Refiring>,
}

/// An instance of which people knew that fires again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refiring {
    /// When it was over before.
    pub over_ms: i64,
    /// When it fired again.
    pub at_ms: i64,
    /// By how much either would have to be moved for the next flush to come to another result.
    pub margin_ms: i64,
}

impl Episode {
    /// What kept it back, where nobody was told of it for that.
    #[must_use]
    pub fn kept_back(&self) -> Option<&Silence> {
        let mut firings = self.firings.iter();
        firings
            .find_map(|firing| firing.kept_back.as_ref())
            .filter(|_| !self.sent)
    }
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

impl Firing {
    /// From when until when it really fired: without the gaps.
    pub(super) fn parts(&self) -> impl Iterator<Item = (i64, i64)> {
        let over_ms = if self.open { i64::MAX } else { self.end_ms };
        let starts = [self.start_ms].into_iter();
        let starts = starts.chain(self.gaps.iter().map(|(_, back_ms)| *back_ms));
        let ends = self.gaps.iter().map(|(gone_ms, _)| *gone_ms);
        starts.zip(ends.chain([over_ms]))
    }

    /// Joins it with one that came later and is the same alarm to people.
    pub(super) fn goes_on_with(&mut self, later: Self) {
        self.gaps.push((self.end_ms, later.start_ms));
        self.gaps.extend(later.gaps);
        self.again.extend(later.again);
        self.end_ms = later.end_ms;
        self.open = later.open;
    }
}

/// A change of state as far as episodes depend on it. `instance` tells the instances of an alert apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'c, I> {
    pub(crate) at_ms: i64,
    pub(crate) alert: &'c str,
    pub(crate) severity: &'c str,
    /// [`Episode::page`].
    pub(crate) page: Option<bool>,
    pub(crate) instance: I,
    pub(crate) from: AlertState,
    pub(crate) to: AlertState,
    pub(crate) data_gone: bool,
    pub(crate) data_back: bool,
}

/// The episodes of every unit in order of their start. `end_ms` is the end of the drill.
#[must_use]
pub fn episodes(transitions: &[Transition], end_ms: i64) -> Vec<Episode> {
    routed(transitions, end_ms, |_| None)
}

/// The same, where it depends on an instance's labels whether it pages.
pub(super) fn routed(
    transitions: &[Transition],
    end_ms: i64,
    pages: impl Fn(&BTreeMap<String, String>) -> Option<bool>,
) -> Vec<Episode> {
    let changes = transitions.iter().map(|transition| Change {
        at_ms: transition.at_ms,
        alert: &transition.alert,
        severity: transition.labels.get("severity").map_or("", String::as_str),
        page: pages(&transition.labels),
        instance: &transition.labels,
        from: transition.from,
        to: transition.to,
        data_gone: transition.data_gone,
        data_back: transition.data_back,
    });
    episodes_of(changes.collect(), end_ms)
}

/// When the data of instances that went on firing were away.
type Gaps<'c, I> = BTreeMap<(&'c str, I), Vec<(i64, i64)>>;

/// Leaves out what only the coming and going of data made of alarms that went on: from where a firing instance let go
/// because its series vanished to where it fires again because they are back. Returns these gaps of each instance.
fn bridged<'c, I: Ord + Copy>(changes: &mut Vec<Change<'c, I>>) -> Gaps<'c, I> {
    let mut gaps = Gaps::new();
    if !changes.iter().any(|change| change.data_back) {
        return gaps;
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
                let since = away.remove(&instance).unwrap_or_default();
                if let Some(gone) = since.first().and_then(|gone| changes.get(*gone)) {
                    let gap = (gone.at_ms, change.at_ms);
                    gaps.entry(instance).or_default().push(gap);
                }
                for since in since {
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
    gaps
}

/// See [`episodes`].
pub(crate) fn episodes_of<I: Instance>(
    mut changes: Vec<Change<'_, I>>,
    end_ms: i64,
) -> Vec<Episode> {
    let gaps = bridged(&mut changes);
    let mut pending: BTreeMap<(&str, I), i64> = BTreeMap::new();
    // Since when those waited whose data are away.
    let mut waited: BTreeMap<(&str, I), i64> = BTreeMap::new();
    let mut firing: BTreeMap<(&str, &str, Option<bool>), (u32, Episode)> = BTreeMap::new();
    let mut done = Vec::new();
    for change in changes {
        let instance = (change.alert, change.instance);
        let unit = (change.alert, change.severity, change.page);
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
                        page: change.page,
                        pending_ms,
                        start_ms: change.at_ms,
                        delivered_ms: change.at_ms,
                        sent: true,
                        cut_off: false,
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
                let own_gaps = gaps.get(&instance).into_iter().flatten().copied();
                let own_gaps = own_gaps.filter(|(from_ms, _)| *from_ms >= change.at_ms);
                episode.firings.push(Firing {
                    labels: change.instance.to_map(),
                    pending_ms,
                    start_ms: change.at_ms,
                    delivered_ms: change.at_ms,
                    sent: true,
                    cut_off: false,
                    kept_back: None,
                    gaps: own_gaps.collect(),
                    end_ms,
                    open: true,
                    after: None,
                    again: Vec::new(),
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
                        ended.gaps.retain(|(_, until_ms)| *until_ms <= change.at_ms);
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
    in_order(&mut done);
    done
}

/// By their start.
pub(super) fn in_order(episodes: &mut [Episode]) {
    episodes.sort_by(|a, b| {
        (a.start_ms, &a.alert, &a.severity, a.page).cmp(&(
            b.start_ms,
            &b.alert,
            &b.severity,
            b.page,
        ))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

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
