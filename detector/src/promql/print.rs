//! Writing an expression as Prometheus does (`promql/parser/printer.go`).

use std::fmt::{self, Display, Formatter};

use super::ast::{
    Aggregate, At, Binary, Expr, Grouping, LabelMatcher, MatchOp, MatchingLabels, Moment, Number,
    RangeSelector, Selector, Side,
};
use super::length::{DurationExpr, Length};
use crate::compat::Compat;
use crate::go_format;
use crate::sample::is_label_name;

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aggregate(aggregate) => aggregate.fmt(f),
            Self::Binary(binary) => binary.fmt(f),
            Self::Call(call) => write!(f, "{}({})", call.function.name, list(&call.args)),
            Self::Number(number) => number.fmt(f),
            Self::Paren(paren) => write!(f, "({})", paren.expr),
            Self::Selector(selector) => {
                write!(f, "{}{}", Series(selector), selector.moment)
            }
            Self::Range(range) => range.fmt(f),
            Self::String(string) => f.write_str(&go_format::quoted(&string.value)),
            Self::Subquery(subquery) => {
                write!(f, "{}[{}:", subquery.expr, subquery.range)?;
                if let Some(step) = &subquery.step {
                    step.fmt(f)?;
                }
                write!(f, "]{}", subquery.moment)
            }
            Self::Unary(unary) => {
                let sign = if unary.is_negative { '-' } else { '+' };
                write!(f, "{sign}{}", unary.expr)
            }
        }
    }
}

impl Display for Aggregate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.op)?;
        match &self.grouping {
            Some(Grouping::Without(names)) => write!(f, " without ({}) ", labels(names))?,
            Some(Grouping::By(names)) if !names.is_empty() => {
                write!(f, " by ({}) ", labels(names))?;
            }
            _ => {}
        }
        match &self.param {
            Some(param) => write!(f, "({param}, {})", self.expr),
            None => write!(f, "({})", self.expr),
        }
    }
}

impl Display for Binary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.lhs, self.op)?;
        if self.returns_bool {
            f.write_str(" bool")?;
        }
        let group = &self.matching.group;
        match &self.matching.labels {
            MatchingLabels::On(names) => write!(f, " on ({})", labels(names))?,
            MatchingLabels::Ignoring(names) if names.is_empty() && group.is_none() => {}
            MatchingLabels::Ignoring(names) => write!(f, " ignoring ({})", labels(names))?,
        }
        if let Some(group) = group {
            let side = match group.many {
                Side::Left => "left",
                Side::Right => "right",
            };
            write!(f, " group_{side} ({})", labels(&group.include))?;
        }
        write!(f, " {}", self.rhs)
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.is_duration {
            return f.write_str(&go_format::plain(self.value));
        }
        let sign = if self.value < 0.0 { "-" } else { "" };
        write!(f, "{sign}{}", duration((self.value.abs() * 1e9) as i64))
    }
}

impl Display for RangeSelector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}[{}]{}",
            Series(&self.selector),
            self.range,
            self.selector.moment
        )
    }
}

/// A selector without what says when.
pub(crate) struct Series<'s>(pub(crate) &'s Selector);

impl Display for Series<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name.as_deref().unwrap_or_default())?;
        if self.0.matchers.is_empty() {
            return Ok(());
        }
        let mut matchers: Vec<String> = self.0.matchers.iter().map(ToString::to_string).collect();
        matchers.sort_unstable();
        write!(f, "{{{}}}", matchers.join(","))
    }
}

impl Display for LabelMatcher {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let value = go_format::quoted(&self.value);
        write!(f, "{}{}{value}", label(&self.label), self.op)
    }
}

impl Display for MatchOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        })
    }
}

impl Display for Moment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(At::Time(ms)) => write!(f, " @ {:.3}", ms as f64 / 1000.0)?,
            Some(At::Start) => f.write_str(" @ start()")?,
            Some(At::End) => f.write_str(" @ end()")?,
            None => {}
        }
        match &self.offset {
            Length::Written(0) => Ok(()),
            Length::Written(ns) if *ns < 0 => {
                write!(f, " offset -{}", duration(ns.saturating_neg()))
            }
            offset => write!(f, " offset {offset}"),
        }
    }
}

impl Display for Length {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(ns) => f.write_str(&duration(*ns)),
            Self::Computed(expr) => expr.fmt(f),
        }
    }
}

impl Display for DurationExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Step(_) => f.write_str("step()"),
            Self::Range(_) => f.write_str("range()"),
            Self::Extreme {
                greatest,
                left,
                right,
                ..
            } => {
                let name = if *greatest { "max_of" } else { "min_of" };
                write!(f, "{name}({left}, {right})")
            }
            Self::Negative { of, .. } => write!(f, "-{of}"),
            Self::Operation {
                op, left, right, ..
            } => write!(f, "{left} {op} {right}"),
            Self::Paren { of, .. } => write!(f, "({of})"),
        }
    }
}

fn list(exprs: &[Expr]) -> String {
    let shown: Vec<String> = exprs.iter().map(ToString::to_string).collect();
    shown.join(", ")
}

fn labels(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().map(|name| label(name)).collect();
    shown.join(", ")
}

/// A label's name, in quotes if Prometheus 2 would not take it.
fn label(name: &str) -> String {
    match is_label_name(name, Compat::V2) {
        true => name.to_owned(),
        false => go_format::quoted(name),
    }
}

/// `model.Duration`: years and weeks only where nothing is left over.
fn duration(ns: i64) -> String {
    const UNITS: [(&str, i64, bool); 7] = [
        ("y", 365 * 86_400_000, true),
        ("w", 7 * 86_400_000, true),
        ("d", 86_400_000, false),
        ("h", 3_600_000, false),
        ("m", 60_000, false),
        ("s", 1000, false),
        ("ms", 1, false),
    ];
    let mut rest = ns / 1_000_000;
    if rest == 0 {
        return "0s".into();
    }
    let mut text = String::new();
    for (unit, length, is_exact) in UNITS {
        if rest >= length && (!is_exact || rest % length == 0) {
            text.push_str(&format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    text
}
