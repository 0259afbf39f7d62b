//! Functions from a series' samples in a window to one number.

use super::extrapolate::{Extrapolation, falls};
use super::math::{self, Compensated};
use super::{Context, Element, EvalError, POINTS_PER_STEP, Vector, unique};
use crate::compat::Compat;
use crate::expr::{RangeCall, RangeFunction};
use crate::store::{Point, Window};

impl RangeCall {
    pub(super) fn evaluate(&mut self, context: &mut Context<'_>) -> Result<Vector, EvalError> {
        let mut parameters = [0.0; 2];
        for (value, parameter) in parameters.iter_mut().zip(&mut self.parameters) {
            *value = parameter.evaluate(context)?;
        }
        let function = self.function;
        let keeps_name = matches!(function, RangeFunction::First | RangeFunction::Last);
        let mut failed = None;
        let mut vector = context.buffers.take();
        let mut points = 0usize;
        let distinct = match Extrapolation::of(function, context.compat) {
            Some(mut extrapolation) => self.of.each_window(context, |series, window, span, _| {
                if let Some(value) = extrapolation.apply(&window, span) {
                    let labels = series.nameless;
                    vector.push(Element { labels, value });
                }
            }),
            None => self.of.each_window(context, |series, window, _, context| {
                points = points.saturating_add(window.points.len());
                if function == RangeFunction::Smoothed && !window.points.is_empty() {
                    failed = failed.take().or(bad_factor(parameters));
                }
                if let Some(value) = apply(function, parameters, &window, context) {
                    let labels = if keeps_name {
                        series.labels
                    } else {
                        series.nameless
                    };
                    vector.push(Element { labels, value });
                }
            }),
        }?;
        if let Some(error) = failed {
            return Err(error);
        }
        // Outside of subqueries a window is read once, and costs no more than it took to fill it.
        if context.now_ms != context.query_ms && reads_all(function) {
            let steps = i64::try_from(points / POINTS_PER_STEP).unwrap_or(i64::MAX);
            context.take_steps(steps)?;
        }
        if keeps_name || distinct {
            return Ok(vector);
        }
        unique(vector, &mut self.seen, context)
    }
}

/// Whether a function looks at every sample of a window; the others look at its ends, or at what is known of it.
fn reads_all(function: RangeFunction) -> bool {
    !matches!(
        function,
        RangeFunction::Irate
            | RangeFunction::Idelta
            | RangeFunction::Resets
            | RangeFunction::Count
            | RangeFunction::Present
            | RangeFunction::First
            | RangeFunction::Last
            | RangeFunction::TimeOfFirst
            | RangeFunction::TimeOfLast
    )
}

/// Why factors of exponential smoothing are none.
fn bad_factor([smoothing, trend]: [f64; 2]) -> Option<EvalError> {
    // As in Prometheus: NaN is let through.
    if smoothing <= 0.0 || smoothing >= 1.0 {
        return Some(EvalError::SmoothingFactor(smoothing));
    }
    (trend <= 0.0 || trend >= 1.0).then_some(EvalError::TrendFactor(trend))
}

/// The value of any other function for one series, whose window holds at least one sample.
fn apply(
    function: RangeFunction,
    parameters: [f64; 2],
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
            line.slope * parameters[0] + line.intercept
        }
        RangeFunction::Resets => match window.resets {
            Some(resets) => resets.len() as f64,
            None => falls(points).count() as f64,
        },
        RangeFunction::Count => points.len() as f64,
        RangeFunction::Present => 1.0,
        RangeFunction::First => first.value,
        RangeFunction::Last => last.value,
        RangeFunction::TimeOfFirst => first.at_ms as f64 / 1000.0,
        RangeFunction::TimeOfLast => last.at_ms as f64 / 1000.0,
        RangeFunction::TimeOfMin => time_of(points, |value, best| value <= best)?,
        RangeFunction::TimeOfMax => time_of(points, |value, best| value >= best)?,
        RangeFunction::Smoothed => smoothed(points, parameters)?,
        _ => {
            let values = &mut context.buffers.numbers;
            values.clear();
            values.extend(points.iter().map(|point| point.value));
            over_time(function, parameters[0], values, context.compat)?
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
        RangeFunction::MedianDeviation => median_deviation(values),
        _ => return None,
    })
}

/// The last value, smoothed with its trend (Holt's linear method), of at least two.
fn smoothed(points: &[Point], [smoothing, trend]: [f64; 2]) -> Option<f64> {
    let [first, second, ..] = points else {
        return None;
    };
    let mut slope = second.value - first.value;
    let (mut before, mut level) = (0.0, first.value);
    for (place, point) in points.iter().skip(1).enumerate() {
        if place > 0 {
            slope = trend * (level - before) + (1.0 - trend) * slope;
        }
        let next = smoothing * point.value + (1.0 - smoothing) * (level + slope);
        (before, level) = (level, next);
    }
    Some(level)
}

/// When the value nothing is `better` than came last, in seconds.
fn time_of(points: &[Point], better: impl Fn(f64, f64) -> bool) -> Option<f64> {
    let mut best = *points.first()?;
    for point in points {
        if better(point.value, best.value) || best.value.is_nan() {
            best = *point;
        }
    }
    Some(best.at_ms as f64 / 1000.0)
}

/// The median of what the values are away from their median.
fn median_deviation(values: &mut [f64]) -> f64 {
    if values.iter().any(|value| value.is_nan()) {
        return f64::NAN;
    }
    let median = math::quantile(0.5, values);
    for value in &mut *values {
        *value = (*value - median).abs();
    }
    math::quantile(0.5, values)
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
