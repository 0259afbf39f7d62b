//! Selectors: which series, and which of their samples.

use crate::expr::{At, FoundSeries, RangeExpr, Reference, Selector};
use crate::intern::LabelsId;
use crate::store::Window;

use super::{Context, Element, EvalError, Vector};

impl Reference {
    /// The time looked at when evaluating at `context.now_ms`.
    pub(super) fn time_ms(&self, context: &Context<'_>) -> i64 {
        let base = match self.at {
            At::Evaluation => context.now_ms,
            At::Query => context.query_ms,
            At::Fixed(at_ms) => at_ms,
        };
        base.saturating_sub(self.offset_ms)
    }
}

impl Selector {
    /// Looks at the series that arrived since the last time.
    fn refresh(&mut self, context: &Context<'_>) {
        let (store, found) = (context.store, &mut self.found);
        if found.removals != store.removals() {
            found.series.clear();
            found.looked_at = 0;
            found.removals = store.removals();
        }
        let arrivals = store.arrivals(self.name.as_deref());
        if found.looked_at == arrivals.len() {
            return;
        }
        for place in &arrivals[found.looked_at..] {
            let Some(series) = store.get(*place) else {
                continue;
            };
            let labels = context.interner.labels(series.labels);
            if self.matchers.iter().all(|matcher| matcher.matches(labels)) {
                let at = found
                    .series
                    .partition_point(|other| context.interner.labels(other.labels) < labels);
                let series = FoundSeries {
                    place: *place,
                    labels: series.labels,
                    hint: 0,
                };
                found.series.insert(at, series);
                found.ever = true;
            }
        }
        found.looked_at = arrivals.len();
    }

    /// The newest sample of each series, if it is young enough and no marker came after it.
    pub(super) fn instant(
        &mut self,
        context: &Context<'_>,
        value: impl Fn(i64, f64) -> f64,
    ) -> Vector {
        self.refresh(context);
        let at_ms = self.reference.time_ms(context);
        let oldest_ms = context.compat.window_start_ms(at_ms, crate::LOOKBACK_MS);
        let mut vector = Vector::with_capacity(self.found.series.len());
        for FoundSeries { place, labels, .. } in &self.found.series {
            let newest = context
                .store
                .get(*place)
                .and_then(|s| s.newest_until(at_ms));
            if let Some((time_ms, number)) = newest
                && time_ms >= oldest_ms
            {
                vector.push(Element {
                    labels: *labels,
                    value: value(time_ms, number),
                });
            }
        }
        vector
    }
}

/// The end and length of a range window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) end_ms: i64,
    pub(super) length_ms: i64,
}

impl RangeExpr {
    /// Calls `each` with every series that has samples in the range, in label order.
    pub(super) fn each_window(
        &mut self,
        context: &mut Context<'_>,
        mut each: impl FnMut(LabelsId, Window<'_>, Span, &mut Context<'_>),
    ) -> Result<(), EvalError> {
        match self {
            Self::Selector { selector, range_ms } => {
                selector.refresh(context);
                let span = Span {
                    end_ms: selector.reference.time_ms(context),
                    length_ms: *range_ms,
                };
                let from_ms = context.compat.window_start_ms(span.end_ms, span.length_ms);
                let store = context.store;
                for series in &mut selector.found.series {
                    let Some(samples) = store.get(series.place) else {
                        continue;
                    };
                    let window = samples.window(from_ms, span.end_ms, &mut series.hint);
                    if !window.times.is_empty() {
                        each(series.labels, window, span, context);
                    }
                }
            }
            Self::Subquery {
                of,
                range_ms,
                step_ms,
                reference,
            } => {
                let span = Span {
                    end_ms: reference.time_ms(context),
                    length_ms: *range_ms,
                };
                let step_ms = step_ms.unwrap_or(context.default_step_ms).max(1);
                let collected = steps(of, span, step_ms, context)?;
                for (labels, times, values) in &collected {
                    let window = Window {
                        times,
                        values,
                        resets: None,
                    };
                    each(*labels, window, span, context);
                }
            }
        }
        Ok(())
    }

    /// Whether no series has a sample in the range.
    pub(super) fn is_empty(&mut self, context: &mut Context<'_>) -> Result<bool, EvalError> {
        let mut empty = true;
        self.each_window(context, |_, _, _, _| empty = false)?;
        Ok(empty)
    }
}

type Collected = Vec<(LabelsId, Vec<i64>, Vec<f64>)>;

/// Evaluates at every multiple of the step inside the span, and sorts the results by series.
fn steps(
    of: &mut crate::expr::VectorExpr,
    span: Span,
    step_ms: i64,
    context: &mut Context<'_>,
) -> Result<Collected, EvalError> {
    let outer_ms = context.now_ms;
    let from_ms = context.compat.window_start_ms(span.end_ms, span.length_ms);
    // The first multiple of the step at or after the start; the last one at or before the end.
    let first = from_ms.div_euclid(step_ms) + i64::from(from_ms.rem_euclid(step_ms) != 0);
    let last = span.end_ms.div_euclid(step_ms);
    let count = last.saturating_sub(first).saturating_add(1).max(0);
    if count > context.steps_left {
        return Err(EvalError::TooManySteps);
    }
    context.steps_left -= count;
    let mut places = crate::intern::Places::default();
    places.clear();
    let mut collected = Collected::new();
    for step in first..=last {
        context.now_ms = step * step_ms;
        let vector = match of.evaluate(context) {
            Ok(vector) => vector,
            Err(error) => {
                context.now_ms = outer_ms;
                return Err(error);
            }
        };
        for element in vector {
            let place = match places.get(element.labels) {
                Some(place) => place,
                None => {
                    places.insert(element.labels, collected.len());
                    collected.push((element.labels, Vec::new(), Vec::new()));
                    collected.len() - 1
                }
            };
            collected[place].1.push(context.now_ms);
            collected[place].2.push(element.value);
        }
    }
    context.now_ms = outer_ms;
    collected.sort_by(|a, b| {
        context
            .interner
            .labels(a.0)
            .cmp(context.interner.labels(b.0))
    });
    Ok(collected)
}
