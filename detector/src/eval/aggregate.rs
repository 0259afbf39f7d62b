//! Aggregations over groups of elements.

use super::math::{self, Compensated, nan_last};
use super::ratio;
use super::{Context, Element, EvalError, Vector};
use crate::compat::Compat;
use crate::expr::{Aggregate, AggregateOp, Group, Keep};
use crate::intern::LabelsId;

impl Aggregate {
    pub(super) fn evaluate(&mut self, context: &mut Context<'_>) -> Result<Vector, EvalError> {
        let parameter = match &mut self.op {
            AggregateOp::TopK(scalar)
            | AggregateOp::BottomK(scalar)
            | AggregateOp::Quantile(scalar)
            | AggregateOp::LimitK { count: scalar, .. }
            | AggregateOp::LimitRatio { ratio: scalar, .. } => scalar.evaluate(context)?,
            _ => 0.0,
        };
        let mut vector = self.of.evaluate(context)?;
        let is_ratio = matches!(self.op, AggregateOp::LimitRatio { .. });
        let is_count = matches!(
            self.op,
            AggregateOp::TopK(_) | AggregateOp::BottomK(_) | AggregateOp::LimitK { .. }
        );
        // Asked for even when there is nothing to choose from.
        if is_count && (parameter.is_nan() || parameter.abs() > 9.2e18) {
            return Err(EvalError::BadCount(parameter));
        }
        if is_ratio && parameter.is_nan() {
            return Err(EvalError::BadRatio);
        }
        if let AggregateOp::CountValues(label) = &self.op {
            for element in &mut vector {
                let value = plain(element.value);
                let labels = context.interner.labels(element.labels).with(label, &value);
                element.labels = context.interner.id(&labels);
                context.check_room()?;
            }
        }
        let used = self.group(&vector, is_count || is_ratio, context);
        context.buffers.give(vector);
        let compat = context.compat;
        let mut result = context.buffers.take();
        let groups = &mut self.groups[..used];
        let mut reduce = |function: &mut dyn FnMut(&mut [f64]) -> f64| {
            result.extend(groups.iter_mut().map(|group| Element {
                labels: group.labels,
                value: function(&mut group.values),
            }));
        };
        match &mut self.op {
            AggregateOp::LimitRatio { offsets, .. } => {
                for group in groups {
                    let start = result.len();
                    for (labels, value) in group.members.iter().zip(&group.values) {
                        if offsets.take(parameter, *labels, context.interner) {
                            result.push(Element {
                                labels: *labels,
                                value: *value,
                            });
                            ratio::push(&mut result[start..]);
                        }
                    }
                }
            }
            AggregateOp::LimitK { is_counted, .. } => {
                for group in groups {
                    let taken = parameter.trunc();
                    let of = group.values.len();
                    if taken >= 1.0 && taken < of as f64 && !*is_counted {
                        return Err(EvalError::Unordered { taken, of });
                    }
                    let start = result.len();
                    let members = group.members.iter().zip(&group.values);
                    for (labels, value) in members.take(taken.max(0.0) as usize) {
                        result.push(Element {
                            labels: *labels,
                            value: *value,
                        });
                        ratio::push(&mut result[start..]);
                    }
                }
            }
            AggregateOp::TopK(_) => select(groups, parameter.trunc(), true, &mut result),
            AggregateOp::BottomK(_) => select(groups, parameter.trunc(), false, &mut result),
            AggregateOp::CountValues(_) | AggregateOp::Count => {
                reduce(&mut |values| values.len() as f64);
            }
            AggregateOp::Quantile(_) => reduce(&mut |values| math::quantile(parameter, values)),
            AggregateOp::Sum => reduce(&mut |values| sum(values, compat)),
            AggregateOp::Avg => reduce(&mut |values| match compat {
                Compat::V2 => math::plain_running_mean(values),
                Compat::V3 => math::mean(values, compat),
            }),
            AggregateOp::Min => reduce(&mut |values| extreme(values, |a, b| a < b)),
            AggregateOp::Max => reduce(&mut |values| extreme(values, |a, b| a > b)),
            AggregateOp::Group => reduce(&mut |_| 1.0),
            AggregateOp::Stddev => reduce(&mut |values| variance(values, compat).sqrt()),
            AggregateOp::Stdvar => reduce(&mut |values| variance(values, compat)),
        }
        Ok(result)
    }

