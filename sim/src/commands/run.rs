//! `firedrill run`: drills side by side, one scorecard, one report.

use crate::cli::{Engine, Redis, Run};
use crate::commands::progress::{Display, Row, State};
use crate::commands::score::Scored;
use crate::commands::{Failure, Terminal, inputs, report, score, simulate};
use crate::drill::{self, DrillError, Finished, Rules};
use crate::engine::live::{LiveError, LiveOptions};
use crate::exit::Exit;
use crate::plan::Plan;
use crate::redis_server;
use crate::redis_server::private::RedisSource;
use firedrill_reports::pack::RulePack;
use firedrill_reports::{Replay, ScoreParams, Scorecard, render, score_drill};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// Fastest clock accepted: beyond it, one millisecond of the machine is a second of the drill.
const SPEED_MAX: f64 = 1_000.0;

/// Runs every scenario, prints the scorecard, writes the report.
///
/// # Errors
/// When an input is wrong (nothing was started), or a drill could not be run.
pub fn run(args: &Run, terminal: &Terminal) -> Result<Exit, Failure> {
    if !(args.speed.is_finite() && args.speed > 0.0 && args.speed <= SPEED_MAX) {
        return Err(Failure::usage(format!(
            "--speed {}: accepted are numbers above 0 up to {SPEED_MAX}",
            args.speed
        )));
    }
    if args.trials > 1 && args.engine == Engine::Live {
        return Err(Failure::usage(
            "--trials: only the virtual engine runs a scenario under many seeds; add `--engine virtual`",
        ));
    }
    if args.engine == Engine::Virtual {
        return simulate::run(args, terminal);
    }
    let plans = inputs::plans(&args.scenarios, args.seed);
    let (rules, pack, plans) = inputs::rules_and(&args.rules, plans)?;
    let redis = redis_source(args)?;
    let set = RunSet::new(args, rules, SystemTime::now());
    let jobs = set.jobs(&plans)?;
    terminal.say(format_args!(
        "{} drill(s), {} side by side, at {}x; longest {} virtual minutes; Redis: {}",
        jobs.len(),
        set.side_by_side().min(jobs.len()),
        args.speed,
        plans
            .iter()
            .map(|plan| plan.duration_ms / 60_000)
            .max()
            .unwrap_or(0),
        redis.describe(),
    ));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::environment)?;
    let ended = runtime
        .block_on(run_all(&set, &redis, jobs, terminal))
        .map_err(Failure::environment)?;
    finish(&set, &pack, ended, terminal)
}

/// What all drills of one command share.
pub(crate) struct RunSet<'a> {
    args: &'a Run,
    pub(crate) rules: Rules,
    stamp: String,
    started: SystemTime,
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

impl<'a> RunSet<'a> {
    pub(crate) fn new(args: &'a Run, rules: Rules, now: SystemTime) -> Self {
        Self {
            args,
            rules,
            stamp: stamp(now),
            started: now,
        }
    }

    fn side_by_side(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        self.args.jobs.unwrap_or(cores * 4).max(1)
    }

    /// The drills with their directories, the longest first so that the set ends soonest.
    pub(crate) fn jobs(&self, plans: &[Plan]) -> Result<Vec<Job>, Failure> {
        let mut jobs: Vec<Job> = Vec::new();
        for plan in plans {
            let dir = self
                .args
                .out
                .join(&plan.name)
                .join(format!("{}-{}", self.stamp, plan.seed));
            if jobs.iter().any(|job| job.dir == dir) || dir.exists() {
                return Err(Failure::usage(format!(
                    "{}: two drills would write there; give scenarios different names or seeds",
                    dir.display()
                )));
            }
            jobs.push(Job {
                plan: plan.clone(),
                dir,
            });
        }
        jobs.sort_by_key(|job| std::cmp::Reverse(job.plan.duration_ms));
        Ok(jobs)
    }
}

/// The Redis every drill gets one of.
fn redis_source(args: &Run) -> Result<RedisSource, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let local = redis_server::find(std::env::split_paths(&path));
    match (args.redis, local) {
        (Redis::Auto | Redis::Local, Some(program)) => Ok(RedisSource::Program(program)),
        #[cfg(feature = "docker")]
        (Redis::Auto | Redis::Docker, _)
            if redis_server::docker::is_available(std::env::var("DOCKER_HOST").ok().as_deref()) =>
        {
            Ok(RedisSource::Docker(args.redis_image.clone()))
        }
        _ => Err(Failure::environment(
            redis_server::RedisServerError::NotFound,
        )),
    }
}

/// UTC time as part of a path, e.g. `20261124T134501Z`.
pub(crate) fn stamp(now: SystemTime) -> String {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    OffsetDateTime::from(now).format(format).unwrap_or_default()
}

