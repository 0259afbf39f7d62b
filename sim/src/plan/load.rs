//! What a plan makes of its arrivals: more, less or none of them while a step is on.
//!
//! Where so many times as much arrives, time goes so many times as fast for what arrives at a rate. So a surge is of the same
//! kind as what it multiplies, and what comes before it is as it would be without.

use crate::lever::{Arriving, Lever, LoadLever};
use crate::plan::{Arrivals, Plan};

/// What steps do to the arrivals of a workload entry.
#[derive(Debug, Clone, Default)]
pub(super) struct Load {
    /// Each with its step's index; times in microseconds since the start.
    windows: Vec<Window>,
    /// Those in which a second scheduler runs.
    doubled: Vec<Window>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    step: usize,
    from_us: f64,
    until_us: f64,
    /// 0: nothing arrives.
    factor: f64,
}

impl Window {
    fn is_on(&self, at_us: f64) -> bool {
        at_us >= self.from_us && at_us < self.until_us
    }
}

impl Load {
    /// Of workload entry `index`.
    pub(super) fn of(plan: &Plan, index: usize) -> Self {
        let task = &plan.workload[index].task;
        let arrivals = &plan.workload[index].arrivals;
        let is_periodic = matches!(arrivals, Arrivals::Cron { .. });
        let steps = plan.timeline.iter().enumerate();
        let window = |(step, of): (usize, &crate::plan::Step)| {
            let Lever::Load(LoadLever {
                task: only,
                what,
                factor,
            }) = of.fault.begin()
            else {
                return None;
            };
            let is_meant = match what {
                Arriving::All => factor == 0.0 || arrivals.has_rate(),
                Arriving::Periodic => is_periodic,
            };
            if !is_meant {
                return None;
            }
            let until_ms = of
                .until
                .as_ref()
                .map_or(plan.duration_ms, |until| until.at_ms);
            only.is_none_or(|only| only == *task).then_some(Window {
                step,
                from_us: of.at_ms as f64 * 1e3,
                until_us: until_ms as f64 * 1e3,
                factor,
            })
        };
        let all = steps.filter_map(window);
        let (doubled, windows) = all.partition(|window| is_periodic && window.factor > 0.0);
        Self { windows, doubled }
    }

    fn surges(&self) -> impl Iterator<Item = &Window> {
        self.windows.iter().filter(|window| window.factor > 0.0)
    }

    /// When arrives what would arrive at `at_us` if nothing were done; `from_us`: since when there are arrivals.
    pub(super) fn moved(&self, from_us: f64, at_us: f64) -> f64 {
        if self.surges().next().is_none() {
            return at_us;
        }
        let (mut now_us, mut left_us) = (from_us, at_us - from_us);
        loop {
            let on = self.surges().filter(|window| window.is_on(now_us));
            let factor: f64 = on.map(|window| window.factor).product();
            let edges = self
                .surges()
                .flat_map(|window| [window.from_us, window.until_us]);
            let next_us = edges
                .filter(|edge| *edge > now_us)
                .fold(f64::INFINITY, f64::min);
            let until_next_us = (next_us - now_us) * factor;
            if left_us <= until_next_us {
                return now_us + left_us / factor;
            }
            left_us -= until_next_us;
            now_us = next_us;
        }
    }

    /// Stretches of time with so many times as much, in order: when each begins, microseconds since the start, and the factor.
    pub(super) fn stretches(&self) -> Vec<(f64, f64)> {
        let mut edges: Vec<f64> = self
            .surges()
            .flat_map(|window| [window.from_us, window.until_us])
            .chain([0.0])
            .collect();
        edges.sort_by(f64::total_cmp);
        edges.dedup();
        let of = |edge: f64| {
            let on = self.surges().filter(|window| window.is_on(edge));
            (edge, on.map(|window| window.factor).product())
        };
        edges.into_iter().map(of).collect()
    }

    /// When any step begins or ends, microseconds since the start.
    pub(super) fn edges(&self) -> Vec<f64> {
        let windows = self.windows.iter();
        windows
            .flat_map(|window| [window.from_us, window.until_us])
            .collect()
    }

    /// How many times as much arrives at a moment; 0: nothing.
    pub(super) fn factor_at(&self, at_us: f64) -> f64 {
        let on = self.windows.iter().filter(|window| window.is_on(at_us));
        on.map(|window| window.factor).product()
    }

