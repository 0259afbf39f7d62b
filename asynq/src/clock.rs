//! Virtual time: one mapping from the machine's monotonic clock, shared by all processes of a drill.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A point in virtual time, nanoseconds since the Unix epoch.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Time(
    /// Nanoseconds since the Unix epoch.
    pub i64,
);

impl Time {
    /// From Unix milliseconds.
    #[must_use]
    #[inline]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis * 1_000_000)
    }

    /// Unix seconds, fraction cut off.
    #[must_use]
    #[inline]
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }

    /// Unix milliseconds, fraction cut off.
    #[must_use]
    #[inline]
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This time moved by `millis` milliseconds; what would be centuries away is as far as time goes.
    #[must_use]
    #[inline]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis.saturating_mul(1_000_000)))
    }

    /// This time moved by `micros` microseconds, likewise.
    #[must_use]
    #[inline]
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros.saturating_mul(1_000)))
    }
}

/// Where virtual time comes from: `origin + elapsed real time x speed`.
///
/// Plain data, so that a child process shares its parent's clock: the monotonic clock is one for all processes of
/// a machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockOrigin {
    /// Reading of the monotonic clock, nanoseconds, at the start of the drill.
    pub monotonic_ns: i64,
    /// Virtual time at that moment.
    pub virtual_start: Time,
    /// Virtual seconds per real second, > 0.
    pub speed: f64,
}

impl ClockOrigin {
    /// A clock that starts now at Unix time `virtual_start` and runs `speed` times as fast as real time.
    #[must_use]
    pub fn start(virtual_start: Time, speed: f64) -> Self {
        Self {
            monotonic_ns: monotonic_ns(),
            virtual_start,
            speed,
        }
    }

    /// The time of day, at the speed of real time.
    #[must_use]
    pub fn real_time() -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        Self::start(Time(now.tv_sec * 1_000_000_000 + now.tv_nsec), 1.0)
    }

    /// Virtual time now.
    #[must_use]
    pub fn now(&self) -> Time {
        let elapsed = (monotonic_ns() - self.monotonic_ns) as f64 * self.speed;
        Time(self.virtual_start.0 + elapsed as i64)
    }

    /// Real time until virtual `at`, zero if it is past.
    #[must_use]
    pub fn until(&self, at: Time) -> Duration {
        self.real(at.0 - self.now().0)
    }

    /// The real length of a virtual span in nanoseconds, zero if negative.
    #[must_use]
    pub fn real(&self, virtual_ns: i64) -> Duration {
        Duration::from_nanos((virtual_ns.max(0) as f64 / self.speed) as u64)
    }

    /// The real length of a virtual span in milliseconds.
    #[must_use]
    pub fn real_millis(&self, virtual_ms: i64) -> Duration {
        self.real(virtual_ms.saturating_mul(1_000_000))
    }
}

/// The machine's monotonic clock in nanoseconds; the same for all processes.
fn monotonic_ns() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_runs_speed_times_as_fast() {
        let clock = ClockOrigin::start(Time::from_millis(1_000_000), 60.0);
        assert_eq!(clock.real_millis(60_000), Duration::from_secs(1));
        assert!(clock.now() >= Time::from_millis(1_000_000));
        assert_eq!(clock.until(Time::from_millis(0)), Duration::ZERO);
    }
}
