//! `firedrill run --engine virtual`: one virtual drill of each scenario, or many with a seed each.

use crate::args::PlotFormat;
use crate::args::Run;
use crate::commands::gates::Gates;
use crate::commands::plots;
use crate::commands::run::{self, RunSet};
use crate::commands::score;
use crate::drills::live::{self, AllEnded, Ended, Job};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::failure::pasted;
use crate::in_order;
use crate::inputs;
use crate::inputs::results::FIGURES_FILE;
use crate::signals::Signals;
use crate::terminal::Terminal;
use firedrill_detector::text::{counted, printable};
use firedrill_reports::figures::{DrillFigures, Like, Results, lines};
use firedrill_reports::gate::Judge;
use firedrill_reports::pack::RulePack;
use firedrill_reports::record::Header;
use firedrill_reports::render::Style;
use firedrill_reports::trials::{TrialCard, Trials};
use firedrill_reports::why::{RuleExplanation, RuleState};
use firedrill_reports::{
    DrillScore, Explainer, Replay, ScoreParams, Verdict, document, render, score_drill,
};
use firedrill_sim::builtin;
use firedrill_sim::drill::{self, Rules};
use firedrill_sim::engine::virtual_time::VirtualOptions;
use firedrill_sim::estimate::Estimate;
use firedrill_sim::files::{self, LATEST, shown};
use firedrill_sim::plan::Plan;
use firedrill_sim::scenario::{PlanOptions, Scenario};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
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
    let mut gates = Gates::read(&args.gates, args.no_gate, terminal)?;
    let first = inputs::each(&scenarios, |scenario| {
        Ok((resolve(scenario, args.seed)?, scenario.file().to_owned()))
    })?;
    gates.plans(first, "virtual")?;
    let threads = threads(args.jobs.fixed(), seeded.len());
    let of_each = match (args.trials, gates.compares()) {
        (1, _) => 0,
        (_, false) => TRIAL_BYTES,
        (_, true) => TRIAL_BYTES + FIGURES_BYTES,
    };
    let kept = (seeded.len() as u64).saturating_mul(of_each);
    let check = |plan: Plan| {
        let estimate = Estimate::of(&plan, false);
        let checked = estimate.check(&plan.name, args.memory.max_memory.0, threads, kept);
        checked.map_err(Failure::usage)?;
        inputs::bounded(&rules, [&plan])?;
        Ok(plan)
    };
    let mut checked = (0..seeded.len()).map(|index| seeded.plan(index).and_then(check));
    if args.trials == 1 {
        let plans = checked.collect::<Result<Vec<Plan>, Failure>>()?;
        return one_each(args, (&rules, &pack, gates), &plans, threads, terminal);
    }
    checked.try_for_each(|plan| plan.map(drop))?;
    many(args, (&rules, &pack, gates), &seeded, threads, terminal)
}

