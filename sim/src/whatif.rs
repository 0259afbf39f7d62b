//! What a plan comes to without any alert: how deep the queues get, how long tasks wait, when the backlog is gone.

use crate::engine::Observation;
use crate::engine::virtual_time::{self, VirtualOptions};
use crate::plan::Plan;
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

/// What a drill figures to.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    let from_ms = plan
        .incidents
        .iter()
        .map(|incident| incident.until_ms)
        .max()
        .or(plan.benign.iter().map(|window| window.at_ms).min())
        .unwrap_or(0);
    let slots: i64 = plan
        .workers
        .iter()
        .map(|worker| i64::from(worker.processes * worker.concurrency))
        .sum();
    let mut pending: BTreeSet<u32> = BTreeSet::new();
    // Pending tasks at each scrape of the exporter.
    let mut depths: Vec<(i64, i64)> = Vec::new();
    let mut figures = Figures {
        drained_ms: None,
        deepest: 0,
        wait_p99_ms: 0,
        late: 0,
        tasks: 0,
    };
    let options = VirtualOptions {
        abort: Some(abort),
        ..VirtualOptions::default()
    };
    let ended = virtual_time::run(plan, options, &mut |observation| {
        match observation {
            Observation::Series { id, labels } => {
                if labels.name() == "asynq_tasks_enqueued_total"
                    && labels.get("state") == Some("pending")
                {
                    pending.insert(id);
                }
            }
            Observation::Scrape { at_ms, values, .. } => {
                let mut depth = None;
                for (id, value) in &values {
                    if pending.contains(id) && value.is_finite() {
                        depth = Some(depth.unwrap_or(0) + *value as i64);
                    }
                }
                depths.extend(depth.map(|depth| (at_ms, depth)));
            }
            Observation::Mark(_) | Observation::Interference(_) => {}
            Observation::Ledger { audited, .. } => {
                figures.wait_p99_ms = audited.audit.wait_ms[1];
                figures.late = audited.audit.late;
                figures.tasks = audited.audit.enqueued;
            }
        }
        Ok(())
    });
    ended.expect("the sink never fails");
    figures.deepest = depths.iter().map(|(_, depth)| *depth).max().unwrap_or(0);
    let after: Vec<&(i64, i64)> = depths
        .iter()
        .filter(|(at_ms, _)| *at_ms >= from_ms)
        .collect();
    // A burst that begins at the reference time fills the queue first: its deepest moment counts.
    let peak = after
        .iter()
        .enumerate()
        .max_by_key(|(place, (_, depth))| (*depth, std::cmp::Reverse(*place)));
    figures.drained_ms = peak.and_then(|(place, _)| {
        let gone = after[place..].iter().find(|(_, depth)| *depth <= slots);
        gone.map(|(at_ms, _)| at_ms - from_ms)
    });
    figures
}
