//! Selectors: which series, and which of their samples.

use crate::expr::{
    At, Collected, CollectedSeries, Found, FoundSeries, RangeExpr, Reference, Selector,
};
use crate::intern::{LabelsId, Places};
use crate::store::{Cursor, Point, Window};

use super::{Context, ELEMENTS_PER_STEP, Element, EvalError, Vector, unique};

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
    /// Looks at the series that came or went since the last time.
    fn refresh(&mut self, context: &mut Context<'_>) {
        if self.found.changes != context.store.changes() {
            self.look(context);
        }
    }

    fn look(&mut self, context: &mut Context<'_>) {
        let (store, found) = (context.store, &mut self.found);
        found.changes = store.changes();
        let alive = |found: &FoundSeries| {
            let series = store.get(found.place);
            series.is_some_and(|series| series.arrival == found.arrival)
        };
        found.series.retain(alive);
        let arrivals = store.arrivals(self.name.as_deref());
        let first_new = found.next_arrival;
        let known = arrivals.partition_point(|place| {
            let series = store.get(*place);
            series.is_some_and(|series| series.arrival < first_new)
        });
        found.next_arrival = store.arrived();
        let before = found.series.len();
        for place in &arrivals[known..] {
            let Some(series) = store.get(*place) else {
                continue;
            };
            let labels = context.interner.labels(series.labels);
            if self.matchers.iter().all(|matcher| matcher.matches(labels)) {
                found.series.push(FoundSeries {
                    place: *place,
                    arrival: series.arrival,
                    labels: series.labels,
                    nameless: context.interner.without_name(series.labels),
                    cursor: Cursor::default(),
                });
            }
        }
        if found.series.len() == before {
            return;
        }
        found.ever = true;
        let interner = &*context.interner;
        found
            .series
            .sort_by(|a, b| interner.labels(a.labels).cmp(interner.labels(b.labels)));
        found.distinct_nameless = found.are_distinct_nameless();
    }

    /// The newest sample of each series, if it is young enough and no marker came after it.
    pub(super) fn instant(&mut self, context: &mut Context<'_>) -> Vector {
        self.newest(context, |series, point| Element {
            labels: series.labels,
            value: point.value,
        })
    }

    /// The times of those samples, in seconds.
    pub(super) fn timestamps(&mut self, context: &mut Context<'_>) -> Result<Vector, EvalError> {
        let vector = self.newest(context, |series, point| Element {
            labels: series.nameless,
            value: point.at_ms as f64 / 1000.0,
        });
        if self.found.distinct_nameless {
            return Ok(vector);
        }
        unique(vector, &mut Places::default(), context)
    }

    /// The times of those samples, in milliseconds.
    pub(super) fn sampled_ms(&mut self, context: &mut Context<'_>) -> Vector {
        self.newest(context, |series, point| Element {
            labels: series.labels,
            value: point.at_ms as f64,
        })
    }

    fn newest(
        &mut self,
        context: &mut Context<'_>,
        element: impl Fn(&FoundSeries, Point) -> Element,
    ) -> Vector {
        self.refresh(context);
        let at_ms = self.reference.time_ms(context);
        let oldest_ms = context.compat.window_start_ms(at_ms, crate::LOOKBACK_MS);
        let mut vector = context.buffers.take();
        for series in &self.found.series {
            let samples = context.store.get(series.place);
            if let Some(point) = samples.and_then(|s| s.newest_until(at_ms))
                && point.at_ms >= oldest_ms
            {
                vector.push(element(series, point));
            }
        }
        vector
    }
}

impl Found {
    fn are_distinct_nameless(&self) -> bool {
        let mut seen = Places::default();
        seen.clear();
        let mut all = self.series.iter().zip(0..);
        all.all(|(series, place)| seen.insert(series.nameless, place).is_none())
    }
}

/// The end and length of a range window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) end_ms: i64,
    pub(super) length_ms: i64,
}

/// Whose window it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct WindowOf {
    pub(super) labels: LabelsId,
    /// The labels without the metric name.
    pub(super) nameless: LabelsId,
}

