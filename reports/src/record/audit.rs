//! What happened to the tasks of a drill.

use super::is_false;
use crate::waits::Waits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// Of these: of which asynq has not heard, so that it has archived them or is to run them again: the handler returned after its
    /// timeout, or its worker died or lost Redis before it could say so. Since 1.2.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub succeeded_unheard: u64,
    /// Given up: archived (retries exhausted or skipped, or by a remedy), or revoked by its handler.
    pub archived: u64,
    /// Of these: without ever being started. Since 1.2.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub archived_unstarted: u64,
    /// Of these: revoked by its handler, so that asynq has forgotten it; in no archive. Since 1.2.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub revoked: u64,
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
    /// Nobody of the drill saw the executions: the workers were the team's own. What became of tasks is told from what Redis has and
    /// has counted, and of lateness, repetitions, failed executions and waits nothing is known. Since 1.2.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unseen: bool,
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
    /// What a remedy deleted is not among them. `None`: nobody saw the executions, and some tasks are gone of which Redis does not
    /// tell that they have succeeded.
    #[must_use]
    pub fn jobs_lost(&self) -> Option<u64> {
        let is_known = !self.unseen || self.untold == 0;
        is_known.then(|| self.lost.saturating_add(self.trimmed))
    }

    /// Tasks that were executed again although nobody was told that the execution before had failed. `None`: nobody saw the
    /// executions.
    #[must_use]
    pub fn jobs_duplicated(&self) -> Option<u64> {
        self.seen(self.executed_twice)
    }

    /// Tasks in Redis at the end that nobody will run as things are. `None`: nobody saw the executions, and what is active may be
    /// in somebody's hands or in nobody's.
    #[must_use]
    pub fn jobs_stuck(&self) -> Option<u64> {
        let active = self.queued.get("active").copied().unwrap_or(0);
        match active {
            0 => Some(self.stuck),
            _ => self.seen(self.stuck),
        }
    }

    /// A count that only whoever sees executions has.
    #[must_use]
    pub fn seen(&self, count: u64) -> Option<u64> {
        (!self.unseen).then_some(count)
    }

    /// How many have succeeded. `None`: nobody saw the executions, and of some tasks it is not known.
    #[must_use]
    pub fn jobs_succeeded(&self) -> Option<u64> {
        let is_known = !self.unseen || self.untold == 0;
        is_known.then_some(self.succeeded)
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
    /// Tasks that it had run before they were due.
    #[serde(skip_serializing_if = "is_zero")]
    pub run_early: u64,
    /// Tasks that it moved into a queue from which nobody takes any more.
    #[serde(skip_serializing_if = "is_zero")]
    pub stranded: u64,
    /// Tasks harmed after it, when no incident was on and nobody had been harmed for five minutes.
    #[serde(skip_serializing_if = "is_zero")]
    pub harmed: u64,
    /// When the last of these was, milliseconds since the drill's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub harmed_until_ms: Option<i64>,
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

fn is_zero(value: &u64) -> bool {
    *value == 0
}
