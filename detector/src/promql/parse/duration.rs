//! Lengths of time: those of ranges, steps and offsets, written out or computed.

use super::{Parser, Result, too_deep};
use crate::compat::Compat;
use crate::promql::LEVELS_MAX;
use crate::promql::ast::Number;
use crate::promql::error::{Error, ErrorKind};
use crate::promql::length::{DurationExpr, Length, SECONDS_MAX};
use crate::promql::number;
use crate::promql::operator::{Binding, Operator};
use crate::promql::span::Span;
use crate::promql::token::{Keyword, Kind, Token};

/// A length of time and how many levels it has.
struct Term {
    expr: DurationExpr,
    levels: usize,
}

impl Parser<'_> {
    /// The length of a range or a step.
    pub(super) fn positive_duration(&mut self) -> Result<Length> {
        if self.compat == Compat::V2 {
            let ns = self.classic_duration()?;
            let next = self.peek()?;
            return match next.kind {
                Kind::Operator(op) if is_arithmetic(op) => Err(later(next.span)),
                _ => Ok(Length::Written(ns)),
            };
        }
        match self.computed(Binding::Or)?.expr {
            DurationExpr::Number(number) if number.value <= 0.0 => {
                Err(Error::new(ErrorKind::NotPositive, number.span))
            }
            expr => Ok(length(expr)),
        }
    }

    /// What stands behind `offset`. An operator that follows a number, a word or a sign's parenthesis belongs to the
    /// expression around it, not to the offset.
    pub(super) fn offset_duration(&mut self) -> Result<Length> {
        if self.compat == Compat::V2 {
            let is_negative = self.take(Kind::Operator(Operator::Sub))?;
            let ns = self.classic_duration()?;
            return Ok(Length::Written(if is_negative { -ns } else { ns }));
        }
        let first = self.peek()?;
        let term = match first.kind {
            Kind::Operator(Operator::Add | Operator::Sub) => self.signed_offset()?,
            Kind::LeftParen => self.computed(Binding::Or)?,
            Kind::Number | Kind::Duration => self.literal(None)?,
            _ => self.word()?,
        };
        Ok(length(term.expr))
    }

    fn signed_offset(&mut self) -> Result<Term> {
        let sign = self.bump()?;
        let of = match self.peek()?.kind {
            Kind::Number | Kind::Duration => self.literal(Some(sign.span))?,
            Kind::LeftParen => self.parenthesized()?,
            Kind::Operator(Operator::Add | Operator::Sub) => {
                let of = self.computed(Binding::Product.of_right_side())?;
                let left = signed(sign, of)?;
                return self.operations(Binding::Or, left);
            }
            _ => self.word()?,
        };
        signed(sign, of)
    }

    /// Prometheus 2 has durations with units alone.
    fn classic_duration(&mut self) -> Result<i64> {
        let next = self.peek()?;
        if next.kind == Kind::LeftParen {
            return Err(later(next.span));
        }
        let token = self.expect(Kind::Duration, "a duration such as 5m")?;
        let refused = |kind| Error::new(kind, token.span);
        match number::duration_ms(self.written(token.span)).map_err(refused)? {
            0 => Err(refused(ErrorKind::NotPositive)),
            ms => Ok(ms.saturating_mul(1_000_000)),
        }
    }

    /// A length of time whose operators bind at least so tightly.
    fn computed(&mut self, loosest: Binding) -> Result<Term> {
        self.enter()?;
        let token = self.peek()?;
        let left = match token.kind {
            Kind::Number | Kind::Duration => self.literal(None)?,
            Kind::Operator(Operator::Add | Operator::Sub) => {
                self.bump()?;
                let of = self.computed(Binding::Product.of_right_side())?;
                signed(token, of)?
            }
            Kind::LeftParen => self.parenthesized()?,
            _ => self.word()?,
        };
        let whole = self.operations(loosest, left)?;
        self.depth -= 1;
        Ok(whole)
    }

    /// The operators behind `left` that bind at least so tightly, with what stands right of them.
    fn operations(&mut self, loosest: Binding, mut left: Term) -> Result<Term> {
        while let Kind::Operator(op) = self.peek()?.kind
            && is_arithmetic(op)
            && op.binding() >= loosest
        {
            let op_span = self.bump()?.span;
            let right = self.computed(op.binding().of_right_side())?;
            if let (Operator::Div | Operator::Mod, DurationExpr::Number(number)) = (op, &right.expr)
                && number.value == 0.0
            {
                return Err(Error::new(ErrorKind::ByZero, op_span));
            }
            let span = left.expr.span().to(right.expr.span());
            let expr = DurationExpr::Operation {
                op,
                left: Box::new(left.expr),
                right: Box::new(right.expr),
                span,
            };
            left = above(left.levels.max(right.levels), expr)?;
        }
        Ok(left)
    }

    /// A parenthesis; Prometheus forgets the one around a number.
    fn parenthesized(&mut self) -> Result<Term> {
        let open = self.bump()?.span;
        let inner = self.computed(Binding::Or)?;
        let span = open.to(self.expect(Kind::RightParen, "an operator or \")\"")?.span);
        match inner.expr {
            DurationExpr::Number(_) | DurationExpr::Paren { .. } => Ok(inner),
            of => above(
                inner.levels,
                DurationExpr::Paren {
                    of: of.into(),
                    span,
                },
            ),
        }
    }

    /// `step()`, `range()`, `max_of(a, b)` or `min_of(a, b)`.
    fn word(&mut self) -> Result<Term> {
        let token = self.peek()?;
        let keyword = match token.kind {
            Kind::Keyword(keyword) if keyword.is_of_durations() => keyword,
            _ => return Err(self.unexpected("a duration such as 5m")),
        };
        self.bump()?;
        self.expect(Kind::LeftParen, "\"(\"")?;
        let mut arguments = None;
        if matches!(keyword, Keyword::MaxOf | Keyword::MinOf) {
            let left = self.computed(Binding::Or)?;
            self.expect(Kind::Comma, "an operator or \",\"")?;
            arguments = Some((left, self.computed(Binding::Or)?));
        }
        let close = self.expect(Kind::RightParen, "\")\"")?;
        let span = token.span.to(close.span);
        match (keyword, arguments) {
            (_, Some((left, right))) => {
                let expr = DurationExpr::Extreme {
                    greatest: keyword == Keyword::MaxOf,
                    left: Box::new(left.expr),
                    right: Box::new(right.expr),
                    span,
                };
                above(left.levels.max(right.levels), expr)
            }
            (Keyword::Range, None) => above(0, DurationExpr::Range(span)),
            (_, None) => above(0, DurationExpr::Step(span)),
        }
    }

    /// A number or a duration; what is out of bounds is blamed on its sign, if one is given.
    fn literal(&mut self, sign: Option<Span>) -> Result<Term> {
        let number = self.number()?;
        if number.value.abs() > SECONDS_MAX {
            let kind = ErrorKind::OutOfBounds("the duration");
            return Err(Error::new(kind, sign.unwrap_or(number.span)));
        }
        above(0, DurationExpr::Number(number))
    }
}

