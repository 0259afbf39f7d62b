//! Live drills side by side, each on a thread and a Redis of its own.

use crate::broker::redis::address::Address;
use crate::cli::Redis;
use crate::commands::progress::{Display, Row, State};
use crate::commands::signals::Signals;
use crate::commands::{Failure, Terminal};
use crate::drill::{self, DrillError, Finished, Rules};
use crate::engine::live::{LiveError, LiveOptions, TARGETS_FILE};
use crate::exit::Exit;
use crate::plan::Plan;
use crate::redis_server;
use crate::redis_server::RedisServerError;
use crate::redis_server::given::journal;
use crate::redis_server::private::RedisSource;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::sync::mpsc;

/// Fastest clock accepted: beyond it, one millisecond of the machine is a second of the drill.
const SPEED_MAX: f64 = 1_000.0;

/// Refuses a speed no machine can keep.
///
/// # Errors
/// When it is one.
pub(crate) fn check_speed(speed: f64) -> Result<(), Failure> {
    if speed.is_finite() && speed > 0.0 && speed <= SPEED_MAX {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "--speed {speed}: accepted are numbers above 0 up to {SPEED_MAX}"
    )))
}

/// What all live drills of one command share.
pub(crate) struct LiveSet {
    /// Virtual seconds per real second.
    pub(crate) speed: f64,
    /// Most drills at a time, if somebody said so.
    pub(crate) jobs: Option<usize>,
    /// Where each gets its Redis.
    pub(crate) redis: RedisSource,
    /// What they are judged by.
    pub(crate) rules: Rules,
}

/// One drill to run.
pub(crate) struct Job {
    pub(crate) plan: Plan,
    pub(crate) dir: PathBuf,
}

/// How one drill ended.
pub(crate) struct Ended {
    pub(crate) name: String,
    pub(crate) outcome: Result<Finished, Failure>,
}

/// How all ended.
pub(crate) struct AllEnded {
    pub(crate) drills: Vec<Ended>,
    pub(crate) signal: Option<Exit>,
}

impl LiveSet {
    fn side_by_side(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        match self.redis {
            // They would get into each other's queues.
            RedisSource::Given(_) => 1,
            _ => self.jobs.unwrap_or(cores * 4).max(1),
        }
    }

    /// Says what is about to happen and runs the jobs.
    ///
    /// # Errors
    /// When none could be started. How each of them ended is part of the result.
    pub(crate) fn run(&self, jobs: Vec<Job>, terminal: &Terminal) -> Result<AllEnded, Failure> {
        if let RedisSource::Given(address) = &self.redis {
            leaves_redis_alone(address, &jobs)?;
        }
        let durations = jobs.iter().map(|job| job.plan.duration_ms / 60_000);
        terminal.say(format_args!(
            "{} drill(s), {} side by side, at {}x; longest {} virtual minutes; Redis: {}",
            jobs.len(),
            self.side_by_side().min(jobs.len()),
            self.speed,
            durations.max().unwrap_or(0),
            self.redis.describe(),
        ));
        if drill::is_in_real_time(self.speed) {
            terminal.say("at speed 1 the clock is the real one: rules see the real time of day, not the scenario's `starts`");
        }
        let signals = Signals::listen()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::environment)?;
        terminal.started();
        runtime
            .block_on(run_all(self, jobs, &signals, terminal))
            .map_err(Failure::environment)
    }
}

/// Refuses drills that stop a Redis that is not theirs.
fn leaves_redis_alone(address: &Address, jobs: &[Job]) -> Result<(), Failure> {
    for Job { plan, .. } in jobs {
        if plan.timeline.iter().any(|step| step.fault.is_of_redis()) {
            return Err(Failure::refused(format!(
                "{}: the scenario kills Redis, and {address} is not the drill's own; leave --redis away, and it gets one",
                plan.name
            )));
        }
    }
    Ok(())
}

/// The Redis every drill gets one of.
pub(crate) fn redis_source(redis: Redis, image: &str) -> Result<RedisSource, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let local = redis_server::find(std::env::split_paths(&path));
    match (redis, local) {
        (Redis::Given(address), _) => Ok(RedisSource::Given(address)),
        (Redis::Unreadable(error), _) => Err(Failure::usage(format!(
            "--redis takes auto, local, docker or an address; this address does not do: {error}"
        ))),
        (Redis::Auto | Redis::Local, Some(program)) => Ok(RedisSource::Program(program)),
        (Redis::Auto | Redis::Docker, _) => {
            let program = redis_server::docker::find(std::env::split_paths(&path))
                .ok_or_else(|| Failure::environment(RedisServerError::NotFound))?;
            let image = image.to_owned();
            Ok(RedisSource::Docker { program, image })
        }
        (Redis::Local, None) => Err(Failure::environment(RedisServerError::NotFound)),
    }
}

