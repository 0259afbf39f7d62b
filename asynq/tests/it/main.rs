//! Tests of the library against the real things: Redis, processes, signals, the real asynq.

mod batches;
mod broker;
mod conformance;
mod connections;
mod examples;
mod inspector;
mod interop;
mod redis_server;
mod runtime;
mod support;
mod wait;
mod wire;
