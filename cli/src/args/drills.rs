//! What runs drills: `run`, `plan`, `tune`, `fidelity`.

use super::common::seed;
use super::pace::{jobs, speed};
use super::shard::SHARDS;
use super::{
    AlertSources, Delivery, Gates, Jobs, Memory, PlotFormat, PlotFormats, Routing, Rules, Server,
    Sharding, Span, Speed, Target, View, World,
};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `run`.
#[derive(Debug, Args)]
#[command(after_long_help = SHARDS)]
pub struct Run {
    /// Scenarios: built-in names (see `firedrill list`), files, folders, @flagship, @benign, @all, or any other @TAG
    #[arg(value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
    /// Rules.
    #[command(flatten)]
    pub rules: Rules,
    /// Delivery.
    #[command(flatten)]
    pub delivery: Delivery,
    /// World.
    #[command(flatten)]
    pub world: World,
    /// Routing.
    #[command(flatten)]
    pub routing: Routing,
    /// Alerts.
    #[command(flatten)]
    pub alerts: AlertSources,
    /// What the drills run on
    #[arg(long, env = "FIREDRILL_ENGINE", value_enum, default_value_t = Engine::Live, value_name = "ENGINE")]
    pub engine: Engine,
    /// Drills of each scenario, each with a seed of its own; virtual engine only
    #[arg(long, env = "FIREDRILL_TRIALS", default_value_t = 1, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub trials: u32,
    /// Sharding.
    #[command(flatten)]
    pub sharding: Sharding,
    /// Memory.
    #[command(flatten)]
    pub memory: Memory,
    /// Virtual seconds per real second, or `auto`: what this machine bears, at most 60; 1 = real time; live engine only
    #[arg(
        long,
        env = "FIREDRILL_SPEED",
        default_value = "auto",
        value_parser = speed,
        value_name = "N"
    )]
    pub speed: Speed,
    /// Seed of every random stream, instead of the scenario's
    #[arg(long, env = "FIREDRILL_SEED", value_name = "N", allow_negative_numbers = true, value_parser = seed)]
    pub seed: Option<u64>,
    /// Drills side by side, or `auto`: live, each on its own Redis, as many as keep 60 % of the processors busy;
    /// virtual, one per core
    #[arg(long, env = "FIREDRILL_JOBS", default_value = "auto", value_parser = jobs, value_name = "N")]
    pub jobs: Jobs,
    /// Redis.
    #[command(flatten)]
    pub server: Server,
    /// Directory for records and reports
    #[arg(
        long,
        env = "FIREDRILL_OUT",
        default_value = "runs",
        value_name = "DIR"
    )]
    pub out: PathBuf,
    /// Live view.
    #[command(flatten)]
    pub view: View,
    /// Write every chart of the report as a file of its own, too, into `plots` beside it
    #[arg(long, value_parser = PlotFormats, value_name = "FORMAT")]
    pub plots: Option<PlotFormat>,
    /// Report only: missed incidents and false alarms do not fail the command
    #[arg(long)]
    pub no_gate: bool,
    /// Gates.
    #[command(flatten)]
    pub gates: Gates,
    /// Print the scorecard as JSON
    #[arg(long)]
    pub json: bool,
    /// Whose workers take part.
    #[command(flatten)]
    pub target: Target,
}

/// What drills run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// Real Redis, real worker processes, real faults, compressed time
    Live,
    /// The same plan and actors on a model of Redis, in virtual time: milliseconds a drill, same bytes for the same seed
    Virtual,
}

/// `plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// Scenarios: built-in names, files, folders or @TAGs
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
    /// World.
    #[command(flatten)]
    pub world: World,
    /// Seed, instead of the scenario's
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = seed)]
    pub seed: Option<u64>,
    /// Print the plan as JSON
    #[arg(long)]
    pub json: bool,
}

