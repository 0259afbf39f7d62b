//! Live drills side by side, each on a thread and a Redis of its own.

mod paces;

use crate::args::{self, Jobs, Redis, Server, Speed};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs;
use crate::progress::{Display, Row, State};
use crate::signals::Signals;
use crate::terminal::Terminal;
use crate::view::{Ear, Showing};
use firedrill_asynq::broker::redis::address::Address;
use firedrill_reports::pack::RulePack;
use firedrill_reports::{Replay, ScoreParams, score_drill};
use firedrill_sim::abort::Abort;
use firedrill_sim::alerts::Sources;
use firedrill_sim::drill::{self, DrillError, Event, Finished, Rules, Seen};
use firedrill_sim::engine::live::{LiveError, LiveOptions, TARGETS_FILE, Workers};
use firedrill_sim::files;
use firedrill_sim::pace::{Pace, Packing};
use firedrill_sim::plan::Plan;
use firedrill_sim::reaper::Reaper;
use firedrill_sim::redis_server;
use firedrill_sim::redis_server::RedisServerError;
use firedrill_sim::redis_server::given::journal;
use firedrill_sim::redis_server::private::RedisSource;
use firedrill_sim::view::About;
use paces::{AGAIN, Paces};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;

/// What all live drills of one command share.
pub(crate) struct LiveSet {
    /// Who works.
    pub(crate) workers: Workers,
    /// Virtual seconds per real second.
    pub(crate) speed: Speed,
    /// Most drills at a time.
    pub(crate) jobs: Jobs,
    /// Where each gets its Redis.
    pub(crate) redis: RedisSource,
    /// What they are judged by.
    pub(crate) rules: Rules,
    /// What pages, and what is expected of it.
    pub(crate) pack: RulePack,
    /// What else tells of alerts.
    pub(crate) alerts: Option<Sources>,
    /// Where targets are told, instead of in each drill's directory.
    pub(crate) targets_in: Option<PathBuf>,
    /// How they are shown while they run.
    pub(crate) view: args::View,
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

impl Ended {
    /// Whether its end was a regular one, so that it has cleaned up, or said that it could not.
    fn is_in_order(&self) -> bool {
        let outcome = self.outcome.as_ref();
        !outcome.is_err_and(|failure| failure.exit == Exit::Internal)
    }
}

/// How all ended.
pub(crate) struct AllEnded {
    pub(crate) drills: Vec<Ended>,
    pub(crate) signal: Option<Exit>,
}

impl LiveSet {
    /// Finds out what this machine bears, says what is about to happen and runs the jobs.
    ///
    /// # Errors
    /// When none could be started, or the speed that was asked for cannot be kept here. How each of them ended is part of
    /// the result.
    pub(crate) fn run(&self, jobs: Vec<Job>, terminal: &Terminal) -> Result<AllEnded, Failure> {
        if let RedisSource::Given(address) = &self.redis {
            leaves_redis_alone(address, jobs.iter().map(|job| &job.plan))?;
        }
        let signals = Signals::listen()?;
        let abouts = jobs.iter().map(|job| About::of_drill(&job.plan));
        let showing = Showing::begin(&self.view, abouts, &signals, terminal)?;
        let reaper = self.reaper().map_err(Failure::environment)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::environment)?;
        let paced = self.paced(&jobs, &runtime, &signals);
        let Some(paces) = paced? else {
            // Whatever it says, nothing was begun that would need it.
            let _ = reaper.dismiss();
            let signal = signals.exit();
            return Ok(AllEnded {
                drills: Vec::new(),
                signal,
            });
        };
        terminal.say(format_args!(
            "{}; Redis: {}",
            paces.told(&jobs),
            self.redis.describe()
        ));
        if matches!(self.speed, Speed::Fixed(speed) if drill::is_in_real_time(speed)) {
            terminal.say("at speed 1 the clock is the real one: rules see the real time of day, not the scenario's `starts`");
        }
        if let Some(workers) = self.workers.describe() {
            terminal.say(format_args!("workers: {workers}"));
        }
        terminal.started();
        let ended = runtime
            .block_on(run_all(self, jobs, paces, (&signals, &showing), terminal))
            .map_err(Failure::environment)?;
        // A drill that panicked did not clean up: that is done when this process ends.
        if ended.drills.iter().all(Ended::is_in_order) {
            // Somebody may have ended it; there is nothing for it to do.
            let _ = reaper.dismiss();
        }
        Ok(ended)
    }

    /// A process that cleans up after us should we be killed.
    pub(crate) fn reaper(&self) -> io::Result<Reaper> {
        let mut reaper = Reaper::start(&std::env::current_exe()?)?;
        if let RedisSource::Given(address) = &self.redis {
            reaper.knows(address)?;
        }
        Ok(reaper)
    }
}

