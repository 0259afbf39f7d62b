//! Many virtual drills of each scenario, under a seed each: only what they come to is kept. They may be spread over shards; then all
//! is as if they had not been.

mod kept;
mod unfit;

use crate::args::PlotFormat;
use crate::commands::gates::Gates;
use crate::commands::plots;
use crate::commands::run;
use crate::drills::live;
use crate::drills::shards::{self, Command, Joined, Sweep, Writer, cannot_write};
use crate::drills::simulate::{Lines, Seeded};
use crate::exit::Exit;
use crate::failure::{Failure, pasted};
use crate::in_order;
use crate::inputs::results::FIGURES_FILE;
use crate::signals::Signals;
use crate::terminal::Terminal;
use firedrill_detector::text::counted;
use firedrill_reports::figures::{DrillFigures, Like, Results, lines};
use firedrill_reports::gate::Judge;
use firedrill_reports::pack::RulePack;
use firedrill_reports::record::Header;
use firedrill_reports::shard::Shard;
use firedrill_reports::trials::TrialCard;
use firedrill_reports::{DrillScore, Replay, ScoreParams, document, render, score_drill};
use firedrill_sim::builtin;
use firedrill_sim::drill::{self, Rules};
use firedrill_sim::engine::virtual_time::VirtualOptions;
use firedrill_sim::files::{self, Fresh, LATEST, shown};
use kept::Kept;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Instant, SystemTime};

/// What was asked for.
pub(crate) struct Asked<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) pack: &'a RulePack,
    pub(crate) seeded: &'a Seeded<'a>,
    /// `--pages`.
    pub(crate) pages: &'a [String],
    /// `--out`.
    pub(crate) out: &'a Path,
    /// `--json`.
    pub(crate) json: bool,
    /// `--plots`.
    pub(crate) plots: Option<PlotFormat>,
}

/// All of them, here; `numbers`: of the drills.
pub(crate) fn all(
    asked: &Asked<'_>,
    gates: Gates,
    numbers: &[usize],
    threads: usize,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let dir = dir_of_all(asked.out)?;
    let (signals, started) = begin(asked, None, threads, terminal)?;
    let mut taken = Taken::new(asked, &dir, Some(&gates))?;
    simulate(
        asked,
        (numbers, threads),
        &signals.flag(),
        terminal,
        &mut |score| taken.add(&score),
    )?;
    if let Some(exit) = signals.exit() {
        return Ok(exit);
    }
    let seconds = started.elapsed().as_secs_f64();
    let took = |drills: usize| format!("{drills} drills in {seconds:.1} s");
    taken.judged(gates, &dir, &took, terminal)
}

/// One shard of them, which has these numbers: it judges nothing.
pub(crate) fn part(
    asked: &Asked<'_>,
    shard: Shard,
    numbers: &[usize],
    threads: usize,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let seeded = asked.seeded;
    let dir = shards::dir(asked.out, &live::stamp(SystemTime::now()), shard)?;
    let mut writer = Writer::create(dir.path(), shard, &asked.sweep()?)?;
    let (signals, started) = begin(asked, Some(shard), threads, terminal)?;
    let mut taken = Taken::new(asked, &dir, None)?;
    simulate(
        asked,
        (numbers, threads),
        &signals.flag(),
        terminal,
        &mut |score| {
            writer.add(&score)?;
            taken.add(&score)
        },
    )?;
    if let Some(exit) = signals.exit() {
        return Ok(exit);
    }
    let mut card = taken.kept.trials.card();
    card.shard = Some(shard);
    let (again, drills) = (taken.again(), taken.kept.drills);
    taken.figures.finish()?;
    print(&card, asked.json, terminal);
    let written = write(dir.path(), &card, asked.plots).map_err(Failure::environment)?;
    // The last thing: without it the shard counts as one that was cut off.
    writer.finish()?;
    terminal.say(format_args!("report: {}", shown(&written)));
    let seconds = started.elapsed().as_secs_f64();
    terminal.say(format_args!(
        "shard {shard}: {drills} of {} drills in {seconds:.1} s, for `firedrill merge` to join with the others and to judge{again}",
        seeded.len()
    ));
    Ok(Exit::Passed)
}

