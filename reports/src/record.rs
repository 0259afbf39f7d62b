//! The record: everything one drill left behind, as plain values that can be printed.
//!
//! All times inside a record are virtual milliseconds since the start of the drill; [`Header::epoch_ms`]
//! turns them into Unix time.
//!
//! A minor version may add fields and kinds of lines. So unknown fields are left out when reading, and a field that was
//! not there from the beginning has a default. 1.1 added the waits of every queue ([`QueueWaits`]) and what busy slots
//! lost ([`Lag::busy_turn_ms`]).

use crate::waits::Waits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Format version written by this release: readers accept the same major version.
pub const FORMAT: &str = "firedrill-record/1.1";

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
    /// Rule files, name and text, as they were.
    pub rules: Vec<RuleText>,
    /// The scenario as meant (YAML, defaults filled).
    pub plan: String,
    /// Ground truth: incidents of the plan.
    pub incidents: Vec<PlannedIncident>,
    /// Windows in which every page is a false alarm.
    pub benign: Vec<BenignWindow>,
    /// Facts about the machine and Redis, for people. No secrets.
    pub environment: BTreeMap<String, String>,
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
    /// Planned fault start.
    pub starts_ms: i64,
    /// Planned end of the fault (remedy applied), or the drill's end.
    pub ends_ms: i64,
    /// Latest good detection.
    pub deadline_ms: i64,
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

/// A fault or remedy that was applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// When it was intended.
    pub planned_ms: i64,
    /// When it was done and its effect verified.
    pub at_ms: i64,
    /// Kind, e.g. `worker.kill`, `redis.start`.
    pub what: String,
    /// On what, e.g. `w-0, w-1`.
    pub target: String,
    /// Whether the effect was seen (process gone, port closed, handler stuck ...); `false` makes the drill inconclusive.
    pub verified: bool,
    /// Details for people.
    pub note: String,
}

/// State of an alert instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// Proof of what happened to every task of the drill.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Audit {
    /// Arrivals the plan intended.
    pub intended: u64,
    /// Accepted by Redis.
    pub enqueued: u64,
    /// Refused: the producer got an error.
    pub rejected: u64,
    /// Tasks with at least one successful execution.
    pub succeeded: u64,
    /// Given up: archived (retries exhausted or skipped), or revoked by its handler.
    pub archived: u64,
    /// Still in Redis at the end: pending, active, scheduled or retry.
    pub still_queued: u64,
    /// Enqueued, never succeeded, and nowhere to be found.
    pub lost: u64,
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
}

/// How long the tasks of one queue waited from enqueue to their first start; tasks that never started are not in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueWaits {
    /// Queue.
    pub queue: String,
    /// Virtual milliseconds, as pairs of a wait and how many tasks waited as long, shortest first.
    pub counts: Waits,
}

/// How well the harness kept time, all in virtual milliseconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
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
    /// How much longer a worker slot is held than the handler works, because of the harness: two round trips and the
    /// handlers' timer error over the handlers' time, medians. That much capacity is missing.
    pub slot_overhead: f64,
    /// While all slots of a worker process were taken and tasks waited: from a handler's return to the start of the next
    /// in its place, mean; 0 when that never was so. Medians of a whole drill say little of it, for a process is slowest
    /// when it has most to do. Since 1.1.
    pub busy_turn_ms: f64,
    /// How much longer these handlers worked than planned, mean. Since 1.1.
    pub busy_overrun_ms: f64,
}
