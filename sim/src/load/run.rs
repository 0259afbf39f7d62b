//! Has a load happen: a Redis, processes that enqueue and work, an eye on all of it, and a record in the end.

mod going;

use super::LoadPlan;
use super::arrivals::Share;
use super::meeting::{Attending, Meeting, MeetingError};
use super::part::{Heard, Part, PartError};
use super::redis_side::RedisEye;
use super::room;
use super::table::Table;
use super::wire::PartSpec;
use crate::abort::Abort;
use crate::plan::WorkerPlan;
use crate::redis_server::given::{GivenRedis, Taking, consent};
use crate::redis_server::ours::Ours;
use crate::redis_server::private::{Access, PrivateRedis, RedisSource};
use crate::redis_server::{Persistence, RedisServerError};
use crate::undo::Home;
use firedrill_asynq::broker::redis::address::Address;
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_asynq::inspector::Inspector;
use firedrill_asynq::op::BrokerError;
use firedrill_reports::load::{
    Drive, FORMAT, Left, LoadFacts, LoadHeader, LoadRecord, LoadWriter, Role, Row,
};
use firedrill_reports::shard::Shard;
use going::Going;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;

/// From when all are ready to the first possible arrival: time enough for the clock to reach every process.
const BEGINS_IN_MS: i64 = 250;
/// How long Redis may take to answer a look.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// What a load runs with.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The firedrill executable, for child processes.
    pub exe: PathBuf,
    /// Where to get a Redis.
    pub redis: RedisSource,
    /// Whether what was enqueued stays in a Redis that was given.
    pub keep: bool,
    /// Directory of the record, which is there.
    pub dir: PathBuf,
    /// Where it is noted what is in a Redis that was given.
    pub state: PathBuf,
    /// How long workers go on for tasks that wait when the last was enqueued, milliseconds.
    pub drain_ms: i64,
    /// How long a shard waits for the others.
    pub meets_within: Duration,
    /// Tells when the load is to be stopped.
    pub abort: Abort,
}

