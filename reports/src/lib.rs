//! The record of a drill, its score, and what people read of it.
//!
//! A drill leaves a [`Record`]: ground truth, every scrape, every alert's transitions, and what happened to every task. It is
//! all that is ever needed again. [`Watcher`] drives the detector over scrapes while a drill runs, and [`replay`] drives it over
//! those of a record, so that a record judged by its own rules says what the drill said, and one judged by other rules says
//! what they would have. [`score_drill`] holds the transitions against ground truth, a [`Scorecard`] puts drills together,
//! a [`document`] says what it comes to, and [`render`] shows that to people, and [`result`]s to machines. Many drills of the same scenarios under different seeds are [`trials`]:
//! they tell how sure any of it is.
//!
//! In reading order: what a drill leaves ([`record`], [`waits`], [`jsonl`]); alerts judged live and again ([`watcher`]);
//! what the rules' authors say about them ([`pack`]); the scores ([`score`], [`trials`]); many settings of an alert judged
//! side by side ([`tune`]); why rules say nothing ([`why`]); what people and machines read ([`document`], [`result`], [`render`]).
//!
//! Nothing here reads a clock, the environment or a file, and the same record gives the same bytes.
//!
//! ```
//! use firedrill_detector::{Compat, RuleSet};
//! use firedrill_reports::pack::RulePack;
//! use firedrill_reports::document::of_scorecard;
//! use firedrill_reports::render::{Style, terminal};
//! use firedrill_reports::{Record, ScoreParams, Scorecard, replay, score_drill};
//!
//! /// Scores a record's drill by rules that were not there when it ran.
//! fn rescored(file: &[u8], rules: &RuleSet, pack: &RulePack) -> Result<String, Box<dyn std::error::Error>> {
//!     let record = Record::read(file)?;
//!     let score = score_drill(&record, &replay(&record, rules), pack, &ScoreParams::default());
//!     let style = Style { colour: false, width: 100 };
//!     Ok(terminal(&of_scorecard(&Scorecard::new(vec![score]), &[]), style))
//! }
//! # let rules = RuleSet::load(&[], Compat::default()).map_err(|_| "no rules")?;
//! # let pack = RulePack::parse(&[], &[]).map_err(|_| "no pack")?;
//! # assert!(rescored(b"", &rules, &pack).is_err());
//! # Ok::<(), &str>(())
//! ```

pub mod alertmanager;
pub mod bounds;
pub mod cause;
pub mod check;
pub mod ci;
pub mod compare;
mod curves;
pub mod document;
pub mod export;
pub mod fidelity;
pub mod figures;
pub mod gate;
pub mod jsonl;
pub mod load;
pub mod pack;
pub mod picture;
mod plot;
pub mod proven;
pub mod record;
pub mod rehearsal;
pub mod render;
mod resample;
pub mod result;
pub mod runbooks;
mod sarif;
pub mod score;
pub mod shard;
pub mod suggest;
pub mod trials;
pub mod tune;
pub mod waits;
pub mod watcher;
pub mod why;

pub use jsonl::{Record, RecordError, RecordWriter};
pub use score::{DrillScore, ScoreParams, Scorecard, Verdict, score_drill, score_recorded};
pub use watcher::{Annotations, Replay, Watcher, replay};
pub use why::{Explainer, Explanation};
