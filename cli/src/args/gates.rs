//! What a run must come to, and what a pipeline reads of it: asked by `run` and `score`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// What a run must come to.
#[derive(Debug, Clone, Default, Args)]
pub struct Gates {
    /// Gates and known failures, a file or several: `firedrill help gates` says how they are written. They hold with --no-gate, too
    #[arg(
        long,
        env = "FIREDRILL_GATE",
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub gate: Vec<PathBuf>,
    /// A run that this one must not be worse than, and that gates with `baseline` go by: records, or the directory of a run or of
    /// trials, such as `runs/sets/latest` or `runs/trials/latest`. It takes five seeds in both to tell (`--trials 5`)
    #[arg(long, env = "FIREDRILL_BASELINE", value_name = "RUN")]
    pub baseline: Option<PathBuf>,
    /// Files for a pipeline.
    #[command(flatten)]
    pub outputs: Outputs,
}

impl Gates {
    /// Whether anything was asked for.
    #[must_use]
    pub fn are_given(&self) -> bool {
        let outputs = &self.outputs;
        !self.gate.is_empty()
            || self.baseline.is_some()
            || outputs.annotations.is_some()
            || outputs.files().next().is_some()
    }
}

/// Files for a pipeline.
#[derive(Debug, Clone, Default, Args)]
pub struct Outputs {
    /// Write a JUnit report
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Add the summary in Markdown to a file, such as "$GITHUB_STEP_SUMMARY"
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,
    /// Say what fails in a form that a code host shows beside the rule, on standard error
    #[arg(long, value_enum, value_name = "HOST")]
    pub annotations: Option<Host>,
    /// Write what fails as SARIF 2.1.0, for code hosts that show it beside the rule or the scenario
    #[arg(long, value_name = "FILE")]
    pub sarif: Option<PathBuf>,
    /// Write a report of GitLab's code quality
    #[arg(long, value_name = "FILE")]
    pub code_quality: Option<PathBuf>,
    /// Write figures for github-action-benchmark, tool `customSmallerIsBetter`
    #[arg(long, value_name = "FILE")]
    pub benchmark_smaller: Option<PathBuf>,
    /// Write figures for github-action-benchmark, tool `customBiggerIsBetter`
    #[arg(long, value_name = "FILE")]
    pub benchmark_bigger: Option<PathBuf>,
    /// Write figures in Bencher's metric format
    #[arg(long, value_name = "FILE")]
    pub bencher: Option<PathBuf>,
    /// Write a badge: an SVG, or with a name that ends with `.json` what shields.io reads from an endpoint
    #[arg(long, value_name = "FILE")]
    pub badge: Option<PathBuf>,
}

impl Outputs {
    /// Every file that is asked for.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [
            &self.junit,
            &self.summary,
            &self.sarif,
            &self.code_quality,
            &self.benchmark_smaller,
            &self.benchmark_bigger,
            &self.bencher,
            &self.badge,
        ]
        .into_iter()
        .flatten()
    }
}

/// Code hosts that show annotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Host {
    /// GitHub's workflow commands
    Github,
}

/// `compare`.
#[derive(Debug, Args)]
pub struct Compare {
    /// The run before: records, or the directory of a run or of trials
    #[arg(value_name = "BASE")]
    pub base: PathBuf,
    /// The run to compare with it
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// Print the comparison as Markdown
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// Print the comparison as JSON
    #[arg(long)]
    pub json: bool,
}
