//! The live engine: a private Redis, real worker processes, real faults, on a virtual clock.

pub mod abort;
pub mod child;
mod counters;
pub mod deeds;
mod evidence;
pub mod exporter;
pub mod fleet;
pub mod http;
mod lag;
mod producer;
pub mod scraper;
mod strain;
mod targets_file;
mod upkeep;
pub mod uptime;
pub(crate) mod watch;

pub use targets_file::TARGETS_FILE;

use crate::audit::{self, Evidence, REDIS};
use crate::engine::{EXPORTERS, Ended, Observation, Sink};
use crate::fault::Agenda;
use crate::plan::Plan;
use crate::redis_server::given::{GivenRedis, Taking};
use crate::redis_server::ours::Ours;
use crate::redis_server::private::{PrivateRedis, RedisSource};
use crate::redis_server::{Persistence, RedisServerError};
use crate::scrape::{SeriesTable, Target};
use abort::Abort;
use child::{ChildError, Told};
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_asynq::op::{Op, Reply, TaskState};
use firedrill_reports::record::{GapKind, Interference, Lag, Meddling};
use fleet::Fleet;
use producer::ProducerTask;
use scraper::{Addresses, InOrder, Progress, Schedule, scrape_loop};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use strain::{LOOK_EVERY, Strain};
use targets_file::TargetsFile;
use tokio::sync::mpsc;
use upkeep::Upkeep;
use watch::{HARNESS, Pulse, Roster, Watch};

/// How long a stopped drill looks at what is left in its Redis.
const LOOKS_WITHIN: Duration = Duration::from_millis(300);

/// What a live drill runs with.
#[derive(Debug, Clone)]
pub struct LiveOptions {
    /// The firedrill executable, for child processes.
    pub exe: PathBuf,
    /// Where to get a Redis.
    pub redis: RedisSource,
    /// Virtual seconds per real second, > 0.
    pub speed: f64,
    /// Virtual time 0 of the plan.
    pub epoch: Time,
    /// Directory for the ledgers.
    pub dir: PathBuf,
    /// Where to tell the targets' addresses while the drill runs, for a Prometheus beside it.
    pub targets_file: PathBuf,
    /// Where drills on a Redis that was given keep account of what they will have to remove.
    pub state: PathBuf,
    /// Tells when the drill is to be stopped.
    pub abort: Abort,
    /// Virtual milliseconds reached, for a progress display.
    pub reached_ms: Arc<AtomicI64>,
    /// Whether a drill that has gone beyond what a verdict bears ends there, see [`LiveError::TooFast`].
    pub gives_up: bool,
}

