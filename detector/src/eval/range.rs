//! Functions from a series' samples in a window to one number.

use super::math::{self, Compensated};
use super::select::Span;
use super::{Context, Element, EvalError, Vector, unique};
use crate::compat::Compat;
use crate::expr::{RangeCall, RangeFunction};
use crate::store::{Point, Window};

impl RangeCall {
    pub(super) fn evaluate(&mut self, context: &mut Context<'_>) -> Result<Vector, EvalError> {
        let parameter = match &mut self.parameter {
            Some(parameter) => parameter.evaluate(context)?,
            None => 0.0,
        };
        let function = self.function;
        let keeps_name = matches!(function, RangeFunction::First | RangeFunction::Last);
        let mut vector = context.buffers.take();
        let distinct = match Extrapolation::of(function, context.compat) {
            Some(mut extrapolation) => self.of.each_window(context, |series, window, span, _| {
                if let Some(value) = extrapolation.apply(&window, span) {
                    let labels = series.nameless;
                    vector.push(Element { labels, value });
                }
            }),
            None => self.of.each_window(context, |series, window, _, context| {
                if let Some(value) = apply(function, parameter, &window, context) {
                    let labels = if keeps_name {
                        series.labels
                    } else {
                        series.nameless
                    };
                    vector.push(Element { labels, value });
                }
            }),
        }?;
        if keeps_name || distinct {
            return Ok(vector);
        }
        unique(vector, &mut self.seen, context)
    }
}

/// The value of any other function for one series, whose window holds at least one sample.
fn apply(
    function: RangeFunction,
    parameter: f64,
    window: &Window<'_>,
    context: &mut Context<'_>,
) -> Option<f64> {
    let points = window.points;
    let (first, last) = (points.first()?, points.last()?);
    Some(match function {
        RangeFunction::Irate => {
            let [.., before, last] = points else {
                return None;
            };
            let raw = if last.value < before.value {
                last.value
            } else {
                last.value - before.value
            };
            raw / ((last.at_ms - before.at_ms) as f64 / 1000.0)
        }
        RangeFunction::Idelta => {
            let [.., before, last] = points else {
                return None;
            };
            last.value - before.value
        }
        RangeFunction::Deriv => regression(points, first.at_ms)?.slope,
        RangeFunction::PredictLinear => {
            let line = regression(points, context.now_ms)?;
            line.slope * parameter + line.intercept
        }
        RangeFunction::Resets => match window.resets {
            Some(resets) => resets.len() as f64,
            None => falls(points).count() as f64,
        },
        RangeFunction::Count => points.len() as f64,
        RangeFunction::Present => 1.0,
        RangeFunction::First => first.value,
        RangeFunction::Last => last.value,
        _ => {
            let values = &mut context.buffers.numbers;
            values.clear();
            values.extend(points.iter().map(|point| point.value));
            over_time(function, parameter, values, context.compat)?
        }
    })
}

/// The value of a function that does not look at the samples' times. May sort the values.
fn over_time(
    function: RangeFunction,
    parameter: f64,
    values: &mut [f64],
    compat: Compat,
) -> Option<f64> {
    Some(match function {
        RangeFunction::Changes => {
            let changed =
                |pair: &&[f64]| pair[0] != pair[1] && !(pair[0].is_nan() && pair[1].is_nan());
            values.windows(2).filter(changed).count() as f64
        }
        RangeFunction::Sum => math::sum(values.iter().copied()),
        RangeFunction::Avg => math::mean(values, compat),
        RangeFunction::Min => extreme(values, |value, best| value < best)?,
        RangeFunction::Max => extreme(values, |value, best| value > best)?,
        RangeFunction::Stdvar => variance(values),
        RangeFunction::Stddev => variance(values).sqrt(),
        RangeFunction::Quantile => math::quantile(parameter, values),
        _ => return None,
    })
}

/// `rate`, `increase` and `delta`: the change seen, extended towards the window's ends.
///
/// How far depends on the times of the first and the last sample and on their number, which the series of one scrape
/// have in common mostly, so what follows from them is kept from one series to the next.
struct Extrapolation {
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
    fn of(function: RangeFunction, compat: Compat) -> Option<Self> {
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
    fn apply(&mut self, window: &Window<'_>, span: Span) -> Option<f64> {
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
fn falls(points: &[Point]) -> impl Iterator<Item = f64> {
    let pairs = points.windows(2);
    pairs.filter_map(|pair| (pair[1].value < pair[0].value).then_some(pair[0].value))
}

/// A line through the samples.
struct Line {
    slope: f64,
    intercept: f64,
}

/// Least squares over at least two samples, with time counted from `origin_ms`.
fn regression(points: &[Point], origin_ms: i64) -> Option<Line> {
    if points.len() < 2 {
        return None;
    }
    let initial = points[0].value;
    if points.iter().all(|point| point.value == initial) {
        return Some(if initial.is_infinite() {
            Line {
                slope: f64::NAN,
                intercept: f64::NAN,
            }
        } else {
            Line {
                slope: 0.0,
                intercept: initial,
            }
        });
    }
    let [mut x_sum, mut y_sum, mut xy_sum, mut xx_sum] = [Compensated::default(); 4];
    for Point { at_ms, value: y } in points {
        let x = (at_ms - origin_ms) as f64 / 1000.0;
        x_sum.add(x);
        y_sum.add(*y);
        xy_sum.add(x * y);
        xx_sum.add(x * x);
    }
    let count = points.len() as f64;
    let plain = |sum: Compensated| sum.sum + sum.correction;
    let (x, y, xy, xx) = (plain(x_sum), plain(y_sum), plain(xy_sum), plain(xx_sum));
    let slope = (xy - x * y / count) / (xx - x * x / count);
    Some(Line {
        slope,
        intercept: y / count - slope * x / count,
    })
}

/// The value nothing is `better` than; NaN only if there is nothing else.
fn extreme(values: &[f64], better: impl Fn(f64, f64) -> bool) -> Option<f64> {
    let mut best = *values.first()?;
    for value in values {
        if better(*value, best) || best.is_nan() {
            best = *value;
        }
    }
    Some(best)
}

/// The population variance by Welford's recurrence, compensated.
fn variance(values: &[f64]) -> f64 {
    let mut mean = Compensated::default();
    let mut squares = Compensated::default();
    let mut count = 0.0;
    for value in values {
        count += 1.0;
        let delta = value - (mean.sum + mean.correction);
        mean.add(delta / count);
        squares.add(delta * (value - (mean.sum + mean.correction)));
    }
    (squares.sum + squares.correction) / count
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
