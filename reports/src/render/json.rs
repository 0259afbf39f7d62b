//! The scorecard for machines. Times are seconds; names carry the unit. Additive within a major `schema_version`.

use crate::record::{Audit, Cost};
use crate::render::{cause, gate, routed, why};
use crate::score::judge::{Judged, Truth};
use crate::score::stats::Share;
use crate::score::{AlertScore, Did, DrillScore, IncidentScore, RemedyScore, Standing, Summary};
use crate::waits::Waits;
use crate::{Scorecard, Verdict};
use serde_json::{Value, json};

/// Version of the form.
const SCHEMA_VERSION: &str = "1.0";

/// The scorecard as JSON, pretty-printed.
#[must_use]
pub fn json(card: &Scorecard) -> String {
    let mut value = json!({
        "schema_version": SCHEMA_VERSION,
        "verdict": verdict(card.verdict()),
        "drills": card.drills.iter().map(drill).collect::<Vec<_>>(),
        "summary": summary(&card.summary),
        "tickets": card.tickets.as_ref().map(summary),
        "never_fired": card.never_fired,
        "never_had_data": card.never_had_data,
        "dead_rules": card.dead,
        "cut_short": card.cut_short,
        "diagnosis": card.diagnosis.as_ref().map(why::value),
        "always_firing": card.always_firing,
    });
    if !card.called.is_empty() {
        value["causes"] = cause::matrix_json(&card.called).into();
    }
    if let Some(gated) = &card.gated {
        gate::put(gated, &mut value);
    }
    let mut text = format!("{value:#}");
    text.push('\n');
    text
}

/// A metric is an object with its value, its interval if it has one, how that was made, and from how many; `null` where
/// there was nothing to measure it on.
fn summary(summary: &Summary) -> Value {
    let incidents = summary.recall.map_or(0, |share| share.of);
    // With misses as infinite: a `null` quantile is a miss, and no quantiles at all are no incidents.
    let latency = |latency: Option<[Option<i64>; 2]>| {
        latency.map(|[median, p90]| {
            json!({
                "median_seconds": median.map(seconds),
                "p90_seconds": p90.map(seconds),
                "method": "misses are infinite (null)",
                "n": incidents,
            })
        })
    };
    let plain = |value: Option<f64>, n: u64| {
        value.map(
            |value| json!({ "value": value, "lo": null, "hi": null, "method": "mean", "n": n }),
        )
    };
    let part = |part_ms: i64, of_ms: i64| {
        (of_ms > 0).then(|| {
            json!({
                "value": part_ms as f64 / of_ms as f64, "lo": null, "hi": null,
                "method": "share of time", "seconds": seconds(part_ms), "of_seconds": seconds(of_ms),
            })
        })
    };
    let quantile = |index: usize| {
        summary
            .latency_ms
            .and_then(|latency| latency[index])
            .map(seconds)
    };
    let time = summary.time;
    json!({
        "recall": share(summary.recall),
        "recall_lenient": share(summary.recall_lenient),
        "recall_at_deadline": share(summary.recall_at_deadline),
        "event_precision": share(summary.precision),
        "event_precision_lenient": share(summary.precision_lenient),
        "useful_page_ratio": share(summary.useful_pages),
        "top1_attribution": share(summary.top1),
        "top1_attribution_lenient": share(summary.top1_lenient),
        "benign_trip_rate": share(summary.benign_trips),
        "latency": latency(summary.latency_ms),
        "latency_until_firing": latency(summary.latency_fire_ms),
        "latency_median_seconds": quantile(0),
        "latency_p90_seconds": quantile(1),
        "mean_time_undetected_seconds": plain(summary.mean_undetected_ms.map(|ms| ms / 1e3), incidents),
        "mean_undetected_impact": plain(summary.mean_undetected_share, incidents),
        "undetected_impact": part(summary.undetected_ms.0, summary.undetected_ms.1),
        "undetected_impact_seconds": seconds(summary.undetected_ms.0),
        "impact_seconds": seconds(summary.undetected_ms.1),
        "alert_time_precision": part(time.in_incidents_ms, time.firing_ms),
        "alert_time_recall": part(time.right_ms, time.incidents_ms),
        "noise_time": part(time.firing_ms - time.in_incidents_ms, summary.exposure_ms),
        "false_pages": summary.false_pages,
        "repeated_pages": summary.repeats,
        "over_escalated": summary.over_escalated,
        "exposure_seconds": seconds(summary.exposure_ms),
        "false_pages_per_week": summary.false_pages_per_week().map(|(value, lo, hi)| json!({
            "value": value, "lo": lo, "hi": hi, "method": "garwood", "n": summary.false_pages,
        })),
        "inconclusive_drills": summary.inconclusive,
    })
}

