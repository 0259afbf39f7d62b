//! What can be typed after `firedrill suggest`.

use super::common::seed;
use super::pace::jobs;
use super::{Delivery, Jobs, Memory, Routing, Rules, World};
use clap::Args;
use firedrill_reports::runbooks::Runbooks;
use std::path::PathBuf;

/// `suggest`.
#[derive(Debug, Args)]
pub struct Suggest {
    /// Scenarios, run on the virtual engine: built-in names, files, folders, @TAGs; or records, or the directories that hold them
    #[arg(value_name = "SCENARIO|RUN", default_value = "@all")]
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
    /// Seed of every random stream, instead of the scenario's
    #[arg(long, env = "FIREDRILL_SEED", value_name = "N", allow_negative_numbers = true, value_parser = seed)]
    pub seed: Option<u64>,
    /// Drills side by side [default: 1 per core]
    #[arg(long, env = "FIREDRILL_JOBS", default_value = "auto", value_parser = jobs, value_name = "N")]
    pub jobs: Jobs,
    /// Memory.
    #[command(flatten)]
    pub memory: Memory,
    /// Where alerts lead those who read them (`runbook_url`), as for `show`; without, they have no link
    #[arg(long, value_name = "URL")]
    pub base_url: Option<Runbooks>,
    /// Also write the last rule file with the rules at its end to this file
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print what is found as JSON
    #[arg(long)]
    pub json: bool,
}
