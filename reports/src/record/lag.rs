//! How well the harness kept time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_nothing(value: &f64) -> bool {
    value.abs() < f64::EPSILON
}
