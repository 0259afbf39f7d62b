//! Alerts from where they really come: a team's own Prometheus and Alertmanager, which are asked, and what is posted to us as
//! to a webhook or a pager. Listened to while a live drill runs at the speed of real time; they are only read.
//!
//! A source's answers and messages become instances of alerts, a teller says what changed by them, and a [`Hearing`] keeps how
//! well the source was heard. None of it decides anything: that is left to scoring.
//!
//! [`Hearing`]: firedrill_reports::record::Hearing

mod alertmanager;
mod clock;
mod listener;
mod notice;
mod poll;
mod prometheus;
mod rules;
mod teller;
mod webhook;

pub use notice::{DETECTOR, Notice};

use crate::http::get::{Client, GetError, Url};
use alertmanager::Alertmanager;
use firedrill_asynq::clock::ClockOrigin;
use firedrill_detector::RuleSet;
use firedrill_reports::record::{Heard, Likeness, Source, SourceKind};
use listener::Listener;
use poll::Api;
use prometheus::Prometheus;
use std::collections::BTreeSet;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinHandle;

/// What is to be listened to.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// A Prometheus.
    pub prometheus: Option<Url>,
    /// An Alertmanager.
    pub alertmanager: Option<Url>,
    /// Where to be posted to.
    pub webhook: Option<SocketAddr>,
    /// Who asks.
    pub client: Client,
}

impl Asked {
    /// Whether there is nothing to listen to.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.prometheus.is_none() && self.alertmanager.is_none() && self.webhook.is_none()
    }
}

/// Why a source cannot be listened to.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It does not answer.
    #[error("{option}: {error}{}", advice(.error))]
    Get {
        /// The option that named it.
        option: &'static str,
        /// Why.
        error: GetError,
    },
    /// It answers something else.
    #[error(
        "{option}: {url} does not answer as {what} does: {reason}\n    name the address of {what} itself, such as {example}"
    )]
    Foreign {
        /// The option that named it.
        option: &'static str,
        /// Whom.
        url: String,
        /// What it should be.
        what: &'static str,
        /// What was wrong.
        reason: String,
        /// An address.
        example: &'static str,
    },
    /// Nothing can be listened on there.
    #[error(
        "--webhook-listen: {address}: {error}\n    name a free port of this machine, such as 9095"
    )]
    Port {
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
}

/// What to do about an error that does not say it.
fn advice(error: &GetError) -> &'static str {
    match error {
        GetError::Untrusted { .. } | GetError::Status { status: 401, .. } => "",
        _ => "\n    is it running, and is this its own address?",
    }
}

/// Sources that answer, and a port that is ours. Clones share them.
#[derive(Debug, Clone)]
pub struct Sources(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    client: Client,
    /// Names of the alerts of the rules that the drill is judged by.
    ours: BTreeSet<String>,
    apis: Vec<(Api, Source)>,
    webhook: Option<(TcpListener, Source)>,
}

impl Sources {
    /// Asks each source once, compares the rules of a Prometheus with those that the drill is judged by, and takes the
    /// webhook's port.
    ///
    /// # Errors
    /// [`SourceError`], of the first that cannot be listened to.
    pub async fn open(asked: &Asked, rules: &RuleSet) -> Result<Self, SourceError> {
        let mut apis = Vec::new();
        if let Some(url) = &asked.prometheus {
            let api = Prometheus::new(url);
            let found = api.rules(&asked.client).await?;
            let source = Source {
                source: "prometheus".to_owned(),
                of: SourceKind::Prometheus,
                place: url.to_string(),
                rules: rules::compared(rules, &found),
            };
            apis.push((Api::Prometheus(api), source));
        }
        if let Some(url) = &asked.alertmanager {
            let api = Alertmanager::new(url);
            api.ask(&asked.client).await?;
            let source = Source {
                source: "alertmanager".to_owned(),
                of: SourceKind::Alertmanager,
                place: url.to_string(),
                rules: Vec::new(),
            };
            apis.push((Api::Alertmanager(api), source));
        }
        let webhook = asked.webhook.map(bound).transpose()?;
        Ok(Self(Arc::new(Opened {
            client: asked.client.clone(),
            ours: rules.alerts().map(|alert| alert.name.to_owned()).collect(),
            apis,
            webhook,
        })))
    }

