//! Alerts that are on, and what of them is to be sent when, as Prometheus does it (rules/alerting.go, notifier).

use firedrill_detector::{AlertState, Labels, Transition};
use std::collections::BTreeMap;

/// How long after it was sent an alert is sent again while nothing changes, milliseconds (Prometheus: `rules.alert.resend-delay`).
pub(super) const RESEND_MS: i64 = 60_000;

/// How long one that is over is kept and sent again (Prometheus: `resolvedRetention`).
const RESOLVED_MS: i64 = 15 * 60_000;

/// Most alerts that are over and could not be sent yet; of more, the oldest are let go.
const UNSENT_MOST: usize = 10_000;

/// What tells an alert from others: its rule group, and its labels.
pub(super) type Key = (String, Labels);

/// An alert that is pending, firing, or was firing a short time ago. Times are Unix milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Alert {
    /// As they were when it changed last, in order of names.
    pub(super) annotations: Vec<(String, String)>,
    /// Since when its condition holds.
    pub(super) active_ms: i64,
    /// Since when it fires; `None`: it is pending.
    pub(super) fired_ms: Option<i64>,
    /// When it was over.
    pub(super) resolved_ms: Option<i64>,
    pub(super) value: Option<f64>,
    /// When it was sent last, as it is now.
    sent_ms: Option<i64>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    known: BTreeMap<Key, Alert>,
}

impl Alerts {
    /// Takes in what the detector says.
    pub(super) fn take(&mut self, transition: &Transition) {
        let key = (transition.group.clone(), transition.labels.clone());
        let at_ms = transition.at.0;
        let new = Alert {
            annotations: transition.annotations.clone(),
            active_ms: at_ms,
            fired_ms: (transition.to == AlertState::Firing).then_some(at_ms),
            resolved_ms: None,
            value: transition.value,
            sent_ms: None,
        };
        if transition.to == AlertState::Inactive {
            let is_known = self.known.get_mut(&key);
            match is_known {
                Some(alert) if alert.fired_ms.is_some() => {
                    alert.resolved_ms = Some(at_ms);
                    alert.sent_ms = None;
                }
                _ => drop(self.known.remove(&key)),
            }
            return;
        }
        let since = self
            .known
            .get(&key)
            .filter(|alert| alert.resolved_ms.is_none());
        let active_ms = since.map_or(at_ms, |alert| alert.active_ms);
        self.known.insert(key, Alert { active_ms, ..new });
    }

    /// Those that are on: pending or firing.
    pub(super) fn active(&self) -> impl Iterator<Item = (&Key, &Alert)> {
        let known = self.known.iter();
        known.filter(|(_, alert)| alert.resolved_ms.is_none())
    }

    /// Those that have fired, whether or not they are over.
    pub(super) fn fired(&self) -> impl Iterator<Item = (&Key, &Alert)> {
        let known = self.known.iter();
        known.filter(|(_, alert)| alert.fired_ms.is_some())
    }

    /// Those that are to be sent now: what has changed, and what was sent `resend_ms` ago.
    pub(super) fn due(&self, now_ms: i64, resend_ms: i64) -> Vec<(Key, Alert)> {
        let due = self
            .fired()
            .filter(|(_, alert)| alert.is_due(now_ms, resend_ms));
        due.map(|(key, alert)| (key.clone(), alert.clone()))
            .collect()
    }

    /// Notes what was sent at a time; one that has changed since is still to be sent.
    pub(super) fn sent(&mut self, sent: &[(Key, Alert)], now_ms: i64) {
        for (key, as_sent) in sent {
            if let Some(alert) = self.known.get_mut(key)
                && alert.fired_ms == as_sent.fired_ms
                && alert.resolved_ms == as_sent.resolved_ms
            {
                alert.sent_ms = Some(now_ms);
            }
        }
    }

