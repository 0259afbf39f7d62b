//! An Alertmanager, by its HTTP API, version 2.

use super::SourceError;
use super::clock::moment_ms;
use super::listener::Listener;
use super::poll::page;
use super::teller::Instance;
use crate::http::get::{Client, Url};
use firedrill_reports::record::{SILENCED, ToldState};
use serde::Deserialize;
use std::collections::BTreeMap;

const OPTION: &str = "--alertmanager-url";

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Alertmanager {
    url: Url,
}

/// `gettableAlert` of its API.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alert {
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    starts_at: String,
    #[serde(default)]
    receivers: Vec<Receiver>,
    status: Status,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Receiver {
    name: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    state: String,
    #[serde(default)]
    silenced_by: Vec<String>,
    #[serde(default)]
    inhibited_by: Vec<String>,
    #[serde(default)]
    muted_by: Vec<String>,
}

/// `alertmanagerStatus`: what it calls its uptime is when that began.
#[derive(Deserialize)]
struct Running {
    uptime: String,
}

impl Alertmanager {
    pub(super) fn new(url: &Url) -> Self {
        Self { url: url.clone() }
    }

    /// The alerts it has.
    pub(super) async fn ask(&self, client: &Client) -> Result<Vec<Alert>, SourceError> {
        self.alerts(client, None).await
    }

    /// The same, by a drill's clock.
    pub(super) async fn instances(
        &self,
        client: &Client,
        listener: &Listener,
    ) -> Result<Vec<Instance>, SourceError> {
        let alerts = self.alerts(client, Some(listener)).await?.into_iter();
        let instances = alerts.filter_map(|alert| instance(alert, listener));
        Ok(instances.collect())
    }

    /// When it was started, in its own words.
    pub(super) async fn runs_since(&self, client: &Client) -> Option<String> {
        let url = self.url.below("/api/v2/status");
        let text = page((client, OPTION), &url, None).await.ok()?;
        let status: Running = serde_json::from_str(&text).ok()?;
        Some(status.uptime)
    }

    async fn alerts(
        &self,
        client: &Client,
        listener: Option<&Listener>,
    ) -> Result<Vec<Alert>, SourceError> {
        let url = self.url.below("/api/v2/alerts");
        let text = page((client, OPTION), &url, listener).await?;
        serde_json::from_str(&text).map_err(|error| SourceError::Foreign {
            option: OPTION,
            url: self.url.to_string(),
            what: "an Alertmanager",
            reason: error.to_string(),
            example: "http://host:9093",
        })
    }
}

/// One that has not been through its routes yet is not there yet.
fn instance(alert: Alert, listener: &Listener) -> Option<Instance> {
    let status = alert.status;
    let state = match status.state.as_str() {
        "active" => ToldState::Firing,
        "suppressed" => ToldState::KeptBack,
        "unprocessed" => return None,
        other => {
            listener.doubt(&format!("it has alerts in the state `{other}`"));
            return None;
        }
    };
    let named = |what: &str, by: Vec<String>| -> Vec<String> {
        by.iter().map(|by| format!("{what} {by}")).collect()
    };
    let kept_back = [
        named(SILENCED, status.silenced_by),
        named("inhibited by", status.inhibited_by),
        named("muted by", status.muted_by),
    ];
    let began = moment_ms(&alert.starts_at).map(|at_ms| listener.since_start(at_ms));
    let receivers = alert.receivers.into_iter().map(|receiver| receiver.name);
    Some(Instance {
        labels: alert.labels,
        annotations: alert.annotations.unwrap_or_default(),
        state,
        since_ms: began,
        began_ms: began,
        active_ms: None,
        receivers: receivers.collect(),
        kept_back: kept_back.concat(),
        pages: false,
    })
}