/// `tune`.
#[derive(Debug, Args)]
#[command(after_long_help = SHARDS)]
pub struct Tune {
    /// Scenarios, to be run under many seeds: built-in names, files, folders, @TAGs; or records, or the directories that
    /// hold them
    #[arg(required = true, value_name = "SCENARIO|RUN")]
    pub inputs: Vec<PathBuf>,
    /// Rules.
    #[command(flatten)]
    pub rules: Rules,
    /// Delivery.
    #[command(flatten)]
    pub delivery: Delivery,
    /// Routing.
    #[command(flatten)]
    pub routing: Routing,
    /// World.
    #[command(flatten)]
    pub world: World,
    /// What to vary: `ALERT.threshold=0.5..0.99`, `ALERT.for=1m..15m`, `ALERT.keep_firing_for=...`, with `/STEP` or as a
    /// list; or a value of the plan: `workers.NAME.processes=1..8`, `workers.NAME.concurrency=...`,
    /// `workload.TASK.rate=5/s..20/s`, `workload.TASK.service=250ms..2s`
    #[arg(long, required = true, value_name = "NAME=RANGE")]
    pub vary: Vec<String>,
    /// Virtual drills of each scenario, each with a seed of its own; every third confirms what the others propose
    #[arg(long, env = "FIREDRILL_TRIALS", default_value_t = 30, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub trials: u32,
    /// Sharding.
    #[command(flatten)]
    pub sharding: Sharding,
    /// First seed, instead of each scenario's own
    #[arg(long, env = "FIREDRILL_SEED", value_name = "N", allow_negative_numbers = true, value_parser = seed)]
    pub seed: Option<u64>,
    /// False alarms per quiet week that are acceptable [default: as few as any setting has]
    #[arg(long, value_name = "PER_WEEK")]
    pub budget: Option<f64>,
    /// Judge the whole rule pack under each setting, not only the varied alerts
    #[arg(long)]
    pub whole_pack: bool,
    /// Of the plan: name the first value with which the backlog is gone so soon in nine of ten drills
    #[arg(long, value_name = "DURATION")]
    pub drain_within: Option<Span>,
    /// Drills side by side [default: 1 per core]
    #[arg(long, env = "FIREDRILL_JOBS", default_value = "auto", value_parser = jobs, value_name = "N")]
    pub jobs: Jobs,
    /// Memory.
    #[command(flatten)]
    pub memory: Memory,
    /// Directory for the report and the changed rule files
    #[arg(
        long,
        env = "FIREDRILL_OUT",
        default_value = "runs",
        value_name = "DIR"
    )]
    pub out: PathBuf,
    /// What the charts of the report are written as, into `plots` beside it
    #[arg(long, value_parser = PlotFormats, default_value = "svg", value_name = "FORMAT")]
    pub plots: PlotFormat,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// What `fidelity` calls same, explained and different.
const FIDELITY: &str = "\
Same: within the tolerance that stands beside each number, with its reason.

Explained: not the same, but by what the live drill measured about itself and by chance. The model is run five more times on
the live drill's terms: round trips to Redis, for how long worker slots were held beyond their handlers' time, timer errors,
faults and remedies that took time. A verdict, an alert's transitions or a fault's time is explained when one of these drills comes to it; a
number or a curve when it lies between the model and those drills, or where chance would put one more of them (99 %).

Different: all else, and the exit code is 1. It is a defect of one of the engines, or a condition of the machine that nothing
measures: repeat the drill at a lower --speed to tell them apart.";

/// `fidelity`.
#[derive(Debug, Args)]
#[command(after_long_help = FIDELITY)]
pub struct Fidelity {
    /// Scenarios: built-in names (see `firedrill list`), files, folders, @flagship, @benign, @all, or any other @TAG; or
    /// records of live drills, which are not run again, and folders with such
    #[arg(value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
    /// Rules.
    #[command(flatten)]
    pub rules: Rules,
    /// Delivery.
    #[command(flatten)]
    pub delivery: Delivery,
    /// World.
    #[command(flatten)]
    pub world: World,
    /// Routing.
    #[command(flatten)]
    pub routing: Routing,
    /// Virtual seconds per real second of the live drills
    #[arg(
        long,
        env = "FIREDRILL_SPEED",
        default_value = "auto",
        value_parser = speed,
        value_name = "N"
    )]
    pub speed: Speed,
    /// Seed of every random stream, instead of the scenario's
    #[arg(long, env = "FIREDRILL_SEED", value_name = "N", allow_negative_numbers = true, value_parser = seed)]
    pub seed: Option<u64>,
    /// Live drills side by side, each on its own Redis, or `auto`: as many as keep 60 % of the processors busy
    #[arg(long, env = "FIREDRILL_JOBS", default_value = "auto", value_parser = jobs, value_name = "N")]
    pub jobs: Jobs,
    /// Redis.
    #[command(flatten)]
    pub server: Server,
    /// Directory for records and reports: they go to `fidelity/<UTC time>/` in it
    #[arg(
        long,
        env = "FIREDRILL_OUT",
        default_value = "runs",
        value_name = "DIR"
    )]
    pub out: PathBuf,
    /// Write every chart of the report as a file of its own, too, into `plots` beside it
    #[arg(long, value_parser = PlotFormats, value_name = "FORMAT")]
    pub plots: Option<PlotFormat>,
    /// Print the comparison as JSON
    #[arg(long)]
    pub json: bool,
}
