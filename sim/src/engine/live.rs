//! The live engine: a private Redis, real worker processes, real faults, on a virtual clock.

mod account;
pub mod child;
mod cluster;
mod counters;
mod director;
mod downstream;
mod evidence;
pub mod exporter;
pub mod fleet;
mod hands;
mod lag;
mod left;
mod lever;
mod link;
mod newcomers;
mod noted;
mod observer;
mod producer;
mod proxied;
mod replica;
pub mod scraper;
mod stand;
mod strain;
mod targets_file;
mod theirs;
mod throttle;
mod upkeep;
pub mod uptime;
pub(crate) mod watch;

pub use crate::plan::TARGETS_FILE;
pub use theirs::{Crew, DEFAULTS, How, Started, Template, TemplateError, Theirs, Workers};
pub(crate) use watch::HARNESS;

use crate::abort::Abort;
use crate::alerts::{Listening, Sources};
use crate::audit::REDIS;
use crate::engine::{EXPORTERS, Ended, Observation, Sink};
use crate::metrics::{ProducerMetrics, counts_as_started};
use crate::plan::{PRODUCER, Plan};
use crate::redis_server::directory::RESOURCES;
use crate::redis_server::given::{GivenRedis, Taking};
use crate::redis_server::ours::Ours;
use crate::redis_server::private::{Access, PrivateRedis, RedisSource};
use crate::redis_server::{Persistence, RedisServerError};
use crate::rehearsal::Rehearsal;
use crate::undo::{Home, Undo, Where};
use child::{ChildError, Told};
use cluster::Cluster;
use director::Director;
use downstream::Downstream;
use firedrill_asynq::broker::redis::address::Address;
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_asynq::note::Note;
use firedrill_reports::record::{Audit, Interference};
use fleet::Fleet;
use hands::Hands;
use left::Left;
use link::Links;
use newcomers::Newcomers;
use observer::{Audience, Looked, Observer};
use producer::ProducerTask;
use proxied::Proxied;
use replica::Replica;
use scraper::Addresses;
use stand::Stand;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use targets_file::TargetsFile;
use tokio::sync::mpsc;
use watch::Watch;

/// What a live drill runs with.
#[derive(Debug, Clone)]
pub struct LiveOptions {
    /// The firedrill executable, for child processes.
    pub exe: PathBuf,
    /// Where to get a Redis.
    pub redis: RedisSource,
    /// Who works.
    pub workers: Workers,
    /// Virtual seconds per real second, > 0; 1 where workers are not ours.
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
    /// Other sources of alerts to listen to; at speed 1.
    pub alerts: Option<Sources>,
    /// Where to tell what its tasks went through, if somebody wants to know of each.
    pub noted: Option<mpsc::UnboundedSender<Noted>>,
    /// Whether people take part, and who hears them.
    pub rehearsal: Option<Rehearsal>,
}

/// What a drill tells of its tasks beyond what its record has.
#[derive(Debug)]
pub enum Noted {
    /// It begins.
    Began {
        /// Its Redis.
        redis: Box<Address>,
        /// Its clock.
        clock: ClockOrigin,
    },
    /// It is over.
    Ended {
        /// All that producer and workers noted.
        notes: Vec<Note<String>>,
        /// What became of every task.
        audit: Box<Audit>,
    },
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
    /// What the team has does not do what a step needs of it.
    #[error("{0}")]
    Team(String),
    /// A file, port or process could not be had.
    #[error("{0}: {1}")]
    System(&'static str, io::Error),
    /// An observation could not be kept.
    #[error("cannot write the record: {0}")]
    Sink(io::Error),
    /// What the producer did could not be kept, as when the disk is full.
    #[error("cannot write the producer's ledger: {0}")]
    Ledger(io::Error),
    /// The machine cannot keep this speed: there would be no verdict, whatever came.
    #[error("too fast for this machine: {0}")]
    TooFast(String),
    /// Other sources of alerts live in real time.
    #[error(
        "alerts from outside come in real time, and this drill goes at {0}x; give it the speed 1"
    )]
    AlertsAtSpeed(f64),
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
    let home = match Home::make() {
        Ok(home) => home,
        Err(error) => {
            return Ran {
                ended: Err(LiveError::System("the drill's directory", error)),
                left: None,
            };
        }
    };
    let mut ran = if let RedisSource::Given(address) = &options.redis {
        run_on_given(address, &home, plan, options, sink).await
    } else {
        // Where people take part, they may put its queues right.
        let access = match options.rehearsal {
            Some(_) => Access::Anybody,
            None => Access::Ours,
        };
        let source = (&options.redis, access);
        let start = PrivateRedis::start(&options.exe, source, persistence, &home);
        let ended = match abort.unless_asked(start).await {
            None => Err(LiveError::Stopped),
            Some(Err(error)) => Err(error.into()),
            Some(Ok(redis)) => run_on((redis, Where::Own), &home, plan, options, sink).await,
        };
        Ran { ended, left: None }
    };
    // However it ended: what is open in its journal is undone, and its directory goes.
    if let Err(left) = home.close() {
        ran.left = Some(RedisServerError::Left(match ran.left {
            None => format!("{left}\n    type: firedrill clean"),
            Some(also) => format!("{also}\n{left}"),
        }));
    }
    ran
}

