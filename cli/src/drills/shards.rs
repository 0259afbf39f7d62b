//! What a shard of a sweep leaves, and all shards of one together: a sweep is a number of outcomes that are computed here, or were
//! computed elsewhere.
//!
//! The file holds all that it takes to go on from there: what the sweep is (the same in each of its shards), and the shard's
//! outcomes, each with its number in the whole. It is read by the release that wrote it and by no other.

mod found;
mod joined;

pub(crate) use found::Found;
pub(crate) use joined::Joined;

use crate::args;
use crate::commands::run;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs::{self, Paging};
use crate::terminal::Terminal;
use firedrill_detector::text::counted;
use firedrill_reports::ScoreParams;
use firedrill_reports::pack::RulePack;
use firedrill_reports::record::Header;
use firedrill_reports::score::Delivery;
use firedrill_reports::shard::Shard;
use firedrill_sim::drill::Rules;
use firedrill_sim::files::{Fresh, shown};
use firedrill_sim::scenario::Scenario;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Name of the file in the directory of a shard.
pub(crate) const SHARD_FILE: &str = "shard.jsonl";
/// What such a file says that it is.
const FORMAT: &str = "firedrill-shard/1.0";

/// What all shards of one sweep have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sweep {
    /// firedrill's.
    version: String,
    pub(crate) command: Command,
    /// Seeds of each scenario.
    pub(crate) trials: u32,
    /// How many outcomes the whole has.
    outcomes: usize,
    /// The first drill of each scenario: plan, rules, who is told.
    pub(crate) headers: Vec<Header>,
}

/// The command that it is a part of, as far as its inputs are not in the headers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub(crate) enum Command {
    /// `run --trials`.
    Run {
        /// The files of the scenarios.
        files: Vec<String>,
        /// `--pages`.
        pages: Vec<String>,
    },
    /// `tune`, settings of alerts.
    Tune(TuneRules),
    /// `tune`, values of the plan.
    TunePlan(TunePlan),
}

/// `tune`, settings of alerts: what is asked of the drills.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TuneRules {
    /// `--vary`.
    pub(crate) vary: Vec<String>,
    /// `--pages`.
    pub(crate) pages: Vec<String>,
    /// `--budget`.
    pub(crate) budget: Option<f64>,
    /// `--whole-pack`.
    pub(crate) whole_pack: bool,
    pub(crate) given: GivenDelivery,
}

/// `tune`, values of the plan: what is asked of the drills.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TunePlan {
    /// `--vary`.
    pub(crate) vary: Vec<String>,
    /// `--drain-within`.
    pub(crate) drain_within_ms: Option<i64>,
}

/// `--group-wait` and `--group-interval`, where they were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GivenDelivery {
    pub(crate) group_wait_ms: Option<i64>,
    pub(crate) group_interval_ms: Option<i64>,
}

impl Command {
    /// What a person typed.
    fn shown(&self) -> &'static str {
        match self {
            Self::Run { .. } => "run --trials",
            Self::Tune(_) | Self::TunePlan(_) => "tune",
        }
    }
}

impl Sweep {
    pub(crate) fn new(
        command: Command,
        trials: u32,
        outcomes: usize,
        headers: Vec<Header>,
    ) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command,
            trials,
            outcomes,
            headers,
        }
    }

    /// The first drill of all.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn first(&self) -> Result<&Header, Failure> {
        let none = || Failure::usage("these are shards of no drill at all");
        self.headers.first().ok_or_else(none)
    }

    /// The rules that a drill is judged by, as the command had them.
    ///
    /// # Errors
    /// When they cannot be loaded.
    pub(crate) fn judged_by(
        &self,
        header: &Header,
        pages: &[String],
    ) -> Result<(Rules, RulePack), Failure> {
        let config = match &header.alertmanager {
            Some(own) => Some(inputs::configured(&own.name, &own.text)?),
            None => None,
        };
        let paging = Paging::new(pages, config);
        let (rules, pack) = inputs::pack(header.rules.clone(), header.reading, &paging)?;
        let delivery = Delivery {
            group_wait_ms: header.group_wait_ms,
            group_interval_ms: header.group_interval_ms,
        };
        let rules = Rules {
            delivery,
            alertmanager: header.alertmanager.clone(),
            ..rules
        };
        Ok((rules, pack))
    }

    /// The scenarios, as they were meant; `files`: what they were read from.
    ///
    /// # Errors
    /// When a plan cannot be read.
    pub(crate) fn scenarios(&self, files: &[String]) -> Result<Vec<Scenario>, Failure> {
        let files = files.iter().map(String::as_str);
        let files = files.chain(std::iter::repeat("plan"));
        let named: Vec<(&Header, &str)> = self.headers.iter().zip(files).collect();
        inputs::each(&named, |(header, file)| {
            let parsed = Scenario::parse(file, &header.plan);
            parsed.map_err(|found| Failure::problems(&found).about(&header.scenario))
        })
    }

    /// The first way in which another one differs: what of it.
    fn differs(&self, other: &Self) -> Option<String> {
        let said = |what: &str, ours: &str, theirs: &str| Some(format!("{what}: {ours}, {theirs}"));
        if self.version != other.version {
            return said("firedrill's versions", &self.version, &other.version);
        }
        let (ours, theirs) = (self.command.shown(), other.command.shown());
        if ours != theirs {
            return said("commands", ours, theirs);
        }
        if self.trials != other.trials {
            let count = |trials: u32| counted(trials, "seed");
            return said("--trials", &count(self.trials), &count(other.trials));
        }
        let names = |sweep: &Self| {
            let names = sweep.headers.iter().map(|header| header.scenario.clone());
            names.collect::<Vec<_>>()
        };
        if names(self) != names(other) {
            return Some("scenarios".to_owned());
        }
        for (ours, theirs) in self.headers.iter().zip(&other.headers) {
            let what = if ours.seed != theirs.seed {
                "the first seed"
            } else if ours.plan != theirs.plan {
                "the plan"
            } else if ours.rules != theirs.rules {
                "the rules"
            } else if ours != theirs {
                "how the rules are read, or who is told"
            } else {
                continue;
            };
            return Some(format!("{what} of {}", ours.scenario));
        }
        (self != other).then(|| format!("what `firedrill {ours}` was asked"))
    }
}

