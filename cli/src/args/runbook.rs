//! What can be typed after `firedrill runbook`.

use super::common::redis;
use super::{Dialect, MetricsPage, Redis, World};
use clap::{Args, Subcommand};
use firedrill_sim::http::get::Url;
use std::path::PathBuf;

/// `runbook`.
#[derive(Debug, Args)]
pub struct Runbook {
    /// What to do with it.
    #[command(subcommand)]
    pub command: RunbookCommand,
}

/// What is done with a runbook.
#[derive(Debug, Subcommand)]
pub enum RunbookCommand {
    /// Try each command of a runbook that only looks, and say of each line whether it works, fails or misleads
    Check(RunbookCheck),
}

/// `runbook check`. Without `--redis` and `--metrics`, commands are tried on a Redis and a worker of our own.
#[derive(Debug, Args)]
pub struct RunbookCheck {
    /// The runbook, in Markdown: commands in blocks (```bash) and in `code`
    #[arg(value_name = "RUNBOOK.md")]
    pub file: PathBuf,
    /// The Redis to try commands on: host:port, or a URL as for `run`; nothing is written to it [default: one of our own]
    #[arg(long, value_parser = redis, value_name = "URL")]
    pub redis: Option<Redis>,
    /// Metrics that the runbook asks for, `http://host:port/metrics`; with the address that stands in the runbook before it, if
    /// that is another; may be given several times
    #[arg(long, value_name = "[HOST:PORT=]URL")]
    pub metrics: Vec<Known>,
    /// Try `docker ps`, `logs`, `inspect` and the like on the engine that `docker` asks
    #[arg(long)]
    pub docker: bool,
    /// Try `kubectl get`, `describe`, `logs`, `top` and the like on the cluster that `kubectl` asks
    #[arg(long)]
    pub kube: bool,
    /// Rule files whose alerts the runbook may name
    #[command(flatten)]
    pub rules: Alerts,
    /// What a worker of our own counts.
    #[command(flatten)]
    pub world: World,
    /// Credentials and TLS settings for fetching metrics: a file as promtool takes it
    #[arg(long, alias = "http.config.file", value_name = "FILE")]
    pub http_config: Option<PathBuf>,
    /// Print what is found as JSON
    #[arg(long)]
    pub json: bool,
}

/// Rules, of which names matter.
#[derive(Debug, Args)]
pub struct Alerts {
    /// Rule files whose alerts the runbook may name: files, folders, patterns; without, names of alerts are not checked
    #[arg(long = "rules", value_name = "FILE", value_delimiter = ',')]
    pub files: Vec<PathBuf>,
    /// How rule files are read.
    #[command(flatten)]
    pub dialect: Dialect,
}

/// A page of metrics, and where runbooks say it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// `host:port` in the runbook, if that is another.
    pub known_as: Option<String>,
    /// Where it is.
    pub url: Url,
}

impl std::str::FromStr for Known {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (known_as, url) = match text.split_once('=') {
            Some((place, url)) if !place.contains("://") => (Some(place.to_owned()), url),
            _ => (None, text),
        };
        let MetricsPage { url, .. } = url.parse()?;
        Ok(Self { known_as, url })
    }
}
