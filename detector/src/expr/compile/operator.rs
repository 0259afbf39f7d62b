//! Aggregations and binary operators.

use std::collections::HashMap;

use promql_parser::parser::{self, BinModifier, LabelModifier, VectorMatchCardinality};

use super::{Compiler, Result, Typed, is_label_name, spelling, string};
use crate::compat::Compat;
use crate::expr::{
    Aggregate, AggregateOp, BinaryOp, Cardinality, Keep, Projection, ScalarExpr, SetOp,
    SetOperation, VectorExpr, VectorScalar, VectorVector, Yields,
};
use crate::intern::Places;

impl Compiler {
    pub(super) fn aggregate(&mut self, aggregate: &parser::AggregateExpr) -> Result<VectorExpr> {
        let name = spelling(aggregate.op);
        let parameter = |compiler: &mut Self| match &aggregate.param {
            Some(parameter) => compiler.scalar(parameter, &name),
            None => Err(format!("{name} needs a parameter")),
        };
        let op = match name.as_str() {
            "sum" => AggregateOp::Sum,
            "avg" => AggregateOp::Avg,
            "min" => AggregateOp::Min,
            "max" => AggregateOp::Max,
            "count" => AggregateOp::Count,
            "group" => AggregateOp::Group,
            "stddev" => AggregateOp::Stddev,
            "stdvar" => AggregateOp::Stdvar,
            "topk" => AggregateOp::TopK(parameter(self)?),
            "bottomk" => AggregateOp::BottomK(parameter(self)?),
            "quantile" => AggregateOp::Quantile(parameter(self)?),
            "count_values" => {
                let Some(parameter) = &aggregate.param else {
                    return Err("count_values needs a label name".into());
                };
                let label = string(parameter, "count_values")?;
                if !is_label_name(&label, self.compat) {
                    return Err(format!("count_values: {label:?} is not a label name"));
                }
                AggregateOp::CountValues(label)
            }
            "limitk" if self.compat == Compat::V3 => {
                return Err("limitk() is experimental and not supported: which series it takes depends on the order in which \
                     Prometheus has stored them"
                    .into());
            }
            other => return Err(format!("{other}() is experimental and not supported")),
        };
        let mut keep = match &aggregate.modifier {
            None => Keep::Only(Vec::new()),
            Some(LabelModifier::Include(labels)) => Keep::Only(labels.labels.clone()),
            Some(LabelModifier::Exclude(labels)) => Keep::Without(labels.labels.clone()),
        };
        // The counted value's label is part of the group's identity.
        if let (AggregateOp::CountValues(label), Keep::Only(labels)) = (&op, &mut keep) {
            labels.push(label.clone());
        }
        Ok(VectorExpr::Aggregate(Box::new(Aggregate {
            op,
            of: self.vector(&aggregate.expr, &name)?,
            grouping: Projection::new(keep),
            places: Places::default(),
            groups: Vec::new(),
        })))
    }

    pub(super) fn binary(&mut self, binary: &parser::BinaryExpr) -> Result<Typed> {
        let name = spelling(binary.op);
        let plain = BinModifier::default();
        let modifier = binary.modifier.as_ref().unwrap_or(&plain);
        if modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some() {
            return Err("fill, fill_left and fill_right are experimental and not supported".into());
        }
        let left = self.typed(&binary.lhs)?;
        let right = self.typed(&binary.rhs)?;
        let set = match name.as_str() {
            "and" => Some(SetOp::And),
            "or" => Some(SetOp::Or),
            "unless" => Some(SetOp::Unless),
            _ => None,
        };
        if let Some(op) = set {
            let (Typed::Vector(left), Typed::Vector(right)) = (left, right) else {
                return Err(format!("{name} needs instant vectors on both sides"));
            };
            return Ok(Typed::Vector(VectorExpr::Set(Box::new(SetOperation {
                op,
                left,
                right,
                matching: Projection::new(matching(modifier)),
                keys: Places::default(),
                seen: Places::default(),
            }))));
        }
        let Some(op) = operator(&name) else {
            return Err(format!("the operator {name} is not supported"));
        };
        let outcome = match (op.is_comparison(), modifier.return_bool) {
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
                modifier,
                self.compat,
            )),
            _ => Err(format!(
                "{name} needs numbers or instant vectors on both sides"
            )),
        }
    }
}

fn operator(name: &str) -> Option<BinaryOp> {
    Some(match name {
        "+" => BinaryOp::Add,
        "-" => BinaryOp::Sub,
        "*" => BinaryOp::Mul,
        "/" => BinaryOp::Div,
        "%" => BinaryOp::Mod,
        "^" => BinaryOp::Pow,
        "atan2" => BinaryOp::Atan2,
        "==" => BinaryOp::Equal,
        "!=" => BinaryOp::NotEqual,
        ">" => BinaryOp::Greater,
        ">=" => BinaryOp::GreaterEqual,
        "<" => BinaryOp::Less,
        "<=" => BinaryOp::LessEqual,
        _ => return None,
    })
}

fn matching(modifier: &BinModifier) -> Keep {
    match &modifier.matching {
        None => Keep::Without(Vec::new()),
        Some(LabelModifier::Include(labels)) => Keep::Only(labels.labels.clone()),
        Some(LabelModifier::Exclude(labels)) => Keep::Without(labels.labels.clone()),
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
    modifier: &BinModifier,
    compat: Compat,
) -> Typed {
    let matching = matching(modifier);
    let drop_name = !op.keeps_name(outcome, compat);
    let group = |many_left: bool, labels: &promql_parser::label::Labels| Cardinality::Group {
        many_left,
        include: labels.labels.clone(),
        memo: HashMap::new(),
    };
    let everything = Keep::AllBut(Vec::new());
    let (cardinality, keep) = match &modifier.card {
        VectorMatchCardinality::ManyToOne(labels) => (group(true, labels), everything),
        VectorMatchCardinality::OneToMany(labels) => (group(false, labels), everything),
        VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany => {
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
