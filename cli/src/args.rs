//! What can be typed; no behaviour.

mod alerts;
pub mod asynq;
mod common;
mod diagnose;
mod drills;
mod export;
mod files;
mod gates;
mod learn;
mod load;
mod pace;
mod proven;
mod records;
mod rehearse;
mod runbook;
mod shard;
mod suggest;
mod target;
mod upkeep;
mod view;
mod watch;

pub use alerts::{AlertSources, ListenOn};
pub use common::{
    Delivery, Dialect, Feature, Generation, Memory, Redis, Routing, Rules, Server, Span, Wait,
    World,
};
pub use diagnose::{Diagnose, Live, Metrics as MetricsPage};
pub use drills::{Engine, Fidelity, Plan, Run, Tune};
pub use export::{
    Export, ExportCsv, ExportKind, ExportOpenmetrics, ExportPlots, ExportPromtool, PlotFormat,
    PlotFormats, Table,
};
pub use files::{
    Check, Completions, Faults, Help, Init, List, Metrics, Schema, SchemaOf, Show, Test, TestRules,
    Tested,
};
pub use gates::{Compare, Gates, Host, Outputs};
pub use learn::Learn;
pub use load::Load;
pub use pace::{Jobs, Speed};
pub use proven::{Proof, Proven};
pub use records::{Judged, Recorded, Report, Score};
pub use rehearse::Rehearse;
pub use runbook::{Alerts, Known, Runbook, RunbookCheck, RunbookCommand};
pub use shard::{Merge, Sharding};
pub use suggest::Suggest;
pub use target::{Target, ToxiproxyName, Variable, WorkerCommand};
pub use upkeep::{Clean, Guard, Reap, Undertake};
pub use view::View;
pub use watch::{Receiver, Watch};

use crate::exit;
use clap::{Parser, Subcommand, ValueEnum};

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
    Run(Box<Run>),
    /// List the scenarios and rules that are built in
    List(List),
    /// Print a built-in scenario or rule pack as it is written
    Show(Show),
    /// Write a drill, a rule file and a CI file to begin with; nothing that is there is touched
    Init(Init),
    /// Check scenario, rule and world files; nothing is started
    Check(Check),
    /// Find out how much a queue takes and what a task waits: a load test on real Redis and real workers
    Load(Box<Load>),
    /// Show what a scenario would do, with every default filled and every undo step
    Plan(Plan),
    /// Run unit tests of rules, as `promtool test` does
    Test(Test),
    /// Score recorded drills again, under the same or other rules
    Score(Score),
    /// Name what is wrong, with evidence and remedy: in a fleet that is running, or of each incident in recorded drills
    Diagnose(Diagnose),
    /// Search alert settings, or values of the plan, on many virtual drills; proposes a setting
    Tune(Tune),
    /// Find the fewest rules that catch what a rule pack misses, as a diff
    Suggest(Suggest),
    /// Join the shards of a command that was spread over processes or machines, and judge them together
    Merge(Merge),
    /// Compare two runs: what got worse, and how sure that is
    Compare(Compare),
    /// Write the HTML report of recorded drills
    Report(Report),
    /// Write recorded drills for other tools: tests of rules for promtool, samples for Prometheus, a Grafana dashboard, tables
    Export(Export),
    /// Run scenarios on both engines, live and virtual, and report the differences
    Fidelity(Fidelity),
    /// List what can be done to a system in a drill, and what an operator can do about it
    Faults(Faults),
    /// List every metric that a Prometheus sees in a drill, with its labels and meaning
    Metrics(Metrics),
    /// Learn a world and a scenario from what your own Prometheus has
    Learn(Learn),
    /// Print the JSON Schema of a file people write, for editors
    Schema(Schema),
    /// Look at asynq's queues and tasks and put them right, with the grammar of asynq's own command line
    #[command(disable_help_flag = true)]
    Asynq(asynq::Asynq),
    /// Evaluate rules on a queue that is running, read-only, and send what fires to Alertmanager or a webhook
    Watch(Watch),
    /// Rehearse an incident in real time, with the people who would be paged: a clock, a runbook, a post-mortem
    Rehearse(Box<Rehearse>),
    /// Say of each alert when it was last seen to work, by the drills that are kept
    Proven(Proven),
    /// Try the commands of a runbook, without changing anything
    Runbook(Runbook),
    /// Undo what a killed firedrill left behind: processes, directories, pauses, keys
    Clean(Clean),
    /// Print shell completions
    Completions(Completions),
    /// Print the manual page (roff)
    Man,
    /// Explain a command, what the columns say, or what gates are: `help run`, `help scorecard`, `help gates`, `help alerts`
    Help(Help),
    /// (internal) an asynq worker process of a drill
    #[command(hide = true)]
    Worker,
    /// (internal) a producer or worker process of a load
    #[command(hide = true)]
    LoadPart,
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
