//! What a live drill's harness measured about itself, as terms for a model.

use crate::jsonl::Record;
use crate::record::{Mark, Phase};
use std::fmt;

/// What the harness of a live drill cost: put into the model, it shows whether two drills differ by that alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// Round trip to Redis, virtual microseconds: the producer's median. A server fetches no more than one task in one.
    pub round_trip_us: i64,
    /// How much longer a worker slot is held for an execution than the plan wants its handler to work, virtual microseconds;
    /// negative where more was taken off handlers than that. Where the live drill's slots were ever all busy: from a handler's
    /// return to the next one's start there, and how much longer these worked than planned, means, for that decides how fast
    /// a backlog drains. Else two round trips and the handlers' timer error, medians.
    pub held_us: i64,
    /// By how much handlers' timers err beyond that, virtual microseconds: from their median to their 99th percentile.
    pub spread_us: i64,
    /// What took effect later than in the model: signals, and processes and Redis that take their time to start.
    pub deeds: Vec<LateDeed>,
}

/// A fault or remedy that took effect later than in the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateDeed {
    /// Id of its step.
    pub step: String,
    /// Which end of the step.
    pub phase: Phase,
    /// Kind, e.g. `worker.restart`.
    pub what: String,
    /// On what.
    pub target: String,
    /// When it was intended.
    pub planned_ms: i64,
    /// How much later than in the model, virtual milliseconds, more than 0.
    pub late_ms: i64,
}

impl Terms {
    /// How much longer handlers of the model work on these terms, virtual microseconds: it has their slots held for two round
    /// trips besides.
    #[must_use]
    pub fn overrun_us(&self) -> i64 {
        self.held_us - 2 * self.round_trip_us
    }

    /// What `live` measured about itself beside a drill of the `model`.
    #[must_use]
    pub fn measured(live: &Record, model: &Record) -> Self {
        let lag = live.lag().cloned().unwrap_or_default();
        let late = |mark: &Mark| {
            // What a step does in between follows from its beginning.
            if mark.phase == Some(Phase::During) {
                return None;
            }
            let twin = model.marks().find(|twin| is_twin(mark, twin))?;
            let late_ms = mark.at_ms - twin.at_ms;
            (late_ms > 0).then_some(LateDeed {
                step: mark.step.clone()?,
                phase: mark.phase?,
                what: mark.what.clone(),
                target: mark.targets.join(", "),
                planned_ms: mark.planned_ms,
                late_ms,
            })
        };
        let micros = |ms: f64| (ms * 1e3).round() as i64;
        let [median_ms, most_ms, _] = lag.handler_ms;
        let round_trip_ms = lag.redis_ms[0].max(0) as f64;
        let held_ms = match lag.busy_turn_ms > 0.0 {
            true => lag.busy_turn_ms + lag.busy_overrun_ms,
            false => 2.0 * round_trip_ms + median_ms as f64 - lag.taken_off_ms,
        };
        Self {
            round_trip_us: micros(round_trip_ms),
            held_us: micros(held_ms),
            spread_us: micros((most_ms - median_ms).max(0) as f64),
            deeds: live.marks().filter_map(late).collect(),
        }
    }
}

/// Whether two marks are of the same end of the same step. Marks of records before 1.2 name no step and have no twin.
pub(super) fn is_twin(mark: &Mark, other: &Mark) -> bool {
    mark.step.is_some() && (&mark.step, mark.phase) == (&other.step, other.phase)
}

impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "round trips to Redis of {:.1} ms, slots held {:.1} ms beyond their handlers' time, timers {:.1} ms apart",
            self.round_trip_us as f64 / 1e3,
            self.held_us as f64 / 1e3,
            self.spread_us as f64 / 1e3
        )?;
        for deed in &self.deeds {
            write!(f, ", {} {:.1} s late", deed.what, deed.late_ms as f64 / 1e3)?;
        }
        Ok(())
    }
}
