//! Functions from a series' samples in a window to one number.

use super::math::{self, Compensated};
use super::select::Span;
use super::{Context, Element, EvalError, Vector, unique};
use crate::compat::Compat;
use crate::expr::{RangeCall, RangeFunction};
use crate::store::Window;

impl RangeCall {
    pub(super) fn evaluate(&mut self, context: &mut Context<'_>) -> Result<Vector, EvalError> {
        let parameter = match &mut self.parameter {
            Some(parameter) => parameter.evaluate(context)?,
            None => 0.0,
        };
        let function = self.function;
        let keeps_name = matches!(function, RangeFunction::First | RangeFunction::Last);
        let mut vector = context.buffers.take();
        let distinct = self
            .of
            .each_window(context, |series, window, span, context| {
                if let Some(value) = apply(function, parameter, &window, span, context) {
                    let labels = if keeps_name {
                        series.labels
                    } else {
                        series.nameless
                    };
                    vector.push(Element { labels, value });
                }
            })?;
        if keeps_name || distinct {
            return Ok(vector);
        }
        unique(vector, &mut self.seen, context)
    }
}

/// The function's value for one series, whose window holds at least one sample.
fn apply(
    function: RangeFunction,
    parameter: f64,
    window: &Window<'_>,
    span: Span,
    context: &mut Context<'_>,
) -> Option<f64> {
    let values = window.values;
    let count = values.len() as f64;
    Some(match function {
        RangeFunction::Rate | RangeFunction::Increase | RangeFunction::Delta => {
            extrapolated(function, window, span, context.compat)?
        }
        RangeFunction::Irate => {
            let ([.., before, last], [.., time_before, time]) = (values, window.times) else {
                return None;
            };
            let raw = if last < before { *last } else { last - before };
            raw / ((time - time_before) as f64 / 1000.0)
        }
        RangeFunction::Idelta => {
            let [.., before, last] = values else {
                return None;
            };
            last - before
        }
        RangeFunction::Deriv => regression(window, *window.times.first()?)?.slope,
        RangeFunction::PredictLinear => {
            let line = regression(window, context.now_ms)?;
            line.slope * parameter + line.intercept
        }
        RangeFunction::Resets => values.windows(2).filter(|pair| pair[1] < pair[0]).count() as f64,
        RangeFunction::Changes => {
            let changed =
                |pair: &&[f64]| pair[0] != pair[1] && !(pair[0].is_nan() && pair[1].is_nan());
            values.windows(2).filter(changed).count() as f64
        }
        RangeFunction::Sum => math::sum(values.iter().copied()),
        RangeFunction::Avg => math::mean(values, context.compat),
        RangeFunction::Min => extreme(values, |value, best| value < best)?,
        RangeFunction::Max => extreme(values, |value, best| value > best)?,
        RangeFunction::Count => count,
        RangeFunction::Present => 1.0,
        RangeFunction::First => *values.first()?,
        RangeFunction::Last => *values.last()?,
        RangeFunction::Stdvar => variance(values),
        RangeFunction::Stddev => variance(values).sqrt(),
        RangeFunction::Quantile => {
            let sorted = &mut context.buffers.numbers;
            sorted.clear();
            sorted.extend_from_slice(values);
            math::quantile(parameter, sorted)
        }
    })
}

/// `rate`, `increase` and `delta`: the change seen, extended towards the window's ends.
fn extrapolated(
    function: RangeFunction,
    window: &Window<'_>,
    span: Span,
    compat: Compat,
) -> Option<f64> {
    let (values, times) = (window.values, window.times);
    let ([first, .., last], [first_ms, .., last_ms]) = (values, times) else {
        return None;
    };
    let is_counter = function != RangeFunction::Delta;
    let mut raw = last - first;
    if is_counter {
        match window.resets {
            Some(resets) => resets.iter().for_each(|(_, previous)| raw += previous),
            None => {
                let falls = values.windows(2).filter(|pair| pair[1] < pair[0]);
                falls.for_each(|pair| raw += pair[0]);
            }
        }
    }
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let sampled = seconds(last_ms - first_ms);
    let average = sampled / (times.len() - 1) as f64;
    let threshold = average * 1.1;
    let start_ms = span.end_ms.saturating_sub(span.length_ms);
    let mut to_start = seconds(first_ms - start_ms);
    let mut to_end = seconds(span.end_ms - last_ms);
    // A counter starts at zero, so it is not extended to before it would have been zero.
    let to_zero = if is_counter && raw > 0.0 && *first >= 0.0 {
        sampled * (first / raw)
    } else {
        f64::INFINITY
    };
    // Prometheus swapped these two steps in 2.51 (promql/functions.go, extrapolatedRate).
    let total = match compat {
        Compat::V2 => {
            if to_zero < to_start {
                to_start = to_zero;
            }
            if to_start >= threshold {
                to_start = average / 2.0;
            }
            if to_end >= threshold {
                to_end = average / 2.0;
            }
            sampled + to_start + to_end
        }
        Compat::V3 => {
            if to_start >= threshold {
                to_start = average / 2.0;
            }
            if to_zero < to_start {
                to_start = to_zero;
            }
            if to_end >= threshold {
                to_end = average / 2.0;
            }
            sampled + to_start + to_end
        }
    };
    let mut factor = total / sampled;
    if function == RangeFunction::Rate {
        factor /= seconds(span.length_ms);
    }
    Some(raw * factor)
}

/// A line through the samples.
struct Line {
    slope: f64,
    intercept: f64,
}

/// Least squares over at least two samples, with time counted from `origin_ms`.
fn regression(window: &Window<'_>, origin_ms: i64) -> Option<Line> {
    let (times, values) = (window.times, window.values);
    if values.len() < 2 {
        return None;
    }
    let initial = values[0];
    if values.iter().all(|value| *value == initial) {
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
    for (time, y) in times.iter().zip(values) {
        let x = (time - origin_ms) as f64 / 1000.0;
        x_sum.add(x);
        y_sum.add(*y);
        xy_sum.add(x * y);
        xx_sum.add(x * x);
    }
    let count = values.len() as f64;
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
