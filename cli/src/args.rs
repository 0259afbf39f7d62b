//! What can be typed; no behaviour.

pub mod asynq;
pub mod learn;
mod pace;

pub use pace::{Jobs, Speed};

use crate::exit;
use clap::{Args, Parser, Subcommand, ValueEnum};
use firedrill_asynq::broker::redis::address::{Address, AddressError};
use firedrill_sim::estimate::Size;
use firedrill_sim::owner::Owner;
use pace::{jobs, speed};
use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;

/// Replays job-queue incidents against real Redis and scores the alert rules that should see them.
#[derive(Debug, Parser)]
#[command(name = "firedrill", version, after_help = exit::HELP, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do; nothing: say what to try first.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// When to colour the output.
    #[arg(long, value_enum, default_value_t = Colour::Auto, global = true, value_name = "WHEN")]
    pub color: Colour,
    /// Only results and errors, no progress.
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Replay incidents, live or simulated, and print the scorecard
    Run(Run),
    /// List the scenarios and rules that are built in
    List(List),
    /// Print a built-in scenario or rule pack as it is written
    Show(Show),
    /// Write a drill, a rule file and a CI file to begin with; nothing that is there is touched
    Init(Init),
    /// Check scenario, rule and world files; nothing is started
    Check(Check),
    /// Show what a scenario would do, with every default filled and every undo step
    Plan(Plan),
    /// Run unit tests of rules, as `promtool test` does
    Test(Test),
    /// Score recorded drills again, under the same or other rules
    Score(Score),
    /// Name the cause of each incident in recorded drills, with evidence and remedy
    Diagnose(Diagnose),
    /// Search alert settings, or values of the plan, on many virtual drills; proposes a setting
    Tune(Tune),
    /// Write the HTML report of recorded drills
    Report(Report),
    /// Run scenarios on both engines, live and virtual, and report the differences
    Fidelity(Fidelity),
    /// List what can be done to a system in a drill, and what an operator can do about it
    Faults(Faults),
    /// List every metric that a Prometheus sees in a drill, with its labels and meaning
    Metrics(Metrics),
    /// Learn a world and a scenario from what your own Prometheus has
    Learn(learn::Learn),
    /// Print the JSON Schema of a file people write, for editors
    Schema(Schema),
    /// Look at asynq's queues and tasks and put them right, with the grammar of asynq's own command line
    #[command(disable_help_flag = true)]
    Asynq(asynq::Asynq),
    /// Undo what a killed firedrill left behind: processes, directories, pauses, keys
    Clean(Clean),
    /// Print shell completions
    Completions(Completions),
    /// Print the manual page (roff)
    Man,
    /// Explain a command, or what the columns say: `help run`, `help scorecard`
    Help(Help),
    /// (internal) an asynq worker process of a drill
    #[command(hide = true)]
    Worker,
    /// (internal) ties a child process to the life of its parent
    #[command(hide = true)]
    Guard(Guard),
    /// (internal) removes a container when its owner is gone
    #[command(hide = true)]
    Reap(Reap),
    /// (internal) undoes what a firedrill did that was killed
    #[command(hide = true)]
    Undertake(Undertake),
}

/// `faults`.
#[derive(Debug, Args)]
pub struct Faults {
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// `metrics`.
#[derive(Debug, Args)]
pub struct Metrics {
    /// World.
    #[command(flatten)]
    pub world: World,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// `schema`.
#[derive(Debug, Args)]
pub struct Schema {
    /// Of which file
    #[arg(value_enum, value_name = "FILE")]
    pub of: SchemaOf,
}

/// The files with a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// A scenario.
    Scenario,
}

/// Where the rules come from.
#[derive(Debug, Args)]
pub struct Rules {
    /// Prometheus rule files to judge: files, folders, patterns; those that stand among the scenarios count, too
    /// [default: the runbook's rules, which are built in]
    #[arg(
        long = "rules",
        env = "FIREDRILL_RULES",
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub files: Vec<PathBuf>,
    /// Severities that count as a page; replaces what the rule files say
    #[arg(long, value_name = "SEVERITY", value_delimiter = ',')]
    pub pages: Vec<String>,
}

/// What a Prometheus sees of the fleet.
#[derive(Debug, Clone, Default, Args)]
pub struct World {
    /// What Prometheus sees of the fleet, instead of the scenario's `world`: the name of one inside the binary (`firedrill metrics` lists them), or a file
    #[arg(long, env = "FIREDRILL_WORLD", value_name = "WORLD")]
    pub world: Option<PathBuf>,
}

/// How alerts that fire reach a person.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Delivery {
    /// Alertmanager's group_wait: from the first firing of an alert to its notification, on which `within` is judged
    /// [default: 30s; of a record, as it was]
    #[arg(long, env = "FIREDRILL_GROUP_WAIT", value_name = "DURATION")]
    pub group_wait: Option<Wait>,
    /// Alertmanager's group_interval: between notifications of an alert that is still there
    /// [default: 5m; of a record, as it was]
    #[arg(long, env = "FIREDRILL_GROUP_INTERVAL", value_name = "DURATION")]
    pub group_interval: Option<Span>,
}

