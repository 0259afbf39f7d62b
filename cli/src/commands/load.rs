//! `firedrill load`: how much a queue takes, and what a task waits.

mod asked;
mod command;
mod knee;
mod set;

pub(super) use set::joined;

use crate::args::Load;
use crate::commands::gates::Gates;
use crate::drills::live;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::signals::Signals;
use crate::terminal::Terminal;
use crate::view::{Ear, Showing};
use firedrill_asynq::broker::redis::{RedisBroker, RedisOptions};
use firedrill_detector::text::counted;
use firedrill_reports::figures::Like;
use firedrill_reports::load::{LoadRecord, Row, Stage};
use firedrill_sim::drill::{self, Event, Rules, Seen};
use firedrill_sim::engine::live::{LiveOptions, TARGETS_FILE, Workers};
use firedrill_sim::files;
use firedrill_sim::load::LoadPlan;
use firedrill_sim::load::drilled::{self, DrilledError};
use firedrill_sim::load::meeting::MeetingError;
use firedrill_sim::load::run::{self, LoadError, LoadOptions};
use firedrill_sim::reaper::Reaper;
use firedrill_sim::redis_server::RedisServerError;
use firedrill_sim::redis_server::given::journal;
use firedrill_sim::redis_server::private::RedisSource;
use firedrill_sim::view::About;
use set::Set;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// So many seconds are one line of progress.
const TOLD_EVERY: u32 = 5;

/// Runs a load, prints what came of it and writes the report.
///
/// # Errors
/// When an argument is wrong (nothing was started), or the load could not be run.
pub fn run(args: &Load, terminal: &Terminal) -> Result<Exit, Failure> {
    let (asked, rules) = asked::read(args, terminal)?;
    let mut gates = Gates::read(&args.gates, false, terminal)?;
    gates.scenario(&asked.plan.name, &asked.plan.gates)?;
    gates.load(&asked.plan.name, Like::of_load(&asked.plan.to_yaml()))?;
    let redis = live::redis_source(&args.server)?;
    if args.keep && !matches!(redis, RedisSource::Given(_)) {
        return Err(Failure::usage(
            "--keep: a load's own Redis goes with it; name one with --redis",
        ));
    }
    if args.beside && !matches!(redis, RedisSource::Given(_)) {
        return Err(Failure::usage(
            "--beside: a load's own Redis has nothing of others in it; name one with --redis",
        ));
    }
    if asked.taken && !matches!(redis, RedisSource::Given(_)) {
        return Err(Failure::usage(
            "--take: a load's own Redis has no queues of others; name one with --redis",
        ));
    }
    let signals = Signals::listen()?;
    let exe = std::env::current_exe().map_err(Failure::environment)?;
    let mut reaper = Reaper::start(&exe).map_err(Failure::environment)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::environment)?;
    if let RedisSource::Given(address) = &redis {
        reaper.knows(address).map_err(Failure::environment)?;
        // What other shards find there is the first one's.
        let is_first = asked.shard.is_none_or(|shard| shard.number() == 1);
        if !args.beside && !asked.taken && is_first {
            runtime.block_on(is_empty(&asked, address))?;
        }
    }
    let about = About::of_load(&asked);
    let showing = Showing::begin(&args.view, [about], &signals, terminal)?;
    let set = Set::new(&args.out, &asked)?;
    let stage = Stand {
        args,
        terminal,
        runtime,
        signals,
        exe,
        redis,
        rules,
        showing,
    };
    terminal.started();
    let ended = match args.find_max {
        true => knee::search(&stage, &asked, set),
        false => set::run(&stage, &asked, gates, set),
    };
    // Whatever it says, there is nothing left for it to do, or `clean` does it.
    let _ = reaper.dismiss();
    ended
}

