//! A load test for machines. Times are seconds, rates per second, shares from 0 to 1, memory bytes.

use super::shared::Passes;
use crate::document::{load_judged, load_limit, load_passes};
use crate::gate::Gated;
use crate::load::{
    Account, Borne, Brief, Drive, Knee, Latency, LoadRecord, Role, Round, Row, Sides, Stage,
};
use crate::record::Audit;
use crate::shard::Shard;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// A load test.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct LoadResult {
    verdict: Passes,
    /// Why it proves nothing; empty where it does.
    inconclusive: Vec<String>,
    name: String,
    seed: u64,
    /// `open`, or `closed`: then latencies count from when tasks were sent.
    loop_kind: LoopKind,
    /// Who was there.
    sides: SidesKind,
    /// Whether its tasks and faults are those of a scenario.
    scenario: bool,
    redis_version: String,
    producers: u32,
    workers: u32,
    slots: u32,
    warmup_seconds: f64,
    measured_seconds: f64,
    /// Tasks per second that were asked for.
    asked_rate: Option<f64>,
    /// Tasks per second that were worked on, or enqueued where nobody of firedrill's worked.
    rate: Option<f64>,
    /// By stage: `lateness`, `enqueue`, `wait`, `service`, `end_to_end`.
    latency: BTreeMap<&'static str, LatencyResult>,
    /// Which side was at its limit, in a sentence.
    limit: String,
    tasks: Tasks,
    /// `null`: it could not be asked.
    redis: Option<Redis>,
    processes: Vec<Process>,
    /// Second by second, or several together in a long load.
    series: Vec<Second>,
    /// Of a part of a load: which; left out of the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<Shard>,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum LoopKind {
    /// Tasks arrive at their times.
    Open,
    /// Loops wait for answers.
    Closed,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum SidesKind {
    /// Producers and workers.
    Both,
    /// Producers.
    Produce,
    /// Workers.
    Consume,
}

/// How long something took.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct LatencyResult {
    count: u64,
    mean_seconds: Option<f64>,
    p50_seconds: Option<f64>,
    p90_seconds: Option<f64>,
    p95_seconds: Option<f64>,
    p99_seconds: Option<f64>,
    p99_9_seconds: Option<f64>,
    p99_99_seconds: Option<f64>,
    max_seconds: Option<f64>,
}

impl From<&Latency> for LatencyResult {
    fn from(latency: &Latency) -> Self {
        Self {
            count: latency.count(),
            mean_seconds: latency.mean(),
            p50_seconds: latency.quantile(0.5),
            p90_seconds: latency.quantile(0.9),
            p95_seconds: latency.quantile(0.95),
            p99_seconds: latency.quantile(0.99),
            p99_9_seconds: latency.quantile(0.999),
            p99_99_seconds: latency.quantile(0.9999),
            max_seconds: latency.max(),
        }
    }
}

/// What became of tasks.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Tasks {
    intended: u64,
    sent: u64,
    enqueued: u64,
    prefilled: u64,
    duplicates: u64,
    rejected: u64,
    unanswered: u64,
    succeeded: u64,
    failed: u64,
    foreign: u64,
    /// By asynq's own counters, or by the audit of a scenario's drill; `null`, as the rest: nobody could look.
    done: Option<u64>,
    /// Given up; of a scenario's drill, with what remedies deleted.
    archived: Option<u64>,
    /// Pending, active, scheduled, to be retried or in groups at the end.
    left: Option<u64>,
    /// Enqueued and neither done, archived nor left; less than 0: too many.
    missing: Option<i64>,
}

/// What Redis did.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Redis {
    cpu_share: f64,
    cpu_share_max: f64,
    commands_per_second: f64,
    scripts_per_second: f64,
    script_share: f64,
    memory_bytes_first: u64,
    memory_bytes_max: u64,
    bytes_in_per_second: f64,
    bytes_out_per_second: f64,
    slow_commands: u64,
}

/// A process of the load.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Process {
    name: String,
    role: RoleKind,
    cpu_share: f64,
    cpu_share_max: f64,
    memory_bytes: u64,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RoleKind {
    /// It enqueued.
    Producer,
    /// It worked.
    Worker,
}

