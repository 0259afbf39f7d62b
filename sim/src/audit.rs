//! The audit: what happened to every task, proven from the producer's list, the workers' ledgers and Redis.

use crate::actor::producer::Arrival;
use crate::asynq::op::TaskState;
use crate::clock::Time;
use crate::ledger::{Entry, Finish};
use crate::plan::Plan;
use firedrill_reports::record::{Audit, Impact};
use std::collections::BTreeMap;

/// The executions of one process incarnation.
#[derive(Debug, Clone)]
pub struct ProcessLedger {
    /// Its ledger.
    pub entries: Vec<Entry>,
    /// When the process was killed; executions without an end died then.
    pub killed_at: Option<Time>,
}

/// Everything the audit is made from.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The plan: objectives and incidents.
    pub plan: &'a Plan,
    /// Time 0 of the plan.
    pub origin: Time,
    /// Virtual time at which the drill ended.
    pub end: Time,
    /// The producer's list.
    pub arrivals: &'a [Arrival],
    /// One ledger per process incarnation.
    pub ledgers: &'a [ProcessLedger],
    /// What is left in Redis, by task id.
    pub left: &'a BTreeMap<String, TaskState>,
}

/// What the ledgers say about one task.
#[derive(Debug, Default)]
struct Life {
    first_start: Option<Time>,
    starts: u64,
    failures: u64,
    successes: u64,
    /// Moments at which a fault hurt this task.
    harmed: Vec<Time>,
}

/// Spans of virtual time in which one task was harmed; a moment is a span of length 0.
type Harm = (Time, Time);

/// Works the audit out, and what users felt of each incident.
#[must_use]
pub fn audit(evidence: &Evidence<'_>) -> (Audit, Vec<Impact>) {
    let mut lives = lives(evidence.ledgers);
    let mut audit = Audit {
        intended: evidence.arrivals.len() as u64,
        ..Audit::default()
    };
    let mut waits_ms = Vec::new();
    let mut harms: Vec<Vec<Harm>> = Vec::with_capacity(evidence.arrivals.len());
    for arrival in evidence.arrivals {
        let life = lives.remove(&arrival.id).unwrap_or_default();
        let mut harmed: Vec<Harm> = life.harmed.iter().map(|at| (*at, *at)).collect();
        // An enqueue that was refused, or that nobody answered before the drill ended.
        if arrival.accepted != Some(true) && life.starts == 0 {
            audit.rejected += 1;
            harms.push(vec![(arrival.sent, arrival.sent)]);
            continue;
        }
        audit.enqueued += 1;
        audit.failed_executions += life.failures;
        let wait_end = life.first_start.unwrap_or(evidence.end);
        let wait_ms = wait_end.millis() - arrival.sent.millis();
        if life.first_start.is_some() {
            waits_ms.push(wait_ms);
        }
        let objective_ms = objective_ms(evidence.plan, arrival.workload);
        if wait_ms > objective_ms {
            audit.late += 1;
            harmed.push((arrival.sent.plus_millis(objective_ms), wait_end));
        }
        // A repeated execution that no failure asked for.
        if life.starts > life.failures + 1 {
            audit.executed_twice += 1;
        }
        match evidence.left.get(&arrival.id) {
            _ if life.successes > 0 => audit.succeeded += 1,
            Some(TaskState::Archived) => audit.archived += 1,
            Some(_) => audit.still_queued += 1,
            None => {
                audit.lost += 1;
                harmed.push((wait_end, wait_end));
                if audit.examples.len() < 5 {
                    audit.examples.push(format!("lost {}", arrival.id));
                }
            }
        }
        harms.push(harmed);
    }
    audit.wait_ms = quantiles(&mut waits_ms);
    let impacts = impacts(evidence, &harms);
    (audit, impacts)
}

