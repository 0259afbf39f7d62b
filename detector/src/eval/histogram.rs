//! `histogram_quantile` and `histogram_quantiles` over classic buckets.

use super::math::nan_first;
use super::{Context, Element, EvalError, Vector, unique};
use crate::compat::Compat;
use crate::expr::{Bucket, Histogram, HistogramQuantile, Phi};
use crate::go_format;
use crate::intern::{Interner, LabelsId, Memo};

/// The label that holds a bucket's upper bound.
const BOUND: &str = "le";

impl HistogramQuantile {
    pub(super) fn evaluate(&mut self, context: &mut Context<'_>) -> Result<Vector, EvalError> {
        for phi in &mut self.phis {
            phi.now = phi.value.evaluate(context)?;
        }
        let vector = self.of.evaluate(context)?;
        self.groups.clear();
        let mut used = 0;
        for element in &vector {
            let Some(bound) = self.bound(element.labels, context) else {
                continue;
            };
            // The metric name takes part in the grouping and is dropped afterwards.
            let labels = self
                .without_le
                .apply(element.labels, context.interner, |labels| {
                    labels.retain(|name| name != BOUND)
                });
            let place = self.groups.insert(labels, used).unwrap_or_else(|| {
                open(&mut self.histograms, used, labels);
                used += 1;
                used - 1
            });
            self.histograms[place].buckets.push(Bucket {
                bound,
                count: element.value,
            });
        }
        context.buffers.give(vector);
        let mut result = context.buffers.take();
        for phi in &mut self.phis {
            for histogram in &mut self.histograms[..used] {
                let labels = context.interner.without_name(histogram.labels);
                result.push(Element {
                    labels: phi.tell(labels, context.interner),
                    value: quantile(phi.now, &mut histogram.buckets, context.compat),
                });
            }
        }
        context.check_room()?;
        unique(result, &mut self.seen, context)
    }

    fn bound(&mut self, labels: LabelsId, context: &Context<'_>) -> Option<f64> {
        if self.bounds.len() <= labels.index() {
            self.bounds.resize(labels.index() + 1, None);
        }
        *self.bounds[labels.index()].get_or_insert_with(|| {
            let text = context.interner.labels(labels).get(BOUND)?;
            text.parse().ok()
        })
    }
}

impl Phi {
    /// The labels with the one that says which φ this is, if one does.
    fn tell(&mut self, labels: LabelsId, interner: &mut Interner) -> LabelsId {
        let value = self.now;
        let Some((name, told, memo)) = &mut self.told else {
            return labels;
        };
        if value.to_bits() != told.to_bits() {
            (*told, *memo) = (value, Memo::default());
        }
        memo.apply(labels, interner, |labels| {
            labels.with(name, &open_metrics(value))
        })
    }
}

/// A number as OpenMetrics has it, with a point or an exponent (`model/labels`, FormatOpenMetricsFloat).
fn open_metrics(value: f64) -> String {
    if value == 0.0 {
        return "0.0".into();
    }
    let mut text = go_format::shortest(value);
    if value.is_finite() && !text.contains(['.', 'e']) {
        text.push_str(".0");
    }
    text
}

/// Starts a histogram at `place`, in spare memory if there is some.
fn open(histograms: &mut Vec<Histogram>, place: usize, labels: LabelsId) {
    match histograms.get_mut(place) {
        Some(histogram) => {
            histogram.labels = labels;
            histogram.buckets.clear();
        }
        None => histograms.push(Histogram {
            labels,
            buckets: Vec::new(),
        }),
    }
}

