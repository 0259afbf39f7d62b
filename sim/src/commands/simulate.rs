//! `firedrill run --engine virtual`: one virtual drill of each scenario, or many with a seed each.

use crate::cli::Run;
use crate::commands::live::{self, AllEnded, Ended};
use crate::commands::run::{self, RunSet};
use crate::commands::{Failure, Terminal, inputs, report};
use crate::drill::{self, Rules};
use crate::engine::virtual_time::VirtualOptions;
use crate::estimate::Estimate;
use crate::exit::Exit;
use crate::plan::Plan;
use crate::scenario::{PlanOptions, Scenario};
use firedrill_reports::pack::RulePack;
use firedrill_reports::trials::{TrialCard, Trials};
use firedrill_reports::{Diagnoser, DrillScore, Replay, ScoreParams, Verdict, render, score_drill};
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Pause between progress lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Runs every scenario on the virtual engine.
///
/// # Errors
/// When an input is wrong or too large (nothing was started), or a record cannot be written.
pub(crate) fn run(args: &Run, terminal: &Terminal) -> Result<Exit, Failure> {
    let (rules, pack, scenarios) = inputs::rules_and(
        &args.rules,
        args.delivery,
        inputs::scenarios(&args.scenarios),
    )?;
    let trials = plans(&scenarios, args.seed, args.trials)?;
    let threads = threads(args.jobs, trials.len());
    for plan in &trials {
        let estimate = Estimate::of(plan, false);
        let checked = estimate.check(&plan.name, args.max_memory.0, threads);
        checked.map_err(Failure::usage)?;
    }
    let stop = Stop::on_signal()?;
    if args.trials == 1 {
        one_each(args, &rules, &pack, trials, threads, &stop, terminal)
    } else {
        many(args, &rules, &pack, &trials, threads, &stop, terminal)
    }
}

/// All trials: each scenario under as many seeds, one after the other from its own.
pub(crate) fn plans(
    scenarios: &[Scenario],
    seed: Option<u64>,
    trials: u32,
) -> Result<Vec<Plan>, Failure> {
    let mut plans = Vec::new();
    for scenario in scenarios {
        let resolve = |seed| {
            Plan::resolve(scenario, &PlanOptions { seed })
                .map_err(|found| Failure::problems(&found))
        };
        let first = resolve(seed)?;
        let start = first.seed;
        plans.push(first);
        for trial in 1..u64::from(trials) {
            plans.push(resolve(Some(start.wrapping_add(trial)))?);
        }
    }
    Ok(plans)
}

/// How many drills run at a time: as many as asked for, else one a core.
pub(crate) fn threads(jobs: Option<usize>, drills: usize) -> usize {
    let cores = || std::thread::available_parallelism().map_or(2, usize::from);
    jobs.unwrap_or_else(cores).clamp(1, drills.max(1))
}

/// Tells now and then how many drills are done.
pub(crate) struct Lines<'a> {
    terminal: &'a Terminal,
    drills: usize,
    started: Instant,
    last: Mutex<Instant>,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(terminal: &'a Terminal, drills: usize) -> Self {
        let started = Instant::now();
        Self {
            terminal,
            drills,
            started,
            last: Mutex::new(started),
        }
    }

    pub(crate) fn tell(&self, done: usize) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= LINE_EVERY {
            *last = Instant::now();
            let seconds = self.started.elapsed().as_secs();
            let line = format!("[{seconds:>3}s] {done} of {} drills", self.drills);
            self.terminal.say(line);
        }
    }
}

/// What a signal does to virtual drills: the first SIGINT or SIGTERM stops each of them where it is.
pub(crate) struct Stop {
    /// Becomes true when the drills are to be stopped.
    pub(crate) abort: Arc<AtomicBool>,
    terminated: Arc<AtomicBool>,
}

