//! The record: everything one drill left behind, as plain values that can be printed.
//!
//! All times inside a record are virtual milliseconds since the start of the drill; [`Header::epoch_ms`]
//! turns them into Unix time.
//!
//! A minor version may add fields and kinds of lines. So unknown fields are left out when reading, and a field that was
//! not there from the beginning has a default. 1.1 added the waits of every queue ([`QueueWaits`]) and what busy slots
//! lost ([`Lag::busy_turn_ms`]). 1.2 added the steps of the timeline, to which marks and incidents refer by id
//! ([`PlannedStep`]), delivery ([`Header::group_wait_ms`]), what was done from outside ([`Interference`]), the longest
//! single delays ([`Gap`]), how rules were read ([`RuleReading`]), what no step explains ([`Unexplained`]), whether an alert
//! let go only because its data was gone ([`Transition::data_gone`]), how waits went over time ([`WaitsStep`]), what other
//! sources of alerts told ([`Heard`]), when a drill really was ([`Header::began_ms`]), and what people did in a rehearsal
//! ([`Header::rehearsal`], [`Action`]).

mod action;
mod audit;
mod heard;
mod lag;
mod reading;
mod value;

pub use action::{Action, Deed, Rehearsed};
pub use audit::{Audit, Cost, Impact, QueueWaits, Unexplained, WaitsStep};
pub use heard::{
    Away, FOREIGN_MAX, Found, Heard, Hearing, KnownRule, Likeness, SILENCED, Source, SourceKind,
    Told, ToldState,
};
pub use lag::{Gap, GapKind, Lag};
pub use reading::{Generation, RuleReading};
pub use value::Value;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Format version written by this release: readers accept the same major version.
pub const FORMAT: &str = "firedrill-record/1.2";

/// First line of a record: enough to score the drill again without any other file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`] of the writer.
    pub format: String,
    /// firedrill's version.
    pub tool_version: String,
    /// Scenario name.
    pub scenario: String,
    /// A cause of the runbook's table, `other`, or `benign`.
    pub family: String,
    /// One sentence for people.
    pub summary: String,
    /// Seed of every random stream.
    pub seed: u64,
    /// `live` or `virtual`.
    pub engine: String,
    /// Virtual seconds per real second; 0 on the virtual engine, which waits for nothing.
    pub speed: f64,
    /// Unix time in milliseconds of the drill's start.
    pub epoch_ms: i64,
    /// When it began in real time, Unix milliseconds; `None`: on the virtual engine, whose records do not depend on when they
    /// are made, and before 1.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_ms: Option<i64>,
    /// What was asked of the people who took part, where it was a rehearsal. Since 1.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsal: Option<Rehearsed>,
    /// Planned length.
    pub duration_ms: i64,
    /// Episodes that start before this are not scored.
    pub warmup_ms: i64,
    /// Scrape interval.
    pub scrape_interval_ms: i64,
    /// Default evaluation interval of rule groups.
    pub evaluation_interval_ms: i64,
    /// Phase of the rule groups' evaluation slots within the interval, drawn from the seed.
    pub evaluation_phase_ms: i64,
    /// Alertmanager's `group_wait`: from the first firing of a group to its notification. Since 1.2; 30 s before.
    #[serde(default = "default_group_wait_ms")]
    pub group_wait_ms: i64,
    /// Alertmanager's `group_interval`: between notifications of a group that is still there. Since 1.2; 5 min before.
    #[serde(default = "default_group_interval_ms")]
    pub group_interval_ms: i64,
    /// What says who is sent what, instead of severities: of an Alertmanager file what matters, without secrets. Since 1.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alertmanager: Option<RuleText>,
    /// Rule files, name and text, as they were.
    pub rules: Vec<RuleText>,
    /// How they were read. Since 1.2; as Prometheus 3 reads them before.
    #[serde(default, skip_serializing_if = "RuleReading::is_default")]
    pub reading: RuleReading,
    /// The scenario as meant (YAML, defaults filled).
    pub plan: String,
    /// Steps of the timeline: what marks and incidents refer to. Since 1.2.
    #[serde(default)]
    pub steps: Vec<PlannedStep>,
    /// Ground truth: incidents of the plan.
    pub incidents: Vec<PlannedIncident>,
    /// Windows in which every page is a false alarm.
    pub benign: Vec<BenignWindow>,
    /// Gates of the plan, such as `jobs_lost: count == 0`. Since 1.2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<String>,
    /// Facts about the machine and Redis, for people. No secrets.
    pub environment: BTreeMap<String, String>,
}

