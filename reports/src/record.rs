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
//! let go only because its data was gone ([`Transition::data_gone`]), and how waits went over time ([`WaitsStep`]).

mod reading;

pub use reading::{Generation, RuleReading};

use crate::waits::Waits;
use schemars::JsonSchema;
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

/// A sample's value, with a JSON form for what JSON numbers cannot say.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(into = "serde_json::Value", try_from = "serde_json::Value")]
pub struct Value(
    /// The value; the staleness marker keeps its bits.
    pub f64,
);

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl From<Value> for serde_json::Value {
    fn from(value: Value) -> Self {
        let v = value.0;
        if firedrill_detector::sample::is_stale(v) {
            "stale".into()
        } else if v.is_nan() {
            "NaN".into()
        } else if v.is_infinite() {
            if v > 0.0 {
                "+Inf".into()
            } else {
                "-Inf".into()
            }
        } else if v.fract() == 0.0 && v.abs() < 9e15 && !(v == 0.0 && v.is_sign_negative()) {
            (v as i64).into()
        } else {
            v.into()
        }
    }
}

impl TryFrom<serde_json::Value> for Value {
    type Error = String;

    fn try_from(value: serde_json::Value) -> Result<Self, String> {
        match &value {
            serde_json::Value::Number(n) => n.as_f64().map(Self),
            serde_json::Value::String(text) => match text.as_str() {
                "stale" => Some(Self(firedrill_detector::sample::stale_marker())),
                "NaN" => Some(Self(f64::NAN)),
                "+Inf" => Some(Self(f64::INFINITY)),
                "-Inf" => Some(Self(f64::NEG_INFINITY)),
                _ => None,
            },
            _ => None,
        }
        .ok_or_else(|| {
            format!("expected a number, `NaN`, `+Inf`, `-Inf` or `stale`, found {value}")
        })
    }
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_nothing(value: &f64) -> bool {
    value.abs() < f64::EPSILON
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// User impact of one incident, from the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Impact {
    /// Incident id.
    pub incident: u32,
    /// First moment a task was harmed (failed, rejected, killed, or waited beyond its queue's objective).
    pub first_ms: Option<i64>,
    /// Last such moment.
    pub last_ms: Option<i64>,
    /// How many tasks were harmed.
    pub harmed_tasks: u64,
    /// Queues of the harmed tasks, in order. Since 1.2.
    #[serde(default)]
    pub queues: Vec<String>,
    /// No task was there that it could harm: none came to a queue within its reach while it was on, and none had been waiting
    /// there or was being worked on. Of incidents that are about nothing coming it is never said. Since 1.2.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unmet: bool,
}

/// Proof of what happened to every task of the drill.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    /// Arrivals the plan intended, and tasks that handlers wanted to enqueue.
    pub intended: u64,
    /// Of these: what handlers wanted. Since 1.2.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub born: u64,
    /// Accepted by Redis.
    pub enqueued: u64,
    /// Refused: the producer got an error.
    pub rejected: u64,
    /// Refused because there was such a task: its id was taken, or its uniqueness lock. Since 1.2.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub duplicates: u64,
    /// Of these: by a lock that was left behind without its task, so that nothing is done. Since 1.2.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub locked_out: u64,
    /// Tasks with at least one successful execution.
    pub succeeded: u64,
    /// Of these: with more than one, so that what they do was done twice. Since 1.2.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub succeeded_twice: u64,
    /// Given up: archived (retries exhausted or skipped, or by a remedy), or revoked by its handler.
    pub archived: u64,
    /// Of these: without ever being started. Since 1.2.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub archived_unstarted: u64,
    /// Given up, and dropped from the archive since: asynq keeps the newest 9,999 there, and none for more than 90 days.
    /// Counted as lost before 1.2.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub trimmed: u64,
    /// Never succeeded, and deleted by a remedy. Since 1.2.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deleted: u64,
    /// Still in Redis at the end: pending, active, scheduled, retry or aggregating.
    pub still_queued: u64,
    /// Of these: how many in each state. Since 1.2.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub queued: BTreeMap<String, u64>,
    /// Of these: active without a lease and in no worker's hands, so that no worker ever recovers them. Since 1.2.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub orphaned: u64,
    /// Of these: orphaned, or waiting in a queue that is paused or that no process serves any more. Since 1.2.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stuck: u64,
    /// Enqueued, never succeeded, and nowhere to be found.
    pub lost: u64,
    /// Of these: how many went with the data that a step lost, by the step's id. Since 1.2.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lost_in: BTreeMap<String, u64>,
    /// Nowhere to be found, but a ledger that may tell of its success is missing or damaged, or it was refused as a duplicate
    /// by an answer that may be wrong. Since 1.2.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub untold: u64,
    /// What remedies threw away, by the id of the step: the remedy's own, or that of the fault it ended. Those that cost nothing
    /// are left out. Since 1.2.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub costs: BTreeMap<String, Cost>,
    /// Executed again although no failure was reported for the earlier execution.
    pub executed_twice: u64,
    /// Tasks that waited longer than their queue's objective before their first start.
    pub late: u64,
    /// Executions that reported failure.
    pub failed_executions: u64,
    /// Wait from enqueue to first start, milliseconds: median, 99th percentile, maximum.
    pub wait_ms: [i64; 3],
    /// Examples of lost or doubled task ids, a few.
    pub examples: Vec<String>,
    /// Nothing was enqueued after the warm-up, although tasks came in it. Since 1.2.
    #[serde(default, skip_serializing_if = "is_false")]
    pub idle: bool,
    /// Queues whose users waited beyond the objective although nothing was wrong by plan: most of their tasks in a drill
    /// without incidents, or all before the first incident began. Since 1.2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<String>,
    /// What no step of the plan explains; anything in it makes the drill inconclusive. Since 1.2.
    #[serde(default)]
    pub unexplained: Unexplained,
}

