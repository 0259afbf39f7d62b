//! What the seed decides: arrivals, service times, failures. Portable maths only, so that a seed means the same
//! everywhere.

use crate::plan::{Arrivals, Plan, Service};
use crate::rng;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Arrival times of workload entry `index`, microseconds since the start, ascending, within the drill.
pub fn arrivals(plan: &Plan, index: usize) -> impl Iterator<Item = i64> + Send + use<> {
    let end_us = plan.duration_ms * 1_000;
    let mut dice = rng::stream(plan.seed, &format!("arrivals/{index}"));
    let arrivals = plan.workload[index].arrivals.clone();
    let mut count: u64 = 0;
    let mut clock_us = 0.0;
    std::iter::from_fn(move || {
        let (at_us, until_us) = match &arrivals {
            Arrivals::Poisson {
                rate_per_sec,
                from_ms,
                until_ms,
            } => {
                clock_us += exponential(&mut dice) / rate_per_sec * 1e6;
                (*from_ms as f64 * 1e3 + clock_us, until_ms * 1_000)
            }
            Arrivals::Constant {
                rate_per_sec,
                from_ms,
                until_ms,
            } => (
                *from_ms as f64 * 1e3 + count as f64 / rate_per_sec * 1e6,
                until_ms * 1_000,
            ),
            Arrivals::Burst {
                count: total,
                at_ms,
                over_ms,
            } => {
                if count >= *total {
                    return None;
                }
                (
                    *at_ms as f64 * 1e3 + *over_ms as f64 * 1e3 * count as f64 / *total as f64,
                    i64::MAX,
                )
            }
        };
        count += 1;
        let at_us = at_us as i64;
        (at_us < until_us.min(end_us)).then_some(at_us)
    })
}

/// How long attempt `attempt` of task `seq` of workload entry `index` works, virtual microseconds: at least 1.
///
/// Drawn for the task, not for the worker, so that it is the same whoever runs it.
#[must_use]
pub fn service_us(plan: &Plan, index: usize, seq: u64, attempt: u32) -> i64 {
    let mut dice = rng::stream(plan.seed, &format!("service/{index}/{seq}/{attempt}"));
    let seconds = match plan.workload[index].service {
        Service::Constant { ms } => ms / 1e3,
        Service::Exponential { mean_ms } => exponential(&mut dice) * mean_ms / 1e3,
        Service::Lognormal { mu, sigma } => libm::exp(mu + sigma * normal(&mut dice)),
    };
    ((seconds * 1e6) as i64).max(1)
}

/// Whether this attempt fails by the task's own failure share.
#[must_use]
pub fn fails_by_itself(plan: &Plan, index: usize, seq: u64, attempt: u32) -> bool {
    let share = plan.workload[index].fail_share;
    share > 0.0
        && unit(&mut rng::stream(
            plan.seed,
            &format!("fail/{index}/{seq}/{attempt}"),
        )) < share
}

/// Whether this attempt is among the `share` that step `step` of the timeline hits.
#[must_use]
pub fn falls_to_fault(
    plan: &Plan,
    step: usize,
    index: usize,
    seq: u64,
    attempt: u32,
    share: f64,
) -> bool {
    share >= 1.0
        || unit(&mut rng::stream(
            plan.seed,
            &format!("fault/{step}/{index}/{seq}/{attempt}"),
        )) < share
}

/// Uniform in [0, 1), 53 bits.
fn unit(dice: &mut ChaCha8Rng) -> f64 {
    (dice.random::<u64>() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Exponential with mean 1.
fn exponential(dice: &mut ChaCha8Rng) -> f64 {
    -libm::log(1.0 - unit(dice))
}

/// Standard normal (Box and Muller).
fn normal(dice: &mut ChaCha8Rng) -> f64 {
    let radius = libm::sqrt(2.0 * exponential(dice));
    radius * libm::cos(2.0 * std::f64::consts::PI * unit(dice))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tests::plan_with_arrivals;
    use proptest::prelude::*;

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn lognormal_service_has_the_mean_and_p95_asked_for() {
        let plan = plan_with_arrivals("{ poisson: 10/s }");
        let mut seconds: Vec<f64> = (0..40_000)
            .map(|seq| service_us(&plan, 0, seq, 0) as f64 / 1e6)
            .collect();
        seconds.sort_by(f64::total_cmp);
        assert!((mean(&seconds) - 0.5).abs() < 0.01, "{}", mean(&seconds));
        assert!((seconds[38_000] - 1.3).abs() < 0.05, "{}", seconds[38_000]);
    }

    #[test]
    fn a_burst_is_whole_and_a_retry_draws_anew() {
        let plan = plan_with_arrivals("{ burst: { count: 60, at: 1m, over: 1s } }");
        let times: Vec<i64> = arrivals(&plan, 0).collect();
        assert_eq!((times.len(), times[0]), (60, 60_000_000));
        assert!(times[59] < 61_000_000);
        assert_ne!(service_us(&plan, 0, 1, 0), service_us(&plan, 0, 1, 1));
        assert_eq!(service_us(&plan, 0, 1, 0), service_us(&plan, 0, 1, 0));
    }

    proptest! {
        #[test]
        fn arrivals_stay_in_their_window_at_their_rate(rate in 1_u32..50, from in 0_i64..5) {
            let plan = plan_with_arrivals(&format!("{{ poisson: {rate}/s, from: {from}m, until: 9m }}"));
            let times: Vec<i64> = arrivals(&plan, 0).collect();
            let window = from * 60_000_000..9 * 60_000_000;
            prop_assert!(times.iter().all(|at| window.contains(at)) && times.is_sorted());
            let expected = f64::from(rate) * (9 - from) as f64 * 60.0;
            prop_assert!((times.len() as f64 - expected).abs() < 6.0 * expected.sqrt(), "{} of {expected}", times.len());
        }
    }
}
