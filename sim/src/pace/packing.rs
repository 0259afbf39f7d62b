//! Which drills run beside each other.

use crate::pace::Pace;
use crate::plan::Demand;
use std::collections::VecDeque;

/// Drills that wait, the longest first, and what those that run take.
#[derive(Debug)]
pub struct Packing {
    budget: f64,
    most: usize,
    waiting: VecDeque<Waiting>,
    running: Vec<(usize, f64)>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    job: usize,
    pace: Pace,
    alone: bool,
}

impl Packing {
    /// `budget`: processors that drills may take together; `most`: drills at a time, whatever they take. Jobs are known by
    /// their place in `jobs`.
    #[must_use]
    pub fn new(budget: f64, most: usize, jobs: &[(Demand, Pace)]) -> Self {
        let mut order: Vec<usize> = (0..jobs.len()).collect();
        let seconds = |job: &usize| jobs[*job].1.seconds(&jobs[*job].0);
        order.sort_by(|one, other| seconds(other).total_cmp(&seconds(one)).then(one.cmp(other)));
        let waiting = order.into_iter().map(|job| Waiting {
            job,
            pace: jobs[job].1,
            alone: false,
        });
        Self {
            budget,
            most: most.max(1),
            waiting: waiting.collect(),
            running: Vec::new(),
        }
    }

    /// The next that may begin, and at which pace: the longest of those that fit in; one that fits nowhere runs alone.
    pub fn begin(&mut self) -> Option<(usize, Pace)> {
        if self.running.len() >= self.most {
            return None;
        }
        let taken: f64 = self.running.iter().map(|(_, load)| load).sum();
        let nobody = self.running.is_empty();
        let fits = |waiting: &Waiting| {
            nobody || (!waiting.alone && taken + waiting.pace.load <= self.budget)
        };
        let place = self.waiting.iter().position(fits)?;
        let Waiting { job, pace, alone } = self.waiting.remove(place)?;
        // Nothing fits in beside one that is to be alone.
        let load = if alone { f64::INFINITY } else { pace.load };
        self.running.push((job, load));
        Some((job, pace))
    }

    /// A drill is over.
    pub fn ended(&mut self, job: usize) {
        self.running.retain(|(running, _)| *running != job);
    }

    /// A drill is to run again; `alone`: with nothing beside it. Before all that wait: it has waited already.
    pub fn again(&mut self, job: usize, pace: Pace, alone: bool) {
        self.waiting.push_front(Waiting { job, pace, alone });
    }

    /// How many run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// How long the drills that wait will take, real seconds, were each to take as long as planned: what [`Packing::begin`]
    /// makes of it.
    #[must_use]
    pub fn seconds(jobs: &[(Demand, Pace)], budget: f64, most: usize) -> f64 {
        let mut packing = Self::new(budget, most, jobs);
        let mut ends: Vec<(f64, usize)> = Vec::new();
        let mut now = 0.0;
        loop {
            while let Some((job, pace)) = packing.begin() {
                ends.push((now + pace.seconds(&jobs[job].0), job));
            }
            let Some(first) = (0..ends.len()).min_by(|a, b| ends[*a].0.total_cmp(&ends[*b].0))
            else {
                return now;
            };
            let (at, job) = ends.swap_remove(first);
            now = at;
            packing.ended(job);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn job(minutes: i64, load: f64) -> (Demand, Pace) {
        let demand = Demand {
            tasks_per_s: 1.0,
            busiest_per_s: 1.0,
            handler_ms: 500.0,
            duration_ms: minutes * 60_000,
            holds_calls: false,
        };
        (demand, Pace { speed: 60.0, load })
    }

    fn begun(packing: &mut Packing) -> Vec<usize> {
        std::iter::from_fn(|| packing.begin().map(|(job, _)| job)).collect()
    }

    #[test]
    fn the_longest_begin_and_small_ones_fill_up() {
        let jobs = [job(10, 0.5), job(60, 0.5), job(30, 0.9), job(20, 0.2)];
        let mut packing = Packing::new(1.2, 8, &jobs);
        assert_eq!(begun(&mut packing), [1, 3, 0]);
        packing.ended(1);
        assert!(begun(&mut packing).is_empty());
        packing.ended(0);
        assert_eq!(begun(&mut packing), [2]);
    }

    #[test]
    fn one_that_fits_nowhere_runs_alone() {
        let mut packing = Packing::new(1.0, 8, &[job(10, 3.0), job(5, 0.1)]);
        assert_eq!(begun(&mut packing), [0]);
        packing.ended(0);
        assert_eq!(begun(&mut packing), [1]);
        let slower = Pace {
            speed: 30.0,
            load: 0.05,
        };
        packing.again(0, slower, true);
        assert_eq!(packing.begin(), None);
        packing.ended(1);
        assert_eq!(packing.begin(), Some((0, slower)));
        assert_eq!(packing.begin(), None);
    }

    proptest! {
        /// Every drill runs, once, within budget or alone, and the forecast comes to an end.
        #[test]
        fn all_run(loads in proptest::collection::vec(0.0..3.0f64, 0..20), budget in 0.1..4.0f64, most in 1..9usize) {
            let jobs: Vec<_> = loads.iter().enumerate().map(|(n, load)| job(n as i64 + 1, *load)).collect();
            let mut packing = Packing::new(budget, most, &jobs);
            let mut running: Vec<usize> = Vec::new();
            let mut done = Vec::new();
            loop {
                running.extend(begun(&mut packing));
                let taken: f64 = running.iter().map(|job| loads[*job]).sum();
                prop_assert!(running.len() == 1 || taken <= budget + 1e-9);
                prop_assert!(running.len() <= most);
                let Some(job) = running.pop() else { break };
                packing.ended(job);
                done.push(job);
            }
            done.sort_unstable();
            prop_assert_eq!(done, (0..jobs.len()).collect::<Vec<_>>());
            prop_assert!(Packing::seconds(&jobs, budget, most).is_finite());
        }
    }
}
