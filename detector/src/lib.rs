//! Prometheus alerting rules over in-memory samples: rule files and samples in, alert transitions out.
//!
//! The way through: [`RuleSet::load`] reads rule files, a [`Detector`] takes [`Sample`]s and evaluates the rules at the
//! times its [`Schedule`] says, and gives back [`Outcome`]s, most of them [`Transition`]s of alerts. Where Prometheus 2
//! and 3 differ, [`Compat`] chooses.
//!
//! Nothing here does I/O, reads a clock or depends on the order of a hash table: the same input gives the same output.

mod alert;
mod compat;
mod detector;
mod edit;
mod engine;
mod eval;
mod expr;
mod go_format;
mod intern;
mod parts;
mod query;
mod rules;
mod sample;
mod store;
mod template;
mod transition;
mod trial;
pub mod unit_test;
pub mod yaml;

pub use alert::Holds;
pub use compat::Compat;
pub use detector::{Detector, RuleWithoutData, Schedule, SeriesRef};
pub use edit::{Field, FindError, Setting, SettingValue, Settings};
pub use expr::duration::{format_ms as format_duration_ms, parse_ms as parse_duration_ms};
pub use parts::{Anatomy, Operand, Part, PartKind, SeriesSelector};
pub use query::{Query, QueryError};
pub use rules::{AlertRule, RuleFile, RuleSet};
pub use sample::{Labels, METRIC_NAME, Sample, Timestamp, is_stale, stale_marker};
pub use transition::{AlertState, Outcome, RuleError, Transition};
pub use trial::{Presence, Step, Trial, TrialError, Tried};
pub use yaml::{Problem, Problems};

/// How far back an instant selector looks for a sample (Prometheus' `--query.lookback-delta`).
const LOOKBACK_MS: i64 = 5 * 60 * 1000;

/// Makes the README's example a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
