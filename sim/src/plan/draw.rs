//! What the seed decides: arrivals, service times, failures. Portable maths only, so that a seed means the same
//! everywhere.

use crate::plan::exponential::exponential;
use crate::plan::load::Load;
use crate::plan::rates::Varying;
use crate::plan::{Arrivals, MB, Plan, Recording, Service, TaskPlan};
use firedrill_asynq::clock::Time;
use firedrill_asynq::cron::Spec;
use firedrill_asynq::rng::{self, Numbered, Throw, unit};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Arrival times of workload entry `index`, microseconds since the start, ascending, within the drill. What goes by the
/// calendar goes by the plan's, so it comes at the same times on every engine and day.
#[must_use]
pub fn arrivals(plan: &Plan, index: usize) -> ArrivalTimes {
    let origin = plan.starts.on_the_calendar();
    let load = Load::of(plan, index);
    ArrivalTimes {
        arrivals: plan.workload[index].arrivals.clone(),
        dice: rng::stream(plan.seed, &format!("arrivals/{index}")),
        varying: Varying::of(plan, index, &load),
        load,
        run: (0, 0),
        again: None,
        end_us: plan.duration_ms * 1_000,
        count: 0,
        clock_us: 0.0,
        calendar: match &plan.workload[index].arrivals {
            // A plan's specifications were read before.
            Arrivals::Cron { spec } => Spec::parse(spec).ok().map(|spec| (spec, origin, origin)),
            _ => None,
        },
    }
}

/// See [`arrivals`].
#[derive(Debug, Clone)]
pub struct ArrivalTimes {
    arrivals: Arrivals,
    dice: ChaCha8Rng,
    load: Load,
    end_us: i64,
    count: u64,
    clock_us: f64,
    /// A rate that changes.
    varying: Option<Varying>,
    /// Of a recording: the run, and how many of it have come.
    run: (usize, u64),
    /// What a second scheduler enqueues next, and the step that has it do so.
    again: Option<(i64, usize)>,
    /// A specification, when the drill starts, and when it was due last.
    calendar: Option<(Spec, Time, Time)>,
}

/// What was to arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When, microseconds since the start.
    pub at_us: i64,
    /// The step of the timeline that withholds it, if one does.
    pub withheld_by: Option<usize>,
    /// The step that has a second scheduler enqueue it, after the first has.
    pub doubled_by: Option<usize>,
}

impl Iterator for ArrivalTimes {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        loop {
            let Arrival {
                at_us, withheld_by, ..
            } = self.next_meant()?;
            if withheld_by.is_none() {
                return Some(at_us);
            }
        }
    }
}

impl ArrivalTimes {
    /// The next arrival, whether it is withheld or not.
    pub fn next_meant(&mut self) -> Option<Arrival> {
        let (at_us, doubled_by) = match self.again.take() {
            Some((at_us, step)) => (at_us, Some(step)),
            None => {
                let at_us = self.next_us()?;
                let doubled_by = self.load.doubled_by(at_us);
                self.again = doubled_by.map(|step| (at_us, step));
                (at_us, None)
            }
        };
        Some(Arrival {
            at_us,
            withheld_by: self.load.withheld_by(at_us),
            doubled_by,
        })
    }

    /// The steps that have moved what arrives then.
    pub fn touched_by(&self, at_us: i64) -> impl Iterator<Item = usize> {
        self.load.touched_by(at_us)
    }

    fn next_us(&mut self) -> Option<i64> {
        let (at_us, until_us) = match &self.arrivals {
            Arrivals::None => return None,
            Arrivals::Poisson {
                rate_per_sec,
                from_ms,
                until_ms,
            } => {
                self.clock_us += exponential(|| self.dice.random()) / rate_per_sec * 1e6;
                let from_us = *from_ms as f64 * 1e3;
                let at_us = self.load.moved(from_us, from_us + self.clock_us);
                (at_us, until_ms * 1_000)
            }
            Arrivals::Constant {
                rate_per_sec,
                from_ms,
                until_ms,
            } => {
                let from_us = *from_ms as f64 * 1e3;
                let at_us = from_us + self.count as f64 / rate_per_sec * 1e6;
                (self.load.moved(from_us, at_us), until_ms * 1_000)
            }
            Arrivals::Stages { evenly: true, .. } => {
                let at_us = self.varying.as_ref()?.when(self.count as f64 + 0.5)?;
                (at_us, i64::MAX)
            }
            Arrivals::Stages { .. } | Arrivals::Diurnal { .. } | Arrivals::Mmpp { .. } => {
                self.clock_us += exponential(|| self.dice.random());
                (self.varying.as_ref()?.when(self.clock_us)?, i64::MAX)
            }
            Arrivals::Trace {
                at_ms, recording, ..
            } => {
                let (place, number) = &mut self.run;
                let run = *recording.runs().get(*place)?;
                let at_us = at_ms * 1_000 + Recording::at_us(run, *number);
                *number += 1;
                if *number == run.count {
                    (*place, *number) = (*place + 1, 0);
                }
                (at_us as f64, i64::MAX)
            }
            Arrivals::Cron { .. } => {
                let (spec, origin, last) = self.calendar.as_mut()?;
                *last = spec.next_after(*last)?;
                (((last.0 - origin.0) / 1_000) as f64, i64::MAX)
            }
            Arrivals::Burst {
                count: total,
                at_ms,
                over_ms,
            } => {
                if self.count >= *total {
                    return None;
                }
                let spread_us = *over_ms as f64 * 1e3 * self.count as f64 / *total as f64;
                (*at_ms as f64 * 1e3 + spread_us, i64::MAX)
            }
        };
        self.count += 1;
        let at_us = at_us as i64;
        (at_us < until_us.min(self.end_us)).then_some(at_us)
    }
}

