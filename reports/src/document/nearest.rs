//! What came nearest to telling of an incident that nobody was told of, where the pack names no alert for it.

use super::words;
use super::{Block, Drill};
use crate::DrillScore;
use crate::plot::number;
use crate::record::AlertState;
use crate::score::IncidentScore;
use crate::score::judge::Outcome;
use crate::why::trace::{Comparison, Traced, trace};

/// Most alerts that are looked at: packs may be large.
const ALERTS_MAX: usize = 24;

/// An incident of which the pack says nothing, and what its rules came to in it.
pub(super) struct Nearest {
    /// Where there was one that had anything to compare.
    pub(super) rule: Option<Traced>,
    /// How near it came, in sentences; or that no rule speaks of such an incident.
    pub(super) told: String,
}

impl Nearest {
    /// As a paragraph.
    pub(super) fn note(&self) -> Block {
        Block::Note(self.told.clone())
    }
}

/// Looks at each cause of which nobody was told, and for which no alert is expected by name.
pub(super) fn nearest(known: &Drill<'_>, drill: &DrillScore) -> Vec<Nearest> {
    let incidents = drill.incidents.iter().enumerate();
    let mut missed: Vec<(usize, &IncidentScore)> = Vec::new();
    for (index, incident) in incidents {
        let mut on = drill.alerts.iter().filter_map(|alert| alert.on.get(index));
        let is_other = !missed
            .iter()
            .any(|(_, other)| other.truth.cause == incident.truth.cause);
        if incident.outcome == Outcome::Missed && !on.any(|on| on.by_name) && is_other {
            missed.push((index, incident));
        }
    }
    if missed.is_empty() {
        return Vec::new();
    }
    let alerts = drill.alerts.iter().filter(|alert| !alert.no_data);
    let names: Vec<&str> = alerts
        .map(|alert| alert.alert.as_str())
        .take(ALERTS_MAX)
        .collect();
    let traced = trace(known.record, known.rules, &names);
    let told = missed
        .into_iter()
        .map(|(index, incident)| of(known, drill, (index, incident), &traced));
    told.collect()
}

fn of(
    known: &Drill<'_>,
    drill: &DrillScore,
    (index, incident): (usize, &IncidentScore),
    traced: &[Traced],
) -> Nearest {
    let truth = &incident.truth;
    let window = (truth.fault_ms as f64 / 6e4, truth.end_ms as f64 / 6e4);
    let lead = format!(
        "The rules do not say which alert is to see an incident of {cause} (`# firedrill: cause {cause} expects ALERT`), so any of \
         them would have done.",
        cause = truth.cause
    );
    // One that did something came nearer than any that did not.
    let did = traced.iter().find_map(|rule| {
        let mut alerts = drill.alerts.iter();
        let alert = alerts.find(|alert| alert.alert == rule.alert)?;
        let (did, _) = words::did(drill, alert, Some(index));
        (did != "-").then_some((rule, did))
    });
    if let Some((rule, did)) = did {
        return Nearest {
            rule: Some(rule.clone()),
            told: format!("{lead} {} came nearest: {did}.", rule.alert),
        };
    }
    let pending = traced.iter().find_map(|rule| {
        let transitions = known.replay.transitions.iter();
        let mut own = transitions.filter(|one| one.alert == rule.alert);
        let began = own.find(|one| {
            one.to == AlertState::Pending && (truth.fault_ms..=truth.end_ms).contains(&one.at_ms)
        })?;
        Some((rule, began.at_ms))
    });
    if let Some((rule, at_ms)) = pending {
        let told = format!(
            "{lead} {} came nearest: its condition held from {} on, and was over before it fired.",
            rule.alert,
            words::since(at_ms, truth.fault_ms)
        );
        return Nearest {
            rule: Some(rule.clone()),
            told,
        };
    }
    let near = traced
        .iter()
        .filter_map(|rule| Some((rule, closest(rule, window)?)));
    let near = near.max_by(|(_, a), (_, b)| a.share.total_cmp(&b.share));
    match near {
        Some((rule, close)) => Nearest {
            rule: Some(rule.clone()),
            told: format!(
                "{lead} {} came nearest, at {}: {}.",
                rule.alert,
                words::since((close.minute * 6e4) as i64, truth.fault_ms),
                close.told
            ),
        },
        None => Nearest {
            rule: None,
            told: format!(
                "No rule of the pack speaks about an incident of {}: while it was on, none of {} had a value to compare.",
                truth.cause,
                firedrill_detector::text::counted(drill.alerts.len(), "alert")
            ),
        },
    }
}

/// The moment at which a rule was nearest to holding.
struct Close {
    /// From 0, far off, to 1, which holds.
    share: f64,
    minute: f64,
    told: String,
}

/// A rule is as near as that of its comparisons which is farthest off.
fn closest(rule: &Traced, (from, to): (f64, f64)) -> Option<Close> {
    let moments = rule.comparisons.first()?.left.points.len();
    let found = (0..moments).filter_map(|moment| {
        let all = rule.comparisons.iter();
        let all = all.map(|compared| at(compared, moment, (from, to)));
        let all = all.collect::<Option<Vec<_>>>()?;
        all.into_iter().min_by(|a, b| a.share.total_cmp(&b.share))
    });
    found.max_by(|a, b| a.share.total_cmp(&b.share))
}

fn at(compared: &Comparison, moment: usize, (from, to): (f64, f64)) -> Option<Close> {
    let (minute, left) = *compared.left.points.get(moment)?;
    let (_, right) = *compared.right.points.get(moment)?;
    if !(from..=to).contains(&minute) || left.is_nan() || right.is_nan() {
        return None;
    }
    let most = left.abs().max(right.abs());
    let apart = match most > 0.0 && most.is_finite() {
        true => (left - right).abs() / most,
        false => 0.0,
    };
    Some(Close {
        share: if compared.holds(left, right) {
            1.0
        } else {
            1.0 / (1.0 + apart) * 0.999
        },
        minute,
        told: format!(
            "`{}` was {} against {}",
            compared.text,
            number(left),
            number(right)
        ),
    })
}
