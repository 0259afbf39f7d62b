//! What the verbs do: arguments in, files and text out, an exit code at the end.

pub mod asynq;
pub mod check;
pub mod clean;
pub mod compare;
pub mod diagnose;
pub mod export;
pub mod faults;
pub mod fidelity;
pub(crate) mod gates;
pub mod help;
pub mod init;
pub mod learn;
pub mod list;
pub mod load;
pub mod merge;
pub mod metrics;
pub mod plan;
pub(crate) mod plots;
pub mod report;
pub mod run;
pub mod schema;
pub mod score;
pub mod suggest;
pub mod test_rules;
pub mod tune;
