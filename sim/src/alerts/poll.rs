//! Asking a source again and again.

use super::alertmanager::Alertmanager;
use super::clock::date_ms;
use super::listener::{Listener, unix_now_ms};
use super::prometheus::Prometheus;
use super::{SourceError, teller::Instance};
use crate::http::get::{Client, Page, Url};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How often sources are asked. No part of a second comes again soon: `Date` has whole seconds, so each answer says something new
/// of a clock.
const EVERY: Duration = Duration::from_millis(970);
/// Every so many turns a Prometheus that has not found all of the drill's targets is asked for those.
const TARGETS_EVERY: u64 = 3;
/// How long an answer may take. One that takes longer counts as none.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Largest answer, bytes.
const ANSWER_MAX: usize = 32 << 20;

/// What can be asked.
#[derive(Debug, Clone)]
pub(super) enum Api {
    /// A Prometheus.
    Prometheus(Prometheus),
    /// An Alertmanager.
    Alertmanager(Alertmanager),
}

impl Api {
    /// When it was started, in its own words, if it says so.
    async fn runs_since(&self, client: &Client) -> Option<String> {
        match self {
            Self::Prometheus(api) => api.runs_since(client).await,
            Self::Alertmanager(api) => api.runs_since(client).await,
        }
    }
}

/// Asks until this is dropped.
pub(super) async fn poll(api: Api, client: Client, listener: Listener, targets: PathBuf) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut api = api;
    for turn in 0_u64.. {
        tick.tick().await;
        let asked: Result<Vec<Instance>, SourceError> = match &mut api {
            Api::Prometheus(api) => api.instances(&client, &listener).await,
            Api::Alertmanager(api) => api.instances(&client, &listener).await,
        };
        // Some that speak the same language do not say.
        if let Some(since) = api.runs_since(&client).await {
            listener.runs_since(since);
        }
        match asked {
            Ok(instances) => listener.answered(instances),
            Err(error) => listener.failed(&error.to_string()),
        }
        if let Api::Prometheus(api) = &api
            && turn % TARGETS_EVERY == 0
            && !listener.has_all_targets()
        {
            api.look_for_targets(&client, &listener, &targets).await;
        }
    }
}

/// A page of a source's, whose clock is looked at.
pub(super) async fn page(
    (client, option): (&Client, &'static str),
    url: &Url,
    listener: Option<&Listener>,
) -> Result<String, SourceError> {
    let asked_ms = unix_now_ms();
    let page = client.page(url, PATIENCE, ANSWER_MAX).await;
    let answered_ms = unix_now_ms();
    let Page { text, date } = page.map_err(|error| SourceError::Get { option, error })?;
    if let (Some(listener), Some(date_ms)) = (listener, date.as_deref().and_then(date_ms)) {
        listener.clock_told(date_ms, (asked_ms, answered_ms));
    }
    Ok(text)
}
