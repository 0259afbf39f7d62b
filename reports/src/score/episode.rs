//! Firing episodes: maximal intervals in which at least one instance of an alert fires.

use crate::record::{AlertState, Transition};
use std::collections::BTreeMap;

/// One firing episode of a unit (alert name and severity).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Episode {
    /// Alert name.
    pub alert: String,
    /// Its `severity` label, or nothing.
    pub severity: String,
    /// When the instance that opened it became pending.
    pub pending_ms: i64,
    /// First firing.
    pub start_ms: i64,
    /// Last firing over, or the end of the drill.
    pub end_ms: i64,
    /// Whether it was still firing at the end of the drill.
    pub open: bool,
    /// Firing starts of single instances inside it.
    pub instances: u32,
}

/// The episodes of every unit in order of their start. `end_ms` is the end of the drill.
#[must_use]
pub fn episodes(transitions: &[Transition], end_ms: i64) -> Vec<Episode> {
    let mut pending: BTreeMap<(&str, &BTreeMap<String, String>), i64> = BTreeMap::new();
    let mut firing: BTreeMap<(String, String), (u32, Episode)> = BTreeMap::new();
    let mut done = Vec::new();
    for transition in transitions {
        let instance = (transition.alert.as_str(), &transition.labels);
        let severity = transition
            .labels
            .get("severity")
            .cloned()
            .unwrap_or_default();
        let unit = (transition.alert.clone(), severity.clone());
        match transition.to {
            AlertState::Pending => {
                pending.insert(instance, transition.at_ms);
            }
            AlertState::Firing => {
                let (open, episode) = firing.entry(unit).or_insert_with(|| {
                    let episode = Episode {
                        alert: transition.alert.clone(),
                        severity,
                        pending_ms: pending.get(&instance).copied().unwrap_or(transition.at_ms),
                        start_ms: transition.at_ms,
                        end_ms,
                        open: true,
                        instances: 0,
                    };
                    (0, episode)
                });
                *open += 1;
                episode.instances += 1;
                pending.remove(&instance);
            }
            AlertState::Inactive => {
                pending.remove(&instance);
                if transition.from == AlertState::Firing
                    && let Some((open, _)) = firing.get_mut(&unit)
                {
                    *open = open.saturating_sub(1);
                    if *open == 0
                        && let Some((_, mut episode)) = firing.remove(&unit)
                    {
                        episode.end_ms = transition.at_ms;
                        episode.open = false;
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
        }
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
