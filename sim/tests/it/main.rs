//! Tests of firedrill against the real things: Redis, processes, signals, the command line.

mod against;
mod asynq_line;
mod broker;
mod cleanup;
mod cli;
mod confidence;
mod conformance;
mod connections;
mod conservation;
mod docker;
mod fidelity;
mod ground_truth;
mod inspector;
mod interop;
mod live;
mod prometheus;
mod queueing_theory;
mod redis_server;
mod support;
mod task_options;
mod test_rules;
mod theory;
mod tidy;
mod virtual_drills;
mod virtual_plans;
mod wire;
