//! Our side of the peers' comparison (`benches/peers/compare`): runs the model on an engine and prints one line of JSON.
//!
//! Its subcommands are what the comparison calls: `engines` lists what can be run, so that the comparison can say what is
//! missing; `run` measures one engine; `rules` runs a file of `promtool test rules` on our detector.

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use firedrill_benches::model::{Model, Run, Tally};
use firedrill_benches::{heap_loop, virtual_engine};
use firedrill_detector::unit_test::TestFile;
use firedrill_detector::{Compat, Problem, RuleFile, RuleSet};
use firedrill_reports::Watcher;
use firedrill_sim::drill;
use firedrill_sim::engine::Observation;
use firedrill_sim::engine::virtual_time::{self, VirtualOptions};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[derive(Parser)]
enum Command {
    /// List the engines, one a line.
    Engines,
    /// Run the model; times are measured without starting the process.
    Run(RunArguments),
    /// Run a test file of promtool on our detector.
    Rules {
        /// The test file.
        file: PathBuf,
    },
}

#[derive(clap::Args)]
struct RunArguments {
    engine: Engine,
    /// Simulated hours.
    #[arg(long, default_value_t = 24.0)]
    hours: f64,
    /// Tasks queued at the beginning.
    #[arg(long, default_value_t = 0)]
    backlog: usize,
    /// Scrape and evaluate these rules every 15 s, too.
    #[arg(long)]
    rules: Option<PathBuf>,
    /// Seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What can run the model.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Engine {
    /// The bare loop over a binary heap.
    Heap,
    /// firedrill's virtual engine: the actors of a live drill on a model of Redis, audit and histograms included.
    Virtual,
}

impl Engine {
    fn run(self, run: &Run, rules: Option<&RuleFile>) -> Result<Tally> {
        match self {
            Self::Heap if rules.is_some() => bail!("the heap loop exposes nothing to scrape"),
            Self::Heap => Ok(heap_loop::run(&Model::PEERS, run)),
            Self::Virtual => on_virtual_engine(&Model::PEERS, run, rules),
        }
    }
}

fn on_virtual_engine(model: &Model, run: &Run, rules: Option<&RuleFile>) -> Result<Tally> {
    let plan = virtual_engine::plan(model, run).map_err(report)?;
    let options = VirtualOptions {
        scrape: rules.is_some(),
        ..VirtualOptions::default()
    };
    let mut watcher = None;
    if let Some(file) = rules {
        let set = RuleSet::load(std::slice::from_ref(file), Compat::default()).map_err(report)?;
        watcher = Some(Watcher::new(set, &drill::virtual_header(&plan, None)));
    }
    let (_, counts) = virtual_time::run(&plan, options, &mut |observation| {
        match (observation, &mut watcher) {
            (Observation::Series { id, labels }, Some(watcher)) => watcher.series(id, &labels),
            (Observation::Scrape { at_ms, values, .. }, Some(watcher)) => {
                std::hint::black_box(watcher.numbered(at_ms, &values));
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(virtual_engine::tally(counts, run))
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::Engines => engines(),
        Command::Run(arguments) => run(&arguments)?,
        Command::Rules { file } => rules(&file)?,
    }
    Ok(())
}

fn engines() {
    let names = Engine::value_variants()
        .iter()
        .filter_map(ValueEnum::to_possible_value);
    for name in names {
        println!("{}", name.get_name());
    }
}

fn run(arguments: &RunArguments) -> Result<()> {
    let rules = arguments.rules.as_deref().map(read).transpose()?;
    let run = Run {
        simulated_s: arguments.hours * 3_600.0,
        warm_up_s: 0.0,
        backlog: arguments.backlog,
        seed: arguments.seed,
    };
    let start = Instant::now();
    let outcome = arguments.engine.run(&run, rules.as_ref())?;
    let wall_seconds = start.elapsed().as_secs_f64();
    let figures = json!({
        "events": outcome.events(),
        "simulated_seconds": run.simulated_s,
        "wall_seconds": wall_seconds,
        "mean_wait_seconds": outcome.mean_wait_s(),
    });
    println!("{figures}");
    Ok(())
}

fn rules(file: &Path) -> Result<()> {
    let start = Instant::now();
    let RuleFile { name, text } = read(file)?;
    let test = TestFile::parse(&name, &text).map_err(report)?;
    let beside = |name: &String| read(&file.with_file_name(name));
    let rules: Vec<RuleFile> = test
        .rule_files()
        .iter()
        .map(beside)
        .collect::<Result<_>>()?;
    // promtool 2.42 closes windows on both sides.
    let failures = test.run(&rules, Compat::V2).map_err(report)?;
    if let Some(failure) = failures.first() {
        bail!("{failure}");
    }
    println!(
        "{}",
        json!({ "wall_seconds": start.elapsed().as_secs_f64() })
    );
    Ok(())
}

fn report(problems: Vec<Problem>) -> anyhow::Error {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    anyhow::Error::msg(lines.join("\n"))
}

fn read(path: &Path) -> Result<RuleFile> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(RuleFile {
        name: path.display().to_string(),
        text,
    })
}
