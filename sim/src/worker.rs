//! The worker process: `firedrill worker`, a real asynq-compatible server whose handlers behave as the plan says.
//!
//! Talks to its parent in lines of JSON: [`WorkerSpec`] and then [`ClockOrigin`] come in on stdin, [`Report`]s go out
//! on stdout. When stdin closes, the parent is gone and the process ends.

pub(crate) mod gate;
pub mod handlers;
mod life;
mod resources;
mod slot;
pub(crate) mod turns;

pub(crate) use life::resident_bytes;

use crate::handler::{self, Behaviour, Ending};
use crate::http;
use crate::ledger::LedgerFile;
use crate::metrics::counts_as_started;
use crate::metrics::{App, PoolSeries, WorkerMetrics, exposition, go};
use crate::plan::{Execution, Plan, Skew, WorkerPlan};
use crate::producer::{Messages, Payload};
use crate::pulse::Pulse;
use crate::world::{Exporter, World};
use anyhow::Context;
use axum::Router;
use firedrill_asynq::actor::server::{Served, ServerConfig};
use firedrill_asynq::actor::{Aggregation, Event, Outcome, RunId};
use firedrill_asynq::broker::redis::address::Address;
use firedrill_asynq::broker::redis::subscription::Subscription;
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_asynq::client::{NewTask, Submission};
use firedrill_asynq::clock::{ClockOrigin, Time};
use firedrill_asynq::drive::{Host, Outside, SlotCall, drive};
use firedrill_asynq::keys;
use firedrill_asynq::message::TaskMessage;
use firedrill_asynq::op::{BrokerError, GroupLimits};
use firedrill_asynq::retry_delay::RetryDice;
use firedrill_asynq::settings::HEALTH_CHECK_INTERVAL_MS;
use firedrill_detector::Labels;
use handlers::{Handlers, Job, Tools};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use resources::Resources;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use turns::Turns;

type Server = firedrill_asynq::actor::server::Server<TaskMessage, WorkerMetrics<(String, String)>>;
type Note = firedrill_asynq::note::Note<String>;

/// All a worker process needs to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerSpec {
    /// The whole plan.
    pub plan: Plan,
    /// Which of its processes this is.
    pub process: String,
    /// How often this process was started before.
    pub incarnation: u32,
    /// The port it had before, 0 at its first start.
    pub port: u16,
    /// Where Redis is.
    pub redis: Address,
    /// Who has started that Redis, if it is the drill's own process.
    #[serde(default)]
    pub server_of: Option<u32>,
    /// The socket of what the fleet shares, if it shares anything.
    #[serde(default)]
    pub shared: Option<PathBuf>,
    /// File to append executions to; it is made before the process reports that it is ready.
    pub ledger: PathBuf,
    /// What its answers to scrapes carry.
    pub token: String,
    /// Virtual seconds per real second.
    pub speed: f64,
}

/// What a worker tells its parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Report {
    /// Connected, `/metrics` is served on this loopback port, and signals mean what they mean to asynq's servers; waits
    /// for the clock.
    Ready {
        /// TCP port.
        port: u16,
    },
    /// A fault of the timeline had its first effect in this process.
    Effect {
        /// Index of the step.
        step: usize,
        /// When.
        at: Time,
    },
    /// A fault of the timeline has brought the process down: it does nothing more, and waits to be ended.
    Crashes {
        /// Index of the step.
        step: usize,
        /// When.
        at: Time,
    },
    /// The process did not get to run for a time.
    Stalled {
        /// Since when.
        at: Time,
        /// For how many virtual milliseconds.
        ms: i64,
    },
}

/// How long a process that has crashed waits until somebody has written that down and ends it, real time.
const CRASH_HEARD: Duration = Duration::from_secs(10);

/// Stalls are told from this length on, real time.
const STALL_TOLD: Duration = Duration::from_millis(50);

/// Runs a worker until SIGTERM has been honoured or the parent is gone.
///
/// # Errors
/// When the spec is unreadable, Redis cannot be reached at the start, or the ledger cannot be written.
pub fn run() -> anyhow::Result<()> {
    let mut lines = std::io::stdin().lock().lines();
    let spec: WorkerSpec = serde_json::from_str(&lines.next().context("no spec on stdin")??)?;
    drop(lines);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(spec))
}

/// Writes one report line. A parent that is gone cannot be told anything.
fn report(report: &Report) {
    let mut line = serde_json::to_string(report).expect("a report is plain data");
    line.push('\n');
    let _ = std::io::stdout().lock().write_all(line.as_bytes());
}

/// Brings this process down. Its parent ends it as soon as it knows that the plan is behind this; nothing happens here meanwhile,
/// because all of the process is on this thread.
fn crash(step: usize, at: Time) -> ! {
    report(&Report::Crashes { step, at });
    std::thread::sleep(CRASH_HEARD);
    std::process::abort();
}