impl From<args::Delivery> for GivenDelivery {
    fn from(given: args::Delivery) -> Self {
        Self {
            group_wait_ms: given.group_wait.map(|wait| wait.0),
            group_interval_ms: given.group_interval.map(|interval| interval.0),
        }
    }
}

impl From<GivenDelivery> for ScoreParams {
    fn from(given: GivenDelivery) -> Self {
        Self {
            group_wait_ms: given.group_wait_ms,
            group_interval_ms: given.group_interval_ms,
            ..Self::default()
        }
    }
}

/// A line of the file.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line<'l, T> {
    Shard {
        format: &'static str,
        shard: Shard,
        sweep: &'l Sweep,
    },
    Outcome {
        number: usize,
        outcome: &'l T,
    },
    End {
        outcomes: usize,
    },
}

/// The same, as it is read.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Written<T> {
    Shard { shard: Shard, sweep: Box<Sweep> },
    Outcome { number: usize, outcome: T },
    End { outcomes: usize },
}

/// A shard being written.
pub(crate) struct Writer {
    path: PathBuf,
    file: BufWriter<File>,
    shard: Shard,
    written: usize,
}

/// The directory of a shard's results.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn dir(out: &Path, stamp: &str, shard: Shard) -> Result<Fresh, Failure> {
    let name = format!("{stamp}-{}-of-{}", shard.number(), shard.of());
    run::fresh(&out.join("shards"), &name)
}

/// Refuses to part what has fewer parts.
///
/// # Errors
/// When there is nothing for some of the shards.
pub(crate) fn enough(shard: Shard, drills: usize) -> Result<(), Failure> {
    if (shard.of() as usize) <= drills {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "--shard {shard}: {} cannot be parted among so many; take fewer shards or more --trials",
        counted(drills, "drill")
    )))
}

impl Writer {
    /// Begins the file in the directory of a shard.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn create(dir: &Path, shard: Shard, sweep: &Sweep) -> Result<Self, Failure> {
        let path = dir.join(SHARD_FILE);
        let file = File::create_new(&path).map_err(|error| cannot_write(&path, &error))?;
        let mut writer = Self {
            path,
            file: BufWriter::new(file),
            shard,
            written: 0,
        };
        writer.put::<()>(&Line::Shard {
            format: FORMAT,
            shard,
            sweep,
        })?;
        Ok(writer)
    }

    /// Takes in the next outcome of the shard.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn add(&mut self, outcome: &impl Serialize) -> Result<(), Failure> {
        let number = self.shard.number() as usize - 1 + self.written * self.shard.of() as usize;
        self.put(&Line::Outcome { number, outcome })?;
        self.written += 1;
        Ok(())
    }

    /// Ends the file: only then the shard is one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        let outcomes = self.written;
        self.put::<()>(&Line::End { outcomes })?;
        let flushed = self.file.flush();
        flushed.map_err(|error| cannot_write(&self.path, &error))
    }

    fn put<T: Serialize>(&mut self, line: &Line<'_, T>) -> Result<(), Failure> {
        let mut text = serde_json::to_string(line).map_err(Failure::internal)?;
        text.push('\n');
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|error| cannot_write(&self.path, &error))
    }
}

/// Ends a shard that leaves nothing but its outcomes; `drills`: here, and in the whole.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn done(
    writer: Writer,
    dir: &Path,
    shard: Shard,
    (drills, whole): (usize, usize),
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    writer.finish()?;
    terminal.say(format_args!(
        "shard {shard}: {drills} of {}, in {}; `firedrill merge` joins it with the others, and says what they come to",
        counted(whole, "drill"),
        shown(dir)
    ));
    Ok(Exit::Passed)
}

/// A file that cannot be written.
pub(crate) fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::environment(format!("cannot write {}: {error}", shown(path)))
}
