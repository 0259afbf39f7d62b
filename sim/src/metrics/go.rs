//! How many goroutines a worker would have if it were asynq's: held against one in `cli/tests/it/interop/goroutines.rs`.

use firedrill_detector::Labels;

/// Goroutines of a worker that has nothing to do: 14 of asynq and its clients of Redis, and three that serve `/metrics` and are serving it.
pub const AT_REST: usize = 17;

/// Goroutines of a worker with so many slots in use and so many handlers that have not returned: asynq looks after a slot with one,
/// and runs the handler in another, which stays as long as the handler does, whoever has the slot by then.
#[must_use]
pub fn goroutines(slots: usize, handlers: usize) -> usize {
    AT_REST + slots + handlers
}

/// The labels of the series, without those of the target.
#[must_use]
pub fn labels() -> Labels {
    Labels::metric(NAME, [])
}

/// Its name.
pub const NAME: &str = "go_goroutines";
