//! Which labels the elements of an expression have, as far as its text says.

use std::collections::BTreeSet;

use promql_parser::label::MatchOp;
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{self, LabelModifier, VectorMatchCardinality};

use crate::expr::compile::spelling;
use crate::sample::METRIC_NAME;

/// What is known of the labels of all elements, the metric's name left out.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// Every element has these.
    pub(super) has: BTreeSet<String>,
    /// No element has these.
    not: BTreeSet<String>,
    /// No element has others; `None`: that is not known.
    only: Option<BTreeSet<String>>,
}

impl Known {
    /// No labels at all.
    fn none() -> Self {
        Self {
            only: Some(BTreeSet::new()),
            ..Self::default()
        }
    }

    /// Whether no element has it.
    pub(super) fn lacks(&self, label: &str) -> bool {
        self.not.contains(label) || self.only.as_ref().is_some_and(|only| !only.contains(label))
    }

    fn restricted_to(mut self, labels: &[String]) -> Self {
        let lacked: BTreeSet<String> = labels
            .iter()
            .filter(|label| self.lacks(label))
            .cloned()
            .collect();
        self.has.retain(|label| labels.contains(label));
        self.only = Some(
            labels
                .iter()
                .filter(|label| !lacked.contains(*label))
                .cloned()
                .collect(),
        );
        self
    }

    fn without(mut self, labels: &[String]) -> Self {
        for label in labels {
            self.has.remove(label);
            self.not.insert(label.clone());
        }
        self
    }

    /// Something may have written these.
    fn unsure_of<'l>(mut self, labels: impl IntoIterator<Item = &'l String>) -> Self {
        for label in labels {
            self.has.remove(label);
            self.not.remove(label);
            if let Some(only) = &mut self.only {
                only.insert(label.clone());
            }
        }
        self
    }

    /// Elements of either.
    fn or(self, other: &Self) -> Self {
        let (left, right) = (&self, other);
        Self {
            has: left.has.intersection(&right.has).cloned().collect(),
            not: left
                .not
                .iter()
                .chain(&right.not)
                .filter(|label| left.lacks(label) && right.lacks(label))
                .cloned()
                .collect(),
            only: match (&left.only, &right.only) {
                (Some(left), Some(right)) => Some(left.union(right).cloned().collect()),
                _ => None,
            },
        }
    }

    /// What is known of an expression.
    pub(super) fn of(expr: &parser::Expr) -> Self {
        match expr {
            parser::Expr::Paren(paren) => Self::of(&paren.expr),
            parser::Expr::Unary(unary) => Self::of(&unary.expr),
            parser::Expr::Subquery(subquery) => Self::of(&subquery.expr),
            parser::Expr::VectorSelector(selector) => Self::of_selector(selector),
            parser::Expr::MatrixSelector(matrix) => Self::of_selector(&matrix.vs),
            parser::Expr::NumberLiteral(_) | parser::Expr::StringLiteral(_) => Self::none(),
            parser::Expr::Aggregate(aggregate) => Self::of_aggregate(aggregate),
            parser::Expr::Call(call) => Self::of_call(call),
            parser::Expr::Binary(binary) => Self::of_binary(binary),
            parser::Expr::Extension(_) => Self::default(),
        }
    }

    fn of_selector(selector: &parser::VectorSelector) -> Self {
        let mut known = Self::default();
        for matcher in &selector.matchers.matchers {
            if matches!(matcher.op, MatchOp::Equal) && matcher.name != METRIC_NAME {
                let labels = match matcher.value.is_empty() {
                    true => &mut known.not,
                    false => &mut known.has,
                };
                labels.insert(matcher.name.clone());
            }
        }
        known
    }

    fn of_aggregate(aggregate: &parser::AggregateExpr) -> Self {
        let of = Self::of(&aggregate.expr);
        let op = spelling(aggregate.op);
        // These choose elements.
        if ["topk", "bottomk", "limitk", "limit_ratio"].contains(&op.as_str()) {
            return of;
        }
        let known = match &aggregate.modifier {
            None => Self::none(),
            Some(LabelModifier::Include(labels)) => of.restricted_to(&labels.labels),
            Some(LabelModifier::Exclude(labels)) => of.without(&labels.labels),
        };
        match aggregate.param.as_deref() {
            Some(parser::Expr::StringLiteral(label)) if op == "count_values" => {
                known.unsure_of([&label.val])
            }
            _ => known,
        }
    }

    fn of_call(call: &parser::Call) -> Self {
        let args = &call.args.args;
        let is_series =
            |of: &&parser::Expr| matches!(of.value_type(), ValueType::Vector | ValueType::Matrix);
        let of = args.iter().map(AsRef::as_ref).find(is_series).map(Self::of);
        let texts = args.iter().filter_map(|of| match of.as_ref() {
            parser::Expr::StringLiteral(text) => Some(&text.val),
            _ => None,
        });
        match call.func.name {
            "absent" | "absent_over_time" => match of {
                // Of a selector those it asks to be equal; of anything else none.
                Some(of) => {
                    let labels: Vec<String> = of.has.iter().cloned().collect();
                    Self::default().restricted_to(&labels)
                }
                None => Self::none(),
            },
            "label_replace" | "label_join" => of.unwrap_or_default().unsure_of(texts.take(1)),
            "histogram_quantile" => of.unwrap_or_default().without(&["le".to_owned()]),
            // Whatever it is, it is no series'.
            "info" => Self::default(),
            _ => of.unwrap_or_else(Self::none),
        }
    }

    fn of_binary(binary: &parser::BinaryExpr) -> Self {
        let (left, right) = (Self::of(&binary.lhs), Self::of(&binary.rhs));
        let is_vector = |side: &parser::Expr| side.value_type() == ValueType::Vector;
        match spelling(binary.op).to_ascii_lowercase().as_str() {
            "and" | "unless" => return left,
            "or" => return left.or(&right),
            _ => {}
        }
        if !is_vector(&binary.rhs) {
            return left;
        }
        if !is_vector(&binary.lhs) {
            return right;
        }
        let Some(modifier) = &binary.modifier else {
            return left;
        };
        match &modifier.card {
            VectorMatchCardinality::ManyToOne(taken) => left.unsure_of(&taken.labels),
            VectorMatchCardinality::OneToMany(taken) => right.unsure_of(&taken.labels),
            _ => match &modifier.matching {
                None => left,
                Some(LabelModifier::Include(labels)) => left.restricted_to(&labels.labels),
                Some(LabelModifier::Exclude(labels)) => left.without(&labels.labels),
            },
        }
    }
}
