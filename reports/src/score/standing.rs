//! Alerts that were there before anything was wrong: they say nothing, and no incident is credited to them.

use crate::score::IncidentScore;
use crate::score::judge::{Class, Judged, Outcome};
use serde::{Deserialize, Serialize};

/// An alert that was on before anything was wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Alert name.
    pub alert: String,
    /// Its severity.
    pub severity: String,
    /// Whether it pages, and so fails the gate.
    pub page: bool,
    /// Since when its condition held.
    pub since_ms: i64,
    /// When it fired.
    pub fired_ms: i64,
    /// When it was over; `None`: it went on to the end, or its series did not.
    pub until_ms: Option<i64>,
}

/// Those among the judged episodes, in their order.
pub(super) fn standing(judged: &[Judged]) -> Vec<Standing> {
    judged
        .iter()
        .filter(|judged| judged.class == Class::Standing)
        .map(|judged| Standing {
            alert: judged.episode.alert.clone(),
            severity: judged.episode.severity.clone(),
            page: judged.page,
            since_ms: judged.episode.pending_ms,
            fired_ms: judged.episode.start_ms,
            until_ms: (!judged.episode.open && !judged.episode.data_gone)
                .then_some(judged.episode.end_ms),
        })
        .collect()
}

/// Why incidents that nothing detected may have been: an alert fired in them whose condition held before they began. That
/// it would have fired without them, too, cannot be told.
pub(super) fn undecided(judged: &[Judged], incidents: &[IncidentScore]) -> Vec<String> {
    let open = incidents
        .iter()
        .filter(|incident| incident.detection.is_none() && incident.outcome != Outcome::Censored);
    open.filter_map(|incident| {
        let found = judged.iter().find(|judged| {
            let is_chance =
                judged.class == Class::Chance && judged.incident == Some(incident.truth.id);
            is_chance || (judged.episode.sent && judged.perhaps.contains(&incident.truth.id))
        })?;
        let before_ms = incident.truth.begun_ms - found.episode.pending_ms;
        Some(format!(
            "{} was pending already when the {} incident began ({} s before), and fired in it: whether it saw the incident \
             cannot be told",
            found.episode.alert,
            incident.truth.cause,
            before_ms / 1000
        ))
    })
    .collect()
}
