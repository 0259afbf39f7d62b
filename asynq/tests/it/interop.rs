//! Our asynq beside the real one on a Redis: each does what the other left, and each reads what the other wrote.
//!
//! The real ones are the programs of the Go module in `tests/interop`, built by the tests. Tests are named after what
//! crosses from one side to the other.

mod by_go;
mod by_us;
mod clustered;
mod due;
mod endings;
mod equality;
mod inspected;
mod options;
mod peer;
mod periodic;
mod programs;
mod shared_queue;
mod stock;
mod table;
mod worker;