/// A process keeps its port over restarts, as a service with a port of its own does, unless somebody took it meanwhile.
async fn listen(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await,
    }
}

async fn serve(spec: WorkerSpec) -> anyhow::Result<()> {
    let options = RedisOptions::at_speed(spec.speed)
        .patient_for(spec.plan.timeout_floor())
        .to_server_of(spec.server_of);
    let broker = RedisBroker::open(&spec.redis, options)
        .await
        .context("worker cannot reach Redis")?;
    let listener = listen(spec.port).await?;
    let ledger = LedgerFile::create(&spec.ledger).context("the worker's ledger")?;
    let ledger = Ledger(Arc::new(Mutex::new(ledger)));
    let (outside_tx, mut outside) = mpsc::unbounded_channel();
    // Before anybody is told that this process is ready: it takes signals from then on.
    on_signal(SignalKind::terminate(), &outside_tx, || Event::Shutdown)?;
    on_signal(SignalKind::interrupt(), &outside_tx, || Event::Shutdown)?;
    let suspend = SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw());
    on_signal(suspend, &outside_tx, || Event::Stop)?;
    report(&Report::Ready {
        port: listener.local_addr()?.port(),
    });

    // The rest of stdin is read by a thread of its own: a clock line, then silence until the parent is gone.
    let (clock_tx, mut clock_rx) = oneshot::channel();
    std::thread::spawn(move || {
        let mut lines = std::io::stdin().lock().lines();
        if let Some(Ok(line)) = lines.next()
            && let Ok(clock) = serde_json::from_str::<ClockOrigin>(&line)
        {
            let _ = clock_tx.send(clock);
            for _ in lines.by_ref() {}
        }
        std::process::exit(0);
    });
    let mut early = Vec::new();
    let clock = loop {
        tokio::select! {
            clock = &mut clock_rx => break clock.context("the parent sent no clock")?,
            Some(event) = outside.recv() => match event {
                // There is nothing to wait for.
                Outside::Event(Event::Shutdown) => std::process::exit(0),
                event => early.push(event),
            }
        }
    };
    for event in early {
        // The receiver is ours.
        let _ = outside_tx.send(event);
    }
    let health = Arc::new(Mutex::new(Ok(())));
    let started = counts_as_started(clock.now(), spec.incarnation);
    let memory = spec.plan.shows_memory();
    let at_work = Arc::new(AtomicUsize::new(0));
    let decisions = handler::Handlers::new(Arc::new(spec.plan.clone()));
    let resources = Arc::new(Resources::new(&decisions, clock, spec.shared.clone()));
    let pages = pages(
        outside_tx.clone(),
        (started, memory, at_work.clone()),
        Arc::new(spec.plan.world.clone()),
        health.clone(),
        resources.clone(),
    );
    tokio::spawn(http::serve(listener, http::signed(pages, &spec.token)));
    cancel_on_request(broker.subscribe(keys::CANCEL), outside_tx.clone());
    tell_of_stalls(clock);
    life::suffer(spec.plan.ailments_of(&spec.process), clock);

    let (worker, stream) = (spec.worker()?, spec.stream());
    let config = config(&spec, &worker, decisions.retry_dice(execution));
    let mut server = Server::new(
        &config,
        (spec.plan.seed, &stream),
        clock.now(),
        WorkerMetrics::new(&App::of(&spec.plan.world)),
    );
    let ids = firedrill_asynq::rng::stream(spec.plan.seed, &format!("{stream}/aggregated"));
    let skews = spec.plan.skews_of(&spec.process);
    let tools = Tools {
        messages: Messages::new(&decisions.plan, clock.virtual_start),
        broker: broker.clone(),
        ledger: ledger.clone(),
        resources,
        at_work,
    };
    let mut process = Process {
        turns: Turns::of(&worker),
        into: worker.groups.map(|groups| groups.into),
        skews,
        skewed: BTreeSet::new(),
        ids,
        health,
        handlers: Handlers::new(
            decisions.clone(),
            spec.process.clone(),
            clock,
            outside_tx,
            tools,
        ),
        process: spec.process,
        decisions,
        start: clock.virtual_start,
        ledger,
    };
    drive(&mut server, &broker, clock, &mut process, outside).await;
    // Handlers that ignore their context die with the process, as in asynq.
    std::process::exit(0)
}

impl WorkerSpec {
    /// What kind of worker it is.
    fn worker(&self) -> anyhow::Result<WorkerPlan> {
        let mut processes = self.plan.processes().into_iter();
        let own = processes.find(|(name, _)| *name == self.process);
        own.map(|(_, worker)| worker.clone())
            .with_context(|| format!("no process `{}` in the plan", self.process))
    }

