//! Reading PromQL: [`parse`] makes a tree of a text, or says what is wrong with it and exactly where.
//!
//! `lex` cuts the text into `token`s, `parse` puts them together as the operators bind, and `check` sees that every operand
//! is of a type its operator takes. What comes out is what Prometheus accepts, of the generation that [`Compat`] names, with
//! its experimental functions and without what else is behind a feature flag there; errors stand at the same line and column
//! as its own. `print` writes a tree as Prometheus does.

mod ast;
mod check;
mod error;
mod function;
mod length;
mod lex;
mod number;
mod operator;
mod parse;
mod print;
mod span;
mod text;
mod token;

use crate::compat::Compat;

pub use ast::{
    Aggregate, At, Binary, Call, Expr, Group, Grouping, LabelMatcher, MatchOp, Matching,
    MatchingLabels, Moment, Number, Paren, RangeSelector, Selector, Side, StringLiteral, Subquery,
    Unary,
};
pub use error::{Error, ErrorKind};
pub use function::{Function, ValueType, Variadic};
pub use length::{DurationExpr, Length};
pub use operator::{Aggregator, Operator};
pub(crate) use print::Series;
pub use span::Span;

/// Longest accepted expression, in bytes.
const LENGTH_MAX: usize = 64 * 1024;
/// Most names, operators and brackets of one expression.
const PARTS_MAX: usize = 1500;
/// Deepest nesting of an expression; a chain of operators nests once per operator. Whoever walks over a tree recurses over it.
const LEVELS_MAX: usize = 100;

/// Reads an expression.
///
/// # Errors
///
/// The first thing that is wrong with it: how it is written, and then of what type its parts are.
pub fn parse(text: &str, compat: Compat) -> Result<Expr, Error> {
    if text.len() > LENGTH_MAX {
        let kind = ErrorKind::TooLong(LENGTH_MAX);
        return Err(Error::new(kind, Span::new(LENGTH_MAX, text.len())));
    }
    let mut expr = parse::Parser::new(text, compat).whole()?;
    check::check(&mut expr, compat)?;
    Ok(expr)
}

#[cfg(test)]
mod tests;
