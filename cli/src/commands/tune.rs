//! `firedrill tune`: settings of alerts, or of the plan, tried out on many virtual drills.

mod plan;
mod told;

use crate::args::{Merge, PlotFormat, Tune};
use crate::commands::plots;
use crate::commands::run;
use crate::drills::given::{Given, Typed};
use crate::drills::live;
use crate::drills::shards::{self, Joined, Sweep, TuneRules, Writer};
use crate::drills::simulate::{Lines, on_all_cores};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::signals::Signals;
use crate::terminal::Terminal;
use firedrill_detector::RuleFile;
use firedrill_detector::text::counted;
use firedrill_detector::tuning::Settings;
use firedrill_reports::pack::RulePack;
use firedrill_reports::tune::{
    Advice, Axis, Grid, JUDGEMENTS_MAX, Observed, ROUTED_JUDGEMENTS_MAX, Scope, TuneParams, Tuner,
    Tuning,
};
use firedrill_reports::{document, render};
use firedrill_sim::builtin;
use firedrill_sim::drill::{self, Rules};
use firedrill_sim::engine::virtual_time::VirtualOptions;
use firedrill_sim::files::{self, Fresh, LATEST, shown};
use firedrill_sim::plan::Plan;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Instant, SystemTime};

/// Tries settings out and proposes one.
///
/// # Errors
/// When an input is wrong or too large (nothing was started).
pub fn run(args: &Tune, terminal: &Terminal) -> Result<Exit, Failure> {
    let (of_plan, of_rules): (Vec<&String>, Vec<&String>) =
        args.vary.iter().partition(|vary| plan::is_of_plan(vary));
    match (of_plan.is_empty(), of_rules.is_empty()) {
        (false, false) => Err(Failure::usage(
            "--vary: settings of rules and of the plan cannot be varied together: the first need no new drills, the \
             second do; call tune once for each",
        )),
        (false, true) => plan::run(args, terminal),
        (true, _) => rules(args, terminal),
    }
}

/// A setting of a rule file.
fn rules(args: &Tune, terminal: &Terminal) -> Result<Exit, Failure> {
    if args.drain_within.is_some() {
        return Err(Failure::usage(
            "--drain-within asks about the plan: vary it, for example `--vary workers.NAME.processes=1..8`",
        ));
    }
    let typed = Typed {
        inputs: &args.inputs,
        rules: &args.rules,
        delivery: args.delivery,
        routing: &args.routing,
        world: &args.world,
        seed: args.seed,
        trials: args.trials,
        jobs: args.jobs,
        memory: args.memory,
    };
    let Given {
        rules,
        pack,
        plans,
        records,
        threads,
        ..
    } = Given::new(&typed, terminal)?;
    let shard = args.sharding.shard()?;
    if let Some(shard) = shard {
        if !records.is_empty() {
            return Err(Failure::usage(format!(
                "--shard {shard} parts the seeds of scenarios; records are there already: leave them out, or --shard"
            )));
        }
        shards::enough(shard, plans.len())?;
    }
    let interval_ms = plans
        .first()
        .map(|plan| plan.evaluation_interval_ms)
        .or(records
            .first()
            .map(|record| record.header.evaluation_interval_ms))
        .unwrap_or(15_000);
    let search = args.search();
    let drills = plans.len() + records.len();
    let tuner = tuner(&search, &rules, pack, interval_ms, drills)?;
    let stamp = live::stamp(SystemTime::now());
    let dir = match shard {
        Some(shard) => shards::dir(&args.out, &stamp, shard)?,
        None => run::fresh(&args.out.join("tune"), &stamp)?,
    };
    let mut writer = match shard {
        Some(shard) => {
            let each = plans.chunks(args.trials as usize);
            let headers = each.map(|of| drill::virtual_header(&of[0], Some(&rules)));
            let command = shards::Command::Tune(search);
            let sweep = Sweep::new(command, args.trials, plans.len(), headers.collect());
            Some((shard, Writer::create(dir.path(), shard, &sweep)?))
        }
        None => None,
    };
    let whole = plans.len();
    let plans: Vec<&Plan> = match shard {
        Some(shard) => shard.numbers(whole).map(|number| &plans[number]).collect(),
        None => plans.iter().collect(),
    };
    let started = Instant::now();
    let signals = Signals::listen()?;
    let abort = signals.flag();
    terminal.started();
    terminal.say(format_args!(
        "{} and {}, {threads} at a time",
        counted(plans.len(), "virtual drill"),
        counted(records.len(), "record")
    ));
    let lines = Lines::new(terminal, plans.len());
    let mut observed: Vec<Observed> = records.iter().map(|record| tuner.observe(record)).collect();
    observed.extend(on_all_cores(
        &plans,
        threads,
        &abort,
        &|done| lines.tell(done),
        &|plan| observe(plan, &rules, &tuner, &abort),
    ));
    if let Some(exit) = signals.exit() {
        return Ok(exit);
    }
    if let Some((shard, mut writer)) = writer.take() {
        observed.iter().try_for_each(|one| writer.add(one))?;
        return shards::done(writer, dir.path(), shard, (observed.len(), whole), terminal);
    }
    let drills_s = started.elapsed().as_secs_f64();
    let exit = conclude(
        &tuner,
        &observed,
        (&dir, &args.out),
        (args.json, args.plots),
        terminal,
    )?;
    terminal.say(format_args!(
        "drills {drills_s:.1} s, search {:.1} s",
        started.elapsed().as_secs_f64() - drills_s
    ));
    Ok(exit)
}

