//! Waiting for what others do.

use std::time::{Duration, Instant};

/// How long anything may take that the tests wait for; a loaded machine is slow, and what never comes takes this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Looks until there is something to be seen.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, look)
}

/// The same, for what takes longer or must not take so long.
#[track_caller]
pub(crate) fn eventually_within<T>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what}: not within {patience:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, within: Duration, mut is_so: impl FnMut() -> bool) {
    eventually_within(within, what, || is_so().then_some(()));
}
