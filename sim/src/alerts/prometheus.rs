//! A Prometheus, by its HTTP API. `/api/v1/rules` has what `/api/v1/alerts` has, and of the same moment when each rule was
//! evaluated; so the latter is not asked.

use super::SourceError;
use super::clock::moment_ms;
use super::listener::{Listener, unix_now_ms};
use super::poll::page;
use super::teller::Instance;
use crate::http::get::{Client, Url};
use firedrill_reports::record::ToldState;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const OPTION: &str = "--prometheus";

/// Beyond so many of its own intervals, a rule that was not evaluated is told.
const INTERVALS_MAX: f64 = 3.0;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Prometheus {
    url: Url,
    /// When each rule was evaluated last, by group, name and expression: Unix milliseconds.
    evaluated: BTreeMap<RuleKey, i64>,
}

/// Group's file, group, alert and expression.
type RuleKey = (String, String, String, String);

#[derive(Deserialize)]
struct Answer<D> {
    #[serde(default)]
    error: String,
    data: Option<D>,
}

#[derive(Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    #[serde(default)]
    file: String,
    #[serde(default)]
    interval: f64,
    rules: Vec<Rule>,
}

/// An alerting rule, and its alerts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) query: String,
    /// `for`, seconds.
    #[serde(default)]
    pub(super) duration: f64,
    /// Seconds.
    #[serde(default)]
    pub(super) keep_firing_for: f64,
    #[serde(default)]
    health: String,
    #[serde(default)]
    last_error: String,
    #[serde(default)]
    last_evaluation: String,
    #[serde(default)]
    alerts: Vec<Alert>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    state: String,
    active_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Targets {
    active_targets: Vec<Target>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    scrape_url: String,
}

/// How it runs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Running {
    start_time: String,
}

/// A group of `targets.json`.
#[derive(Deserialize)]
struct Listed {
    targets: Vec<String>,
}

impl Prometheus {
    pub(super) fn new(url: &Url) -> Self {
        Self {
            url: url.clone(),
            evaluated: BTreeMap::new(),
        }
    }

    /// Its alerting rules.
    pub(super) async fn rules(&self, client: &Client) -> Result<Vec<Rule>, SourceError> {
        let groups = self.groups(client, None).await?.into_iter();
        Ok(groups.flat_map(|group| group.rules).collect())
    }

    /// When it was started, in its own words.
    pub(super) async fn runs_since(&self, client: &Client) -> Option<String> {
        let url = self.url.below("/api/v1/status/runtimeinfo");
        let text = page((client, OPTION), &url, None).await.ok()?;
        let answer: Answer<Running> = serde_json::from_str(&text).ok()?;
        answer.data.map(|running| running.start_time)
    }

    /// The alerts it has, and what is wrong with the rules behind them.
    pub(super) async fn instances(
        &mut self,
        client: &Client,
        listener: &Listener,
    ) -> Result<Vec<Instance>, SourceError> {
        let groups = self.groups(client, Some(listener)).await?;
        let now_ms = unix_now_ms();
        let mut instances = Vec::new();
        for group in groups {
            for rule in &group.rules {
                self.rule((&group, rule), now_ms, listener, &mut instances);
            }
        }
        Ok(instances)
    }

