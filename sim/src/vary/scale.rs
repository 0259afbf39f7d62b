//! A fleet of another size: so many times as much comes, and there are so many times as many slots for it.

use crate::fault::Fault;
use crate::plan::{Arrivals, Plan};
use crate::remedy::Remedy;

impl Plan {
    /// The same drill of a fleet `factor` times as large: what arrives at a rate or in a burst, slots, what handlers share and memory of Redis that a
    /// step sets are all multiplied, at least one is left of each. So it is as busy as before, and faults mean the same. What comes by the
    /// calendar, and recordings, stay as they are.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        let whole = |count: u64| ((count as f64 * factor).round() as u64).max(1);
        let few = |count: u32| u32::try_from(whole(count.into())).unwrap_or(u32::MAX);
        for task in &mut self.workload {
            match &mut task.arrivals {
                Arrivals::Poisson { rate_per_sec, .. }
                | Arrivals::Constant { rate_per_sec, .. } => {
                    *rate_per_sec *= factor;
                }
                Arrivals::Stages {
                    start_per_sec,
                    stages,
                    ..
                } => {
                    *start_per_sec *= factor;
                    stages.iter_mut().for_each(|stage| stage.per_sec *= factor);
                }
                Arrivals::Diurnal { mean_per_sec, .. } => *mean_per_sec *= factor,
                Arrivals::Mmpp { states } => {
                    states.iter_mut().for_each(|state| state.per_sec *= factor);
                }
                Arrivals::Burst { count, .. } => *count = whole(*count),
                Arrivals::None | Arrivals::Trace { .. } | Arrivals::Cron { .. } => {}
            }
        }
        for worker in &mut self.workers {
            worker.concurrency = few(worker.concurrency);
        }
        for resource in &mut self.resources {
            resource.pool = resource.pool.map(few);
            resource.capacity = resource.capacity.map(few);
        }
        for step in &mut self.timeline {
            if let Fault::RedisMaxmemory(limit) = &mut step.fault {
                limit.bytes = whole(limit.bytes);
            }
        }
        let ends = self
            .timeline
            .iter_mut()
            .filter_map(|step| step.until.as_mut());
        let ends = ends.filter_map(|until| until.remedy.as_mut());
        let remedies = self.remedies.iter_mut().map(|step| &mut step.remedy);
        for remedy in remedies.chain(ends) {
            if let Remedy::RedisRaiseMaxmemory(raised) = remedy {
                raised.bytes = whole(raised.bytes);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::tests::{plan_of, plan_with_arrivals, shipped};

    #[test]
    fn a_fleet_of_twice_the_size_has_twice_the_traffic_and_the_slots() {
        for (arrivals, twice) in [
            ("{ poisson: 10/s }", "{ poisson: 20/s }"),
            ("{ constant: 3/m }", "{ constant: 6/m }"),
            (
                "{ burst: { count: 5, at: 1m } }",
                "{ burst: { count: 10, at: 1m } }",
            ),
            (
                "{ diurnal: { mean: 1/s, peak_to_trough: 3, peak_at: '14:00' } }",
                "{ diurnal: { mean: 2/s, peak_to_trough: 3, peak_at: '14:00' } }",
            ),
            (
                "{ mmpp: [{ rate: 1/s, mean_stay: 1m }, { rate: 4/s, mean_stay: 5s }] }",
                "{ mmpp: [{ rate: 2/s, mean_stay: 1m }, { rate: 8/s, mean_stay: 5s }] }",
            ),
            (
                "{ stages: [{ duration: 1m, target: 1/s }, { duration: 2m, target: 5/s }] }",
                "{ stages: [{ duration: 1m, target: 2/s }, { duration: 2m, target: 10/s }] }",
            ),
            ("{ cron: '* * * * *' }", "{ cron: '* * * * *' }"),
        ] {
            let mut wanted = plan_with_arrivals(twice);
            wanted.workers[0].concurrency = 20;
            assert_eq!(
                plan_with_arrivals(arrivals).scaled(2.0),
                wanted,
                "{arrivals}"
            );
        }
    }

    #[test]
    fn a_small_fleet_has_something_of_each() {
        for (name, text) in shipped() {
            let plan = plan_of(&text).unwrap();
            let half = plan.clone().scaled(0.5);
            assert!(
                half.workers.iter().all(|worker| worker.concurrency > 0),
                "{name}"
            );
            assert_eq!(plan.clone().scaled(1.0), plan, "{name}");
            // It is still one that can be written down and read.
            assert_eq!(plan_of(&half.to_yaml()).unwrap(), half, "{name}");
        }
    }
}
