//! `firedrill run`: drills side by side, one scorecard, one report.

use crate::args::{Engine, Run, Speed};
use crate::commands::gates::Gates;
use crate::commands::plots;
use crate::commands::score;
use crate::commands::score::Scored;
use crate::drills::heard;
use crate::drills::live::{self, AllEnded, Job, LiveSet};
use crate::drills::{simulate, target};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs;
use crate::inputs::results::FIGURES_FILE;
use crate::terminal::Terminal;
use firedrill_detector::RuleSet;
use firedrill_reports::figures::Results;
use firedrill_reports::pack::RulePack;
use firedrill_reports::{Replay, ScoreParams, Scorecard, Verdict, document, render, score_drill};
use firedrill_sim::files::{self, Fresh, LATEST, shown};
use firedrill_sim::plan::Plan;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Runs every scenario, prints the scorecard, writes the report.
///
/// # Errors
/// When an input is wrong (nothing was started), or a drill could not be run.
pub fn run(args: &Run, terminal: &Terminal) -> Result<Exit, Failure> {
    if args.trials > 1 && args.engine == Engine::Live {
        return Err(Failure::usage(
            "--trials: only the virtual engine runs a scenario under many seeds; add `--engine virtual`",
        ));
    }
    if args.engine == Engine::Live && args.sharding.shard()?.is_some() {
        return Err(Failure::usage(
            "--shard: drills are parted by their seeds, and only the virtual engine runs a scenario under many; add `--engine virtual`",
        ));
    }
    if args.engine == Engine::Virtual && args.target.is_given() {
        return Err(Failure::usage(
            "--worker-cmd, --worker-docker and --worker-kube: on the virtual engine there are no processes; leave `--engine virtual` away",
        ));
    }
    if args.engine == Engine::Virtual {
        heard::none_on_the_model(&args.alerts)?;
        if args.view.tui || args.view.http.is_some() {
            return Err(Failure::usage(
                "--tui, --http: a simulated drill is over before anybody could look; leave them away, or --engine virtual",
            ));
        }
        if let Speed::Fixed(speed) = args.speed {
            terminal.say(format_args!(
                "--speed {speed} is for the live engine: a simulated drill takes no longer than it takes to compute"
            ));
        }
        return simulate::run(args, terminal);
    }
    let named = inputs::for_drills(&args.scenarios, &args.rules).in_world(&args.world);
    let plans = inputs::plans(&named.scenarios, args.seed);
    let (rules, pack, plans) = inputs::rules_and(
        &named,
        &args.rules,
        args.rules.dialect.of_new_drills(),
        (args.delivery, &args.routing),
        plans,
        terminal,
    )?;
    inputs::bounded(&rules, &plans)?;
    let mut gates = Gates::read(&args.gates, args.no_gate, terminal)?;
    let files = named.scenarios.iter().map(|source| source.name.clone());
    gates.plans(plans.iter().cloned().zip(files), "live")?;
    let redis = live::redis_source(&args.server)?;
    let asked = (args.speed, args.jobs);
    let (workers, speed) = {
        let played = (&plans, &named.scenarios[..]);
        target::workers(&args.target, played, asked, &redis)?
    };
    let pace = (speed, plans.len());
    let alerts = heard::sources(&args.alerts, &rules.set, pace, terminal)?;
    heard::targets_are_free(&args.alerts, plans.len())?;
    let live = LiveSet {
        workers,
        alerts,
        targets_in: args.alerts.targets_in.clone(),
        speed,
        jobs: args.jobs,
        redis,
        rules,
        pack,
        view: args.view.clone(),
    };
    let (mut set, jobs) = RunSet::new(args, SystemTime::now(), &plans, gates)?;
    let ended = live.run(jobs, terminal)?;
    finish(&mut set, &live.rules.set, &live.pack, ended, terminal)
}

/// What all drills of one command share.
pub(crate) struct RunSet<'a> {
    args: &'a Run,
    gates: Gates,
    started: SystemTime,
    /// Those of the drills; they go again where a drill was never begun, and before the one they are all in.
    _drills: Vec<Fresh>,
    /// For the reports of the whole set.
    dir: Fresh,
}

impl<'a> RunSet<'a> {
    /// Makes the directories of all drills and of the set, before anything is started.
    ///
    /// # Errors
    /// When two drills could not be told apart, or a directory cannot be made.
    pub(crate) fn new(
        args: &'a Run,
        now: SystemTime,
        plans: &[Plan],
        gates: Gates,
    ) -> Result<(Self, Vec<Job>), Failure> {
        let stamp = live::stamp(now);
        for (index, plan) in plans.iter().enumerate() {
            let same = |other: &Plan| other.name == plan.name && other.seed == plan.seed;
            if plans[..index].iter().any(same) {
                return Err(Failure::usage(format!(
                    "{} with seed {}: two such drills cannot be told apart; give scenarios different names or seeds",
                    plan.name, plan.seed
                )));
            }
        }
        let dir = fresh(&args.out.join("sets"), &stamp)?;
        let (mut jobs, mut drills) = (Vec::new(), Vec::new());
        for plan in plans {
            let dir = fresh(
                &args.out.join(&plan.name),
                &format!("{stamp}-{}", plan.seed),
            )?;
            jobs.push(Job {
                plan: plan.clone(),
                dir: dir.path().to_path_buf(),
            });
            drills.push(dir);
        }
        let set = Self {
            args,
            gates,
            started: now,
            dir,
            _drills: drills,
        };
        Ok((set, jobs))
    }
}

