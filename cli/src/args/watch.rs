//! What can be typed after `firedrill watch`.

use super::common::redis;
use super::{Dialect, MetricsPage, Redis, Span, View, World};
use clap::Args;
use firedrill_sim::http::get::Url;
use std::path::PathBuf;

/// `watch`.
#[derive(Debug, Args)]
pub struct Watch {
    /// The Redis that holds the queues: host:port, or a URL as for `run`; nothing is written to it
    #[arg(long, value_parser = redis, value_name = "URL")]
    pub redis: Redis,
    /// Rule files to evaluate: files, folders, patterns, or a pack inside the binary
    #[arg(
        long = "rules",
        required = true,
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub rules: Vec<PathBuf>,
    /// How rule files are read.
    #[command(flatten)]
    pub dialect: Dialect,
    /// What Redis and the queues are called in your Prometheus.
    #[command(flatten)]
    pub world: World,
    /// Metrics of a process, `http://host:port/metrics`, of the job `worker` if none is named; may be given several times
    #[arg(long, value_name = "[JOB=]URL")]
    pub metrics: Vec<MetricsPage>,
    /// Where to send what fires.
    #[command(flatten)]
    pub receiver: Receiver,
    /// Credentials and TLS settings for what is asked and sent: a file as promtool takes it
    #[arg(long, alias = "http.config.file", value_name = "FILE")]
    pub http_config: Option<PathBuf>,
    /// How often to scrape
    #[arg(long, value_name = "DURATION", default_value = "15s")]
    pub scrape_interval: Span,
    /// How often groups are evaluated that do not say
    #[arg(long, value_name = "DURATION", default_value = "15s")]
    pub evaluation_interval: Span,
    /// Loopback port of the page with the live view, `/metrics` and `/api/v1/alerts`; 0: any
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        conflicts_with = "http"
    )]
    pub port: u16,
    /// Live view.
    #[command(flatten)]
    pub view: View,
    /// Virtual seconds per real second, so that weeks can be tried.
    #[arg(long, hide = true, default_value_t = 1.0)]
    pub speed: f64,
}

/// Where what fires is sent to; nowhere: it is only shown.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct Receiver {
    /// An Alertmanager, `http://host:9093`: it is sent what a Prometheus would send
    #[arg(long, value_name = "URL")]
    pub alertmanager_url: Option<Url>,
    /// A webhook that takes what Alertmanager sends to its webhooks
    #[arg(long, value_name = "URL")]
    pub webhook: Option<Url>,
}
