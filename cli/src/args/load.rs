//! `load`.

use super::common::seed;
use super::{Gates, Server, Sharding, Span, View, Wait};
use crate::failure::Failure;
use clap::Args;
use firedrill_sim::load::options::{self, Service};
use firedrill_sim::units;
use std::path::PathBuf;

/// How loads are read, and what their words mean.
const LOAD: &str = "\
Open loop: tasks arrive at their times, whatever the system does, and every latency counts from the intended arrival, so waiting to
be sent is waiting. With --closed, loops wait for answers, as many load tools do; figures of that kind say nothing of users who do
not wait, and are labelled.

Inconclusive (exit code 3): the generator was the limit, that is sending was late by more than 2 ms and more than 10 % of what is
measured (both at the median or the 99th percentile), a producer took 90 % of a core, or less than 99 % of what was due was sent; or
more than 1 % of the tasks never began; or nothing was measured; or Redis or a process failed; or enqueued tasks are neither done,
archived nor there.

Every load has its own Redis unless --redis names one. In that it has queues of its own name and touches nothing else; one that
holds anything takes --beside. Nothing is left there unless --keep. With --take, workers alone do the tasks of a queue of others, if
the key firedrill:consent in that Redis says so; of such a queue nothing is removed.

With --shard 1/2 and --shard 2/2, on one machine or on two, the two do together what one does without it: arrivals and worker
processes go round. They meet in the Redis of --redis, begin at one instant of its clock, and `firedrill merge` joins what they
leave and judges it. A shard by itself ends with 0 when its part is done; with 3 where another one does not come.

Examples:
    firedrill load --rate 5000/s --duration 60s --workers 4 --concurrency 50 --payload 256B..64KiB
    firedrill load --stages 1000/s:30s,5000/s:1m --service exponential:5ms --batch 1
    firedrill load --find-max --service 10ms --workers 2 --concurrency 20
    firedrill load --scenario retry-storm.yaml --gate load.gates.yaml
    firedrill load --produce-only --name orders --rate 200/s --redis redis://127.0.0.1:6379/3 --beside
    firedrill load --consume-only --take orders --service 20ms --redis redis://127.0.0.1:6379/3";