pub(super) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1e3
}

pub(super) fn lower(value: impl std::fmt::Debug) -> String {
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

pub(super) fn share(share: Option<Share>) -> Value {
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
        "started_unix_seconds": seconds(drill.epoch_ms),
        "engine": drill.engine,
        "group_wait_seconds": seconds(drill.delivery.group_wait_ms),
        "group_interval_seconds": seconds(drill.delivery.group_interval_ms),
        "alertmanager": routed::value(drill.routed.as_ref()),
        "verdict": verdict(drill.verdict),
        "inconclusive": drill.inconclusive,
        "incidents": drill.incidents.iter().map(incident).collect::<Vec<_>>(),
        "alerts": drill.alerts.iter().map(|score| alert(drill, score)).collect::<Vec<_>>(),
        "episodes": drill.episodes.iter().map(episode).collect::<Vec<_>>(),
        "standing": drill.standing.iter().map(standing).collect::<Vec<_>>(),
        "exposure_seconds": seconds(drill.exposure_ms),
        "audit": drill.audit,
        "jobs_lost": drill.audit.as_ref().map(Audit::jobs_lost),
        "jobs_duplicated": drill.audit.as_ref().map(Audit::jobs_duplicated),
        "jobs_stuck": drill.audit.as_ref().map(Audit::jobs_stuck),
        "remedies": drill.remedies.iter().map(remedy).collect::<Vec<_>>(),
        "waits": drill_waits(drill),
        "lag": drill.lag,
        "rule_errors": drill.rule_errors,
    })
}

/// All of it, zeros too.
fn cost(cost: Cost) -> Value {
    json!({
        "executions_cut_off": cost.cut_off,
        "work_lost_seconds": cost.work_lost_ms as f64 / 1e3,
        "tasks_archived": cost.archived,
        "tasks_deleted": cost.deleted,
        "executions_failed_again": cost.failed_again,
        "tasks_stranded": cost.stranded,
    })
}

/// `null` where there was nothing to tell from.
fn remedy(remedy: &RemedyScore) -> Value {
    json!({
        "id": remedy.id,
        "remedy": remedy.what,
        "targets": remedy.targets,
        "at_seconds": seconds(remedy.at_ms),
        "saw": remedy.saw,
        "ends": remedy.ends,
        "backlog": remedy.backlog,
        "drained_seconds": remedy.drained_ms.map(seconds),
        "harm_seconds": remedy.harm_ms.map(seconds),
        "effect": remedy.effect.map(lower),
        "cost": remedy.cost.map(cost),
    })
}

fn incident(incident: &IncidentScore) -> Value {
    let truth = &incident.truth;
    json!({
        "id": truth.id,
        "cause": truth.cause,
        "wanted": lower(truth.wanted),
        "outcome": lower(incident.outcome),
        "past_deadline": incident.past_deadline,
        "seen_after": incident.seen_after,
        "unsent": incident.unsent,
        "kept_back": incident.kept_back.as_ref().map(routed::why),
        "fault_seconds": seconds(truth.fault_ms),
        "impact_start_seconds": truth.impact_ms.map(seconds),
        "fault_over_seconds": seconds(truth.fault_over_ms),
        "end_seconds": seconds(truth.end_ms),
        "deadline_seconds": seconds(truth.deadline_ms),
        "detection": incident.detection.as_ref().map(|detection| json!({
            "alert": detection.alert,
            "signal_lag_seconds": seconds(detection.pending_ms - truth.fault_ms),
            "hold_seconds": seconds(detection.fired_ms - detection.pending_ms),
            "delivery_seconds": seconds(detection.delivered_ms - detection.fired_ms),
            "from_fault_seconds": seconds(detection.delivered_ms - truth.fault_ms),
            "from_first_harm_seconds": truth.impact_ms.map(|impact| seconds(detection.delivered_ms - impact)),
        })),
        "first_page": incident.first_page,
        "first_page_role": incident.first_page_role.map(lower),
        "harmed_tasks": incident.harmed_tasks,
        "impact_seconds": seconds(incident.impact_ms),
        "undetected_seconds": seconds(incident.undetected_ms),
        "reset_seconds": incident.reset_ms.map(seconds),
        "self_resolved_seconds": incident.let_go_ms.map(|ms| seconds(ms - truth.fault_ms)),
        "reset_is_at_least": incident.reset_open,
        "gap_seconds": seconds(incident.gap_ms),
    })
}