/// What a sign stands before; that of a number belongs to it.
fn signed(sign: Token, of: Term) -> Result<Term> {
    let is_negative = sign.kind == Kind::Operator(Operator::Sub);
    let span = sign.span.to(of.expr.span());
    match of.expr {
        DurationExpr::Number(number) => {
            let value = match is_negative {
                true => -number.value,
                false => number.value,
            };
            let number = Number {
                value,
                span,
                ..number
            };
            above(0, DurationExpr::Number(number))
        }
        expr if is_negative => above(
            of.levels,
            DurationExpr::Negative {
                of: expr.into(),
                span,
            },
        ),
        expr => Ok(Term { expr, ..of }),
    }
}

/// A term on top of others.
fn above(levels: usize, expr: DurationExpr) -> Result<Term> {
    match levels < LEVELS_MAX {
        true => Ok(Term {
            expr,
            levels: levels + 1,
        }),
        false => Err(too_deep(expr.span())),
    }
}

fn length(expr: DurationExpr) -> Length {
    match expr {
        DurationExpr::Number(number) => Length::Written((number.value * 1e9).round() as i64),
        expr => Length::Computed(Box::new(expr)),
    }
}

fn is_arithmetic(op: Operator) -> bool {
    use Operator::{Add, Div, Mod, Mul, Pow, Sub};
    matches!(op, Add | Sub | Mul | Div | Mod | Pow)
}

fn later(span: Span) -> Error {
    Error::new(ErrorKind::ComputedDuration, span)
}
