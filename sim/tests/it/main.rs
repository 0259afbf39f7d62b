//! Tests of firedrill against the real things: Redis, processes, signals, the command line.

mod broker;
mod cleanup;
mod cli;
mod docker;
mod fidelity;
mod live;
mod redis_server;
mod support;
mod tidy;
mod wire;