impl RangeExpr {
    /// Calls `each` with every series that has samples in the range, in label order. True if it is known that they
    /// differ in more than the metric name.
    pub(super) fn each_window(
        &mut self,
        context: &mut Context<'_>,
        mut each: impl FnMut(WindowOf, Window<'_>, Span, &mut Context<'_>),
    ) -> Result<bool, EvalError> {
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
                    let window = samples.window(from_ms, span.end_ms, &mut series.cursor);
                    if !window.points.is_empty() {
                        let of = WindowOf {
                            labels: series.labels,
                            nameless: series.nameless,
                        };
                        each(of, window, span, context);
                    }
                }
                Ok(selector.found.distinct_nameless)
            }
            Self::Subquery {
                of,
                range_ms,
                step_ms,
                reference,
                collected,
            } => {
                let span = Span {
                    end_ms: reference.time_ms(context),
                    length_ms: *range_ms,
                };
                let step_ms = step_ms.unwrap_or(context.default_step_ms).max(1);
                collected.fill(of, span, step_ms, context)?;
                for series in &collected.series[..collected.used] {
                    let window = Window {
                        points: &series.points,
                        resets: None,
                    };
                    let of = WindowOf {
                        labels: series.labels,
                        nameless: context.interner.without_name(series.labels),
                    };
                    each(of, window, span, context);
                }
                Ok(false)
            }
        }
    }

    /// Whether no series has a sample in the range.
    pub(super) fn is_empty(&mut self, context: &mut Context<'_>) -> Result<bool, EvalError> {
        let mut empty = true;
        self.each_window(context, |_, _, _, _| empty = false)?;
        Ok(empty)
    }
}

impl Collected {
    /// Evaluates at every multiple of the step inside the span, and sorts the results by series.
    fn fill(
        &mut self,
        of: &mut crate::expr::VectorExpr,
        span: Span,
        step_ms: i64,
        context: &mut Context<'_>,
    ) -> Result<(), EvalError> {
        let outer_ms = context.now_ms;
        let from_ms = context.compat.window_start_ms(span.end_ms, span.length_ms);
        // The first multiple of the step at or after the start; the last one at or before the end.
        let first = from_ms.div_euclid(step_ms) + i64::from(from_ms.rem_euclid(step_ms) != 0);
        let last = span.end_ms.div_euclid(step_ms);
        let count = last.saturating_sub(first).saturating_add(1).max(0);
        context.take_steps(count)?;
        self.places.clear();
        self.used = 0;
        for step in first..=last {
            context.now_ms = step * step_ms;
            let vector = match of.evaluate(context).and_then(|vector| {
                let more = vector.len() / ELEMENTS_PER_STEP;
                context.take_steps(i64::try_from(more).unwrap_or(i64::MAX))?;
                Ok(vector)
            }) {
                Ok(vector) => vector,
                Err(error) => {
                    context.now_ms = outer_ms;
                    return Err(error);
                }
            };
            for element in &vector {
                self.add(*element, context.now_ms);
            }
            context.buffers.give(vector);
        }
        context.now_ms = outer_ms;
        let interner = &*context.interner;
        // Label sets differ, so that this sort, which allocates nothing, has one result.
        self.series[..self.used]
            .sort_unstable_by(|a, b| interner.labels(a.labels).cmp(interner.labels(b.labels)));
        Ok(())
    }

    fn add(&mut self, element: Element, at_ms: i64) {
        let place = match self.places.insert(element.labels, self.used) {
            Some(place) => place,
            None => self.open(element.labels),
        };
        self.series[place].points.push(Point {
            at_ms,
            value: element.value,
        });
    }

    /// Starts the next series, in spare memory if there is some.
    fn open(&mut self, labels: LabelsId) -> usize {
        let place = self.used;
        self.used += 1;
        match self.series.get_mut(place) {
            Some(series) => {
                series.labels = labels;
                series.points.clear();
            }
            None => self.series.push(CollectedSeries {
                labels,
                points: Vec::new(),
            }),
        }
        place
    }
}
