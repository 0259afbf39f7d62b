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

/// A receiver that an alert may be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MayReach {
    /// Its name.
    pub receiver: String,
    /// How far it gets there.
    pub reach: Reach,
    /// Whether that does not depend on labels that are not known.
    pub is_certain: bool,
}

/// Whether a route takes an alert of which not all labels are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Never,
    Maybe,
    Always,
}

impl Route {
    fn fit(&self, known: &Labels) -> Fit {
        match self.may_accept(known) {
            false => Fit::Never,
            true if self
                .matchers
                .iter()
                .all(|own| known.contains_key(&own.name)) =>
            {
                Fit::Always
            }
            true => Fit::Maybe,
        }
    }

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

    /// Whom an alert may be sent to, of whose labels only some are known: in the order of the routes, each receiver once.
    #[must_use]
    pub fn may_reach(&self, known: &Labels) -> Vec<MayReach> {
        let mut found: Vec<MayReach> = Vec::new();
        self.may_reach_from(0, known, true, &mut |at, is_certain| {
            let Some(route) = self.routes.get(at) else {
                return;
            };
            match found.iter_mut().find(|one| one.receiver == route.receiver) {
                Some(one) => one.is_certain |= is_certain,
                None => found.push(MayReach {
                    receiver: route.receiver.clone(),
                    reach: self.reach_of(at),
                    is_certain,
                }),
            }
        });
        found
    }

    /// `is_certain`: the route is asked, and takes it.
    fn may_reach_from(
        &self,
        at: usize,
        known: &Labels,
        is_certain: bool,
        tell: &mut impl FnMut(usize, bool),
    ) {
        let children = self.routes.get(at).map(|route| route.children.as_slice());
        // Whether some child takes it, and whether one that ends the search may have.
        let (mut taken, mut may_have_ended) = (Fit::Never, false);
        for child in children.unwrap_or_default() {
            let Some(route) = self.routes.get(*child) else {
                continue;
            };
            let fit = route.fit(known);
            if fit == Fit::Never {
                continue;
            }
            let own = is_certain && fit == Fit::Always && !may_have_ended;
            self.may_reach_from(*child, known, own, tell);
            if fit == Fit::Always {
                taken = Fit::Always;
                if !route.goes_on {
                    break;
                }
            } else {
                may_have_ended |= !route.goes_on;
                if taken == Fit::Never {
                    taken = Fit::Maybe;
                }
            }
        }
        if taken != Fit::Always {
            tell(at, is_certain && taken == Fit::Never);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const FILE: &str = "
# firedrill: pages = phone*
receivers: [{ name: phone, pagerduty_configs: [{}] }, { name: phone-b, pagerduty_configs: [{}] }, { name: chat, slack_configs: [{}] }, { name: log, webhook_configs: [{}] }]
route:
  receiver: chat
  routes:
  - { receiver: log, matchers: ['severity=~\"page|info\"'], continue: true }
  - { receiver: phone-b, matchers: [queue=b, severity=page] }
  - receiver: phone
    matchers: [severity=page]
    routes: [{ receiver: chat, matchers: [queue=a], continue: true }, { receiver: log, matchers: [env!=prod] }]
  - { receiver: log, matchers: [queue='']}
";

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    /// Of every label, what it may be where it is not known.
    const VALUES: [(&str, [&str; 3]); 3] = [
        ("severity", ["page", "info", ""]),
        ("queue", ["a", "b", ""]),
        ("env", ["prod", "dev", ""]),
    ];

    /// All labels that an alert of which these are known may have.
    fn completions(known: &Labels) -> Vec<Labels> {
        let mut all = vec![known.clone()];
        for (name, values) in VALUES {
            if known.contains_key(name) {
                continue;
            }
            let with = |labels: &Labels| {
                let labels = labels.clone();
                values.map(|value| {
                    let mut labels = labels.clone();
                    labels.insert(name.to_owned(), value.to_owned());
                    labels
                })
            };
            all = all.iter().flat_map(with).collect();
        }
        all
    }

    #[test]
    fn whom_an_alert_may_reach_is_what_it_reaches_whatever_the_rest_of_its_labels() {
        let config = Config::parse("am.yml", FILE).unwrap();
        let mut certain = 0;
        for known in completions(&Labels::new()) {
            for without in 0..8_usize {
                let mut known = known.clone();
                for (place, (name, _)) in VALUES.iter().enumerate() {
                    if without & (1 << place) != 0 {
                        known.remove(*name);
                    }
                }
                let found = config.may_reach(&known);
                let reached: Vec<BTreeSet<&str>> = completions(&known)
                    .iter()
                    .map(|all| config.receivers_of(all).into_iter().collect())
                    .collect();
                for receiver in reached.iter().flatten() {
                    let is_named = found.iter().any(|one| one.receiver == *receiver);
                    assert!(is_named, "{receiver} of {known:?}: {found:?}");
                }
                for one in &found {
                    certain += usize::from(one.is_certain);
                    let by_all = reached
                        .iter()
                        .all(|all| all.contains(one.receiver.as_str()));
                    assert!(by_all || !one.is_certain, "{known:?}: {one:?}");
                    let is_known = known.len() == VALUES.len();
                    assert!(one.is_certain || !is_known, "{known:?}: {one:?}");
                }
            }
        }
        assert!(certain > 40, "{certain}");
        let whom = |known: &[(&str, &str)]| -> Vec<(String, bool)> {
            let found = config.may_reach(&labels(known)).into_iter();
            found.map(|one| (one.receiver, one.is_certain)).collect()
        };
        let named = |all: &[(&str, bool)]| -> Vec<(String, bool)> {
            let all = all.iter();
            all.map(|(name, is_certain)| ((*name).to_owned(), *is_certain))
                .collect()
        };
        assert_eq!(
            whom(&[("severity", "page"), ("queue", "a")]),
            named(&[("log", true), ("chat", true)])
        );
        assert_eq!(
            whom(&[("severity", "page")]),
            named(&[
                ("log", true),
                ("phone-b", false),
                ("chat", false),
                ("phone", false)
            ])
        );
    }
}
