//! What can be typed after `firedrill diagnose`.

use super::common::redis;
use super::{Judged, Redis, Span};
use clap::Args;
use firedrill_sim::http::get::Url;
use std::path::PathBuf;

/// `diagnose`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("what").required(true).multiple(true).args(["runs", "redis", "prometheus"]),
    mut_arg("runs", |runs| runs.required(false)),
    mut_arg("rules", |rules| rules.help(
        "Rule files whose first page is the moment to ask, instead of those in the record: files, folders, patterns"
    ))
)]
pub struct Diagnose {
    /// The records, and what they are judged by.
    #[command(flatten)]
    pub judged: Judged,
    /// What is looked at instead of records.
    #[command(flatten)]
    pub live: Live,
    /// Print what is found as JSON
    #[arg(long)]
    pub json: bool,
}

/// A fleet that is running. It is only looked at.
#[derive(Debug, Args)]
#[command(next_help_heading = "A fleet that is running")]
pub struct Live {
    /// The Redis that holds the queues: host:port, or a URL as for `run`; nothing is written to it
    #[arg(long, value_parser = redis, value_name = "URL", conflicts_with_all = ["runs", "rules", "pages"])]
    pub redis: Option<Redis>,
    /// Metrics of a process, `http://host:port/metrics`, of the job `worker` if none is named; may be given several times
    #[arg(long, value_name = "[JOB=]URL", requires = "redis")]
    pub metrics: Vec<Metrics>,
    /// A Prometheus that scrapes workers, asynq's collector and redis_exporter: `http://host:port`, or `https://`
    #[arg(long, value_name = "URL", conflicts_with_all = ["runs", "rules", "pages", "metrics"])]
    pub prometheus: Option<Url>,
    /// Who asks Prometheus and for metrics, and whom it believes: a file as promtool takes it (basic_auth, authorization,
    /// http_headers, tls_config)
    #[arg(
        long,
        alias = "http.config.file",
        value_name = "FILE",
        conflicts_with_all = ["runs", "rules", "pages"]
    )]
    pub http_config: Option<PathBuf>,
    /// Containers of the workers: a filter, or options of `docker ps` in quotes; `docker inspect` says how they are
    #[arg(
        long,
        value_name = "FILTER",
        allow_hyphen_values = true,
        conflicts_with_all = ["runs", "rules", "pages", "kube"]
    )]
    pub docker: Option<String>,
    /// Pods of the workers: a selector, or options of `kubectl get pods` in quotes, such as '-n prod -l app=worker'
    #[arg(
        long,
        value_name = "SELECTOR",
        allow_hyphen_values = true,
        conflicts_with_all = ["runs", "rules", "pages"]
    )]
    pub kube: Option<String>,
    /// How long to look where there is no Prometheus that remembers; windows of time are cut to that
    #[arg(
        long = "for",
        value_name = "DURATION",
        default_value = "60s",
        value_parser = look,
        conflicts_with = "prometheus"
    )]
    pub span: Span,
    /// How often to scrape meanwhile
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "5s",
        conflicts_with = "prometheus"
    )]
    pub scrape_interval: Span,
}

/// A page of metrics, and the job of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// Prometheus' label `job`.
    pub job: String,
    /// Where it is.
    pub url: Url,
}

impl std::str::FromStr for Metrics {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (job, url) = match text.split_once('=') {
            Some((job, url)) if !job.contains("://") => (job, url),
            _ => ("worker", text),
        };
        let url: Url = url.parse().map_err(|error| format!("{error}"))?;
        let url = if url.is_bare() {
            url.below("/metrics")
        } else {
            url
        };
        Ok(Self {
            job: job.to_owned(),
            url,
        })
    }
}

/// Reads `--for`.
fn look(text: &str) -> Result<Span, String> {
    let span: Span = text.parse()?;
    let least_ms = firedrill_reports::cause::symptom::SPAN_LEAST_MS;
    match span.0 {
        ms if ms >= least_ms => Ok(span),
        _ => Err(format!(
            "at least {} s: less says nothing of rates",
            least_ms / 1_000
        )),
    }
}
