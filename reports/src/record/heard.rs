//! What sources of alerts beside firedrill's own detector told while a drill ran: a team's Prometheus, its Alertmanager, or
//! whatever posts to a webhook. Since 1.2.

use super::is_false;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A line about a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Heard {
    /// It is listened to from now on; other lines refer to it by its name.
    Began(Source),
    /// It told something.
    Told(Told),
    /// The drill is over: how well it was heard.
    Ended(Hearing),
}

impl Heard {
    /// The source's name.
    #[must_use]
    pub fn source(&self) -> &str {
        match self {
            Self::Began(source) => &source.source,
            Self::Told(told) => &told.source,
            Self::Ended(hearing) => &hearing.source,
        }
    }
}

/// A source of alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name, unique in the drill.
    pub source: String,
    /// What it is.
    pub of: SourceKind,
    /// Where it is asked or listens, without user and password.
    pub place: String,
    /// What it has of the alerting rules that the drill is judged by; empty where it cannot be asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<KnownRule>,
}

impl Source {
    /// What it has of the rules, a line each, for people; nothing where it cannot be asked.
    #[must_use]
    pub fn rules_told(&self) -> Vec<String> {
        if self.rules.is_empty() {
            return Vec::new();
        }
        let of = |how: Likeness| self.rules.iter().filter(move |rule| rule.how == how);
        let mut lines = vec![format!(
            "of {} alerts in the rules it has {} as they are",
            self.rules.len(),
            of(Likeness::Same).count()
        )];
        let others = of(Likeness::Other);
        lines.extend(
            others.map(|rule| format!("{} is another rule there: {}", rule.alert, rule.other)),
        );
        let missing: Vec<&str> = of(Likeness::Missing)
            .map(|rule| rule.alert.as_str())
            .collect();
        if !missing.is_empty() {
            lines.push(format!("it does not have {}", missing.join(", ")));
        }
        lines
    }
}

/// Kinds of sources, from the one that knows first to the one next to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// The API of a Prometheus, which is asked.
    Prometheus,
    /// The API of an Alertmanager, which is asked.
    Alertmanager,
    /// What is posted to us.
    Webhook,
}

/// An alerting rule of the drill's files, as a source has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownRule {
    /// The alert's name.
    pub alert: String,
    /// How it is there.
    pub how: Likeness,
    /// Where it differs, for people; empty where it does not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub other: String,
}

/// How a rule of the drill's files is found in a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    /// As in the file: expression, `for` and `keep_firing_for`.
    Same,
    /// Only another rule of that name is there.
    Other,
    /// None of that name.
    Missing,
}

/// A source told that an instance of an alert changed. What it repeats is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When we heard of it.
    pub at_ms: i64,
    /// When the source was asked last and had not said it yet; `None`: it spoke by itself, or was never asked before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsaid_ms: Option<i64>,
    /// The source's name.
    pub source: String,
    /// Labels of the instance, as the source has them, `alertname` included.
    pub labels: BTreeMap<String, String>,
    /// What it is now.
    pub state: ToldState,
    /// Since when it is, by the source's own clock put on ours: `startsAt` of one that fires, `endsAt` of one that is over, or
    /// the evaluation that found it so. `None`: it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<i64>,
    /// When its condition began to hold, likewise: Prometheus' `activeAt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_ms: Option<i64>,
    /// What it says to whoever is told, where the source has that: annotations such as `summary`. Since 1.2.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Receivers it goes to, where the source says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receivers: Vec<String>,
    /// What keeps it back, for people: silences, alerts that inhibit it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_back: Vec<String>,
    /// Whether the form it came in is a pager's, so that a person is paged whatever its severity.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pages: bool,
}

impl Told {
    /// The alert's name; empty where the source gave none.
    #[must_use]
    pub fn alert(&self) -> &str {
        self.labels.get("alertname").map_or("", String::as_str)
    }
}

/// What an instance is by a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToldState {
    /// Its condition holds, for less than `for`.
    Pending,
    /// It fires.
    Firing,
    /// It fires, and something keeps it back from its receivers.
    KeptBack,
    /// Neither.
    Inactive,
}

/// How well a source was heard.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Hearing {
    /// The source's name.
    pub source: String,
    /// Answers that could be read, or messages.
    pub heard: u64,
    /// When it was not heard although it should have been, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub away: Vec<Away>,
    /// By how much its clock is ahead of ours, at least and at most; negative: behind. `None`: it tells no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead_ms: Option<(i64, i64)>,
    /// What makes doubtful what it told, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<String>,
    /// Alerts it told of that no rule of the drill's files raises, in order; no more than [`FOREIGN_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<String>,
    /// The drill's targets as it found them. `None`: it finds none by its nature, or was never asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Found>,
}

/// What a reason begins with why an alert is kept back, where a person has silenced it.
pub const SILENCED: &str = "silenced by";

/// So many alerts of others are named.
pub const FOREIGN_MAX: usize = 20;

/// A time in which a source was not heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Away {
    /// The last moment at which it was.
    pub from_ms: i64,
    /// The first at which it was again, or the end of the drill.
    pub until_ms: i64,
    /// Why, for people.
    pub why: String,
}

/// How many of a drill's targets a Prometheus scrapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Targets that the drill tells of.
    pub of: u64,
    /// Most of them that were found at a time.
    pub found: u64,
    /// When all were, first.
    pub all_ms: Option<i64>,
}
