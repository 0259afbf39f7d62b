//! What several commands ask: rules, world, delivery, Redis.

use clap::{Args, ValueEnum};
use firedrill_asynq::broker::redis::address::{Address, AddressError};
use firedrill_reports::record::{self, RuleReading};
use firedrill_sim::estimate::Size;
use std::convert::Infallible;
use std::path::PathBuf;

/// Where the rules come from.
#[derive(Debug, Default, Args)]
pub struct Rules {
    /// Prometheus rule files to judge: files, folders, patterns; those that stand among the scenarios count, too
    /// [default: the runbook's rules, which are built in]
    #[arg(
        long = "rules",
        env = "FIREDRILL_RULES",
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub files: Vec<PathBuf>,
    /// Severities that count as a page; replaces what the rule files say
    #[arg(long, value_name = "SEVERITY", value_delimiter = ',')]
    pub pages: Vec<String>,
    /// How rule files are read.
    #[command(flatten)]
    pub dialect: Dialect,
}

/// How rule files are read.
#[derive(Debug, Clone, Default, Args)]
pub struct Dialect {
    /// Prometheus generation to agree with [default: v3; of a record, as it was]
    #[arg(long, value_enum, value_name = "VERSION")]
    pub compat: Option<Generation>,
    /// Accept unknown keys in rule files
    #[arg(long)]
    pub ignore_unknown_fields: bool,
    /// Features of Prometheus to enable, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME")]
    pub enable_feature: Vec<Feature>,
}

impl Dialect {
    /// Whether anything was said.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.compat.is_some() || self.ignore_unknown_fields || !self.enable_feature.is_empty()
    }

    /// What was said here goes before how a record's rules were read.
    #[must_use]
    pub fn over(&self, recorded: RuleReading) -> RuleReading {
        RuleReading {
            compat: match self.compat {
                None => recorded.compat,
                Some(Generation::V2) => record::Generation::V2,
                Some(Generation::V3) => record::Generation::V3,
            },
            ignore_unknown_fields: self.ignore_unknown_fields || recorded.ignore_unknown_fields,
            experimental_functions: recorded.experimental_functions
                || self
                    .enable_feature
                    .contains(&Feature::PromqlExperimentalFunctions),
        }
    }

    /// For new drills: what was not said is as Prometheus 3 has it.
    #[must_use]
    pub fn of_new_drills(&self) -> RuleReading {
        self.over(RuleReading::default())
    }
}

/// A feature of Prometheus that has to be enabled there, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Feature {
    /// Experimental functions, such as `mad_over_time`
    PromqlExperimentalFunctions,
    /// Durations that are computed, such as `[5m * 2]`: always on, as in Prometheus 3.14
    PromqlDurationExpr,
}

/// A Prometheus generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Generation {
    /// As Prometheus 2.42
    V2,
    /// As Prometheus 3.14
    V3,
}

/// What a Prometheus sees of the fleet.
#[derive(Debug, Clone, Default, Args)]
pub struct World {
    /// What Prometheus sees of the fleet, instead of the scenario's `world`: the name of one inside the binary (`firedrill metrics` lists them), or a file
    #[arg(long, env = "FIREDRILL_WORLD", value_name = "WORLD")]
    pub world: Option<PathBuf>,
}

/// How alerts that fire reach a person.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Delivery {
    /// Alertmanager's group_wait: from the first firing of an alert to its notification, on which `within` is judged
    /// [default: 30s; of a record, as it was]
    #[arg(long, env = "FIREDRILL_GROUP_WAIT", value_name = "DURATION")]
    pub group_wait: Option<Wait>,
    /// Alertmanager's group_interval: between notifications of an alert that is still there
    /// [default: 5m; of a record, as it was]
    #[arg(long, env = "FIREDRILL_GROUP_INTERVAL", value_name = "DURATION")]
    pub group_interval: Option<Span>,
}