/// A stretch of the load.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Second {
    at_seconds: f64,
    width_seconds: f64,
    intended: u64,
    enqueued: u64,
    succeeded: u64,
    failed: u64,
    backlog: Option<u64>,
    wait_p50_seconds: Option<f64>,
    wait_p99_seconds: Option<f64>,
    end_to_end_p99_seconds: Option<f64>,
    enqueue_p99_seconds: Option<f64>,
    lateness_p99_seconds: Option<f64>,
    redis_cpu_share: Option<f64>,
    redis_memory_bytes: Option<u64>,
    /// Unknown of a scenario that is run as a drill: its processes are not measured.
    worker_cpu_seconds: Option<f64>,
    producer_cpu_seconds: Option<f64>,
    worker_memory_bytes: Option<u64>,
}

impl Second {
    /// `processes`: whether they were measured.
    fn of(row: &Row, processes: bool) -> Self {
        let of = |stage: Stage| row.stages.get(&stage);
        let p99 = |stage: Stage| of(stage).map(|brief: &Brief| brief.p99_s);
        Self {
            at_seconds: row.at_s,
            width_seconds: row.width_s,
            intended: row.counts.intended,
            enqueued: row.counts.enqueued,
            succeeded: row.counts.succeeded,
            failed: row.counts.failed,
            backlog: row.backlog,
            wait_p50_seconds: of(Stage::Wait).map(|brief| brief.p50_s),
            wait_p99_seconds: p99(Stage::Wait),
            end_to_end_p99_seconds: p99(Stage::EndToEnd),
            enqueue_p99_seconds: p99(Stage::Enqueue),
            lateness_p99_seconds: p99(Stage::Lateness),
            redis_cpu_share: row.redis.map(|redis| redis.cpu),
            redis_memory_bytes: row.redis.map(|redis| redis.memory_bytes),
            worker_cpu_seconds: processes.then_some(row.worker_cpu),
            producer_cpu_seconds: processes.then_some(row.producer_cpu),
            worker_memory_bytes: processes.then_some(row.worker_rss),
        }
    }
}

impl LoadResult {
    /// `gated`: what its gates and its baseline came to.
    pub(super) fn new(record: &LoadRecord, gated: Option<&Gated>) -> Self {
        let passes = load_passes(record, gated);
        let mut inconclusive = record.doubts();
        if passes.is_none() && inconclusive.is_empty() {
            inconclusive = load_judged(gated);
        }
        let facts = &record.facts;
        let header = &facts.header;
        let with_some = Stage::ALL.into_iter();
        let with_some = with_some.filter(|stage| record.latencies[*stage].count() > 0);
        Self {
            verdict: passes.into(),
            inconclusive,
            name: header.name.clone(),
            shard: header.shard,
            seed: header.seed,
            loop_kind: match header.drive {
                Drive::Open => LoopKind::Open,
                Drive::Closed { .. } => LoopKind::Closed,
            },
            sides: match header.sides {
                Sides::Both => SidesKind::Both,
                Sides::Produce => SidesKind::Produce,
                Sides::Consume => SidesKind::Consume,
            },
            scenario: header.drill,
            redis_version: header.redis.clone(),
            producers: header.producers,
            workers: header.workers,
            slots: header.slots,
            warmup_seconds: header.warmup_s,
            measured_seconds: record.measured_s(),
            asked_rate: header.asked_per_s,
            rate: record.rate_per_s(),
            latency: with_some
                .map(|stage| (stage.name(), (&record.latencies[stage]).into()))
                .collect(),
            limit: load_limit(record),
            tasks: tasks(record),
            redis: facts.redis.as_ref().map(|redis| {
                let per_s = |count: f64| count / redis.wall_s.max(1e-3);
                Redis {
                    cpu_share: record.redis_cpu().unwrap_or_else(|| redis.cpu_share()),
                    cpu_share_max: redis.cpu_most,
                    commands_per_second: per_s(redis.commands as f64),
                    scripts_per_second: per_s(redis.script_calls as f64),
                    script_share: per_s(redis.script_s),
                    memory_bytes_first: redis.memory_first,
                    memory_bytes_max: redis.memory_most,
                    bytes_in_per_second: per_s(redis.bytes_in as f64),
                    bytes_out_per_second: per_s(redis.bytes_out as f64),
                    slow_commands: redis.slow,
                }
            }),
            processes: facts
                .processes
                .iter()
                .map(|process| Process {
                    name: process.name.clone(),
                    role: match process.role {
                        Role::Producer => RoleKind::Producer,
                        Role::Worker => RoleKind::Worker,
                    },
                    cpu_share: record.cpu_share(process),
                    cpu_share_max: record.cpu_share_max(process),
                    memory_bytes: process.rss_bytes,
                })
                .collect(),
            series: {
                let rows = facts.series.rows.iter();
                rows.map(|row| Second::of(row, !header.drill)).collect()
            },
        }
    }
}

