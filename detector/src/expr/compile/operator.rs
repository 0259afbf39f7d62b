//! Aggregations and binary operators.

use std::collections::HashMap;

use super::{Compiler, Result, Typed, mistyped, refuse, string};
use crate::compat::Compat;
use crate::eval::ratio::Offsets;
use crate::expr::{
    Aggregate, AggregateOp, BinaryOp, Cardinality, Keep, Projection, ScalarExpr, SetOp,
    SetOperation, VectorExpr, VectorScalar, VectorVector, Yields,
};
use crate::intern::Places;
use crate::promql::{self, Aggregator, Grouping, Matching, MatchingLabels, Operator, Side};
use crate::sample::is_label_name;

impl Compiler {
    pub(super) fn aggregate(&mut self, aggregate: &promql::Aggregate) -> Result<VectorExpr> {
        let parameter = || match &aggregate.param {
            Some(parameter) => Ok(parameter.as_ref()),
            None => refuse("a parameter is missing", aggregate.span),
        };
        let op = match aggregate.op {
            Aggregator::Sum => AggregateOp::Sum,
            Aggregator::Avg => AggregateOp::Avg,
            Aggregator::Min => AggregateOp::Min,
            Aggregator::Max => AggregateOp::Max,
            Aggregator::Count => AggregateOp::Count,
            Aggregator::Group => AggregateOp::Group,
            Aggregator::Stddev => AggregateOp::Stddev,
            Aggregator::Stdvar => AggregateOp::Stdvar,
            Aggregator::TopK => AggregateOp::TopK(self.scalar(parameter()?)?),
            Aggregator::BottomK => AggregateOp::BottomK(self.scalar(parameter()?)?),
            Aggregator::Quantile => AggregateOp::Quantile(self.scalar(parameter()?)?),
            Aggregator::CountValues => {
                let label = string(parameter()?, "count_values")?;
                if !is_label_name(label, self.compat) {
                    return refuse(
                        format!("count_values: {label:?} is not a label name"),
                        parameter()?.span(),
                    );
                }
                AggregateOp::CountValues(label.to_owned())
            }
            Aggregator::LimitK => {
                self.experimental("limitk", aggregate.span);
                AggregateOp::LimitK {
                    count: self.scalar(parameter()?)?,
                    is_counted: false,
                }
            }
            Aggregator::LimitRatio => {
                self.experimental("limit_ratio", aggregate.span);
                AggregateOp::LimitRatio {
                    ratio: self.scalar(parameter()?)?,
                    offsets: Offsets::default(),
                }
            }
        };
        let mut keep = match &aggregate.grouping {
            None => Keep::Only(Vec::new()),
            Some(Grouping::By(labels)) => Keep::Only(labels.clone()),
            Some(Grouping::Without(labels)) => Keep::Without(labels.clone()),
        };
        // The counted value's label is part of the group's identity.
        if let (AggregateOp::CountValues(label), Keep::Only(labels)) = (&op, &mut keep) {
            labels.push(label.clone());
        }
        let mut of = self.vector(&aggregate.expr)?;
        // Of each group of limitk it makes one number, for which it does not matter which elements were taken.
        if let (AggregateOp::Count | AggregateOp::Group, VectorExpr::Aggregate(limited)) =
            (&op, &mut of)
            && let AggregateOp::LimitK { is_counted, .. } = &mut limited.op
            && (keep == Keep::Only(Vec::new()) || keep == limited.grouping.keep)
        {
            *is_counted = true;
        }
        Ok(VectorExpr::Aggregate(Box::new(Aggregate {
            op,
            of,
            grouping: Projection::new(keep),
            places: Places::default(),
            groups: Vec::new(),
        })))
    }