/// What [`Header::environment`] says of workers that are not firedrill's.
pub const WORKERS: &str = "workers";

impl Header {
    /// Whether the workers were firedrill's: their handlers knew the plan, and they were scraped.
    #[must_use]
    pub fn has_our_workers(&self) -> bool {
        !self.environment.contains_key(WORKERS)
    }
}

/// Default of [`Header::group_wait_ms`], Alertmanager's own.
pub const GROUP_WAIT_MS: i64 = 30_000;
/// Default of [`Header::group_interval_ms`], Alertmanager's own.
pub const GROUP_INTERVAL_MS: i64 = 300_000;

fn default_group_wait_ms() -> i64 {
    GROUP_WAIT_MS
}

fn default_group_interval_ms() -> i64 {
    GROUP_INTERVAL_MS
}

/// A fault of the timeline as planned, and what ends it. Since 1.2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its name in the scenario, unique in the drill.
    pub id: String,
    /// Kind of fault, e.g. `worker.kill`.
    pub fault: String,
    /// Kind of remedy, e.g. `worker.restart`; `None`: it ends by itself, or with the drill.
    pub remedy: Option<String>,
    /// Planned start.
    pub starts_ms: i64,
    /// Planned end; `None`: with the drill.
    pub ends_ms: Option<i64>,
    /// On what, e.g. `w-0`.
    pub targets: Vec<String>,
    /// Whether it is a remedy of its own, and `fault` its kind.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_remedy: bool,
}

/// A rule file by value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleText {
    /// File name as given.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// What a correct rule set should do about an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// Somebody should be paged.
    Page,
    /// A ticket is enough.
    Ticket,
}

/// An incident as planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedIncident {
    /// Position in the plan; other lines refer to it.
    pub id: u32,
    /// Cause, from the runbook's table.
    pub cause: String,
    /// Which class of alert it deserves.
    pub wanted: Wanted,
    /// Planned start: the step's, or later.
    pub starts_ms: i64,
    /// Planned end: the step's (remedy applied), its own, or the drill's.
    pub ends_ms: i64,
    /// Latest good detection.
    pub deadline_ms: i64,
    /// The step behind it: what its marks say of when it really began and ended moves the incident, too. `None`: its times
    /// are its own; in records before 1.2: those of the marks planned for the same time. Since 1.2.
    #[serde(default)]
    pub step: Option<String>,
    /// Queues whose tasks it can harm; empty: any. An alert for another queue does not see it. Since 1.2.
    #[serde(default)]
    pub queues: Vec<String>,
}

/// A window in which pages are false alarms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BenignWindow {
    /// What harmless thing happens.
    pub what: String,
    /// Start.
    pub starts_ms: i64,
    /// End.
    pub ends_ms: i64,
}

/// One line after the header. Written in order of `at_ms` and flushed as it happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "a record has one audit among thousands of lines, which are read one after the other"
)]
pub enum Line {
    /// Introduces a series; scrapes refer to it by `id`.
    Series {
        /// Number of the series in this record.
        id: u32,
        /// Its labels, `__name__` included.
        labels: BTreeMap<String, String>,
    },
    /// One scrape of one target.
    Scrape {
        /// When.
        at_ms: i64,
        /// Target, as `job/instance`.
        target: String,
        /// Series id and value; non-finite values are the strings `NaN`, `+Inf`, `-Inf`, `stale`.
        values: Vec<(u32, Value)>,
    },
    /// A fault or remedy, as it really happened.
    Mark(Mark),
    /// An alert instance changed state.
    Transition(Transition),
    /// A rule failed to evaluate.
    RuleError {
        /// When.
        at_ms: i64,
        /// Alert or recorded metric.
        rule: String,
        /// Why.
        message: String,
    },
    /// A rule none of whose selectors matched any series in the whole drill.
    NoData {
        /// Alert or recorded metric.
        rule: String,
    },
    /// Something was done, or went wrong, that no step of the plan explains. Since 1.2.
    Interference(Interference),
    /// What a source of alerts beside our detector told, or how well it was heard. Since 1.2.
    Heard(Heard),
    /// What people did in a rehearsal, or were told. Since 1.2.
    Action(Action),
    /// What users felt of an incident, measured from the ledger.
    Impact(Impact),
    /// What happened to every task.
    Audit(Audit),
    /// How long the tasks of a queue waited. Since 1.1.
    Waits(QueueWaits),
    /// How well the harness kept time.
    Lag(Lag),
    /// Last line: the drill ran to its end.
    Footer {
        /// Virtual time reached.
        at_ms: i64,
        /// Real seconds the drill took; 0 for a virtual one, whose record does not depend on the machine.
        real_seconds: f64,
        /// Why the drill ended early, if it did.
        aborted: Option<String>,
        /// How many lines the record has, header and this one included. Filled in by the writer. Since 1.2.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lines: Option<u64>,
        /// Over all bytes of the record until here: 64-bit FNV-1a, in hexadecimal digits. Filled in by the writer. Since
        /// 1.2.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checksum: Option<String>,
    },
}

