//! Walking over an expression: its selectors, and the numbers its comparisons compare with.

use super::share::Shared;
use super::{
    AggregateOp, BinaryOp, Expr, MapFunction, RangeExpr, ScalarExpr, Selector, VectorExpr,
};

/// What a walk meets, in the order written (operators' left sides first).
pub(crate) enum Met<'e> {
    Selector(&'e Selector),
    /// A literal that is one whole side of a comparison.
    Threshold(f64),
    /// Before what is inside of it.
    Subquery,
    /// The place of a shared expression, which is not walked over.
    Shared(usize),
}

type Each<'c> = &'c mut dyn FnMut(Met<'_>);

impl Met<'_> {
    fn each_selector(self, shared: &[Shared], each: &mut dyn FnMut(&Selector)) {
        match self {
            Self::Selector(selector) => each(selector),
            Self::Shared(place) => {
                if let Some(expr) = shared.get(place).and_then(|shared| shared.expr.as_ref()) {
                    expr.each_selector(shared, each);
                }
            }
            Self::Threshold(_) | Self::Subquery => {}
        }
    }
}

impl Expr {
    /// Calls `each` with every selector, those of the shared expressions included.
    pub(crate) fn each_selector(&self, shared: &[Shared], each: &mut dyn FnMut(&Selector)) {
        self.walk(&mut |met| met.each_selector(shared, each));
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
            Self::Time
            | Self::QueryTime
            | Self::OfVector(_)
            | Self::Extreme { .. }
            | Self::Binary { .. } => None,
        }
    }

    fn walk(&self, each: Each<'_>) {
        match self {
            Self::Number(_) | Self::Time | Self::QueryTime => {}
            Self::OfVector(of) => of.walk(each),
            Self::Negate(of) => of.walk(each),
            Self::Extreme { left, right, .. } => {
                left.walk(each);
                right.walk(each);
            }
            Self::Binary { op, left, right } => {
                op.walk_number(left, each);
                op.walk_number(right, each);
            }
        }
    }
}

impl VectorExpr {
    /// See [`Expr::each_selector`].
    pub(crate) fn each_selector(&self, shared: &[Shared], each: &mut dyn FnMut(&Selector)) {
        self.walk(&mut |met| met.each_selector(shared, each));
    }

    /// Whether there is a subquery anywhere inside.
    pub(super) fn has_subquery(&self) -> bool {
        let mut found = false;
        self.walk(&mut |met| found |= matches!(met, Met::Subquery));
        found
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
            Self::Shared(place) => each(Met::Shared(*place)),
            Self::Selector(selector) => each(Met::Selector(selector)),
            Self::TimestampOf(selector) => each(Met::Selector(selector)),
            Self::OfScalar(of) => of.walk(each),
            Self::Range(call) => {
                call.of.walk(each);
                for parameter in &call.parameters {
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
            Self::SortByLabel(sort) => sort.of.walk(each),
            Self::HistogramQuantile(call) => {
                for phi in &call.phis {
                    phi.value.walk(each);
                }
                call.of.walk(each);
            }
            Self::Info(call) => {
                call.of.walk(each);
                each(Met::Selector(&call.from));
            }
            Self::Aggregate(aggregate) => {
                if let AggregateOp::TopK(scalar)
                | AggregateOp::BottomK(scalar)
                | AggregateOp::Quantile(scalar)
                | AggregateOp::LimitK { count: scalar, .. }
                | AggregateOp::LimitRatio { ratio: scalar, .. } = &aggregate.op
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

    /// Calls `each` with the outermost vectors inside that are evaluated at the same time as this one. Vectors inside
    /// scalars that are no operator's operand are left out.
    pub(super) fn each_child<'e>(&'e mut self, each: &mut dyn FnMut(&'e mut Self)) {
        match self {
            // A subquery's vector is evaluated at other times.
            Self::Selector(_)
            | Self::TimestampOf(_)
            | Self::Range(_)
            | Self::AbsentOverTime { .. }
            | Self::Shared(_)
            | Self::Given(_) => {}
            Self::OfScalar(of) => of.each_root(each),
            Self::Absent { of, .. } | Self::Sort { of, .. } => each(of),
            Self::Map(call) => each(&mut call.of),
            Self::Relabel(relabel) => each(&mut relabel.of),
            Self::SortByLabel(sort) => each(&mut sort.of),
            Self::HistogramQuantile(call) => each(&mut call.of),
            Self::Info(call) => each(&mut call.of),
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

impl RangeExpr {
    fn walk(&self, each: Each<'_>) {
        match self {
            Self::Selector { selector, .. } => each(Met::Selector(selector)),
            Self::Subquery { of, .. } => {
                each(Met::Subquery);
                of.walk(each);
            }
        }
    }
}
