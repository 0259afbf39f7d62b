//! Which labels the elements of an expression have, as far as its text says.

use std::collections::BTreeSet;

use crate::promql::{
    Aggregate, Aggregator, Binary, Call, Expr, Grouping, MatchOp, MatchingLabels, Operator,
    Selector, Side, ValueType,
};
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
    pub(super) fn of(expr: &Expr) -> Self {
        match expr {
            Expr::Paren(paren) => Self::of(&paren.expr),
            Expr::Unary(unary) => Self::of(&unary.expr),
            Expr::Subquery(subquery) => Self::of(&subquery.expr),
            Expr::Selector(selector) => Self::of_selector(selector),
            Expr::Range(range) => Self::of_selector(&range.selector),
            Expr::Number(_) | Expr::String(_) => Self::none(),
            Expr::Aggregate(aggregate) => Self::of_aggregate(aggregate),
            Expr::Call(call) => Self::of_call(call),
            Expr::Binary(binary) => Self::of_binary(binary),
        }
    }

    fn of_selector(selector: &Selector) -> Self {
        let mut known = Self::default();
        for matcher in &selector.matchers {
            if matcher.op == MatchOp::Equal && matcher.label != METRIC_NAME {
                let labels = match matcher.value.is_empty() {
                    true => &mut known.not,
                    false => &mut known.has,
                };
                labels.insert(matcher.label.clone());
            }
        }
        known
    }

    fn of_aggregate(aggregate: &Aggregate) -> Self {
        let of = Self::of(&aggregate.expr);
        // These choose elements.
        if matches!(
            aggregate.op,
            Aggregator::TopK | Aggregator::BottomK | Aggregator::LimitK | Aggregator::LimitRatio
        ) {
            return of;
        }
        let known = match &aggregate.grouping {
            None => Self::none(),
            Some(Grouping::By(labels)) => of.restricted_to(labels),
            Some(Grouping::Without(labels)) => of.without(labels),
        };
        match aggregate.param.as_deref() {
            Some(Expr::String(label)) if aggregate.op == Aggregator::CountValues => {
                known.unsure_of([&label.value])
            }
            _ => known,
        }
    }

    fn of_call(call: &Call) -> Self {
        let is_series =
            |of: &&Expr| matches!(of.value_type(), ValueType::Vector | ValueType::Matrix);
        let of = call.args.iter().find(is_series).map(Self::of);
        let texts = call.args.iter().filter_map(|of| match of {
            Expr::String(text) => Some(&text.value),
            _ => None,
        });
        match call.function.name {
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

    fn of_binary(binary: &Binary) -> Self {
        let (left, right) = (Self::of(&binary.lhs), Self::of(&binary.rhs));
        let is_vector = |side: &Expr| side.value_type() == ValueType::Vector;
        match binary.op {
            Operator::And | Operator::Unless => return left,
            Operator::Or => return left.or(&right),
            _ => {}
        }
        if !is_vector(&binary.rhs) {
            return left;
        }
        if !is_vector(&binary.lhs) {
            return right;
        }
        match (&binary.matching.group, &binary.matching.labels) {
            (Some(group), _) => match group.many {
                Side::Left => left.unsure_of(&group.include),
                Side::Right => right.unsure_of(&group.include),
            },
            (None, MatchingLabels::On(labels)) => left.restricted_to(labels),
            (None, MatchingLabels::Ignoring(labels)) => left.without(labels),
        }
    }
}