/// Why there is no record of a load.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Redis could not be had.
    #[error(transparent)]
    Redis(#[from] RedisServerError),
    /// Redis is there but cannot be used.
    #[error("the Redis of the load does not answer as it should: {0}")]
    Broker(#[from] BrokerError),
    /// It would refuse the load's largest tasks.
    #[error(
        "payloads of up to {largest} bytes: this Redis takes no value of more than {most} (proto-max-bulk-len), and the rest of the message has to \
         fit as well"
    )]
    TooLarge {
        /// The largest payload, bytes.
        largest: u64,
        /// The largest value, bytes.
        most: u64,
    },
    /// A process could not be started.
    #[error(transparent)]
    Part(#[from] PartError),
    /// The shards did not come together.
    #[error(transparent)]
    Meeting(#[from] MeetingError),
    /// A directory could not be had.
    #[error("{0}: {1}")]
    System(&'static str, io::Error),
    /// The record could not be written, as when the disk is full.
    #[error("cannot write the record of the load into {path}: {source}")]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was stopped before it began.
    #[error("stopped before it began")]
    Stopped,
}

/// What came of a load.
#[derive(Debug)]
pub struct Ran {
    /// Its record, which is in its directory, too.
    pub record: Result<LoadRecord, LoadError>,
    /// What of it is still there.
    pub left: Option<RedisServerError>,
}

/// Runs a load to its end, or until it is stopped; `tell` hears of each second. Whatever happens, no process of it is left behind.
pub async fn run(load: &LoadPlan, options: &LoadOptions, tell: &mut dyn FnMut(&Row)) -> Ran {
    let home = match Home::make() {
        Ok(home) => home,
        Err(error) => {
            return Ran {
                record: Err(LoadError::System("the load's directory", error)),
                left: None,
            };
        }
    };
    let is_joining = load.shard.is_some_and(|shard| shard.number() > 1);
    let mut ran = match &options.redis {
        // The first shard has taken it, for all of them.
        RedisSource::Given(address) if is_joining => {
            let redis = PrivateRedis::Given(address.clone());
            let record = run_on(&redis, load, options, tell).await;
            Ran { record, left: None }
        }
        RedisSource::Given(_) => run_on_given(load, options, &home, tell).await,
        source => {
            let start = PrivateRedis::start(
                &options.exe,
                (source, Access::Ours),
                Persistence::None,
                &home,
            );
            let record = match options.abort.unless_asked(start).await {
                None => Err(LoadError::Stopped),
                Some(Err(error)) => Err(error.into()),
                Some(Ok(redis)) => {
                    room::bound(&redis);
                    run_on(&redis, load, options, tell).await
                }
            };
            Ran { record, left: None }
        }
    };
    if let Err(left) = home.close() {
        ran.left.get_or_insert(RedisServerError::Left(format!(
            "{left}\n    type: firedrill clean"
        )));
    }
    ran
}

async fn run_on_given(
    load: &LoadPlan,
    options: &LoadOptions,
    home: &Home,
    tell: &mut dyn FnMut(&Row),
) -> Ran {
    let RedisSource::Given(address) = &options.redis else {
        unreachable!("only called for a Redis that is given");
    };
    let notes = (options.state.as_path(), home.journal());
    let ours = Ours::of_load(&load.plan, load.taken);
    if load.taken
        && let Err(error) = may_take(load, options, address).await
    {
        return Ran {
            record: Err(error),
            left: None,
        };
    }
    let given = match GivenRedis::take(address, ours, notes, &options.abort).await {
        Ok(given) => given,
        Err(Taking { error, left }) => {
            return Ran {
                record: Err(error.map_or(LoadError::Stopped, LoadError::Redis)),
                left,
            };
        }
    };
    let redis = PrivateRedis::Given(address.clone());
    let record = run_on(&redis, load, options, tell).await;
    let left = match options.keep {
        true => given.keep().await.err(),
        false => given.leave(&options.abort).await.err(),
    };
    Ran { record, left }
}

/// Sees that whoever has the queues agrees.
async fn may_take(
    load: &LoadPlan,
    options: &LoadOptions,
    address: &Address,
) -> Result<(), LoadError> {
    let broker = RedisBroker::open(address, RedisOptions::at_speed(1.0)).await?;
    let queues: Vec<&str> = load.plan.queues.iter().map(|queue| &*queue.name).collect();
    let lasts_ms = load.plan.duration_ms + options.drain_ms;
    let lasts = Duration::from_millis(lasts_ms.unsigned_abs());
    let agreed = consent::to_take(&broker, (address, &queues), lasts).await;
    broker.close();
    Ok(agreed?)
}

async fn run_on(
    redis: &PrivateRedis,
    load: &LoadPlan,
    options: &LoadOptions,
    tell: &mut dyn FnMut(&Row),
) -> Result<LoadRecord, LoadError> {
    let server_of = options.redis.server_of();
    let address = redis.address();
    let redis_options = RedisOptions::at_speed(1.0).to_server_of(server_of);
    let broker = RedisBroker::open(&address, redis_options).await?;
    let queues: Vec<String> = load
        .plan
        .queues
        .iter()
        .map(|queue| queue.name.clone())
        .collect();
    let eye = RedisEye::open(broker.clone(), address.is_cluster(), queues.clone()).await?;
    let version = eye.version().await;
    if let Some((largest, most)) = room::too_large(load, &broker).await {
        return Err(LoadError::TooLarge { largest, most });
    }
    let meeting = meeting(load, options, &broker)?;
    if let Some(meeting) = &meeting {
        meeting.join().await?;
    }
    // From here on it is stopped by other shards as well.
    let attending = meeting.as_ref().map(Meeting::attend);
    let options = &LoadOptions {
        abort: attending
            .as_ref()
            .map_or(&options.abort, |attending| &attending.abort)
            .clone(),
        ..options.clone()
    };
    let ended = || attending.as_ref().and_then(Attending::why).cloned();
    let stopped = || ended().map_or(LoadError::Stopped, |why| MeetingError::Ended(why).into());
    let (heard_tx, heard) = mpsc::unbounded_channel();
    let started = start_parts(load, options, (&address, server_of), &heard_tx);
    let started = options.abort.unless_asked(started).await;
    let (parts, prefilled) = started.ok_or_else(stopped)??;
    let clock = match &meeting {
        Some(meeting) => match meeting.begin(&options.abort).await {
            Err(MeetingError::Stopped) => return Err(stopped()),
            clock => clock?,
        },
        None => beginning(),
    };
    let wrote = |source| LoadError::Write {
        path: options.dir.clone(),
        source,
    };
    let since_epoch = u64::try_from(clock.virtual_start.0).unwrap_or(0);
    let began = SystemTime::UNIX_EPOCH + Duration::from_nanos(since_epoch);
    let writer = LoadWriter::create(&options.dir, began).map_err(wrote)?;
    let mut facts = LoadFacts {
        header: header(load, &parts, version, clock.virtual_start),
        ..LoadFacts::default()
    };
    facts.counts.prefilled = prefilled;
    let mut going = Going {
        load,
        options,
        clock,
        redis,
        parts,
        heard,
        eye,
        table: Table::default(),
        writer,
        record: LoadRecord {
            facts,
            ..LoadRecord::default()
        },
        silence: None,
        met: None,
    };
    for part in &mut going.parts {
        part.begin(clock).await;
    }
    going.go(tell).await.map_err(wrote)?;
    let ended_at = clock.now();
    going.end(tell).await.map_err(wrote)?;
    if let Some(why) = ended() {
        going.trouble(going.now_ms(), why);
    }
    if let Some(meeting) = &meeting
        && going.silence.is_none()
        && let Err(error) = meeting.end(&options.abort).await
    {
        going.trouble(going.now_ms(), error.to_string());
    }
    // What is left is known when all shards are over.
    let looks = meeting.as_ref().is_none_or(Meeting::is_first);
    let Going {
        parts,
        eye,
        writer,
        mut record,
        silence,
        ..
    } = going;
    let facts = &mut record.facts;
    facts.ran_s = (ended_at.0 - clock.virtual_start.0).max(0) as f64 / 1e9;
    facts.processes = parts.into_iter().map(|part| part.process).collect();
    if silence.is_none() && looks {
        facts.left = left_in(&broker, &queues).await;
    }
    facts.redis = tokio::time::timeout(ANSWERS_WITHIN, eye.side())
        .await
        .ok()
        .flatten();
    let counts = &mut facts.counts;
    let answered = counts.enqueued + counts.duplicates + counts.rejected;
    counts.unanswered = counts.sent.saturating_sub(answered);
    broker.close();
    writer.finish(&record.facts).map_err(wrote)?;
    Ok(record)
}

/// Where the shards of a load meet; of a load by itself there is nothing to meet.
fn meeting(
    load: &LoadPlan,
    options: &LoadOptions,
    broker: &RedisBroker,
) -> Result<Option<Meeting>, LoadError> {
    let Some(shard) = load.shard else {
        return Ok(None);
    };
    // What all of them have in common: everything but which they are, how many processes enqueue, and how it was typed.
    let common = LoadPlan {
        shard: None,
        producers: 0,
        command: String::new(),
        ..load.clone()
    };
    let common = serde_json::to_string(&(env!("CARGO_PKG_VERSION"), common))
        .map_err(|error| LoadError::System("the load's plan", error.into()))?;
    let (within, abort) = (options.meets_within, options.abort.clone());
    let meeting = Meeting::new(broker.clone(), (common, shard), within, abort);
    Ok(Some(meeting))
}

/// The worker processes of this shard: they go round as arrivals do.
fn own_workers(load: &LoadPlan) -> Vec<(String, &WorkerPlan)> {
    let all = load.plan.processes().into_iter().enumerate();
    let own = all.filter(|(number, _)| load.shard.is_none_or(|shard| shard.holds(*number as u64)));
    own.map(|(_, process)| process).collect()
}

/// A clock that begins when every process has heard of it.
fn beginning() -> ClockOrigin {
    let now = ClockOrigin::real_time();
    ClockOrigin {
        monotonic_ns: now.monotonic_ns + BEGINS_IN_MS * 1_000_000,
        virtual_start: now.virtual_start.plus_millis(BEGINS_IN_MS),
        ..now
    }
}

pub(super) fn header(load: &LoadPlan, parts: &[Part], redis: String, start: Time) -> LoadHeader {
    let plan = &load.plan;
    let of = |role: Role| {
        parts
            .iter()
            .filter(|part| part.process.role == role)
            .count()
    };
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let slots = own_workers(load)
        .into_iter()
        .map(|(_, worker)| worker.concurrency);
    let whole_s = plan.duration_ms as f64 / 1e3;
    let asked = crate::plan::expected_tasks(plan).iter().sum::<f64>() / whole_s;
    let lasts_s = load.lasts_ms() as f64 / 1e3;
    let shards = load.shard.map_or(1.0, |shard| f64::from(shard.of()));
    let is_open = load.sides.produces() && load.drive == Drive::Open;
    LoadHeader {
        format: FORMAT.to_owned(),
        name: plan.name.clone(),
        seed: plan.seed,
        plan: plan.to_yaml(),
        drill: false,
        drive: load.drive,
        sides: load.sides,
        asked_per_s: is_open.then(|| asked / shards),
        lasts_s,
        warmup_s: load.warmup_ms as f64 / 1e3,
        producers: count(of(Role::Producer)),
        workers: count(of(Role::Worker)),
        slots: if load.sides.consumes() {
            slots.sum()
        } else {
            0
        },
        redis,
        started: jiff::Timestamp::from_nanosecond(i128::from(start.0))
            .unwrap_or_default()
            .to_string(),
        firedrill: env!("CARGO_PKG_VERSION").to_owned(),
        command: load.command.clone(),
        cpus: count(std::thread::available_parallelism().map_or(1, usize::from)),
        shard: load.shard,
    }
}

/// Starts all processes side by side; answers how many tasks of the backlog they have enqueued.
async fn start_parts(
    load: &LoadPlan,
    options: &LoadOptions,
    (address, server_of): (&Address, Option<u32>),
    heard: &mpsc::UnboundedSender<Heard>,
) -> Result<(Vec<Part>, u64), PartError> {
    let spec = |role: Role, name: String, share: Share| PartSpec {
        role,
        name,
        load: load.clone(),
        share,
        redis: address.clone(),
        server_of,
    };
    let shard = load.shard.unwrap_or(Shard::WHOLE);
    let produces = load.sides.produces() || load.backlog > 0;
    let producers = if produces { load.producers } else { 0 };
    let mut specs: Vec<PartSpec> = (0..producers)
        .map(|producer| {
            let share = Share {
                shard,
                producer,
                producers,
            };
            spec(Role::Producer, format!("producer-{producer}"), share)
        })
        .collect();
    if load.sides.consumes() {
        let workers = own_workers(load).into_iter();
        specs.extend(workers.map(|(name, _)| spec(Role::Worker, name, Share::WHOLE)));
    }
    let starts = specs
        .iter()
        .enumerate()
        .map(|(number, spec)| Part::start(&options.exe, spec, number, heard.clone()));
    let started = futures_util::future::try_join_all(starts).await?;
    let prefilled = started.iter().map(|(_, prefilled)| prefilled).sum();
    let parts = started.into_iter().map(|(part, _)| part).collect();
    Ok((parts, prefilled))
}

/// What is in the queues; `None` where Redis does not answer.
async fn left_in(broker: &RedisBroker, queues: &[String]) -> Option<Left> {
    let inspector = Inspector::new(broker.clone());
    let mut left = Left::default();
    for queue in queues {
        let now = ClockOrigin::real_time().now();
        let info = tokio::time::timeout(ANSWERS_WITHIN, inspector.queue_info(queue, now));
        let info = info.await.ok()?;
        // A queue into which nothing came is none.
        let Ok(info) = info else { continue };
        let total = |count: i64| u64::try_from(count).unwrap_or(0);
        left.add(&Left {
            pending: info.pending,
            active: info.active,
            scheduled: info.scheduled,
            retry: info.retry,
            archived: info.archived,
            completed: info.completed,
            aggregating: info.aggregating,
            processed: total(info.processed_total),
            failed: total(info.failed_total),
        });
    }
    Some(left)
}