/// Who is sent what, by a team's own file.
#[derive(Debug, Clone, Default, Args)]
pub struct Routing {
    /// An Alertmanager file that says who is sent what, and when, instead of severities: routes, groups, inhibition rules, time
    /// intervals. A comment in it says which receivers page: `# firedrill: pages = pagerduty-*`
    #[arg(
        long,
        env = "FIREDRILL_ALERTMANAGER",
        value_name = "FILE",
        conflicts_with_all = ["pages", "group_wait", "group_interval"]
    )]
    pub alertmanager: Option<PathBuf>,
}

/// A span of virtual time that may be nothing, such as `0s` or `30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(
    /// Milliseconds.
    pub i64,
);

impl std::str::FromStr for Wait {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ms = firedrill_sim::units::parse(text).filter(|ms| *ms >= 0);
        ms.map(Self)
            .ok_or_else(|| "a duration such as `0s` or `30s`".to_owned())
    }
}

/// `run`.
#[derive(Debug, Args)]
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
    /// What the drills run on
    #[arg(long, env = "FIREDRILL_ENGINE", value_enum, default_value_t = Engine::Live, value_name = "ENGINE")]
    pub engine: Engine,
    /// Drills of each scenario, each with a seed of its own; virtual engine only
    #[arg(long, env = "FIREDRILL_TRIALS", default_value_t = 1, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub trials: u32,
    /// Most memory that virtual drills may need; more is refused before they begin
    #[arg(
        long,
        env = "FIREDRILL_MAX_MEMORY",
        default_value = "4GiB",
        value_name = "SIZE"
    )]
    pub max_memory: Size,
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
    /// Where to get Redis: `auto` (a redis-server or valkey-server on PATH, else Docker), `local`, `docker`, or the address
    /// of an empty one: host:port, redis://user:password@host:port/db (rediss:// for TLS: ?cacert=FILE&sni=NAME...),
    /// unix:///path?db=n, redis-cluster://host:port,host:port, redis-sentinel://host:port,host:port/master/db
    #[arg(long, env = "FIREDRILL_REDIS", hide_env_values = true, value_parser = redis, default_value = "auto", value_name = "WHERE")]
    pub redis: Redis,
    /// Image for the Docker way
    #[arg(
        long,
        env = "FIREDRILL_REDIS_IMAGE",
        default_value = "redis:7",
        value_name = "IMAGE"
    )]
    pub redis_image: String,
    /// Directory for records and reports
    #[arg(
        long,
        env = "FIREDRILL_OUT",
        default_value = "runs",
        value_name = "DIR"
    )]
    pub out: PathBuf,
    /// Report only: missed incidents and false alarms do not fail the command
    #[arg(long)]
    pub no_gate: bool,
    /// Print the scorecard as JSON
    #[arg(long)]
    pub json: bool,
}

/// What drills run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// Real Redis, real worker processes, real faults, compressed time
    Live,
    /// The same plan and actors on a model of Redis, in virtual time: milliseconds a drill, same bytes for the same seed
    Virtual,
}

/// Where a drill's Redis comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redis {
    /// A redis-server or valkey-server on PATH, else Docker.
    Auto,
    /// A redis-server or valkey-server on PATH.
    Local,
    /// A container.
    Docker,
    /// One that runs already.
    Given(Box<Address>),
    /// An address that cannot be read. Told by the command: a parser's errors repeat what was typed, passwords included.
    Unreadable(AddressError),
}

/// Reads `--redis`.
fn redis(text: &str) -> Result<Redis, Infallible> {
    Ok(match text {
        "auto" => Redis::Auto,
        "local" => Redis::Local,
        "docker" => Redis::Docker,
        _ => match text.parse() {
            Ok(address) => Redis::Given(Box::new(address)),
            Err(error) => Redis::Unreadable(error),
        },
    })
}

/// `list`.
#[derive(Debug, Args)]
pub struct List {
    /// Print the list as JSON
    #[arg(long)]
    pub json: bool,
}

/// `show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Name of a built-in scenario or rule pack
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Where the files go
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
}

/// `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// For which shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// `help`.
#[derive(Debug, Args)]
pub struct Help {
    /// A command, or `scorecard`
    #[arg(value_name = "COMMAND|scorecard")]
    pub about: Vec<String>,
}

/// Reads `--seed`.
fn seed(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("must be a whole number from 0 to {}", u64::MAX))
}