/// A directory for results: where none can be had, nothing is begun.
pub(crate) fn fresh(parent: &Path, name: &str) -> Result<Fresh, Failure> {
    Fresh::new(parent, name)
        .map_err(|error| Failure::environment(format!("no directory for the results: {error}")))
}

/// Scores what was recorded, prints, writes the reports, and decides the exit code.
pub(crate) fn finish(
    set: &mut RunSet<'_>,
    rules: &RuleSet,
    pack: &RulePack,
    ended: AllEnded,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let mut worst: Option<Failure> = None;
    let mut scored: Vec<(PathBuf, Scored)> = Vec::new();
    for drill in ended.drills {
        let read = drill.outcome.and_then(|finished| {
            let record = inputs::record(&finished.record)?;
            Ok((finished.record, record))
        });
        match read {
            Ok((path, record)) => {
                let replay = Replay::recorded(&record);
                let score = score_drill(&record, &replay, pack, &ScoreParams::default());
                let drill = Scored {
                    rules: rules.clone(),
                    pack: pack.clone(),
                    record,
                    replay,
                    score,
                };
                scored.push((path, drill));
            }
            Err(failure) => also(&mut worst, failure.about(&drill.name)),
        }
    }
    let mut card = Scorecard::new(
        scored
            .iter()
            .map(|(_, scored)| scored.score.clone())
            .collect(),
    );
    let all: Vec<&Scored> = scored.iter().map(|(_, scored)| scored).collect();
    score::explain(&mut card, &all);
    score::call(&mut card, &all);
    // Of drills that there are not, nothing can be said.
    let mut exit = Exit::Passed;
    if !scored.is_empty() {
        let mut figures = Results::default();
        match score::gated(&mut set.gates, &card, &all) {
            Ok((gated, results)) => {
                exit = Exit::of(gated.passes());
                card.gated = Some(gated);
                figures = results;
            }
            Err(failure) => also(&mut worst, failure),
        }
        score::print(&card, set.args.json, terminal);
        let whole = worst.is_none() && ended.signal.is_none();
        match write_reports(set, &scored, (&card, &figures), whole) {
            Ok(written) => terminal.say(format_args!("report: {}", shown(&written))),
            Err(error) => also(
                &mut worst,
                Failure::environment(format!("cannot write the reports: {error}")),
            ),
        }
        let summary = render::markdown(&document::of_scorecard(&card, &[]));
        if let Err(failure) = set.gates.write(card.gated.as_ref(), &summary, terminal) {
            also(&mut worst, failure);
        }
    }
    if let Some(worst) = worst.take_if(|worst| worst.exit == Exit::CleanupIncomplete) {
        return Err(worst);
    }
    if let Some(exit) = ended.signal {
        return Ok(exit);
    }
    if let Some(worst) = worst {
        return Err(worst);
    }
    let seconds = set.started.elapsed().unwrap_or_default().as_secs();
    let is_excused = set.args.no_gate && card.verdict() == Verdict::Failed;
    terminal.say(match (is_excused, terminal.with_lost(exit)) {
        (true, Exit::Passed) => {
            format!("took {seconds} s; the gate failed, and --no-gate was given: exit code 0")
        }
        (_, exit) => format!("took {seconds} s; exit code {}", exit as u8),
    });
    Ok(exit)
}

/// Adds a failure to others.
fn also(worst: &mut Option<Failure>, failure: Failure) {
    match worst {
        Some(worst) => {
            worst.exit = worst.exit.and(failure.exit);
            worst.messages.extend(failure.messages);
        }
        None => *worst = Some(failure),
    }
}

/// A report per drill beside its record, one for the whole set, and `latest` links to what ran to its end; `whole`: all
/// drills of the set did.
fn write_reports(
    set: &RunSet<'_>,
    scored: &[(PathBuf, Scored)],
    (card, figures): (&Scorecard, &Results),
    whole: bool,
) -> io::Result<PathBuf> {
    for (path, scored) in scored {
        let dir = path.parent().unwrap_or(Path::new("."));
        let mut single = Scorecard::new(vec![scored.score.clone()]);
        // Whether a rule can fire is a matter of the whole set.
        single.dead.clone_from(&card.dead);
        single.cut_short.clone_from(&card.cut_short);
        let document = document::of_scorecard(&single, &[scored.drill()]);
        plots::report(&document, None, dir)?;
        files::write(&dir.join("result.json"), &render::json(&(&single).into()))?;
        let ran_to_its_end = scored.record.complete && scored.record.aborted().is_none();
        if let (true, Some(scenario), Some(name)) = (ran_to_its_end, dir.parent(), dir.file_name())
        {
            files::link(&scenario.join(LATEST), Path::new(name))?;
        }
    }
    let dir = set.dir.path();
    let drills: Vec<document::Drill<'_>> =
        scored.iter().map(|(_, scored)| scored.drill()).collect();
    let document = document::of_scorecard(card, &drills);
    let html = plots::report(&document, set.args.plots, dir)?;
    files::write(&dir.join("result.json"), &render::json(&card.into()))?;
    files::write(&dir.join("summary.md"), &render::markdown(&document))?;
    files::write(&dir.join(FIGURES_FILE), &figures.text())?;
    let records = scored.iter().map(|(path, _)| {
        let path = path.strip_prefix(&set.args.out).unwrap_or(path);
        format!("{}\n", path.display())
    });
    files::write(&dir.join(inputs::SET_FILE), &records.collect::<String>())?;
    if whole {
        files::link(&set.args.out.join("sets").join(LATEST), set.dir.name())?;
    }
    Ok(html)
}
