//! What the page of a watch shows beside the live view: the exporter's metrics with the watch's own, and the alerts as Prometheus shows them.

use super::alerts::Alerts;
use super::receiver::{annotations, moment, pairs};
use crate::commands::targets::Scraped;
use firedrill_detector::Labels;
use firedrill_detector::text::scientific;
use firedrill_sim::http::{self, Pages};
use firedrill_sim::metrics::{Value, exposition};
use firedrill_sim::world::World;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Where the alerts are.
pub(super) const ALERTS: &str = "api/v1/alerts";

/// What a watch has done so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    pub(super) scrapes: u64,
    /// Of these, those of a Redis that did not answer.
    pub(super) redis_down: u64,
    /// Up to when rules were evaluated, Unix milliseconds.
    pub(super) evaluated_ms: i64,
    /// Evaluations that were left out because nobody was awake.
    pub(super) missed: u64,
    /// Evaluations of rules that failed, by group and rule.
    pub(super) rule_errors: BTreeMap<(String, String), u64>,
    pub(super) sent: u64,
    pub(super) not_sent: u64,
    /// Series ever seen.
    pub(super) series: u64,
}

/// The alerts that are on, as text.
#[derive(Debug, Clone, Default)]
pub(super) struct Listed(Arc<Mutex<String>>);

impl Listed {
    /// The page with them.
    pub(super) fn page(&self) -> Pages {
        let text = self.0.clone();
        http::page_of("/api/v1/alerts", "application/json", move || {
            let text = text.lock().unwrap_or_else(PoisonError::into_inner).clone();
            std::future::ready((!text.is_empty()).then_some(text))
        })
    }

    /// Shows what is known now.
    pub(super) fn show(&self, alerts: &Alerts) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *text = listed(alerts);
    }
}

/// What `/metrics` shows: what was scraped of Redis, and the watch's own.
pub(super) fn exposed(
    scraped: &Scraped,
    alerts: &Alerts,
    counts: &Counts,
    world: &World,
) -> String {
    let redis = scraped.redis.iter().chain(&scraped.asynq);
    let mut values: Vec<Value> = redis.cloned().collect();
    values.extend(own(alerts, counts));
    exposition::encode_in(&values, world)
}

/// The watch's own metrics.
fn own(alerts: &Alerts, counts: &Counts) -> Vec<Value> {
    let firing = alerts
        .active()
        .filter(|(_, alert)| alert.fired_ms.is_some())
        .count();
    let pending = alerts.active().count() - firing;
    let count = |name: &str, count: u64| {
        (
            Labels::metric(&format!("firedrill_watch_{name}"), []),
            count as f64,
        )
    };
    let state = |state: &str, count: usize| {
        (
            Labels::metric("firedrill_watch_alerts", [("alertstate", state)]),
            count as f64,
        )
    };
    let errors = counts.rule_errors.iter().map(|((group, rule), errors)| {
        let labels = [("rule_group", group.as_str()), ("rule", rule.as_str())];
        (
            Labels::metric("firedrill_watch_rule_errors_total", labels),
            *errors as f64,
        )
    });
    let mut own = vec![
        state("firing", firing),
        state("pending", pending),
        count("evaluations_missed_total", counts.missed),
        count("notifications_failed_total", counts.not_sent),
        count("notifications_total", counts.sent),
        count("redis_down_scrapes_total", counts.redis_down),
        count("scrapes_total", counts.scrapes),
        count("series", counts.series),
        (
            Labels::metric("firedrill_watch_last_evaluation_timestamp_seconds", []),
            counts.evaluated_ms as f64 / 1e3,
        ),
    ];
    own.extend(errors);
    own
}

/// The alerts that are on, as Prometheus' `/api/v1/alerts` has them.
fn listed(alerts: &Alerts) -> String {
    let listed = alerts.active().map(|((_, labels), alert)| {
        json!({
            "labels": pairs(labels),
            "annotations": annotations(alert),
            "state": if alert.fired_ms.is_some() { "firing" } else { "pending" },
            "activeAt": moment(alert.active_ms),
            "value": alert.value.map(scientific),
        })
    });
    json!({ "status": "success", "data": { "alerts": listed.collect::<Vec<_>>() } }).to_string()
}