    pub(super) fn binary(&mut self, binary: &promql::Binary) -> Result<Typed> {
        let left = self.typed(&binary.lhs)?;
        let right = self.typed(&binary.rhs)?;
        let op = match operator(binary.op) {
            Some(op) => op,
            None => return set_operation(binary, left, right),
        };
        let outcome = match (op.is_comparison(), binary.returns_bool) {
            (false, _) => Yields::Value,
            (true, false) => Yields::Filter,
            (true, true) => Yields::Bool,
        };
        match (left, right) {
            (Typed::Scalar(left), Typed::Scalar(right)) => Ok(Typed::Scalar(ScalarExpr::Binary {
                op,
                left: Box::new(left),
                right: Box::new(right),
            })),
            (Typed::Vector(vector), Typed::Scalar(scalar)) => {
                Ok(vector_scalar(op, outcome, vector, scalar, false))
            }
            (Typed::Scalar(scalar), Typed::Vector(vector)) => {
                Ok(vector_scalar(op, outcome, vector, scalar, true))
            }
            (Typed::Vector(left), Typed::Vector(right)) => Ok(vector_vector(
                op,
                outcome,
                left,
                right,
                &binary.matching,
                self.compat,
            )),
            (Typed::Scalar(_) | Typed::Vector(_), _) => mistyped(&binary.rhs),
            _ => mistyped(&binary.lhs),
        }
    }
}

fn set_operation(binary: &promql::Binary, left: Typed, right: Typed) -> Result<Typed> {
    let op = match binary.op {
        Operator::And => SetOp::And,
        Operator::Or => SetOp::Or,
        Operator::Unless => SetOp::Unless,
        op => {
            return refuse(
                format!("{op} works on native histograms, which are not supported"),
                binary.op_span,
            );
        }
    };
    match (left, right) {
        (Typed::Vector(left), Typed::Vector(right)) => {
            Ok(Typed::Vector(VectorExpr::Set(Box::new(SetOperation {
                op,
                left,
                right,
                matching: Projection::new(matching(&binary.matching)),
                keys: Places::default(),
                seen: Places::default(),
            }))))
        }
        (Typed::Vector(_), _) => mistyped(&binary.rhs),
        _ => mistyped(&binary.lhs),
    }
}

fn operator(op: Operator) -> Option<BinaryOp> {
    Some(match op {
        Operator::Add => BinaryOp::Add,
        Operator::Sub => BinaryOp::Sub,
        Operator::Mul => BinaryOp::Mul,
        Operator::Div => BinaryOp::Div,
        Operator::Mod => BinaryOp::Mod,
        Operator::Pow => BinaryOp::Pow,
        Operator::Atan2 => BinaryOp::Atan2,
        Operator::Equal => BinaryOp::Equal,
        Operator::NotEqual => BinaryOp::NotEqual,
        Operator::Greater => BinaryOp::Greater,
        Operator::GreaterEqual => BinaryOp::GreaterEqual,
        Operator::Less => BinaryOp::Less,
        Operator::LessEqual => BinaryOp::LessEqual,
        Operator::And
        | Operator::Or
        | Operator::Unless
        | Operator::TrimUpper
        | Operator::TrimLower => return None,
    })
}

fn matching(matching: &Matching) -> Keep {
    match &matching.labels {
        MatchingLabels::On(labels) => Keep::Only(labels.clone()),
        MatchingLabels::Ignoring(labels) => Keep::Without(labels.clone()),
    }
}

fn vector_scalar(
    op: BinaryOp,
    outcome: Yields,
    vector: VectorExpr,
    scalar: ScalarExpr,
    scalar_first: bool,
) -> Typed {
    Typed::Vector(VectorExpr::VectorScalar(Box::new(VectorScalar {
        op,
        outcome,
        vector,
        scalar,
        scalar_first,
        seen: Places::default(),
    })))
}

fn vector_vector(
    op: BinaryOp,
    outcome: Yields,
    left: VectorExpr,
    right: VectorExpr,
    written: &Matching,
    compat: Compat,
) -> Typed {
    let matching = matching(written);
    let drop_name = !op.keeps_name(outcome, compat);
    let (cardinality, keep) = match &written.group {
        Some(group) => {
            let cardinality = Cardinality::Group {
                many_left: group.many == Side::Left,
                include: group.include.clone(),
                memo: HashMap::new(),
            };
            (cardinality, Keep::AllBut(Vec::new()))
        }
        None => {
            let keep = match &matching {
                Keep::Only(labels) => Keep::Only(labels.clone()),
                Keep::Without(labels) | Keep::AllBut(labels) => Keep::AllBut(labels.clone()),
            };
            (Cardinality::OneToOne, keep)
        }
    };
    Typed::Vector(VectorExpr::VectorVector(Box::new(VectorVector {
        op,
        outcome,
        left,
        right,
        matching: Projection::new(matching),
        cardinality,
        result: Projection::new(keep),
        drop_name,
        ones: Places::default(),
        used: Places::default(),
        seen: Places::default(),
    })))
}
