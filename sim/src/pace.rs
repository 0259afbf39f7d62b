//! How fast live drills can go on this machine, and how many beside each other: decided before they begin.
//!
//! What a plan asks for is known ([`Demand`]). What it costs here is measured on the real thing ([`measure`]). From both
//! follow each drill's speed and its share of the processors ([`Machine::pace`]); [`Packing`] lets drills begin as long as
//! they take about 60 % of the processors, and not all of those that others leave. Between that and all of them lies what
//! keeps queues of processes short, so that a drill runs as if it were alone.

pub mod measure;
mod packing;

pub use packing::Packing;

use crate::plan::Demand;

/// Fastest speed that is chosen by itself: at a higher one, the machine's everyday hiccups of ten milliseconds are minutes.
pub const SPEED_MAX: f64 = 60.0;
/// The same for drills about how long clients wait: 3 s are a tenth of a second.
const HOLDS_SPEED_MAX: f64 = 30.0;
/// Slowest speed that is chosen by itself. A drill of an hour takes a quarter of one then.
pub const SPEED_MIN: f64 = 4.0;
/// Share of all processors that drills may take, and of one that a single process may.
const BUSY_MAX: f64 = 0.6;
/// Share of those that others leave.
const FREE_MAX: f64 = 0.9;
/// Most that drills of a machine may take before a speed somebody asks for is refused: beyond the processors there are,
/// with room for a measurement beside somebody else.
const HOPELESS: f64 = 2.0;
/// No single process of a drill does more than about half of its work, and none can use more than one processor.
const LARGEST_PART: f64 = 0.5;
/// Share of the handlers' time that slots may be held longer, when a speed is chosen. Half of what is inconclusive: what
/// was measured on a machine at rest gets worse on a busy one.
const HELD_LONGER: f64 = 0.12;

/// What drills cost on this machine, as measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// Processor time of a task in Redis, workers and harness together, real seconds.
    pub task_s: f64,
    /// For how long a slot is held beyond the handler's time, per task, real seconds: round trips and timers.
    pub held_s: f64,
    /// Processors.
    pub cores: f64,
    /// How many of them others left.
    pub free: f64,
}

/// How one drill is run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Virtual seconds per real second.
    pub speed: f64,
    /// Processors it will take, on average.
    pub load: f64,
}

impl Pace {
    /// How long a drill takes, real seconds.
    #[must_use]
    pub fn seconds(&self, demand: &Demand) -> f64 {
        demand.duration_ms as f64 / 1e3 / self.speed
    }
}

impl Machine {
    /// What drills may take together.
    #[must_use]
    pub fn budget(&self) -> f64 {
        (self.cores * BUSY_MAX).min(self.free * FREE_MAX)
    }

    /// At a speed that was asked for.
    #[must_use]
    pub fn at(&self, demand: &Demand, speed: f64) -> Pace {
        Pace {
            speed,
            load: demand.tasks_per_s * self.task_s * speed,
        }
    }

    /// The fastest a drill can go here: within the budget, alone if need be; no process busier than a processor bears; and
    /// slots hardly held longer than handlers work.
    #[must_use]
    pub fn pace(&self, demand: &Demand) -> Pace {
        let per_speed = (demand.busiest_per_s * self.task_s).max(f64::MIN_POSITIVE);
        let by_budget = self.budget() / per_speed;
        let by_process = BUSY_MAX / (per_speed * LARGEST_PART);
        let by_slots = demand.handler_ms / 1e3 * HELD_LONGER / self.held_s.max(f64::MIN_POSITIVE);
        let speed = by_budget.min(by_process).min(by_slots);
        let most = if demand.holds_calls {
            HOLDS_SPEED_MAX
        } else {
            SPEED_MAX
        };
        self.at(demand, round(speed.clamp(SPEED_MIN, most)))
    }

    /// How much longer slots would be held than handlers work, as a share.
    #[must_use]
    pub fn held(&self, demand: &Demand, speed: f64) -> f64 {
        self.held_s * 1e3 * speed / demand.handler_ms.max(f64::MIN_POSITIVE)
    }

    /// Whether drills that take this much at a time cannot work here.
    #[must_use]
    pub fn is_hopeless(&self, load: f64) -> bool {
        load > self.cores * HOPELESS
    }
}

/// A speed as people write one: whole.
fn round(speed: f64) -> f64 {
    speed.floor().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            task_s: 700e-6,
            held_s: 500e-6,
            cores: 2.0,
            free: 2.0,
        }
    }

    fn demand(tasks_per_s: f64, handler_ms: f64) -> Demand {
        Demand {
            tasks_per_s,
            busiest_per_s: tasks_per_s,
            handler_ms,
            duration_ms: 3_600_000,
            holds_calls: false,
        }
    }

    #[test]
    fn light_drills_go_at_the_highest_speed_and_heavy_ones_as_fast_as_they_can() {
        assert_eq!(machine().pace(&demand(10.0, 500.0)).speed, 60.0);
        let heavy = machine().pace(&demand(100.0, 500.0));
        assert!(heavy.speed < 60.0 && heavy.load <= machine().budget());
        let slow = Machine {
            task_s: 5e-3,
            ..machine()
        };
        assert!(slow.pace(&demand(10.0, 500.0)).speed < 30.0);
    }

    #[test]
    fn short_handlers_on_slow_round_trips_take_a_lower_speed() {
        let far = Machine {
            held_s: 2e-3,
            ..machine()
        };
        let pace = far.pace(&demand(1.0, 500.0));
        assert_eq!(pace.speed, 30.0);
        assert_eq!(far.pace(&demand(1.0, 1.0)).speed, SPEED_MIN);
    }

    #[test]
    fn what_others_take_is_not_there() {
        let busy = Machine {
            free: 0.5,
            ..machine()
        };
        let asked = demand(20.0, 500.0);
        assert!(busy.pace(&asked).speed < machine().pace(&asked).speed);
    }
}
