//! What can be typed after `firedrill proven`.

use super::{Dialect, Span};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `proven`.
#[derive(Debug, Args)]
pub struct Proven {
    /// Rule files whose alerts are asked about: files, folders, patterns, or a pack inside the binary
    #[arg(required = true, value_name = "RULES")]
    pub rules: Vec<PathBuf>,
    /// Where drills are: records, or directories with all that is below them
    #[arg(
        long,
        value_name = "DIR",
        default_value = "runs",
        value_delimiter = ','
    )]
    pub runs: Vec<PathBuf>,
    /// Fail unless each alert was proven within this time, such as `90d`
    #[arg(long, value_name = "DURATION")]
    pub max_age: Option<Span>,
    /// Count drills of this engine only
    #[arg(long, value_enum, value_name = "ENGINE")]
    pub engine: Option<Proof>,
    /// How rule files are read.
    #[command(flatten)]
    pub dialect: Dialect,
    /// Print what is found as JSON
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Print what is found as Markdown
    #[arg(long)]
    pub markdown: bool,
}

/// What a proof has to come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Proof {
    /// Drills on a real Redis
    Live,
    /// Drills on the model
    Virtual,
}
