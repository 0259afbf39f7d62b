//! The record of a drill, its score, and what people read of it.
//!
//! In reading order: what a drill leaves ([`record`], [`jsonl`]); alerts judged live and again ([`watcher`]); what the
//! rules' authors say about them ([`pack`]); the scores ([`score`]); what people and machines read ([`render`]).

pub mod jsonl;
pub mod pack;
pub mod record;
pub mod render;
pub mod score;
pub mod watcher;

pub use jsonl::{Record, RecordError, RecordWriter};
pub use score::{DrillScore, ScoreParams, Scorecard, Verdict, score_drill, score_recorded};
pub use watcher::{Replay, Watcher, replay};
