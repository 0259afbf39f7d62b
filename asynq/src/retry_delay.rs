//! How long a failed task waits for its next attempt.

use crate::rng::unit;
use crate::settings::default_retry_delay_s;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

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

/// No task waits longer than this for its next attempt: ten years.
const DELAY_MAX_MS: f64 = 10.0 * 365.0 * 86_400e3;

impl RetryDelay {
    /// The delay in milliseconds after a failure of a task that was retried `retried` times before.
    pub fn draw_ms(self, retried: i32, rng: &mut impl Rng) -> i64 {
        match self {
            Self::Default => {
                default_retry_delay_s(retried, rng.random_range(0..30)).saturating_mul(1_000)
            }
            Self::Constant { ms } => ms,
            Self::Exponential {
                base_ms,
                factor,
                jitter,
            } => {
                let delay_ms = base_ms as f64 * libm::pow(factor, f64::from(retried.max(0)));
                let unit = unit(rng.next_u64());
                (delay_ms * (1.0 + jitter * unit)).min(DELAY_MAX_MS) as i64
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::stream;

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
            let drawn: Vec<i64> = (0..200).map(|_| delay.draw_ms(retried, &mut rng)).collect();
            assert!(drawn.iter().all(|ms| (low..=2 * low).contains(ms)));
            assert!(
                drawn.iter().any(|ms| *ms > low + low / 2)
                    && drawn.iter().any(|ms| *ms < low + low / 2)
            );
        }
        assert_eq!(
            delay.draw_ms(2_000, &mut rng),
            DELAY_MAX_MS as i64,
            "no overflow"
        );
        assert_eq!(RetryDelay::Constant { ms: 5 }.draw_ms(9, &mut rng), 5);
        assert!((15_000..45_000).contains(&RetryDelay::Default.draw_ms(0, &mut rng)));
    }
}
