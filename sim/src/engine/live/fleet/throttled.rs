//! Processes that get a part of their time only.

use super::Fleet;
use crate::engine::live::LiveError;
use crate::engine::live::child::WorkerChild;
use crate::engine::live::throttle::{Quota, Throttle, Throttled};
use firedrill_asynq::clock::{ClockOrigin, Time};
use rustix::process::Signal;
use std::time::Duration;

/// How often a throttled process is looked at until it is seen to stop, within a second.
const THROTTLE_LOOKS: u32 = 200;
const LOOK_AGAIN: Duration = Duration::from_millis(5);

impl Fleet {
    pub(super) fn throttle_one(
        &mut self,
        name: &str,
        quota: Quota,
        clock: ClockOrigin,
    ) -> Result<(), LiveError> {
        let Some(pid) = self.running.get(name).and_then(WorkerChild::id) else {
            return Ok(());
        };
        self.let_go(&[name.to_owned()]);
        let throttle = Throttle::start(pid, quota, clock);
        let throttle = throttle.map_err(|error| LiveError::System("a throttle", error))?;
        self.throttles.insert(name.to_owned(), throttle);
        Ok(())
    }

    /// Throttles processes; answers how many of them are seen to stop.
    pub(crate) async fn throttle(
        &mut self,
        names: &[String],
        quota: Quota,
        clock: ClockOrigin,
    ) -> Result<usize, LiveError> {
        self.let_go(names);
        self.tell(names, |pods, name| {
            pods.limits(name, Some((quota.run_ms, quota.period_ms)), clock.now());
        });
        for name in names {
            self.quotas.insert(name.clone(), quota);
            self.throttle_one(name, quota, clock)?;
        }
        let are_seen = |fleet: &Self| {
            let seen = names.iter().filter(|name| {
                let throttle = fleet.throttles.get(*name);
                throttle.is_some_and(|throttle| throttle.seen().stops > 0)
            });
            seen.count()
        };
        for _ in 0..THROTTLE_LOOKS {
            if are_seen(self) == names.len() {
                break;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(are_seen(self))
    }

    /// Processes get all their time again; answers how many are seen to go on, and what was seen of them meanwhile. Others are
    /// left alone.
    pub(crate) async fn unthrottle(&mut self, names: &[String], now: Time) -> (usize, Throttled) {
        self.tell(names, |pods, name| pods.limits(name, None, now));
        let mut seen = Throttled {
            periods: 0,
            stops: 0,
        };
        let mut throttled = Vec::new();
        for name in names {
            self.quotas.remove(name);
            if let Some(throttle) = self.throttles.remove(name) {
                let Throttled { periods, stops } = throttle.end();
                seen.periods += periods;
                seen.stops += stops;
                throttled.push(name.clone());
            }
        }
        (self.signal(&throttled, Signal::CONT).await, seen)
    }
}
