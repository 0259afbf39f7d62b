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
pub mod metrics;
pub mod plan;
pub mod proven;
pub mod report;
pub mod run;
pub mod runbook;
pub mod schema;
pub mod score;
pub mod suggest;
pub(crate) mod targets;
pub mod test_rules;
pub mod tune;
pub mod watch;
