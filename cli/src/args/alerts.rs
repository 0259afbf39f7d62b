//! Where alerts come from, beside the built-in detector.

use clap::Args;
use firedrill_sim::alerts::Asked;
use firedrill_sim::http::get::{Client, Url};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Sources of alerts; what the one nearest to a person tells is scored.
#[derive(Debug, Clone, Default, Args)]
pub struct AlertSources {
    /// A Prometheus that scrapes the drill, `http://host:9090`: its alerts are scored instead of the built-in detector's; at
    /// --speed 1
    #[arg(long, value_name = "URL")]
    pub prometheus: Option<Url>,
    /// An Alertmanager that this Prometheus tells, `http://host:9093`: what it has and does not keep back is scored; at --speed 1
    #[arg(long, value_name = "URL")]
    pub alertmanager_url: Option<Url>,
    /// Take what an Alertmanager posts to its webhooks and to PagerDuty: that is scored, the moment it comes; at --speed 1. A
    /// port is one of loopback, an address such as 0.0.0.0:9095 is for others, too; 0: any
    #[arg(long, value_name = "[ADDRESS:]PORT")]
    pub webhook_listen: Option<ListenOn>,
    /// Who asks --prometheus and --alertmanager-url, and whom it believes: a file as promtool takes it
    #[arg(long, alias = "http.config.file", value_name = "FILE")]
    pub http_config: Option<PathBuf>,
    /// Keep the drill's `targets.json` in this directory instead of the run's, for a Prometheus that looks there
    /// (file_sd_configs)
    #[arg(long, value_name = "DIR")]
    pub targets_in: Option<PathBuf>,
}

impl AlertSources {
    /// The option that was given first, if any was.
    #[must_use]
    pub const fn given(&self) -> Option<&'static str> {
        match self {
            Self {
                prometheus: Some(_),
                ..
            } => Some("--prometheus"),
            Self {
                alertmanager_url: Some(_),
                ..
            } => Some("--alertmanager-url"),
            Self {
                webhook_listen: Some(_),
                ..
            } => Some("--webhook-listen"),
            _ => None,
        }
    }

    /// What is to be listened to, asked by `client`.
    #[must_use]
    pub fn asked(&self, client: Client) -> Asked {
        Asked {
            prometheus: self.prometheus.clone(),
            alertmanager: self.alertmanager_url.clone(),
            webhook: self.webhook_listen.map(|at| at.0),
            client,
        }
    }
}

/// Where to listen: a port of loopback, unless an address says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenOn(pub SocketAddr);

impl FromStr for ListenOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let port = text.strip_prefix("localhost:").unwrap_or(text);
        let port = port.strip_prefix(':').unwrap_or(port).parse();
        if let Ok(port) = port {
            return Ok(Self(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
        }
        let address = text.parse().map(Self);
        address.map_err(|_| {
            "a port, such as 9095, or an address and a port, such as 0.0.0.0:9095".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_one_of_loopback() {
        let at = |text: &str| text.parse::<ListenOn>().map(|at| at.0.to_string());
        for text in ["9095", ":9095", "localhost:9095", "127.0.0.1:9095"] {
            assert_eq!(at(text).as_deref(), Ok("127.0.0.1:9095"), "{text}");
        }
        assert_eq!(at("0.0.0.0:80").as_deref(), Ok("0.0.0.0:80"));
        assert_eq!(at("[::]:80").as_deref(), Ok("[::]:80"));
        for text in ["", "host:80", "70000", "0.0.0.0", "http://127.0.0.1:1"] {
            assert!(at(text).is_err(), "{text}");
        }
    }
}