/// Scenarios under as many seeds each, one after the other from the scenario's own. Plans are made when they are asked
/// for: a million of them would not fit.
pub(crate) struct Seeded<'a> {
    scenarios: Vec<(&'a Scenario, u64)>,
    trials: u32,
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

/// What many drills come to; of each only a little is kept.
#[derive(Default)]
struct Kept {
    trials: Trials,
    drills: usize,
    worst: Option<Verdict>,
    /// Scenario and seed of the first drill that did not pass.
    first_other: Option<(String, u64)>,
    /// Alerts, and whether any had data or needs none.
    alerts: BTreeMap<String, bool>,
    /// Whether any alert had data in any drill.
    any_data: bool,
    /// Alerts that fired in any drill.
    fired: BTreeSet<String>,
    /// Whether any drill proves something.
    any_proves: bool,
}

impl Kept {
    fn add(&mut self, score: &DrillScore) {
        self.trials.add(score);
        self.drills += 1;
        self.worst = self.worst.max(Some(score.verdict));
        self.any_proves |= score.verdict != Verdict::Inconclusive;
        if score.verdict != Verdict::Passed && self.first_other.is_none() {
            self.first_other = Some((score.scenario.clone(), score.seed));
        }
        for alert in &score.alerts {
            let fine = !alert.no_data || alert.no_data_ok;
            self.any_data |= !alert.no_data;
            if !alert.episodes.is_empty() && !self.fired.contains(&alert.alert) {
                self.fired.insert(alert.alert.clone());
            }
            match self.alerts.get_mut(&alert.alert) {
                Some(known) => *known |= fine,
                None => {
                    self.alerts.insert(alert.alert.clone(), fine);
                }
            }
        }
    }

    /// Alerts that had no data in any of the drills, though others had, and though their pack does not say that they may.
    fn dead(&self) -> Vec<String> {
        let dead = self
            .alerts
            .iter()
            .filter(|(_, fine)| self.any_proves && self.any_data && !**fine);
        dead.map(|(name, _)| name.clone()).collect()
    }
}

/// Many drills of each scenario: only what they come to is kept.
fn many(
    args: &Run,
    (rules, pack, mut gates): (&Rules, &RulePack, Gates),
    seeded: &Seeded<'_>,
    threads: usize,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let started = Instant::now();
    let all = args.out.join("trials");
    let dir = run::fresh(&all, &live::stamp(SystemTime::now()))?;
    let signals = Signals::listen()?;
    let abort = signals.flag();
    terminal.started();
    terminal.say(format_args!(
        "{}: {} under {}, {threads} at a time",
        counted(seeded.len(), "virtual drill"),
        counted(seeded.scenarios.len(), "scenario"),
        counted(args.trials, "seed"),
    ));
    let lines = Lines::new(terminal, seeded.len());
    let mut kept = Kept::default();
    let drill = |index: usize| {
        let plan = seeded.plan(index)?;
        let options = VirtualOptions {
            abort: Some(&abort),
            ..VirtualOptions::default()
        };
        let record = drill::simulate(&plan, rules, options, false);
        let replay = Replay::recorded(&record);
        let score = score_drill(&record, &replay, pack, &ScoreParams::default());
        // Those of a scenario stand together.
        let is_first = index.is_multiple_of(args.trials as usize);
        Ok((score, is_first.then_some(record.header)))
    };
    let mut figures = Figures::create(dir.path(), &gates)?;
    let mut wrong: Option<Failure> = None;
    let mut keep = |scored: Result<(DrillScore, Option<Header>), Failure>| {
        let taken = scored.and_then(|(score, header)| {
            kept.add(&score);
            figures.add(&score, header.as_ref())
        });
        if let Err(failure) = taken {
            wrong = wrong.take().or(Some(failure));
        }
        lines.tell(kept.drills);
    };
    in_order::fold(seeded.len(), threads, &abort, &drill, &mut keep);
    if let Some(failure) = wrong {
        return Err(failure);
    }
    if let Some(exit) = signals.exit() {
        return Ok(exit);
    }
    let (unfit, told) = unfit(&kept, args, (rules, pack), seeded, terminal.style())?;
    let first = seeded.scenarios.iter().map(|(scenario, _)| *scenario);
    for scenario in first {
        gates.rules(&rules.set, pack, scenario.causes());
    }
    let mut card = kept.trials.card();
    let (judge, new) = figures.finish()?;
    let gated = gates.gated(judge, &new, &unfit)?;
    let exit = Exit::of(gated.passes());
    card.gated = Some(gated);
    print(&card, args.json, terminal);
    let written = write(dir.path(), &card, args.plots)
        .and_then(|html| files::link(&all.join(LATEST), dir.name()).map(|()| html))
        .map_err(Failure::environment)?;
    terminal.say(format_args!("report: {}", shown(&written)));
    terminal.say_rendered(&told);
    gates.write(
        card.gated.as_ref(),
        &render::markdown(&document::of_trials(&card)),
        terminal,
    )?;
    let seconds = started.elapsed().as_secs_f64();
    let again = kept.first_other.map_or(String::new(), |(scenario, seed)| {
        format!(
            "; the first that did not pass, again:\n{}",
            again(args, rules, (&scenario, seed), seeded)
        )
    });
    terminal.say(format_args!(
        "{} drills in {seconds:.1} s{again}",
        kept.drills
    ));
    Ok(exit)
}

/// The figures of many drills, written as they come: what gates need of them is kept, and all of them only where they are compared.
struct Figures {
    path: PathBuf,
    file: BufWriter<File>,
    drills: usize,
    judge: Judge,
    compared: bool,
    kept: Results,
}

impl Figures {
    fn create(dir: &Path, gates: &Gates) -> Result<Self, Failure> {
        let path = dir.join(FIGURES_FILE);
        let file = File::create_new(&path).map_err(|error| cannot_write(&path, &error))?;
        let mut figures = Self {
            path,
            file: BufWriter::new(file),
            drills: 0,
            judge: gates.judge.clone(),
            compared: gates.compares(),
            kept: Results::default(),
        };
        figures.put(&lines::begin())?;
        Ok(figures)
    }

    /// Takes a drill in; `header`: of the first of its scenario.
    fn add(&mut self, score: &DrillScore, header: Option<&Header>) -> Result<(), Failure> {
        if let Some(header) = header {
            let like = Like::new(header);
            self.put(&lines::scenario(&header.scenario, &like))?;
            self.kept.scenarios.insert(header.scenario.clone(), like);
        }
        let drill = DrillFigures::new(score);
        self.put(&lines::drill(&drill))?;
        self.drills += 1;
        self.judge.add(&drill);
        if self.compared {
            self.kept.drills.push(drill);
        }
        Ok(())
    }

    fn put(&mut self, text: &str) -> Result<(), Failure> {
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|error| cannot_write(&self.path, &error))
    }

    fn finish(mut self) -> Result<(Judge, Results), Failure> {
        self.put(&lines::end(self.drills))?;
        let flushed = self.file.flush();
        flushed.map_err(|error| cannot_write(&self.path, &error))?;
        Ok((self.judge, self.kept))
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::environment(format!("cannot write {}: {error}", shown(path)))
}

/// The command that runs one of the drills again, to be pasted.
fn again(args: &Run, rules: &Rules, (scenario, seed): (&str, u64), seeded: &Seeded<'_>) -> String {
    let mut words = vec![
        "firedrill".to_owned(),
        "run".into(),
        "--engine".into(),
        "virtual".into(),
    ];
    words.extend(["--seed".to_owned(), seed.to_string()]);
    let named = |name: &str| name.strip_suffix(builtin::MARK).map(str::to_owned);
    for text in &rules.texts {
        // The default pack goes without saying.
        if named(&text.name).is_none() {
            words.extend(["--rules".to_owned(), text.name.clone()]);
        }
    }
    if let Some(file) = &args.routing.alertmanager {
        words.extend(["--alertmanager".to_owned(), file.display().to_string()]);
    }
    for severity in &args.rules.pages {
        words.extend(["--pages".to_owned(), severity.clone()]);
    }
    let mut scenarios = seeded.scenarios.iter().map(|(scenario, _)| *scenario);
    if let Some(scenario) = scenarios.find(|known| known.name() == scenario) {
        let file = scenario.file();
        words.push(named(file).unwrap_or_else(|| file.to_owned()));
    }
    let words: Vec<String> = words.iter().map(|word| pasted(word)).collect();
    words.join(" ")
}

/// Rules that were silent in all drills and cannot fire, as seen in one drill of each scenario, and what is to be said of them.
fn unfit(
    kept: &Kept,
    args: &Run,
    (rules, pack): (&Rules, &RulePack),
    seeded: &Seeded<'_>,
    style: Style,
) -> Result<(Vec<String>, String), Failure> {
    let dead = kept.dead();
    let mut explainer = Explainer::of_the_silent(&rules.set, &kept.fired);
    if !kept.any_proves || explainer.is_idle() {
        return Ok((Vec::new(), String::new()));
    }
    for first in (0..seeded.len()).step_by(args.trials as usize) {
        let plan = seeded.plan(first)?;
        let options = VirtualOptions::default();
        explainer.observe(&drill::simulate(&plan, rules, options, true));
    }
    let mut found = explainer.finish().of_the_unfit();
    found
        .rules
        .retain(|rule| !score::is_excused(rule, &rules.set, pack));
    // That one had no data in the drills looked at proves less than that it had some in others.
    let in_others = |rule: &RuleExplanation| {
        let alike = rules.set.alerts().filter(|alert| alert.name == rule.name);
        rule.state == RuleState::NoData && !dead.contains(&rule.name) && alike.count() == 1
    };
    found.rules.retain(|rule| !in_others(rule));
    if found.rules.is_empty() {
        return Ok((Vec::new(), String::new()));
    }
    let names = |unfit: bool| {
        let rules = found.rules.iter().filter(|rule| rule.is_unfit() == unfit);
        let names: BTreeSet<_> = rules.map(|rule| rule.name.clone()).collect();
        names.into_iter().collect::<Vec<String>>()
    };
    let (unfit, cut_short) = (names(true), names(false));
    let mut told = String::new();
    for (what, names) in [
        ("rules that cannot fire fail the gate", &unfit),
        ("rules that cannot fire in drills this short", &cut_short),
    ] {
        if !names.is_empty() {
            let names: Vec<_> = names.iter().map(|name| printable(name)).collect();
            told.push_str(&format!("{what}: {}\n", names.join(", ")));
        }
    }
    told.push_str(&render::terminal(&document::of_explanation(&found), style));
    Ok((unfit, told))
}

fn print(card: &TrialCard, json: bool, terminal: &Terminal) {
    if json {
        terminal.result(&render::json(&card.into()));
    } else {
        let document = document::of_trials(card);
        terminal.result(&render::terminal(&document, terminal.style()));
    }
}

fn write(dir: &Path, card: &TrialCard, plots: Option<PlotFormat>) -> io::Result<PathBuf> {
    let document = document::of_trials(card);
    let html = plots::report(&document, plots, dir)?;
    files::write(&dir.join("result.json"), &render::json(&card.into()))?;
    files::write(&dir.join("summary.md"), &render::markdown(&document))?;
    Ok(html)
}
