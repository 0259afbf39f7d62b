//! Work that is spread over processes or machines: which shard this is, and joining all of them.

use super::{Gates, PlotFormat, PlotFormats};
use crate::failure::Failure;
use clap::Args;
use firedrill_reports::shard::{SHARDS_MAX, Shard};
use std::path::PathBuf;

/// Which pod of an Indexed Job this is, from 0.
const JOB_INDEX: &str = "JOB_COMPLETION_INDEX";

/// What `--shard` means, for the long help.
pub(super) const SHARDS: &str = "\
Shards: `--shard 1/4` to `--shard 4/4`, on one machine or on four, do exactly what one command does without it, each a part. A
shard passes and fails nothing: it ends with 0 when its part is done, whatever that came to, and with 2, 3, 7 or more when it is not.
`firedrill merge DIR...` joins them, judges, and ends with 0, 1 or 3 as the whole does, with 3 when a shard is missing, and with 2 when
they are not of one command or one is there twice. Gates and baselines are given there.";

/// Which part of the work is done here.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Sharding {
    /// Do one of N equal parts, such as `1/4`; `firedrill merge` joins them [default: all of it, or what FIREDRILL_SHARDS and
    /// JOB_COMPLETION_INDEX say, as in a Kubernetes Indexed Job]
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// How many shards there are; JOB_COMPLETION_INDEX, from 0, says which is this one
    #[arg(long, env = "FIREDRILL_SHARDS", value_name = "N", conflicts_with = "shard",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(SHARDS_MAX)))]
    pub shards: Option<u32>,
}

impl Sharding {
    /// Which shard is asked for; `None`: all of it.
    ///
    /// # Errors
    /// When it is said how many there are, and not which.
    pub(crate) fn shard(self) -> Result<Option<Shard>, Failure> {
        let (None, Some(of)) = (self.shard, self.shards) else {
            return Ok(self.shard);
        };
        let index = std::env::var(JOB_INDEX).map_err(|_| {
            Failure::usage(format!(
                "--shards {of} (or FIREDRILL_SHARDS): which of them is this? Say so with --shard 1/{of}, or with {JOB_INDEX}, which counts from 0"
            ))
        })?;
        let wrong = || {
            Failure::usage(format!(
                "{JOB_INDEX} is {index:?}: of {of} shards it is a number from 0 to {}",
                of - 1
            ))
        };
        let index: u32 = index.parse().map_err(|_| wrong())?;
        let number = index.checked_add(1).ok_or_else(wrong)?;
        Shard::new(number, of).map(Some).map_err(|_| wrong())
    }
}

/// `merge`.
#[derive(Debug, Args)]
#[command(after_long_help = SHARDS)]
pub struct Merge {
    /// Directories of all shards of one command, or folders that hold them, such as `runs/shards`
    #[arg(required = true, value_name = "DIR")]
    pub shards: Vec<PathBuf>,
    /// Directory for the report: it goes where the command without shards would have put it
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
    /// Gates.
    #[command(flatten)]
    pub gates: Gates,
    /// Write every chart of the report as a file of its own, too, into `plots` beside it
    #[arg(long, value_parser = PlotFormats, value_name = "FORMAT")]
    pub plots: Option<PlotFormat>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}
