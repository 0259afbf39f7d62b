//! Arrivals at a rate that changes: how many come up to a moment, and when the next one does.

use super::exponential::exponential;
use super::load::Load;
use crate::plan::{Arrivals, Plan, Stage, State};
use firedrill_asynq::rng;
use rand::RngExt;

/// A day, microseconds.
const DAY_US: f64 = 86_400e6;
const TURN: f64 = 2.0 * std::f64::consts::PI / DAY_US;

/// How many arrive by when, were nothing done to it.
#[derive(Debug, Clone)]
enum Rates {
    /// Rates that change evenly, in order of time; nothing arrives after the last.
    Pieces(Vec<Piece>),
    /// Up and down once a day.
    Day {
        /// Per microsecond.
        mean: f64,
        /// By which share of the mean.
        swing: f64,
        /// A time of the highest rate, microseconds since the start.
        peak_us: f64,
    },
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    from_us: f64,
    /// Per microsecond, at its beginning.
    rate: f64,
    /// What is added to that each microsecond.
    slope: f64,
    lasts_us: f64,
    /// How many arrive before it.
    before: f64,
}

impl Piece {
    fn within(&self, us: f64) -> f64 {
        let us = us.clamp(0.0, self.lasts_us);
        self.rate * us + self.slope * us * us / 2.0
    }
}

impl Rates {
    /// Of workload entry `index`, if its rate changes.
    fn of(plan: &Plan, index: usize) -> Option<Self> {
        let end_us = plan.duration_ms as f64 * 1e3;
        match &plan.workload[index].arrivals {
            Arrivals::Stages {
                start_per_sec,
                stages,
                from_ms,
                ..
            } => Some(Self::of_stages(
                *start_per_sec,
                stages,
                *from_ms as f64 * 1e3,
            )),
            Arrivals::Diurnal {
                mean_per_sec,
                peak_to_trough,
                peak_at,
            } => Some(Self::Day {
                mean: mean_per_sec / 1e6,
                swing: (peak_to_trough - 1.0) / (peak_to_trough + 1.0),
                peak_us: plan.starts.until_time_of_day(peak_at.minute) as f64 * 60e6,
            }),
            Arrivals::Mmpp { states } => Some(Self::of_states(states, plan.seed, index, end_us)),
            _ => None,
        }
    }

    fn of_stages(start_per_sec: f64, stages: &[Stage], mut from_us: f64) -> Self {
        let (mut rate, mut before) = (start_per_sec / 1e6, 0.0);
        let mut pieces = Vec::new();
        for stage in stages {
            let (lasts_us, target) = (stage.duration_ms as f64 * 1e3, stage.per_sec / 1e6);
            if lasts_us > 0.0 {
                let slope = (target - rate) / lasts_us;
                let piece = Piece {
                    from_us,
                    rate,
                    slope,
                    lasts_us,
                    before,
                };
                before += piece.within(lasts_us);
                from_us += lasts_us;
                pieces.push(piece);
            }
            rate = target;
        }
        Self::Pieces(pieces)
    }

    fn of_states(states: &[State], seed: u64, index: usize, end_us: f64) -> Self {
        let mut dice = rng::stream(seed, &format!("mmpp/{index}"));
        let (mut now, mut from_us, mut before) = (0, 0.0, 0.0);
        let mut pieces = Vec::new();
        while from_us < end_us {
            let state = &states[now];
            let stays = exponential(|| dice.random());
            let piece = Piece {
                from_us,
                rate: state.per_sec / 1e6,
                slope: 0.0,
                lasts_us: (stays * state.mean_stay_ms as f64 * 1e3).max(1.0),
                before,
            };
            before += piece.within(piece.lasts_us);
            from_us += piece.lasts_us;
            pieces.push(piece);
            // Any of the others.
            let step = match states.len() {
                0..=2 => 1,
                many => dice.random_range(1..many),
            };
            now = (now + step) % states.len();
        }
        Self::Pieces(pieces)
    }