    /// What there is, a line each, for people.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (_, source) in &self.0.apis {
            lines.push(format!("alerts from {}: {}", source.source, source.place));
            let rules = source.rules_told().into_iter();
            lines.extend(rules.map(|line| format!("  {line}")));
        }
        if let Some((_, source)) = &self.0.webhook {
            lines.push(format!(
                "alerts from webhooks: post to http://{}/",
                source.place
            ));
        }
        lines
    }

    /// Whether a Prometheus has not a single one of the rules.
    #[must_use]
    pub fn lacks_all_rules(&self) -> bool {
        let mut apis = self.0.apis.iter();
        apis.any(|(_, source)| {
            let mut rules = source.rules.iter();
            !source.rules.is_empty() && rules.all(|rule| rule.how == Likeness::Missing)
        })
    }

    /// Whether what is told was delivered: the source next to a person is posted to, so nothing is modelled of the way to it.
    #[must_use]
    pub fn are_delivered(&self) -> bool {
        self.0.webhook.is_some()
    }

    /// Listens from now on, by a drill's clock. `targets`: where the drill tells of its targets.
    pub(crate) fn listen(&self, clock: ClockOrigin, targets: &Path) -> io::Result<Listening> {
        let (tx, said) = mpsc::unbounded_channel();
        let Opened {
            client,
            ours,
            apis,
            webhook,
        } = &*self.0;
        let mut listening = Listening {
            said,
            listeners: Vec::new(),
            tasks: Vec::new(),
        };
        let mut listener = |source: &Source| {
            // The receiver is right here.
            let _ = tx.send(Said::Heard(Heard::Began(source.clone())));
            let listener = Listener::new(source, ours.clone(), clock, tx.clone());
            listening.listeners.push(listener.clone());
            listener
        };
        for (api, source) in apis {
            let polled = poll::poll(
                api.clone(),
                client.clone(),
                listener(source),
                targets.to_owned(),
            );
            listening.tasks.push(tokio::spawn(polled));
        }
        if let Some((port, source)) = webhook {
            let port = tokio::net::TcpListener::from_std(port.try_clone()?)?;
            let served = webhook::serve(port, listener(source));
            listening.tasks.push(tokio::spawn(served));
        }
        Ok(listening)
    }
}

/// A port that nobody else has.
fn bound(address: SocketAddr) -> Result<(TcpListener, Source), SourceError> {
    let failed = |error| SourceError::Port { address, error };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let place = listener.local_addr().map_err(failed)?;
    let source = Source {
        source: "webhook".to_owned(),
        of: SourceKind::Webhook,
        place: place.to_string(),
        rules: Vec::new(),
    };
    Ok((listener, source))
}

/// What sources say while a drill runs.
#[derive(Debug)]
pub(crate) enum Said {
    /// Of alerts, and of themselves.
    Heard(Heard),
    /// Somebody is on it.
    Acknowledged(Acknowledged),
}

/// A page that somebody has acknowledged where it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// Who, in his own words; empty: it does not say.
    pub(crate) by: String,
    /// The alerts that he was paged by.
    pub(crate) alerts: BTreeSet<String>,
}

/// Sources that are listened to, until this is dropped.
#[derive(Debug)]
pub(crate) struct Listening {
    said: UnboundedReceiver<Said>,
    listeners: Vec<Listener>,
    tasks: Vec<JoinHandle<()>>,
}

impl Listening {
    /// The next thing that was said.
    pub(crate) async fn next(&mut self) -> Option<Said> {
        self.said.recv().await
    }

    /// What is left to say when the drill ends at `end_ms`: what was heard by then, and how well each source was.
    pub(crate) fn finish(mut self, end_ms: i64) -> Vec<Heard> {
        let mut left = Vec::new();
        while let Ok(said) = self.said.try_recv() {
            // Who acknowledges when all is over is late.
            if let Said::Heard(heard) = said {
                left.push(heard);
            }
        }
        let listeners = self.listeners.iter();
        left.extend(listeners.map(|listener| Heard::Ended(listener.finished(end_ms))));
        left
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

#[cfg(test)]
mod tests;
