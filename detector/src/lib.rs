//! Prometheus alerting rules over in-memory samples: rule files and samples in, alert transitions out.
//!
//! The way through: [`RuleSet::load`] reads [`RuleFile`]s, or says what is wrong with them as [`Problem`]s. A [`Detector`] takes
//! [`Sample`]s, a time series' [`Labels`] at a [`Timestamp`], and evaluates the rules at the times its [`Schedule`] says. It
//! gives back [`Emitted`]s, most of them [`Transition`]s of an alert from one [`AlertState`] to another. Where Prometheus 2 and
//! 3 differ, [`Compat`] chooses.
//!
//! That is all it takes to evaluate rules. The modules have the rest: what to know of samples, rules and outcomes in detail,
//! and tools around rules: instant queries, test files, tuning, and why an expression says nothing.
//!
//! Times and lengths of time are whole milliseconds, times since the Unix epoch; what a name holds in another unit says so.
//! Statements about Prometheus name the source file there that settles them (version 3.14 unless they say 2.42).
//!
//! Nothing here does I/O, reads a clock or depends on the order of a hash table: the same input gives the same output.

mod alert;
pub mod anatomy;
mod compat;
pub mod detector;
pub mod duration;
mod edit;
mod engine;
mod eval;
mod expr;
mod go_format;
mod intern;
pub mod lint;
mod number;
pub mod promql;
pub mod query;
pub mod regex;
pub mod rules;
pub mod sample;
mod store;
mod template;
pub mod text;
pub mod transition;
mod trial;
pub mod tuning;
pub mod unit_test;
pub mod yaml;

#[doc(inline)]
pub use {
    compat::Compat,
    detector::{Detector, Schedule},
    rules::{RuleFile, RuleSet},
    sample::{Labels, Sample, Timestamp},
    transition::{AlertState, Emitted, Transition},
    yaml::Problem,
};

/// How far back an instant selector looks for a sample (Prometheus' `--query.lookback-delta`).
const LOOKBACK_MS: i64 = 5 * 60 * 1000;

/// Makes the README's example a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
