//! What functions and sums are asked of: a counter, a gauge, or what several exporters say alike.

use super::{Reading, RemarkKind};
use crate::promql::{Aggregate, Aggregator, Expr, Grouping, Selector};

/// A function of a selector's range, such as `rate(m[5m])`.
pub(super) struct Ranged<'e> {
    /// The function's name.
    pub(super) function: &'e str,
    /// The call.
    pub(super) expr: &'e Expr,
    /// The metric that is asked for, if its name is.
    pub(super) metric: Option<&'e str>,
    /// The range's length, in milliseconds.
    pub(super) range_ms: i64,
}

impl Reading<'_> {
    /// What is to be said of a whole expression's series.
    pub(super) fn series(&mut self, expr: &Expr) {
        walk(expr, &mut |part| {
            if let Some(ranged) = ranged(part) {
                self.types(&ranged);
                self.range(&ranged);
            }
            if let Expr::Aggregate(aggregate) = part {
                self.double_count(part, aggregate);
            }
        });
    }

    fn types(&mut self, ranged: &Ranged<'_>) {
        let Ranged { function, expr, .. } = ranged;
        let Some(name) = ranged.metric else {
            return;
        };
        let around = self.around.surroundings;
        match *function {
            "rate" | "irate" | "increase" if around.is_gauge(name) => self.say(
                RemarkKind::GaugeRate,
                expr,
                format!("{name} is a gauge: {function}() takes each of its falls for a restart, and what is left after it for growth"),
                "ask a gauge with delta() or deriv(), or compare it as it is",
            ),
            "delta" | "idelta" | "deriv" if around.is_counter(name) => self.say(
                RemarkKind::CounterDelta,
                expr,
                format!("{name} is a counter: {function}() takes a restart of its process for a fall to 0"),
                "ask a counter with increase() or rate()",
            ),
            _ => {}
        }
    }

    /// A sum in which replicas of an exporter would each count.
    fn double_count(&mut self, expr: &Expr, aggregate: &Aggregate) {
        if aggregate.op != Aggregator::Sum || keeps_exporters_apart(aggregate.grouping.as_ref()) {
            return;
        }
        let mut found = None;
        let around = self.around.surroundings;
        summed(&aggregate.expr, &mut |selector| {
            let name = selector.name.as_deref();
            if let Some(name) = name.filter(|name| around.is_shared(name))
                && !selector.matchers.iter().any(|m| is_exporter(&m.label))
            {
                found.get_or_insert(name);
            }
        });
        if let Some(name) = found {
            self.say(
                RemarkKind::DoubleCount,
                expr,
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

fn keeps_exporters_apart(grouping: Option<&Grouping>) -> bool {
    match grouping {
        None => false,
        Some(Grouping::By(kept)) => kept.iter().any(|label| is_exporter(label)),
        Some(Grouping::Without(lost)) => !lost.iter().any(|label| is_exporter(label)),
    }
}

/// The selectors whose elements a sum adds up one by one: not those of aggregations inside of it.
fn summed<'e>(expr: &'e Expr, tell: &mut impl FnMut(&'e Selector)) {
    match expr {
        Expr::Selector(selector) => tell(selector),
        Expr::Range(range) => tell(&range.selector),
        Expr::Aggregate(_) => {}
        other => inside(other, &mut |part| summed(part, tell)),
    }
}

fn ranged(expr: &Expr) -> Option<Ranged<'_>> {
    let Expr::Call(call) = expr else {
        return None;
    };
    let mut ranges = call
        .args
        .iter()
        .filter_map(|argument| match argument.bare() {
            Expr::Range(range) => Some(range),
            _ => None,
        });
    let range = ranges.next()?;
    Some(Ranged {
        function: call.function.name,
        expr,
        metric: range.selector.name.as_deref(),
        range_ms: range.range.positive_ms().ok()?,
    })
}

/// An expression and all its parts.
pub(super) fn walk<'e>(expr: &'e Expr, tell: &mut impl FnMut(&'e Expr)) {
    tell(expr);
    inside(expr, &mut |part| walk(part, tell));
}

/// The parts an expression is made of.
fn inside<'e>(expr: &'e Expr, tell: &mut dyn FnMut(&'e Expr)) {
    match expr {
        Expr::Paren(paren) => tell(&paren.expr),
        Expr::Unary(unary) => tell(&unary.expr),
        Expr::Subquery(subquery) => tell(&subquery.expr),
        Expr::Aggregate(aggregate) => tell(&aggregate.expr),
        Expr::Call(call) => call.args.iter().for_each(tell),
        Expr::Binary(binary) => {
            tell(&binary.lhs);
            tell(&binary.rhs);
        }
        Expr::Number(_) | Expr::String(_) | Expr::Selector(_) | Expr::Range(_) => {}
    }
}