    /// How many arrive up to a moment.
    fn upto(&self, at_us: f64) -> f64 {
        match self {
            Self::Pieces(pieces) => {
                let after = pieces.partition_point(|piece| piece.from_us <= at_us);
                let last = after.checked_sub(1).map(|last| &pieces[last]);
                last.map_or(0.0, |piece| {
                    piece.before + piece.within(at_us - piece.from_us)
                })
            }
            Self::Day {
                mean,
                swing,
                peak_us,
            } => {
                let turned = libm::sin(TURN * (at_us - peak_us)) + libm::sin(TURN * peak_us);
                mean * (at_us + swing / TURN * turned)
            }
        }
    }

    /// When so many have arrived; `None`: never.
    fn when(&self, count: f64) -> Option<f64> {
        match self {
            Self::Pieces(pieces) => {
                let after = pieces.partition_point(|piece| piece.before <= count);
                let piece = &pieces[after.checked_sub(1)?];
                let left = count - piece.before;
                if left > piece.within(piece.lasts_us) {
                    return None;
                }
                let root =
                    libm::sqrt((piece.rate * piece.rate + 2.0 * piece.slope * left).max(0.0));
                let us = 2.0 * left / (piece.rate + root);
                let us = if left == 0.0 { 0.0 } else { us };
                Some(piece.from_us + us.min(piece.lasts_us))
            }
            Self::Day { mean, swing, .. } => {
                let off = 2.0 * swing / TURN;
                let (mut low, mut high) = (count / mean - off, count / mean + off);
                // To a fraction of a microsecond.
                while high - low > 0.25 {
                    let middle = f64::midpoint(low, high);
                    match self.upto(middle) < count {
                        true => low = middle,
                        false => high = middle,
                    }
                }
                Some(high.max(0.0))
            }
        }
    }
}

/// A stretch of time in which steps have so many times as much arrive.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    factor: f64,
    /// How many would have arrived before it, and how many do.
    meant: f64,
    before: f64,
}

/// Arrivals at a rate that changes, and what steps make of them.
#[derive(Debug, Clone)]
pub(super) struct Varying {
    rates: Rates,
    stretches: Vec<Stretch>,
}

impl Varying {
    /// Of workload entry `index`, if its rate changes.
    pub(super) fn of(plan: &Plan, index: usize, load: &Load) -> Option<Self> {
        let rates = Rates::of(plan, index)?;
        let mut stretches: Vec<Stretch> = Vec::new();
        for (from_us, factor) in load.stretches() {
            let meant = rates.upto(from_us);
            let before = stretches
                .last()
                .map_or(0.0, |last| last.before + (meant - last.meant) * last.factor);
            stretches.push(Stretch {
                factor,
                meant,
                before,
            });
        }
        Some(Self { rates, stretches })
    }

    /// When so many have arrived, microseconds since the start; `None`: never.
    pub(super) fn when(&self, count: f64) -> Option<f64> {
        let after = self
            .stretches
            .partition_point(|stretch| stretch.before <= count);
        let Some(stretch) = after.checked_sub(1).map(|last| self.stretches[last]) else {
            return self.rates.when(count);
        };
        let meant = stretch.meant + (count - stretch.before) / stretch.factor;
        self.rates.when(meant)
    }

