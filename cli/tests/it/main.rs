//! Tests of firedrill against the real things: Redis, processes, signals, the command line.

mod against;
// YAML as JSON, for schemas: the scenarios' own tests have it.
mod all_options;
#[path = "../../../sim/src/scenario/schema/as_json.rs"]
mod as_json;
mod asynq_line;
mod book;
mod bounds;
mod browser;
mod check;
mod cleanup;
mod cli;
mod costs;
mod deploy;
mod diagnose;
mod diagnose_drill;
mod diagnose_live;
mod diagnose_processes;
mod docker;
mod effects;
mod export;
mod faults;
mod fidelity;
// The queues that the inspector is tried on: the command line shows the same.
#[expect(dead_code, reason = "the inspector's own tests use more of it")]
#[path = "../../../asynq/tests/it/inspector/filled.rs"]
mod filled;
mod forged;
mod gates;
mod given;
mod ground_truth;
mod heard;
mod home;
mod https;
mod idle;
mod interference;
mod interop;
mod kube;
mod learn;
mod live;
mod live_view;
mod load;
mod load_shards;
mod named_files;
mod names;
// Redis servers, clusters among them: the library's tests have more use for them.
#[expect(dead_code, reason = "the library's own tests use more of it")]
#[path = "../../../asynq/tests/it/connections/nodes.rs"]
mod nodes;
mod output;
mod pages;
mod pipeline;
mod prometheus;
mod proven;
mod reading;
mod reaper;
mod redis_server;
mod reference;
mod rehearse;
mod remedies;
mod report;
mod runbook;
mod shards;
mod suggest;
mod support;
mod test_rules;
mod tidy;
mod tune;
mod verdicts;
mod virtual_seconds;
#[path = "../../../asynq/tests/it/wait.rs"]
mod wait;
mod watch;
mod worlds;
mod wrong_remedies;
mod your_workers;
