//! Lengths of time: those of ranges, steps and offsets.
//!
//! What is computed, like `[5m * 2]`, was behind a feature flag of Prometheus 3 until 3.14 has it by default. It is refused here, where
//! a Prometheus without the flag refuses it.

use super::{Parser, Result};
use crate::compat::Compat;
use crate::promql::ast::Number;
use crate::promql::error::{Error, ErrorKind};
use crate::promql::number;
use crate::promql::operator::{Binding, Operator};
use crate::promql::span::Span;
use crate::promql::token::{Keyword, Kind};

impl Parser<'_> {
    /// The length of a range or a step, in nanoseconds.
    pub(super) fn positive_duration(&mut self) -> Result<i64> {
        if self.compat == Compat::V2 {
            return self.classic_duration();
        }
        let length = self.computed(Binding::Or)?;
        match length.value > 0.0 {
            true => Ok(nanoseconds(length.value)),
            false => Err(Error::new(ErrorKind::NotPositive, length.span)),
        }
    }

    /// What stands behind `offset`, in nanoseconds.
    pub(super) fn offset_duration(&mut self) -> Result<i64> {
        if self.compat == Compat::V2 {
            let is_negative = self.take(Kind::Operator(Operator::Sub))?;
            let ns = self.classic_duration()?;
            return Ok(if is_negative { -ns } else { ns });
        }
        let sign = match self.peek()?.kind {
            Kind::Operator(Operator::Sub) => -1.0,
            Kind::Operator(Operator::Add) => 1.0,
            Kind::Number | Kind::Duration => return self.literal().map(|n| nanoseconds(n.value)),
            _ => return self.computed(Binding::Or).map(|n| nanoseconds(n.value)),
        };
        let sign_span = self.bump()?.span;
        let length = match self.peek()?.kind {
            // What follows belongs to the expression around it, not to the offset.
            Kind::Number | Kind::Duration => {
                let number = self.number()?;
                within_bounds(number, sign_span)?
            }
            Kind::LeftParen => {
                self.bump()?;
                let inner = self.computed(Binding::Or)?;
                self.expect(Kind::RightParen, "\")\"")?;
                inner
            }
            Kind::Operator(Operator::Add | Operator::Sub) => {
                let inner = self.computed(Binding::Product.of_right_side())?;
                let span = sign_span.to(inner.span);
                self.operations(Binding::Or, span)?;
                inner
            }
            _ => self.computed_word(Some(sign_span))?,
        };
        Ok(nanoseconds(sign * length.value))
    }

    /// Prometheus 2 has durations with units alone.
    fn classic_duration(&mut self) -> Result<i64> {
        let token = self.expect(Kind::Duration, "a duration such as 5m")?;
        let refused = |kind| Error::new(kind, token.span);
        match number::duration_ms(self.written(token.span)).map_err(refused)? {
            0 => Err(refused(ErrorKind::NotPositive)),
            ms => Ok(ms.saturating_mul(1_000_000)),
        }
    }

    /// A length of time that is written out; everything else that Prometheus would compute is refused.
    fn computed(&mut self, loosest: Binding) -> Result<Number> {
        self.enter()?;
        let length = self.computed_inside(loosest)?;
        self.depth -= 1;
        Ok(length)
    }

    fn computed_inside(&mut self, loosest: Binding) -> Result<Number> {
        let token = self.peek()?;
        let length = match token.kind {
            Kind::Number | Kind::Duration => self.literal()?,
            Kind::Operator(sign @ (Operator::Add | Operator::Sub)) => {
                self.bump()?;
                let inner = self.computed(Binding::Product.of_right_side())?;
                Number {
                    value: match sign {
                        Operator::Sub => -inner.value,
                        _ => inner.value,
                    },
                    span: token.span.to(inner.span),
                    ..inner
                }
            }
            Kind::LeftParen => {
                self.bump()?;
                let inner = self.computed(Binding::Or)?;
                self.expect(Kind::RightParen, "\")\"")?;
                return Err(refused(inner.span));
            }
            _ => self.computed_word(None)?,
        };
        self.operations(loosest, length.span)?;
        Ok(length)
    }

    /// Refuses an operator behind the length `left`.
    fn operations(&mut self, loosest: Binding, left: Span) -> Result<()> {
        match self.peek()?.kind {
            Kind::Operator(op)
                if matches!(
                    op.binding(),
                    Binding::Sum | Binding::Product | Binding::Power
                ) && op != Operator::Atan2
                    && op.binding() >= loosest =>
            {
                self.bump()?;
                self.computed(op.binding().of_right_side())?;
                Err(refused(left))
            }
            _ => Ok(()),
        }
    }

    /// `step()`, `range()`, `max_of(a, b)` and `min_of(a, b)`, behind a sign or not.
    fn computed_word(&mut self, sign: Option<Span>) -> Result<Number> {
        let token = self.peek()?;
        let keyword = match token.kind {
            Kind::Keyword(keyword) if keyword.is_of_durations() => keyword,
            _ => return Err(self.unexpected("a duration such as 5m")),
        };
        self.bump()?;
        self.expect(Kind::LeftParen, "\"(\"")?;
        let mut place = token.span;
        if matches!(keyword, Keyword::MaxOf | Keyword::MinOf) {
            place = self.computed(Binding::Or)?.span;
            self.expect(Kind::Comma, "\",\"")?;
            self.computed(Binding::Or)?;
        }
        self.expect(Kind::RightParen, "\")\"")?;
        Err(refused(sign.unwrap_or(place)))
    }

    fn literal(&mut self) -> Result<Number> {
        let number = self.number()?;
        let span = number.span;
        within_bounds(number, span)
    }
}

/// Refuses a length that Go's durations do not reach; `place` is to blame.
fn within_bounds(number: Number, place: Span) -> Result<Number> {
    const MOST: f64 = (1u64 << 63) as f64 / 1e9;
    match number.value > MOST || number.value < -MOST {
        false => Ok(number),
        true => Err(Error::new(ErrorKind::OutOfBounds("the duration"), place)),
    }
}

fn nanoseconds(seconds: f64) -> i64 {
    (seconds * 1e9).round() as i64
}

fn refused(span: Span) -> Error {
    let kind = ErrorKind::Experimental("durations that are computed are");
    Error::new(kind, span)
}
