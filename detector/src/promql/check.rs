//! Whether every part of an expression is of a type that what it is given to takes (`promql/parser/parse.go`, checkAST).

use super::ast::{
    Aggregate, Binary, Call, Expr, LabelMatcher, MatchOp, Matching, MatchingLabels, Selector,
};
use super::error::{Error, ErrorKind};
use super::function::{ValueType, Variadic};
use super::operator::Aggregator;
use super::parse::call::arguments;
use super::span::Span;
use crate::compat::Compat;
use crate::regex::Parsed;
use crate::sample::METRIC_NAME;

type Result<T = (), E = Error> = std::result::Result<T, E>;

/// Checks a tree; what is said of matching between what are no vectors is dropped.
pub(super) fn check(expr: &mut Expr, compat: Compat) -> Result {
    Checker { compat }.expr(expr).map(drop)
}

#[derive(Clone, Copy)]
struct Checker {
    compat: Compat,
}

fn wrong(message: impl Into<String>, span: Span) -> Error {
    Error::new(ErrorKind::Meaning(message.into()), span)
}

fn expect(
    wanted: ValueType,
    found: ValueType,
    span: Span,
    what: impl FnOnce() -> String,
) -> Result {
    if found == wanted {
        return Ok(());
    }
    let kind = ErrorKind::Type {
        what: what(),
        wanted: wanted.wanted(),
        found,
    };
    Err(Error::new(kind, span))
}

impl Checker {
    fn expr(self, expr: &mut Expr) -> Result<ValueType> {
        match expr {
            Expr::Number(_) | Expr::String(_) => {}
            Expr::Paren(paren) => return self.expr(&mut paren.expr),
            Expr::Selector(selector) => self.selector(selector)?,
            Expr::Range(range) => self.selector(&range.selector)?,
            Expr::Subquery(subquery) => {
                let span = subquery.span;
                let found = self.expr(&mut subquery.expr)?;
                expect(ValueType::Vector, found, span, || "a subquery".into())?;
            }
            Expr::Unary(unary) => {
                let found = self.expr(&mut unary.expr)?;
                if !matches!(found, ValueType::Scalar | ValueType::Vector) {
                    let sign = if unary.is_negative { '-' } else { '+' };
                    let message = format!("{sign} cannot be applied to {found}");
                    return Err(wrong(message, unary.span));
                }
                return Ok(found);
            }
            Expr::Aggregate(aggregate) => self.aggregate(aggregate)?,
            Expr::Binary(binary) => self.binary(binary)?,
            Expr::Call(call) => self.call(call)?,
        }
        Ok(expr.value_type())
    }

    fn aggregate(self, aggregate: &mut Aggregate) -> Result {
        let op = aggregate.op;
        let span = aggregate.expr.span();
        let found = self.expr(&mut aggregate.expr)?;
        expect(ValueType::Vector, found, span, || op.to_string())?;
        let Some(param) = &mut aggregate.param else {
            return Ok(());
        };
        let wanted = match op {
            Aggregator::CountValues => ValueType::String,
            _ => ValueType::Scalar,
        };
        let span = param.span();
        let found = self.expr(param)?;
        expect(wanted, found, span, || format!("the parameter of {op}"))
    }

