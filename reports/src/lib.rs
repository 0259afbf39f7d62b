//! The record of a drill, its score, and what people read of it.

pub mod jsonl;
pub mod record;
pub mod watcher;

pub use jsonl::{Record, RecordError, RecordWriter};
pub use watcher::{Replay, Watcher, replay};
