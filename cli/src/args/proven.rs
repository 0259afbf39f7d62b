//! What can be typed after `firedrill proven`.

use super::{Delivery, Dialect, Routing, Span};
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
    /// Severities that count as a page; replaces what the rule files say, those of the drills, too
    #[arg(long, value_name = "SEVERITY", value_delimiter = ',')]
    pub pages: Vec<String>,
    /// Delivery.
    #[command(flatten)]
    pub delivery: Delivery,
    /// Routing, now; drills have their own.
    #[command(flatten)]
    pub routing: Routing,
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
