//! Samples from a Prometheus, over its HTTP API.

use super::samples::{LearnError, Samples, TELLTALES};
use crate::http::get::{Client, Url};
use firedrill_detector::Labels;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Largest answer that is read, bytes.
const BODY_MAX: usize = 512 << 20;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The Prometheus.
    pub url: Url,
    /// Who asks it.
    pub client: Client,
    /// How far back, seconds.
    pub since_s: u64,
    /// Until when, Unix seconds; `None`: now.
    pub until_s: Option<f64>,
    /// Matchers that all series need to fit, such as `namespace="prod"`.
    pub matchers: Vec<String>,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: Option<T>,
    #[serde(default)]
    error: String,
}

/// A moment, and a value.
#[derive(Deserialize)]
struct Scalar {
    result: (f64, String),
}

#[derive(Deserialize)]
struct Found {
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    /// That of an instant vector.
    value: Option<(f64, String)>,
}

impl Asked {
    /// Asks a path of the API, with its query.
    async fn ask<T: for<'de> Deserialize<'de>>(&self, path: &str) -> Result<T, LearnError> {
        let told = |why: String| LearnError::Prometheus(why);
        let url = self.url.below(&format!("/api/v1/{path}"));
        let body = self.client.get_up_to(&url, PATIENCE, BODY_MAX).await;
        let body = body.map_err(|error| told(error.to_string()))?;
        let answer: Answer<T> = serde_json::from_str(&body).map_err(|error| {
            told(format!(
                "{}: is this a Prometheus? Its answer is not as it should be: {error}",
                self.url
            ))
        })?;
        match answer.data {
            Some(data) => Ok(data),
            None => Err(told(format!("{}: {}", self.url, answer.error))),
        }
    }
}

/// Names that may tell of tasks, of targets or of Redis.
fn may_tell(name: &str) -> bool {
    const ENDS: [&str; 4] = ["_total", "_bucket", "_sum", "_count"];
    const OTHERS: [&str; 8] = [
        "go_",
        "process_",
        "prometheus_",
        "promhttp_",
        "net_",
        "node_",
        "kube_",
        "container_",
    ];
    let words = ["in_progress", "in_flight", "inflight", "active", "running"];
    let told = name == "up"
        || name.starts_with("asynq_")
        || name.starts_with("redis_")
        || ENDS.iter().any(|end| name.ends_with(end))
        || words.iter().any(|word| name.contains(word));
    told && !OTHERS.iter().any(|other| name.starts_with(other))
}

/// Fetches what may tell of tasks.
///
/// # Errors
/// When it cannot be had, with the server's words if it said some.
pub async fn fetch(asked: &Asked) -> Result<Samples, LearnError> {
    let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let until = asked
        .until_s
        .map_or_else(String::new, |at| format!("&time={at}"));
    let now = match asked.until_s {
        Some(at) => at,
        None => {
            let told: Scalar = asked.ask("query?query=time()").await?;
            told.result.0
        }
    };
    let from = now - asked.since_s as f64;
    let names: Vec<String> = asked
        .ask(&format!("label/__name__/values?start={from}&end={now}"))
        .await?;
    let mut samples = Samples::default();
    for name in &names {
        let tells_exporter = TELLTALES.contains(&name.as_str());
        if !tells_exporter && !may_tell(name) {
            continue;
        }
        let matchers: String = asked
            .matchers
            .iter()
            .map(|matcher| format!(",{matcher}"))
            .collect();
        let mut query = format!("{{__name__=\"{name}\"{matchers}}}[{}s]", asked.since_s);
        if tells_exporter {
            query = format!("topk by (job) (1, last_over_time({query}))");
        }
        let found: Found = asked
            .ask(&format!("query?query={}{until}", escaped(&query)))
            .await?;
        for series in found.result {
            let labels = Labels::from_pairs(series.metric);
            for (at, value) in series.values.into_iter().chain(series.value) {
                let value = value.parse().unwrap_or(f64::NAN);
                samples.push(labels.clone(), (at * 1e3).round() as i64, value)?;
            }
        }
    }
    samples.in_order();
    Ok(samples)
}
