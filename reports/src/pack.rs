//! A rule pack: rule files, and what their comments say about scoring.
//!
//! ```yaml
//! # firedrill: pages = warning, critical
//! # firedrill: cause worker-crashed expects WorkerDown, QueueStalled
//! # firedrill: cause worker-crashed accepts BacklogGrowing
//! # firedrill: cause slow-jobs expects QueueHealth{queue="realtime"}
//! ```

mod meant;
mod pages;
mod stray;

pub(crate) use pages::known_labels;
pub use pages::{PagesError, Severities};
pub use stray::check_strays;

use crate::alertmanager::{Config, Reach};
use crate::record::RuleText;
use firedrill_detector::RuleSet;
use firedrill_detector::anatomy::PartKind;
use firedrill_detector::yaml::{Position, Problem, Problems, closest, lines_in_scalars};
use meant::Meant;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Severities that reach a person where a pack says nothing.
const DEFAULT_PAGES: [&str; 2] = ["page", "critical"];

/// So many unknown alerts of a file are told with what was probably meant: that looks at every alert there is.
const HINTS_MAX: usize = 20;

/// Rules and how they want to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulePack {
    /// Names of all alerts, in order.
    pub alerts: Vec<String>,
    /// Severities that count as a page.
    pub pages: BTreeSet<String>,
    /// What the rule files say of pages, and where.
    said: Vec<pages::Said>,
    /// Alerts that may be without data.
    no_data_ok: BTreeSet<String>,
    expects: BTreeMap<String, Vec<Meant>>,
    accepts: BTreeMap<String, Vec<Meant>>,
    /// Of alerts whose expressions look at certain queues only: which.
    looks_at: BTreeMap<String, BTreeSet<String>>,
    /// What is sent to whom, instead of the severities that page.
    alertmanager: Option<Arc<Config>>,
}

/// What an alert is to an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// The right alert for the cause.
    Expected,
    /// A fair symptom.
    Accepted,
    /// Neither.
    Other,
}

impl RulePack {
    /// Reads the directives of rule files whose alerts are called `alerts`.
    ///
    /// # Errors
    /// With every directive that is malformed or names an alert that does not exist.
    pub fn parse(rules: &[RuleText], alerts: &[String]) -> Result<Self, Vec<Problem>> {
        let mut pack = Self {
            alerts: alerts.to_vec(),
            pages: BTreeSet::new(),
            said: Vec::new(),
            no_data_ok: BTreeSet::new(),
            expects: BTreeMap::new(),
            accepts: BTreeMap::new(),
            looks_at: BTreeMap::new(),
            alertmanager: None,
        };
        let known = alerts.iter().map(String::as_str).collect();
        let mut found = Vec::new();
        for rule in rules {
            let mut problems = Problems::new(&rule.name);
            let texts = lines_in_scalars(&rule.text);
            let lines = rule.text.lines().enumerate();
            for (index, line) in lines.filter(|(index, _)| !texts.contains(&(index + 1))) {
                let comment = line.trim_start().strip_prefix('#').map(str::trim);
                if let Some(directive) =
                    comment.and_then(|comment| comment.strip_prefix("firedrill:"))
                {
                    let at = Position {
                        line: index + 1,
                        column: 1 + line.len() - line.trim_start().len(),
                    };
                    pack.directive(directive.trim(), &rule.name, at, &known, &mut problems);
                }
            }
            found.extend(problems.into_vec());
        }
        if pack.pages.is_empty() {
            pack.pages = DEFAULT_PAGES.map(str::to_owned).into();
        }
        if found.is_empty() {
            Ok(pack)
        } else {
            Err(found)
        }
    }

