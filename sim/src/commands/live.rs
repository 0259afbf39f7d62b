//! Live drills side by side, each on a thread and a Redis of its own.

use crate::broker::redis::address::Address;
use crate::cli::{Jobs, Redis, Speed};
use crate::clock::Time;
use crate::commands::progress::{Display, Row, State};
use crate::commands::signals::Signals;
use crate::commands::{Failure, Terminal, inputs};
use crate::drill::{self, DrillError, Event, Finished, Rules};
use crate::engine::live::{LiveError, LiveOptions, TARGETS_FILE};
use crate::exit::Exit;
use crate::files;
use crate::pace::{self, Machine, Pace, Packing, measure};
use crate::plan::{Demand, Plan};
use crate::redis_server;
use crate::redis_server::RedisServerError;
use crate::redis_server::given::journal;
use crate::redis_server::private::RedisSource;
use firedrill_reports::pack::RulePack;
use firedrill_reports::{Replay, ScoreParams, score_drill};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// Most drills at a time that are chosen by themselves, per processor.
const SIDE_BY_SIDE: usize = 4;
/// How often a drill that was too fast is run again, slower.
const AGAIN: u32 = 3;

/// What all live drills of one command share.
pub(crate) struct LiveSet {
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
    /// Finds out what this machine bears, says what is about to happen and runs the jobs.
    ///
    /// # Errors
    /// When none could be started, or the speed that was asked for cannot be kept here. How each of them ended is part of
    /// the result.
    pub(crate) fn run(&self, jobs: Vec<Job>, terminal: &Terminal) -> Result<AllEnded, Failure> {
        if let RedisSource::Given(address) = &self.redis {
            leaves_redis_alone(address, &jobs)?;
        }
        let signals = Signals::listen()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::environment)?;
        let paced = self.paced(&jobs, &runtime, &signals);
        let Some(paces) = paced? else {
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
        terminal.started();
        runtime
            .block_on(run_all(self, jobs, paces, &signals, terminal))
            .map_err(Failure::environment)
    }

    /// Most drills at a time.
    fn most(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        match (&self.redis, self.jobs) {
            // They would get into each other's queues.
            (RedisSource::Given(_), _) => 1,
            (_, Jobs::Fixed(jobs)) => jobs.get(),
            (_, Jobs::Auto) => cores * SIDE_BY_SIDE,
        }
    }

    /// At which pace each job is to run; `None`: somebody has asked to stop. A machine is only measured where something
    /// follows from it.
    fn paced(
        &self,
        jobs: &[Job],
        runtime: &Runtime,
        signals: &Signals,
    ) -> Result<Option<Paces>, Failure> {
        let demands: Vec<Demand> = jobs.iter().map(|job| Demand::of(&job.plan)).collect();
        let most = self.most();
        // What was given is somebody's: nothing is tried out on it that need not be.
        let given = matches!(self.redis, RedisSource::Given(_));
        if let Speed::Fixed(speed) = self.speed
            && (given || is_light(&demands, speed, most))
        {
            let paces = demands
                .iter()
                .map(|demand| (*demand, Pace { speed, load: 0.0 }));
            return Ok(Some(Paces {
                budget: f64::INFINITY,
                most,
                jobs: paces.collect(),
                machine: None,
            }));
        }
        let Some(machine) = self.measured(runtime, signals)? else {
            return Ok(None);
        };
        let of = |demand: &Demand| match self.speed {
            Speed::Fixed(speed) => machine.at(demand, speed),
            Speed::Auto => machine.pace(demand),
        };
        let paces: Vec<(Demand, Pace)> =
            demands.iter().map(|demand| (*demand, of(demand))).collect();
        let budget = match self.jobs {
            // Somebody has said how many.
            Jobs::Fixed(_) => f64::INFINITY,
            Jobs::Auto => machine.budget(),
        };
        refuse_hopeless(self, &machine, &paces, jobs, most)?;
        Ok(Some(Paces {
            budget,
            most,
            jobs: paces,
            machine: Some(machine),
        }))
    }

