//! What only firedrill has, beside the real asynq: a drill's producer, scheduler, worker and exporter, and `firedrill asynq`.
//!
//! The library is held against the real asynq by tests of its own, whose peers these are.

mod clustered;
mod command_line;
pub(crate) mod containers;
mod drills;
mod exporter;
mod goroutines;
mod left_behind;
#[expect(dead_code, reason = "the library's own tests use more of it")]
#[path = "../../../asynq/tests/it/interop/peer.rs"]
pub(crate) mod peer;
pub(crate) mod pods;
#[path = "../../../asynq/tests/it/interop/programs.rs"]
mod programs;
#[path = "../../../asynq/tests/it/interop/stock.rs"]
mod stock;
#[path = "../../../asynq/tests/it/interop/table.rs"]
mod table;
pub(crate) mod team;
pub(crate) mod toxiproxy;
mod worker;