    /// Lets go what has been over for long enough and was sent; or, where nothing is sent, for long enough.
    pub(super) fn forget(&mut self, now_ms: i64, is_sent: bool) {
        self.known.retain(|_, alert| {
            let is_old = alert
                .resolved_ms
                .is_some_and(|at_ms| now_ms - at_ms > RESOLVED_MS);
            !is_old || is_sent && alert.sent_ms.is_none()
        });
        let over = self
            .known
            .iter()
            .filter_map(|(key, alert)| Some((alert.resolved_ms?, key)));
        let mut over: Vec<(i64, Key)> = over.map(|(at_ms, key)| (at_ms, key.clone())).collect();
        let surplus = over.len().saturating_sub(UNSENT_MOST);
        if surplus > 0 {
            over.sort();
            for (_, key) in over.into_iter().take(surplus) {
                self.known.remove(&key);
            }
        }
    }
}

impl Alert {
    /// Whether it was not sent as it is now, or longer than `resend_ms` ago.
    pub(super) fn is_due(&self, now_ms: i64, resend_ms: i64) -> bool {
        self.sent_ms
            .is_none_or(|sent_ms| now_ms - sent_ms >= resend_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firedrill_detector::Timestamp;

    fn step(alerts: &mut Alerts, at_ms: i64, to: AlertState) {
        alerts.take(&Transition {
            at: Timestamp(at_ms),
            group: "g".into(),
            alert: "A".into(),
            labels: Labels::metric("", [("alertname", "A")]),
            annotations: Vec::new(),
            from: AlertState::Inactive,
            to,
            value: Some(1.0),
            data_gone: false,
            data_back: false,
        });
    }

    fn due(alerts: &Alerts, now_ms: i64) -> Vec<(i64, Option<i64>)> {
        let due = alerts.due(now_ms, RESEND_MS);
        due.iter()
            .map(|(_, alert)| (alert.fired_ms.unwrap(), alert.resolved_ms))
            .collect()
    }

    #[test]
    fn what_fires_is_sent_at_once_and_every_minute_until_it_is_over() {
        let mut alerts = Alerts::default();
        step(&mut alerts, 0, AlertState::Pending);
        assert_eq!(due(&alerts, 0), [], "pending alerts are not sent");
        step(&mut alerts, 60_000, AlertState::Firing);
        let sent = alerts.due(60_000, RESEND_MS);
        assert_eq!(sent[0].1.active_ms, 0);
        assert_eq!(
            due(&alerts, 61_000),
            [(60_000, None)],
            "as long as nobody has taken it"
        );
        alerts.sent(&sent, 61_000);
        assert_eq!(due(&alerts, 100_000), []);
        assert_eq!(due(&alerts, 121_000), [(60_000, None)]);
        step(&mut alerts, 130_000, AlertState::Inactive);
        // What was under way when it was over does not count.
        alerts.sent(&sent, 130_000);
        assert_eq!(due(&alerts, 130_000), [(60_000, Some(130_000))]);
        assert_eq!(alerts.active().count(), 0);
        alerts.forget(2_000_000, true);
        assert_eq!(
            due(&alerts, 2_000_000),
            [(60_000, Some(130_000))],
            "nobody was told yet"
        );
        let over = alerts.due(2_000_000, RESEND_MS);
        alerts.sent(&over, 2_000_000);
        alerts.forget(2_000_000, true);
        assert_eq!(alerts.fired().count(), 0);
    }

    #[test]
    fn one_that_fires_again_is_another() {
        let mut alerts = Alerts::default();
        step(&mut alerts, 0, AlertState::Firing);
        step(&mut alerts, 10, AlertState::Inactive);
        step(&mut alerts, 20, AlertState::Firing);
        assert_eq!(due(&alerts, 20), [(20, None)]);
        step(&mut alerts, 30, AlertState::Pending);
        step(&mut alerts, 40, AlertState::Inactive);
        assert_eq!(
            alerts.fired().count(),
            0,
            "one that was only pending is gone"
        );
    }
}
