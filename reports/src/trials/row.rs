//! The little that is kept of one drill.

use crate::DrillScore;
use crate::pack::Role;
use crate::record::Wanted;
use crate::score::judge::{Class, Judged, Outcome};
use crate::score::stats::Latency;
use crate::score::{AlertScore, Did, IncidentScore};

/// A conclusive drill. Rows have an order, so that a card does not depend on that of the drills.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) seed: u64,
    pub(super) epoch_ms: i64,
    pub(super) passed: bool,
    pub(super) has_rule_errors: bool,
    pub(super) quiet_ms: u64,
    /// False pages in quiet time.
    pub(super) false_pages: u64,
    pub(super) windows: u64,
    /// Benign windows with a page.
    pub(super) trips: u64,
    pub(super) incidents: Vec<IncidentRow>,
    /// In the order of the pack.
    pub(super) alerts: Vec<AlertRow>,
}

/// An incident, and what all right alerts together made of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IncidentRow {
    pub(super) id: u32,
    pub(super) cause: String,
    pub(super) wanted: Wanted,
    /// Counted from the fault.
    pub(super) deadline_ms: i64,
    pub(super) sighting: Sighting,
}

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AlertRow {
    pub(super) alert: String,
    pub(super) no_data: bool,
    /// The pack says that it may be without data.
    pub(super) no_data_ok: bool,
    /// On before anything was wrong, as a page and as a ticket.
    pub(super) stands: bool,
    pub(super) stands_as_ticket: bool,
    pub(super) chatters: bool,
    /// False alarms in quiet time.
    pub(super) false_pages: u64,
    pub(super) false_tickets: u64,
    /// Benign windows in which it fired.
    pub(super) trips: u64,
    /// Incidents of a cause it is not right for, and during which it fired.
    pub(super) misattributed: u64,
    /// What it made of the incidents it is right for, by their number in the plan; and whether the pack expects it there by
    /// its name.
    pub(super) on: Vec<(u32, bool, Sighting)>,
}

/// What was seen of an incident that should have been.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sighting {
    /// From the fault until an alert fired.
    pub(super) until_firing: Latency,
    /// From the fault until somebody was told.
    pub(super) until_told: Latency,
    pub(super) in_time: bool,
    /// Not seen, because an alert was firing already.
    pub(super) masked: bool,
    /// Over before the incident was.
    pub(super) let_go: bool,
    pub(super) flaps: u32,
}

impl Row {
    pub(super) fn new(drill: &DrillScore) -> Self {
        let false_pages = drill
            .episodes
            .iter()
            .filter(|judged| judged.page && is_false_in_quiet(drill, judged));
        Self {
            seed: drill.seed,
            epoch_ms: drill.epoch_ms,
            passed: drill.verdict == crate::Verdict::Passed,
            has_rule_errors: !drill.rule_errors.is_empty(),
            quiet_ms: drill.quiet_ms.unsigned_abs(),
            false_pages: false_pages.count() as u64,
            windows: drill.benign_windows,
            trips: drill.benign_trips,
            incidents: drill
                .incidents
                .iter()
                .enumerate()
                .filter(|(_, incident)| incident.outcome != Outcome::Censored)
                .map(|(index, incident)| IncidentRow::new(drill, index, incident))
                .collect(),
            alerts: drill
                .alerts
                .iter()
                .map(|alert| AlertRow::new(drill, alert))
                .collect(),
        }
    }
}

impl IncidentRow {
    fn new(drill: &DrillScore, index: usize, incident: &IncidentScore) -> Self {
        let truth = &incident.truth;
        let since = |at: fn(&crate::score::Detection) -> i64| {
            let detection = incident.detection.as_ref();
            detection.map_or(Latency::Missed, |detection| {
                Latency::Ms(at(detection) - truth.fault_ms)
            })
        };
        let flaps = drill
            .alerts
            .iter()
            .filter_map(|alert| alert.on.get(index))
            .map(|on| match on.did {
                Did::Detected { flaps, .. } => flaps,
                _ => 0,
            });
        Self {
            id: truth.id,
            cause: truth.cause.clone(),
            wanted: truth.wanted,
            deadline_ms: truth.deadline_ms - truth.fault_ms,
            sighting: Sighting {
                until_firing: since(|detection| detection.fired_ms),
                until_told: since(|detection| detection.delivered_ms),
                in_time: matches!(incident.outcome, Outcome::Early | Outcome::OnTime),
                masked: incident.outcome == Outcome::Masked,
                let_go: incident.let_go_ms.is_some(),
                flaps: flaps.sum(),
            },
        }
    }
}

impl AlertRow {
    fn new(drill: &DrillScore, alert: &AlertScore) -> Self {
        let falsely = |page: bool| {
            let wrong = alert
                .episodes
                .iter()
                .filter(|judged| judged.page == page && is_false_in_quiet(drill, judged));
            wrong.count() as u64
        };
        let stands = |page: bool| {
            let mut own = alert.episodes.iter();
            own.any(|judged| judged.page == page && judged.class == Class::Standing)
        };
        let trips = drill
            .benign
            .iter()
            .filter(|window| alert.episodes.iter().any(|judged| judged.trips(window)));
        let misattributed = drill.incidents.iter().filter(|incident| {
            alert.episodes.iter().any(|judged| {
                judged.class == Class::Misattributed && judged.incident == Some(incident.truth.id)
            })
        });
        let on = alert.on.iter().zip(&drill.incidents);
        Self {
            alert: alert.alert.clone(),
            no_data: alert.no_data,
            no_data_ok: alert.no_data_ok,
            stands: stands(true),
            stands_as_ticket: stands(false),
            chatters: alert.chatters,
            false_pages: falsely(true),
            false_tickets: falsely(false),
            trips: trips.count() as u64,
            misattributed: misattributed.count() as u64,
            on: on
                .filter(|(on, incident)| {
                    on.role == Role::Expected && incident.outcome != Outcome::Censored
                })
                .map(|(on, incident)| {
                    let sighting = Sighting::new(&on.did, incident);
                    (on.incident, on.by_name, sighting)
                })
                .collect(),
        }
    }
}

impl Sighting {
    fn new(did: &Did, incident: &IncidentScore) -> Self {
        let truth = &incident.truth;
        let Did::Detected {
            fired_ms,
            delivered_ms,
            in_time,
            let_go_ms,
            flaps,
            ..
        } = did
        else {
            return Self {
                until_firing: Latency::Missed,
                until_told: Latency::Missed,
                in_time: false,
                masked: *did == Did::Masked,
                let_go: false,
                flaps: 0,
            };
        };
        Self {
            until_firing: Latency::Ms(fired_ms - truth.fault_ms),
            until_told: Latency::Ms(delivered_ms - truth.fault_ms),
            in_time: *in_time,
            masked: false,
            let_go: let_go_ms.is_some(),
            flaps: *flaps,
        }
    }
}

/// Whether an episode is a false alarm of quiet time; those of harmless events are counted by the event.
pub(crate) fn is_false_in_quiet(drill: &DrillScore, judged: &Judged) -> bool {
    match judged.class {
        Class::False => true,
        Class::BenignFalse | Class::Standing => !drill.is_in_event(judged.episode.start_ms),
        _ => false,
    }
}
