//! Trials for machines. Times are seconds; names carry the unit. Additive within a major `schema_version`.

use crate::render::gate;
use crate::render::json::{lower, seconds, waits};
use crate::score::stats::Latencies;
use crate::trials::{
    AlertTrials, CauseTrials, Detections, Estimate, IncidentTrials, Rate, ScenarioTrials, TrialCard,
};
use serde_json::{Value, json};

/// Version of the form.
const SCHEMA_VERSION: &str = "1.0";

/// The trials as JSON, pretty-printed.
#[must_use]
pub fn json(card: &TrialCard) -> String {
    let mut value = json!({
        "schema_version": SCHEMA_VERSION,
        "kind": "trials",
        "trials": card.trials,
        "inconclusive": card.inconclusive,
        "seeds": card.seeds,
        "passed": share(card.passed),
        "macro_recall": card.macro_recall,
        "macro_recall_at_deadline": card.macro_recall_by_deadline,
        "false_pages_per_quiet_week": rate(card.false_pages),
        "benign_trip_rate": share(card.trips),
        "scenarios": card.scenarios.iter().map(scenario).collect::<Vec<_>>(),
        "alerts": card.alerts.iter().map(alert).collect::<Vec<_>>(),
        "causes": card.causes.iter().map(cause).collect::<Vec<_>>(),
    });
    if let Some(gated) = &card.gated {
        gate::put(gated, &mut value);
    }
    let mut text = format!("{value:#}");
    text.push('\n');
    text
}

fn scenario(scenario: &ScenarioTrials) -> Value {
    let doubts = scenario
        .doubts
        .iter()
        .map(|(why, count)| json!({ "why": why, "drills": count }));
    let waits = scenario
        .waits
        .iter()
        .map(|(queue, found)| (queue.clone(), waits(found)));
    json!({
        "scenario": scenario.scenario,
        "family": scenario.family,
        "trials": scenario.trials,
        "inconclusive": scenario.inconclusive,
        "doubts": doubts.collect::<Vec<_>>(),
        "with_rule_errors": scenario.with_rule_errors,
        "passed": share(scenario.passed),
        "false_pages_per_quiet_week": rate(scenario.false_pages),
        "benign_trip_rate": share(scenario.trips),
        "incidents": scenario.incidents.iter().map(incident).collect::<Vec<_>>(),
        "alerts": scenario.alerts.iter().map(alert).collect::<Vec<_>>(),
        "waits": waits.collect::<serde_json::Map<_, _>>(),
    })
}

fn incident(incident: &IncidentTrials) -> Value {
    let alerts = incident.alerts.iter().map(|on| {
        let mut value = detections(&on.seen);
        value["alert"] = on.alert.clone().into();
        value["expected_by_name"] = on.by_name.into();
        value
    });
    json!({
        "id": incident.id,
        "cause": incident.cause,
        "wanted": lower(incident.wanted),
        "deadline_seconds": seconds(incident.deadline_ms),
        "any": detections(&incident.any),
        "alerts": alerts.collect::<Vec<_>>(),
    })
}

fn cause(cause: &CauseTrials) -> Value {
    let mut value = detections(&cause.any);
    value["cause"] = cause.cause.clone().into();
    value["wanted"] = lower(cause.wanted).into();
    value
}

fn alert(alert: &AlertTrials) -> Value {
    json!({
        "alert": alert.alert,
        "trials": alert.trials,
        "no_data": alert.no_data,
        "no_data_ok": alert.no_data_ok,
        "standing": alert.standing,
        "standing_tickets": alert.standing_tickets,
        "expected_by_name": alert.by_name,
        "detections": alert.detections.as_ref().map(detections),
        "false_pages": alert.false_pages,
        "false_tickets": alert.false_tickets,
        "false_alarms_per_quiet_week": rate(alert.false_alarms),
        "benign_trip_rate": share(alert.trips),
        "misattributed": alert.misattributed,
        "chatter": share(alert.chatter),
    })
}

fn detections(seen: &Detections) -> Value {
    json!({
        "recall": share(Some(seen.detected)),
        "recall_at_deadline": share(Some(seen.by_deadline)),
        "masked": seen.masked,
        "latency_until_firing": latency(seen, &seen.until_firing),
        "latency": latency(seen, &seen.until_told),
        "self_resolved": share(seen.let_go),
        "flaps": seen.flaps,
        "flaps_per_detection": seen.flaps_per_detection(),
    })
}

/// A `null` quantile or bound is a miss; an interval that is `null` as a whole is not known.
fn latency(seen: &Detections, latencies: &Latencies) -> Value {
    let quantile = |q: f64| {
        let found = latencies.quantile(q).and_then(|latency| latency.ms());
        found.map(seconds)
    };
    let bounds = seen
        .median_interval(latencies)
        .map(|(low, high)| [low, high].map(|bound| bound.ms().map(seconds)));
    json!({
        "p50_seconds": quantile(0.5),
        "p50_interval_seconds": bounds,
        "p90_seconds": quantile(0.9),
        "p99_seconds": quantile(0.99),
        "max_seconds": quantile(1.0),
        "method": "misses are infinite (null)",
        "n": latencies.count(),
    })
}

fn share(share: Option<Estimate>) -> Value {
    share.map_or(Value::Null, |share| {
        json!({
            "value": share.value(), "lo": share.low, "hi": share.high, "method": lower(share.method),
            "k": share.count, "n": share.of, "seeds": share.seeds, "naive": share.naive,
        })
    })
}

fn rate(rate: Option<Rate>) -> Value {
    rate.map_or(Value::Null, |rate| {
        json!({
            "value": rate.per_week(), "lo": rate.low_per_week, "hi": rate.high_per_week,
            "method": lower(rate.method), "k": rate.count, "exposure_seconds": rate.exposure_ms as f64 / 1e3,
            "seeds": rate.seeds, "naive": rate.naive,
        })
    })
}
