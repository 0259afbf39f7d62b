//! Walking over an expression's selectors.

use super::{AggregateOp, Expr, MapFunction, RangeExpr, ScalarExpr, Selector, VectorExpr};

impl Expr {
    /// Calls `each` with every selector, in the order they are written (operators' left sides first).
    pub(crate) fn each_selector(&self, each: &mut dyn FnMut(&Selector)) {
        match self {
            Self::Scalar(expr) => expr.each_selector(each),
            Self::Vector(expr) => expr.each_selector(each),
        }
    }
}

impl ScalarExpr {
    fn each_selector(&self, each: &mut dyn FnMut(&Selector)) {
        match self {
            Self::Number(_) | Self::Time => {}
            Self::OfVector(of) => of.each_selector(each),
            Self::Negate(of) => of.each_selector(each),
            Self::Binary { left, right, .. } => {
                left.each_selector(each);
                right.each_selector(each);
            }
        }
    }
}

impl VectorExpr {
    fn each_selector(&self, each: &mut dyn FnMut(&Selector)) {
        match self {
            Self::Selector(selector) => each(selector),
            Self::TimestampOf(selector) => each(selector),
            Self::OfScalar(of) => of.each_selector(each),
            Self::Range(call) => {
                call.of.each_selector(each);
                if let Some(parameter) = &call.parameter {
                    parameter.each_selector(each);
                }
            }
            Self::Absent { of, .. } | Self::Sort { of, .. } => of.each_selector(each),
            Self::AbsentOverTime { of, .. } => of.each_selector(each),
            Self::Map(call) => {
                call.of.each_selector(each);
                match &call.function {
                    MapFunction::Round { to: Some(scalar) }
                    | MapFunction::ClampMin(scalar)
                    | MapFunction::ClampMax(scalar) => scalar.each_selector(each),
                    MapFunction::Clamp { min, max } => {
                        min.each_selector(each);
                        max.each_selector(each);
                    }
                    _ => {}
                }
            }
            Self::Relabel(relabel) => relabel.of.each_selector(each),
            Self::HistogramQuantile(call) => {
                call.quantile.each_selector(each);
                call.of.each_selector(each);
            }
            Self::Aggregate(aggregate) => {
                if let AggregateOp::TopK(scalar)
                | AggregateOp::BottomK(scalar)
                | AggregateOp::Quantile(scalar) = &aggregate.op
                {
                    scalar.each_selector(each);
                }
                aggregate.of.each_selector(each);
            }
            Self::VectorScalar(operation) => {
                operation.vector.each_selector(each);
                operation.scalar.each_selector(each);
            }
            Self::VectorVector(operation) => {
                operation.left.each_selector(each);
                operation.right.each_selector(each);
            }
            Self::Set(operation) => {
                operation.left.each_selector(each);
                operation.right.each_selector(each);
            }
        }
    }
}

impl RangeExpr {
    fn each_selector(&self, each: &mut dyn FnMut(&Selector)) {
        match self {
            Self::Selector { selector, .. } => each(selector),
            Self::Subquery { of, .. } => of.each_selector(each),
        }
    }
}