async fn run_on_given(
    address: &Address,
    home: &Home,
    plan: &Plan,
    options: &LiveOptions,
    sink: Sink<'_>,
) -> Ran {
    let ours = match &options.workers {
        Workers::Ours if options.rehearsal.is_some() => {
            Ours::of(plan).with_people(plan, fleet::AGAIN_MS)
        }
        Workers::Ours => Ours::of(plan),
        Workers::Theirs(theirs) => Ours::of(plan).with_guests(theirs.stay()),
    };
    let abort = &options.abort;
    let notes = (options.state.as_path(), home.journal());
    let given = match GivenRedis::take(address, ours, notes, abort).await {
        Ok(given) => given,
        Err(Taking { error, left }) => {
            return Ran {
                ended: Err(error.map_or(LiveError::Stopped, LiveError::Redis)),
                left,
            };
        }
    };
    let redis = PrivateRedis::Given(Box::new(address.clone()));
    let place = Where::Given(given.token().to_owned());
    let ended = run_on((redis, place), home, plan, options, sink).await;
    let left = given.leave(abort).await.err();
    Ran { ended, left }
}

async fn run_on(
    redis: (PrivateRedis, Where),
    home: &Home,
    plan: &Plan,
    options: &LiveOptions,
    sink: Sink<'_>,
) -> Result<Ended, LiveError> {
    let begun_at = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let begun = begin(redis, home, plan, options).await?;
    let Begun {
        stand,
        exporter_broker,
        producer_broker,
        mut watch,
        told: (told_tx, told),
        sent,
    } = begun;
    let _closes = ClosedInTheEnd([
        producer_broker.clone(),
        exporter_broker.clone(),
        stand.control.clone(),
    ]);
    let (clock, roster) = (stand.clock, stand.roster.clone());
    if let Some(noted) = &options.noted {
        let redis = Box::new(stand.redis.address());
        // Nobody has to listen.
        let _ = noted.send(Noted::Began { redis, clock });
    }
    let producer = ProducerTask::spawn(
        plan,
        (producer_broker, sent),
        clock,
        roster.clone(),
        told_tx,
    )
    .map_err(LiveError::Ledger)?;
    let mut listening = listen(options, clock)?;
    let mut observer = Observer::new(plan, options, (clock, &stand.addresses, roster.clone()));
    let (done_tx, done) = mpsc::unbounded_channel();
    let deaths = watch.deaths.take();
    let people = options.rehearsal.as_ref();
    let (mut audience, mut hands) = (None, None);
    if let Some(said) = people.and_then(|rehearsal| rehearsal.people.listen()) {
        roster.is_rehearsal();
        let (orders, obeyed) = mpsc::unbounded_channel();
        audience = Some(Audience { said, orders });
        let blind = people.is_some_and(|rehearsal| rehearsal.terms.blind);
        let known = (begun_at.as_secs_f64(), blind);
        hands = Some(Hands::new(obeyed, done_tx.clone(), known));
    }
    let director = Director::start((stand, deaths, hands), options.abort.clone(), done_tx);
    let looked = observer
        .watch(
            (watch, done, told, listening.as_mut(), audience),
            &producer,
            &options.abort,
            sink,
        )
        .await?;
    let Looked { watch, aborted } = looked;
    let (left, gaps) = watch.finish();
    for found in left {
        sink(Observation::Interference(found)).map_err(LiveError::Sink)?;
    }
    let end = clock.virtual_start.plus_millis(plan.duration_ms);
    let stopped_at = clock.now().min(end);
    observer.tell_unseen(stopped_at, sink)?;
    if let Some(listening) = listening {
        let end_ms = stopped_at.millis() - clock.virtual_start.millis();
        for heard in listening.finish(end_ms) {
            sink(Observation::Heard(heard)).map_err(LiveError::Sink)?;
        }
    }
    // The workers first: what they finish while the producer waits for its last answers would be counted after the end.
    let mut stand = director.finish().await?;
    let living = stand.fleet.living();
    let mut meddled = stand.last_newcomers().await;
    meddled.extend(stand.last_look_at_proxy().await);
    meddled.extend(stand.fleet.meddled(begun_at.as_secs_f64()).await);
    let end_ms = stopped_at.millis() - clock.virtual_start.millis();
    for of in meddled {
        let found = Interference {
            at_ms: of
                .at
                .map_or(end_ms, |at| at_time(clock, at).clamp(0, end_ms)),
            until_ms: None,
            what: of.what,
            subject: of.subject,
            saw: of.saw,
        };
        sink(Observation::Interference(found)).map_err(LiveError::Sink)?;
    }
    let ledgers = stand.fleet.end().await;
    let producer = producer.finish(clock, &options.abort).await;
    let left = Left {
        by_hand: roster.by_hand(),
        seen: options.workers.are_ours(),
        has_people: roster.has_people(),
        living,
        producer: producer.map_err(LiveError::Ledger)?,
        ledgers,
        absences: roster.absences(),
        stopped_at,
        aborted,
        noted: options.noted.clone(),
    };
    let lags = observer.into_lags(gaps);
    let mended = roster.mended();
    let done = match mended.is_empty() {
        true => None,
        false => Some(plan.mended(&mended)),
    };
    let plan = done.as_ref().unwrap_or(plan);
    left.prove(plan, (&mut stand, &exporter_broker), lags, sink)
        .await
}