/// One execution, whoever carries it out: what a handler does depends on this and the plan alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execution {
    /// Index of the workload entry.
    pub workload: usize,
    /// Number of the arrival within it.
    pub seq: u64,
    /// 0 for the first attempt.
    pub attempt: u32,
}

/// The dice of a plan that are thrown for each execution: named streams, found once.
#[derive(Debug, Clone)]
pub struct Dice {
    service: Vec<Numbered>,
    fail: Vec<Numbered>,
    payload: Vec<Numbered>,
    uses: Vec<Numbered>,
    retry: Vec<Numbered>,
    /// Per step of the timeline, then per workload entry.
    fault: Vec<Vec<Numbered>>,
}

impl Dice {
    /// The dice of `plan`.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let of_each = |name: &str| -> Vec<Numbered> {
            (0..plan.workload.len())
                .map(|index| Numbered::new(plan.seed, &format!("{name}/{index}")))
                .collect()
        };
        Self {
            service: of_each("service"),
            fail: of_each("fail"),
            payload: of_each("payload"),
            uses: of_each("uses"),
            retry: of_each("retry"),
            fault: (0..plan.timeline.len())
                .map(|step| of_each(&format!("fault/{step}")))
                .collect(),
        }
    }

    /// How long an execution works, virtual microseconds: at least 1.
    #[must_use]
    pub fn service_us(&self, plan: &Plan, of: Execution) -> i64 {
        let mut dice = self.service[of.workload].throw(of.seq, of.attempt);
        let task = &plan.workload[of.workload];
        let service_us = drawn_us(&task.service, &mut dice);
        let per_mb_us = task.service_per_mb_ms.map_or(0.0, |per_mb_ms| {
            let bytes = self.payload_bytes(task, of.workload, of.seq);
            per_mb_ms * 1e3 * bytes as f64 / MB
        });
        service_us + per_mb_us as i64
    }

    /// What decides how long a task waits after this attempt at it, 64 bits; `None` for a task that is not of the plan.
    #[must_use]
    pub fn retry_bits(&self, of: Execution) -> Option<u64> {
        let dice = self.retry.get(of.workload)?;
        Some(dice.throw(of.seq, of.attempt).bits())
    }

    /// How large the payload of arrival `seq` of a workload entry is, bytes; 0: as it comes.
    #[must_use]
    pub fn payload_bytes(&self, task: &TaskPlan, workload: usize, seq: u64) -> u64 {
        let Some(size) = &task.payload else {
            return 0;
        };
        let dice = &self.payload[workload];
        let number = task.payload_number(seq);
        size.at(
            || unit(dice.throw(number, 0).bits()),
            || normal(&mut dice.throw(number, 0)),
        )
    }

    /// What an execution needs, and for how long, virtual microseconds, by the numbers of the plan's resources.
    #[must_use]
    pub fn uses(&self, plan: &Plan, of: Execution) -> Vec<(usize, i64)> {
        let mut dice = self.uses[of.workload].throw(of.seq, of.attempt);
        let uses = plan.workload[of.workload].uses.iter();
        uses.filter_map(|used| {
            let (number, resource) = plan.resource(&used.resource)?;
            let us = match (used.hold_ms, &resource.latency) {
                (Some(ms), _) => ((ms * 1e3) as i64).max(1),
                (None, Some(latency)) => drawn_us(latency, &mut dice),
                (None, None) => 1,
            };
            Some((number, us))
        })
        .collect()
    }

    /// Whether an execution fails by the task's own failure share.
    #[must_use]
    pub fn fails_by_itself(&self, plan: &Plan, of: Execution) -> bool {
        let share = plan.workload[of.workload].fail_share;
        share > 0.0 && unit(self.fail[of.workload].throw(of.seq, of.attempt).bits()) < share
    }

    /// Whether an execution is among the `share` that step `step` of the timeline hits.
    #[must_use]
    pub fn falls_to_fault(&self, step: usize, of: Execution, share: f64) -> bool {
        share >= 1.0
            || unit(
                self.fault[step][of.workload]
                    .throw(of.seq, of.attempt)
                    .bits(),
            ) < share
    }
}

/// A time of this distribution, virtual microseconds: at least 1.
fn drawn_us(service: &Service, dice: &mut Throw) -> i64 {
    let seconds = match *service {
        Service::Constant { ms } => ms / 1e3,
        Service::Exponential { mean_ms } => exponential(|| dice.bits()) * mean_ms / 1e3,
        Service::Lognormal { mu, sigma } => libm::exp(mu + sigma * normal(dice)),
    };
    ((seconds * 1e6) as i64).max(1)
}

/// Standard normal (Box and Muller).
fn normal(dice: &mut Throw) -> f64 {
    let radius = libm::sqrt(2.0 * exponential(|| dice.bits()));
    radius * libm::cos(2.0 * std::f64::consts::PI * unit(dice.bits()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tests::plan_with_arrivals;
    use proptest::prelude::*;

    fn first(seq: u64) -> Execution {
        Execution {
            workload: 0,
            seq,
            attempt: 0,
        }
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn lognormal_service_has_the_mean_and_p95_asked_for() {
        let plan = plan_with_arrivals("{ poisson: 10/s }");
        let dice = Dice::new(&plan);
        let mut seconds: Vec<f64> = (0..40_000)
            .map(|seq| dice.service_us(&plan, first(seq)) as f64 / 1e6)
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
        let dice = Dice::new(&plan);
        let again = Execution {
            attempt: 1,
            ..first(1)
        };
        assert_ne!(
            dice.service_us(&plan, first(1)),
            dice.service_us(&plan, again)
        );
        assert_eq!(
            dice.service_us(&plan, first(1)),
            Dice::new(&plan).service_us(&plan, first(1))
        );
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
