//! One load, or the same again under other seeds: run, judged together, and told.

use super::command::command;
use super::{Stand, asked, queues, where_it_is, write};
use crate::args::{Load, Merge};
use crate::commands::gates::Gates;
use crate::commands::run::fresh;
use crate::drills::{live, shards};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs::results::FIGURES_FILE;
use crate::terminal::Terminal;
use firedrill_reports::figures::Results;
use firedrill_reports::gate::Gated;
use firedrill_reports::load::{self, JoinError, LoadHeader, LoadRecord};
use firedrill_reports::result::ResultFile;
use firedrill_reports::{document, render};
use firedrill_sim::files::{self, Fresh, LATEST, shown};
use firedrill_sim::load::LoadPlan;
use firedrill_sim::plan::Plan;
use firedrill_sim::scenario::Scenario;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The directory of a command's loads.
pub(super) struct Set {
    dir: Fresh,
    out: PathBuf,
    /// Those of repetitions.
    parts: Vec<Fresh>,
}

impl Set {
    /// Makes it, before anything is started.
    pub(super) fn new(out: &Path, load: &LoadPlan) -> Result<Self, Failure> {
        match load.shard {
            Some(shard) => {
                let dir = shards::dir(out, &live::stamp(SystemTime::now()), shard)?;
                let out = out.join("shards");
                let parts = Vec::new();
                Ok(Self { dir, out, parts })
            }
            None => Self::of_all(out, load.plan.seed),
        }
    }