fn alert(drill: &DrillScore, alert: &AlertScore) -> Value {
    let on = alert.on.iter().zip(&drill.incidents).map(|(on, incident)| {
        let mut value = did(&on.did, &incident.truth);
        value["incident"] = on.incident.into();
        value["role"] = lower(on.role).into();
        value["expected_by_name"] = on.by_name.into();
        value
    });
    let false_alarms = alert.false_alarms.iter().map(|alarm| {
        json!({
            "at_seconds": seconds(alarm.at_ms - drill.zero_ms), "page": alarm.page,
            "on_since_seconds": alarm.since_ms.map(|ms| seconds(ms - drill.zero_ms)),
        })
    });
    // What the most telling thing was, and on which incident.
    let told = alert
        .on
        .iter()
        .position(|on| on.did == alert.did)
        .and_then(|index| drill.incidents.get(index));
    let mut value = match (&alert.did, told) {
        (Did::CriedWolf { at_ms }, _) => {
            json!({ "did": "cried_wolf", "at_seconds": seconds(at_ms - drill.zero_ms) })
        }
        (told, Some(incident)) => did(told, &incident.truth),
        (_, None) => json!({ "did": "silent" }),
    };
    value["alert"] = alert.alert.clone().into();
    value["role"] = alert.role.map(lower).into();
    value["no_data"] = alert.no_data.into();
    value["episodes"] = alert.episodes.len().into();
    value["on"] = on.collect();
    value["false_alarms"] = false_alarms.collect();
    value
}

/// Times count from the fault.
fn did(did: &Did, truth: &Truth) -> Value {
    let since = |ms: i64| seconds(ms - truth.fault_ms);
    match did {
        Did::CriedWolf { at_ms } => json!({ "did": "cried_wolf", "at_seconds": since(*at_ms) }),
        Did::Detected {
            pending_ms,
            fired_ms,
            delivered_ms,
            in_time,
            let_go_ms,
            over_ms,
            flaps,
        } => json!({
            "did": "detected",
            "in_time": in_time,
            "from_fault_seconds": since(*delivered_ms),
            "from_first_harm_seconds": truth.impact_ms.map(|harm_ms| seconds(delivered_ms - harm_ms)),
            "signal_lag_seconds": since(*pending_ms),
            "hold_seconds": seconds(fired_ms - pending_ms),
            "delivery_seconds": seconds(delivered_ms - fired_ms),
            "self_resolved_seconds": let_go_ms.map(since),
            "resolved_seconds": over_ms.map(since),
            "flaps": flaps,
        }),
        Did::Beside {
            at_ms,
            class,
            page,
            receivers,
        } => json!({
            "did": "beside", "class": lower(class), "page": page, "at_seconds": since(*at_ms), "receivers": receivers,
        }),
        Did::Unsent { at_ms, kept_back } => json!({
            "did": "unsent", "at_seconds": since(*at_ms), "kept_back": kept_back.as_ref().map(routed::why),
        }),
        Did::Missed => json!({ "did": "missed" }),
        Did::Masked => json!({ "did": "masked" }),
        Did::Silent => json!({ "did": "silent" }),
    }
}

/// Times count from the start of the drill.
fn standing(found: &Standing) -> Value {
    json!({
        "alert": found.alert,
        "severity": found.severity,
        "page": found.page,
        "since_seconds": seconds(found.since_ms),
        "firing_seconds": seconds(found.fired_ms),
        "end_seconds": found.until_ms.map(seconds),
    })
}

fn episode(judged: &Judged) -> Value {
    json!({
        "alert": judged.episode.alert,
        "severity": judged.episode.severity,
        "page": judged.page,
        "class": lower(judged.class),
        "incident": judged.incident,
        "also_incidents": judged.also,
        "pending_seconds": seconds(judged.episode.pending_ms),
        "firing_seconds": seconds(judged.episode.start_ms),
        "delivered_seconds": judged.episode.sent.then(|| seconds(judged.episode.delivered_ms)),
        "end_seconds": seconds(judged.episode.end_ms),
        "open": judged.episode.open,
    })
}

/// By queue; empty for records that do not tell.
fn drill_waits(drill: &DrillScore) -> Value {
    let queues = drill
        .waits
        .iter()
        .map(|queue| (queue.queue.clone(), waits(&queue.counts)));
    Value::Object(queues.collect())
}

/// Of tasks that started; `null` where none did.
pub(super) fn waits(waits: &Waits) -> Value {
    let seconds = |ms: Option<u64>| ms.map(|ms| ms as f64 / 1e3);
    let quantile = |q: f64| seconds(waits.quantile(q));
    json!({
        "tasks": waits.count(),
        "p50_seconds": quantile(0.5),
        "p90_seconds": quantile(0.9),
        "p99_seconds": quantile(0.99),
        "p99_9_seconds": quantile(0.999),
        "max_seconds": seconds(waits.max()),
    })
}