    /// The step that withholds what arrives at `at_us`, if one does.
    pub(super) fn withheld_by(&self, at_us: i64) -> Option<usize> {
        let stops = self.windows.iter().filter(|window| window.factor == 0.0);
        let mut on = stops.filter(|window| window.is_on(at_us as f64));
        on.next().map(|window| window.step)
    }

    /// The step that has what arrives at `at_us` come twice, if one does.
    pub(super) fn doubled_by(&self, at_us: i64) -> Option<usize> {
        let mut on = self.doubled.iter();
        on.find(|window| window.is_on(at_us as f64))
            .map(|window| window.step)
    }

    /// The steps that have moved what arrives at `at_us`.
    pub(super) fn touched_by(&self, at_us: i64) -> impl Iterator<Item = usize> {
        let on = self
            .surges()
            .filter(move |window| window.is_on(at_us as f64));
        on.map(|window| window.step)
    }

    /// How many times as much arrives as without, over a stretch; milliseconds.
    pub(super) fn mean_factor(&self, from_ms: i64, until_ms: i64) -> f64 {
        if self.windows.is_empty() || until_ms <= from_ms {
            return 1.0;
        }
        let (from_us, until_us) = (from_ms as f64 * 1e3, until_ms as f64 * 1e3);
        let edges = self
            .windows
            .iter()
            .flat_map(|window| [window.from_us, window.until_us]);
        let mut edges: Vec<f64> = edges
            .filter(|edge| *edge > from_us && *edge < until_us)
            .collect();
        edges.extend([from_us, until_us]);
        edges.sort_by(f64::total_cmp);
        let whole: f64 = edges
            .windows(2)
            .map(|pair| {
                let on = self.windows.iter().filter(|window| window.is_on(pair[0]));
                (pair[1] - pair[0]) * on.map(|window| window.factor).product::<f64>()
            })
            .sum();
        whole / (until_us - from_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::arrivals;
    use crate::scenario::tests::plan_with_arrivals;
    use proptest::prelude::*;

    fn window(step: usize, from_us: f64, until_us: f64, factor: f64) -> Window {
        Window {
            step,
            from_us,
            until_us,
            factor,
        }
    }

    fn load() -> Load {
        Load {
            windows: vec![
                window(0, 100.0, 200.0, 4.0),
                window(1, 150.0, 250.0, 0.5),
                window(2, 300.0, 400.0, 0.0),
            ],
            doubled: Vec::new(),
        }
    }

    #[test]
    fn time_goes_faster_while_more_arrives() {
        let load = load();
        // 100 as they come, 50 at 4, 50 at 2, 50 at a half: 100 + 200 + 100 + 25 = 425.
        for (meant, comes) in [
            (60.0, 60.0),
            (104.0, 101.0),
            (300.0, 150.0),
            (400.0, 200.0),
            (425.0, 250.0),
            (435.0, 260.0),
        ] {
            assert_eq!(load.moved(0.0, meant), comes, "{meant}");
        }
        assert_eq!(load.withheld_by(350), Some(2));
        assert_eq!(load.withheld_by(400), None);
        assert_eq!(load.touched_by(160).collect::<Vec<_>>(), [0, 1]);
        // 425 of 250, nothing of 100, 100 as they come: 525 + 50 before the stop.
        let mut whole = load.mean_factor(0, 0);
        assert_eq!(whole, 1.0, "no time at all");
        let scaled = Load {
            windows: load
                .windows
                .iter()
                .map(|w| window(w.step, w.from_us * 1e3, w.until_us * 1e3, w.factor))
                .collect(),
            doubled: Vec::new(),
        };
        whole = scaled.mean_factor(0, 500);
        assert!(
            (whole - (425.0 + 50.0 + 100.0) / 500.0).abs() < 1e-12,
            "{whole}"
        );
    }

    #[test]
    fn a_plan_without_such_steps_is_as_it_was() {
        let plan = plan_with_arrivals("{ poisson: 10/s }");
        let times: Vec<i64> = arrivals(&plan, 0).take(5).collect();
        let load = Load::of(&plan, 0);
        assert!(
            times
                .iter()
                .all(|at| load.moved(0.0, *at as f64) == *at as f64)
        );
    }

    proptest! {
        #[test]
        fn arrivals_keep_their_order(mut meant in prop::collection::vec(0.0..1e3_f64, 2..50)) {
            meant.sort_by(f64::total_cmp);
            let load = load();
            let moved: Vec<f64> = meant.iter().map(|at| load.moved(0.0, *at)).collect();
            prop_assert!(moved.is_sorted(), "{:?}", moved);
        }
    }
}