/// `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Scenarios, rule files (`groups:`, or PrometheusRule resources) and worlds: files, folders, built-in names, @TAGs
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// World: names the metrics that rules ask for and it does not have.
    #[command(flatten)]
    pub world: World,
    /// Records, or the directories that hold them: says what each rule saw in them, and why it cannot fire or always does
    #[arg(long, value_name = "RUN", num_args = 1..)]
    pub against: Vec<PathBuf>,
    /// Print what is found in the records as JSON
    #[arg(long, requires = "against")]
    pub json: bool,
    /// Warnings fail the check, too
    #[arg(long)]
    pub strict: bool,
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

/// `test`.
#[derive(Debug, Args)]
pub struct Test {
    /// What to test.
    #[command(subcommand)]
    pub what: Tested,
    /// Also write the results to this file as JUnit XML
    #[arg(long, global = true, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

/// What can be tested.
#[derive(Debug, Subcommand)]
pub enum Tested {
    /// Run test files of `promtool test rules`, with its output and exit codes
    Rules(TestRules),
}

/// `test rules`.
#[derive(Debug, Args)]
pub struct TestRules {
    /// Test files; the rule files they name are relative to them
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Run only tests whose names the regular expression matches; may be given several times
    #[arg(long, value_name = "REGEX")]
    pub run: Vec<String>,
    /// Prometheus generation to agree with
    #[arg(long, value_enum, default_value_t = Generation::V3, value_name = "VERSION")]
    pub compat: Generation,
    /// Evaluate each group at its own `interval`, as a server does; promtool evaluates all at `evaluation_interval`
    #[arg(long)]
    pub honour_group_interval: bool,
    /// Show alerts that are not as expected as one text in colours, instead of both lists
    #[arg(long)]
    pub diff: bool,
    /// Tell when tests begin and end, and all samples at their end
    #[arg(long)]
    pub debug: bool,
    /// Accept unknown keys in rule files
    #[arg(long)]
    pub ignore_unknown_fields: bool,
    /// Features of Prometheus to enable, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME")]
    pub enable_feature: Vec<Feature>,
}

/// A feature of Prometheus that has to be enabled there, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Feature {
    /// Experimental functions, such as `mad_over_time`
    PromqlExperimentalFunctions,
}

/// A Prometheus generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Generation {
    /// As Prometheus 2.42
    V2,
    /// As Prometheus 3.14
    V3,
}

/// `score`.
#[derive(Debug, Args)]
pub struct Score {
    /// Records, or the directories that hold them
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Rule files to judge, instead of those in the record: files, folders, patterns
    #[arg(long = "rules", value_name = "FILE", value_delimiter = ',')]
    pub rules: Vec<PathBuf>,
    /// Severities that count as a page; replaces what the rule files say
    #[arg(long, value_name = "SEVERITY", value_delimiter = ',')]
    pub pages: Vec<String>,
    /// Delivery.
    #[command(flatten)]
    pub delivery: Delivery,
    /// Routing.
    #[command(flatten)]
    pub routing: Routing,
    /// Missed incidents and false alarms do not fail the command
    #[arg(long)]
    pub no_gate: bool,
    /// Print the scorecard as JSON
    #[arg(long)]
    pub json: bool,
}

/// `tune`.
#[derive(Debug, Args)]
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
    /// What to vary: `ALERT.threshold=0.5..0.99`, `ALERT.for=1m..15m`, `ALERT.keep_firing_for=...`, with `/STEP` or as a
    /// list; or a value of the plan: `workers.NAME.processes=1..8`, `workers.NAME.concurrency=...`,
    /// `workload.TASK.rate=5/s..20/s`, `workload.TASK.service=250ms..2s`
    #[arg(long, required = true, value_name = "NAME=RANGE")]
    pub vary: Vec<String>,
    /// Virtual drills of each scenario, each with a seed of its own; every third confirms what the others propose
    #[arg(long, env = "FIREDRILL_TRIALS", default_value_t = 30, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub trials: u32,
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
    /// Most memory that virtual drills may need; more is refused before they begin
    #[arg(
        long,
        env = "FIREDRILL_MAX_MEMORY",
        default_value = "4GiB",
        value_name = "SIZE"
    )]
    pub max_memory: Size,
    /// Directory for the report and the changed rule files
    #[arg(
        long,
        env = "FIREDRILL_OUT",
        default_value = "runs",
        value_name = "DIR"
    )]
    pub out: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// A span of virtual time, such as `10m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(
    /// Milliseconds.
    pub i64,
);

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ms = firedrill_sim::units::parse(text).filter(|ms| *ms > 0);
        ms.map(Self)
            .ok_or_else(|| "a duration such as `90s` or `10m`".to_owned())
    }
}