/// Refuses a Redis that holds anything, unless that was allowed.
async fn is_empty(
    load: &LoadPlan,
    address: &firedrill_asynq::broker::redis::address::Address,
) -> Result<(), Failure> {
    let broker = RedisBroker::open(address, RedisOptions::at_speed(1.0)).await;
    let broker = broker.map_err(Failure::environment)?;
    let keys = broker.key_count().await.map_err(Failure::environment)?;
    broker.close();
    match keys {
        0 => Ok(()),
        1.. => Err(Failure::refused(format!(
            "{address} holds {}. A load takes processor time and memory from whoever uses it; if that is meant, add --beside: \
             only its queues are touched: {}",
            counted(keys, "key"),
            queues(load)
        ))),
    }
}

/// What loads of one command run with.
struct Stand<'a> {
    args: &'a Load,
    terminal: &'a Terminal,
    runtime: tokio::runtime::Runtime,
    signals: Signals,
    exe: PathBuf,
    redis: RedisSource,
    /// What a drill is recorded with; `None`: there is none.
    rules: Option<Rules>,
    showing: Showing<'a>,
}

impl Stand<'_> {
    /// Runs one load, whose record goes to `dir`; answers what of it is still in a Redis, as well.
    fn load(&self, plan: &LoadPlan, dir: &Path) -> Result<(LoadRecord, Option<Failure>), Failure> {
        let _hold = self.signals.hold();
        let ear = self.showing.ear(0);
        ear.begins(1.0, Arc::default());
        let ran = self.loaded(plan, dir, &ear);
        ear.over();
        ran
    }

    fn loaded(
        &self,
        plan: &LoadPlan,
        dir: &Path,
        ear: &Ear,
    ) -> Result<(LoadRecord, Option<Failure>), Failure> {
        if plan.needs_a_drill() {
            return Ok((self.drill(plan, dir, ear)?, None));
        }
        let options = LoadOptions {
            exe: self.exe.clone(),
            redis: self.redis.clone(),
            keep: self.args.keep,
            dir: dir.to_owned(),
            state: journal::state_dir(),
            drain_ms: self.args.drain_ms(),
            meets_within: Duration::from_millis(self.args.meet_within.0.unsigned_abs()),
            abort: self.signals.abort(),
        };
        let mut told = 0;
        let mut since = Vec::new();
        let ran = self.runtime.block_on(run::run(plan, &options, &mut |row| {
            ear.tell(|view| view.second(row));
            since.push(row.clone());
            told += 1;
            if told % TOLD_EVERY == 0 {
                self.terminal.say(progress(&since));
                since.clear();
            }
        }));
        if let Some(left) = ran.left {
            self.signals.left_something();
            let mut incomplete = Failure::incomplete(left);
            return match ran.record {
                Ok(record) => Ok((record, Some(incomplete))),
                Err(error) => {
                    incomplete.messages.extend(failure(&error).messages);
                    Err(incomplete)
                }
            };
        }
        let record = ran.record.map_err(|error| match self.signals.exit() {
            Some(exit) => Failure {
                exit,
                messages: vec![error.to_string()],
            },
            None => failure(&error),
        })?;
        Ok((record, None))
    }
}