    /// How many arrive in a drill, on average.
    pub(super) fn expected(&self, load: &Load, end_us: f64) -> f64 {
        let mut edges = load.edges();
        edges.retain(|edge| *edge > 0.0 && *edge < end_us);
        edges.extend([0.0, end_us]);
        edges.sort_by(f64::total_cmp);
        let parts = edges.windows(2).map(|pair| {
            let meant = self.rates.upto(pair[1]) - self.rates.upto(pair[0]);
            meant * load.factor_at(pair[0])
        });
        parts.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{arrivals, expected_tasks};
    use crate::scenario::tests::plan_with_arrivals;

    fn times(text: &str) -> (Plan, Vec<i64>) {
        let plan = plan_with_arrivals(text);
        let times = arrivals(&plan, 0).collect();
        (plan, times)
    }

    fn between(times: &[i64], from_s: i64, until_s: i64) -> usize {
        let span = from_s * 1_000_000..until_s * 1_000_000;
        times.iter().filter(|at| span.contains(at)).count()
    }

    #[test]
    fn stages_ramp_from_rate_to_rate() {
        let (plan, even) = times(
            "{ stages: [{ duration: 2m, target: 10/s }, { duration: 1m, target: 10/s }, { duration: 0s, target: 2/s }, \
             { duration: 1m, target: 2/s }], evenly: true }",
        );
        assert_eq!(between(&even, 0, 60), 150, "a quarter of 600");
        assert_eq!(between(&even, 0, 120), 600);
        assert_eq!(between(&even, 120, 180), 600);
        assert_eq!(between(&even, 180, 240), 120);
        assert_eq!(between(&even, 240, 600), 0, "after the last stage");
        assert!(even.is_sorted());
        assert_eq!(expected_tasks(&plan)[0].round(), 1_320.0);
        let (_, chance) =
            times("{ stages: [{ duration: 10m, target: 40/s }], start: 20/s, from: 1m }");
        assert_eq!(between(&chance, 0, 60), 0);
        let half = between(&chance, 60, 330);
        // 270 s from 20/s to 29/s.
        assert!((6_615 - 400..6_615 + 400).contains(&half), "{half}");
    }

    #[test]
    fn a_day_has_its_peak_when_the_plan_says() {
        // The drill starts at midnight and lasts ten minutes.
        let near = |text: &str, count: f64| {
            let (plan, times) = times(text);
            let expected = expected_tasks(&plan)[0];
            assert!((expected - count).abs() < 10.0, "{text}: {expected}");
            let off = times.len() as f64 - count;
            assert!(off.abs() < 5.0 * count.sqrt(), "{text}: {}", times.len());
            assert!(times.is_sorted());
        };
        near(
            "{ diurnal: { mean: 10/s, peak_to_trough: 9, peak_at: \"00:05\" } }",
            10_800.0,
        );
        near(
            "{ diurnal: { mean: 10/s, peak_to_trough: 9, peak_at: \"12:05\" } }",
            1_200.0,
        );
        near(
            "{ diurnal: { mean: 10/s, peak_to_trough: 1, peak_at: \"06:00\" } }",
            6_000.0,
        );
    }

    #[test]
    fn states_come_and_go() {
        let (plan, calls) =
            times("{ mmpp: [{ rate: 0/s, mean_stay: 20s }, { rate: 50/s, mean_stay: 10s }] }");
        let expected = expected_tasks(&plan)[0];
        let off = calls.len() as f64 - expected;
        assert!(
            off.abs() < 5.0 * expected.sqrt(),
            "{} {expected}",
            calls.len()
        );
        // Far burstier than arrivals at one rate: seconds without any, and seconds with many.
        let seconds: Vec<usize> = (0..600).map(|s| between(&calls, s, s + 1)).collect();
        let empty = seconds.iter().filter(|count| **count == 0).count();
        let full = seconds.iter().filter(|count| **count > 30).count();
        assert!(empty > 200 && full > 60, "{empty} {full}");
        assert_eq!(calls, arrivals(&plan, 0).collect::<Vec<_>>());
    }

    #[test]
    fn a_surge_multiplies_the_rate_and_moves_no_stage() {
        let text = |factor: &str| {
            format!(
                "version: firedrill/v1\nname: t\nfamily: benign\nsummary: s\nduration: 10m\nqueues: {{ default: {{}} }}\n\
                 workload: [{{ task: a, queue: default, service: {{ constant: 1s }}, arrivals: {{ evenly: true, \
                 stages: [{{ duration: 5m, target: 10/s }}, {{ duration: 5m, target: 10/s }}] }} }}]\n\
                 workers: [{{ name: w, concurrency: 10 }}]\n\
                 timeline: [{{ at: 4m, fault: producer.{factor}, until: {{ at: 6m }} }}]\n"
            )
        };
        let of = |factor: &str| {
            let plan = crate::scenario::tests::plan_of(&text(factor)).unwrap();
            let expected = expected_tasks(&plan)[0];
            (expected, arrivals(&plan, 0).collect::<Vec<_>>())
        };
        let (expected, surge) = of("surge, factor: 3");
        assert_eq!(between(&surge, 0, 240), 960);
        assert_eq!(between(&surge, 240, 300), 3 * 540);
        assert_eq!(between(&surge, 300, 360), 3 * 600);
        assert_eq!(between(&surge, 360, 600), 2_400);
        assert!((expected - surge.len() as f64).abs() < 2.0, "{expected}");
        let (expected, stopped) = of("stop");
        assert_eq!(between(&stopped, 240, 360), 0);
        assert!((expected - stopped.len() as f64).abs() < 2.0, "{expected}");
    }
}