/// `load`.
#[derive(Debug, Args)]
#[command(after_long_help = LOAD)]
pub struct Load {
    /// Tasks per second [default: 100/s]
    #[arg(long, value_name = "RATE", value_parser = rate, conflicts_with_all = ["stages", "scenario"])]
    pub rate: Option<Rate>,
    /// How long, after the warm-up [default: 30s; with --soak: 1h; with --find-max, of each trial: 5s, or ten times --max-wait if
    /// that is longer]
    #[arg(long, value_name = "DURATION", conflicts_with_all = ["stages", "scenario"])]
    pub duration: Option<Span>,
    /// Rates and for how long, one after the other: `1000/s:30s,5000/s:1m`
    #[arg(long, value_name = "STAGES", value_parser = stages, conflicts_with = "scenario")]
    pub stages: Option<Stages>,
    /// The arrivals, tasks, workers, faults and remedies of a scenario, in real time: a built-in name or a file
    #[arg(long, value_name = "SCENARIO", conflicts_with_all = ["find_max", "closed", "produce_only", "consume_only"])]
    pub scenario: Option<PathBuf>,
    /// How long the first rate holds before anything is measured [default: 1s; of a scenario: its own; of workers alone on a
    /// --backlog: 0s]
    #[arg(long, value_name = "DURATION", value_parser = whole_seconds)]
    pub warmup: Option<Wait>,
    /// How long workers go on for what waits when the last task was enqueued [default: 10s]
    #[arg(long, value_name = "DURATION")]
    pub drain: Option<Wait>,
    /// Tasks at equal distances, instead of independent ones (Poisson)
    #[arg(long)]
    pub evenly: bool,
    /// A closed loop: so many loops enqueue, each when it has the answer to the task before
    #[arg(long, value_name = "N", conflicts_with_all = ["find_max", "consume_only", "rate", "stages", "evenly"],
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub closed: Option<u32>,
    /// Only enqueue: somebody else works
    #[arg(long, conflicts_with_all = ["consume_only", "workers", "concurrency", "service"])]
    pub produce_only: bool,
    /// Only work, on a backlog or on what somebody else enqueues into the load's queues
    #[arg(long)]
    pub consume_only: bool,
    /// With --consume-only: work on a queue of others in the Redis of --redis, such as `orders` or `orders:6`. Its tasks are really
    /// done; whoever has it must have agreed, and what to type for that is said where nobody has
    #[arg(long, value_name = "QUEUE:PRIORITY", value_parser = options::taken_queue, requires = "consume_only",
          conflicts_with_all = ["queues", "backlog", "keep", "beside"])]
    pub take: Vec<(String, u32)>,
    /// Tasks that are enqueued before; with --consume-only, all there is to do
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=10_000_000))]
    pub backlog: u64,
    /// Look for the largest rate that is borne, beginning with --rate: the 99th percentile of the wait stays below --max-wait,
    /// and the backlog does not grow
    #[arg(long)]
    pub find_max: bool,
    /// What --find-max bears: the 99th percentile of the wait
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "1s",
        requires = "find_max"
    )]
    pub max_wait: Span,
    /// How often the load, or the search for the largest rate, is repeated, each time under the next seed [default: 1; with
    /// --find-max: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub repeats: Option<u32>,
    /// A long load, an hour unless --duration says otherwise: the report has what drifts
    #[arg(long, conflicts_with_all = ["find_max", "closed"])]
    pub soak: bool,
    /// Worker processes [default: 1]
    #[arg(long, value_name = "N", conflicts_with = "scenario", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub workers: Option<u32>,
    /// Tasks that each works on at a time [default: 10]
    #[arg(long, value_name = "N", conflicts_with = "scenario", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub concurrency: Option<u32>,
    /// Producer processes [default: one for every 20000/s, up to one for each core]
    #[arg(long, value_name = "N", conflicts_with = "scenario", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub producers: Option<u32>,
    /// Most tasks that a worker takes or finishes in one round trip; 1: as Go asynq [default: 100]
    #[arg(long, value_name = "N", value_parser = batch)]
    pub batch: Option<usize>,
    /// Pause of a worker that found its queues empty (asynq's TaskCheckInterval) [default: 1s; with --find-max: a tenth of
    /// --max-wait, up to 1s]
    #[arg(long, value_name = "DURATION")]
    pub poll: Option<Span>,
    /// How long handlers work: `20ms`, `exponential:20ms`, `lognormal:20ms,60ms` (mean and 95th percentile)
    #[arg(
        long,
        value_name = "TIME",
        default_value = "0",
        conflicts_with = "scenario"
    )]
    pub service: Service,
    /// Size of payloads, or from one size to another: `256B`, `256B..64KiB` [default: a few bytes]
    #[arg(long, value_name = "SIZE", value_parser = payload, conflicts_with = "scenario")]
    pub payload: Option<Payload>,
    /// A queue and its priority, such as `critical:6`; several: tasks go to each alike [default: one, called as the load]
    #[arg(long = "queue", value_name = "NAME:PRIORITY", value_parser = options::queue, conflicts_with = "scenario")]
    pub queues: Vec<(String, u32)>,
    /// Strict priorities
    #[arg(long, conflicts_with = "scenario")]
    pub strict: bool,
    /// Share of executions that fail, such as `5%`
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share, conflicts_with = "scenario")]
    pub fail: f64,
    /// Retries of a task that fails, a second later each; then it is archived
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "scenario", value_parser = clap::value_parser!(u32).range(..=100))]
    pub max_retry: u32,
    /// Share of tasks that are unique
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share, conflicts_with = "scenario")]
    pub unique: f64,
    /// Share of tasks that are scheduled --ahead
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share, conflicts_with = "scenario")]
    pub scheduled: f64,
    /// How far ahead tasks are scheduled
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "5s",
        requires = "scheduled"
    )]
    pub ahead: Span,
    /// Share of tasks that come in a group and are aggregated
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share, conflicts_with = "scenario")]
    pub grouped: f64,
    /// How long tasks are kept after success (asynq's Retention)
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "0s",
        conflicts_with = "scenario"
    )]
    pub retention: Wait,
    /// Name of the load and of its queues
    #[arg(long, value_name = "NAME", default_value = "load", value_parser = name, conflicts_with = "scenario")]
    pub name: String,
    /// Seed of arrivals, payloads and service times
    #[arg(long, env = "FIREDRILL_SEED", value_name = "N", allow_negative_numbers = true, value_parser = seed)]
    pub seed: Option<u64>,
    /// Redis.
    #[command(flatten)]
    pub server: Server,
    /// Sharding.
    #[command(flatten)]
    pub sharding: Sharding,
    /// How long a shard waits for the others to begin, before the load is inconclusive
    #[arg(long, value_name = "DURATION", default_value = "2m")]
    pub meet_within: Span,
    /// Use the Redis of --redis although it holds something: only queues of the load's own name are touched
    #[arg(long)]
    pub beside: bool,
    /// Leave the load's queues as they are in the Redis of --redis
    #[arg(long)]
    pub keep: bool,
    /// Live view.
    #[command(flatten)]
    pub view: View,
    /// Directory for records and reports: they go to `load/<UTC time>-<seed>/` in it
    #[arg(
        long,
        env = "FIREDRILL_OUT",
        default_value = "runs",
        value_name = "DIR"
    )]
    pub out: PathBuf,
    /// Gates.
    #[command(flatten)]
    pub gates: Gates,
    /// Print the result as JSON; of several loads, a list of results
    #[arg(long)]
    pub json: bool,
}

