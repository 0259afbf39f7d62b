//! `rate`, `increase` and `delta`: the change that a window shows, extended towards the window's ends.

use super::select::Span;
use crate::compat::Compat;
use crate::expr::RangeFunction;
use crate::store::{Point, Window};

/// One of the three functions, for the series of one evaluation.
///
/// How far a change is extended depends on the times of the first and the last sample and on their number. The series
/// of one scrape have these in common mostly, so what follows from them is kept from one series to the next.
pub(super) struct Extrapolation {
    compat: Compat,
    is_counter: bool,
    is_per_second: bool,
    reach: Option<Reach>,
}

/// How the samples lie in the window; in seconds, but for what they are recognized by.
#[derive(Clone, Copy)]
struct Reach {
    first_ms: i64,
    last_ms: i64,
    count: usize,
    range: f64,
    sampled: f64,
    average: f64,
    threshold: f64,
    /// From the window's start to the first sample, and from the last sample to as far as the change is extended.
    start: f64,
    end: f64,
    /// As far as the change is extended to the left, unless the counter would have been zero before that.
    usual_start: f64,
    usual_factor: f64,
}

impl Extrapolation {
    pub(super) fn of(function: RangeFunction, compat: Compat) -> Option<Self> {
        let (is_counter, is_per_second) = match function {
            RangeFunction::Rate => (true, true),
            RangeFunction::Increase => (true, false),
            RangeFunction::Delta => (false, false),
            _ => return None,
        };
        Some(Self {
            compat,
            is_counter,
            is_per_second,
            reach: None,
        })
    }

    /// The value for one window; all windows of one extrapolation have the same span.
    pub(super) fn apply(&mut self, window: &Window<'_>, span: Span) -> Option<f64> {
        let points = window.points;
        let [first, .., last] = points else {
            return None;
        };
        let reach = match &self.reach {
            Some(reach) if reach.is_of(first.at_ms, last.at_ms, points.len()) => *reach,
            _ => self.reach_of(first.at_ms, last.at_ms, points.len(), span),
        };
        let mut raw = last.value - first.value;
        if self.is_counter {
            match window.resets {
                Some(resets) => resets.iter().for_each(|(_, previous)| raw += previous),
                None => falls(points).for_each(|previous| raw += previous),
            }
        }
        // A counter starts at zero, so it is not extended to before it would have been zero.
        if self.is_counter && raw > 0.0 && first.value >= 0.0 {
            let to_zero = reach.sampled * (first.value / raw);
            // Prometheus swapped the two steps in 2.51 (promql/functions.go, extrapolatedRate).
            let start = match self.compat {
                Compat::V2 if to_zero < reach.start => Some(reach.limited(to_zero)),
                Compat::V3 if to_zero < reach.usual_start => Some(to_zero),
                _ => None,
            };
            if let Some(start) = start {
                return Some(raw * self.factor(&reach, start));
            }
        }
        Some(raw * reach.usual_factor)
    }

    fn reach_of(&mut self, first_ms: i64, last_ms: i64, count: usize, span: Span) -> Reach {
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let sampled = seconds(last_ms - first_ms);
        let average = sampled / (count - 1) as f64;
        let start_ms = span.end_ms.saturating_sub(span.length_ms);
        let mut reach = Reach {
            first_ms,
            last_ms,
            count,
            range: seconds(span.length_ms),
            sampled,
            average,
            threshold: average * 1.1,
            start: seconds(first_ms - start_ms),
            end: seconds(span.end_ms - last_ms),
            usual_start: 0.0,
            usual_factor: 0.0,
        };
        reach.usual_start = reach.limited(reach.start);
        reach.end = reach.limited(reach.end);
        reach.usual_factor = self.factor(&reach, reach.usual_start);
        self.reach = Some(reach);
        reach
    }

    fn factor(&self, reach: &Reach, start: f64) -> f64 {
        let factor = (reach.sampled + start + reach.end) / reach.sampled;
        if self.is_per_second {
            factor / reach.range
        } else {
            factor
        }
    }
}

impl Reach {
    fn is_of(&self, first_ms: i64, last_ms: i64, count: usize) -> bool {
        self.first_ms == first_ms && self.last_ms == last_ms && self.count == count
    }

    /// Half the usual distance of samples where the window goes on for so long that the series seems to end.
    fn limited(&self, distance: f64) -> f64 {
        if distance >= self.threshold {
            self.average / 2.0
        } else {
            distance
        }
    }
}

/// The values that are followed by a smaller one.
pub(super) fn falls(points: &[Point]) -> impl Iterator<Item = f64> {
    let pairs = points.windows(2);
    pairs.filter_map(|pair| (pair[1].value < pair[0].value).then_some(pair[0].value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows whose samples lie alike and differently, in turns, against each window by itself.
    #[test]
    fn what_one_window_leaves_behind_does_not_show_in_the_next() {
        let span = Span {
            end_ms: 300_000,
            length_ms: 300_000,
        };
        let windows: Vec<Vec<Point>> = [
            &[(10_000, 1.0), (150_000, 5.0), (290_000, 9.0)][..],
            &[(10_000, 50.0), (150_000, 5.0), (290_000, 70.0)],
            &[(140_000, 3.0), (150_000, 5.0), (290_000, 9.0)],
            &[(10_000, 1.0), (290_000, 9.0)],
            &[(10_000, 1.0), (150_000, 2.0), (160_000, 2.0)],
            &[(10_000, -1.0), (150_000, 5.0), (290_000, 9.0)],
            &[(10_000, 1.0)],
        ]
        .iter()
        .map(|window| {
            let points = window.iter();
            points
                .map(|&(at_ms, value)| Point { at_ms, value })
                .collect()
        })
        .collect();
        for function in [
            RangeFunction::Rate,
            RangeFunction::Increase,
            RangeFunction::Delta,
        ] {
            for compat in [Compat::V2, Compat::V3] {
                let fresh = || Extrapolation::of(function, compat).unwrap();
                let mut used = fresh();
                // Every window comes after every other one.
                let order = (0..49).flat_map(|pair| [pair / 7, pair % 7]);
                for points in order.map(|place| &windows[place]) {
                    let window = Window {
                        points,
                        resets: None,
                    };
                    let alone = fresh().apply(&window, span).map(f64::to_bits);
                    assert_eq!(used.apply(&window, span).map(f64::to_bits), alone);
                }
            }
        }
    }
}