/// Begins to listen to what else tells of alerts.
fn listen(options: &LiveOptions, clock: ClockOrigin) -> Result<Option<Listening>, LiveError> {
    let sources = options.alerts.as_ref();
    if sources.is_some() && options.speed != 1.0 {
        return Err(LiveError::AlertsAtSpeed(options.speed));
    }
    let listening = sources.map(|sources| sources.listen(clock, &options.targets_file));
    let listening = listening.transpose();
    listening.map_err(|error| LiveError::System("the webhook's port", error))
}

/// All that is there when a drill begins.
struct Begun {
    stand: Stand,
    producer_broker: RedisBroker,
    exporter_broker: RedisBroker,
    watch: Watch,
    told: (mpsc::UnboundedSender<Told>, mpsc::UnboundedReceiver<Told>),
    sent: Arc<Mutex<ProducerMetrics>>,
}

/// Starts everything; from now on the clock runs.
async fn begin(
    (redis, of): (PrivateRedis, Where),
    home: &Home,
    plan: &Plan,
    options: &LiveOptions,
) -> Result<Begun, LiveError> {
    let server_of = options.redis.server_of();
    let redis_options = RedisOptions::at_speed(options.speed)
        .patient_for(plan.timeout_floor())
        .to_server_of(server_of);
    let address = redis.address();
    let told = mpsc::unbounded_channel();
    let addresses = Addresses::default();
    let begin = async {
        let socket = home.path().join(RESOURCES);
        let downstream = Downstream::open(plan, &socket, told.0.clone());
        let downstream =
            downstream.map_err(|error| LiveError::System("what workers share", error))?;
        let guests = match &options.workers {
            Workers::Ours => BTreeSet::new(),
            // Those that are there already have an address.
            Workers::Theirs(theirs) if theirs.stay() => BTreeSet::new(),
            Workers::Theirs(_) => plan.processes().into_iter().map(|(name, _)| name).collect(),
        };
        let proxy = match &options.workers {
            Workers::Ours => None,
            Workers::Theirs(theirs) => theirs.proxy.clone(),
        };
        let links = Links::open(plan, &address, (&guests, proxy), told.0.clone()).await;
        let links = links.map_err(|error| LiveError::System("links", error))?;
        let open = || RedisBroker::open(&address, redis_options.clone());
        // Whoever goes over a link finds our own process there.
        let producer = match links.address(PRODUCER, &address) {
            Some(link) => {
                let options = redis_options.clone().to_server_of(None);
                RedisBroker::open(&link, options).await?
            }
            None => open().await?,
        };
        let brokers = (producer, open().await?, open().await?);
        let replica = Replica::start(plan, &redis).await?;
        let workers = (addresses.clone(), EXPORTERS.len());
        let shared = downstream.as_ref().map(Downstream::path);
        let journal = home.journal().clone();
        let ways = (&address, &links, shared, brokers.2.clone(), journal);
        let mut fleet = Fleet::start(plan, options, ways, told.0.clone(), workers).await?;
        if looks_for_strangers(options) {
            newcomers::refuse(&mut fleet, plan, &brokers.2).await?;
        }
        if let Some(team) = links.team() {
            let processes = plan.processes().into_iter();
            let first = processes.filter(|(name, _)| plan.is_there_at_start(name));
            let proven = team.is_taken_by(first.count(), &brokers.2, home.journal());
            proven
                .await
                .map_err(|error| LiveError::System("the proxy", error))?;
        }
        Ok::<_, LiveError>((brokers, fleet, (links, downstream), replica))
    };
    let begun = options.abort.unless_asked(begin).await;
    let (brokers, mut fleet, (links, downstream), replica) = begun.ok_or(LiveError::Stopped)??;
    let (producer_broker, exporter_broker, control) = brokers;
    let system = |what| move |error| LiveError::System(what, error);
    let servers = [
        redis.pid(),
        replica.as_ref().and_then(|replica| replica.server.pid()),
    ];
    let pids = fleet
        .all_pids()
        .into_iter()
        .chain(servers.into_iter().flatten());
    let path = std::path::absolute(&options.targets_file).map_err(system(TARGETS_FILE))?;
    let mut undos = account::ends(pids);
    undos.push(Undo::TargetsFile { path });
    let noted = home.journal().note(None, &undos);
    noted.map_err(system(account::JOURNAL))?;
    let clock = ClockOrigin::start(options.epoch, options.speed);
    let watch =
        Watch::start(plan, clock, address, redis_options).map_err(system("the observer"))?;
    let roster = watch.roster.clone();
    roster.is_there(REDIS, redis.pid(), None);
    links.begin(clock, roster.clone());
    if let Some(downstream) = &downstream {
        downstream.begin(clock);
    }
    let cluster = Cluster::new(plan, clock.virtual_start);
    fleet
        .begin(clock, (roster.clone(), cluster.clone()))
        .await?;
    let uptime = uptime::Uptime::new(clock);
    let broker = exporter_broker.clone();
    let times = (clock, uptime.clone());
    let known = (roster.clone(), cluster);
    let mut exporters = exporter::Exporters::new(broker, times, known, &plan.world);
    let targets = crate::engine::targets(plan);
    for (number, target) in targets.iter().enumerate() {
        if target.is_exporter() {
            let place = exporters.serve(number, target.source).await;
            addresses.set(number, place.map_err(system("exporter port"))?);
        }
    }
    let sent = ProducerMetrics::of(plan, clock.virtual_start);
    let sent = Arc::new(Mutex::new(sent));
    if plan.producer_metrics {
        let started = counts_as_started(clock.virtual_start, 0);
        let place = exporter::serve_producer(sent.clone(), started).await;
        let last = EXPORTERS.len() + plan.processes().len();
        addresses.set(last, place.map_err(system("producer's port"))?);
    }
    let newcomers = looks_for_strangers(options).then(|| Newcomers::watch(control.clone()));
    let proxied = links.team().cloned().map(Proxied::watch);
    let stand = Stand {
        plan: Arc::new(plan.clone()),
        clock,
        redis,
        control,
        links,
        fleet,
        newcomers,
        proxied,
        downstream,
        addresses,
        targets_file: TargetsFile::new(&options.targets_file, targets),
        uptime,
        exporters,
        roster,
        journal: home.journal().clone(),
        place: of,
        told: told.0.clone(),
        settings: stand::Settings::default(),
        left_out: BTreeSet::new(),
        replica,
    };
    stand.tell_addresses()?;
    Ok(Begun {
        stand,
        producer_broker,
        exporter_broker,
        watch,
        told,
        sent,
    })
}

/// Whether a worker of somebody else's makes a drill prove nothing: ours are known by what they write down, and where people take part
/// they may bring workers.
fn looks_for_strangers(options: &LiveOptions) -> bool {
    !options.workers.are_ours() && options.rehearsal.is_none()
}

/// Connections that nothing is asked over any more when a drill is over, however it ended: what was under way is not
/// repeated while the drill's keys are removed.
struct ClosedInTheEnd([RedisBroker; 3]);

impl Drop for ClosedInTheEnd {
    fn drop(&mut self) {
        self.0.iter().for_each(RedisBroker::close);
    }
}

/// Milliseconds since the drill's start at a time of day, Unix seconds, of a drill in real time.
fn at_time(clock: ClockOrigin, unix_s: f64) -> i64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    since_start(clock) - ((now.as_secs_f64() - unix_s) * 1e3) as i64
}

/// Milliseconds since the drill's start, as records count.
fn since_start(clock: ClockOrigin) -> i64 {
    clock.now().millis() - clock.virtual_start.millis()
}
