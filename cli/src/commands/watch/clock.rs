//! What time a watch takes it to be.

use firedrill_asynq::clock::{ClockOrigin, Time};

/// The time it is. At the speed of real time it is the machine's own, whatever becomes of that over weeks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Clock {
    Machine,
    Fast(ClockOrigin),
}

impl Clock {
    /// One that begins at `start`. `speed`: virtual seconds per real second.
    pub(super) fn at_speed(start: Time, speed: f64) -> Self {
        match speed {
            1.0 => Self::Machine,
            speed => Self::Fast(ClockOrigin::start(start, speed)),
        }
    }

    pub(super) fn origin(self) -> ClockOrigin {
        match self {
            Self::Machine => ClockOrigin::real_time(),
            Self::Fast(origin) => origin,
        }
    }

    /// Virtual seconds per real second.
    pub(super) fn speed(self) -> f64 {
        self.origin().speed
    }

    pub(super) fn now_ms(self) -> i64 {
        self.origin().now().millis()
    }
}