    fn binary(self, binary: &mut Binary) -> Result {
        let types = [self.expr(&mut binary.lhs)?, self.expr(&mut binary.rhs)?];
        let (op, span) = (binary.op, binary.span);
        if binary.returns_bool && !op.is_comparison() {
            return Err(wrong("only comparisons have `bool`", binary.op_span));
        }
        let is_between = |of: ValueType| types == [of, of];
        if op.is_comparison() && !binary.returns_bool && is_between(ValueType::Scalar) {
            let message = format!("two numbers are compared with `bool`: write {op} bool");
            return Err(wrong(message, binary.op_span));
        }
        if let (MatchingLabels::On(labels), Some(group)) =
            (&binary.matching.labels, &binary.matching.group)
            && let Some(label) = labels.iter().find(|label| group.include.contains(label))
        {
            let message = format!(
                "the label {label} is matched by `on`, so that the group cannot take it from one side"
            );
            return Err(wrong(message, binary.op_span));
        }
        for (side, found) in [&binary.lhs, &binary.rhs].into_iter().zip(types) {
            if !matches!(found, ValueType::Scalar | ValueType::Vector) {
                let kind = ErrorKind::Type {
                    what: op.to_string(),
                    wanted: "numbers or instant vectors on both sides",
                    found,
                };
                return Err(Error::new(kind, side.span()));
            }
        }
        if is_between(ValueType::Vector) {
            return match binary.matching.group {
                Some(_) if op.is_set() => Err(wrong(
                    format!("{op} has no group_left or group_right"),
                    span,
                )),
                _ => Ok(()),
            };
        }
        if let MatchingLabels::On(labels) | MatchingLabels::Ignoring(labels) =
            &binary.matching.labels
            && !labels.is_empty()
        {
            return Err(wrong(
                "only the elements of two instant vectors are matched by labels",
                span,
            ));
        }
        binary.matching = Matching::default();
        if op.is_set() {
            return Err(wrong(
                format!("{op} needs instant vectors on both sides"),
                span,
            ));
        }
        Ok(())
    }

    fn call(self, call: &mut Call) -> Result {
        let function = call.function;
        let parameters = function.parameters;
        let given = call.args.len();
        let (least, most) = match function.variadic {
            Variadic::No => (parameters.len(), Some(parameters.len())),
            Variadic::UpTo(more) => (parameters.len() - 1, Some(parameters.len() - 1 + more)),
            Variadic::Any => (parameters.len() - 1, None),
        };
        if given < least || most.is_some_and(|most| given > most) {
            let takes = match most {
                Some(most) if most == least => arguments(least),
                Some(most) if given > most => format!("at most {}", arguments(most)),
                _ => format!("at least {}", arguments(least)),
            };
            let kind = ErrorKind::Arguments {
                name: function.name,
                takes,
                given,
            };
            return Err(Error::new(kind, call.span));
        }
        let is_info = function.name == "info";
        if is_info && let Some(labels) = call.args.get(1) {
            info_labels(labels, call.span)?;
        }
        for (place, arg) in call.args.iter_mut().enumerate() {
            if is_info && place == 1 {
                continue;
            }
            let span = arg.span();
            let found = self.expr(arg)?;
            let Some(wanted) = parameters.get(place).or(parameters.last()) else {
                continue;
            };
            expect(*wanted, found, span, || format!("{}()", function.name))?;
        }
        Ok(())
    }

    fn selector(self, selector: &Selector) -> Result {
        if let Some(name) = &selector.name {
            let twice = selector.matchers.iter().find(|m| m.label == METRIC_NAME);
            return match twice {
                Some(twice) => Err(wrong(
                    format!(
                        "the metric's name is given twice: {name} and {}",
                        twice.value
                    ),
                    selector.span,
                )),
                None => Ok(()),
            };
        }
        if selector
            .matchers
            .iter()
            .all(|matcher| self.accepts_nothing(matcher))
        {
            let message =
                "a selector needs a name or a matcher that does not match the empty string";
            return Err(wrong(message, selector.span));
        }
        Ok(())
    }

    /// Whether a label that is not there is accepted.
    fn accepts_nothing(self, matcher: &LabelMatcher) -> bool {
        let matches = || {
            let regex = Parsed::matcher(&matcher.value, self.compat).and_then(Parsed::compile);
            regex.map(|regex| regex.is_match(""))
        };
        match matcher.op {
            MatchOp::Equal => matcher.value.is_empty(),
            MatchOp::NotEqual => !matcher.value.is_empty(),
            MatchOp::Regex => matches().unwrap_or(false),
            MatchOp::NotRegex => !matches().unwrap_or(true),
        }
    }
}

/// The second argument of `info`, which chooses labels and no series.
fn info_labels(arg: &Expr, call: Span) -> Result {
    expect(ValueType::Vector, arg.value_type(), call, || {
        "info()".into()
    })?;
    match arg {
        Expr::Selector(selector) if selector.name.is_none() => Ok(()),
        other => Err(wrong(
            "the second argument of info() is labels alone, like {version=~\".+\"}",
            other.span(),
        )),
    }
}
