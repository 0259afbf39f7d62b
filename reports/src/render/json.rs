//! The scorecard for machines. Times are seconds; names carry the unit. Additive within a major `schema_version`.

use crate::score::judge::Judged;
use crate::score::stats::Share;
use crate::score::{AlertScore, Did, DrillScore, IncidentScore};
use crate::{Scorecard, Verdict};
use serde_json::{Value, json};

/// Version of the form.
const SCHEMA_VERSION: &str = "1.0";

/// The scorecard as JSON, pretty-printed.
#[must_use]
pub fn json(card: &Scorecard) -> String {
    let summary = &card.summary;
    let latency = |index: usize| {
        summary
            .latency_ms
            .and_then(|latency| latency[index])
            .map(seconds)
    };
    let rate = summary.false_pages_per_week();
    let value = json!({
        "schema_version": SCHEMA_VERSION,
        "verdict": verdict(card.verdict()),
        "drills": card.drills.iter().map(drill).collect::<Vec<_>>(),
        "summary": {
            "recall": share(summary.recall),
            "recall_at_deadline": share(summary.recall_at_deadline),
            "event_precision": share(summary.precision),
            "useful_page_ratio": share(summary.useful_pages),
            "benign_trip_rate": share(summary.benign_trips),
            "latency_median_seconds": latency(0),
            "latency_p90_seconds": latency(1),
            "undetected_impact_seconds": seconds(summary.undetected_ms.0),
            "impact_seconds": seconds(summary.undetected_ms.1),
            "false_pages": summary.false_pages,
            "exposure_seconds": seconds(summary.exposure_ms),
            "false_pages_per_week": rate.map(|(value, lo, hi)| json!({
                "value": value, "lo": lo, "hi": hi, "method": "garwood", "n": summary.false_pages,
            })),
            "inconclusive_drills": summary.inconclusive,
        },
    });
    let mut text = format!("{value:#}");
    text.push('\n');
    text
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1e3
}

fn lower(value: impl std::fmt::Debug) -> String {
    let mut text = String::new();
    for c in format!("{value:?}").chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(c.to_lowercase());
    }
    text
}

fn verdict(verdict: Verdict) -> String {
    lower(verdict)
}

fn share(share: Option<Share>) -> Value {
    share.map_or(Value::Null, |share| {
        let (lo, hi) = share.wilson();
        json!({ "value": share.value(), "lo": lo, "hi": hi, "method": "wilson", "k": share.count, "n": share.of })
    })
}

fn drill(drill: &DrillScore) -> Value {
    json!({
        "scenario": drill.scenario,
        "family": drill.family,
        "seed": drill.seed,
        "engine": drill.engine,
        "verdict": verdict(drill.verdict),
        "inconclusive": drill.inconclusive,
        "incidents": drill.incidents.iter().map(incident).collect::<Vec<_>>(),
        "alerts": drill.alerts.iter().map(|score| alert(drill, score)).collect::<Vec<_>>(),
        "episodes": drill.episodes.iter().map(episode).collect::<Vec<_>>(),
        "exposure_seconds": seconds(drill.exposure_ms),
        "audit": drill.audit,
        "lag": drill.lag,
        "rule_errors": drill.rule_errors,
    })
}

fn incident(incident: &IncidentScore) -> Value {
    let truth = &incident.truth;
    json!({
        "id": truth.id,
        "cause": truth.cause,
        "wanted": lower(truth.wanted),
        "outcome": lower(incident.outcome),
        "seen_after": incident.seen_after,
        "fault_seconds": seconds(truth.fault_ms),
        "impact_start_seconds": truth.impact_ms.map(seconds),
        "end_seconds": seconds(truth.end_ms),
        "deadline_seconds": seconds(truth.deadline_ms),
        "detection": incident.detection.as_ref().map(|detection| json!({
            "alert": detection.alert,
            "signal_lag_seconds": seconds(detection.pending_ms - truth.fault_ms),
            "hold_seconds": seconds(detection.fired_ms - detection.pending_ms),
            "delivery_seconds": seconds(detection.delivered_ms - detection.fired_ms),
            "from_fault_seconds": seconds(detection.fired_ms - truth.fault_ms),
            "from_first_harm_seconds": truth.impact_ms.map(|impact| seconds(detection.fired_ms - impact)),
        })),
        "first_page": incident.first_page,
        "harmed_tasks": incident.harmed_tasks,
        "impact_seconds": seconds(incident.impact_ms),
        "undetected_seconds": seconds(incident.undetected_ms),
        "reset_seconds": incident.reset_ms.map(seconds),
        "gap_seconds": seconds(incident.gap_ms),
    })
}

fn alert(drill: &DrillScore, alert: &AlertScore) -> Value {
    let fault_ms = drill.zero_ms;
    let harm_ms = drill
        .incidents
        .first()
        .and_then(|incident| incident.truth.impact_ms);
    let mut value = json!({
        "alert": alert.alert,
        "role": alert.role.map(lower),
        "no_data": alert.no_data,
        "episodes": alert.episodes.len(),
    });
    let more = match &alert.did {
        Did::CriedWolf { at_ms } => {
            json!({ "did": "cried_wolf", "at_seconds": seconds(at_ms - fault_ms) })
        }
        Did::Detected {
            pending_ms,
            fired_ms,
            in_time,
            let_go_ms,
            over_ms,
            flaps,
        } => json!({
            "did": "detected",
            "in_time": in_time,
            "from_fault_seconds": seconds(fired_ms - fault_ms),
            "from_first_harm_seconds": harm_ms.map(|harm_ms| seconds(fired_ms - harm_ms)),
            "signal_lag_seconds": seconds(pending_ms - fault_ms),
            "hold_seconds": seconds(fired_ms - pending_ms),
            "self_resolved_seconds": let_go_ms.map(|ms| seconds(ms - fault_ms)),
            "resolved_seconds": over_ms.map(|ms| seconds(ms - fault_ms)),
            "flaps": flaps,
        }),
        Did::Beside { at_ms, class } => {
            json!({ "did": "beside", "class": lower(class), "at_seconds": seconds(at_ms - fault_ms) })
        }
        Did::Missed => json!({ "did": "missed" }),
        Did::Masked => json!({ "did": "masked" }),
        Did::Silent => json!({ "did": "silent" }),
    };
    if let (Some(all), Value::Object(more)) = (value.as_object_mut(), more) {
        all.extend(more);
    }
    value
}

fn episode(judged: &Judged) -> Value {
    json!({
        "alert": judged.episode.alert,
        "severity": judged.episode.severity,
        "page": judged.page,
        "class": lower(judged.class),
        "incident": judged.incident,
        "pending_seconds": seconds(judged.episode.pending_ms),
        "firing_seconds": seconds(judged.episode.start_ms),
        "end_seconds": seconds(judged.episode.end_ms),
        "open": judged.episode.open,
    })
}
