//! The line of `learn`.

use super::Wait;
use clap::Args;
use firedrill_sim::http::get::Url;
use std::path::PathBuf;

/// `learn`.
#[derive(Debug, Args)]
pub struct Learn {
    /// A dump with timestamps, as `promtool tsdb dump-openmetrics` or `promtool tsdb dump` writes it
    #[arg(
        value_name = "FILE",
        required_unless_present = "prometheus",
        conflicts_with = "prometheus"
    )]
    pub file: Option<PathBuf>,
    /// A Prometheus to ask, instead of a file: http://HOST:PORT, or https://
    #[arg(long, value_name = "URL")]
    pub prometheus: Option<Url>,
    /// Who asks it, and whom it believes: a file as promtool takes it (basic_auth, authorization, http_headers, tls_config)
    #[arg(
        long,
        alias = "http.config.file",
        requires = "prometheus",
        value_name = "FILE"
    )]
    pub http_config: Option<PathBuf>,
    /// How far back to look [default: 24h]
    #[arg(long, requires = "prometheus", value_name = "DURATION")]
    pub since: Option<Wait>,
    /// Until when, such as 2026-01-05T09:00:00Z [default: now]
    #[arg(long, requires = "prometheus", value_name = "TIME")]
    pub until: Option<jiff::Timestamp>,
    /// What all series need to fit, such as 'namespace="prod"'; several times: all of it
    #[arg(long = "match", requires = "prometheus", value_name = "MATCHER")]
    pub matchers: Vec<String>,
    /// What the scenario and its world are called, and their files: NAME.yaml and NAME-world.yaml
    #[arg(long, default_value = "ours", value_name = "NAME")]
    pub name: String,
    /// Where they are written; nothing that is there is touched
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub out: PathBuf,
}