    fn directive(
        &mut self,
        text: &str,
        file: &str,
        at: Position,
        known: &BTreeSet<&str>,
        problems: &mut Problems,
    ) {
        let names = |list: &str| {
            let names: Vec<String> = list.split(',').map(|name| name.trim().to_owned()).collect();
            (!names.iter().any(String::is_empty)).then_some(names)
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let parsed = match words.as_slice() {
            ["pages", "=", ..] => {
                text.split_once('=')
                    .and_then(|(_, list)| names(list))
                    .map(|found| {
                        self.pages.extend(found.iter().cloned());
                        self.said.push((file.to_owned(), at, found));
                    })
            }
            ["cause", cause, verb @ ("expects" | "accepts"), _, ..] => text
                .split_once(verb)
                .map(|(_, list)| {
                    Meant::list(list).unwrap_or_else(|error| {
                        let message =
                            format!("cannot read the directive `firedrill: {text}`: {error}");
                        problems.push(at, message);
                        Vec::new()
                    })
                })
                .map(|found| {
                    let names = found.iter().map(|meant| &meant.alert);
                    for name in names.filter(|name| !known.contains(name.as_str())) {
                        let message = format!("there is no alert `{name}`");
                        if problems.len() >= HINTS_MAX {
                            problems.push(at, message);
                            continue;
                        }
                        let known = format!("accepted: {}", self.alerts.join(", "));
                        let hint = closest(name, self.alerts.iter().map(String::as_str))
                            .map_or(known.clone(), |close| {
                                format!("did you mean `{close}`? {known}")
                            });
                        problems.push_with_hint(at, message, hint);
                    }
                    let map = if *verb == "expects" {
                        &mut self.expects
                    } else {
                        &mut self.accepts
                    };
                    map.entry((*cause).to_owned()).or_default().extend(found);
                }),
            ["no-data-ok", ..] => text.split_once("no-data-ok").and_then(|(_, list)| {
                let found = names(list)?;
                for name in found.iter().filter(|name| !known.contains(name.as_str())) {
                    let close = closest(name, self.alerts.iter().map(String::as_str));
                    let accepted = format!("accepted: {}", self.alerts.join(", "));
                    let hint = close.map_or(accepted.clone(), |close| {
                        format!("did you mean `{close}`? {accepted}")
                    });
                    problems.push_with_hint(at, format!("there is no alert `{name}`"), hint);
                }
                self.no_data_ok.extend(found);
                Some(())
            }),
            _ => None,
        };
        if parsed.is_none() {
            problems.push_with_hint(
                at,
                format!("cannot read the directive `firedrill: {text}`"),
                "accepted: `pages = SEVERITY, ...`, `no-data-ok ALERT, ...`, `cause CAUSE expects ALERT, ...`, `cause CAUSE accepts ALERT, ...`, where ALERT may be `NAME{label=\"value\"}`",
            );
        }
    }

    /// Whether the pack says of a cause that this alert is right for it. Where it says nothing of the cause, any of its alerts
    /// will do, and none is missed as long as another one fires.
    #[must_use]
    pub fn expects(&self, cause: &str, alert: &str) -> bool {
        let names = self.expects.get(cause);
        names.is_some_and(|names| names.iter().any(|meant| meant.alert == alert))
    }

    /// Learns from the rules which alerts look at certain queues only: those all of whose selectors name one.
    #[must_use]
    pub fn looking(mut self, rules: &RuleSet) -> Self {
        let mut found: BTreeMap<String, Option<BTreeSet<String>>> = BTreeMap::new();
        for rule in rules.anatomies().iter().filter(|rule| rule.is_alert) {
            let selectors = rule.parts.iter().flat_map(|part| match &part.kind {
                PartKind::Selector(selector) => std::slice::from_ref(selector),
                PartKind::Absent { of, .. } => of,
                PartKind::Operation { .. } => &[],
            });
            let mut queues = Some(BTreeSet::new());
            for selector in selectors {
                let wanted: BTreeSet<String> = selector
                    .wanted("queue")
                    .filter(|queue| !queue.is_empty())
                    .map(str::to_owned)
                    .collect();
                queues = queues.filter(|_| !wanted.is_empty());
                queues.iter_mut().for_each(|all| all.extend(wanted.clone()));
            }
            let queues = queues.filter(|queues| !queues.is_empty());
            // Of several rules of one name, all must.
            let known = found.entry(rule.name.clone()).or_insert(queues.clone());
            *known = match (known.take(), queues) {
                (Some(known), Some(queues)) => Some(known.union(&queues).cloned().collect()),
                _ => None,
            };
        }
        self.looks_at = found
            .into_iter()
            .filter_map(|(alert, queues)| Some((alert, queues?)))
            .collect();
        self
    }

    /// Has an Alertmanager say what is sent to whom, and when: severities no longer do.
    #[must_use]
    pub fn delivered_by(mut self, alertmanager: Arc<Config>) -> Self {
        self.alertmanager = Some(alertmanager);
        self
    }

    /// The Alertmanager that says what is sent, if there is one.
    #[must_use]
    pub fn alertmanager(&self) -> Option<&Config> {
        self.alertmanager.as_deref()
    }

    /// The severities that page, where no Alertmanager file says it.
    #[must_use]
    pub fn page_severities(&self) -> &BTreeSet<String> {
        &self.pages
    }

    /// Whether an alert instance is one that pages.
    pub(crate) fn is_page(&self, labels: &BTreeMap<String, String>) -> bool {
        match &self.alertmanager {
            Some(config) => config.reach(labels) == Reach::Person,
            None => {
                let severity = labels.get("severity").map_or("", String::as_str);
                self.pages.contains(severity)
            }
        }
    }

    /// Which queues an alert instance is about: its label says so, or else the selectors of its expression; `None`: any.
    pub(crate) fn queues_of<'p>(
        &'p self,
        alert: &str,
        labels: &'p BTreeMap<String, String>,
    ) -> Option<Box<dyn Iterator<Item = &'p str> + 'p>> {
        if let Some(queue) = labels.get("queue") {
            return Some(Box::new(std::iter::once(queue.as_str())));
        }
        let queues = self.looks_at.get(alert)?;
        Some(Box::new(queues.iter().map(String::as_str)))
    }

