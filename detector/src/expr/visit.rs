//! Walking over the parts of an expression.

use super::share::Shared;
use super::{AggregateOp, Expr, MapFunction, RangeExpr, ScalarExpr, Selector, VectorExpr};

/// A direct part of an expression.
enum Part<'e> {
    Selector(&'e Selector),
    Vector(&'e VectorExpr),
    Scalar(&'e ScalarExpr),
    Range(&'e RangeExpr),
    Shared(usize),
}

impl Expr {
    /// Calls `each` with every selector, in the order they are written (operators' left sides first), those of the
    /// shared expressions included.
    pub(crate) fn each_selector(&self, shared: &[Shared], each: &mut dyn FnMut(&Selector)) {
        match self {
            Self::Scalar(expr) => expr.each_selector(shared, each),
            Self::Vector(expr) => expr.each_selector(shared, each),
        }
    }
}

impl ScalarExpr {
    fn each_selector(&self, shared: &[Shared], each: &mut dyn FnMut(&Selector)) {
        match self {
            Self::Number(_) | Self::Time => {}
            Self::OfVector(of) => of.each_selector(shared, each),
            Self::Negate(of) => of.each_selector(shared, each),
            Self::Binary { left, right, .. } => {
                left.each_selector(shared, each);
                right.each_selector(shared, each);
            }
        }
    }
}

impl VectorExpr {
    /// See [`Expr::each_selector`].
    pub(super) fn each_selector(&self, shared: &[Shared], each: &mut dyn FnMut(&Selector)) {
        self.each_part(&mut |part| match part {
            Part::Selector(selector) => each(selector),
            Part::Vector(of) => of.each_selector(shared, each),
            Part::Scalar(of) => of.each_selector(shared, each),
            Part::Range(RangeExpr::Selector { selector, .. }) => each(selector),
            Part::Range(RangeExpr::Subquery { of, .. }) => of.each_selector(shared, each),
            Part::Shared(place) => {
                if let Some(expr) = shared.get(place).and_then(|shared| shared.expr.as_ref()) {
                    expr.each_selector(shared, each);
                }
            }
        });
    }

    /// Whether there is a subquery anywhere inside.
    pub(super) fn has_subquery(&self) -> bool {
        let mut found = false;
        self.each_part(&mut |part| match part {
            Part::Vector(of) => found |= of.has_subquery(),
            Part::Scalar(of) => found |= of.has_subquery(),
            Part::Range(RangeExpr::Subquery { .. }) => found = true,
            Part::Range(RangeExpr::Selector { .. }) | Part::Selector(_) | Part::Shared(_) => {}
        });
        found
    }

    fn each_part(&self, each: &mut dyn FnMut(Part<'_>)) {
        match self {
            Self::Selector(selector) | Self::TimestampOf(selector) => {
                each(Part::Selector(selector));
            }
            Self::OfScalar(of) => each(Part::Scalar(of)),
            Self::Range(call) => {
                each(Part::Range(&call.of));
                call.parameter.iter().for_each(|of| each(Part::Scalar(of)));
            }
            Self::Absent { of, .. } | Self::Sort { of, .. } => each(Part::Vector(of)),
            Self::AbsentOverTime { of, .. } => each(Part::Range(of)),
            Self::Map(call) => {
                each(Part::Vector(&call.of));
                match &call.function {
                    MapFunction::Round { to: Some(scalar) }
                    | MapFunction::ClampMin(scalar)
                    | MapFunction::ClampMax(scalar) => each(Part::Scalar(scalar)),
                    MapFunction::Clamp { min, max } => {
                        each(Part::Scalar(min));
                        each(Part::Scalar(max));
                    }
                    _ => {}
                }
            }
            Self::Relabel(relabel) => each(Part::Vector(&relabel.of)),
            Self::HistogramQuantile(call) => {
                each(Part::Scalar(&call.quantile));
                each(Part::Vector(&call.of));
            }
            Self::Aggregate(aggregate) => {
                if let AggregateOp::TopK(scalar)
                | AggregateOp::BottomK(scalar)
                | AggregateOp::Quantile(scalar) = &aggregate.op
                {
                    each(Part::Scalar(scalar));
                }
                each(Part::Vector(&aggregate.of));
            }
            Self::VectorScalar(operation) => {
                each(Part::Vector(&operation.vector));
                each(Part::Scalar(&operation.scalar));
            }
            Self::VectorVector(operation) => {
                each(Part::Vector(&operation.left));
                each(Part::Vector(&operation.right));
            }
            Self::Set(operation) => {
                each(Part::Vector(&operation.left));
                each(Part::Vector(&operation.right));
            }
            Self::Shared(place) => each(Part::Shared(*place)),
        }
    }

    /// Calls `each` with the outermost vectors inside that are evaluated at the same time as this one. Vectors inside
    /// scalars that are no operator's operand are left out.
    pub(super) fn each_child<'e>(&'e mut self, each: &mut dyn FnMut(&'e mut Self)) {
        match self {
            // A subquery's vector is evaluated at other times.
            Self::Selector(_)
            | Self::TimestampOf(_)
            | Self::Range(_)
            | Self::AbsentOverTime { .. }
            | Self::Shared(_) => {}
            Self::OfScalar(of) => of.each_root(each),
            Self::Absent { of, .. } | Self::Sort { of, .. } => each(of),
            Self::Map(call) => each(&mut call.of),
            Self::Relabel(relabel) => each(&mut relabel.of),
            Self::HistogramQuantile(call) => each(&mut call.of),
            Self::Aggregate(aggregate) => each(&mut aggregate.of),
            Self::VectorScalar(operation) => {
                each(&mut operation.vector);
                operation.scalar.each_root(each);
            }
            Self::VectorVector(operation) => {
                each(&mut operation.left);
                each(&mut operation.right);
            }
            Self::Set(operation) => {
                each(&mut operation.left);
                each(&mut operation.right);
            }
        }
    }
}

impl ScalarExpr {
    fn has_subquery(&self) -> bool {
        match self {
            Self::Number(_) | Self::Time => false,
            Self::OfVector(of) => of.has_subquery(),
            Self::Negate(of) => of.has_subquery(),
            Self::Binary { left, right, .. } => left.has_subquery() || right.has_subquery(),
        }
    }
}