/// The φ-quantile of one histogram, interpolating linearly inside the bucket it falls into. Sorts the buckets and
/// mends them.
fn quantile(phi: f64, buckets: &mut Vec<Bucket>, compat: Compat) -> f64 {
    if phi.is_nan() {
        return f64::NAN;
    }
    if phi < 0.0 {
        return f64::NEG_INFINITY;
    }
    if phi > 1.0 {
        return f64::INFINITY;
    }
    buckets.sort_by(|a, b| nan_first(a.bound, b.bound));
    if buckets
        .last()
        .is_none_or(|last| last.bound != f64::INFINITY)
    {
        return f64::NAN;
    }
    merge(buckets);
    make_monotonic(buckets, compat);
    let highest = buckets.len() - 1;
    let total = buckets[highest].count;
    if highest == 0 || total == 0.0 {
        return f64::NAN;
    }
    let mut rank = phi * total;
    // Bisection, as Prometheus: with counts that are not a number it matters how one searches.
    let reached = |bucket: &Bucket| bucket.count >= rank;
    let at = buckets[..highest].partition_point(|bucket| !reached(bucket));
    if at == highest {
        return buckets[highest - 1].bound;
    }
    let Bucket { bound, mut count } = buckets[at];
    if at == 0 && bound <= 0.0 {
        return bound;
    }
    let mut lower = 0.0;
    if at > 0 {
        let previous = buckets[at - 1];
        lower = previous.bound;
        count -= previous.count;
        rank -= previous.count;
    }
    lower + (bound - lower) * (rank / count)
}

/// Adds up the buckets with equal bounds (`"1"` and `"1.0"`).
fn merge(buckets: &mut Vec<Bucket>) {
    buckets.dedup_by(|bucket, last| {
        let same = last.bound == bucket.bound;
        if same {
            last.count += bucket.count;
        }
        same
    });
}

/// Raises counts that fall below the bucket before them.
fn make_monotonic(buckets: &mut [Bucket], compat: Compat) {
    /// Differences that float addition of the same counts in another order can cause (since 2.49).
    const TOLERANCE: f64 = 1e-12;
    let mut highest = buckets[0].count;
    for bucket in &mut buckets[1..] {
        let apart = (bucket.count - highest).abs() / (bucket.count.abs() + highest.abs());
        if bucket.count < highest || (compat == Compat::V3 && apart < TOLERANCE) {
            bucket.count = highest;
        } else if bucket.count > highest {
            highest = bucket.count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(counts: &[(f64, f64)], phi: f64, expected: f64) {
        for compat in [Compat::V2, Compat::V3] {
            let mut buckets = counts
                .iter()
                .map(|&(bound, count)| Bucket { bound, count })
                .collect();
            let got = quantile(phi, &mut buckets, compat);
            let same = (got - expected).abs() < 1e-12 || got.is_nan() && expected.is_nan();
            assert!(
                same || got == expected,
                "{phi} of {counts:?}: {got}, expected {expected}"
            );
        }
    }

    #[test]
    fn quantiles_of_buckets() {
        const INF: f64 = f64::INFINITY;
        let usual = [(0.1, 1.0), (0.5, 3.0), (1.0, 6.0), (INF, 8.0)];
        for (phi, expected) in [
            (0.0, 0.0),
            (0.05, 0.04),
            (0.125, 0.1),
            (0.25, 0.3),
            (0.5, 2.0 / 3.0),
            (0.75, 1.0),
            (0.99, 1.0),
            (1.0, 1.0),
            (-1.0, f64::NEG_INFINITY),
            (1.1, INF),
            (f64::NAN, f64::NAN),
        ] {
            check(&usual, phi, expected);
        }
        check(&usual[..3], 0.5, f64::NAN);
        check(&usual[3..], 0.5, f64::NAN);
        check(&[(1.0, 0.0), (INF, 0.0)], 0.5, f64::NAN);
        let negative = [(-1.0, 4.0), (2.0, 6.0), (INF, 8.0)];
        check(&negative, 0.25, -1.0);
        check(&negative, 0.6, 0.2);
        let falling = [(1.0, 5.0), (2.0, 3.0), (4.0, 10.0), (INF, 9.0)];
        check(&falling, 0.5, 1.0);
        check(&falling, 0.75, 3.0);
        check(&[(1.0, 1.0), (1.0, 2.0), (INF, 6.0)], 0.25, 0.5);
    }
}
