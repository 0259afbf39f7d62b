//! The record of a load test: what was asked, how long what took, and who was the limit.
//!
//! A load leaves a directory with [`LOAD_FILE`] and [`LATENCY_FILE`]. The first is all but the histograms, as JSON; the second holds those,
//! a line per second and [`Stage`], in HdrHistogram's own log format, nanoseconds. [`LoadRecord`] is both together: read with
//! [`LoadRecord::read`], written through [`LoadWriter`].

pub mod account;
mod drift;
pub mod figures;
mod files;
mod join;
mod knee;
mod latency;
mod series;
mod verdict;
mod window;

pub use account::{Account, Counts, Left};
pub use drift::Drift;
pub use files::{Interval, LATENCY_FILE, LOAD_FILE, LoadFileError, LoadWriter, each_interval};
pub use join::{JoinError, join, newest};
pub use knee::{Borne, Knee, Round, Trial};
pub use latency::{Latencies, Latency, LatencyError, Stage};
pub use series::{Brief, RedisRow, Row, SERIES_ROWS_MAX, Series};
pub use verdict::{LATE_FLOOR_S, LATE_SHARE_MAX, PROCESS_CPU_MAX, Saturated};

use crate::record::{Audit, Mark};
use crate::shard::Shard;
use serde::{Deserialize, Serialize};

/// Format version written by this release: readers accept the same major version.
pub const FORMAT: &str = "firedrill-load/1.0";

/// A load test that is over.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LoadRecord {
    /// All but the histograms.
    pub facts: LoadFacts,
    /// How long things took, of tasks that arrived after the warm-up.
    pub latencies: Latencies,
}

/// All that is known of a load test but its histograms.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LoadFacts {
    /// What was asked, and of what.
    pub header: LoadHeader,
    /// What became of the tasks, warm-up included.
    pub counts: Counts,
    /// What was in Redis before and in the end; `None`: nobody could look.
    pub left: Option<Left>,
    /// What became of the tasks by the audit of the drill that a scenario with faults is; `None`: it was none, or is of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    /// How it went, second by second.
    pub series: Series,
    /// What Redis did; `None`: it could not be asked.
    pub redis: Option<RedisSide>,
    /// The processes that enqueued and worked.
    pub processes: Vec<Process>,
    /// The faults and remedies that were applied in the drill that it is, milliseconds since the first possible arrival.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
    /// What went wrong while it ran, in order of time.
    pub troubles: Vec<Trouble>,
    /// Whether it was stopped before its time.
    pub stopped: bool,
    /// How long it ran, warm-up included, seconds.
    pub ran_s: f64,
}

/// What was asked of a load test.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LoadHeader {
    /// [`FORMAT`].
    pub format: String,
    /// Name of the load: its queues begin with it.
    pub name: String,
    /// Seed of arrivals, payloads and service times.
    pub seed: u64,
    /// The plan as YAML, as a scenario is written.
    pub plan: String,
    /// Whether it was a scenario that the whole drill ran for, with its faults.
    pub drill: bool,
    /// How tasks were enqueued.
    pub drive: Drive,
    /// Who was there.
    pub sides: Sides,
    /// Tasks per second asked for, over all stages after the warm-up, on average; `None`: a closed loop, or nobody produced.
    pub asked_per_s: Option<f64>,
    /// How long it was to last after the warm-up, seconds.
    pub lasts_s: f64,
    /// How long the warm-up was, seconds.
    pub warmup_s: f64,
    /// Producer processes.
    pub producers: u32,
    /// Worker processes.
    pub workers: u32,
    /// Tasks that they work on at a time, all together.
    pub slots: u32,
    /// What Redis it was, e.g. `redis 7.0.15`.
    pub redis: String,
    /// When the first task could arrive, RFC 3339.
    pub started: String,
    /// firedrill's version.
    pub firedrill: String,
    /// What to type to repeat it, without secrets and without what only says where results go; empty: of before that was kept.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// Processors of the machine.
    pub cpus: u32,
    /// Which part of a load that many run together; `None`: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

/// How tasks are enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drive {
    /// At their times, whatever the system does: latencies count from the intended arrival.
    #[default]
    Open,
    /// By so many loops, each of which waits for an answer before it enqueues again: latencies count from when it was sent,
    /// so what the system keeps from being sent is in none of them.
    Closed {
        /// How many.
        loops: u32,
    },
}

/// Who is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sides {
    /// Producers and workers.
    #[default]
    Both,
    /// Only producers: somebody else works.
    Produce,
    /// Only workers, on a backlog or on what somebody else enqueues.
    Consume,
}

impl Sides {
    /// Whether we enqueue.
    #[must_use]
    pub fn produces(self) -> bool {
        self != Self::Consume
    }

    /// Whether we work.
    #[must_use]
    pub fn consumes(self) -> bool {
        self != Self::Produce
    }
}

/// What a process did in a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It enqueued.
    Producer,
    /// It worked.
    Worker,
}

/// A process of a load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// Its name, e.g. `producer-0`.
    pub name: String,
    /// What it did.
    pub role: Role,
    /// Processor time while the load was measured, seconds.
    pub cpu_s: f64,
    /// The largest share of a core that it took for a second.
    pub cpu_most: f64,
    /// The most memory that was resident, bytes.
    pub rss_bytes: u64,
    /// Whether it told of its end itself; if not, its last second is not in the record.
    pub ended_well: bool,
}

/// What Redis did from the first possible arrival to the end.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RedisSide {
    /// Between its first and last answer, seconds.
    pub wall_s: f64,
    /// Processor time of the server, seconds.
    pub cpu_s: f64,
    /// The largest share of a core it took for a second.
    pub cpu_most: f64,
    /// Commands carried out, those inside scripts not counted.
    pub commands: u64,
    /// Calls of scripts.
    pub script_calls: u64,
    /// Time inside scripts, seconds.
    pub script_s: f64,
    /// Memory at the beginning, bytes.
    pub memory_first: u64,
    /// The most memory, bytes.
    pub memory_most: u64,
    /// Bytes that came in.
    pub bytes_in: u64,
    /// Bytes that went out.
    pub bytes_out: u64,
    /// Commands that the slow log took in.
    pub slow: u64,
    /// The slowest of those, and how long it took, seconds.
    pub slowest: Option<(String, f64)>,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// When, milliseconds since the first possible arrival.
    pub at_ms: i64,
    /// What, in a sentence without a full stop.
    pub what: String,
    /// What it is about.
    #[serde(default)]
    pub about: About,
}

/// What something that went wrong is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// A process or the load as a whole.
    #[default]
    Load,
    /// Redis was away: that tasks were late then is not the generator's doing.
    Redis,
    /// Redis refused tasks, or did not answer in time: a few of them are errors as any, which are counted.
    Calls,
}

impl RedisSide {
    /// The share of a core it took on average.
    #[must_use]
    pub fn cpu_share(&self) -> f64 {
        match self.wall_s > 0.0 {
            true => self.cpu_s / self.wall_s,
            false => 0.0,
        }
    }
}

impl LoadRecord {
    /// Seconds over which rates are taken: those after the warm-up.
    #[must_use]
    pub fn measured_s(&self) -> f64 {
        let header = &self.facts.header;
        (self.facts.ran_s - header.warmup_s).clamp(0.0, header.lasts_s.max(0.0))
    }
}