impl Stop {
    /// Begins to listen.
    ///
    /// # Errors
    /// When signals cannot be listened for.
    pub(crate) fn on_signal() -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::environment)?;
        let stop = Self {
            abort: Arc::default(),
            terminated: Arc::default(),
        };
        let (abort, terminated) = (stop.abort.clone(), stop.terminated.clone());
        let (ready_tx, ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            runtime.block_on(async move {
                let listen = || {
                    Ok((
                        signal(SignalKind::interrupt())?,
                        signal(SignalKind::terminate())?,
                    ))
                };
                let listening: io::Result<(Signal, Signal)> = listen();
                match listening {
                    Ok((mut interrupt, mut terminate)) => {
                        // Nobody waits any more only when the command has ended.
                        let _ = ready_tx.send(Ok(()));
                        tokio::select! {
                            _ = interrupt.recv() => {}
                            _ = terminate.recv() => terminated.store(true, Ordering::Relaxed),
                        }
                        abort.store(true, Ordering::Release);
                    }
                    Err(error) => {
                        let _ = ready_tx.send(Err(error));
                    }
                }
            });
        });
        let listening = ready.recv().map_err(Failure::internal)?;
        listening.map_err(Failure::environment)?;
        Ok(stop)
    }

    /// The exit code, if a signal has come.
    pub(crate) fn exit(&self) -> Option<Exit> {
        let signal = if self.terminated.load(Ordering::Relaxed) {
            Exit::Terminated
        } else {
            Exit::Interrupted
        };
        self.abort.load(Ordering::Acquire).then_some(signal)
    }
}

/// Does `work` for every plan, some at a time; answers are in the order of the plans.
pub(crate) fn on_all_cores<T: Send>(
    plans: &[Plan],
    threads: usize,
    abort: &AtomicBool,
    progress: &(dyn Fn(usize) + Sync),
    work: &(dyn Fn(&Plan) -> T + Sync),
) -> Vec<T> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !abort.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(plan) = plans.get(index) else { return };
                    let result = work(plan);
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    results.push((index, result));
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// One drill of each scenario, with its record and report, as on the live engine.
fn one_each(
    args: &Run,
    rules: &Rules,
    pack: &RulePack,
    plans: Vec<Plan>,
    threads: usize,
    stop: &Stop,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let set = RunSet::new(args, SystemTime::now());
    let jobs = set.jobs(&plans)?;
    let dirs: Vec<(Plan, PathBuf)> = jobs.into_iter().map(|job| (job.plan, job.dir)).collect();
    let plans: Vec<Plan> = dirs.iter().map(|(plan, _)| plan.clone()).collect();
    let directory = |plan: &Plan| {
        let found = dirs
            .iter()
            .find(|(other, _)| other.name == plan.name && other.seed == plan.seed);
        found.map(|(_, dir)| dir.clone()).unwrap_or_default()
    };
    let drills = on_all_cores(&plans, threads, &stop.abort, &|_| {}, &|plan| {
        let options = VirtualOptions {
            abort: Some(&stop.abort),
            ..VirtualOptions::default()
        };
        let outcome = drill::run_virtual(plan, rules, options, &directory(plan));
        Ended {
            name: plan.name.clone(),
            outcome: outcome.map_err(|error| live::failure(&error)),
        }
    });
    let signal = stop.exit();
    run::finish(
        &set,
        &rules.set,
        pack,
        AllEnded { drills, signal },
        terminal,
    )
}

