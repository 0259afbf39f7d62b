//! What looks at files that people write, and what is built in: `check`, `test`, `init`, `list`, `show`, `schema`, `faults`, `metrics`,
//! and help.

use super::{Dialect, Span, World};
use clap::{Args, Subcommand, ValueEnum};
use firedrill_reports::runbooks::Runbooks;
use std::path::PathBuf;

/// `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Scenarios, rule files (`groups:`, or PrometheusRule resources), worlds and gate files: files, folders, built-in names, @TAGs
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// World: names the metrics that rules ask for and it does not have.
    #[command(flatten)]
    pub world: World,
    /// An Alertmanager file: says whom each alert is sent to, and which of those whose severity pages reach nobody who is paged
    #[arg(long, env = "FIREDRILL_ALERTMANAGER", value_name = "FILE")]
    pub alertmanager: Option<PathBuf>,
    /// Records, or the directories that hold them: says what each rule saw in them, and why it cannot fire or always does
    #[arg(long, value_name = "RUN", num_args = 1..)]
    pub against: Vec<PathBuf>,
    /// How often Prometheus scrapes, which ranges and waits are held against [default: as the named scenarios and records have it,
    /// else 15s]
    #[arg(long, value_name = "DURATION")]
    pub scrape_interval: Option<Span>,
    /// How many exporters of asynq Prometheus scrapes: with several, sums that count each queue once for each of them are told
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub exporters: u32,
    /// Print what is found as JSON
    #[arg(long)]
    pub json: bool,
    /// Print what is found as SARIF 2.1.0, for code hosts that show it beside the lines
    #[arg(long, conflicts_with = "json")]
    pub sarif: bool,
    /// Warnings fail the check, too
    #[arg(long)]
    pub strict: bool,
    /// How rule files are read.
    #[command(flatten)]
    pub dialect: Dialect,
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
    /// Evaluate each group at its own `interval`, as a server does; promtool evaluates all at `evaluation_interval`
    #[arg(long)]
    pub honour_group_interval: bool,
    /// Show alerts that are not as expected as one text in colours, instead of both lists
    #[arg(long)]
    pub diff: bool,
    /// Tell when tests begin and end, and all samples at their end
    #[arg(long)]
    pub debug: bool,
    /// How rule files are read.
    #[command(flatten)]
    pub dialect: Dialect,
}

/// `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Where the files go
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
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
    /// Where alerts of the pack lead those who read them (`runbook_url`): the address of a page to whose headings they lead, or, with a
    /// `/` at its end, of a folder with a page for each; `firedrill help alerts` prints the page
    #[arg(long, value_name = "URL")]
    pub base_url: Option<Runbooks>,
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
    /// A scenario
    Scenario,
    /// `result.json`, which is also what `--json` prints of drills, trials, searches, comparisons and checks
    Result,
    /// A file for --gate
    Gates,
}

/// `faults`.
#[derive(Debug, Args)]
pub struct Faults {
    /// Only these faults and remedies, e.g. `redis.failover`
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
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
