//! Samples from a Prometheus, over its HTTP API.

use super::samples::{LearnError, Samples, TELLTALES};
use firedrill_detector::Labels;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::net::TcpStream;

/// Largest answer that is read, bytes.
const BODY_MAX: usize = 512 << 20;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `http://HOST[:PORT][/PREFIX]`.
    pub url: String,
    /// How far back, seconds.
    pub since_s: u64,
    /// Until when, Unix seconds; `None`: now.
    pub until_s: Option<f64>,
    /// Matchers that all series need to fit, such as `namespace="prod"`.
    pub matchers: Vec<String>,
}

/// The server behind a URL.
struct Api {
    host: String,
    prefix: String,
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

impl Api {
    fn at(url: &str) -> Result<Self, LearnError> {
        let told = |why: &str| LearnError::Prometheus(format!("{url}: {why}"));
        if url.starts_with("https://") {
            return Err(told(
                "https is not spoken here\n    forward a port of this machine to it, such as `kubectl port-forward svc/prometheus 9090`",
            ));
        }
        let rest = url.strip_prefix("http://").unwrap_or(url);
        let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if host.is_empty() || host.contains(['@', ' ', '?']) {
            return Err(told(
                "is no address\n    accepted: `http://HOST:PORT`, with a path before `/api` if there is one",
            ));
        }
        let has_port = host
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let prefix = prefix.trim_end_matches('/');
        Ok(Self {
            host: if has_port {
                host.to_owned()
            } else {
                format!("{host}:80")
            },
            prefix: if prefix.is_empty() {
                String::new()
            } else {
                format!("/{prefix}")
            },
        })
    }

    /// Asks a path of the API, with its query.
    async fn ask<T: for<'de> Deserialize<'de>>(&self, path: &str) -> Result<T, LearnError> {
        let told = |why: String| LearnError::Prometheus(format!("{}: {why}", self.host));
        let asked = tokio::time::timeout(PATIENCE, self.get(path)).await;
        let body = asked
            .map_err(|_| told(format!("no answer within {} s", PATIENCE.as_secs())))?
            .map_err(told)?;
        let answer: Answer<T> = serde_json::from_slice(&body).map_err(|error| {
            told(format!(
                "is this a Prometheus? Its answer is not as it should be: {error}"
            ))
        })?;
        match answer.data {
            Some(data) => Ok(data),
            None => Err(told(answer.error)),
        }
    }

    async fn get(&self, path: &str) -> Result<Bytes, String> {
        let stream = TcpStream::connect(&self.host)
            .await
            .map_err(|error| error.to_string())?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        let connection = tokio::spawn(connection);
        let request = hyper::Request::get(format!("{}/api/v1/{path}", self.prefix))
            .header(hyper::header::HOST, &self.host)
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| error.to_string())?;
        let body = Limited::new(response.into_body(), BODY_MAX).collect().await;
        connection.abort();
        Ok(body.map_err(|error| error.to_string())?.to_bytes())
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
    let api = Api::at(&asked.url)?;
    let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let until = asked
        .until_s
        .map_or_else(String::new, |at| format!("&time={at}"));
    let now = match asked.until_s {
        Some(at) => at,
        None => {
            let told: Scalar = api.ask("query?query=time()").await?;
            told.result.0
        }
    };
    let from = now - asked.since_s as f64;
    let names: Vec<String> = api
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
        let found: Found = api
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