impl Audit {
    /// Tasks that were accepted, never succeeded, and that nobody can run any more: lost, or dropped from a full archive.
    /// What a remedy deleted is not among them.
    #[must_use]
    pub fn jobs_lost(&self) -> u64 {
        self.lost.saturating_add(self.trimmed)
    }

    /// Tasks that were executed again although nobody was told that the execution before had failed.
    #[must_use]
    pub fn jobs_duplicated(&self) -> u64 {
        self.executed_twice
    }

    /// Tasks in Redis at the end that nobody will run as things are.
    #[must_use]
    pub fn jobs_stuck(&self) -> u64 {
        self.stuck
    }
}

/// What a remedy threw away of what would have been done without it: what can be proven, and no more. Since 1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Cost {
    /// Executions that ended with the processes it took away. Not counted: those whose handler may have been stuck, or whose
    /// process was away by a fault.
    #[serde(skip_serializing_if = "is_zero")]
    pub cut_off: u64,
    /// How long those had worked, and those that failed again: slots were held for nothing, milliseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub work_lost_ms: u64,
    /// Tasks that it archived, that never succeeded, and that had attempts left. Not counted: those of a type that fails
    /// whenever it is run, still when the drill is over.
    #[serde(skip_serializing_if = "is_zero")]
    pub archived: u64,
    /// The same, deleted.
    #[serde(skip_serializing_if = "is_zero")]
    pub deleted: u64,
    /// Executions that it had begin before their time and that failed.
    #[serde(skip_serializing_if = "is_zero")]
    pub failed_again: u64,
    /// Tasks that it moved into a queue from which nobody takes any more.
    #[serde(skip_serializing_if = "is_zero")]
    pub stranded: u64,
}

