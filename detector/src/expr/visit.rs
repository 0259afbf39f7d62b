//! Walking over an expression: its selectors, and the numbers its comparisons compare with.

use super::{
    AggregateOp, BinaryOp, Expr, MapFunction, RangeExpr, ScalarExpr, Selector, VectorExpr,
};

/// What a walk meets, in the order written (operators' left sides first).
pub(crate) enum Met<'e> {
    Selector(&'e Selector),
    /// A literal that is one whole side of a comparison.
    Threshold(f64),
}

type Each<'c> = &'c mut dyn FnMut(Met<'_>);

impl Expr {
    /// Calls `each` with every selector.
    pub(crate) fn each_selector(&self, each: &mut dyn FnMut(&Selector)) {
        self.walk(&mut |met| {
            if let Met::Selector(selector) = met {
                each(selector);
            }
        });
    }

    /// The literals that are one whole side of a comparison.
    pub(crate) fn thresholds(&self) -> Vec<f64> {
        let mut found = Vec::new();
        self.walk(&mut |met| {
            if let Met::Threshold(value) = met {
                found.push(value);
            }
        });
        found
    }

    fn walk(&self, each: Each<'_>) {
        match self {
            Self::Scalar(expr) => expr.walk(each),
            Self::Vector(expr) => expr.walk(each),
        }
    }
}

impl BinaryOp {
    /// The number on one side of the operator.
    fn walk_number(self, side: &ScalarExpr, each: Each<'_>) {
        match side.literal().filter(|_| self.is_comparison()) {
            Some(value) => each(Met::Threshold(value)),
            None => side.walk(each),
        }
    }
}

impl ScalarExpr {
    /// The value of a literal, its sign included.
    pub(crate) fn literal(&self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(*value),
            Self::Negate(of) => of.literal().map(|value| -value),
            Self::Time | Self::OfVector(_) | Self::Binary { .. } => None,
        }
    }

    fn walk(&self, each: Each<'_>) {
        match self {
            Self::Number(_) | Self::Time => {}
            Self::OfVector(of) => of.walk(each),
            Self::Negate(of) => of.walk(each),
            Self::Binary { op, left, right } => {
                op.walk_number(left, each);
                op.walk_number(right, each);
            }
        }
    }
}

impl VectorExpr {
    /// Calls `each` with every selector.
    pub(crate) fn each_selector(&self, each: &mut dyn FnMut(&Selector)) {
        self.walk(&mut |met| {
            if let Met::Selector(selector) = met {
                each(selector);
            }
        });
    }

    /// Whether there is no literal in it that is one whole side of a comparison.
    pub(crate) fn has_no_threshold(&self) -> bool {
        let mut none = true;
        self.walk(&mut |met| none &= !matches!(met, Met::Threshold(_)));
        none
    }

    fn walk(&self, each: Each<'_>) {
        match self {
            Self::Given(_) => {}
            Self::Selector(selector) => each(Met::Selector(selector)),
            Self::TimestampOf(selector) => each(Met::Selector(selector)),
            Self::OfScalar(of) => of.walk(each),
            Self::Range(call) => {
                call.of.walk(each);
                if let Some(parameter) = &call.parameter {
                    parameter.walk(each);
                }
            }
            Self::Absent { of, .. } | Self::Sort { of, .. } => of.walk(each),
            Self::AbsentOverTime { of, .. } => of.walk(each),
            Self::Map(call) => {
                call.of.walk(each);
                match &call.function {
                    MapFunction::Round { to: Some(scalar) }
                    | MapFunction::ClampMin(scalar)
                    | MapFunction::ClampMax(scalar) => scalar.walk(each),
                    MapFunction::Clamp { min, max } => {
                        min.walk(each);
                        max.walk(each);
                    }
                    _ => {}
                }
            }
            Self::Relabel(relabel) => relabel.of.walk(each),
            Self::HistogramQuantile(call) => {
                call.quantile.walk(each);
                call.of.walk(each);
            }
            Self::Aggregate(aggregate) => {
                if let AggregateOp::TopK(scalar)
                | AggregateOp::BottomK(scalar)
                | AggregateOp::Quantile(scalar) = &aggregate.op
                {
                    scalar.walk(each);
                }
                aggregate.of.walk(each);
            }
            Self::VectorScalar(operation) if operation.scalar_first => {
                operation.op.walk_number(&operation.scalar, each);
                operation.vector.walk(each);
            }
            Self::VectorScalar(operation) => {
                operation.vector.walk(each);
                operation.op.walk_number(&operation.scalar, each);
            }
            Self::VectorVector(operation) => {
                operation.left.walk(each);
                operation.right.walk(each);
            }
            Self::Set(operation) => {
                operation.left.walk(each);
                operation.right.walk(each);
            }
        }
    }
}

impl RangeExpr {
    fn walk(&self, each: Each<'_>) {
        match self {
            Self::Selector { selector, .. } => each(Met::Selector(selector)),
            Self::Subquery { of, .. } => of.walk(each),
        }
    }
}
