//! `firedrill run --engine virtual`: one virtual drill of each scenario, or many with a seed each.

use crate::args::Run;
use crate::commands::gates::Gates;
use crate::commands::run::{self, RunSet};
use crate::drills::live::{self, AllEnded, Ended, Job};
use crate::drills::{shards, trials};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::in_order;
use crate::inputs;
use crate::signals::Signals;
use crate::terminal::Terminal;
use firedrill_reports::pack::RulePack;
use firedrill_reports::shard::Shard;
use firedrill_sim::drill::{self, Rules};
use firedrill_sim::engine::virtual_time::VirtualOptions;
use firedrill_sim::estimate::Estimate;
use firedrill_sim::plan::Plan;
use firedrill_sim::scenario::{PlanOptions, Scenario};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// What is kept of a drill among many, with room to spare: times, verdicts and counts, not names.
const TRIAL_BYTES: u64 = 2 << 10;
/// The same of its figures, where they are compared with a baseline.
const FIGURES_BYTES: u64 = 32 << 10;
/// Pause between progress lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Runs every scenario on the virtual engine.
///
/// # Errors
/// When an input is wrong or too large (nothing was started), or a record cannot be written.
pub(crate) fn run(args: &Run, terminal: &Terminal) -> Result<Exit, Failure> {
    let named = inputs::for_drills(&args.scenarios, &args.rules).in_world(&args.world);
    let scenarios = inputs::modelled(&named.scenarios, terminal);
    let (rules, pack, scenarios) = inputs::rules_and(
        &named,
        &args.rules,
        args.rules.dialect.of_new_drills(),
        (args.delivery, &args.routing),
        scenarios,
        terminal,
    )?;
    let seeded = Seeded::new(&scenarios, args.seed, args.trials)?;
    let shard = args.sharding.shard()?;
    if let Some(shard) = shard {
        part_of_trials(args, shard, seeded.len())?;
    }
    let mut gates = Gates::read(&args.gates, args.no_gate, terminal)?;
    if shard.is_none() {
        gates.plans(seeded.first_plans()?, "virtual")?;
    }
    let drills: Vec<usize> = match shard {
        Some(shard) => shard.numbers(seeded.len()).collect(),
        None => (0..seeded.len()).collect(),
    };
    let threads = threads(args.jobs.fixed(), drills.len());
    let of_each = match (args.trials, gates.compares()) {
        (1, _) => 0,
        (_, false) => TRIAL_BYTES,
        (_, true) => TRIAL_BYTES + FIGURES_BYTES,
    };
    let kept = (drills.len() as u64).saturating_mul(of_each);
    let check = |plan: Plan| {
        let estimate = Estimate::of(&plan, false);
        let checked = estimate.check(&plan.name, args.memory.max_memory.0, threads, kept);
        checked.map_err(Failure::usage)?;
        inputs::bounded(&rules, [&plan])?;
        Ok(plan)
    };
    let mut checked = drills
        .iter()
        .map(|index| seeded.plan(*index).and_then(check));
    if args.trials == 1 {
        let plans = checked.collect::<Result<Vec<Plan>, Failure>>()?;
        return one_each(args, (&rules, &pack, gates), &plans, threads, terminal);
    }
    checked.try_for_each(|plan| plan.map(drop))?;
    let asked = trials::Asked {
        rules: &rules,
        pack: &pack,
        seeded: &seeded,
        pages: &args.rules.pages,
        out: &args.out,
        json: args.json,
        plots: args.plots,
    };
    match shard {
        Some(shard) => trials::part(&asked, shard, &drills, threads, terminal),
        None => trials::all(&asked, gates, &drills, threads, terminal),
    }
}

/// Refuses what a shard cannot be of.
fn part_of_trials(args: &Run, shard: Shard, drills: usize) -> Result<(), Failure> {
    if args.trials == 1 {
        return Err(Failure::usage(format!(
            "--shard {shard} parts the seeds of --trials: give more than one"
        )));
    }
    if args.gates.are_given() || args.no_gate {
        return Err(Failure::usage(format!(
            "--shard {shard}: a part is not judged; give gates, --baseline, --no-gate and files for pipelines to `firedrill merge`"
        )));
    }
    shards::enough(shard, drills)
}