/// Which end of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It begins.
    Begin,
    /// It is ended, by a remedy or by itself.
    End,
    /// It goes on: one more of the things that it does one after the other. A step may have any number of these. Since 1.2.
    During,
}

/// A fault or remedy that was applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// The step's [`PlannedStep::id`]. `None` in records before 1.2.
    #[serde(default)]
    pub step: Option<String>,
    /// Which end of the step. `None` in records before 1.2.
    #[serde(default)]
    pub phase: Option<Phase>,
    /// When it was intended.
    pub planned_ms: i64,
    /// When it was done and its effect verified.
    pub at_ms: i64,
    /// Kind, e.g. `worker.kill`, `redis.start`.
    pub what: String,
    /// On what, e.g. `w-0` and `w-1`. One text with commas in records before 1.2.
    #[serde(alias = "target", deserialize_with = "targets")]
    pub targets: Vec<String>,
    /// Whether the effect was seen (process gone, port closed, handler stuck ...); `false` makes the drill inconclusive.
    pub verified: bool,
    /// What the probe saw, for people. Called `note` in records before 1.2.
    #[serde(alias = "note")]
    pub saw: String,
}

fn targets<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::List(list) => list,
        Either::Text(text) => text.split(", ").map(str::to_owned).collect(),
    })
}

/// What no step of the plan did. One such line makes a drill inconclusive. Since 1.2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interference {
    /// When it was seen, or began.
    pub at_ms: i64,
    /// When it was over, where that is known.
    #[serde(default)]
    pub until_ms: Option<i64>,
    /// What happened.
    pub what: Meddling,
    /// To whom, e.g. `w-0`, `redis`, `firedrill`, a queue.
    pub subject: String,
    /// What was seen, for people.
    pub saw: String,
}

/// Kinds of interference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meddling {
    /// A process ended.
    Ended,
    /// A process was stopped (SIGSTOP), or got no processor, for a time.
    Stopped,
    /// Another server answers where the drill's Redis was, or it was restarted.
    Replaced,
    /// A target that should be up could not be scraped.
    Unreachable,
    /// Somebody else wrote to the drill's Redis: keys, tasks or clients that are not the drill's.
    ForeignData,
    /// A ledger is missing, cut short or damaged.
    Ledger,
    /// A proxy of the team's that its workers go through is another than it was, or does something else.
    Proxy,
    /// What a newer firedrill may add.
    #[serde(other)]
    Other,
}

/// State of an alert instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// The expression has no such element.
    Inactive,
    /// It has, for less than `for`.
    Pending,
    /// It has, for long enough.
    Firing,
}

impl From<firedrill_detector::AlertState> for AlertState {
    fn from(state: firedrill_detector::AlertState) -> Self {
        match state {
            firedrill_detector::AlertState::Inactive => Self::Inactive,
            firedrill_detector::AlertState::Pending => Self::Pending,
            firedrill_detector::AlertState::Firing => Self::Firing,
        }
    }
}

/// An alert instance changed state at an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// Evaluation time.
    pub at_ms: i64,
    /// Rule group.
    pub group: String,
    /// Alert name.
    pub alert: String,
    /// Final labels of the instance (`alertname` and the rule's labels included).
    pub labels: BTreeMap<String, String>,
    /// State before.
    pub from: AlertState,
    /// State after.
    pub to: AlertState,
    /// Value of the expression, when the instance is in its result.
    pub value: Option<Value>,
    /// It became inactive only because the series behind it vanished: not a sign that all is well. Since 1.2.
    #[serde(default, skip_serializing_if = "is_false")]
    pub data_gone: bool,
    /// The series behind it had vanished while it fired, and the condition held as soon as they were back: the same alarm
    /// goes on. Since 1.2.
    #[serde(default, skip_serializing_if = "is_false")]
    pub data_back: bool,
}

fn is_false(value: &bool) -> bool {
    !*value
}
