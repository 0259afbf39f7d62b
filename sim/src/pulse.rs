//! Measures what a thread did not get to run.

use firedrill_asynq::clock::{ClockOrigin, Time};
use std::time::{Duration, Instant};

/// Real time between two beats.
const BEAT: Duration = Duration::from_millis(50);

/// A timer that is looked at for how late it is.
#[derive(Debug)]
pub(crate) struct Pulse {
    clock: ClockOrigin,
    last: Time,
    /// When that was, and how long it took to come.
    beaten: Instant,
    took: Duration,
}

impl Pulse {
    pub(crate) fn new(clock: ClockOrigin) -> Self {
        let last = clock.now();
        Self {
            clock,
            last,
            beaten: Instant::now(),
            took: Duration::ZERO,
        }
    }

    /// Waits for the next beat; answers since when and for how many virtual milliseconds nothing ran beyond it.
    pub(crate) async fn beat(&mut self) -> (Time, i64) {
        tokio::time::sleep(BEAT).await;
        self.took = self.beaten.elapsed();
        self.beaten = Instant::now();
        let since = std::mem::replace(&mut self.last, self.clock.now());
        let expected_ns = (BEAT.as_nanos() as f64 * self.clock.speed) as i64;
        (since, (self.last.0 - since.0 - expected_ns) / 1_000_000)
    }

    /// Whether beats have just failed to come: nothing ran for longer than a busy machine makes one wait.
    pub(crate) fn was_held(&self) -> bool {
        self.took.max(self.beaten.elapsed()) >= 5 * BEAT
    }
}
