//! firedrill beside the real asynq on one Redis: each does what the other left, and each reads what the other wrote.
//!
//! The real ones are the programs of the Go module in `asynq/tests/interop`, built by the tests, and the `asynq` command line
//! when it is to be had. Tests are named after what crosses from one side to the other.

mod by_go;
mod by_us;
mod clustered;
mod command_line;
mod endings;
mod equality;
mod exporter;
mod inspected;
mod options;
mod peer;
mod periodic;
mod programs;
mod shared_queue;
mod stock;
mod table;
mod worker;

use crate::support::Bench;
use crate::wait::{PATIENCE, eventually, eventually_within};
use firedrill_sim::redis_server::Persistence;
use peer::{Peer, behind};

/// A Redis, and a Go process on it.
fn bench_and_go() -> (Bench, Peer) {
    let bench = Bench::new(Persistence::None, 1.0);
    let go = Peer::start(&behind(&bench.server, 0));
    (bench, go)
}

/// Skips the test without the two servers it is about: a Redis, and what makes Go programs.
macro_rules! need_peers {
    () => {
        crate::support::need!("redis-server");
        crate::support::need!("go");
    };
}
use need_peers;