    /// Where its random streams begin.
    fn stream(&self) -> String {
        format!("worker/{}/{}", self.process, self.incarnation)
    }

    /// What its server registers as.
    pub(crate) fn server_id(&self) -> String {
        let stream = format!("{}/id", self.stream());
        let mut dice = firedrill_asynq::rng::stream(self.plan.seed, &stream);
        let id = uuid::Builder::from_random_bytes(rand::RngExt::random(&mut dice));
        id.into_uuid().to_string()
    }
}

/// Its server, as asynq's would be configured.
fn config(
    spec: &WorkerSpec,
    worker: &WorkerPlan,
    retry_dice: RetryDice<TaskMessage>,
) -> ServerConfig<TaskMessage> {
    ServerConfig {
        host: spec.process.clone(),
        pid: i32::try_from(std::process::id()).unwrap_or(0),
        server_id: spec.server_id(),
        concurrency: worker.concurrency as usize,
        batch: 1,
        queues: worker
            .queues
            .iter()
            .map(|(name, priority)| Served {
                queue: name.clone(),
                name: name.clone(),
                priority: *priority,
            })
            .collect(),
        strict_priority: worker.strict_priority,
        shutdown_timeout_ms: worker.shutdown_timeout_ms,
        task_check_interval_ms: worker.task_check_interval_ms,
        retry_delay: worker.retry_delay,
        retry_dice,
        groups: worker.groups.as_ref().map(|groups| GroupLimits {
            grace_s: groups.grace_period_ms / 1_000,
            max_delay_s: groups.max_delay_ms / 1_000,
            max_size: groups.max_size,
        }),
        health_check_interval_ms: Some(HEALTH_CHECK_INTERVAL_MS),
    }
}

/// This process as the host of its server.
struct Process {
    process: String,
    /// Type of the tasks that take the place of a group's.
    into: Option<String>,
    /// Draws their ids.
    ids: ChaCha8Rng,
    /// What is wrong with the clock, and which of that has been told.
    skews: Vec<Skew>,
    skewed: BTreeSet<usize>,
    health: Arc<Mutex<Health>>,
    decisions: handler::Handlers,
    start: Time,
    ledger: Ledger,
    handlers: Handlers,
    turns: Turns,
}

/// The process' ledger, shared by its server and its handlers.
#[derive(Clone)]
pub(crate) struct Ledger(Arc<Mutex<LedgerFile>>);

impl Ledger {
    /// Appends a line. Without its ledger a worker proves nothing: better no worker than wrong counts.
    fn append(&self, entry: &Note) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.append(entry) {
            eprintln!("firedrill worker: cannot write the ledger: {error}");
            std::process::exit(1);
        }
    }
}