/// Scenarios under as many seeds each, one after the other from the scenario's own. Plans are made when they are asked
/// for: a million of them would not fit.
pub(crate) struct Seeded<'a> {
    pub(super) scenarios: Vec<(&'a Scenario, u64)>,
    pub(super) trials: u32,
}

impl<'a> Seeded<'a> {
    /// `seed`: the first, instead of each scenario's own.
    ///
    /// # Errors
    /// With all that is wrong with any scenario.
    pub(crate) fn new(
        scenarios: &'a [Scenario],
        seed: Option<u64>,
        trials: u32,
    ) -> Result<Self, Failure> {
        let first = inputs::each(scenarios, |scenario| {
            let plan = resolve(scenario, seed)?;
            Ok((scenario, plan.seed))
        });
        Ok(Self {
            scenarios: first?,
            trials,
        })
    }

    /// How many drills that is.
    pub(crate) fn len(&self) -> usize {
        self.scenarios.len() * self.trials as usize
    }

    /// The plan of the first drill of each scenario, and the file it is from.
    pub(crate) fn first_plans(&self) -> Result<Vec<(Plan, String)>, Failure> {
        let each = self.scenarios.iter().map(|(scenario, seed)| {
            let plan = resolve(scenario, Some(*seed))?;
            Ok((plan, scenario.file().to_owned()))
        });
        each.collect()
    }

    /// The plan of one of them: those of a scenario stand together.
    pub(crate) fn plan(&self, index: usize) -> Result<Plan, Failure> {
        let trials = self.trials as usize;
        let (scenario, start) = self.scenarios[index / trials];
        resolve(scenario, Some(start.wrapping_add((index % trials) as u64)))
    }
}

fn resolve(scenario: &Scenario, seed: Option<u64>) -> Result<Plan, Failure> {
    Plan::resolve(scenario, &PlanOptions { seed }).map_err(|found| Failure::problems(&found))
}

/// The plans of scenarios under as many seeds each.
pub(crate) fn plans(
    scenarios: &[Scenario],
    seed: Option<u64>,
    trials: u32,
) -> Result<Vec<Plan>, Failure> {
    let seeded = Seeded::new(scenarios, seed, trials)?;
    (0..seeded.len()).map(|index| seeded.plan(index)).collect()
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

/// Does `work` for every one, some at a time; answers are in their order.
pub(crate) fn on_all_cores<S: Sync, T: Send>(
    ones: &[S],
    threads: usize,
    abort: &AtomicBool,
    progress: &(dyn Fn(usize) + Sync),
    work: &(dyn Fn(&S) -> T + Sync),
) -> Vec<T> {
    let mut all = Vec::new();
    let work = |index: usize| work(&ones[index]);
    let mut keep = |result| {
        all.push(result);
        progress(all.len());
    };
    in_order::fold(ones.len(), threads, abort, &work, &mut keep);
    all
}

/// One drill of each scenario, with its record and report, as on the live engine.
fn one_each(
    args: &Run,
    (rules, pack, gates): (&Rules, &RulePack, Gates),
    plans: &[Plan],
    threads: usize,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let (mut set, jobs) = RunSet::new(args, SystemTime::now(), plans, gates)?;
    let signals = Signals::listen()?;
    let abort = signals.flag();
    terminal.started();
    let drill = |index: usize| {
        let Job { plan, dir } = &jobs[index];
        let options = VirtualOptions {
            abort: Some(&abort),
            ..VirtualOptions::default()
        };
        let outcome = drill::run_virtual(plan, rules, options, dir);
        Ended {
            name: plan.name.clone(),
            outcome: outcome.map_err(|error| live::failure(&error)),
        }
    };
    let mut drills = Vec::new();
    let mut keep = |ended| drills.push(ended);
    in_order::fold(jobs.len(), threads, &abort, &drill, &mut keep);
    let signal = signals.exit();
    run::finish(
        &mut set,
        &rules.set,
        pack,
        AllEnded { drills, signal },
        terminal,
    )
}
