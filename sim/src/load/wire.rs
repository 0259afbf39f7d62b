//! What a load's parent and its processes tell each other: lines of JSON.
//!
//! A [`PartSpec`] comes in on stdin, [`Word::Ready`] goes out, then comes a `ClockOrigin`. From then on a process tells a
//! [`Word::Second`] for every second, and [`Word::Ended`] at last. A line that says `stop` asks it to end; when stdin closes, its parent
//! is gone and it ends at once.

use super::LoadPlan;
use super::arrivals::Share;
use firedrill_asynq::broker::redis::address::Address;
use firedrill_reports::load::{Counts, Latencies, Role};
use serde::{Deserialize, Serialize};

/// The line that asks a process to end.
pub const STOP: &str = "stop";

/// All that a process of a load needs to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartSpec {
    /// What it does.
    pub role: Role,
    /// Its name, e.g. `producer-0`, or the name of a process of the plan.
    pub name: String,
    /// The load.
    pub load: LoadPlan,
    /// Which arrivals are its own; for producers.
    pub share: Share,
    /// Where Redis is.
    pub redis: Address,
    /// Who has started that Redis, if it is the load's own.
    pub server_of: Option<u32>,
}

/// What a process of a load tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "word", rename_all = "snake_case")]
pub enum Word {
    /// It is connected, has enqueued its part of the backlog, and waits for the clock.
    Ready {
        /// Tasks of the backlog that it has enqueued.
        prefilled: u64,
    },
    /// What it did in a second.
    Second(Box<Second>),
    /// Redis refused a task or did not answer; told once of each.
    Trouble {
        /// When, milliseconds since the first possible arrival.
        at_ms: i64,
        /// What, in a sentence without a full stop.
        what: String,
        /// Whether it did not answer.
        silent: bool,
    },
    /// A producer has sent all, and has every answer it will get.
    Done,
    /// It has done what is left to be done, told all, and is about to end.
    Ended,
}

/// What a process did in a second.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Second {
    /// Which, from 0: the second after the first possible arrival.
    pub number: u64,
    /// What happened.
    pub counts: Counts,
    /// What was measured, of tasks that arrived after the warm-up.
    pub latencies: Latencies,
    /// Processor time, seconds.
    pub cpu_s: f64,
    /// Resident memory at its end, bytes.
    pub rss_bytes: u64,
}