/// Which of the plan's executions this is. A task somebody else made behaves like the plan's tasks of its type.
fn execution(plan: &Plan, task: &TaskMessage) -> Option<Execution> {
    let attempt = u32::try_from(task.retried).unwrap_or(0);
    let entries = &plan.workload;
    let (workload, seq) = match Payload::of(task) {
        Some(Payload { workload, seq, .. }) if workload < entries.len() => (workload, seq),
        _ => {
            let mut id = [0_u8; 8];
            for (place, byte) in (0..8).cycle().zip(task.id.bytes()) {
                id[place] = byte.wrapping_add(id[place].rotate_left(3));
            }
            let workload = entries.iter().position(|p| p.task == task.r#type)?;
            (workload, u64::from_le_bytes(id))
        }
    };
    Some(Execution {
        workload,
        seq,
        attempt,
    })
}

impl Host for Process {
    fn run(&mut self, now: Time, run: RunId, task: TaskMessage) {
        let at_ms = now.millis() - self.start.millis();
        let decided = execution(&self.decisions.plan, &task)
            .and_then(|execution| self.decisions.decide(at_ms, &self.process, execution));
        // A task of a type the plan does not have succeeds at once.
        let behaviour = decided.unwrap_or(Behaviour {
            service_us: 0,
            outcome: Outcome::Success,
            result: None,
            touched_by: SmallVec::new(),
            ending: Ending::Returns,
            uses: Vec::new(),
            children: Vec::new(),
            requeued_by: None,
        });
        self.handlers.start(Job {
            run,
            behaviour,
            started: now,
            took_the_last: self.turns.are_taken(),
        });
    }

    fn note(&mut self, entry: Note) {
        self.ledger.append(&entry);
        match entry {
            Note::Started { at, .. } => {
                let Some(since) = self.turns.starts() else {
                    return;
                };
                let us = (at.0 - since.0) / 1_000;
                // Whether a task was there all the time nobody knows here.
                match self.turns.may_have_paused(us) {
                    true => self.turns.found_nothing(),
                    false => self.handlers.turned(since, us),
                }
            }
            Note::Finished { at, .. } => {
                self.turns.returns(at);
            }
            _ => {}
        }
    }

    /// The aggregation function: one task whose payload is the JSON list of the payloads.
    fn aggregate(
        &mut self,
        now: Time,
        aggregation: Aggregation<TaskMessage>,
    ) -> Result<Submission<TaskMessage>, Arc<str>> {
        let into = self.into.clone().ok_or("no aggregation in the plan")?;
        let text = |task: &TaskMessage| String::from_utf8_lossy(&task.payload).into_owned();
        let payloads: Vec<String> = aggregation.tasks.iter().map(text).collect();
        let payload = serde_json::to_vec(&payloads).map_err(|error| error.to_string())?;
        let task = NewTask {
            task_type: into,
            payload: Some(payload),
            queue: Some(aggregation.queue),
            ..NewTask::default()
        };
        let id = uuid::Builder::from_random_bytes(self.ids.random()).into_uuid();
        task.submission(now, || id.to_string())
            .map_err(|error| error.to_string().into())
    }

    fn clock_skew(&mut self, now: Time) -> i64 {
        let at_ms = now.millis() - self.start.millis();
        let mut skew_ms = 0;
        for skew in self.skews.iter().filter(|skew| skew.is_on(at_ms)) {
            skew_ms += skew.ms;
            if self.skewed.insert(skew.step) {
                report(&Report::Effect {
                    step: skew.step,
                    at: now,
                });
            }
        }
        skew_ms.saturating_mul(1_000_000)
    }

    fn held(&mut self, by: SlotCall, real: Duration) {
        self.handlers.held(by, real);
    }

    fn health(&mut self, health: Health) {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = health;
    }
}

/// What the last health check said.
type Health = Result<(), Box<BrokerError>>;

fn pages(
    outside: mpsc::UnboundedSender<Outside<Server>>,
    (started, shows_memory, at_work): (Time, bool, Arc<AtomicUsize>),
    world: Arc<World>,
    health: Arc<Mutex<Health>>,
    resources: Arc<Resources>,
) -> Router {
    let values = move || {
        let (outside, resources, world) = (outside.clone(), resources.clone(), world.clone());
        let at_work = at_work.clone();
        async move {
            let (tx, rx) = oneshot::channel();
            let look = Box::new(move |server: &Server| {
                let _ = tx.send((server.meter().values(), server.in_progress()));
            });
            outside.send(Outside::Inspect(look)).ok()?;
            let (mut values, slots) = rx.await.ok()?;
            if world.exposes(Exporter::GoClient) {
                let count = go::goroutines(slots, at_work.load(Ordering::Relaxed));
                values.push((go::labels(), count as f64));
            }
            values.push((
                Labels::metric("process_start_time_seconds", []),
                started.millis() as f64 / 1e3,
            ));
            for (name, slots, held, waits) in resources.pools() {
                PoolSeries::each((slots, held, waits), |series, value| {
                    values.push((series.labels(name), value));
                });
            }
            if shows_memory {
                let resident = Labels::metric("process_resident_memory_bytes", []);
                values.push((resident, life::memory().ok()?.resident_bytes as f64));
            }
            Some(exposition::encode_in(&values, &world))
        }
    };
    let well = move || {
        let health = health.lock().unwrap_or_else(PoisonError::into_inner);
        let text = health.is_ok().then(|| "ok\n".to_owned());
        std::future::ready(text)
    };
    http::page("/metrics", values).merge(http::page("/healthz", well))
}

/// Tells the parent when this process did not get to run.
fn tell_of_stalls(clock: ClockOrigin) {
    let told_ms = (STALL_TOLD.as_secs_f64() * 1e3 * clock.speed) as i64;
    tokio::spawn(async move {
        let mut pulse = Pulse::new(clock);
        loop {
            let (at, ms) = pulse.beat().await;
            if ms >= told_ms {
                report(&Report::Stalled { at, ms });
            }
        }
    });
}

/// Hands the ids of tasks to be cancelled to the server, which knows its own.
fn cancel_on_request(mut requests: Subscription, outside: mpsc::UnboundedSender<Outside<Server>>) {
    tokio::spawn(async move {
        loop {
            let Ok(id) = String::from_utf8(requests.next().await) else {
                continue;
            };
            if outside.send(Outside::Event(Event::Cancel(id))).is_err() {
                return;
            }
        }
    });
}

/// Tells the server of a signal, each time. As in asynq, those after the first SIGTERM change nothing.
fn on_signal(
    kind: SignalKind,
    outside: &mpsc::UnboundedSender<Outside<Server>>,
    event: fn() -> Event<TaskMessage>,
) -> io::Result<()> {
    let mut signals = signal(kind)?;
    let outside = outside.clone();
    tokio::spawn(async move {
        while signals.recv().await.is_some() {
            let _ = outside.send(Outside::Event(event()));
        }
    });
    Ok(())
}
