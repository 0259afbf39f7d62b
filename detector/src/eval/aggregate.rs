//! Aggregations over groups of elements.

use super::math::{self, Compensated, nan_last};
use super::{Context, Element, EvalError, Vector};
use crate::compat::Compat;
use crate::expr::{Aggregate, AggregateOp};
use crate::intern::LabelsId;

/// One group: its labels and its elements in the order seen.
struct Group {
    labels: LabelsId,
    values: Vec<f64>,
    members: Vec<LabelsId>,
}

impl Aggregate {
    pub(super) fn evaluate(&mut self, context: &mut Context<'_>) -> Result<Vector, EvalError> {
        let parameter = match &mut self.op {
            AggregateOp::TopK(scalar)
            | AggregateOp::BottomK(scalar)
            | AggregateOp::Quantile(scalar) => scalar.evaluate(context)?,
            _ => 0.0,
        };
        let vector = self.of.evaluate(context)?;
        match &self.op {
            AggregateOp::TopK(_) | AggregateOp::BottomK(_) => {
                let descending = matches!(self.op, AggregateOp::TopK(_));
                // Asked for even when there is nothing to choose from.
                if parameter.is_nan() || parameter.abs() > 9.2e18 {
                    return Err(EvalError::BadCount(parameter));
                }
                let groups = self.group(&vector, true, context);
                Ok(select(groups, parameter.trunc(), descending))
            }
            AggregateOp::CountValues(label) => {
                let label = label.clone();
                let mut counted = vector;
                for element in &mut counted {
                    let value = plain(element.value);
                    let labels = context.interner.labels(element.labels).with(&label, &value);
                    element.labels = context.interner.id(&labels);
                }
                let groups = self.group(&counted, false, context);
                Ok(reduce(groups, |values| values.len() as f64))
            }
            AggregateOp::Quantile(_) => {
                let groups = self.group(&vector, false, context);
                Ok(reduce(groups, |values| math::quantile(parameter, values)))
            }
            AggregateOp::Sum => {
                let compat = context.compat;
                let groups = self.group(&vector, false, context);
                Ok(reduce(groups, |values| sum(values, compat)))
            }
            AggregateOp::Avg => {
                let compat = context.compat;
                let groups = self.group(&vector, false, context);
                Ok(reduce(groups, |values| match compat {
                    Compat::V2 => math::plain_running_mean(values),
                    Compat::V3 => math::mean(values, compat),
                }))
            }
            AggregateOp::Min => {
                let groups = self.group(&vector, false, context);
                Ok(reduce(groups, |values| extreme(values, |a, b| a < b)))
            }
            AggregateOp::Max => {
                let groups = self.group(&vector, false, context);
                Ok(reduce(groups, |values| extreme(values, |a, b| a > b)))
            }
            AggregateOp::Count => {
                let groups = self.group(&vector, false, context);
                Ok(reduce(groups, |values| values.len() as f64))
            }
            AggregateOp::Group => {
                let groups = self.group(&vector, false, context);
                Ok(reduce(groups, |_| 1.0))
            }
            AggregateOp::Stddev | AggregateOp::Stdvar => {
                let root = matches!(self.op, AggregateOp::Stddev);
                let compat = context.compat;
                let groups = self.group(&vector, false, context);
                Ok(reduce(groups, |values| {
                    let variance = variance(values, compat);
                    if root { variance.sqrt() } else { variance }
                }))
            }
        }
    }

    /// Splits the vector into groups, in order of first appearance.
    fn group(
        &mut self,
        vector: &[Element],
        with_members: bool,
        context: &mut Context<'_>,
    ) -> Vec<Group> {
        self.groups.clear();
        let mut groups: Vec<Group> = Vec::new();
        for element in vector {
            let labels = self.grouping.apply(element.labels, context.interner);
            let place = match self.groups.insert(labels, groups.len()) {
                Some(place) => place,
                None => {
                    groups.push(Group {
                        labels,
                        values: Vec::new(),
                        members: Vec::new(),
                    });
                    groups.len() - 1
                }
            };
            groups[place].values.push(element.value);
            if with_members {
                groups[place].members.push(element.labels);
            }
        }
        groups
    }
}

fn reduce(groups: Vec<Group>, mut function: impl FnMut(&mut [f64]) -> f64) -> Vector {
    let element = |mut group: Group| Element {
        labels: group.labels,
        value: function(&mut group.values),
    };
    groups.into_iter().map(element).collect()
}

/// `topk`, `bottomk`: the first `count` by value; of equals, those seen first.
fn select(groups: Vec<Group>, count: f64, descending: bool) -> Vector {
    let count = if count < 1.0 { 0 } else { count as usize };
    let mut selected = Vector::new();
    for group in groups {
        let mut members: Vec<Element> = group
            .members
            .iter()
            .zip(&group.values)
            .map(|(labels, value)| Element {
                labels: *labels,
                value: *value,
            })
            .collect();
        members.sort_by(|a, b| nan_last(a.value, b.value, descending));
        members.truncate(count);
        selected.append(&mut members);
    }
    selected
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