fn lives(ledgers: &[ProcessLedger]) -> BTreeMap<String, Life> {
    let mut lives: BTreeMap<String, Life> = BTreeMap::new();
    for ledger in ledgers {
        // Executions of this process that have not ended, by task and attempt.
        let mut open: BTreeMap<(&str, i32), u64> = BTreeMap::new();
        for entry in &ledger.entries {
            match entry {
                Entry::Started { at, id, retried } => {
                    let life = lives.entry(id.clone()).or_default();
                    life.starts += 1;
                    life.first_start = Some(life.first_start.map_or(*at, |first| first.min(*at)));
                    *open.entry((id, *retried)).or_default() += 1;
                }
                Entry::Finished {
                    at,
                    id,
                    retried,
                    how,
                    ..
                } => {
                    let life = lives.entry(id.clone()).or_default();
                    match how {
                        Finish::Ok => life.successes += 1,
                        Finish::Failed => life.failures += 1,
                        Finish::FailedByFault => {
                            life.failures += 1;
                            life.harmed.push(*at);
                        }
                    }
                    if let Some(count) = open.get_mut(&(id.as_str(), *retried)) {
                        *count = count.saturating_sub(1);
                    }
                }
            }
        }
        let Some(killed_at) = ledger.killed_at else {
            continue;
        };
        for (id, _) in open
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(key, _)| key)
        {
            lives
                .entry(id.to_owned())
                .or_default()
                .harmed
                .push(killed_at);
        }
    }
    lives
}

fn objective_ms(plan: &Plan, workload: usize) -> i64 {
    plan.workload
        .get(workload)
        .and_then(|task| plan.queues.iter().find(|queue| queue.name == task.queue))
        .map_or(i64::MAX / 4_000_000, |queue| queue.wait_objective_ms)
}

/// First and last harm of each incident: what falls between its start and the start of the next.
fn impacts(evidence: &Evidence<'_>, harms: &[Vec<Harm>]) -> Vec<Impact> {
    let incidents = &evidence.plan.incidents;
    incidents
        .iter()
        .enumerate()
        .map(|(index, incident)| {
            let starts = evidence.origin.plus_millis(incident.at_ms);
            let next = incidents
                .iter()
                .map(|other| other.at_ms)
                .filter(|at_ms| *at_ms > incident.at_ms)
                .min();
            let stops = next.map_or(evidence.end, |at_ms| evidence.origin.plus_millis(at_ms));
            let mut impact = Impact {
                incident: u32::try_from(index).unwrap_or(u32::MAX),
                first_ms: None,
                last_ms: None,
                harmed_tasks: 0,
            };
            for task in harms {
                let hits = task
                    .iter()
                    .filter(|(from, to)| *to >= starts && *from < stops);
                let Some((first, last)) =
                    hits.fold(None, |span: Option<(Time, Time)>, (from, to)| {
                        let (from, to) = ((*from).max(starts), (*to).min(stops));
                        Some(
                            span.map_or((from, to), |(first, last)| {
                                (first.min(from), last.max(to))
                            }),
                        )
                    })
                else {
                    continue;
                };
                let (first, last) = (since(evidence.origin, first), since(evidence.origin, last));
                impact.harmed_tasks += 1;
                impact.first_ms = Some(impact.first_ms.map_or(first, |known| known.min(first)));
                impact.last_ms = Some(impact.last_ms.map_or(last, |known| known.max(last)));
            }
            impact
        })
        .collect()
}

fn since(origin: Time, at: Time) -> i64 {
    at.millis() - origin.millis()
}

/// Median, 99th percentile and maximum (nearest rank); zeros when there is nothing.
pub(crate) fn quantiles(values: &mut [i64]) -> [i64; 3] {
    values.sort_unstable();
    let rank = |q: f64| {
        let index = ((values.len() as f64 * q).ceil() as usize).clamp(1, values.len().max(1)) - 1;
        values.get(index).copied().unwrap_or(0)
    };
    [rank(0.5), rank(0.99), rank(1.0)]
}

#[cfg(test)]
mod tests;
