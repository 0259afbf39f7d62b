//! What a plan comes to, with alerts or without: how deep the queues get, how long tasks wait, when the backlog is gone.

use crate::drill::{Rules, simulate_watched};
use crate::engine::Observation;
use crate::engine::virtual_time::{self, VirtualOptions};
use crate::plan::Plan;
use firedrill_reports::Record;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

/// What a drill figures to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// From the end of the last incident (else the first harmless window, else the start) until no more tasks are
    /// pending than there are worker slots, as scrapes see it; `None` if that never figures about.
    pub drained_ms: Option<i64>,
    /// Most pending tasks a scrape saw.
    pub deepest: i64,
    /// 99th percentile of waits from enqueue to first start.
    pub wait_p99_ms: i64,
    /// Tasks that waited beyond their queue's objective.
    pub late: u64,
    /// Tasks enqueued.
    pub tasks: u64,
}

/// Runs one virtual drill of `plan`.
#[must_use]
pub fn simulate(plan: &Plan, abort: &AtomicBool) -> Figures {
    let mut watch = Watch::default();
    let ended = virtual_time::run(plan, options(abort), &mut |observation| {
        watch.see(&observation);
        Ok(())
    });
    ended.expect("the sink never fails");
    watch.figures(plan)
}

/// The same under rules, with its record.
#[must_use]
pub fn judged(plan: &Plan, rules: &Rules, abort: &AtomicBool) -> (Figures, Record) {
    let mut watch = Watch::default();
    let see = &mut |observation: &Observation| watch.see(observation);
    let record = simulate_watched(plan, rules, options(abort), false, see);
    (watch.figures(plan), record)
}

fn options(abort: &AtomicBool) -> VirtualOptions<'_> {
    VirtualOptions {
        abort: Some(abort),
        ..VirtualOptions::default()
    }
}

/// What is kept of what a drill shows.
#[derive(Debug, Default)]
struct Watch {
    /// The series of pending tasks.
    pending: BTreeSet<u32>,
    /// Pending tasks at each scrape of the exporter.
    depths: Vec<(i64, i64)>,
    wait_p99_ms: i64,
    late: u64,
    tasks: u64,
}

impl Watch {
    fn see(&mut self, observation: &Observation) {
        match observation {
            Observation::Series { id, labels } => {
                if labels.name() == "asynq_tasks_enqueued_total"
                    && labels.get("state") == Some("pending")
                {
                    self.pending.insert(*id);
                }
            }
            Observation::Scrape { at_ms, values, .. } => {
                let mut depth = None;
                for (id, value) in values {
                    if self.pending.contains(id) && value.is_finite() {
                        depth = Some(depth.unwrap_or(0) + *value as i64);
                    }
                }
                self.depths.extend(depth.map(|depth| (*at_ms, depth)));
            }
            Observation::Mark(_)
            | Observation::Action(_)
            | Observation::Interference(_)
            | Observation::Heard(_) => {}
            Observation::Ledger { audited, .. } => {
                self.wait_p99_ms = audited.audit.wait_ms[1];
                self.late = audited.audit.late;
                self.tasks = audited.audit.enqueued;
            }
        }
    }

    fn figures(self, plan: &Plan) -> Figures {
        let ends = plan.incidents.iter().map(|incident| incident.until_ms);
        let from_ms = ends
            .max()
            .or(plan.benign.iter().map(|window| window.at_ms).min())
            .unwrap_or(0);
        let workers = plan.workers.iter();
        let slots: i64 = workers
            .map(|worker| i64::from(worker.processes * worker.concurrency))
            .sum();
        let after: Vec<&(i64, i64)> = self
            .depths
            .iter()
            .filter(|(at_ms, _)| *at_ms >= from_ms)
            .collect();
        // A burst that begins at the reference time fills the queue first: its deepest moment counts.
        let peak = after
            .iter()
            .enumerate()
            .max_by_key(|(place, (_, depth))| (*depth, std::cmp::Reverse(*place)));
        let drained_ms = peak.and_then(|(place, _)| {
            let gone = after[place..].iter().find(|(_, depth)| *depth <= slots);
            gone.map(|(at_ms, _)| at_ms - from_ms)
        });
        Figures {
            drained_ms,
            deepest: self
                .depths
                .iter()
                .map(|(_, depth)| *depth)
                .max()
                .unwrap_or(0),
            wait_p99_ms: self.wait_p99_ms,
            late: self.late,
            tasks: self.tasks,
        }
    }
}