/// UTC time as part of a path, e.g. `20261124T134501Z`.
pub(crate) fn stamp(now: SystemTime) -> String {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    OffsetDateTime::from(now).format(format).unwrap_or_default()
}

/// Runs the jobs, each on a thread of its own, so many at a time. A signal stops all of them; each cleans up.
async fn run_all(
    set: &LiveSet,
    jobs: Vec<Job>,
    signals: &Signals,
    terminal: &Terminal,
) -> io::Result<AllEnded> {
    let exe = std::env::current_exe()?;
    let state = journal::state_dir();
    let abort = signals.abort();
    let hold = signals.hold();
    let (ended_tx, mut ended) = mpsc::unbounded_channel();
    let mut rows: Vec<Row> = jobs
        .iter()
        .map(|job| Row {
            name: job.plan.name.clone(),
            duration_ms: job.plan.duration_ms,
            reached_ms: Arc::new(AtomicI64::new(0)),
            state: State::Waiting,
        })
        .collect();
    let mut display = Display::new(&rows, terminal.is_interactive(), terminal.is_quiet());
    let mut waiting = jobs.into_iter().enumerate();
    let mut running = 0;
    let mut all = AllEnded {
        drills: Vec::new(),
        signal: None,
    };
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    let (mut told, mut urged) = (false, false);
    loop {
        while !abort.is_asked() && running < set.side_by_side() {
            let Some((row, job)) = waiting.next() else {
                break;
            };
            rows[row].state = State::Running;
            let options = LiveOptions {
                exe: exe.clone(),
                redis: set.redis.clone(),
                speed: set.speed,
                epoch: drill::live_epoch(SystemTime::now(), &job.plan, set.speed),
                targets_file: job.dir.join(TARGETS_FILE),
                dir: job.dir,
                state: state.clone(),
                abort: abort.clone(),
                reached_ms: rows[row].reached_ms.clone(),
            };
            spawn_drill(row, job.plan, set.rules.clone(), options, ended_tx.clone());
            running += 1;
        }
        if running == 0 {
            all.signal = signals.exit();
            drop(hold);
            return Ok(all);
        }
        tokio::select! {
            Some((row, drill)) = ended.recv() => {
                let drill: Ended = drill;
                running -= 1;
                rows[row].state = if drill.outcome.is_ok() { State::Done } else { State::Failed };
                // Why is said once, at the end; until then others go on.
                if drill.outcome.is_err() && !abort.is_asked() && running > 0 {
                    terminal.say(format_args!("{}: failed", drill.name));
                }
                if drill.outcome.as_ref().is_err_and(|failure| failure.exit == Exit::CleanupIncomplete) {
                    signals.left_something();
                }
                all.drills.push(drill);
            }
            () = abort.asked(), if !told => {
                told = true;
                terminal.say("stopping: ending every worker and Redis of the drills");
            }
            () = abort.urged(), if told && !urged => {
                urged = true;
                terminal.say("at once: nothing is waited for; what was written is still removed");
            }
            _ = tick.tick() => {}
        }
        display.update(&rows);
    }
}

/// The drill's thread starts its children, and they die with it: a panic here leaves nothing behind.
fn spawn_drill(
    row: usize,
    plan: Plan,
    rules: Rules,
    options: LiveOptions,
    ended: mpsc::UnboundedSender<(usize, Ended)>,
) {
    std::thread::spawn(move || {
        let name = plan.name.clone();
        let work = std::panic::AssertUnwindSafe(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(Failure::environment)?;
            runtime
                .block_on(drill::run_live(&plan, &rules, &options))
                .map_err(|error| failure(&error))
        });
        let outcome = std::panic::catch_unwind(work).unwrap_or_else(|_| {
            Err(Failure::internal(
                "the drill panicked; its processes were ended",
            ))
        });
        // The receiver waits for every drill it started.
        let _ = ended.send((row, Ended { name, outcome }));
    });
}

pub(crate) fn failure(error: &DrillError) -> Failure {
    match error {
        DrillError::Live(LiveError::Redis(
            error @ (RedisServerError::NotEmpty { .. }
            | RedisServerError::NotOurs
            | RedisServerError::Refused(_)),
        )) => Failure::refused(error),
        DrillError::NotCleaned { left, also } => {
            let mut incomplete = Failure::incomplete(left);
            if let Some(also) = also {
                incomplete.messages.extend(failure(also).messages);
            }
            incomplete
        }
        DrillError::Write { .. } | DrillError::Cut { .. } => Failure::environment(error),
        DrillError::Live(error) => Failure::environment(error),
    }
}
