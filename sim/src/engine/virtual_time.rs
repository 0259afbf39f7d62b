//! The virtual engine: the same plan and the same actors on a model of Redis, from event to event without waiting.
//!
//! One thread per drill, no clock, no I/O, first come first served among what happens at the same time, and every
//! random number from a named stream of the plan's seed: the same plan gives the same observations, byte for byte.
//!
//! What the model leaves out: a call to a Redis that is up takes no time (but for a [`Harness`]), and so do starting a
//! process and a scrape.

mod event_queue;
mod lever;
mod lives;
mod pools;
mod process;
mod redis;
mod scrapes;
mod stage;
mod token;
mod world;

use crate::engine::{Ended, Sink};
use crate::plan::Plan;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI64};
use world::World;

/// What a virtual drill runs with.
#[derive(Debug, Clone, Copy)]
pub struct VirtualOptions<'a> {
    /// Whether targets are scraped; without, only the audit is observed.
    pub scrape: bool,
    /// Becomes true when the drill is to be stopped.
    pub abort: Option<&'a AtomicBool>,
    /// Virtual milliseconds reached, for a progress display.
    pub reached_ms: Option<&'a AtomicI64>,
    /// What a harness is made to cost.
    pub harness: Harness,
}

/// What a live drill's harness costs its workers, put into the model on purpose, to see whether it is what two drills
/// differ by. Nothing, unless somebody asks for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Harness {
    /// Virtual microseconds from a call to Redis to its answer.
    pub round_trip_us: i64,
    /// Virtual microseconds a handler works longer than the plan wants, on average.
    pub overrun_us: i64,
    /// By how much that varies: each handler's is drawn from so much less to so much more, virtual microseconds.
    pub spread_us: i64,
    /// Which dice draw it: with others, drills on the same terms differ as two live drills do.
    pub dice: u64,
    /// Virtual milliseconds a scrape sees the world later than its time says.
    pub scrape_late_ms: i64,
}

impl Default for VirtualOptions<'_> {
    fn default() -> Self {
        Self {
            scrape: true,
            abort: None,
            reached_ms: None,
            harness: Harness::default(),
        }
    }
}

/// How much there was to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tasks sent.
    pub arrivals: u64,
    /// Handlers that returned.
    pub returns: u64,
    /// Tasks that came back from `retry`.
    pub retries_due: u64,
}

impl Counts {
    /// Events as simulators count them: arrivals, service ends, retries due.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.arrivals + self.returns + self.retries_due
    }
}

/// Runs `plan` to its end, or until aborted.
///
/// # Errors
/// When an observation cannot be kept.
pub fn run(
    plan: &Plan,
    options: VirtualOptions<'_>,
    sink: Sink<'_>,
) -> io::Result<(Ended, Counts)> {
    World::new(plan, options).run(sink)
}