    fn rule(
        &mut self,
        (group, rule): (&Group, &Rule),
        now_ms: i64,
        listener: &Listener,
        instances: &mut Vec<Instance>,
    ) {
        let is_ours = listener.is_ours(&rule.name);
        if is_ours && rule.health == "err" {
            listener.doubt(&format!(
                "its rule {} fails: {}",
                rule.name, rule.last_error
            ));
        }
        let evaluated_ms = moment_ms(&rule.last_evaluation);
        let interval_ms = group.interval * 1e3;
        let age_ms = evaluated_ms.map_or(0, |at| now_ms.saturating_sub(at));
        if is_ours && interval_ms > 0.0 && age_ms as f64 > INTERVALS_MAX * interval_ms + 5e3 {
            listener.doubt(&format!(
                "it did not evaluate {} for {} s, at an interval of {} s",
                rule.name,
                age_ms / 1000,
                group.interval
            ));
        }
        let key = (
            group.file.clone(),
            group.name.clone(),
            rule.name.clone(),
            rule.query.clone(),
        );
        // What is new was found by the last evaluation, if there was only one since we asked before.
        let before_ms = self.evaluated.get(&key).copied();
        let found_ms = evaluated_ms.filter(|at_ms| {
            before_ms.is_some_and(|before_ms| {
                interval_ms > 0.0 && ((at_ms - before_ms) as f64) < 1.5 * interval_ms
            })
        });
        if let Some(evaluated_ms) = evaluated_ms {
            self.evaluated.insert(key, evaluated_ms);
        }
        for alert in &rule.alerts {
            let state = match alert.state.as_str() {
                "pending" => ToldState::Pending,
                "firing" => ToldState::Firing,
                "inactive" => continue,
                other => {
                    listener.doubt(&format!("it calls {} `{other}`", rule.name));
                    continue;
                }
            };
            let active_ms = alert.active_at.as_deref().and_then(moment_ms);
            let mut labels = alert.labels.clone();
            labels.insert("alertname".to_owned(), rule.name.clone());
            instances.push(Instance {
                labels,
                annotations: alert.annotations.clone().unwrap_or_default(),
                state,
                since_ms: found_ms.map(|at_ms| listener.since_start(at_ms)),
                began_ms: None,
                active_ms: active_ms.map(|at_ms| listener.since_start(at_ms)),
                receivers: Vec::new(),
                kept_back: Vec::new(),
                pages: false,
            });
        }
    }

    async fn groups(
        &self,
        client: &Client,
        listener: Option<&Listener>,
    ) -> Result<Vec<Group>, SourceError> {
        let url = self.url.below("/api/v1/rules").with("type", "alert");
        let text = page((client, OPTION), &url, listener).await?;
        let found: Groups = self.read(&text)?;
        Ok(found.groups)
    }

    fn read<D: for<'de> Deserialize<'de>>(&self, text: &str) -> Result<D, SourceError> {
        let foreign = |reason: String| SourceError::Foreign {
            option: OPTION,
            url: self.url.to_string(),
            what: "a Prometheus",
            reason,
            example: "http://host:9090",
        };
        let answer: Result<Answer<D>, _> = serde_json::from_str(text);
        let answer = answer.map_err(|error| foreign(error.to_string()))?;
        answer.data.ok_or_else(|| {
            foreign(match answer.error.is_empty() {
                true => "there is no `data` in its answer".to_owned(),
                false => answer.error,
            })
        })
    }

    /// How many of the drill's targets, as its file names them, are among those it scrapes.
    pub(super) async fn look_for_targets(&self, client: &Client, listener: &Listener, file: &Path) {
        let Some(addresses) = listed(file) else {
            return;
        };
        let url = self.url.below("/api/v1/targets").with("state", "active");
        let Ok(text) = page((client, OPTION), &url, Some(listener)).await else {
            // That it does not answer is told by whoever asks for its alerts.
            return;
        };
        match self.read::<Targets>(&text) {
            Ok(targets) => {
                let urls = targets.active_targets.iter();
                let scraped: BTreeSet<&str> = urls
                    .filter_map(|target| place(&target.scrape_url))
                    .collect();
                let found = addresses.iter().filter(|at| scraped.contains(at.as_str()));
                listener.targets(found.count(), addresses.len());
            }
            Err(error) => listener.doubt(&error.to_string()),
        }
    }
}

/// The addresses in `targets.json`, while it is there.
fn listed(file: &Path) -> Option<BTreeSet<String>> {
    let text = std::fs::read_to_string(file).ok()?;
    let groups: Vec<Listed> = serde_json::from_str(&text).ok()?;
    let addresses = groups.into_iter().flat_map(|group| group.targets);
    Some(addresses.collect())
}

/// `host:port` of an address.
fn place(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.split(['/', '?']).next()
}
