//! Operators between vectors and numbers.

use super::{Context, Element, EvalError, Vector, unique, without_names};
use crate::compat::Compat;
use crate::expr::{BinaryOp, Cardinality, SetOp, SetOperation, VectorScalar, VectorVector, Yields};

/// What the operator makes of two values: nothing if a filter drops them.
fn combine(op: BinaryOp, outcome: Yields, left: f64, right: f64) -> Option<f64> {
    match outcome {
        Yields::Value => Some(op.compute(left, right)),
        Yields::Bool => Some(f64::from(u8::from(op.holds(left, right)))),
        Yields::Filter => op.holds(left, right).then_some(left),
    }
}

impl VectorScalar {
    pub(super) fn evaluate(&mut self, context: &mut Context<'_>) -> Result<Vector, EvalError> {
        // Both sides are always evaluated, left first, so that errors are those of Prometheus.
        let (mut vector, number) = if self.scalar_first {
            let number = self.scalar.evaluate(context)?;
            (self.vector.evaluate(context)?, number)
        } else {
            let vector = self.vector.evaluate(context)?;
            (vector, self.scalar.evaluate(context)?)
        };
        let (op, outcome, scalar_first) = (self.op, self.outcome, self.scalar_first);
        vector.retain_mut(|element| {
            let own = element.value;
            let result = if scalar_first {
                combine(op, outcome, number, own)
            } else {
                combine(op, outcome, own, number)
            };
            // A filter keeps the vector's value, also when the number was written first.
            element.value = match (outcome, result) {
                (Yields::Filter, _) => own,
                (_, Some(value)) => value,
                (_, None) => own,
            };
            result.is_some()
        });
        if op.keeps_name(outcome, context.compat) {
            return Ok(vector);
        }
        without_names(vector, &mut self.seen, context)
    }
}

impl VectorVector {
    pub(super) fn evaluate(&mut self, context: &mut Context<'_>) -> Result<Vector, EvalError> {
        let left = self.left.evaluate(context)?;
        let right = self.right.evaluate(context)?;
        let result = if left.is_empty() || right.is_empty() {
            Ok(context.buffers.take())
        } else {
            self.combine(&left, &right, context)
        };
        context.buffers.give(left);
        context.buffers.give(right);
        result
    }

    fn combine(
        &mut self,
        left: &[Element],
        right: &[Element],
        context: &mut Context<'_>,
    ) -> Result<Vector, EvalError> {
        let many_right = matches!(
            self.cardinality,
            Cardinality::Group {
                many_left: false,
                ..
            }
        );
        let (many, one) = if many_right {
            (right, left)
        } else {
            (left, right)
        };
        self.index_one_side(one, many_right, context)?;
        self.used.clear();
        let mut seen_results = std::mem::take(&mut self.seen);
        seen_results.clear();
        // Since 3.9 an element counts as a match even if the comparison then drops it.
        let check_first = context.compat == Compat::V3;
        let mut vector = context.buffers.take();
        for element in many {
            let key = self.matching.apply(element.labels, context.interner);
            let Some(place) = self.ones.get(key) else {
                continue;
            };
            let partner = one[place];
            let (a, b) = if many_right {
                (partner.value, element.value)
            } else {
                (element.value, partner.value)
            };
            let value = combine(self.op, self.outcome, a, b);
            if value.is_none() && !check_first {
                continue;
            }
            let labels = self.result_labels(*element, partner, context);
            context.check_room()?;
            let taken = match self.cardinality {
                Cardinality::OneToOne => self.used.insert(key, 0),
                // Keys need no part in this: equal result labels are an error across keys as well.
                Cardinality::Group { .. } => seen_results.insert(labels, 0),
            };
            if taken.is_some() {
                let key = context.interner.labels(key).clone();
                return Err(match self.cardinality {
                    Cardinality::OneToOne => EvalError::ManyToOne(key),
                    Cardinality::Group { .. } => EvalError::GroupNotUnique(key),
                });
            }
            if let Some(value) = value {
                vector.push(Element { labels, value });
            }
        }
        let result = unique(vector, &mut seen_results, context);
        self.seen = seen_results;
        result
    }

    fn index_one_side(
        &mut self,
        one: &[Element],
        many_right: bool,
        context: &mut Context<'_>,
    ) -> Result<(), EvalError> {
        self.ones.clear();
        for (place, element) in one.iter().enumerate() {
            let key = self.matching.apply(element.labels, context.interner);
            if let Some(first) = self.ones.insert(key, place) {
                let labels = |id| context.interner.labels(id).clone();
                return Err(EvalError::ManyToMany {
                    group: labels(key),
                    side: if many_right { "left" } else { "right" },
                    first: labels(one[first].labels),
                    second: labels(element.labels),
                });
            }
        }
        Ok(())
    }

    fn result_labels(
        &mut self,
        many: Element,
        one: Element,
        context: &mut Context<'_>,
    ) -> crate::intern::LabelsId {
        let start = if self.drop_name {
            context.interner.without_name(many.labels)
        } else {
            many.labels
        };
        match &mut self.cardinality {
            Cardinality::OneToOne => self.result.apply(start, context.interner),
            Cardinality::Group { include, memo, .. } => {
                if include.is_empty() {
                    return start;
                }
                if let Some(known) = memo.get(&(start, one.labels)) {
                    return *known;
                }
                let mut labels = context.interner.labels(start).clone();
                for label in include.iter() {
                    let value = context.interner.labels(one.labels).get(label).unwrap_or("");
                    labels = labels.with(label, value);
                }
                let result = context.interner.id(&labels);
                memo.insert((start, one.labels), result);
                result
            }
        }
    }
}

impl SetOperation {
    pub(super) fn evaluate(&mut self, context: &mut Context<'_>) -> Result<Vector, EvalError> {
        let mut left = self.left.evaluate(context)?;
        let right = self.right.evaluate(context)?;
        self.keys.clear();
        let noted = if self.op == SetOp::Or { &left } else { &right };
        for element in noted {
            let key = self.matching.apply(element.labels, context.interner);
            self.keys.insert(key, 0);
        }
        match self.op {
            SetOp::And | SetOp::Unless => {
                let wanted = self.op == SetOp::And;
                left.retain(|element| {
                    let key = self.matching.apply(element.labels, context.interner);
                    self.keys.get(key).is_some() == wanted
                });
                context.buffers.give(right);
                Ok(left)
            }
            SetOp::Or => {
                for element in &right {
                    let key = self.matching.apply(element.labels, context.interner);
                    if self.keys.get(key).is_none() {
                        left.push(*element);
                    }
                }
                context.buffers.give(right);
                unique(left, &mut self.seen, context)
            }
        }
    }
}