/// Tasks that came to something no step of the plan explains. Since 1.2.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Unexplained {
    /// Rejected outside of every window in which Redis was away by plan.
    pub rejected: u64,
    /// Lost without a step that loses data or handlers.
    pub lost: u64,
    /// Run again although nothing in the plan repeats them.
    pub run_twice: u64,
    /// Tasks of the drill that nobody in the drill enqueued.
    pub foreign: u64,
    /// Workload entries, by task type, that never came.
    pub never_came: Vec<String>,
    /// Examples of task ids, a few.
    pub examples: Vec<String>,
}

/// How long the tasks of one queue waited from enqueue to their first start; tasks that never started are not in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueWaits {
    /// Queue.
    pub queue: String,
    /// Virtual milliseconds, as pairs of a wait and how many tasks waited as long, shortest first.
    pub counts: Waits,
    /// The same from step to step of time, by when they started; steps in which none did are left out. Since 1.2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub over_time: Vec<WaitsStep>,
}

/// How long the tasks waited that started within a step of time. Since 1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitsStep {
    /// Its beginning.
    pub from_ms: i64,
    /// Its end.
    pub to_ms: i64,
    /// How many started.
    pub started: u64,
    /// Their median wait, in milliseconds, to within a hundredth.
    pub p50_ms: u64,
    /// What 99 of a hundred of them waited at most, the same.
    pub p99_ms: u64,
}

/// How well the harness kept time, all in virtual milliseconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Lag {
    /// Producer: actual minus intended enqueue time; median, 99th percentile, maximum.
    pub enqueue_ms: [i64; 3],
    /// Scrapes: actual minus intended; median, 99th percentile, maximum.
    pub scrape_ms: [i64; 3],
    /// Handlers: actual minus intended duration; median, 99th percentile, maximum.
    pub handler_ms: [i64; 3],
    /// Faults and remedies: actual minus planned; maximum.
    pub fault_ms_max: i64,
    /// Round trips to Redis, as the producer saw them; median, 99th percentile, maximum.
    pub redis_ms: [i64; 3],
    /// How much longer a worker slot is held than the plan wants the handler to work, because of the harness: two round trips
    /// and the handlers' timer error, less what was taken off, over the handlers' time, medians. That much capacity is
    /// missing.
    pub slot_overhead: f64,
    /// While all slots of a worker process were taken and tasks waited: from a handler's return to the start of the next
    /// in its place, mean; 0 when that never was so. Medians of a whole drill say little of it, for a process is slowest
    /// when it has most to do. Since 1.1.
    pub busy_turn_ms: f64,
    /// How much longer these handlers worked than planned, mean; negative where more was taken off than that. Since 1.1.
    pub busy_overrun_ms: f64,
    /// The same, added up minute by minute: the minute's start, and how many milliseconds the whole fleet's work of it was
    /// lost. Minutes in which nothing was are left out. Since 1.2.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost_ms: Vec<(i64, i64)>,
    /// How much shorter than planned handlers were made to work, mean: their slots were held that long without them, so that
    /// the workers' capacity was the plan's. Since 1.2.
    #[serde(skip_serializing_if = "is_nothing")]
    pub taken_off_ms: f64,
    /// The longest single delays, the worst of each kind and subject: a short stall is in no percentile. Since 1.2.
    pub gaps: Vec<Gap>,
}

/// One delay. Since 1.2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// Of what.
    pub what: GapKind,
    /// Of whom: a target, a process, `producer`, `firedrill`.
    pub subject: String,
    /// When it began, virtual milliseconds since the drill's start.
    pub at_ms: i64,
    /// How long it was beyond what the plan wants, virtual milliseconds.
    pub ms: i64,
}

/// What was delayed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum GapKind {
    /// From one scrape of a target to the next.
    Scrape,
    /// An enqueue.
    Enqueue,
    /// A round trip to Redis.
    RoundTrip,
    /// A handler, beyond its planned time.
    Handler,
    /// The harness, a worker or Redis got no processor.
    Stall,
    /// What a newer firedrill may add.
    #[serde(other)]
    Other,
}
