//! asynq's wire protocol: key names, messages, and the operations on them as data.
//!
//! Compatible with `github.com/hibiken/asynq` 0.26: what is written to Redis is what asynq itself would write.

pub mod client;
pub mod inspector;
pub mod keys;
pub mod message;
pub mod op;
pub mod options;
pub mod settings;
pub mod table;
pub mod task;
