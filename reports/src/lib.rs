//! The record of a drill, its score, and what people read of it.

pub mod record;
