//! What the page of a watch shows: the exporter's metrics with the watch's own, and the alerts as Prometheus shows them.

use super::alerts::Alerts;
use super::receiver::{annotations, moment, pairs};
use crate::commands::targets::Scraped;
use crate::failure::Failure;
use firedrill_detector::Labels;
use firedrill_detector::text::scientific;
use firedrill_sim::http;
use firedrill_sim::metrics::{Value, exposition};
use firedrill_sim::world::World;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What is where.
const INDEX: &str = "\
firedrill watch
/metrics         what was scraped of Redis, and the watch's own firedrill_watch_...
/api/v1/alerts   the alerts that are pending or firing, as Prometheus shows them
";

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
        let index = || std::future::ready(Some(INDEX.to_owned()));
        let index = http::page_of("/", "text/plain; charset=utf-8", index);
        let pages = metrics.merge(alerts).merge(index);
        let serving = tokio::spawn(http::serve(listener, pages));
        Ok(Self {
            texts,
            url: format!("http://{address}"),
            serving,
        })
    }

    /// Shows what is known now.
    pub(super) fn show(&self, scraped: &Scraped, alerts: &Alerts, counts: &Counts, world: &World) {
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
