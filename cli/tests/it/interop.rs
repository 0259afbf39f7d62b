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
use firedrill_sim::redis_server::Persistence;
use peer::{Peer, behind};
use std::time::{Duration, Instant};

/// How long anything may take that the tests wait for; a loaded machine is slow, and what never comes takes this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A Redis, and a Go process on it.
fn bench_and_go() -> (Bench, Peer) {
    let bench = Bench::new(Persistence::None, 1.0);
    let go = Peer::start(&behind(&bench.server, 0));
    (bench, go)
}

/// Looks until there is something to be seen.
#[track_caller]
fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, look)
}

/// The same, for what takes longer.
#[track_caller]
fn eventually_within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Skips the test without the two servers it is about: a Redis, and what makes Go programs.
macro_rules! need_peers {
    () => {
        crate::support::need!("redis-server");
        crate::support::need!("go");
    };
}
use need_peers;