    /// Whether an alert may be without data: a rule that looks at what drills do not have.
    #[must_use]
    pub fn may_be_without_data(&self, alert: &str) -> bool {
        self.no_data_ok.contains(alert)
    }

    /// What an alert is to incidents of a cause. A pack that says nothing of a cause means: any of its alerts will do. One
    /// that only accepts alerts for it has no right one.
    #[must_use]
    pub fn role(&self, cause: &str, alert: &str) -> Role {
        self.role_where(cause, |meant| meant.alert == alert)
    }

    /// What an alert instance is to incidents of a cause: as [`role`](Self::role), where directives may mean instances with
    /// certain labels only.
    #[must_use]
    pub fn role_of(&self, cause: &str, alert: &str, labels: &BTreeMap<String, String>) -> Role {
        self.role_where(cause, |meant| meant.alert == alert && meant.accepts(labels))
    }

    /// Whether the pack ties an alert instance to a cause, as the right one or as a fair symptom.
    pub(crate) fn names(
        &self,
        cause: &str,
        alert: &str,
        labels: &BTreeMap<String, String>,
    ) -> bool {
        let lists = [&self.expects, &self.accepts];
        let mut named = lists.iter().filter_map(|map| map.get(cause)).flatten();
        named.any(|meant| meant.alert == alert && meant.accepts(labels))
    }

    fn role_where(&self, cause: &str, is_it: impl Fn(&Meant) -> bool) -> Role {
        let named = |map: &BTreeMap<String, Vec<Meant>>| {
            map.get(cause).map(|names| names.iter().any(&is_it))
        };
        match (named(&self.expects), named(&self.accepts)) {
            (Some(true), _) | (None, None) => Role::Expected,
            (_, Some(true)) => Role::Accepted,
            _ => Role::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RulePack, Vec<Problem>> {
        let rules = [RuleText {
            name: "r.yml".into(),
            text: text.into(),
        }];
        RulePack::parse(&rules, &["Down".into(), "Slow".into()])
    }

    #[test]
    fn many_unknown_alerts_are_told_without_looking_for_what_was_meant() {
        let names: Vec<String> = (0..200_000).map(|n| format!("Dwn{n}")).collect();
        let text = format!("# firedrill: cause deadlock expects {}\n", names.join(","));
        let problems = parse(&text).unwrap_err();
        assert_eq!(problems.len(), 1001);
        let hints = problems.iter().filter(|problem| problem.hint.is_some());
        assert_eq!(hints.count(), HINTS_MAX + 1);
        assert_eq!(
            problems[1000].message,
            "199000 more problems are not listed"
        );
    }

    #[test]
    fn directives_say_who_pages_and_what_is_right() {
        let pack =
            parse("# firedrill: pages = warning, page\n# firedrill: cause deadlock expects Down\n")
                .unwrap();
        assert_eq!(
            pack.pages,
            BTreeSet::from(["page".to_owned(), "warning".to_owned()])
        );
        assert_eq!(
            (pack.role("deadlock", "Down"), pack.role("deadlock", "Slow")),
            (Role::Expected, Role::Other)
        );
        assert_eq!(
            pack.role("retry-storm", "Slow"),
            Role::Expected,
            "nothing is said of that cause"
        );
        let fair = parse("# firedrill: cause poison accepts Slow").unwrap();
        assert_eq!(
            (fair.role("poison", "Slow"), fair.role("poison", "Down")),
            (Role::Accepted, Role::Other),
            "none of the pack's alerts is right for it"
        );
        assert!(parse("groups: []").unwrap().pages.contains("critical"));
    }

    #[test]
    fn bad_directives_are_all_named() {
        let problems = parse(
            "# firedrill: page = x\n# firedrill: cause a expects Dwn,\n# firedrill: cause a accepts Slw\n",
        );
        let text: Vec<String> = problems
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(text[0].starts_with("r.yml:1:1: cannot read the directive `firedrill: page = x`"));
        assert!(text[1].starts_with("r.yml:2:1: cannot read"));
        assert!(text[2].contains("did you mean `Slow`?"));
        let problems = parse("# firedrill: no-data-ok Slwo\n").unwrap_err();
        assert!(problems[0].to_string().contains("did you mean `Slow`?"));
        let pack = parse("# firedrill: no-data-ok Slow\n").unwrap();
        assert!(pack.may_be_without_data("Slow") && !pack.may_be_without_data("Down"));
    }
}