/// Many drills of each scenario: only what they come to is kept.
fn many(
    args: &Run,
    rules: &Rules,
    pack: &RulePack,
    plans: &[Plan],
    threads: usize,
    stop: &Stop,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let started = Instant::now();
    terminal.say(format_args!(
        "{} virtual drills: {} scenario(s) under {} seeds, {threads} at a time",
        plans.len(),
        args.scenarios.len(),
        args.trials,
    ));
    let lines = Lines::new(terminal, plans.len());
    let scores = on_all_cores(
        plans,
        threads,
        &stop.abort,
        &|done| lines.tell(done),
        &|plan| {
            let options = VirtualOptions {
                abort: Some(&stop.abort),
                ..VirtualOptions::default()
            };
            let record = drill::simulate(plan, rules, options, false);
            let replay = Replay::recorded(&record);
            score_drill(&record, &replay, pack, &ScoreParams::default())
        },
    );
    if let Some(exit) = stop.exit() {
        return Ok(exit);
    }
    let mut trials = Trials::new();
    scores.iter().for_each(|score| trials.add(score));
    let card = trials.card();
    print(&card, args.json, terminal);
    let written = write(args, &card).map_err(Failure::environment)?;
    terminal.say(format_args!("report: {}", written.display()));
    let worst = scores.iter().map(|score| score.verdict).max();
    let gate = match worst.unwrap_or(Verdict::Inconclusive) {
        Verdict::Passed => Exit::Passed,
        Verdict::Failed => Exit::GateFailed,
        Verdict::Inconclusive => Exit::Inconclusive,
    };
    let gate = match dead(&scores) {
        dead if dead.is_empty() => gate,
        dead => {
            terminal.say(without_data(args, rules, plans, &dead, terminal));
            Exit::GateFailed
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    let one = scores.iter().find(|score| score.verdict != Verdict::Passed);
    let again = one.map_or(String::new(), |score| {
        format!(
            "; one of them again: firedrill run --engine virtual --seed {} (scenario {})",
            score.seed, score.scenario
        )
    });
    terminal.say(format_args!(
        "{} drills in {seconds:.1} s{again}",
        scores.len()
    ));
    Ok(if args.no_gate && gate == Exit::GateFailed {
        Exit::Passed
    } else {
        gate
    })
}

/// Alerts that had no data in any of the drills, though others had, and though their pack does not say that they may.
fn dead(scores: &[DrillScore]) -> Vec<String> {
    let all = || scores.iter().flat_map(|score| &score.alerts);
    let with_data: BTreeSet<&str> = all()
        .filter(|alert| !alert.no_data || alert.no_data_ok)
        .map(|alert| alert.alert.as_str())
        .collect();
    let names: BTreeSet<&str> = all().map(|alert| alert.alert.as_str()).collect();
    if all().all(|alert| alert.no_data) {
        return Vec::new();
    }
    let dead = names.difference(&with_data);
    dead.map(|name| (*name).to_owned()).collect()
}

/// What rules without data looked for and what there is instead, seen in one drill of each scenario.
fn without_data(
    args: &Run,
    rules: &Rules,
    plans: &[Plan],
    dead: &[String],
    terminal: &Terminal,
) -> String {
    let mut diagnoser = Diagnoser::new(&rules.set);
    for plan in plans
        .chunks(args.trials as usize)
        .filter_map(<[Plan]>::first)
    {
        diagnoser.observe(&drill::simulate(
            plan,
            rules,
            VirtualOptions::default(),
            true,
        ));
    }
    let diagnosis = diagnoser.finish().only(dead);
    let told = render::diagnose::terminal(&diagnosis, terminal.style());
    format!(
        "rules without data fail the gate: {}\n{told}",
        dead.join(", ")
    )
}

fn print(card: &TrialCard, json: bool, terminal: &Terminal) {
    if json {
        terminal.result(&render::trials::json(card));
    } else {
        terminal.result(&render::trials::terminal(card, terminal.style()));
    }
}

fn write(args: &Run, card: &TrialCard) -> std::io::Result<PathBuf> {
    let stamp = live::stamp(SystemTime::now());
    let all = args.out.join("trials");
    let dir = all.join(&stamp);
    let html = dir.join("report.html");
    report::write(&html, &render::trials::html(card))?;
    report::write(&dir.join("result.json"), &render::trials::json(card))?;
    report::write(&dir.join("summary.md"), &render::trials::markdown(card))?;
    live::link(&all.join("latest"), std::path::Path::new(&stamp))?;
    Ok(html)
}