/// Refuses drills that stop a Redis that is not theirs, or do something to links that it cannot have.
pub(crate) fn leaves_redis_alone<'p>(
    address: &Address,
    plans: impl IntoIterator<Item = &'p Plan>,
) -> Result<(), Failure> {
    for plan in plans {
        if plan.needs_own_redis() {
            return Err(Failure::refused(format!(
                "{}: the scenario does something to Redis itself, and {address} is not the drill's own; leave --redis away, and it gets one",
                plan.name
            )));
        }
        if plan.has_links() && address.way().is_none() {
            return Err(Failure::refused(format!(
                "{}: the scenario does something to the network, which needs one Redis server without TLS, and {address} is something \
                 else; leave --redis away, and the drill gets one",
                plan.name
            )));
        }
    }
    Ok(())
}

/// The Redis every drill gets one of.
pub(crate) fn redis_source(server: &Server) -> Result<RedisSource, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let local = redis_server::find(std::env::split_paths(&path));
    match (&server.redis, local) {
        (Redis::Given(address), _) => Ok(RedisSource::Given(address.clone())),
        (Redis::Unreadable(error), _) => Err(Failure::usage(format!(
            "--redis takes auto, local, docker or an address; this address does not do: {error}"
        ))),
        (Redis::Auto | Redis::Local, Some(program)) => Ok(RedisSource::Program(program)),
        (Redis::Auto | Redis::Docker, _) => {
            let program = redis_server::docker::find(std::env::split_paths(&path))
                .ok_or_else(|| Failure::environment(RedisServerError::NotFound))?;
            let image = server.redis_image.clone();
            Ok(RedisSource::Docker { program, image })
        }
        (Redis::Local, None) => Err(Failure::environment(RedisServerError::NotFound)),
    }
}

/// UTC time as part of a path, e.g. `20261124T134501Z`.
pub(crate) fn stamp(now: SystemTime) -> String {
    crate::calendar::utc(now, "%Y%m%dT%H%M%SZ")
}

/// What a drill runs with that begins now; nobody follows it yet.
pub(crate) fn options(
    (set, job): (&LiveSet, &Job),
    exe: &Path,
    speed: f64,
    abort: Abort,
) -> LiveOptions {
    LiveOptions {
        exe: exe.to_owned(),
        redis: set.redis.clone(),
        workers: set.workers.clone(),
        speed,
        epoch: drill::live_epoch(SystemTime::now(), &job.plan, speed),
        targets_file: set
            .targets_in
            .as_ref()
            .unwrap_or(&job.dir)
            .join(TARGETS_FILE),
        dir: job.dir.clone(),
        state: journal::state_dir(),
        abort,
        reached_ms: Arc::default(),
        gives_up: false,
        alerts: set.alerts.clone(),
        noted: None,
        rehearsal: None,
    }
}