impl Delivery {
    /// Whether anything was said.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.group_wait.is_some() || self.group_interval.is_some()
    }

    /// As parameters of scoring: what was said here goes before what a record's header says.
    #[must_use]
    pub fn params(&self) -> firedrill_reports::ScoreParams {
        firedrill_reports::ScoreParams {
            group_wait_ms: self.group_wait.map(|wait| wait.0),
            group_interval_ms: self.group_interval.map(|interval| interval.0),
            ..firedrill_reports::ScoreParams::default()
        }
    }

    /// For new drills: what was not said is as Alertmanager has it.
    #[must_use]
    pub fn of_new_drills(&self) -> firedrill_reports::score::Delivery {
        let default = firedrill_reports::score::Delivery::default();
        firedrill_reports::score::Delivery {
            group_wait_ms: self.group_wait.map_or(default.group_wait_ms, |wait| wait.0),
            group_interval_ms: self
                .group_interval
                .map_or(default.group_interval_ms, |interval| interval.0),
        }
    }
}

/// Who is sent what, by a team's own file.
#[derive(Debug, Clone, Default, Args)]
pub struct Routing {
    /// An Alertmanager file that says who is sent what, and when, instead of severities: routes, groups, inhibition rules, time
    /// intervals. A comment in it says which receivers page: `# firedrill: pages = pagerduty-*`
    #[arg(
        long,
        env = "FIREDRILL_ALERTMANAGER",
        value_name = "FILE",
        conflicts_with_all = ["pages", "group_wait", "group_interval"]
    )]
    pub alertmanager: Option<PathBuf>,
}

/// A span of virtual time that may be nothing, such as `0s` or `30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(
    /// Milliseconds.
    pub i64,
);

impl std::str::FromStr for Wait {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ms = firedrill_sim::units::parse(text).filter(|ms| *ms >= 0);
        ms.map(Self)
            .ok_or_else(|| "a duration such as `0s` or `30s`".to_owned())
    }
}

/// A span of virtual time, such as `10m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(
    /// Milliseconds.
    pub i64,
);

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ms = firedrill_sim::units::parse(text).filter(|ms| *ms > 0);
        ms.map(Self)
            .ok_or_else(|| "a duration such as `90s` or `10m`".to_owned())
    }
}

/// Where live drills get their Redis.
#[derive(Debug, Args)]
pub struct Server {
    /// Where to get Redis: `auto` (a redis-server or valkey-server on PATH, else Docker), `local`, `docker`, or the address
    /// of an empty one: host:port, redis://user:password@host:port/db (rediss:// for TLS: ?cacert=FILE&sni=NAME...),
    /// unix:///path?db=n, redis-cluster://host:port,host:port, redis-sentinel://host:port,host:port/master/db
    #[arg(long, env = "FIREDRILL_REDIS", hide_env_values = true, value_parser = redis, default_value = "auto", value_name = "WHERE")]
    pub redis: Redis,
    /// Image for the Docker way
    #[arg(
        long,
        env = "FIREDRILL_REDIS_IMAGE",
        default_value = "redis:7",
        value_name = "IMAGE"
    )]
    pub redis_image: String,
}

/// What virtual drills may take.
#[derive(Debug, Clone, Copy, Args)]
pub struct Memory {
    /// Most memory that virtual drills may need; more is refused before they begin
    #[arg(
        long,
        env = "FIREDRILL_MAX_MEMORY",
        default_value = "4GiB",
        value_name = "SIZE"
    )]
    pub max_memory: Size,
}

/// Where a drill's Redis comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redis {
    /// A redis-server or valkey-server on PATH, else Docker.
    Auto,
    /// A redis-server or valkey-server on PATH.
    Local,
    /// A container.
    Docker,
    /// One that runs already.
    Given(Box<Address>),
    /// An address that cannot be read. Told by the command: a parser's errors repeat what was typed, passwords included.
    Unreadable(AddressError),
}

/// Reads `--redis`.
pub(super) fn redis(text: &str) -> Result<Redis, Infallible> {
    Ok(match text {
        "auto" => Redis::Auto,
        "local" => Redis::Local,
        "docker" => Redis::Docker,
        _ => match text.parse() {
            Ok(address) => Redis::Given(Box::new(address)),
            Err(error) => Redis::Unreadable(error),
        },
    })
}

/// Reads `--seed`.
pub(super) fn seed(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("must be a whole number from 0 to {}", u64::MAX))
}