    /// Splits the vector into groups, in order of first appearance, and says how many there are.
    fn group(
        &mut self,
        vector: &[Element],
        with_members: bool,
        context: &mut Context<'_>,
    ) -> usize {
        if vector.is_empty() {
            return 0;
        }
        let everything = Keep::Only(Vec::new());
        if self.grouping.keep == everything && !with_members {
            // The common case: one group, whatever the labels are.
            let values = &mut self.open(0, LabelsId::EMPTY).values;
            values.extend(vector.iter().map(|element| element.value));
            return 1;
        }
        let mut used = 0;
        self.places.clear();
        for element in vector {
            let labels = self.grouping.apply(element.labels, context.interner);
            let group = match self.places.insert(labels, used) {
                Some(place) => &mut self.groups[place],
                None => {
                    used += 1;
                    self.open(used - 1, labels)
                }
            };
            group.values.push(element.value);
            if with_members {
                group.members.push(element.labels);
            }
        }
        used
    }

    /// Starts a group at `place`, in spare memory if there is some.
    fn open(&mut self, place: usize, labels: LabelsId) -> &mut Group {
        if place == self.groups.len() {
            self.groups.push(Group {
                labels,
                values: Vec::new(),
                members: Vec::new(),
            });
        }
        let group = &mut self.groups[place];
        group.labels = labels;
        group.values.clear();
        group.members.clear();
        group
    }
}

/// `topk`, `bottomk`: the first `count` by value; of equals, those seen first.
fn select(groups: &[Group], count: f64, descending: bool, selected: &mut Vector) {
    let count = if count < 1.0 { 0 } else { count as usize };
    for group in groups {
        let start = selected.len();
        let members = group.members.iter().zip(&group.values);
        selected.extend(members.map(|(labels, value)| Element {
            labels: *labels,
            value: *value,
        }));
        selected[start..].sort_by(|a, b| nan_last(a.value, b.value, descending));
        selected.truncate(start.saturating_add(count));
    }
}

fn sum(values: &[f64], compat: Compat) -> f64 {
    match compat {
        // The first value starts the sum, so that a lone −0 stays what it is.
        Compat::V2 => values.iter().copied().reduce(|a, b| a + b).unwrap_or(0.0),
        Compat::V3 => {
            let mut sum = Compensated::new(values.first().copied().unwrap_or(0.0));
            values.iter().skip(1).for_each(|value| sum.add(*value));
            sum.total()
        }
    }
}

fn extreme(values: &[f64], better: impl Fn(f64, f64) -> bool) -> f64 {
    let mut best = f64::NAN;
    for value in values {
        if best.is_nan() || better(*value, best) {
            best = *value;
        }
    }
    best
}

/// The population variance by Welford's recurrence.
fn variance(values: &[f64], compat: Compat) -> f64 {
    let mut mean = values.first().copied().unwrap_or(f64::NAN);
    // Prometheus 3 noticed that one value that is not finite has no deviation.
    let mut squares = match compat {
        Compat::V3 if !mean.is_finite() => f64::NAN,
        _ => 0.0,
    };
    let mut count = 1.0;
    for value in values.iter().skip(1) {
        count += 1.0;
        let delta = value - mean;
        mean += delta / count;
        squares += delta * (value - mean);
    }
    squares / count
}

/// The shortest decimal form without exponent, as `count_values` labels it.
fn plain(value: f64) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 {
            "+Inf".into()
        } else {
            "-Inf".into()
        }
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_values_have_no_exponent() {
        for (value, text) in [
            (1e21, "1000000000000000000000"),
            (1e-7, "0.0000001"),
            (2.5, "2.5"),
            (f64::INFINITY, "+Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(plain(value), text);
        }
    }

    #[test]
    fn generations_differ() {
        assert_eq!(sum(&[1e100, 1.0, -1e100], Compat::V2), 0.0);
        assert_eq!(sum(&[1e100, 1.0, -1e100], Compat::V3), 1.0);
        assert_eq!(variance(&[f64::INFINITY], Compat::V2), 0.0);
        assert!(variance(&[f64::INFINITY], Compat::V3).is_nan());
    }
}