/// All of them, from shards that were run.
pub(crate) fn joined(
    asked: &Asked<'_>,
    joined: Joined,
    mut gates: Gates,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    gates.plans(asked.seeded.first_plans()?, "virtual")?;
    let dir = dir_of_all(asked.out)?;
    let mut taken = Taken::new(asked, &dir, Some(&gates))?;
    let count = joined.len();
    if let Err(failure) = joined.outcomes(&mut |_, score: DrillScore| taken.add(&score)) {
        // Of half the figures nobody shall think that they are all; the directory goes with them.
        let _ = files::empty(dir.path());
        return Err(failure);
    }
    let took = |drills: usize| format!("{drills} drills in {}", counted(count, "shard"));
    taken.judged(gates, &dir, &took, terminal)
}

fn dir_of_all(out: &Path) -> Result<Fresh, Failure> {
    run::fresh(&out.join("trials"), &live::stamp(SystemTime::now()))
}

/// Says what is about to happen.
fn begin(
    asked: &Asked<'_>,
    shard: Option<Shard>,
    threads: usize,
    terminal: &Terminal,
) -> Result<(Signals, Instant), Failure> {
    let signals = Signals::listen()?;
    terminal.started();
    let part = shard.map_or(String::new(), |shard| format!("shard {shard} of "));
    terminal.say(format_args!(
        "{part}{}: {} under {}, {threads} at a time",
        counted(asked.seeded.len(), "virtual drill"),
        counted(asked.seeded.scenarios.len(), "scenario"),
        counted(asked.seeded.trials, "seed"),
    ));
    Ok((signals, Instant::now()))
}

/// Runs drills and hands their scores over, in order.
fn simulate(
    asked: &Asked<'_>,
    (numbers, threads): (&[usize], usize),
    abort: &AtomicBool,
    terminal: &Terminal,
    take: &mut (dyn FnMut(DrillScore) -> Result<(), Failure> + Send),
) -> Result<(), Failure> {
    let lines = Lines::new(terminal, numbers.len());
    let drill = |index: usize| {
        let plan = asked.seeded.plan(numbers[index])?;
        let options = VirtualOptions {
            abort: Some(abort),
            ..VirtualOptions::default()
        };
        let record = drill::simulate(&plan, asked.rules, options, false);
        let replay = Replay::recorded(&record);
        Ok(score_drill(
            &record,
            &replay,
            asked.pack,
            &ScoreParams::default(),
        ))
    };
    let mut wrong: Option<Failure> = None;
    let mut done = 0;
    let mut keep = |scored: Result<DrillScore, Failure>| {
        if let Err(failure) = scored.and_then(&mut *take) {
            wrong = wrong.take().or(Some(failure));
        }
        done += 1;
        lines.tell(done);
    };
    in_order::fold(numbers.len(), threads, abort, &drill, &mut keep);
    wrong.map_or(Ok(()), Err)
}

impl Asked<'_> {
    /// What all shards have in common.
    fn sweep(&self) -> Result<Sweep, Failure> {
        let first = self.seeded.first_plans()?;
        let command = Command::Run {
            files: first.iter().map(|(_, file)| file.clone()).collect(),
            pages: self.pages.to_vec(),
        };
        let headers = first
            .iter()
            .map(|(plan, _)| drill::virtual_header(plan, Some(self.rules)));
        let (trials, drills) = (self.seeded.trials, self.seeded.len());
        Ok(Sweep::new(command, trials, drills, headers.collect()))
    }

    /// The command that runs one of the drills again, to be pasted.
    fn again(&self, scenario: &str, seed: u64) -> String {
        let mut words = vec![
            "firedrill".to_owned(),
            "run".into(),
            "--engine".into(),
            "virtual".into(),
        ];
        words.extend(["--seed".to_owned(), seed.to_string()]);
        let named = |name: &str| name.strip_suffix(builtin::MARK).map(str::to_owned);
        for text in &self.rules.texts {
            // The default pack goes without saying.
            if named(&text.name).is_none() {
                words.extend(["--rules".to_owned(), text.name.clone()]);
            }
        }
        if let Some(file) = &self.rules.alertmanager {
            words.extend(["--alertmanager".to_owned(), file.name.clone()]);
        }
        for severity in self.pages {
            words.extend(["--pages".to_owned(), severity.clone()]);
        }
        let mut scenarios = self.seeded.scenarios.iter().map(|(scenario, _)| *scenario);
        if let Some(scenario) = scenarios.find(|known| known.name() == scenario) {
            let file = scenario.file();
            words.push(named(file).unwrap_or_else(|| file.to_owned()));
        }
        let words: Vec<String> = words.iter().map(|word| pasted(word)).collect();
        words.join(" ")
    }
}