/// Default length of a trial, milliseconds, and in waits that are borne: in shorter ones a backlog that grows is not told from chance.
const TRIAL_MS: i64 = 5_000;
const TRIAL_WAITS: i64 = 10;
/// Shortest trial, in waits that are borne.
const TRIAL_WAITS_MIN: i64 = 4;
/// Default pause and warm-up, milliseconds.
const POLL_MS: i64 = 1_000;
const WARMUP_MS: i64 = 1_000;
/// Default of `--drain`, milliseconds.
const DRAIN_MS: i64 = 10_000;
/// Default of `--batch`.
const BATCH: usize = 100;

impl Load {
    /// How long workers go on for what waits, milliseconds.
    pub fn drain_ms(&self) -> i64 {
        self.drain.map_or(DRAIN_MS, |span| span.0)
    }

    /// Most tasks of a round trip.
    pub fn batch(&self) -> usize {
        self.batch.unwrap_or(BATCH)
    }

    /// How long nothing is measured, milliseconds. A backlog would be worked off by then, so there nothing is left out.
    pub fn warmup_ms(&self) -> i64 {
        let drains = self.consume_only && self.backlog > 0;
        let default_ms = if drains { 0 } else { WARMUP_MS };
        self.warmup.map_or(default_ms, |span| span.0)
    }

    /// How long a worker that found nothing pauses, milliseconds.
    ///
    /// # Errors
    /// Where that alone is more than a search bears.
    pub fn poll_ms(&self) -> Result<i64, Failure> {
        let most_ms = self.max_wait.0;
        match self.poll {
            Some(poll) if self.find_max && most_ms * 2 <= poll.0 * 3 => {
                Err(Failure::usage(format!(
                    "--max-wait {}: at a low rate tasks wait for the pause of {} alone, so no rate would be borne; raise it above one and a half times \
                 --poll, or leave --poll away",
                    units::format(most_ms),
                    units::format(poll.0)
                )))
            }
            Some(poll) => Ok(poll.0),
            None if self.find_max => Ok((most_ms / 10).clamp(1, POLL_MS)),
            None => Ok(POLL_MS),
        }
    }

    /// How long a trial of a search is, milliseconds.
    ///
    /// # Errors
    /// Where it would be over before tasks have waited for too long.
    pub fn trial_ms(&self) -> Result<i64, Failure> {
        let wait_ms = self.max_wait.0;
        match self.duration {
            None => Ok(wait_ms.saturating_mul(TRIAL_WAITS).max(TRIAL_MS)),
            Some(span) if span.0 < wait_ms.saturating_mul(TRIAL_WAITS_MIN) => {
                Err(Failure::usage(format!(
                    "--duration {}: a trial is over before a backlog shows in waits of --max-wait {}; {} at least, or leave it away",
                    units::format(span.0),
                    units::format(wait_ms),
                    units::format(wait_ms.saturating_mul(TRIAL_WAITS_MIN))
                )))
            }
            Some(span) => Ok(span.0),
        }
    }
}

/// Tasks per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate(
    /// Above 0.
    pub f64,
);

/// Rates and for how long, milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Stages(
    /// One after the other; at least one.
    pub Vec<(f64, i64)>,
);

/// Sizes of payloads, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload(
    /// The smallest and the largest.
    pub (u64, u64),
);

fn rate(text: &str) -> Result<Rate, String> {
    units::rate(text).map(Rate).ok_or_else(|| {
        "a rate above zero and up to 1000000/s, such as `5000/s` or `30/m`".to_owned()
    })
}

/// Tasks are counted by the second.
fn whole_seconds(text: &str) -> Result<Wait, String> {
    let wait: Wait = text.parse()?;
    match wait.0 % 1000 {
        0 => Ok(wait),
        _ => Err("whole seconds, such as `2s`".to_owned()),
    }
}

fn stages(text: &str) -> Result<Stages, String> {
    options::stages(text).map(Stages)
}

fn payload(text: &str) -> Result<Payload, String> {
    options::payload(text).map(Payload)
}

fn share(text: &str) -> Result<f64, String> {
    units::share(text).ok_or_else(|| "a share such as `5%` or `0.05`".to_owned())
}

fn name(text: &str) -> Result<String, String> {
    match options::is_name(text) {
        true => Ok(text.to_owned()),
        false => Err("1 to 40 letters, digits or `-_`".to_owned()),
    }
}

fn batch(text: &str) -> Result<usize, String> {
    let number = text.parse().ok();
    let number = number.filter(|number| (1..=1_000).contains(number));
    number.ok_or_else(|| "a number from 1 to 1000".to_owned())
}