fn tasks(record: &LoadRecord) -> Tasks {
    let (counts, left) = (&record.facts.counts, record.facts.left.as_ref());
    let account = left.map(|left| Account::of(counts, left));
    // The drill of a scenario knows of every task what became of it.
    let audit = record.facts.audit.as_ref();
    let known = |audited: fn(&Audit) -> u64, summed: fn(&Account) -> u64| {
        audit.map(audited).or(account.as_ref().map(summed))
    };
    let lost = audit.map(|audit| i64::try_from(audit.lost + audit.untold).unwrap_or(i64::MAX));
    Tasks {
        intended: counts.intended,
        sent: counts.sent,
        enqueued: audit.map_or(counts.enqueued, |audit| audit.enqueued),
        prefilled: counts.prefilled,
        duplicates: counts.duplicates,
        rejected: counts.rejected,
        unanswered: counts.unanswered,
        succeeded: counts.succeeded,
        failed: counts.failed,
        foreign: counts.foreign,
        done: known(|audit| audit.succeeded, |account| account.done),
        archived: known(
            |audit| audit.archived + audit.trimmed + audit.deleted,
            |account| account.archived,
        ),
        left: known(|audit| audit.still_queued, |account| account.waiting),
        missing: lost.or(account.map(|account| account.difference())),
    }
}

/// The largest rate that is borne.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct KneeResult {
    verdict: Passes,
    name: String,
    /// The 99th percentile of the wait that is borne.
    max_wait_seconds: f64,
    /// The middle of what the searches found, tasks per second; `null`, as the rest: one of them found none.
    rate: Option<f64>,
    rate_min: Option<f64>,
    rate_max: Option<f64>,
    searches: Vec<SearchResult>,
    trials: Vec<TrialResult>,
}

/// A search.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct SearchResult {
    /// What it found; `null`: nothing.
    rate: Option<f64>,
    /// The largest rate that was borne where the end was not found.
    at_least: Option<f64>,
    /// Why more proves nothing.
    why: Option<String>,
}

/// A rate that was tried.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct TrialResult {
    search: u32,
    asked_rate: f64,
    rate: f64,
    wait_p99_seconds: Option<f64>,
    backlog: Option<u64>,
    /// `null`: it proves nothing.
    borne: Option<bool>,
    why: Option<String>,
}

impl From<&Knee> for KneeResult {
    fn from(knee: &Knee) -> Self {
        let spread = knee.spread();
        Self {
            verdict: spread.map(|_| true).into(),
            name: knee.name.clone(),
            max_wait_seconds: knee.max_wait_s,
            rate: spread.map(|(middle, ..)| middle),
            rate_min: spread.map(|(_, least, _)| least),
            rate_max: spread.map(|(.., most)| most),
            searches: knee.rounds.iter().map(SearchResult::from).collect(),
            trials: knee
                .trials
                .iter()
                .map(|trial| {
                    let (borne, why) = match &trial.borne {
                        Borne::Yes => (Some(true), None),
                        Borne::No(why) => (Some(false), Some(why.clone())),
                        Borne::Unclear(why) => (None, Some(why.clone())),
                    };
                    TrialResult {
                        search: trial.round,
                        asked_rate: trial.rate,
                        rate: trial.done_per_s,
                        wait_p99_seconds: trial.wait_p99_s,
                        backlog: trial.backlog,
                        borne,
                        why,
                    }
                })
                .collect(),
        }
    }
}

impl From<&Round> for SearchResult {
    fn from(round: &Round) -> Self {
        let (rate, at_least, why) = match round {
            Round::Found(rate) => (Some(*rate), None, None),
            Round::AtLeast(rate, why) => (None, Some(*rate), Some(why.clone())),
            Round::Nothing => (None, None, None),
        };
        Self {
            rate,
            at_least,
            why,
        }
    }
}
