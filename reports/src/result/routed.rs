//! What an Alertmanager file made of a drill.

use super::seconds;
use crate::alertmanager::{self, Labels, Reason, Silence};
use crate::score;
use schemars::JsonSchema;
use serde::Serialize;

/// What was sent, and what was kept back. Times count from the start of the drill.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Routed {
    /// The Alertmanager file.
    file: String,
    /// Notifications that page.
    pages: u64,
    /// Of them: reminders (`repeat_interval`).
    repeats: u64,
    /// Of them: while nothing was wrong.
    false_pages: u64,
    /// All notifications.
    notifications: Vec<Notification>,
    /// Alerts that were kept back from receivers.
    kept_back: Vec<Suppressed>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Notification {
    at_seconds: f64,
    receiver: String,
    page: bool,
    reason: Why,
    group_labels: Labels,
    firing: Vec<Labels>,
    resolved: Vec<Labels>,
}

/// In Alertmanager's words.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Why {
    FirstNotification,
    NewAlertsInGroup,
    NewResolvedAlerts,
    AllAlertsResolved,
    RepeatIntervalElapsed,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Suppressed {
    labels: Labels,
    receiver: String,
    from_seconds: f64,
    to_seconds: f64,
    why: KeptBack,
}

/// What kept an alert back.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub(super) enum KeptBack {
    /// By an inhibition rule.
    Inhibited {
        /// The alert that fires instead: its labels.
        by: Labels,
    },
    /// Its route is muted then.
    Muted {
        /// The time interval's name.
        time_interval: String,
    },
    /// Its route is active at other times.
    Inactive {
        /// The names of its time intervals.
        time_intervals: Vec<String>,
    },
    /// Its receivers send nothing.
    NoIntegration {
        /// Their names.
        receivers: Vec<String>,
    },
}

impl From<&Silence> for KeptBack {
    fn from(why: &Silence) -> Self {
        match why.clone() {
            Silence::Inhibited { by } => Self::Inhibited { by },
            Silence::Muted { interval } => Self::Muted {
                time_interval: interval,
            },
            Silence::Inactive { intervals } => Self::Inactive {
                time_intervals: intervals,
            },
            Silence::NoIntegration { receivers } => Self::NoIntegration { receivers },
        }
    }
}

impl From<&score::Routed> for Routed {
    fn from(routed: &score::Routed) -> Self {
        Self {
            file: routed.file.clone(),
            pages: routed.pages,
            repeats: routed.repeats,
            false_pages: routed.false_pages,
            notifications: routed
                .notifications
                .iter()
                .map(Notification::from)
                .collect(),
            kept_back: routed.suppressed.iter().map(Suppressed::from).collect(),
        }
    }
}

impl From<&alertmanager::Notification> for Notification {
    fn from(one: &alertmanager::Notification) -> Self {
        Self {
            at_seconds: seconds(one.at_ms),
            receiver: one.receiver.clone(),
            page: one.page && !one.firing.is_empty(),
            reason: match one.reason {
                Reason::FirstNotification => Why::FirstNotification,
                Reason::NewAlertsInGroup => Why::NewAlertsInGroup,
                Reason::NewResolvedAlerts => Why::NewResolvedAlerts,
                Reason::AllAlertsResolved => Why::AllAlertsResolved,
                Reason::RepeatIntervalElapsed => Why::RepeatIntervalElapsed,
            },
            group_labels: one.group.clone(),
            firing: one.firing.clone(),
            resolved: one.resolved.clone(),
        }
    }
}

impl From<&alertmanager::Suppressed> for Suppressed {
    fn from(one: &alertmanager::Suppressed) -> Self {
        Self {
            labels: one.labels.clone(),
            receiver: one.receiver.clone(),
            from_seconds: seconds(one.from_ms),
            to_seconds: seconds(one.to_ms),
            why: (&one.why).into(),
        }
    }
}