/// `diagnose`.
#[derive(Debug, Args)]
pub struct Diagnose {
    /// Records, or the directories that hold them
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Rule files whose first page is the moment to ask, instead of those in the record: files, folders, patterns
    #[arg(long = "rules", value_name = "FILE", value_delimiter = ',')]
    pub rules: Vec<PathBuf>,
    /// Severities that count as a page; replaces what the rule files say
    #[arg(long, value_name = "SEVERITY", value_delimiter = ',')]
    pub pages: Vec<String>,
    /// Delivery.
    #[command(flatten)]
    pub delivery: Delivery,
    /// Routing.
    #[command(flatten)]
    pub routing: Routing,
    /// Print what is found as JSON
    #[arg(long)]
    pub json: bool,
}

/// `report`.
#[derive(Debug, Args)]
pub struct Report {
    /// Records, or the directories that hold them
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Rule files to judge, instead of those in the record: files, folders, patterns
    #[arg(long = "rules", value_name = "FILE", value_delimiter = ',')]
    pub rules: Vec<PathBuf>,
    /// Severities that count as a page; replaces what the rule files say
    #[arg(long, value_name = "SEVERITY", value_delimiter = ',')]
    pub pages: Vec<String>,
    /// Delivery.
    #[command(flatten)]
    pub delivery: Delivery,
    /// Routing.
    #[command(flatten)]
    pub routing: Routing,
    /// The file to write; `-` for standard output
    #[arg(long, short, default_value = "report.html", value_name = "FILE")]
    pub out: PathBuf,
}

/// `fidelity`.
#[derive(Debug, Args)]
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
    /// Where to get Redis: `auto` (a redis-server or valkey-server on PATH, else Docker), `local`, `docker`, or the address
    /// of an empty one: host:port, redis://user:password@host:port/db (rediss:// for TLS: ?cacert=FILE&sni=NAME...),
    /// unix:///path?db=n, redis-cluster://host:port,host:port, redis-sentinel://host:port,host:port/master/db
    #[arg(long, env = "FIREDRILL_REDIS", hide_env_values = true, value_parser = redis, default_value = "auto", value_name = "WHERE")]
    pub redis: Redis,
    /// Image for the Docker way
    #[arg(
        long,
        env = "FIREDRILL_REDIS_IMAGE",
        default_value = "redis:7",
        value_name = "IMAGE"
    )]
    pub redis_image: String,
    /// Directory for records and reports: they go to `fidelity/<UTC time>/` in it
    #[arg(
        long,
        env = "FIREDRILL_OUT",
        default_value = "runs",
        value_name = "DIR"
    )]
    pub out: PathBuf,
    /// Print the comparison as JSON
    #[arg(long)]
    pub json: bool,
}

/// `clean`.
#[derive(Debug, Args)]
pub struct Clean {
    /// Only list what would be ended and removed
    #[arg(long)]
    pub list: bool,
    /// A Redis in which a drill has left keys; for one with a password, or one that another machine's drill was on
    #[arg(long, env = "FIREDRILL_REDIS", hide_env_values = true, value_parser = redis, value_name = "URL")]
    pub redis: Option<Redis>,
    /// No longer try to remove what a drill left in this Redis, which is gone for good; nothing in it is touched
    #[arg(long, value_parser = redis, value_name = "URL", conflicts_with = "list")]
    pub forget: Option<Redis>,
}

/// `reap`.
#[derive(Debug, Args)]
pub struct Reap {
    /// Name of the container.
    #[arg(long)]
    pub container: String,
    /// The program that removes it.
    #[arg(long)]
    pub docker: PathBuf,
}

/// `undertake`.
#[derive(Debug, Args)]
pub struct Undertake {
    /// The firedrill whose end is waited for.
    #[arg(long, value_parser = str::parse::<Owner>)]
    pub owner: Owner,
}

/// `guard`.
#[derive(Debug, Args)]
pub struct Guard {
    /// Process id of the parent.
    #[arg(long)]
    pub parent: u32,
    /// Program and arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub command: Vec<OsString>,
}

impl Delivery {
    /// Whether anything was said.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.group_wait.is_some() || self.group_interval.is_some()
    }

    /// As parameters of scoring: what was said here goes before what a record's header says.
    #[must_use]
    pub fn params(&self) -> firedrill_reports::ScoreParams {
        firedrill_reports::ScoreParams {
            group_wait_ms: self.group_wait.map(|wait| wait.0),
            group_interval_ms: self.group_interval.map(|interval| interval.0),
            ..firedrill_reports::ScoreParams::default()
        }
    }

    /// For new drills: what was not said is as Alertmanager has it.
    #[must_use]
    pub fn of_new_drills(&self) -> firedrill_reports::score::Delivery {
        let default = firedrill_reports::score::Delivery::default();
        firedrill_reports::score::Delivery {
            group_wait_ms: self.group_wait.map_or(default.group_wait_ms, |wait| wait.0),
            group_interval_ms: self
                .group_interval
                .map_or(default.group_interval_ms, |interval| interval.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