/// Runs the jobs, each on a thread of its own, as many at a time as fit in. One that turns out to be too fast is run again,
/// slower and in the end alone. A signal stops all of them; each cleans up.
async fn run_all(
    set: &LiveSet,
    jobs: Vec<Job>,
    mut paces: Paces,
    (signals, showing): (&Signals, &Showing<'_>),
    terminal: &Terminal,
) -> io::Result<AllEnded> {
    let exe = std::env::current_exe()?;
    let abort = signals.abort();
    let hold = signals.hold();
    let (ended_tx, mut ended) = mpsc::unbounded_channel();
    let (events_tx, mut events) = mpsc::unbounded_channel();
    let mut rows: Vec<Row> = jobs
        .iter()
        .map(|job| Row {
            name: job.plan.name.clone(),
            duration_ms: job.plan.duration_ms,
            reached_ms: Arc::new(AtomicI64::new(0)),
            state: State::Waiting,
        })
        .collect();
    let mut display = match showing.has_terminal() {
        true => Display::new(&rows, false, true),
        false => Display::new(&rows, terminal.is_interactive(), terminal.is_quiet()),
    };
    let mut packing = Packing::new(paces.budget, paces.most, &paces.jobs);
    let mut tries = vec![0; jobs.len()];
    let mut all = AllEnded {
        drills: Vec::new(),
        signal: None,
    };
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    let (mut told, mut urged) = (false, false);
    loop {
        while !abort.is_asked() {
            let Some((row, Pace { speed, .. })) = packing.begin() else {
                break;
            };
            let job = &jobs[row];
            rows[row].state = State::Running;
            rows[row].reached_ms.store(0, Ordering::Relaxed);
            let options = LiveOptions {
                reached_ms: rows[row].reached_ms.clone(),
                gives_up: set.may_go_again(tries[row], speed),
                ..options((set, job), &exe, speed, abort.clone())
            };
            let judged = (set.rules.clone(), set.pack.clone());
            let ear = showing.ear(row);
            ear.begins(speed, options.reached_ms.clone());
            let tell = (events_tx.clone(), ended_tx.clone(), ear);
            spawn_drill(row, job.plan.clone(), judged, options, tell);
        }
        if packing.running() == 0 {
            all.signal = signals.exit();
            drop(hold);
            return Ok(all);
        }
        tokio::select! {
            Some(Over { row, speed, mut drill, too_fast }) = ended.recv() => {
                packing.ended(row);
                showing.ear(row).over();
                let again = too_fast.filter(|_| set.may_go_again(tries[row], speed) && !abort.is_asked());
                if let Some(why) = again {
                    let emptied = files::empty(&jobs[row].dir);
                    if let Err(error) = emptied {
                        drill.outcome = Err(Failure::environment(format!(
                            "{speed}x was too fast ({why}), and it cannot be run again: {error}"
                        )));
                    } else {
                        tries[row] += 1;
                        let alone = tries[row] == AGAIN;
                        let pace = paces.slower(row, speed);
                        let beside = if alone { ", with nothing beside it" } else { "" };
                        display.say(&format!(
                            "{}: {speed}x was too fast ({why}); again at {}x{beside}", drill.name, pace.speed
                        ));
                        rows[row].state = State::Waiting;
                        packing.again(row, pace, alone);
                        continue;
                    }
                }
                rows[row].state = if drill.outcome.is_ok() { State::Done } else { State::Failed };
                // Why is said once, at the end; until then others go on.
                if drill.outcome.is_err() && !abort.is_asked() && packing.running() > 0 {
                    display.say(&format!("{}: failed", drill.name));
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
            Some((row, event)) = events.recv() => display.happened(&rows[row], &event),
            _ = tick.tick() => {}
        }
        let reached = rows.iter().map(|row| match row.state {
            State::Done | State::Failed => None,
            State::Waiting | State::Running => Some(row.reached_ms.load(Ordering::Relaxed)),
        });
        display.update(&rows, paces.left_s(reached));
    }
}

/// How a drill ended, and whether it should have been slower.
pub(crate) struct Over {
    row: usize,
    speed: f64,
    pub(crate) drill: Ended,
    too_fast: Option<String>,
}

/// The drill's thread starts its children, and they die with it: a panic here leaves nothing behind.
pub(crate) fn spawn_drill(
    row: usize,
    plan: Plan,
    (rules, pack): (Rules, RulePack),
    options: LiveOptions,
    (events, ended, ear): (
        mpsc::UnboundedSender<(usize, Event)>,
        mpsc::UnboundedSender<Over>,
        Ear,
    ),
) {
    std::thread::spawn(move || {
        let name = plan.name.clone();
        let work = std::panic::AssertUnwindSafe(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(Failure::environment)?;
            let mut tell = |event| {
                ear.happened(&event);
                // The receiver outlives every drill.
                let _ = events.send((row, event));
            };
            let mut watch = |seen: Seen<'_>| ear.saw(seen);
            let ran = drill::run_live_watched(&plan, &rules, &options, &mut tell, &mut watch);
            let ran = runtime.block_on(ran);
            let too_fast = match &ran {
                Err(DrillError::Live(LiveError::TooFast(why))) => Some(why.clone()),
                Ok(finished) if options.gives_up => too_fast(&finished.record, &pack),
                _ => None,
            };
            Ok((ran.map_err(|error| failure(&error)), too_fast))
        });
        let ran = std::panic::catch_unwind(work).unwrap_or_else(|_| {
            Err(Failure::internal(
                "the drill panicked; its processes were ended",
            ))
        });
        let (outcome, too_fast) = match ran {
            Ok(ran) => ran,
            Err(failure) => (Err(failure), None),
        };
        // The receiver waits for every drill it started.
        let _ = ended.send(Over {
            row,
            speed: options.speed,
            drill: Ended { name, outcome },
            too_fast,
        });
    });
}

/// Why a drill that ran to its end proves nothing, if a lower speed would help.
fn too_fast(record: &Path, pack: &RulePack) -> Option<String> {
    let record = inputs::record(record).ok()?;
    let replay = Replay::recorded(&record);
    let score = score_drill(&record, &replay, pack, &ScoreParams::default());
    let why = score.inconclusive.into_iter().next();
    why.filter(|_| score.too_fast)
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