impl Stand<'_> {
    /// Runs the drill of a scenario in real time, and measures it as a load.
    fn drill(&self, load: &LoadPlan, dir: &Path, ear: &Ear) -> Result<LoadRecord, Failure> {
        let plan = &load.plan;
        if let RedisSource::Given(address) = &self.redis {
            live::leaves_redis_alone(address, [plan])?;
        }
        let options = LiveOptions {
            exe: self.exe.clone(),
            redis: self.redis.clone(),
            workers: Workers::Ours,
            speed: 1.0,
            epoch: drill::live_epoch(SystemTime::now(), plan, 1.0),
            targets_file: dir.join(TARGETS_FILE),
            dir: dir.to_owned(),
            state: journal::state_dir(),
            abort: self.signals.abort(),
            reached_ms: Arc::default(),
            gives_up: false,
            alerts: None,
            noted: None,
            rehearsal: None,
        };
        let mut tell = |event: Event| ear.happened(&event);
        let mut watch = |seen: Seen<'_>| ear.saw(seen);
        let run = drilled::run(load, self.rules()?, options, (&mut tell, &mut watch));
        self.runtime.block_on(run).map_err(|error| match error {
            DrilledError::Drill(error) => {
                let failed = live::failure(&error);
                if failed.exit == Exit::CleanupIncomplete {
                    self.signals.left_something();
                }
                failed
            }
            DrilledError::Load(error) => failure(&error),
            DrilledError::Nothing => Failure {
                exit: self.signals.exit().unwrap_or(Exit::Inconclusive),
                messages: vec![error.to_string()],
            },
        })
    }

    fn rules(&self) -> Result<&Rules, Failure> {
        let missing = || Failure::internal("a scenario with faults was read without rules");
        self.rules.as_ref().ok_or_else(missing)
    }
}

/// What happened in the last seconds, in a line.
fn progress(rows: &[Row]) -> String {
    let seconds: f64 = rows.iter().map(|row| row.width_s).sum();
    let per_s = |of: fn(&Row) -> u64| rows.iter().map(of).sum::<u64>() as f64 / seconds.max(1.0);
    let worst = |stage: Stage| {
        let briefs = rows.iter().filter_map(|row| row.stages.get(&stage));
        briefs.map(|brief| brief.p99_s).fold(0.0, f64::max)
    };
    let last = rows.last();
    let at_s = last.map_or(0.0, |row| row.at_s + row.width_s);
    let backlog = last
        .and_then(|row| row.backlog)
        .map_or_else(|| "unknown".to_owned(), |backlog| backlog.to_string());
    format!(
        "{at_s:.0} s: {:.0}/s enqueued, {:.0}/s worked on, {backlog} pending or active, p99 wait {:.1} ms",
        per_s(|row| row.counts.enqueued),
        per_s(|row| row.counts.succeeded + row.counts.failed),
        worst(Stage::Wait) * 1e3
    )
}

fn failure(error: &LoadError) -> Failure {
    match error {
        LoadError::Redis(
            error @ (RedisServerError::NotEmpty { .. }
            | RedisServerError::NotOurs
            | RedisServerError::Refused(_)),
        ) => Failure::refused(error),
        LoadError::Meeting(
            error @ (MeetingError::Missing { .. }
            | MeetingError::NoFirst { .. }
            | MeetingError::Ended(_)),
        ) => Failure {
            exit: Exit::Inconclusive,
            messages: vec![error.to_string()],
        },
        LoadError::TooLarge { .. } => Failure::usage(error),
        LoadError::Meeting(error @ (MeetingError::Other | MeetingError::Twice(_))) => {
            Failure::usage(error)
        }
        error => Failure::environment(error),
    }
}

/// Names of a load's queues, for people.
fn queues(load: &LoadPlan) -> String {
    let names = load.plan.queues.iter().map(|queue| &*queue.name);
    names.collect::<Vec<_>>().join(", ")
}

/// Where Redis is, for people.
fn where_it_is(load: &LoadPlan, redis: &RedisSource) -> String {
    match redis {
        RedisSource::Given(_) => format!("{}, queues: {}", redis.describe(), queues(load)),
        _ => format!("{}, of the load's own", redis.describe()),
    }
}

/// Writes a document in all formats into a directory.
fn write(
    dir: &Path,
    document: &firedrill_reports::document::Document,
    result: &firedrill_reports::result::ResultFile,
) -> std::io::Result<PathBuf> {
    use firedrill_reports::render;
    let html = dir.join("report.html");
    files::write(&html, &render::html(document))?;
    files::write(&dir.join("result.json"), &render::json(result))?;
    files::write(&dir.join("summary.md"), &render::markdown(document))?;
    Ok(html)
}
