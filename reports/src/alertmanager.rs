//! What reaches a person, by a team's own Alertmanager file: who is notified of what, and when.
//!
//! [`Config::parse`] reads the file: its route tree, inhibition rules, time intervals and receivers, and one comment that says
//! which receivers page a person, with `*` and `?` for the rest of a name:
//!
//! ```yaml
//! # firedrill: pages = pagerduty-*, phone
//! ```
//!
//! [`notify`] is Alertmanager as a function: the transitions of alerts go in, notifications come out. What decides whether and
//! when something is sent is done as Alertmanager does it (0.34; where 0.25 differs, it is said); what only changes how it
//! looks (templates, URLs, the kinds of integrations) is not looked at, and what is secret is not kept.
//!
//! Nobody has made silences, and no Alertmanager is down. Notifications take no time and never fail.

mod inhibit;
mod interval;
mod matcher;
mod notify;
mod print;
mod read;
mod route;

pub use matcher::Labels;
pub use notify::{Notification, Reason, Sent, Silence, Suppressed, notify};
pub use route::{MayReach, Reach};

use crate::record::RuleText;
use inhibit::InhibitRule;
use interval::TimeInterval;
use route::Route;
use std::collections::BTreeMap;

/// An Alertmanager's configuration, as far as it decides what is sent to whom and when.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file, for people.
    name: String,
    /// The routes in the order of the file, each after what it is a child of; the first is the root.
    routes: Vec<Route>,
    inhibit_rules: Vec<InhibitRule>,
    intervals: BTreeMap<String, Vec<TimeInterval>>,
    receivers: BTreeMap<String, Receiver>,
}

/// Who is notified.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Receiver {
    /// Whether a person is paged by what it is sent.
    pages: bool,
    integrations: Vec<Integration>,
}

/// One way in which a receiver is notified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Integration {
    /// The key of its list, such as `pagerduty_configs`.
    kind: &'static str,
    send_resolved: bool,
}

impl Config {
    /// The file's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What of the file matters, under its name: reading it again gives the same configuration. It has no secrets.
    #[must_use]
    pub fn reduced(&self) -> RuleText {
        RuleText {
            name: self.name.clone(),
            text: print::yaml(self),
        }
    }

    /// Whom an alert instance is sent to.
    #[must_use]
    pub fn reach(&self, labels: &Labels) -> Reach {
        let routes = self.matching(labels).into_iter();
        let reach = routes.map(|route| self.reach_of(route));
        reach.max().unwrap_or(Reach::Nobody)
    }

    /// Whether alerts with these labels, and others that are not known, can be sent to a receiver that pages.
    #[must_use]
    pub fn may_page(&self, known: &Labels) -> bool {
        self.routes.iter().enumerate().any(|(index, route)| {
            self.reach_of(index) == Reach::Person && {
                let mut above = Some(route);
                let mut fits = true;
                while let Some(route) = above {
                    fits &= route.may_accept(known);
                    above = route.parent.and_then(|parent| self.routes.get(parent));
                }
                fits
            }
        })
    }

    /// Names of the receivers, and whether they page, in order.
    pub fn receivers(&self) -> impl Iterator<Item = (&str, bool)> {
        let all = self.receivers.iter();
        all.map(|(name, receiver)| (name.as_str(), receiver.pages))
    }

    fn reach_of(&self, route: usize) -> Reach {
        let receiver = self.routes.get(route).map(|route| &route.receiver);
        match receiver.and_then(|name| self.receivers.get(name)) {
            Some(receiver) if receiver.integrations.is_empty() => Reach::Nobody,
            Some(receiver) if receiver.pages => Reach::Person,
            Some(_) => Reach::Channel,
            None => Reach::Nobody,
        }
    }

    /// Whether an alert keeps another from being sent while it fires.
    pub(crate) fn inhibits(&self, source: &Labels, target: &Labels) -> bool {
        let mut rules = self.inhibit_rules.iter();
        rules.any(|rule| rule.source_for(target, std::iter::once(source)).is_some())
    }

    /// Whether an alert may keep others from being sent.
    pub(crate) fn may_inhibit(&self, labels: &Labels) -> bool {
        let mut rules = self.inhibit_rules.iter();
        rules.any(|rule| rule.is_source(labels))
    }

    /// Names of the receivers an alert instance is routed to, in the order of the routes.
    #[must_use]
    pub fn receivers_of(&self, labels: &Labels) -> Vec<&str> {
        let routes = self.matching(labels).into_iter();
        let routes = routes.filter_map(|route| self.routes.get(route));
        routes.map(|route| route.receiver.as_str()).collect()
    }
}

/// By what they do, whatever the file is called.
impl PartialEq for Config {
    fn eq(&self, other: &Self) -> bool {
        print::yaml(self) == print::yaml(other)
    }
}

impl Eq for Config {}
