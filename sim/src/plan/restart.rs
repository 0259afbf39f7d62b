//! Who starts a worker process again that has died: an orchestrator, with a back-off.

use crate::form::{form, number, positive};
use firedrill_asynq::clock::Time;
use serde::{Deserialize, Serialize};

form! {
    /// How an orchestrator starts processes again that have died by themselves.
    #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct RestartPlan: "restart" {
        /// How long after its first death a process is started again.
        pub backoff_ms as "backoff": i64 = positive().at_least(1_000, "1s"), default 10_000;
        /// What the wait is multiplied by with each further death.
        pub factor: f64 = number(1.0..=10.0), default 2.0;
        /// Longest wait. A process that has run for twice as long has a clean record again.
        pub max_ms as "max": i64 = positive().at_least(1_000, "1s"), default 300_000;
    }
}

impl RestartPlan {
    /// As kubelet does where nobody says otherwise.
    pub(crate) const KUBELETS: Self = Self {
        backoff_ms: 10_000,
        factor: 2.0,
        max_ms: 300_000,
    };
}

/// The record of one process, as kubelet keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    policy: RestartPlan,
    /// Deaths in a row.
    deaths: u32,
    /// When it was started last; `None`: before the drill.
    started: Option<Time>,
}

impl Backoff {
    pub(crate) fn new(policy: RestartPlan) -> Self {
        Self {
            policy,
            deaths: 0,
            started: None,
        }
    }

    /// It was started, by whomever.
    pub(crate) fn started(&mut self, at: Time) {
        self.started = Some(at);
    }

    /// It has died, or could not be started; answers when it is to be started again.
    pub(crate) fn died(&mut self, at: Time) -> Time {
        let clean_ms = self.policy.max_ms.saturating_mul(2);
        let ran = |since: Time| at.millis() - since.millis() >= clean_ms;
        if self.started.is_some_and(ran) {
            self.deaths = 0;
        }
        let grown = self.policy.factor.max(1.0);
        let mut wait_ms = self.policy.backoff_ms as f64;
        let most_ms = self.policy.max_ms as f64;
        for _ in 0..self.deaths {
            if wait_ms >= most_ms || grown <= 1.0 {
                break;
            }
            wait_ms *= grown;
        }
        self.deaths = self.deaths.saturating_add(1);
        at.plus_millis(wait_ms.min(most_ms) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_to_its_longest_and_a_long_life_clears_the_record() {
        let mut backoff = Backoff::new(RestartPlan::KUBELETS);
        let mut now = Time::from_millis(0);
        let mut waits = Vec::new();
        for _ in 0..7 {
            let again = backoff.died(now);
            waits.push((again.millis() - now.millis()) / 1_000);
            backoff.started(again);
            now = again.plus_millis(5_000);
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300]);
        let later = now.plus_millis(600_000);
        assert_eq!(backoff.died(later), later.plus_millis(10_000));
    }
}
