//! firedrill: replays job-queue incidents against real Redis and scores the alert rules that should see them.
//!
//! In reading order: what is written ([`scenario`]) and meant ([`plan`]); asynq's protocol ([`asynq`]) and roles
//! ([`actor`]); what carries them out ([`engine`], [`worker`]); what is kept ([`ledger`], [`audit`], [`drill`]).

pub mod builtin;
pub mod clock;
pub mod fault;
pub mod plan;
pub mod rng;
pub mod scenario;

pub mod actor;
pub mod agreement;
pub mod asynq;
pub mod broker;
pub mod handler;

pub mod engine;
pub mod estimate;
pub mod files;
pub mod form;
pub mod guard;
pub mod metrics;
pub mod owner;
pub mod redis_server;
pub mod scrape;
pub mod worker;

pub mod audit;
pub mod drill;
pub mod ledger;
pub mod pace;
pub mod vary;
pub mod whatif;

pub mod cli;
pub mod commands;
pub mod exit;
