//! Rule groups as loaded: what to evaluate, how often, and what to make of the results.

pub(crate) mod documents;
mod foreign;
mod helm;
mod load;
mod places;

pub use places::Places;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::compat::Compat;
use crate::expr::Expr;
use crate::expr::compile::Reach;
use crate::expr::share::Shared;
use crate::template::Template;
use crate::yaml::{Position, Problem, UnknownKeys};
pub(crate) use places::Source;

/// A rule file: its name, for messages, and its text. Reading it is the caller's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFile {
    /// The name problems are reported under.
    pub name: String,
    /// The YAML text.
    pub text: String,
}

/// Rule groups that have been read, checked and compiled.
///
/// ```
/// use firedrill_detector::{Compat, RuleFile, RuleSet};
///
/// let file = RuleFile {
///     name: "alerts.yml".into(),
///     text: "groups: [{ name: g, rules: [{ alert: Down, expr: up == 0, for: 5m }] }]".into(),
/// };
/// let rules = RuleSet::load(&[file], Compat::V3).expect("the file is fine");
/// let alert = rules.alerts().next().expect("there is one alert");
/// assert_eq!((alert.name, alert.for_ms), ("Down", 300_000));
/// ```
#[derive(Debug, Clone)]
pub struct RuleSet {
    pub(crate) groups: Vec<Group>,
    pub(crate) compat: Compat,
    pub(crate) reach: Reach,
    /// What several expressions have in common.
    pub(crate) shared: Vec<Shared>,
    /// Names of recorded metrics whose series come and go with conditions.
    pub(crate) conditional: Arc<BTreeSet<String>>,
    warnings: Vec<Problem>,
}

/// A group: rules evaluated one after the other, at the same times.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) source: Arc<Source>,
    /// None: the global evaluation interval.
    pub(crate) interval_ms: Option<i64>,
    /// Most elements (alerts, for an alerting rule) per rule; 0 is no limit.
    pub(crate) limit: usize,
    pub(crate) query_offset_ms: i64,
    pub(crate) rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// The alert's name, or the recorded metric's.
    pub(crate) name: String,
    /// Where it starts.
    pub(crate) at: Position,
    pub(crate) text: String,
    /// Where its expression starts.
    pub(crate) expr_at: Position,
    pub(crate) expr: Expr,
    pub(crate) kind: RuleKind,
}

/// See [`Rule`].
#[derive(Debug, Clone)]
pub(crate) enum RuleKind {
    Record {
        labels: Vec<(String, String)>,
    },
    Alert {
        for_ms: i64,
        /// Where `for` has its value, if it is there.
        for_at: Option<Position>,
        keep_firing_for_ms: i64,
        labels: Vec<LabelTemplate>,
        annotations: Vec<LabelTemplate>,
    },
}

impl RuleKind {
    /// Label names and values, unexpanded, in order of names.
    pub(crate) fn labels(&self) -> Vec<(String, String)> {
        match self {
            Self::Record { labels } => labels.clone(),
            Self::Alert { labels, .. } => {
                let texts = texts(labels).into_iter();
                texts
                    .map(|(name, text)| (name.to_owned(), text.to_owned()))
                    .collect()
            }
        }
    }
}

/// A label or annotation of an alerting rule.
#[derive(Debug, Clone)]
pub(crate) struct LabelTemplate {
    pub(crate) name: String,
    pub(crate) text: String,
    /// Where its text starts.
    pub(crate) at: Position,
    pub(crate) template: Template,
}

/// An alerting rule, as its file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AlertRule<'r> {
    /// The group's name.
    pub group: &'r str,
    /// The alert's name; several rules may share it.
    pub name: &'r str,
    /// The expression as written.
    pub expr: &'r str,
    /// The group's evaluation interval, in milliseconds, if it has one of its own.
    pub interval_ms: Option<i64>,
    /// How long the expression must hold, in milliseconds.
    pub for_ms: i64,
    /// How long the alert stays firing once the expression no longer holds, in milliseconds.
    pub keep_firing_for_ms: i64,
    /// Label names and values, unexpanded, in order of names.
    pub labels: Vec<(&'r str, &'r str)>,
    /// Annotation names and values, unexpanded, in order of names.
    pub annotations: Vec<(&'r str, &'r str)>,
    /// The rule file's name.
    pub file: &'r str,
    /// The line the rule starts on.
    pub line: usize,
}

