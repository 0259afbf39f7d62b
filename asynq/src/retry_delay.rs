//! How long a failed task waits for its next attempt.

use crate::rng::unit;
use crate::settings::default_retry_delay_s;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// asynq's `RetryDelayFunc`, as far as a scenario can say it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RetryDelay {
    /// asynq's own: `n^4 + 15 + random(30) * (n + 1)` seconds.
    #[default]
    Default,
    /// Always the same.
    Constant {
        /// How long.
        ms: i64,
    },
    /// `base * factor^n`, lengthened by up to `jitter` of itself.
    Exponential {
        /// Delay of the first retry without jitter.
        base_ms: i64,
        /// What each further one is multiplied by, at least 1.
        factor: f64,
        /// Largest share added at random, 0 or more.
        jitter: f64,
    },
}

/// asynq draws one of so many.
const DEFAULT_SPREAD: f64 = 30.0;

/// No task waits longer than this for its next attempt: ten years.
const DELAY_MAX_MS: f64 = 10.0 * 365.0 * 86_400e3;

impl RetryDelay {
    /// The delay in milliseconds after a failure of a task that was retried `retried` times before; `bits`: 64 random ones.
    #[must_use]
    pub fn draw_ms(self, retried: i32, bits: u64) -> i64 {
        match self {
            Self::Default => {
                let second = (unit(bits) * DEFAULT_SPREAD) as u32;
                default_retry_delay_s(retried, second).saturating_mul(1_000)
            }
            Self::Constant { ms } => ms,
            Self::Exponential {
                base_ms,
                factor,
                jitter,
            } => {
                let delay_ms = base_ms as f64 * libm::pow(factor, f64::from(retried.max(0)));
                (delay_ms * (1.0 + jitter * unit(bits))).min(DELAY_MAX_MS) as i64
            }
        }
    }
}

/// Which dice decide how long a failed task waits: the server's own, unless there are some of each task.
#[derive(Clone)]
pub struct RetryDice<T>(Option<Arc<BitsOf<T>>>);

/// 64 random bits of the attempt that a task is at; `None`: the server's own dice.
type BitsOf<T> = dyn Fn(&T) -> Option<u64> + Send + Sync;

impl<T> RetryDice<T> {
    /// Dice of each task: it waits as long wherever it fails, on whatever server.
    pub fn of_each_task(bits: impl Fn(&T) -> Option<u64> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(bits)))
    }

    /// The bits of `task`, which are `own` where it has none.
    pub(crate) fn bits(&self, task: &T, own: impl FnOnce() -> u64) -> u64 {
        let of_task = self.0.as_ref().and_then(|bits| bits(task));
        of_task.unwrap_or_else(own)
    }
}

impl<T> Default for RetryDice<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> fmt::Debug for RetryDice<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Some(_) => "of each task",
            None => "the server's",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::stream;
    use rand::Rng;

    #[test]
    fn a_task_with_dice_of_its_own_waits_as_long_on_any_server() {
        let dice = RetryDice::of_each_task(|task: &u64| (*task > 0).then_some(*task));
        assert_eq!(dice.bits(&7, || unreachable!("it has its own")), 7);
        assert_eq!(dice.bits(&0, || 9), 9);
        assert_eq!(RetryDice::default().bits(&7, || 9), 9);
        let drawn = |bits| RetryDelay::Default.draw_ms(1, bits);
        assert_eq!((drawn(0), drawn(u64::MAX)), (16_000, 16_000 + 29 * 2_000));
    }

    #[test]
    fn delays_grow_and_jitter_only_lengthens() {
        let delay = RetryDelay::Exponential {
            base_ms: 1_000,
            factor: 2.0,
            jitter: 1.0,
        };
        let mut rng = stream(1, "delays");
        for retried in 0..10 {
            let low = 1_000 << retried;
            let drawn: Vec<i64> = (0..200)
                .map(|_| delay.draw_ms(retried, rng.next_u64()))
                .collect();
            assert!(drawn.iter().all(|ms| (low..=2 * low).contains(ms)));
            assert!(
                drawn.iter().any(|ms| *ms > low + low / 2)
                    && drawn.iter().any(|ms| *ms < low + low / 2)
            );
        }
        assert_eq!(
            delay.draw_ms(2_000, rng.next_u64()),
            DELAY_MAX_MS as i64,
            "no overflow"
        );
        assert_eq!(RetryDelay::Constant { ms: 5 }.draw_ms(9, rng.next_u64()), 5);
        assert!((15_000..45_000).contains(&RetryDelay::Default.draw_ms(0, rng.next_u64())));
    }
}