    /// What drills cost here; `None`: somebody has asked to stop.
    fn measured(&self, runtime: &Runtime, signals: &Signals) -> Result<Option<Machine>, Failure> {
        let dir = tempfile::tempdir().map_err(Failure::environment)?;
        let options = LiveOptions {
            exe: std::env::current_exe().map_err(Failure::environment)?,
            redis: self.redis.clone(),
            speed: 1.0,
            epoch: Time::from_millis(0),
            dir: dir.path().to_path_buf(),
            targets_file: dir.path().join(TARGETS_FILE),
            state: journal::state_dir(),
            abort: signals.abort(),
            reached_ms: Arc::new(AtomicI64::new(0)),
            gives_up: false,
        };
        let _hold = signals.hold();
        match runtime.block_on(measure::measure(&options, dir.path())) {
            Ok(machine) => Ok(Some(machine)),
            Err(DrillError::Live(LiveError::Stopped)) => Ok(None),
            Err(error) => {
                if matches!(error, DrillError::NotCleaned { .. }) {
                    signals.left_something();
                }
                Err(failure(&error))
            }
        }
    }
}

/// How many times the handlers' time slots may be held longer before a speed somebody asks for is refused. A quarter makes a
/// drill inconclusive; the rest is room for an error of the measurement.
const HELD_HOPELESS: f64 = 20.0;

/// Dearest task there is, processor seconds: on a slow machine, without optimisation.
const DEAREST_TASK_S: f64 = 8e-3;

/// Whether drills ask so little that any machine bears it.
fn is_light(demands: &[Demand], speed: f64, most: usize) -> bool {
    let mut loads: Vec<f64> = demands
        .iter()
        .map(|demand| demand.tasks_per_s * speed * DEAREST_TASK_S)
        .collect();
    loads.sort_by(|one, other| other.total_cmp(one));
    loads.iter().take(most).sum::<f64>() <= 1.0
}

/// Refuses a speed or a number of drills this machine cannot keep.
fn refuse_hopeless(
    set: &LiveSet,
    machine: &Machine,
    paces: &[(Demand, Pace)],
    jobs: &[Job],
    most: usize,
) -> Result<(), Failure> {
    if let Speed::Fixed(speed) = set.speed {
        for ((demand, pace), job) in paces.iter().zip(jobs) {
            if machine.is_hopeless(pace.load) {
                return Err(Failure::usage(format!(
                    "--speed {speed}: {} would need {:.1} processors, and this machine has {}; use --speed {} or --speed auto",
                    job.plan.name,
                    pace.load,
                    machine.cores,
                    machine.pace(demand).speed,
                )));
            }
            let held = machine.held(demand, speed);
            if held > HELD_HOPELESS {
                return Err(Failure::usage(format!(
                    "--speed {speed}: this machine would hold the worker slots of {} {held:.0} times longer than its handlers \
                     work ({:.0} ms on average); use --speed {} or --speed auto",
                    job.plan.name,
                    demand.handler_ms,
                    machine.pace(demand).speed,
                )));
            }
        }
    }
    if let Jobs::Fixed(asked) = set.jobs {
        let mut loads: Vec<f64> = paces.iter().map(|(_, pace)| pace.load).collect();
        loads.sort_by(|one, other| other.total_cmp(one));
        let together = |count: usize| loads.iter().take(count).sum::<f64>();
        if machine.is_hopeless(together(most)) {
            let fits = (1..most)
                .rev()
                .find(|count| together(*count) <= machine.cores);
            return Err(Failure::usage(format!(
                "--jobs {asked}: these drills would need {:.1} processors at a time, and this machine has {}; use --jobs {} or \
                 --jobs auto",
                together(most),
                machine.cores,
                fits.unwrap_or(1),
            )));
        }
    }
    Ok(())
}

/// At which pace jobs run.
struct Paces {
    budget: f64,
    most: usize,
    jobs: Vec<(Demand, Pace)>,
    machine: Option<Machine>,
}

impl Paces {
    /// For people, before it begins.
    fn told(&self, jobs: &[Job]) -> String {
        let count = jobs.len();
        let mut text = format!("{count} drill{}", if count == 1 { "" } else { "s" });
        let speeds = || self.jobs.iter().map(|(_, pace)| pace.speed);
        let (slowest, fastest) = (
            speeds().fold(f64::MAX, f64::min),
            speeds().fold(0.0, f64::max),
        );
        if slowest < fastest {
            text.push_str(&format!(" at {slowest}x to {fastest}x"));
        } else {
            text.push_str(&format!(" at {fastest}x"));
        }
        let seconds = Packing::seconds(&self.jobs, self.budget, self.most);
        text.push_str(&format!(", about {}", about(seconds)));
        if let Some(machine) = &self.machine {
            text.push_str(&format!(
                "; this machine: {:.2} ms of processor time a task, {:.1} of {} processors free",
                machine.task_s * 1e3,
                machine.free,
                machine.cores
            ));
        }
        text
    }
}

