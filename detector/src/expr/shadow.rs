//! An expression without its conditions: it has an element where the data are there, whether they are as the condition
//! wants them or not. So it tells an alert that is over from one whose series have vanished.

use std::collections::BTreeSet;

use super::share::Shared;
use super::{
    Aggregate, AggregateOp, Expr, HistogramQuantile, Info, MapCall, RangeCall, RangeExpr, Relabel,
    Selector, SetOp, SetOperation, SortByLabel, VectorExpr, VectorScalar, VectorVector, Yields,
};
use crate::alert::WRITTEN;
use crate::sample::METRIC_NAME;

/// The shadow of an alert's expression; none where absence is what it asks for, or where that depends on what rules say:
/// `absent()`, series of alerts, and metrics in `conditional`, which are recorded by rules with conditions.
pub(crate) fn of(expr: &Expr, shared: &[Shared], conditional: &BTreeSet<String>) -> Option<Expr> {
    let mut stripping = Stripping {
        shared,
        conditional,
        changed: false,
    };
    match expr {
        Expr::Scalar(_) => None,
        Expr::Vector(expr) => stripping.strip(expr).map(Expr::Vector),
    }
}

/// The names of recorded metrics whose series come and go with conditions, out of names with their expressions.
pub(crate) fn conditional<'e>(
    recorded: impl Iterator<Item = (&'e str, &'e Expr)> + Clone,
    shared: &[Shared],
) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // Rules may read what others record, mostly of rules that stand before them.
    loop {
        let before = found.len();
        for (name, expr) in recorded.clone() {
            let is_conditional = {
                let mut stripping = Stripping {
                    shared,
                    conditional: &found,
                    changed: false,
                };
                match expr {
                    Expr::Scalar(_) => false,
                    Expr::Vector(expr) => stripping.strip(expr).is_none() || stripping.changed,
                }
            };
            if is_conditional && !found.contains(name) {
                found.insert(name.to_owned());
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

struct Stripping<'s> {
    shared: &'s [Shared],
    conditional: &'s BTreeSet<String>,
    /// Whether a condition has been left out.
    changed: bool,
}

impl Stripping<'_> {
    fn strip(&mut self, expr: &VectorExpr) -> Option<VectorExpr> {
        Some(match expr {
            VectorExpr::Selector(selector) | VectorExpr::TimestampOf(selector) => {
                self.check(selector)?;
                expr.clone()
            }
            VectorExpr::OfScalar(_) => expr.clone(),
            VectorExpr::Absent { .. }
            | VectorExpr::AbsentOverTime { .. }
            | VectorExpr::Given(_) => return None,
            VectorExpr::Range(call) => VectorExpr::Range(Box::new(RangeCall {
                of: self.range(&call.of)?,
                ..RangeCall::clone(call)
            })),
            VectorExpr::Map(call) => VectorExpr::Map(Box::new(MapCall {
                of: self.strip(&call.of)?,
                ..MapCall::clone(call)
            })),
            VectorExpr::Relabel(relabel) => VectorExpr::Relabel(Box::new(Relabel {
                of: self.strip(&relabel.of)?,
                ..Relabel::clone(relabel)
            })),
            VectorExpr::Sort { of, descending } => VectorExpr::Sort {
                of: Box::new(self.strip(of)?),
                descending: *descending,
            },
            VectorExpr::SortByLabel(sort) => VectorExpr::SortByLabel(Box::new(SortByLabel {
                of: self.strip(&sort.of)?,
                ..SortByLabel::clone(sort)
            })),
            VectorExpr::HistogramQuantile(call) => {
                VectorExpr::HistogramQuantile(Box::new(HistogramQuantile {
                    of: self.strip(&call.of)?,
                    ..HistogramQuantile::clone(call)
                }))
            }
            VectorExpr::Info(call) => VectorExpr::Info(Box::new(Info {
                of: self.strip(&call.of)?,
                ..Info::clone(call)
            })),
            VectorExpr::Aggregate(aggregate) => self.aggregate(aggregate)?,
            VectorExpr::VectorScalar(operation) => self.with_scalar(operation)?,
            VectorExpr::VectorVector(operation) => self.with_vector(operation)?,
            VectorExpr::Set(operation) => self.set(operation)?,
            VectorExpr::Shared(place) => self.shared(*place)?,
        })
    }

    fn check(&self, selector: &Selector) -> Option<()> {
        let names = || {
            WRITTEN
                .into_iter()
                .chain(self.conditional.iter().map(String::as_str))
        };
        let of_name = |name: &str| {
            let mut own = selector.matchers.iter().filter(|m| m.label == METRIC_NAME);
            own.all(|matcher| matcher.accepts(name))
        };
        let comes_and_goes = match selector.name.as_deref() {
            Some(name) => WRITTEN.contains(&name) || self.conditional.contains(name),
            None => names().any(of_name),
        };
        (!comes_and_goes).then_some(())
    }

    fn range(&mut self, range: &RangeExpr) -> Option<RangeExpr> {
        let mut stripped = range.clone();
        match &mut stripped {
            RangeExpr::Selector { selector, .. } => self.check(selector)?,
            RangeExpr::Subquery { of, .. } => **of = self.strip(of)?,
        }
        Some(stripped)
    }

    /// Which elements are the greatest is a condition; what has one value is another element when the value changes.
    fn aggregate(&mut self, aggregate: &Aggregate) -> Option<VectorExpr> {
        let of = self.strip(&aggregate.of)?;
        Some(match aggregate.op {
            AggregateOp::TopK(_) | AggregateOp::BottomK(_) | AggregateOp::LimitK { .. } => {
                self.changed = true;
                of
            }
            AggregateOp::CountValues(_) => return None,
            _ => VectorExpr::Aggregate(Box::new(Aggregate {
                of,
                ..aggregate.clone()
            })),
        })
    }

    fn with_scalar(&mut self, operation: &VectorScalar) -> Option<VectorExpr> {
        let vector = self.strip(&operation.vector)?;
        if operation.outcome == Yields::Filter {
            self.changed = true;
            return Some(vector);
        }
        Some(VectorExpr::VectorScalar(Box::new(VectorScalar {
            vector,
            ..operation.clone()
        })))
    }

    /// Both sides must be there; whether the comparison holds is a number then.
    fn with_vector(&mut self, operation: &VectorVector) -> Option<VectorExpr> {
        let mut stripped = VectorVector {
            left: self.strip(&operation.left)?,
            right: self.strip(&operation.right)?,
            ..operation.clone()
        };
        if operation.outcome == Yields::Filter {
            self.changed = true;
            stripped.outcome = Yields::Bool;
            stripped.drop_name = true;
        }
        Some(VectorExpr::VectorVector(Box::new(stripped)))
    }

    fn set(&mut self, operation: &SetOperation) -> Option<VectorExpr> {
        let left = self.strip(&operation.left)?;
        let right = match operation.op {
            SetOp::Unless => None,
            // What is said about absence beside something else says nothing of that.
            SetOp::And => self.strip(&operation.right),
            SetOp::Or => Some(self.strip(&operation.right)?),
        };
        let Some(right) = right else {
            self.changed = true;
            return Some(left);
        };
        Some(VectorExpr::Set(Box::new(SetOperation {
            left,
            right,
            ..operation.clone()
        })))
    }

    /// What has no condition in it stays shared.
    fn shared(&mut self, place: usize) -> Option<VectorExpr> {
        let expr = self.shared.get(place)?.expr.as_deref()?;
        let before = std::mem::replace(&mut self.changed, false);
        let stripped = self.strip(expr)?;
        let is_plain = !self.changed;
        self.changed |= before;
        Some(match is_plain {
            true => VectorExpr::Shared(place),
            false => stripped,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compat::Compat;
    use crate::expr::compile::compile;

    fn shadow(text: &str) -> Option<String> {
        let expr = compile(text, Compat::V3).unwrap().expr;
        let conditional = BTreeSet::from(["recorded:high".to_owned()]);
        of(&expr, &[], &conditional).map(|shadow| format!("{shadow:?}"))
    }

    /// That the shadow of one is the other.
    fn check(text: &str, expected: &str) {
        let expected = compile(expected, Compat::V3).unwrap().expr;
        assert_eq!(shadow(text), Some(format!("{expected:?}")), "{text}");
    }

    #[test]
    fn conditions_are_left_out_wherever_they_stand() {
        check("a > 0.9", "a");
        check("0.9 < a / b", "a / b");
        check("a > bool 1", "a > bool 1");
        check("a > 1 and b < 2", "a and b");
        check("a > 1 unless b", "a");
        check("a > 1 or b > 2", "a or b");
        check("a > 1 and on() absent(b)", "a");
        check("count(up == 1) < 2", "count(up)");
        check(
            "max_over_time((a > 5)[5m:1m]) > 2",
            "max_over_time(a[5m:1m])",
        );
        check("topk(2, a) > 1", "a");
        check(
            "a > on (q) group_left () b",
            "a > bool on (q) group_left () b",
        );
        check("vector(1)", "vector(1)");
    }

    #[test]
    fn where_absence_is_the_condition_there_is_no_shadow() {
        for text in [
            "absent(a)",
            "absent_over_time(a[5m])",
            "a > 1 or absent(b)",
            "ALERTS{alertname=\"A\"}",
            "{alertstate=\"firing\"} > 0",
            "recorded:high > 1",
            "count_values(\"v\", a) > 1",
            "1 > bool 2",
        ] {
            assert_eq!(shadow(text), None, "{text}");
        }
    }

    #[test]
    fn what_rules_with_conditions_record_comes_and_goes() {
        let rules = [
            ("plain", "sum(rate(a[5m]))"),
            ("late", "high * 2"),
            ("high", "a > 5"),
            ("flag", "a > bool 5"),
        ];
        let rules: Vec<(&str, Expr)> = rules
            .iter()
            .map(|(name, text)| (*name, compile(text, Compat::V3).unwrap().expr))
            .collect();
        let found = conditional(rules.iter().map(|(name, expr)| (*name, expr)), &[]);
        assert_eq!(found, BTreeSet::from(["high".into(), "late".into()]));
    }
}
