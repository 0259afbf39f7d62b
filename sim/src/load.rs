//! Load tests: as many tasks as Redis and the workers take, and how long each of them waits.
//!
//! In reading order: `options` makes a plan of what was asked, in the words of scenarios, so a load is a [`Plan`] at speed 1 like any
//! drill; `arrivals` is the seeded stream of its tasks, parted among processes; `wire` is what processes tell each other,
//! `producer` and `worker` are those processes, which `measure` by themselves; `run` has all of it happen and leaves a
//! [`LoadRecord`](firedrill_reports::load::LoadRecord). `knee` looks for the largest rate that is borne, and `drilled` runs scenarios with faults as the
//! drills they are and measures them likewise.

pub mod arrivals;
pub mod drilled;
pub mod knee;
mod measure;
pub mod meeting;
pub mod options;
mod part;
pub mod process;
mod producer;
mod redis_side;
mod room;
pub mod run;
mod table;
mod timer;
pub mod wire;
mod worker;

use crate::plan::Plan;
use firedrill_reports::load::{Drive, Sides};
use firedrill_reports::shard::Shard;
use serde::{Deserialize, Serialize};

/// What a load is. Plain data: handed to its processes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadPlan {
    /// Queues, tasks, arrivals, service times and workers; its duration is warm-up and load together.
    pub plan: Plan,
    /// What comes earlier is not measured, milliseconds.
    pub warmup_ms: i64,
    /// Who is there.
    pub sides: Sides,
    /// How tasks are enqueued.
    pub drive: Drive,
    /// Producer processes.
    pub producers: u32,
    /// Tasks enqueued before the load begins, for workers alone.
    pub backlog: u64,
    /// Tasks that are taken or finished in one round trip, at most; 1: as Go asynq does.
    pub batch: usize,
    /// Whether its queues are those of others, whose tasks are worked on and of which nothing is removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taken: bool,
    /// Which part of the load this is, if it is not all.
    pub shard: Option<Shard>,
    /// What to type to repeat it, for the record.
    pub command: String,
}

impl LoadPlan {
    /// Whether it takes more than processes that enqueue and work: faults, remedies, what handlers share or enqueue, periodic tasks.
    /// Then the drill of its plan is run ([`drilled`]).
    #[must_use]
    pub fn needs_a_drill(&self) -> bool {
        let plan = &self.plan;
        let is_periodic = |task: &crate::plan::TaskPlan| {
            matches!(task.arrivals, crate::plan::Arrivals::Cron { .. })
        };
        let has_upkeep =
            |worker: &crate::plan::WorkerPlan| worker.groups.is_some() || worker.restart.is_some();
        !plan.timeline.is_empty()
            || !plan.remedies.is_empty()
            || !plan.resources.is_empty()
            || plan.has_children()
            || plan.workload.iter().any(is_periodic)
            || plan.workers.iter().any(has_upkeep)
    }

    /// How long it lasts after the warm-up, milliseconds.
    #[must_use]
    pub fn lasts_ms(&self) -> i64 {
        self.plan.duration_ms - self.warmup_ms
    }
}