impl AlertRule<'_> {
    /// The `severity` label, or the empty string.
    #[must_use]
    pub fn severity(&self) -> &str {
        let found = self.labels.iter().find(|(name, _)| *name == "severity");
        found.map_or("", |(_, value)| value)
    }
}

/// What is accepted in rule files on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// What to make of unknown keys.
    pub unknown_keys: UnknownKeys,
    /// Whether Prometheus' experimental functions are enabled, as with its `--enable-feature=promql-experimental-functions`.
    pub experimental_functions: bool,
}

impl RuleSet {
    /// Reads and checks rule files.
    ///
    /// Whatever Prometheus would refuse is refused, and so is what could not be evaluated exactly as Prometheus
    /// does (native histograms, the experimental functions that need them).
    ///
    /// # Errors
    ///
    /// All problems of all files, in order, each with file, line and column.
    pub fn load(files: &[RuleFile], compat: Compat) -> Result<Self, Vec<Problem>> {
        Self::load_with(files, compat, UnknownKeys::Refused)
    }

    /// The same, with a say about keys that no rule file has.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load), unknown keys left out if they are to be ignored.
    pub fn load_with(
        files: &[RuleFile],
        compat: Compat,
        unknown_keys: UnknownKeys,
    ) -> Result<Self, Vec<Problem>> {
        let reading = Reading {
            unknown_keys,
            ..Reading::default()
        };
        Self::load_as(files, compat, reading)
    }

    /// The same, with a say about everything there is a choice about.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load), but for what is accepted on request.
    pub fn load_as(
        files: &[RuleFile],
        compat: Compat,
        reading: Reading,
    ) -> Result<Self, Vec<Problem>> {
        load::rule_set(files, compat, reading)
    }

    /// How often rules are evaluated in `length_ms`, each by itself, where groups that name no interval have
    /// `interval_ms`. Finding the group whose turn it is counts a little as well.
    #[must_use]
    pub fn evaluations(&self, interval_ms: i64, length_ms: i64) -> u64 {
        let groups = self.groups.len() as u64;
        let of_groups = self.groups.iter().map(|group| {
            let interval_ms = group.interval_ms.unwrap_or(interval_ms).max(1);
            let times = (length_ms.max(0) / interval_ms).unsigned_abs() + 1;
            times.saturating_mul(group.rules.len() as u64 + 1 + groups / 16)
        });
        of_groups.fold(0, u64::saturating_add)
    }

    /// How many rules there are, recording rules included.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.groups.iter().map(|group| group.rules.len()).sum()
    }

    /// The alerting rules, in the order of files, groups and rules.
    pub fn alerts(&self) -> impl Iterator<Item = AlertRule<'_>> {
        self.groups.iter().flat_map(|group| {
            group.rules.iter().filter_map(|rule| match &rule.kind {
                RuleKind::Record { .. } => None,
                RuleKind::Alert {
                    for_ms,
                    keep_firing_for_ms,
                    labels,
                    annotations,
                    ..
                } => Some(AlertRule {
                    group: &group.name,
                    name: &rule.name,
                    expr: &rule.text,
                    interval_ms: group.interval_ms,
                    for_ms: *for_ms,
                    keep_firing_for_ms: *keep_firing_for_ms,
                    labels: texts(labels),
                    annotations: texts(annotations),
                    file: &group.file,
                    line: rule.at.line,
                }),
            })
        })
    }

    /// How far back from its evaluation time any rule looks, in milliseconds: range, offset and lookback together.
    /// That much history a run needs before the first evaluation that counts.
    #[must_use]
    pub fn longest_lookback_ms(&self) -> i64 {
        self.reach.back_ms
    }

    /// The longest `for`, in milliseconds.
    #[must_use]
    pub fn longest_for_ms(&self) -> i64 {
        self.alerts().map(|alert| alert.for_ms).max().unwrap_or(0)
    }

    /// What was accepted with reservations.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }
}

fn texts(labels: &[LabelTemplate]) -> Vec<(&str, &str)> {
    let text = |label| {
        let LabelTemplate { name, text, .. }: &LabelTemplate = label;
        (name.as_str(), text.as_str())
    };
    labels.iter().map(text).collect()
}