/// A time as people tell it beforehand.
fn about(seconds: f64) -> String {
    if seconds < 90.0 {
        format!("{:.0} s", seconds.max(1.0))
    } else {
        format!("{:.0} min", seconds / 60.0)
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

/// Runs the jobs, each on a thread of its own, as many at a time as fit in. One that turns out to be too fast is run again,
/// slower and in the end alone. A signal stops all of them; each cleans up.
async fn run_all(
    set: &LiveSet,
    jobs: Vec<Job>,
    paces: Paces,
    signals: &Signals,
    terminal: &Terminal,
) -> io::Result<AllEnded> {
    let exe = std::env::current_exe()?;
    let state = journal::state_dir();
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
    let mut display = Display::new(&rows, terminal.is_interactive(), terminal.is_quiet());
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
                exe: exe.clone(),
                redis: set.redis.clone(),
                speed,
                epoch: drill::live_epoch(SystemTime::now(), &job.plan, speed),
                targets_file: job.dir.join(TARGETS_FILE),
                dir: job.dir.clone(),
                state: state.clone(),
                abort: abort.clone(),
                reached_ms: rows[row].reached_ms.clone(),
                gives_up: set.may_go_again(tries[row], speed),
            };
            let judged = (set.rules.clone(), set.pack.clone());
            let tell = (events_tx.clone(), ended_tx.clone());
            spawn_drill(row, job.plan.clone(), judged, options, tell);
        }
        if packing.running() == 0 {
            all.signal = signals.exit();
            drop(hold);
            return Ok(all);
        }
        tokio::select! {
            Some(Over { row, speed, drill, too_fast }) = ended.recv() => {
                packing.ended(row);
                if let Some(why) = too_fast
                    && set.may_go_again(tries[row], speed)
                    && !abort.is_asked()
                {
                    tries[row] += 1;
                    let alone = tries[row] == AGAIN;
                    let pace = paces.slower(row, speed);
                    let beside = if alone { ", with nothing beside it" } else { "" };
                    display.say(&format!(
                        "{}: {speed}x was too fast ({why}); again at {}x{beside}", drill.name, pace.speed
                    ));
                    files::empty(&jobs[row].dir)?;
                    rows[row].state = State::Waiting;
                    packing.again(row, pace, alone);
                    continue;
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
        display.update(&rows);
    }
}

impl LiveSet {
    /// Whether a drill that turns out to be too fast is to be run again: a speed somebody asked for is kept.
    fn may_go_again(&self, tries: u32, speed: f64) -> bool {
        self.speed == Speed::Auto && tries < AGAIN && speed > pace::SPEED_MIN
    }
}

impl Paces {
    /// How a drill that was too fast at `speed` goes again. What takes longer leaves more of the machine to others, too.
    fn slower(&self, row: usize, speed: f64) -> Pace {
        let (_, planned) = self.jobs[row];
        let slower = (speed / 2.0).floor().max(pace::SPEED_MIN);
        Pace {
            speed: slower,
            // It has turned out to be dearer than was thought.
            load: planned.load / planned.speed * speed,
        }
    }
}

/// How a drill ended, and whether it should have been slower.
struct Over {
    row: usize,
    speed: f64,
    drill: Ended,
    too_fast: Option<String>,
}

/// The drill's thread starts its children, and they die with it: a panic here leaves nothing behind.
fn spawn_drill(
    row: usize,
    plan: Plan,
    (rules, pack): (Rules, RulePack),
    options: LiveOptions,
    (events, ended): (
        mpsc::UnboundedSender<(usize, Event)>,
        mpsc::UnboundedSender<Over>,
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
                // The receiver outlives every drill.
                let _ = events.send((row, event));
            };
            let ran = runtime.block_on(drill::run_live(&plan, &rules, &options, &mut tell));
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
