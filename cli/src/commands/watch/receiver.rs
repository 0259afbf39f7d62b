//! Who is told: an Alertmanager, as Prometheus tells it, or a webhook, as Alertmanager tells that.

use super::alerts::{Alert, Alerts, Key, RESEND_MS};
use crate::args;
use firedrill_detector::Labels;
use firedrill_sim::http::get::{Client, GetError, Url};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long after a webhook was told it is told again while nothing changes, milliseconds (Alertmanager: `repeat_interval`).
const REPEAT_MS: i64 = 4 * 60 * 60_000;

/// Who is told.
#[derive(Debug, Clone)]
pub(super) enum Receiver {
    Alertmanager(Url),
    Webhook(Url),
}

/// What is to be sent, and what it is about.
#[derive(Debug)]
pub(super) struct Message {
    url: Url,
    json: String,
    pub(super) about: Vec<(Key, Alert)>,
}

impl Receiver {
    pub(super) fn of(args: &args::Receiver) -> Option<Self> {
        let alertmanager = args.alertmanager_url.as_ref();
        let alertmanager = alertmanager.map(|url| Self::Alertmanager(url.below("/api/v2/alerts")));
        alertmanager.or(args.webhook.clone().map(Self::Webhook))
    }

    /// For people.
    pub(super) const fn url(&self) -> &Url {
        match self {
            Self::Alertmanager(url) | Self::Webhook(url) => url,
        }
    }

    /// What is to be sent now, if anything is. `page`: where alerts are shown; `interval_ms`: between evaluations.
    pub(super) fn message(
        &self,
        alerts: &Alerts,
        now_ms: i64,
        interval_ms: i64,
        page: &str,
    ) -> Option<Message> {
        match self {
            Self::Alertmanager(url) => {
                let about = alerts.due(now_ms, RESEND_MS);
                // As Prometheus: it is over unless it is sent again within four intervals.
                let until_ms = now_ms + 4 * interval_ms.max(RESEND_MS);
                let posted = about
                    .iter()
                    .map(|(key, alert)| posted(key, alert, until_ms, page));
                let json = Value::Array(posted.collect()).to_string();
                let url = url.clone();
                (!about.is_empty()).then_some(Message { url, json, about })
            }
            Self::Webhook(url) => {
                let due = alerts.due(now_ms, REPEAT_MS);
                let name = name(&due.first()?.0.1).to_owned();
                let group: Vec<(Key, Alert)> = alerts
                    .fired()
                    .filter(|((_, labels), _)| self::name(labels) == name)
                    // What is over was told of already, unless it is due.
                    .filter(|(_, alert)| {
                        alert.resolved_ms.is_none() || alert.is_due(now_ms, i64::MAX)
                    })
                    .map(|(key, alert)| (key.clone(), alert.clone()))
                    .collect();
                let json = grouped(&name, &group, page).to_string();
                let url = url.clone();
                Some(Message {
                    url,
                    json,
                    about: group,
                })
            }
        }
    }
}

impl Message {
    /// Sends it.
    ///
    /// # Errors
    /// When the receiver does not take it.
    pub(super) async fn send(&self, client: &Client) -> Result<(), GetError> {
        let posted = client
            .post_json(&self.url, self.json.clone(), PATIENCE)
            .await;
        posted.map(drop)
    }
}

/// An alert in the form of Alertmanager's API (`postableAlert`).
fn posted((_, labels): &Key, alert: &Alert, until_ms: i64, page: &str) -> Value {
    json!({
        "labels": pairs(labels),
        "annotations": annotations(alert),
        "startsAt": moment(alert.fired_ms.unwrap_or(alert.active_ms)),
        "endsAt": moment(alert.resolved_ms.unwrap_or(until_ms)),
        "generatorURL": page,
    })
}

/// A group of alerts of one name in the form of Alertmanager's webhooks (`notify/webhook`, version 4).
fn grouped(name: &str, group: &[(Key, Alert)], page: &str) -> Value {
    let status = |alert: &Alert| {
        if alert.resolved_ms.is_some() {
            "resolved"
        } else {
            "firing"
        }
    };
    let all_over = group.iter().all(|(_, alert)| alert.resolved_ms.is_some());
    let alerts = group.iter().map(|((_, labels), alert)| {
        json!({
            "status": status(alert),
            "labels": pairs(labels),
            "annotations": annotations(alert),
            "startsAt": moment(alert.fired_ms.unwrap_or(alert.active_ms)),
            // Go's zero time says that it goes on.
            "endsAt": alert.resolved_ms.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), moment),
            "generatorURL": page,
            "fingerprint": format!("{:016x}", fingerprint(labels)),
        })
    });
    json!({
        "version": "4",
        "groupKey": format!("{{}}:{{alertname={name:?}}}"),
        "truncatedAlerts": 0,
        "status": if all_over { "resolved" } else { "firing" },
        "receiver": "firedrill",
        "groupLabels": { "alertname": name },
        "commonLabels": common(group.iter().map(|((_, labels), _)| pairs(labels))),
        "commonAnnotations": common(group.iter().map(|(_, alert)| annotations(alert))),
        "externalURL": page,
        "alerts": alerts.collect::<Vec<_>>(),
    })
}

fn name(labels: &Labels) -> &str {
    labels.get("alertname").unwrap_or_default()
}

pub(super) fn pairs(labels: &Labels) -> Map<String, Value> {
    let pairs = labels.iter();
    pairs
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect()
}

pub(super) fn annotations(alert: &Alert) -> Map<String, Value> {
    let pairs = alert.annotations.iter();
    pairs
        .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
        .collect()
}

/// What all of them have.
fn common(mut all: impl Iterator<Item = Map<String, Value>>) -> Map<String, Value> {
    let mut common = all.next().unwrap_or_default();
    for other in all {
        common.retain(|name, value| other.get(name) == Some(value));
    }
    common
}

/// A moment as RFC 3339 has it.
pub(super) fn moment(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |at| at.to_string())
}

/// What tells labels from others (prometheus/common `model.LabelSet.Fingerprint`: FNV-1a of names and values).
fn fingerprint(labels: &Labels) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let sorted: BTreeMap<&str, &str> = labels.iter().collect();
    let mut hash = OFFSET;
    let mut add = |bytes: &[u8]| {
        for byte in bytes.iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    };
    for (name, value) in sorted {
        add(name.as_bytes());
        add(value.as_bytes());
    }
    hash
}
