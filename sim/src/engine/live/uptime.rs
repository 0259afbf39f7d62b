//! How long the drill's Redis has been up, in virtual time: Redis itself counts real seconds.

use crate::metrics::UP_BEFORE_MS;
use firedrill_asynq::clock::{ClockOrigin, Time};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Redis' own count of real seconds is cut off, and its clock is read ten times a second.
const SLACK_S: f64 = 2.0;

/// See the module.
#[derive(Debug, Clone)]
pub struct Uptime {
    clock: ClockOrigin,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    /// Virtual time since which it counts as up.
    since: Time,
    /// When it was last known to have started, the drill's start where it did so before.
    started: Time,
}

impl Uptime {
    /// Of a Redis that was there when the drill began.
    #[must_use]
    pub fn new(clock: ClockOrigin) -> Self {
        let state = State::before(clock);
        Self {
            clock,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    /// A replica that was there when the drill began has taken its place.
    pub(crate) fn promoted(&self) {
        *self.lock() = State::before(self.clock);
    }

    /// It was started anew, just now.
    pub(crate) fn restarted(&self) {
        let now = self.clock.now();
        *self.lock() = State {
            since: now,
            started: now,
        };
    }

    /// Virtual seconds, when Redis says that it has been up for so many real ones. One that is younger than it should be
    /// was started by somebody else.
    pub(crate) fn seconds(&self, real_s: f64) -> i64 {
        let now = self.clock.now();
        let mut state = self.lock();
        let known_s = self.clock.real(now.0 - state.started.0).as_secs_f64();
        if real_s + SLACK_S < known_s {
            let at = now.plus_millis(-((real_s * self.clock.speed * 1e3) as i64));
            *state = State {
                since: at,
                started: at,
            };
        }
        now.secs() - state.since.secs()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Of a server that was there before the clock began.
    fn before(clock: ClockOrigin) -> Self {
        let started = clock.virtual_start;
        Self {
            since: started.plus_millis(-UP_BEFORE_MS),
            started,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A clock that was started so many real seconds ago.
    fn clock(ago_s: i64) -> ClockOrigin {
        let mut clock = ClockOrigin::start(Time::from_millis(1_700_000_000_000), 60.0);
        clock.monotonic_ns -= ago_s * 1_000_000_000;
        clock
    }

    #[test]
    fn uptime_counts_virtual_seconds_from_the_last_start() {
        let uptime = Uptime::new(clock(100));
        let day = 86_400;
        assert!((day + 6_000..day + 6_600).contains(&uptime.seconds(101.0)));
        // Started by somebody else, 10 real seconds ago.
        assert!((599..1_200).contains(&uptime.seconds(10.0)));
        uptime.restarted();
        std::thread::sleep(Duration::from_millis(50));
        assert!((2..600).contains(&uptime.seconds(0.0)));
        // A replica is as old as the drill, whatever became of the primary before.
        uptime.promoted();
        assert!((day + 6_000..day + 6_600).contains(&uptime.seconds(101.0)));
    }
}
