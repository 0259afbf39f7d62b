//! Which values an expression can have, whatever the data.

use crate::promql::{Aggregator, Call, Expr, Operator, ValueType};

/// All values lie between these, both included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    low: f64,
    high: f64,
}

const ANY: Range = Range {
    low: f64::NEG_INFINITY,
    high: f64::INFINITY,
};

const fn from(low: f64) -> Range {
    Range {
        low,
        high: f64::INFINITY,
    }
}

const fn between(low: f64, high: f64) -> Range {
    Range { low, high }
}

impl Range {
    /// Whether a comparison with a number always holds, or never; `None`: that depends on the data. Nothing holds for what
    /// is not a number; that a comparison always holds is said of the others.
    pub(super) fn outcome(self, op: Operator, number: f64) -> Option<bool> {
        let Self { low, high } = self;
        if low == f64::NEG_INFINITY && high == f64::INFINITY || number.is_nan() {
            return None;
        }
        // What can only have one value is meant so.
        let is_fixed = low == high;
        let (always, never) = match op {
            Operator::Equal => (false, number < low || number > high),
            Operator::NotEqual => (number < low || number > high, false),
            Operator::Greater => (low > number, high <= number),
            Operator::GreaterEqual => (low >= number, high < number),
            Operator::Less => (high < number, low >= number),
            Operator::LessEqual => (high <= number, low > number),
            _ => return None,
        };
        match (always, never) {
            (true, _) if !is_fixed => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }

    fn or(self, other: Self) -> Self {
        between(self.low.min(other.low), self.high.max(other.high))
    }
}

/// The values an expression can have.
pub(super) fn of(expr: &Expr) -> Range {
    match expr.bare() {
        Expr::Number(number) if !number.value.is_nan() => between(number.value, number.value),
        Expr::Selector(selector) => match selector.name.as_deref() {
            Some("up") => between(0.0, 1.0),
            _ => ANY,
        },
        Expr::Aggregate(aggregate) => {
            let inner = of(&aggregate.expr);
            match aggregate.op {
                Aggregator::Count | Aggregator::CountValues => from(1.0),
                Aggregator::Group => between(1.0, 1.0),
                Aggregator::Min
                | Aggregator::Max
                | Aggregator::Avg
                | Aggregator::TopK
                | Aggregator::BottomK => inner,
                Aggregator::Sum if inner.low >= 0.0 => from(0.0),
                Aggregator::Stddev | Aggregator::Stdvar => from(0.0),
                _ => ANY,
            }
        }
        Expr::Binary(binary) => match binary.op {
            Operator::Or => of(&binary.lhs).or(of(&binary.rhs)),
            Operator::And | Operator::Unless => of(&binary.lhs),
            _ if binary.returns_bool => between(0.0, 1.0),
            // What a filter lets through is what stands on the vector's side, the left one of two.
            _ if binary.op.is_comparison() => {
                let is_scalar = binary.lhs.value_type() == ValueType::Scalar;
                of(if is_scalar { &binary.rhs } else { &binary.lhs })
            }
            _ => ANY,
        },
        Expr::Call(call) => of_call(call),
        _ => ANY,
    }
}

fn of_call(call: &Call) -> Range {
    let first = || call.args.first().map_or(ANY, of);
    match call.function.name {
        "absent" | "absent_over_time" | "present_over_time" => between(1.0, 1.0),
        "count_over_time" => from(1.0),
        // Of counters, whose resets are seen.
        "rate" | "increase" | "irate" | "resets" | "changes" | "abs" | "sqrt" | "exp"
        | "stddev_over_time" | "stdvar_over_time" => from(0.0),
        "vector" | "sort" | "sort_desc" | "label_replace" | "label_join" => first(),
        "hour" => between(0.0, 23.0),
        "minute" => between(0.0, 59.0),
        "day_of_week" => between(0.0, 6.0),
        "day_of_month" => between(1.0, 31.0),
        "days_in_month" => between(28.0, 31.0),
        "day_of_year" => between(1.0, 366.0),
        "month" => between(1.0, 12.0),
        "sgn" => between(-1.0, 1.0),
        _ => ANY,
    }
}
