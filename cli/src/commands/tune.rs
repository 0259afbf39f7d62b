//! `firedrill tune`: settings of alerts, or of the plan, tried out on many virtual drills.

mod plan;
mod told;

use crate::args::PlotFormat;
use crate::args::Tune;
use crate::commands::plots;
use crate::commands::run;
use crate::drills::given::{Given, Typed};
use crate::drills::live;
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
use firedrill_sim::files::{self, LATEST, shown};
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
    let interval_ms = plans
        .first()
        .map(|plan| plan.evaluation_interval_ms)
        .or(records
            .first()
            .map(|record| record.header.evaluation_interval_ms))
        .unwrap_or(15_000);
    let tuner = tuner(args, &rules, pack, interval_ms, plans.len() + records.len())?;

    let all = args.out.join("tune");
    let dir = run::fresh(&all, &live::stamp(SystemTime::now()))?;
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
    let drills_s = started.elapsed().as_secs_f64();
    let tuning = tuner.search(&observed).map_err(Failure::usage)?;
    if args.json {
        terminal.result(&render::json(&(&tuning).into()));
    } else {
        let document = document::of_tuning(&tuning);
        terminal.result(&render::terminal(&document, terminal.style()));
    }
    let written = write(dir.path(), &tuner, &tuning, args.plots).map_err(Failure::environment)?;
    files::link(&all.join(LATEST), dir.name()).map_err(Failure::environment)?;
    for path in written {
        terminal.say(format_args!("wrote {}", shown(path)));
    }
    terminal.say(format_args!(
        "drills {drills_s:.1} s, search {:.1} s",
        started.elapsed().as_secs_f64() - drills_s
    ));
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

fn tuner(
    args: &Tune,
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
    let axes = Axis::parse_all(&settings, &args.vary, interval_ms).map_err(|found| Failure {
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
        scope: if args.whole_pack {
            Scope::Pack
        } else {
            Scope::Varied
        },
        score: args.delivery.params(),
        budget_per_week: args.budget,
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
