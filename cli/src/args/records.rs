//! What looks at recorded drills: `score`, `report`.

use super::{Delivery, Dialect, Gates, Routing};
use clap::Args;
use std::path::PathBuf;

/// Recorded drills, and the rules they are looked at with where those are not the drill's.
#[derive(Debug, Args)]
pub struct Recorded {
    /// Records, or the directories that hold them
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Rule files to judge, instead of those in the record: files, folders, patterns
    #[arg(long = "rules", value_name = "FILE", value_delimiter = ',')]
    pub rules: Vec<PathBuf>,
    /// How rule files are read.
    #[command(flatten)]
    pub dialect: Dialect,
}

/// Recorded drills, and what they are judged by where that is not as it was in the drill.
#[derive(Debug, Args)]
pub struct Judged {
    /// The records, and their rules.
    #[command(flatten)]
    pub recorded: Recorded,
    /// Severities that count as a page; replaces what the rule files say
    #[arg(long, value_name = "SEVERITY", value_delimiter = ',')]
    pub pages: Vec<String>,
    /// Delivery.
    #[command(flatten)]
    pub delivery: Delivery,
    /// Routing.
    #[command(flatten)]
    pub routing: Routing,
}

/// `score`.
#[derive(Debug, Args)]
pub struct Score {
    /// The records, and what they are judged by.
    #[command(flatten)]
    pub judged: Judged,
    /// Missed incidents and false alarms do not fail the command
    #[arg(long)]
    pub no_gate: bool,
    /// Gates.
    #[command(flatten)]
    pub gates: Gates,
    /// Print the scorecard as JSON
    #[arg(long)]
    pub json: bool,
}

impl Judged {
    /// Whether anything was said of how records are judged.
    #[must_use]
    pub fn is_given(&self) -> bool {
        let Recorded { rules, dialect, .. } = &self.recorded;
        let rules = !rules.is_empty() || dialect.is_given();
        rules
            || !self.pages.is_empty()
            || self.delivery.is_given()
            || self.routing.alertmanager.is_some()
    }
}

/// `report`.
#[derive(Debug, Args)]
pub struct Report {
    /// The records, or the directory of a load, and what records are judged by.
    #[command(flatten)]
    pub judged: Judged,
    /// The file to write; `-` for standard output. A file that is named is written over, whatever it is [default: report.html,
    /// unless something is there that firedrill did not write]
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
}
