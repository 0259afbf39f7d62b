//! What the page of a watch shows: the exporter's metrics with the watch's own, and the alerts as Prometheus shows them.

use super::alerts::Alerts;
use super::receiver::{annotations, moment, pairs};
use crate::commands::targets::Scraped;
use crate::failure::Failure;
use firedrill_detector::Labels;
use firedrill_sim::http;
use firedrill_sim::metrics::{Value, exposition};
use firedrill_sim::world::World;
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What a watch has done so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) scrapes: u64,
    /// Of these, those of a Redis that did not answer.
    pub(super) redis_down: u64,
    /// Up to when rules were evaluated, Unix milliseconds.
    pub(super) evaluated_ms: i64,
    /// Evaluations that were left out because nobody was awake.
    pub(super) missed: u64,
    pub(super) rule_errors: u64,
    pub(super) sent: u64,
    pub(super) not_sent: u64,
    /// Series ever seen.
    pub(super) series: u64,
}

#[derive(Debug, Default)]
struct Texts {
    metrics: String,
    alerts: String,
}

/// The page.
pub(super) struct Page {
    texts: Arc<Mutex<Texts>>,
    /// Where it is.
    pub(super) url: String,
    serving: JoinHandle<()>,
}

impl Page {
    /// Serves it on a loopback port.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub(super) async fn serve(port: u16) -> Result<Self, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await;
        let taken = |error| Failure::environment(format!("port {port} of 127.0.0.1: {error}"));
        let listener = listener.map_err(taken)?;
        let address = listener.local_addr().map_err(Failure::environment)?;
        let texts: Arc<Mutex<Texts>> = Arc::default();
        let shows = |what: fn(&Texts) -> &String| {
            let texts = texts.clone();
            move || {
                let texts = texts.lock().unwrap_or_else(PoisonError::into_inner);
                let text = what(&texts).clone();
                std::future::ready((!text.is_empty()).then_some(text))
            }
        };
        let metrics = http::page("/metrics", shows(|texts| &texts.metrics));
        let alerts = shows(|texts| &texts.alerts);
        let alerts = http::page_of("/api/v1/alerts", "application/json", alerts);
        let serving = tokio::spawn(http::serve(listener, metrics.merge(alerts)));
        Ok(Self {
            texts,
            url: format!("http://{address}"),
            serving,
        })
    }

    /// Shows what is known now.
    pub(super) fn show(&self, scraped: &Scraped, alerts: &Alerts, counts: Counts, world: &World) {
        let mut values: Vec<Value> = scraped
            .redis
            .iter()
            .chain(&scraped.asynq)
            .cloned()
            .collect();
        values.extend(own(alerts, counts));
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        texts.metrics = exposition::encode_in(&values, world);
        texts.alerts = listed(alerts);
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The watch's own metrics.
fn own(alerts: &Alerts, counts: Counts) -> Vec<Value> {
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
    vec![
        state("firing", firing),
        state("pending", pending),
        count("evaluations_missed_total", counts.missed),
        count("notifications_failed_total", counts.not_sent),
        count("notifications_total", counts.sent),
        count("redis_down_scrapes_total", counts.redis_down),
        count("rule_errors_total", counts.rule_errors),
        count("scrapes_total", counts.scrapes),
        count("series", counts.series),
        (
            Labels::metric("firedrill_watch_last_evaluation_timestamp_seconds", []),
            counts.evaluated_ms as f64 / 1e3,
        ),
    ]
}

/// The alerts that are on, as Prometheus' `/api/v1/alerts` has them.
fn listed(alerts: &Alerts) -> String {
    let listed = alerts.active().map(|((_, labels), alert)| {
        json!({
            "labels": pairs(labels),
            "annotations": annotations(alert),
            "state": if alert.fired_ms.is_some() { "firing" } else { "pending" },
            "activeAt": moment(alert.active_ms),
            "value": alert.value.map(|value| value.to_string()),
        })
    });
    json!({ "status": "success", "data": { "alerts": listed.collect::<Vec<_>>() } }).to_string()
}