/// Runs the jobs, each on a thread of its own, so many at a time. A signal stops all of them; each cleans up.
async fn run_all(
    set: &RunSet<'_>,
    redis: &RedisSource,
    jobs: Vec<Job>,
    terminal: &Terminal,
) -> io::Result<AllEnded> {
    let exe = std::env::current_exe()?;
    let (abort_tx, abort) = watch::channel(false);
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
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    loop {
        while all.signal.is_none() && running < set.side_by_side() {
            let Some((row, job)) = waiting.next() else {
                break;
            };
            rows[row].state = State::Running;
            let options = LiveOptions {
                exe: exe.clone(),
                redis: redis.clone(),
                speed: set.args.speed,
                epoch: drill::live_epoch(SystemTime::now()),
                dir: job.dir,
                abort: abort.clone(),
                reached_ms: rows[row].reached_ms.clone(),
            };
            spawn_drill(row, job.plan, set.rules.clone(), options, ended_tx.clone());
            running += 1;
        }
        if running == 0 {
            return Ok(all);
        }
        tokio::select! {
            Some((row, drill)) = ended.recv() => {
                let drill: Ended = drill;
                running -= 1;
                rows[row].state = if drill.outcome.is_ok() { State::Done } else { State::Failed };
                if let Err(failure) = &drill.outcome && all.signal.is_none() {
                    terminal.say(format_args!("{}: {}", drill.name, failure.messages.join("; ")));
                }
                all.drills.push(drill);
            }
            _ = interrupt.recv() => stop(&mut all, Exit::Interrupted, &abort_tx, terminal),
            _ = terminate.recv() => stop(&mut all, Exit::Terminated, &abort_tx, terminal),
            _ = tick.tick() => {}
        }
        display.update(&rows);
    }
}

fn stop(all: &mut AllEnded, exit: Exit, abort: &watch::Sender<bool>, terminal: &Terminal) {
    if all.signal.is_none() {
        terminal.say("stopping: ending every worker and Redis of the drills");
        all.signal = Some(exit);
    }
    // No receiver left means every drill has ended already.
    let _ = abort.send(true);
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
        DrillError::Live(LiveError::Sink(_)) | DrillError::Write { .. } => {
            Failure::environment(error)
        }
        DrillError::Live(error) => Failure::environment(error),
    }
}

/// Scores what was recorded, prints, writes the reports, and decides the exit code.
pub(crate) fn finish(
    set: &RunSet<'_>,
    pack: &RulePack,
    ended: AllEnded,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let mut worst: Option<Failure> = None;
    let mut scored: Vec<(PathBuf, Scored)> = Vec::new();
    for drill in ended.drills {
        match drill.outcome {
            Ok(finished) => {
                if let Some(record) = inputs::records(std::slice::from_ref(&finished.record))?.pop()
                {
                    let replay = Replay::recorded(&record);
                    let score = score_drill(&record, &replay, pack, &ScoreParams::default());
                    scored.push((
                        finished.record,
                        Scored {
                            record,
                            replay,
                            score,
                        },
                    ));
                }
            }
            Err(mut failure) => {
                failure
                    .messages
                    .iter_mut()
                    .for_each(|message| *message = format!("{}: {message}", drill.name));
                match &mut worst {
                    Some(worst) => {
                        worst.exit = worst.exit.max(failure.exit);
                        worst.messages.extend(failure.messages);
                    }
                    None => worst = Some(failure),
                }
            }
        }
    }
    let card = Scorecard::new(
        scored
            .iter()
            .map(|(_, scored)| scored.score.clone())
            .collect(),
    );
    if !scored.is_empty() {
        score::print(&card, set.args.json, terminal)?;
        let written = write_reports(set, &scored, &card).map_err(Failure::environment)?;
        terminal.say(format_args!("report: {}", written.display()));
    }
    if let Some(exit) = ended.signal {
        return Ok(exit);
    }
    if let Some(worst) = worst {
        return Err(worst);
    }
    let seconds = set.started.elapsed().unwrap_or_default().as_secs();
    let gate = score::exit_of(card.verdict());
    terminal.say(match (gate, set.args.no_gate) {
        (Exit::GateFailed, true) => {
            format!("{seconds} s; the gate would fail (exit 1), --no-gate was given")
        }
        (gate, _) => format!("{seconds} s; exit {}", gate as u8),
    });
    Ok(if set.args.no_gate && gate == Exit::GateFailed {
        Exit::Passed
    } else {
        gate
    })
}

/// A report per drill beside its record, one for the whole set, and `latest` links.
fn write_reports(
    set: &RunSet<'_>,
    scored: &[(PathBuf, Scored)],
    card: &Scorecard,
) -> io::Result<PathBuf> {
    for (path, scored) in scored {
        let dir = path.parent().unwrap_or(Path::new("."));
        let single = Scorecard::new(vec![scored.score.clone()]);
        report::write(
            &dir.join("report.html"),
            &render::html(&[scored.drill()], &single),
        )?;
        report::write(&dir.join("result.json"), &render::json(&single))?;
        if let (Some(scenario), Some(name)) = (dir.parent(), dir.file_name()) {
            link(&scenario.join("latest"), Path::new(name))?;
        }
    }
    let dir = set.args.out.join("sets").join(&set.stamp);
    let drills: Vec<render::Drill<'_>> = scored.iter().map(|(_, scored)| scored.drill()).collect();
    let html = dir.join("report.html");
    report::write(&html, &render::html(&drills, card))?;
    report::write(&dir.join("result.json"), &render::json(card))?;
    report::write(&dir.join("summary.md"), &render::markdown(card))?;
    link(
        &set.args.out.join("sets").join("latest"),
        Path::new(&set.stamp),
    )?;
    Ok(html)
}

/// Points a symbolic link at `target`, replacing an older one at once.
pub(crate) fn link(at: &Path, target: &Path) -> io::Result<()> {
    let fresh = at.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::os::unix::fs::symlink(target, &fresh)?;
    fs::rename(&fresh, at)
}
