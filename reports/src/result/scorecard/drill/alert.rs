//! What an alert did on a drill, for machines.

use crate::DrillScore;
use crate::pack;
use crate::result::routed::KeptBack;
use crate::result::seconds;
use crate::score::judge::{self, Truth};
use crate::score::{self, AlertScore};
use schemars::JsonSchema;
use serde::Serialize;

/// What an alert did: the most telling thing first, then incident by incident.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Alert {
    alert: String,
    /// The best that it is to any of the incidents.
    role: Option<Role>,
    #[serde(flatten)]
    did: Did,
    /// None of its selectors matched any series: its silence says nothing.
    no_data: bool,
    /// How often it fired.
    episodes: usize,
    on: Vec<OnIncident>,
    false_alarms: Vec<FalseAlarm>,
}

/// What an alert did on one incident.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct OnIncident {
    incident: u32,
    role: Role,
    /// The pack expects this very alert, not just any of its alerts.
    expected_by_name: bool,
    #[serde(flatten)]
    did: Did,
}

/// A firing where an alert must be silent. Times count from the start of the first incident or harmless event.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
struct FalseAlarm {
    at_seconds: f64,
    page: bool,
    /// Of one that was there before anything was wrong: since when its condition held.
    on_since_seconds: Option<f64>,
}

/// What an alert is to an incident.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    /// The right alert for the cause.
    Expected,
    /// A fair symptom.
    Accepted,
    /// Neither.
    Other,
}

/// As what a firing counts.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Class {
    /// In the warm-up, and over in it.
    Ignored,
    /// On before anything was wrong.
    OnBefore,
    /// The right alert while the incident was on.
    Hit,
    /// Another hit of the same alert.
    Repeat,
    /// The right alert, whose condition held before the incident began.
    ByChance,
    /// The right alert, when the incident was over.
    Afterwards,
    /// A fair symptom.
    Symptom,
    /// An alert for something else.
    WrongAlert,
    /// In a harmless event.
    FalseInHarmlessEvent,
    /// Out of the blue.
    False,
    /// Nobody was told.
    Unsent,
}

/// What an alert did. Times count from the fault.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "did", rename_all = "snake_case")]
enum Did {
    /// Fired where it must be silent.
    CriedWolf { at_seconds: f64 },
    /// Saw the incident.
    Detected {
        in_time: bool,
        from_fault_seconds: f64,
        from_first_harm_seconds: Option<f64>,
        signal_lag_seconds: f64,
        hold_seconds: f64,
        delivery_seconds: f64,
        /// When it let go although the incident went on.
        self_resolved_seconds: Option<f64>,
        resolved_seconds: Option<f64>,
        flaps: u32,
    },
    /// Fired during or after an incident without counting as its detection.
    Beside {
        class: Class,
        page: bool,
        at_seconds: f64,
        /// Of one that did not page by an Alertmanager file.
        receivers: Vec<String>,
    },
    /// Fired, and nobody was told.
    Unsent {
        at_seconds: f64,
        kept_back: Option<KeptBack>,
    },
    /// Was to see the incident, and did not.
    Missed,
    /// Was firing already when the incident began.
    FiredBefore,
    /// Silent, rightly, or where any other alert would do.
    Silent,
}

impl From<pack::Role> for Role {
    fn from(role: pack::Role) -> Self {
        match role {
            pack::Role::Expected => Self::Expected,
            pack::Role::Accepted => Self::Accepted,
            pack::Role::Other => Self::Other,
        }
    }
}

impl From<judge::Class> for Class {
    fn from(class: judge::Class) -> Self {
        match class {
            judge::Class::Ignored => Self::Ignored,
            judge::Class::Standing => Self::OnBefore,
            judge::Class::Hit => Self::Hit,
            judge::Class::Repeat => Self::Repeat,
            judge::Class::Chance => Self::ByChance,
            judge::Class::Post => Self::Afterwards,
            judge::Class::Related => Self::Symptom,
            judge::Class::Misattributed => Self::WrongAlert,
            judge::Class::BenignFalse => Self::FalseInHarmlessEvent,
            judge::Class::False => Self::False,
            judge::Class::Unsent => Self::Unsent,
        }
    }
}

impl Alert {
    pub(super) fn new(drill: &DrillScore, alert: &AlertScore) -> Self {
        let on = alert.on.iter().zip(&drill.incidents);
        let on = on.map(|(on, incident)| OnIncident {
            incident: on.incident,
            role: on.role.into(),
            expected_by_name: on.by_name,
            did: Did::new(&on.did, &incident.truth),
        });
        let since = |ms: i64| seconds(ms - drill.zero_ms);
        let false_alarms = alert.false_alarms.iter().map(|alarm| FalseAlarm {
            at_seconds: since(alarm.at_ms),
            page: alarm.page,
            on_since_seconds: alarm.since_ms.map(since),
        });
        // On which incident the most telling thing was done.
        let told = alert
            .on
            .iter()
            .position(|on| on.did == alert.did)
            .and_then(|index| drill.incidents.get(index));
        let did = match (&alert.did, told) {
            (score::Did::CriedWolf { at_ms }, _) => Did::CriedWolf {
                at_seconds: since(*at_ms),
            },
            (told, Some(incident)) => Did::new(told, &incident.truth),
            (_, None) => Did::Silent,
        };
        Self {
            alert: alert.alert.clone(),
            role: alert.role.map(Role::from),
            did,
            no_data: alert.no_data,
            episodes: alert.episodes.len(),
            on: on.collect(),
            false_alarms: false_alarms.collect(),
        }
    }
}

impl Did {
    fn new(did: &score::Did, truth: &Truth) -> Self {
        let since = |ms: i64| seconds(ms - truth.fault_ms);
        match did {
            score::Did::CriedWolf { at_ms } => Self::CriedWolf {
                at_seconds: since(*at_ms),
            },
            score::Did::Detected {
                pending_ms,
                fired_ms,
                delivered_ms,
                in_time,
                let_go_ms,
                over_ms,
                flaps,
            } => Self::Detected {
                in_time: *in_time,
                from_fault_seconds: since(*delivered_ms),
                from_first_harm_seconds: truth
                    .impact_ms
                    .map(|harm_ms| seconds(delivered_ms - harm_ms)),
                signal_lag_seconds: since(*pending_ms),
                hold_seconds: seconds(fired_ms - pending_ms),
                delivery_seconds: seconds(delivered_ms - fired_ms),
                self_resolved_seconds: let_go_ms.map(since),
                resolved_seconds: over_ms.map(since),
                flaps: *flaps,
            },
            score::Did::Beside {
                at_ms,
                class,
                page,
                receivers,
            } => Self::Beside {
                class: (*class).into(),
                page: *page,
                at_seconds: since(*at_ms),
                receivers: receivers.clone(),
            },
            score::Did::Unsent { at_ms, kept_back } => Self::Unsent {
                at_seconds: since(*at_ms),
                kept_back: kept_back.as_ref().map(KeptBack::from),
            },
            score::Did::Missed => Self::Missed,
            score::Did::Masked => Self::FiredBefore,
            score::Did::Silent => Self::Silent,
        }
    }
}