/// What drills came to so far.
struct Taken<'a> {
    asked: &'a Asked<'a>,
    kept: Kept,
    figures: Figures,
}

impl<'a> Taken<'a> {
    fn new(asked: &'a Asked<'a>, dir: &Fresh, gates: Option<&Gates>) -> Result<Self, Failure> {
        let first = asked.seeded.first_plans()?;
        let headers = first
            .iter()
            .map(|(plan, _)| drill::virtual_header(plan, None));
        Ok(Self {
            asked,
            kept: Kept::default(),
            figures: Figures::create(dir.path(), headers, gates)?,
        })
    }

    fn add(&mut self, score: &DrillScore) -> Result<(), Failure> {
        self.kept.add(score);
        self.figures.add(score)
    }

    /// The end of what is said: how the first drill that did not pass is run again.
    fn again(&self) -> String {
        let other = self.kept.first_other.as_ref();
        other.map_or(String::new(), |(scenario, seed)| {
            let again = self.asked.again(scenario, *seed);
            format!("; the first that did not pass, again:\n{again}")
        })
    }

    /// Judges all, prints and writes it; `took`: how many drills there were, and where from.
    fn judged(
        self,
        mut gates: Gates,
        dir: &Fresh,
        took: &dyn Fn(usize) -> String,
        terminal: &Terminal,
    ) -> Result<Exit, Failure> {
        let (asked, again) = (self.asked, self.again());
        let (unfit, told) = unfit::unfit(&self.kept, asked, terminal.style())?;
        for (scenario, _) in &asked.seeded.scenarios {
            gates.rules(&asked.rules.set, asked.pack, scenario.causes());
        }
        let mut card = self.kept.trials.card();
        let (judge, new) = self.figures.finish()?;
        let gated = gates.gated(judge, &new, &unfit)?;
        let exit = Exit::of(gated.passes());
        card.gated = Some(gated);
        print(&card, asked.json, terminal);
        let latest = asked.out.join("trials").join(LATEST);
        let written = write(dir.path(), &card, asked.plots)
            .and_then(|html| files::link(&latest, dir.name()).map(|()| html))
            .map_err(Failure::environment)?;
        terminal.say(format_args!("report: {}", shown(&written)));
        terminal.say_rendered(&told);
        gates.write(
            card.gated.as_ref(),
            &render::markdown(&document::of_trials(&card)),
            terminal,
        )?;
        terminal.say(format_args!("{}{again}", took(self.kept.drills)));
        Ok(exit)
    }
}

/// The figures of many drills, written as they come: what gates need of them is kept, and all of them only where they are compared.
struct Figures {
    path: PathBuf,
    file: BufWriter<File>,
    drills: usize,
    judge: Judge,
    compared: bool,
    kept: Results,
    /// Scenarios that stand in the file.
    told: BTreeSet<String>,
}

impl Figures {
    /// Begins the file; `headers`: of the first drill of each scenario. Without gates nothing is kept for them.
    fn create(
        dir: &Path,
        headers: impl Iterator<Item = Header>,
        gates: Option<&Gates>,
    ) -> Result<Self, Failure> {
        let path = dir.join(FIGURES_FILE);
        let file = File::create_new(&path).map_err(|error| cannot_write(&path, &error))?;
        let mut figures = Self {
            path,
            file: BufWriter::new(file),
            drills: 0,
            judge: gates.map_or_else(Judge::default, |gates| gates.judge.clone()),
            compared: gates.is_some_and(Gates::compares),
            kept: Results::default(),
            told: BTreeSet::new(),
        };
        for header in headers {
            let like = Like::new(&header);
            figures.kept.scenarios.insert(header.scenario, like);
        }
        figures.put(&lines::begin())?;
        Ok(figures)
    }

    /// Takes a drill in.
    fn add(&mut self, score: &DrillScore) -> Result<(), Failure> {
        if !self.told.contains(&score.scenario) {
            let like = self.kept.scenarios.get(&score.scenario);
            let like = like.ok_or_else(|| {
                Failure::usage(format!("{}: a drill of another command", score.scenario))
            })?;
            let line = lines::scenario(&score.scenario, like);
            self.told.insert(score.scenario.clone());
            self.put(&line)?;
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