/// Why a live drill could not run.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// Redis could not be started.
    #[error(transparent)]
    Redis(#[from] RedisServerError),
    /// Redis is there but cannot be used.
    #[error("the Redis of the drill does not answer as it should: {0}")]
    Broker(#[from] firedrill_asynq::op::BrokerError),
    /// A worker could not be started.
    #[error(transparent)]
    Worker(#[from] ChildError),
    /// A file, port or process could not be had.
    #[error("{0}: {1}")]
    System(&'static str, io::Error),
    /// An observation could not be kept.
    #[error("cannot write the record: {0}")]
    Sink(io::Error),
    /// The machine cannot keep this speed: there would be no verdict, whatever came.
    #[error("too fast for this machine: {0}")]
    TooFast(String),
    /// It was stopped before it began.
    #[error("stopped before it began")]
    Stopped,
}

/// What came of a live drill.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub ended: Result<Ended, LiveError>,
    /// What of it is still in a Redis that was given.
    pub left: Option<RedisServerError>,
}

/// Runs `plan` to its end, or until aborted. Whatever happens, no process of the drill is left behind.
pub async fn run(plan: &Plan, options: &LiveOptions, sink: Sink<'_>) -> Ran {
    let persistence = if plan.needs_persistence() {
        Persistence::AppendOnly
    } else {
        Persistence::None
    };
    let abort = &options.abort;
    if let RedisSource::Given(address) = &options.redis {
        let ours = Ours::of(plan);
        let given = match GivenRedis::take(address, ours, &options.state, abort).await {
            Ok(given) => given,
            Err(Taking { error, left }) => {
                return Ran {
                    ended: Err(error.map_or(LiveError::Stopped, LiveError::Redis)),
                    left,
                };
            }
        };
        let redis = PrivateRedis::Given(address.clone());
        let ended = run_on(redis, plan, options, sink).await;
        let left = given.leave(abort).await.err();
        return Ran { ended, left };
    }
    let start = PrivateRedis::start(&options.exe, &options.redis, persistence);
    let ended = match abort.unless_asked(start).await {
        None => Err(LiveError::Stopped),
        Some(Err(error)) => Err(error.into()),
        Some(Ok(redis)) => run_on(redis, plan, options, sink).await,
    };
    Ran { ended, left: None }
}

async fn run_on(
    redis: PrivateRedis,
    plan: &Plan,
    options: &LiveOptions,
    sink: Sink<'_>,
) -> Result<Ended, LiveError> {
    let server_of = options.redis.server_of();
    let redis_options = RedisOptions::at_speed(options.speed).to_server_of(server_of);
    let address = redis.address();
    let (told_tx, mut told) = mpsc::unbounded_channel();
    let addresses = Addresses::default();
    let begin = async {
        let producer_broker = RedisBroker::open(&address, redis_options.clone()).await?;
        let exporter_broker = RedisBroker::open(&address, redis_options.clone()).await?;
        let workers = (addresses.clone(), EXPORTERS.len());
        let fleet = Fleet::start(plan, options, &address, told_tx, workers).await?;
        Ok::<_, LiveError>((producer_broker, exporter_broker, fleet))
    };
    let begun = options.abort.unless_asked(begin).await;
    let (producer_broker, exporter_broker, mut fleet) = begun.ok_or(LiveError::Stopped)??;
    let _closes = ClosedInTheEnd([producer_broker.clone(), exporter_broker.clone()]);
    let system = |what| move |error| LiveError::System(what, error);
    let clock = ClockOrigin::start(options.epoch, options.speed);
    let mut watch =
        Watch::start(plan, clock, address, redis_options).map_err(system("the observer"))?;
    let roster = watch.roster.clone();
    roster.is_there(REDIS, redis.pid(), None);
    fleet.begin(clock, roster.clone()).await?;
    let uptime = uptime::Uptime::new(clock);
    let pulse = tokio::spawn(feel_pulse(roster.clone(), clock));

    addresses.set(
        0,
        exporter::serve_checked(exporter_broker.clone(), clock, Some(roster.clone()))
            .await
            .map_err(system("exporter port"))?,
    );
    addresses.set(
        1,
        exporter::serve_redis(exporter_broker.clone(), uptime.clone())
            .await
            .map_err(system("exporter port"))?,
    );
    let targets_file = TargetsFile::new(&options.targets_file, names(plan));
    targets_file
        .write(&addresses)
        .map_err(system(TARGETS_FILE))?;

    let producer = ProducerTask::spawn(plan, producer_broker, clock, roster.clone());
    let (progress_tx, mut scrapes) = mpsc::unbounded_channel();
    let mut series = SeriesTable::default();
    let mut targets = spawn_scrapes(plan, clock, &addresses, &progress_tx, &mut series);
    drop(progress_tx);

    let mut world = deeds::World {
        plan,
        clock,
        redis,
        fleet,
        addresses,
        targets_file,
        uptime,
        roster: roster.clone(),
    };
    let mut agenda = Agenda::new(plan);
    let mut seen = vec![false; plan.timeline.len()];
    let mut order = InOrder::default();
    let mut upkeep = Upkeep::new(plan, roster.clone());
    let mut scrape_late_ms = Vec::new();
    let mut fault_ms_max = 0;
    let abort = &options.abort;
    let end = options.epoch.plus_millis(plan.duration_ms);
    let mut aborted = abort.is_asked();
    let mut strain = Strain::new(plan);
    let mut look = tokio::time::interval(LOOK_EVERY);
    while !aborted {
        let next = agenda
            .next_ms()
            .map_or(end, |at_ms| options.epoch.plus_millis(at_ms))
            .min(end);
        tokio::select! {
            biased;
            () = abort.asked() => aborted = true,
            () = tokio::time::sleep(clock.until(next)) => {
                if clock.now() >= end {
                    break;
                }
                let Some(done) = abort.unless_asked(world.run_due(&mut agenda)).await else {
                    aborted = true;
                    continue;
                };
                let (marks, late_ms) = done?;
                fault_ms_max = fault_ms_max.max(late_ms);
                strain.fault(late_ms);
                // What took longer than the drill was not done in it.
                for mark in marks.into_iter().filter(|mark| mark.at_ms <= plan.duration_ms) {
                    sink(Observation::Mark(mark)).map_err(LiveError::Sink)?;
                }
            }
            Some(word) = told.recv() => match word {
                Told::Effect(effect) => {
                    if !std::mem::replace(&mut seen[effect.step], true) {
                        let at_ms = effect.at.millis() - options.epoch.millis();
                        let at_ms = at_ms.min(plan.duration_ms);
                        let mark = plan.timeline[effect.step].effect_mark(at_ms, &effect.process);
                        sink(Observation::Mark(mark)).map_err(LiveError::Sink)?;
                    }
                }
                Told::Stalled { process, at, ms } => {
                    roster.gap(GapKind::Stall, &process, at, ms);
                    strain.stall(&process, ms);
                }
            },
            _ = look.tick(), if options.gives_up => {
                producer.with_notes(|notes| strain.notes(notes));
                if let Some(what) = strain.beyond() {
                    return Err(LiveError::TooFast(what.to_owned()));
                }
            }
            Some(found) = watch.next() => {
                sink(Observation::Interference(found)).map_err(LiveError::Sink)?;
            }
            Some(progress) = scrapes.recv() => {
                upkeep.see(&progress);
                if let Progress::Began { late_ms, at, .. } = &progress {
                    scrape_late_ms.push(*late_ms);
                    strain.scrape(*late_ms);
                    options.reached_ms.store(at.millis() - options.epoch.millis(), Ordering::Relaxed);
                }
                for (at, target, values) in order.take(progress) {
                    let values = targets[target].scraped_values(values, &mut series);
                    for (id, labels) in series.take_new() {
                        sink(Observation::Series { id, labels }).map_err(LiveError::Sink)?;
                    }
                    let at_ms = at.millis() - options.epoch.millis();
                    let target = targets[target].name();
                    sink(Observation::Scrape { at_ms, target, values }).map_err(LiveError::Sink)?;
                }
            }
        }
    }
    drop(scrapes);
    pulse.abort();
    let (left, mut gaps) = watch.finish();
    for found in left {
        sink(Observation::Interference(found)).map_err(LiveError::Sink)?;
    }
    let stopped_at = clock.now().min(end);
    let reached_ms = stopped_at.millis() - options.epoch.millis();
    let unseen = plan.timeline.iter().zip(&seen).filter(|(_, seen)| !**seen);
    for mark in unseen.filter_map(|(step, _)| step.missing_effect(reached_ms)) {
        sink(Observation::Mark(mark)).map_err(LiveError::Sink)?;
    }

    // The workers first: what they finish while the producer waits for its last answers would be counted after the end.
    let ledgers = world.fleet.end().await;
    let producer = producer.finish(clock, abort).await;
    let look = async {
        if !world.redis.is_listening() {
            // The drill ended during an outage: what survived it is part of the audit.
            world.redis.restart(true).await?;
        }
        let left = left_in_redis(plan, &exporter_broker).await?;
        let found = Ours::of(plan).survey(&exporter_broker, true).await?;
        let span = (options.epoch, end);
        let counters = counters::read(plan, &exporter_broker, span).await?;
        Ok::<_, LiveError>((left, found.foreign, counters))
    };
    let looked = if aborted {
        // Nothing is started and nobody waited for: a Redis that answers does so at once.
        let look = left_in_redis(plan, &exporter_broker);
        let left = tokio::time::timeout(LOOKS_WITHIN, look).await;
        match left.ok().and_then(Result::ok) {
            Some(left) => {
                let ours = Ours::of(plan);
                let survey = ours.survey(&exporter_broker, true);
                let found = tokio::time::timeout(LOOKS_WITHIN, survey).await;
                let found = found.ok().and_then(Result::ok);
                let foreign = found.map_or_else(Vec::new, |found| found.foreign);
                Some((left, foreign, BTreeMap::new()))
            }
            None => None,
        }
    } else {
        Some(look.await?)
    };
    let Some((left, foreign, counters)) = looked else {
        // Without it nothing is proven of any task.
        return Ok(Ended {
            at_ms: reached_ms,
            aborted,
        });
    };
    for thing in foreign {
        let what = thing.interference(reached_ms);
        sink(Observation::Interference(what)).map_err(LiveError::Sink)?;
    }
    let (ledgers, damaged) = evidence::read(ledgers);
    let ledgers_whole = damaged.is_empty();
    for (process, saw) in damaged {
        sink(Observation::Interference(Interference {
            at_ms: reached_ms,
            until_ms: None,
            what: Meddling::Ledger,
            subject: process,
            saw,
        }))
        .map_err(LiveError::Sink)?;
    }
    let absences = roster.absences();
    if ledgers_whole && !absences.was_away(REDIS, options.epoch, stopped_at) {
        for (queue, saw) in counters::wrong(plan, &counters, (&producer, &ledgers)) {
            sink(Observation::Interference(Interference {
                at_ms: reached_ms,
                until_ms: None,
                what: Meddling::ForeignData,
                subject: queue,
                saw,
            }))
            .map_err(LiveError::Sink)?;
        }
    }
    let lag = lag::lag(
        plan,
        (&producer, &ledgers),
        (options.epoch, &absences),
        scrape_late_ms,
        fault_ms_max,
        &mut gaps,
    );
    let evidence = Evidence {
        plan,
        origin: options.epoch,
        end: stopped_at,
        producer: &producer,
        ledgers: &ledgers,
        left: &left,
        absences,
        ledgers_whole,
    };
    let audited = Box::new(audit::audit(&evidence));
    let lag = Lag {
        gaps: gaps.into_vec(),
        ..lag
    };
    sink(Observation::Ledger { audited, lag }).map_err(LiveError::Sink)?;
    Ok(Ended {
        at_ms: reached_ms,
        aborted,
    })
}

/// Connections that nothing is asked over any more when a drill is over, however it ended: what was under way is not
/// repeated while the drill's keys are removed.
struct ClosedInTheEnd([RedisBroker; 2]);

impl Drop for ClosedInTheEnd {
    fn drop(&mut self) {
        self.0.iter().for_each(RedisBroker::close);
    }
}

fn spawn_scrapes(
    plan: &Plan,
    clock: ClockOrigin,
    addresses: &Addresses,
    progress: &mpsc::UnboundedSender<Progress>,
    series: &mut SeriesTable,
) -> Vec<Target> {
    let targets = crate::engine::targets(plan).into_iter().enumerate();
    targets
        .map(|(target, (job, instance, phase_ms))| {
            let schedule = Schedule {
                target,
                path: "/metrics",
                first: clock.virtual_start.plus_millis(phase_ms),
                interval_ms: plan.scrape_interval_ms,
                timeout_ms: plan.scrape_timeout_ms,
            };
            tokio::spawn(scrape_loop(
                schedule,
                clock,
                addresses.clone(),
                progress.clone(),
            ));
            Target::new(job, &instance, series)
        })
        .collect()
}

/// Jobs and instances of a plan's targets, by number.
fn names(plan: &Plan) -> Vec<(&'static str, String)> {
    let targets = crate::engine::targets(plan).into_iter();
    targets.map(|(job, instance, _)| (job, instance)).collect()
}

async fn left_in_redis(
    plan: &Plan,
    broker: &RedisBroker,
) -> Result<BTreeMap<String, TaskState>, LiveError> {
    let mut left = BTreeMap::new();
    for queue in &plan.queues {
        if let Reply::Ids(ids) = broker
            .call(Op::ListIds {
                queue: queue.name.clone(),
            })
            .await?
        {
            left.extend(ids);
        }
    }
    Ok(left)
}

/// Notes when the drill's own thread did not get to run.
async fn feel_pulse(roster: Roster, clock: ClockOrigin) {
    let mut pulse = Pulse::new(clock);
    loop {
        let (since, late_ms) = pulse.beat().await;
        roster.gap(GapKind::Stall, HARNESS, since, late_ms);
    }
}

/// Milliseconds since the drill's start, as records count.
fn since_start(clock: ClockOrigin) -> i64 {
    clock.now().millis() - clock.virtual_start.millis()
}
