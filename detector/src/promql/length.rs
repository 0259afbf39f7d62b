//! Lengths of time: those of ranges, steps and offsets.

use super::ast::Number;
use super::error::{Error, ErrorKind};
use super::operator::Operator;
use super::span::Span;
use crate::eval::math::{go_max, go_min, is_whole_power, power};

/// The most seconds that Go's durations hold, and with a sign the fewest.
pub(super) const SECONDS_MAX: f64 = (1u64 << 63) as f64 / 1e9;

/// How long a range or a step is, or how far an offset goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Length {
    /// A number or a duration, in nanoseconds; what is below a millisecond means nothing to Prometheus but when it prints the
    /// expression.
    Written(i64),
    /// What Prometheus computes when it evaluates the query.
    Computed(Box<DurationExpr>),
}

/// A length of time that is computed, like `5m * 2`.
#[derive(Debug, Clone, PartialEq)]
pub enum DurationExpr {
    /// A number or a duration, with its sign.
    Number(Number),
    /// `step()`, from one time of a range query to the next.
    Step(Span),
    /// `range()`, from the first time of a range query to the last.
    Range(Span),
    /// `max_of(left, right)`, or else `min_of`.
    Extreme {
        /// Whether it is the greater of both.
        greatest: bool,
        /// The one.
        left: Box<Self>,
        /// The other.
        right: Box<Self>,
        /// All of it.
        span: Span,
    },
    /// What a `-` stands before.
    Negative {
        /// The operand.
        of: Box<Self>,
        /// All of it.
        span: Span,
    },
    /// Arithmetic: `+`, `-`, `*`, `/`, `%` or `^`.
    Operation {
        /// The operator.
        op: Operator,
        /// What stands left of it.
        left: Box<Self>,
        /// What stands right of it.
        right: Box<Self>,
        /// All of it.
        span: Span,
    },
    /// Something computed, in parentheses.
    Paren {
        /// What is in them.
        of: Box<Self>,
        /// All of it.
        span: Span,
    },
}

impl Default for Length {
    fn default() -> Self {
        Self::Written(0)
    }
}

impl Length {
    /// Milliseconds, as they are in an instant query (`promql/durations.go`). Rules are such, and all that this crate evaluates.
    ///
    /// # Errors
    ///
    /// Where Prometheus' evaluation fails: it divides by 0, or comes to more than a duration holds. So does what cannot be told
    /// exactly: a power that is no whole number, or beyond 64.
    pub fn ms(&self) -> Result<i64, Error> {
        match self {
            Self::Written(ns) => Ok(ns / 1_000_000),
            Self::Computed(expr) => Ok((expr.within_bounds()? * 1000.0) as i64),
        }
    }

    /// The same of what must be longer than 0: a range, or a step. What is shorter than a millisecond comes to 0.
    ///
    /// # Errors
    ///
    /// Those of [`Length::ms`], and where it is 0 or less.
    pub fn positive_ms(&self) -> Result<i64, Error> {
        if let Self::Computed(expr) = self
            && expr.within_bounds()? <= 0.0
        {
            let why = match expr.asks_for_range_query() {
                true => "; step() and range() are 0 in a rule, as in every instant query",
                false => "",
            };
            let said = format!("a duration must be greater than 0, and {expr} is not{why}");
            return Err(Error::new(ErrorKind::Meaning(said), expr.span()));
        }
        self.ms()
    }
}

impl DurationExpr {
    /// Which part of the text it is.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Number(number) => number.span,
            Self::Step(span)
            | Self::Range(span)
            | Self::Extreme { span, .. }
            | Self::Negative { span, .. }
            | Self::Operation { span, .. }
            | Self::Paren { span, .. } => *span,
        }
    }

    fn within_bounds(&self) -> Result<f64, Error> {
        let seconds = self.seconds()?;
        match seconds.abs() <= SECONDS_MAX {
            true => Ok(seconds),
            false => Err(Error::new(
                ErrorKind::OutOfBounds("the duration"),
                self.span(),
            )),
        }
    }

    fn seconds(&self) -> Result<f64, Error> {
        Ok(match self {
            Self::Number(number) => number.value,
            Self::Step(_) | Self::Range(_) => 0.0,
            Self::Extreme {
                greatest,
                left,
                right,
                ..
            } => {
                let (left, right) = (left.seconds()?, right.seconds()?);
                match greatest {
                    true => go_max(left, right),
                    false => go_min(left, right),
                }
            }
            Self::Negative { of, .. } => -of.seconds()?,
            Self::Paren { of, .. } => of.seconds()?,
            Self::Operation {
                op,
                left,
                right,
                span,
            } => {
                let (left, right) = (left.seconds()?, right.seconds()?);
                match op {
                    Operator::Div | Operator::Mod if right == 0.0 => {
                        return Err(Error::new(ErrorKind::ByZero, *span));
                    }
                    Operator::Add => left + right,
                    Operator::Sub => left - right,
                    Operator::Mul => left * right,
                    Operator::Div => left / right,
                    Operator::Mod => left % right,
                    _ if !is_whole_power(right) => {
                        return Err(Error::new(ErrorKind::Power(right.to_string()), *span));
                    }
                    _ => power(left, right),
                }
            }
        })
    }

    /// Whether there is a `step()` or a `range()` in it.
    fn asks_for_range_query(&self) -> bool {
        match self {
            Self::Number(_) => false,
            Self::Step(_) | Self::Range(_) => true,
            Self::Negative { of, .. } | Self::Paren { of, .. } => of.asks_for_range_query(),
            Self::Extreme { left, right, .. } | Self::Operation { left, right, .. } => {
                left.asks_for_range_query() || right.asks_for_range_query()
            }
        }
    }
}