    /// That of a whole load.
    fn of_all(out: &Path, seed: u64) -> Result<Self, Failure> {
        let out = out.join("load");
        let stamp = live::stamp(SystemTime::now());
        let dir = fresh(&out, &format!("{stamp}-{seed}"))?;
        Ok(Self {
            dir,
            out,
            parts: Vec::new(),
        })
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A directory within it.
    pub(super) fn part(&mut self, name: &str) -> Result<PathBuf, Failure> {
        let part = fresh(self.dir.path(), name)?;
        let path = part.path().to_owned();
        self.parts.push(part);
        Ok(path)
    }

    /// It is what `latest` means now.
    pub(super) fn is_latest(&self) -> io::Result<()> {
        files::link(&self.out.join(LATEST), self.dir.name())
    }
}

/// Runs what was asked for, as often as that was.
pub(super) fn run(
    stand: &Stand<'_>,
    load: &LoadPlan,
    gates: Gates,
    mut set: Set,
) -> Result<Exit, Failure> {
    let (args, terminal) = (stand.args, stand.terminal);
    let repeats = args.repeats.unwrap_or(1);
    terminal.say(format_args!(
        "load {}: {} s, seed {}; Redis: {}",
        load.plan.name,
        load.plan.duration_ms as f64 / 1e3,
        load.plan.seed,
        where_it_is(load, &stand.redis)
    ));
    if load.sides == firedrill_reports::load::Sides::Produce {
        terminal.say(format_args!(
            "tasks of type {:?} go to: {}",
            firedrill_sim::load::options::TASK,
            queues(load)
        ));
    }
    let (mut records, mut left) = (Vec::new(), None);
    for number in 0..repeats {
        let plan = match number {
            0 => load.clone(),
            _ => again(args, load, number)?,
        };
        let dir = match repeats {
            1 => set.dir().to_owned(),
            _ => set.part(&(number + 1).to_string())?,
        };
        let (record, incomplete) = stand.load(&plan, &dir)?;
        let stopped = record.facts.stopped || incomplete.is_some();
        records.push((record, dir));
        left = incomplete;
        if stopped {
            break;
        }
    }
    let told = told((args.json, terminal), gates, &set, &records);
    if let Some(mut left) = left {
        // What is left behind is said before all else.
        left.messages
            .extend(told.err().into_iter().flat_map(|error| error.messages));
        return Err(left);
    }
    let told = told?;
    if let Some(exit) = stand.signals.exit() {
        return Ok(exit);
    }
    let exit = match &load.shard {
        Some(_) if records.iter().any(|(record, _)| is_cut_short(record)) => {
            for trouble in records.iter().flat_map(|(record, _)| record.troubles()) {
                terminal.say(format_args!("inconclusive: {}", trouble.what));
            }
            Exit::Inconclusive
        }
        Some(shard) => {
            terminal.say(format_args!(
                "shard {shard} of a load: `firedrill merge` joins it with the others, and judges"
            ));
            Exit::Passed
        }
        None => told,
    };
    terminal.say(format_args!("exit code {}", terminal.with_lost(exit) as u8));
    Ok(exit)
}

/// Joins the shards of a load, and judges, prints and writes it as a load that was not parted.
pub(in crate::commands) fn joined(
    args: &Merge,
    dirs: &[PathBuf],
    mut gates: Gates,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let (dirs, older) = load::newest(dirs).map_err(Failure::usage)?;
    let first = dirs
        .first()
        .ok_or_else(|| Failure::usage("there is no shard"))?;
    let header = LoadHeader::read(first).map_err(Failure::usage)?;
    for dir in older {
        terminal.say(format_args!(
            "{}: an earlier time, which does not count; that of {} does",
            shown(&dir),
            header.started
        ));
    }
    let set = Set::of_all(&args.out, header.seed)?;
    let record = load::join(&dirs, set.dir()).map_err(|error| {
        // Of half a load nobody shall think that it is one.
        let _ = files::empty(set.dir());
        match error {
            JoinError::Missing { .. } => Failure {
                exit: Exit::Inconclusive,
                messages: vec![format!(
                    "{error} of the time that began {}; run the load again, all of it",
                    header.started
                )],
            },
            JoinError::Write { .. } => Failure::environment(error),
            error => Failure::usage(error),
        }
    })?;
    let header = &record.facts.header;
    let scenario = Scenario::parse("plan", &header.plan);
    let plan = scenario.and_then(|scenario| {
        Plan::resolve(
            &scenario,
            &firedrill_sim::scenario::PlanOptions { seed: None },
        )
    });
    let plan = plan.map_err(|found| Failure::problems(&found).about(&header.name))?;
    gates.scenario(&header.name, &plan.gates)?;
    let records = [(record, set.dir().to_owned())];
    told((args.json, terminal), gates, &set, &records)
}

/// Whether a shard did not do all of its part.
fn is_cut_short(record: &LoadRecord) -> bool {
    record.facts.stopped || record.troubles().next().is_some()
}

/// The same load under another seed.
fn again(args: &Load, load: &LoadPlan, number: u32) -> Result<LoadPlan, Failure> {
    let seed = load.plan.seed.wrapping_add(u64::from(number));
    match args.scenario.is_some() {
        false => asked::at_rate(args, None, seed),
        true => Ok(LoadPlan {
            command: command(args, seed),
            plan: Plan {
                seed,
                ..load.plan.clone()
            },
            ..load.clone()
        }),
    }
}

/// Judges, prints and writes what came of it. What was measured is written although it cannot be compared.
fn told(
    (json, terminal): (bool, &Terminal),
    gates: Gates,
    set: &Set,
    records: &[(LoadRecord, PathBuf)],
) -> Result<Exit, Failure> {
    let (mut judge, mut results) = (gates.judge.clone(), Results::default());
    for (record, _) in records {
        judge.add(&record.figures());
        results.add_load(record);
    }
    let gated = gates.gated(judge, &results, &[]);
    let asked_for = gated.as_ref().ok().filter(|gated| gated.is_asked_for());
    let (mut exits, mut printed) = (Vec::new(), Vec::new());
    let mut summary = String::new();
    let wrong =
        |error: io::Error| Failure::environment(format!("cannot write the report: {error}"));
    for (record, dir) in records {
        let document = document::of_load(record, asked_for);
        let passes = document::load_passes(record, asked_for);
        let result = ResultFile::of_load(record, asked_for);
        match json {
            true => printed.push(render::json(&result).trim_end().to_owned()),
            false => terminal.result(&render::terminal(&document, terminal.style())),
        }
        let html = write(dir, &document, &result).map_err(wrong)?;
        terminal.say(format_args!("report: {}", shown(&html)));
        summary.push_str(&render::markdown(&document));
        exits.push(Exit::of(passes));
    }
    match printed.as_slice() {
        [] => {}
        [one] => terminal.result(&format!("{one}\n")),
        several => terminal.result(&format!("[\n{}\n]\n", several.join(",\n"))),
    }
    let figures = set.dir().join(FIGURES_FILE);
    files::write(&figures, &results.text()).map_err(wrong)?;
    let is_part = |(record, _): &(LoadRecord, PathBuf)| {
        record.facts.stopped || record.facts.header.shard.is_some()
    };
    if !records.iter().any(is_part) {
        set.is_latest().map_err(Failure::environment)?;
    }
    gates.write(asked_for, &summary, terminal)?;
    gated.map(|gated| exit_of(&gated, &exits))
}

/// The worst of what single loads came to, and of what all of them did together.
fn exit_of(gated: &Gated, exits: &[Exit]) -> Exit {
    let single = exits.iter().copied();
    if gated.passes() == Some(false) {
        return Exit::GateFailed;
    }
    let worst = single.max().unwrap_or(Exit::Inconclusive);
    match gated.passes() {
        None if gated.is_asked_for() => Exit::Inconclusive.max(worst),
        _ => worst,
    }
}
