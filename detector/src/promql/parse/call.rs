//! Function calls and aggregations.

use super::{Parser, Result, Tree};
use crate::promql::ast::{Aggregate, Call, Expr, Grouping};
use crate::promql::error::{Error, ErrorKind};
use crate::promql::function::Function;
use crate::promql::operator::{Aggregator, Binding};
use crate::promql::span::Span;
use crate::promql::token::{Keyword, Kind, Token};

/// What stands in the parentheses of a call.
struct Arguments {
    exprs: Vec<Expr>,
    levels: usize,
    /// The parenthesis that closes them.
    close: Span,
}

impl Parser<'_> {
    /// A function's arguments, its name being read.
    pub(super) fn call(&mut self, name: Token) -> Result<Tree> {
        let args = self.arguments()?;
        let written = self.written(name.span);
        let Some(function) = Function::find(written, self.compat) else {
            let kind = ErrorKind::UnknownFunction {
                name: written.to_owned(),
                instead: Function::instead_of(written, self.compat),
            };
            return Err(Error::new(kind, name.span));
        };
        let expr = Expr::Call(Call {
            function,
            name_span: name.span,
            args: args.exprs,
            span: name.span.to(args.close),
        });
        Self::above(args.levels, expr)
    }

    fn arguments(&mut self) -> Result<Arguments> {
        self.expect(Kind::LeftParen, "\"(\"")?;
        let mut exprs = Vec::new();
        let mut levels = 0;
        if self.peek()?.kind != Kind::RightParen {
            loop {
                let tree = self.expression(Binding::Or)?;
                levels = levels.max(tree.levels);
                exprs.push(tree.expr);
                let comma = self.peek()?;
                if comma.kind != Kind::Comma {
                    break;
                }
                self.bump()?;
                if !self.peek()?.kind.begins_expression() {
                    let kind = ErrorKind::Unexpected {
                        found: "\",\" without another argument".into(),
                        expected: "\")\"",
                    };
                    return Err(Error::new(kind, comma.span));
                }
            }
        }
        let close = self
            .expect(Kind::RightParen, "an operator, \",\" or \")\"")?
            .span;
        Ok(Arguments {
            exprs,
            levels,
            close,
        })
    }

    /// What follows the name of an aggregation, which may be a metric's, too.
    pub(super) fn aggregate_or_name(&mut self, name: Token, op: Aggregator) -> Result<Tree> {
        let before = self.grouping()?;
        if before.is_none() && self.peek()?.kind != Kind::LeftParen {
            return self.selector(Some(name));
        }
        let args = self.arguments()?;
        let mut span = name.span.to(args.close);
        let mut grouping = before;
        if grouping.is_none() {
            grouping = self.grouping()?;
            if grouping.is_some() {
                span.end = self.last.end;
            }
        }
        let takes = 1 + usize::from(op.has_parameter());
        let given = args.exprs.len();
        let mut exprs = args.exprs.into_iter().map(Box::new);
        let param = if op.has_parameter() {
            exprs.next()
        } else {
            None
        };
        let Some(expr) = exprs.next().filter(|_| given == takes) else {
            let kind = ErrorKind::Arguments {
                name: op.as_str(),
                takes: arguments(takes),
                given,
            };
            return Err(Error::new(kind, span));
        };
        let expr = Expr::Aggregate(Aggregate {
            op,
            param,
            expr,
            grouping,
            span,
        });
        Self::above(args.levels, expr)
    }

    fn grouping(&mut self) -> Result<Option<Grouping>> {
        Ok(if self.take(Kind::Keyword(Keyword::By))? {
            Some(Grouping::By(self.labels()?))
        } else if self.take(Kind::Keyword(Keyword::Without))? {
            Some(Grouping::Without(self.labels()?))
        } else {
            None
        })
    }
}

/// So many arguments, in words.
pub(in crate::promql) fn arguments(count: usize) -> String {
    match count {
        0 => "no argument".into(),
        1 => "1 argument".into(),
        count => format!("{count} arguments"),
    }
}
