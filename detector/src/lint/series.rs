//! What functions and sums are asked of: a counter, a gauge, or what several exporters say alike.

use promql_parser::parser::{self, LabelModifier};

use super::{Reading, RemarkKind};
use crate::expr::compile::spelling;

/// A function of a selector's range, such as `rate(m[5m])`.
pub(super) struct Ranged<'e> {
    /// The function's name.
    pub(super) function: &'e str,
    /// The call as the parser prints it.
    pub(super) text: String,
    /// The metric that is asked for, if its name is.
    pub(super) metric: Option<&'e str>,
    /// The range's length, in milliseconds.
    pub(super) range_ms: i64,
}

impl Reading<'_> {
    /// What is to be said of a whole expression's series.
    pub(super) fn series(&mut self, expr: &parser::Expr) {
        walk(expr, &mut |part| {
            if let Some(ranged) = ranged(part) {
                self.types(&ranged);
                self.range(&ranged);
            }
            if let parser::Expr::Aggregate(aggregate) = part {
                self.double_count(part, aggregate);
            }
        });
    }

    fn types(&mut self, ranged: &Ranged<'_>) {
        let Ranged { function, text, .. } = ranged;
        let Some(name) = ranged.metric else {
            return;
        };
        let around = self.around.surroundings;
        match *function {
            "rate" | "irate" | "increase" if around.is_gauge(name) => self.say(
                RemarkKind::GaugeRate,
                text,
                format!("{name} is a gauge: {function}() takes each of its falls for a restart, and what is left after it for growth"),
                "ask a gauge with delta() or deriv(), or compare it as it is",
            ),
            "delta" | "idelta" | "deriv" if around.is_counter(name) => self.say(
                RemarkKind::CounterDelta,
                text,
                format!("{name} is a counter: {function}() takes a restart of its process for a fall to 0"),
                "ask a counter with increase() or rate()",
            ),
            _ => {}
        }
    }

    /// A sum in which replicas of an exporter would each count.
    fn double_count(&mut self, expr: &parser::Expr, aggregate: &parser::AggregateExpr) {
        if spelling(aggregate.op) != "sum" || keeps_exporters_apart(aggregate.modifier.as_ref()) {
            return;
        }
        let mut found = None;
        let around = self.around.surroundings;
        summed(&aggregate.expr, &mut |selector| {
            let name = selector.name.as_deref();
            if let Some(name) = name.filter(|name| around.is_shared(name))
                && !selector
                    .matchers
                    .matchers
                    .iter()
                    .any(|m| is_exporter(&m.name))
            {
                found.get_or_insert(name);
            }
        });
        if let Some(name) = found {
            self.say(
                RemarkKind::DoubleCount,
                &expr.to_string(),
                format!("counts every queue once for each exporter of {name}: all of them read the same Redis"),
                "take one of them first, as in `sum(max by (queue) (...))`, or scrape one exporter only",
            );
        }
    }
}

/// Labels that tell exporters apart.
fn is_exporter(label: &str) -> bool {
    ["instance", "pod"].contains(&label)
}

fn keeps_exporters_apart(modifier: Option<&LabelModifier>) -> bool {
    match modifier {
        None => false,
        Some(LabelModifier::Include(kept)) => kept.labels.iter().any(|label| is_exporter(label)),
        Some(LabelModifier::Exclude(lost)) => !lost.labels.iter().any(|label| is_exporter(label)),
    }
}

/// The selectors whose elements a sum adds up one by one: not those of aggregations inside of it.
fn summed<'e>(expr: &'e parser::Expr, tell: &mut impl FnMut(&'e parser::VectorSelector)) {
    match expr {
        parser::Expr::VectorSelector(selector) => tell(selector),
        parser::Expr::MatrixSelector(matrix) => tell(&matrix.vs),
        parser::Expr::Aggregate(_) => {}
        other => inside(other, &mut |part| summed(part, tell)),
    }
}

fn ranged(expr: &parser::Expr) -> Option<Ranged<'_>> {
    let parser::Expr::Call(call) = expr else {
        return None;
    };
    let arguments = call.args.args.iter();
    let mut ranges = arguments.filter_map(|argument| match super::bare(argument) {
        parser::Expr::MatrixSelector(matrix) => Some(matrix),
        _ => None,
    });
    let matrix = ranges.next()?;
    Some(Ranged {
        function: call.func.name,
        text: expr.to_string(),
        metric: matrix.vs.name.as_deref(),
        range_ms: i64::try_from(matrix.range.as_millis()).unwrap_or(i64::MAX),
    })
}

/// An expression and all its parts.
pub(super) fn walk<'e>(expr: &'e parser::Expr, tell: &mut impl FnMut(&'e parser::Expr)) {
    tell(expr);
    inside(expr, &mut |part| walk(part, tell));
}

/// The parts an expression is made of.
fn inside<'e>(expr: &'e parser::Expr, tell: &mut dyn FnMut(&'e parser::Expr)) {
    match expr {
        parser::Expr::Paren(paren) => tell(&paren.expr),
        parser::Expr::Unary(unary) => tell(&unary.expr),
        parser::Expr::Subquery(subquery) => tell(&subquery.expr),
        parser::Expr::Aggregate(aggregate) => tell(&aggregate.expr),
        parser::Expr::Call(call) => call.args.args.iter().for_each(|argument| tell(argument)),
        parser::Expr::Binary(binary) => {
            tell(&binary.lhs);
            tell(&binary.rhs);
        }
        parser::Expr::NumberLiteral(_)
        | parser::Expr::StringLiteral(_)
        | parser::Expr::VectorSelector(_)
        | parser::Expr::MatrixSelector(_)
        | parser::Expr::Extension(_) => {}
    }
}