/// The search over all shards of one.
pub(crate) fn joined(args: &Merge, joined: Joined, terminal: &Terminal) -> Result<Exit, Failure> {
    match joined.sweep.command.clone() {
        shards::Command::Tune(search) => {
            let sweep = &joined.sweep;
            let first = sweep.first()?;
            let (rules, pack) = sweep.judged_by(first, &search.pages)?;
            let drills = sweep.headers.len() * sweep.trials as usize;
            let interval_ms = first.evaluation_interval_ms;
            let tuner = tuner(&search, &rules, pack, interval_ms, drills)?;
            let mut observed: Vec<Observed> = Vec::new();
            joined.outcomes(&mut |_, one| {
                observed.push(one);
                Ok(())
            })?;
            let dir = run::fresh(&args.out.join("tune"), &live::stamp(SystemTime::now()))?;
            let plots = args.plots.unwrap_or(PlotFormat::Svg);
            let shown = (args.json, plots);
            conclude(&tuner, &observed, (&dir, &args.out), shown, terminal)
        }
        shards::Command::TunePlan(search) => plan::joined(&search, joined, args.json, terminal),
        shards::Command::Run { .. } => Err(Failure::internal("trials are no search")),
    }
}

/// Searches, prints and writes what is found.
fn conclude(
    tuner: &Tuner,
    observed: &[Observed],
    (dir, out): (&Fresh, &Path),
    (json, plots): (bool, PlotFormat),
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let tuning = tuner.search(observed).map_err(Failure::usage)?;
    if json {
        terminal.result(&render::json(&(&tuning).into()));
    } else {
        let document = document::of_tuning(&tuning);
        terminal.result(&render::terminal(&document, terminal.style()));
    }
    let written = write(dir.path(), tuner, &tuning, plots).map_err(Failure::environment)?;
    let latest = out.join("tune").join(LATEST);
    files::link(&latest, dir.name()).map_err(Failure::environment)?;
    for path in written {
        terminal.say(format_args!("wrote {}", shown(path)));
    }
    Ok(match tuning.advice() {
        Advice::Confirmed => Exit::Passed,
        Advice::Unconfirmed => Exit::Inconclusive,
        Advice::Worse | Advice::Useless => Exit::GateFailed,
    })
}

fn observe(plan: &Plan, rules: &Rules, tuner: &Tuner, abort: &AtomicBool) -> Observed {
    let options = VirtualOptions {
        abort: Some(abort),
        ..VirtualOptions::default()
    };
    tuner.observe(&drill::simulate(plan, rules, options, true))
}

impl Tune {
    /// What is asked of the drills.
    fn search(&self) -> TuneRules {
        TuneRules {
            vary: self.vary.clone(),
            pages: self.rules.pages.clone(),
            budget: self.budget,
            whole_pack: self.whole_pack,
            given: self.delivery.into(),
        }
    }
}

fn tuner(
    search: &TuneRules,
    rules: &Rules,
    pack: RulePack,
    interval_ms: i64,
    drills: usize,
) -> Result<Tuner, Failure> {
    let files = rules.texts.iter().map(|rule| RuleFile {
        name: rule.name.clone(),
        text: rule.text.clone(),
    });
    let reading = rules.reading;
    let settings = Settings::load_as(files.collect(), reading.compat.into(), reading.into())
        .map_err(|problems| Failure::problems(&problems))?;
    let axes = Axis::parse_all(&settings, &search.vary, interval_ms).map_err(|found| Failure {
        exit: Exit::Usage,
        messages: found.iter().map(ToString::to_string).collect(),
    })?;
    let grid = Grid::new(axes);
    let limit = match pack.alertmanager() {
        Some(_) => ROUTED_JUDGEMENTS_MAX,
        None => JUDGEMENTS_MAX,
    };
    grid.check(drills, limit).map_err(Failure::usage)?;
    let params = TuneParams {
        scope: if search.whole_pack {
            Scope::Pack
        } else {
            Scope::Varied
        },
        score: search.given.into(),
        budget_per_week: search.budget,
        ..TuneParams::default()
    };
    Tuner::new(settings, pack, grid, params).map_err(Failure::usage)
}

/// The report, and the rule files with the proposal in them.
fn write(
    dir: &Path,
    tuner: &Tuner,
    tuning: &Tuning,
    format: PlotFormat,
) -> io::Result<Vec<PathBuf>> {
    let html = plots::report(&document::of_tuning(tuning), Some(format), dir)?;
    files::write(&dir.join("result.json"), &render::json(&tuning.into()))?;
    let mut written = vec![html];
    let edited = tuner.edited(&tuning.proposal.values);
    for file in edited.map_err(|problem| io::Error::other(problem.to_string()))? {
        let name = file.name.strip_suffix(builtin::MARK).unwrap_or(&file.name);
        let name = Path::new(name).file_name().unwrap_or(name.as_ref());
        let path = dir.join(name);
        files::write(&path, &file.text)?;
        written.push(path);
    }
    Ok(written)
}
