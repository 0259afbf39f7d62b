//! The route tree, by `dispatch/route.go`.

use super::Config;
use super::matcher::{Labels, Matcher, all_accept};
use std::collections::BTreeSet;

/// Defaults of the root route, milliseconds.
pub(super) const GROUP_WAIT_MS: i64 = 30_000;
pub(super) const GROUP_INTERVAL_MS: i64 = 300_000;
pub(super) const REPEAT_INTERVAL_MS: i64 = 4 * 3_600_000;

/// A node of the tree, with what it has from those above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) parent: Option<usize>,
    pub(super) children: Vec<usize>,
    /// In Alertmanager's order.
    pub(super) matchers: Vec<Matcher>,
    pub(super) goes_on: bool,
    pub(super) receiver: String,
    pub(super) group_by: GroupBy,
    pub(super) group_wait_ms: i64,
    pub(super) group_interval_ms: i64,
    pub(super) repeat_interval_ms: i64,
    /// Not inherited.
    pub(super) mute_time_intervals: Vec<String>,
    /// Not inherited.
    pub(super) active_time_intervals: Vec<String>,
}

/// Which labels make a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GroupBy {
    /// `...`: all of them.
    All,
    /// These.
    Labels(BTreeSet<String>),
}

/// How far an alert gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Its receivers send nothing.
    Nobody,
    /// A receiver that does not page.
    Channel,
    /// A receiver that pages.
    Person,
}

impl Route {
    /// The labels of the group that an alert is in.
    pub(super) fn group(&self, labels: &Labels) -> Labels {
        match &self.group_by {
            GroupBy::All => labels.clone(),
            GroupBy::Labels(names) => {
                let own = labels.iter().filter(|(name, _)| names.contains(*name));
                own.map(|(name, value)| (name.clone(), value.clone()))
                    .collect()
            }
        }
    }

    /// Whether alerts with these labels, and others that are not known, may match.
    pub(super) fn may_accept(&self, known: &Labels) -> bool {
        self.matchers.iter().all(|matcher| {
            let value = known.get(&matcher.name);
            value.is_none_or(|value| matcher.accepts_value(value))
        })
    }
}

impl Config {
    /// The routes that take an alert: depth first, the first child that matches and those after one with `continue`, and a
    /// node itself where none of its children does.
    pub(super) fn matching(&self, labels: &Labels) -> Vec<usize> {
        self.matching_from(0, labels)
    }

    fn matching_from(&self, at: usize, labels: &Labels) -> Vec<usize> {
        let Some(route) = self.routes.get(at) else {
            return Vec::new();
        };
        if !all_accept(&route.matchers, labels) {
            return Vec::new();
        }
        let mut all = Vec::new();
        for child in &route.children {
            let matches = self.matching_from(*child, labels);
            let is_last =
                !matches.is_empty() && self.routes.get(*child).is_some_and(|child| !child.goes_on);
            all.extend(matches);
            if is_last {
                break;
            }
        }
        if all.is_empty() {
            all.push(at);
        }
        all
    }

    /// What the notification log knows a route by. Routes with the same matchers below the same ones have the same.
    pub(super) fn route_key(&self, at: usize) -> String {
        let Some(route) = self.routes.get(at) else {
            return String::new();
        };
        let above = route.parent.map(|parent| self.route_key(parent) + "/");
        let matchers: Vec<String> = route.matchers.iter().map(ToString::to_string).collect();
        format!("{}{{{}}}", above.unwrap_or_default(), matchers.join(","))
    }
}
