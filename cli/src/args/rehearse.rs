//! What can be typed after `firedrill rehearse`.

use super::common::seed;
use super::pace::speed;
use super::{AlertSources, Delivery, Routing, Rules, Server, Span, Speed, Target, View, World};
use clap::Args;
use std::path::PathBuf;

/// What is typed while it runs.
const TYPED: &str = "\
While it runs, a line is a word (a pipe will do as well as a terminal; with --tui, `:` begins one):
    ack              you are on it
    note TEXT        something that belongs in the timeline
    cause NAME       what you think the cause is
    remedy TEXT      what you have done; the name of a remedy (`firedrill faults`) has firedrill do it
    done N           entry N of the runbook's checklist is done
    escalate WHO     you have told the next in line
    status, help     how it goes; what can be typed
    abort            stop all of it and heal (Ctrl-C does, too)

Nothing is broken until all is as usual: every target up, queues near their usual depth, no alert firing; otherwise it is
refused (4). When somebody or a condition stops it, what was broken is healed, and it ends with 5.";

/// `rehearse`.
#[derive(Debug, Args)]
#[command(after_long_help = TYPED)]
pub struct Rehearse {
    /// The scenario: a built-in name (see `firedrill list`), a file, a folder or a @TAG; of several, the seed draws one
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
    /// Virtual seconds per real second: 1 is real time, another is for practice
    #[arg(long, default_value = "1", value_parser = speed, value_name = "N")]
    pub speed: Speed,
    /// Seed of every random stream, instead of the scenario's; it also draws what `--blind` and several scenarios leave open
    #[arg(long, env = "FIREDRILL_SEED", value_name = "N", allow_negative_numbers = true, value_parser = seed)]
    pub seed: Option<u64>,
    /// Redis.
    #[command(flatten)]
    pub server: Server,
    /// Sources of alerts.
    #[command(flatten)]
    pub alerts: AlertSources,
    /// Workers.
    #[command(flatten)]
    pub target: Target,
    /// Live view.
    #[command(flatten)]
    pub view: View,
    /// Give nothing away: until the end neither the scenario nor its steps are shown, and no name of a process, a file or a key has
    /// them
    #[arg(long)]
    pub blind: bool,
    /// Write to this file what the facilitator needs: what is broken and when, how to see it, which alerts are expected by when, what
    /// ends it, where the view is with its token, and what happens as it does
    #[arg(long, value_name = "FILE")]
    pub facilitator: Option<PathBuf>,
    /// A runbook in Markdown to show beside it: the section about each alert, and its checklist (`- [ ] ...`)
    #[arg(long, value_name = "FILE")]
    pub runbook: Option<PathBuf>,
    /// How soon after the first page somebody must have done something about it
    #[arg(long, value_name = "DURATION", default_value = "30m")]
    pub respond_within: Span,
    /// How long after the first page it must be escalated, if a page is still on
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub escalate_after: Span,
    /// Stop and heal when this PromQL expression has a result; may be given several times
    #[arg(long, value_name = "PROMQL")]
    pub abort_when: Vec<String>,
    /// Stop and heal when this much of the drill is over, whatever happens
    #[arg(long, value_name = "DURATION")]
    pub at_most: Option<Span>,
    /// Print each step and what undoes it; nothing is started
    #[arg(long)]
    pub dry_run: bool,
    /// Begin at this time, such as `14:30`, `23:30 Europe/Berlin` or `2026-12-01T14:30+01:00`; until then it waits
    #[arg(long, value_name = "TIME", conflicts_with = "window")]
    pub at: Option<String>,
    /// Begin in this window, such as `Mon-Fri 10:00-16:00 Europe/Berlin` or `Fri 22:00-02:00`, and end in it; with --blind at a moment
    /// that the seed draws
    #[arg(long, value_name = "WINDOW")]
    pub window: Option<String>,
    /// Directory for records and reports: they go to `rehearsals/<UTC time>/` in it
    #[arg(
        long,
        env = "FIREDRILL_OUT",
        default_value = "runs",
        value_name = "DIR"
    )]
    pub out: PathBuf,
    /// Reads the scenarios from this file descriptor: what is on the command line, anybody may see.
    #[arg(long, hide = true, value_name = "FD")]
    pub sealed: Option<i32>,
}
