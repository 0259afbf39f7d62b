//! firedrill: replays job-queue incidents against real Redis and scores the alert rules that should see them.
//!
//! In reading order: what is written ([`scenario`]) and meant ([`plan`]); what comes of it with asynq's roles
//! ([`producer`], [`handler`]) on an engine ([`engine`], [`worker`]); what is kept ([`ledger`], [`audit`], [`drill`]).

pub mod agenda;
pub mod builtin;
pub mod fault;
pub mod lever;
pub mod plan;
pub mod producer;
pub mod remedy;
pub mod scenario;
pub mod units;
pub mod world;

pub mod agreement;
pub mod handler;
pub mod resource;

pub mod abort;
pub mod alerts;
pub mod cleanup;
pub mod engine;
pub mod estimate;
pub mod files;
pub mod form;
pub mod guard;
pub mod http;
pub mod kubernetes;
pub mod markdown;
pub mod metrics;
pub mod owner;
mod pidfd;
pub mod program;
pub(crate) mod pulse;
pub mod reaper;
pub mod redis_server;
pub mod rehearsal;
pub mod scrape;
pub(crate) mod signals;
pub mod toxiproxy;
pub mod undo;
pub mod worker;

pub mod audit;
pub mod drill;
pub mod learn;
pub mod ledger;
pub mod load;
pub mod pace;
pub mod vary;
pub mod view;
pub mod whatif;
