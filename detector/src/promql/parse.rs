//! Putting tokens together (`promql/parser/generated_parser.y`): operators by how tightly they bind, everything else by what
//! comes next.

pub(super) mod call;
mod duration;
mod labels;
mod selector;

use super::ast::{Binary, Expr, Number, Paren, StringLiteral, Unary};
use super::error::{Error, ErrorKind, short};
use super::lex::Lexer;
use super::operator::{Binding, Operator};
use super::span::Span;
use super::token::{Keyword, Kind, Token};
use super::{LEVELS_MAX, PARTS_MAX, number, text};
use crate::compat::Compat;

type Result<T> = std::result::Result<T, Error>;

pub(super) struct Parser<'t> {
    text: &'t str,
    compat: Compat,
    lexer: Lexer<'t>,
    /// The next token, once it has been looked at.
    ahead: Option<Token>,
    /// How many expressions this is within.
    depth: usize,
    /// How many names, operators and brackets have been read.
    parts: usize,
    /// The last token taken.
    last: Span,
}

/// An expression and how many levels it has.
struct Tree {
    expr: Expr,
    levels: usize,
}

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str, compat: Compat) -> Self {
        Self {
            text,
            compat,
            lexer: Lexer::new(text, compat),
            ahead: None,
            depth: 0,
            parts: 0,
            last: Span::default(),
        }
    }

    /// The expression that the whole text is.
    pub(super) fn whole(mut self) -> Result<Expr> {
        if self.peek()?.kind == Kind::End {
            let span = Span::new(0, self.text.len());
            return Err(Error::new(ErrorKind::Empty, span));
        }
        let tree = self.expression(Binding::Or)?;
        match self.peek()?.kind {
            Kind::End => Ok(tree.expr),
            _ => Err(self.unexpected("an operator or the end")),
        }
    }

    /// An expression whose operators bind at least so tightly.
    fn expression(&mut self, loosest: Binding) -> Result<Tree> {
        self.enter()?;
        let mut tree = self.operand()?;
        while let Kind::Operator(op) = self.peek()?.kind
            && op.binding() >= loosest
        {
            tree = self.binary(tree, op)?;
        }
        self.depth -= 1;
        Ok(tree)
    }

    /// Notes that what follows is within something.
    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        match self.depth > LEVELS_MAX {
            true => Err(too_deep(self.peek()?.span)),
            false => Ok(()),
        }
    }

    fn binary(&mut self, left: Tree, op: Operator) -> Result<Tree> {
        let op_span = self.bump()?.span;
        let returns_bool = self.take(Kind::Keyword(Keyword::Bool))?;
        let matching = self.matching()?;
        let fills = self.fill()?;
        let right = self.expression(op.binding().of_right_side())?;
        let span = left.expr.span().to(right.expr.span());
        if fills {
            let kind = ErrorKind::Experimental("fill, fill_left and fill_right are");
            return Err(Error::new(kind, span));
        }
        let levels = left.levels.max(right.levels);
        let expr = Expr::Binary(Binary {
            op,
            op_span,
            returns_bool,
            matching,
            lhs: Box::new(left.expr),
            rhs: Box::new(right.expr),
            span,
        });
        Self::above(levels, expr)
    }

    /// What stands between operators, with what is attached to it.
    fn operand(&mut self) -> Result<Tree> {
        let token = self.peek()?;
        let tree = match token.kind {
            Kind::Number => leaf(Expr::Number(self.number()?)),
            Kind::Duration if self.compat == Compat::V3 => leaf(Expr::Number(self.number()?)),
            Kind::Text => {
                self.bump()?;
                leaf(Expr::String(StringLiteral {
                    value: self.unquoted(token)?,
                    span: token.span,
                }))
            }
            Kind::LeftParen => self.paren()?,
            // A sign binds like a product, so that `-a ^ b` is `-(a ^ b)`.
            Kind::Operator(Operator::Add | Operator::Sub) => return self.unary(token),
            Kind::LeftBrace => self.selector(None)?,
            kind => self.name(token, kind)?,
        };
        self.attachments(tree)
    }

    /// What begins with a word.
    fn name(&mut self, token: Token, kind: Kind) -> Result<Tree> {
        if !kind.is_metric_name() {
            return Err(self.unexpected("an expression"));
        }
        self.bump()?;
        let is_called = self.peek()?.kind == Kind::LeftParen;
        match kind {
            Kind::Aggregator(op) => self.aggregate_or_name(token, op),
            Kind::Identifier if is_called => self.call(token),
            Kind::Keyword(keyword)
                if is_called && keyword.is_function() && self.compat == Compat::V3 =>
            {
                self.call(token)
            }
            _ => self.selector(Some(token)),
        }
    }

    fn number(&mut self) -> Result<Number> {
        let token = self.bump()?;
        let is_duration = token.kind == Kind::Duration;
        let written = self.written(token.span);
        let value = match is_duration {
            true => number::duration_ms(written).map(seconds),
            false => number::value(written, self.compat),
        };
        Ok(Number {
            value: value.map_err(|kind| Error::new(kind, token.span))?,
            is_duration,
            span: token.span,
        })
    }

    fn unquoted(&self, token: Token) -> Result<String> {
        text::unquoted(self.written(token.span)).map_err(|kind| Error::new(kind, token.span))
    }

    fn paren(&mut self) -> Result<Tree> {
        let open = self.bump()?;
        let inner = self.expression(Binding::Or)?;
        let close = self.expect(Kind::RightParen, "an operator or \")\"")?;
        let expr = Expr::Paren(Paren {
            expr: Box::new(inner.expr),
            span: open.span.to(close.span),
        });
        Self::above(inner.levels, expr)
    }

    fn unary(&mut self, sign: Token) -> Result<Tree> {
        self.bump()?;
        let is_negative = sign.kind == Kind::Operator(Operator::Sub);
        let inner = self.expression(Binding::Product.of_right_side())?;
        let span = sign.span.to(inner.expr.span());
        match inner.expr {
            Expr::Number(number) => Ok(Tree {
                expr: Expr::Number(Number {
                    value: if is_negative {
                        -number.value
                    } else {
                        number.value
                    },
                    span,
                    ..number
                }),
                levels: inner.levels,
            }),
            other => {
                let expr = Expr::Unary(Unary {
                    is_negative,
                    expr: Box::new(other),
                    span,
                });
                Self::above(inner.levels, expr)
            }
        }
    }

    fn peek(&mut self) -> Result<Token> {
        if let Some(token) = self.ahead {
            return Ok(token);
        }
        let token = self.lexer.next()?;
        let is_value = matches!(
            token.kind,
            Kind::Number | Kind::Duration | Kind::Text | Kind::End
        );
        self.parts += usize::from(!is_value);
        if self.parts > PARTS_MAX {
            return Err(Error::new(ErrorKind::TooMany(PARTS_MAX), token.span));
        }
        self.ahead = Some(token);
        Ok(token)
    }

    fn bump(&mut self) -> Result<Token> {
        let token = self.peek()?;
        self.ahead = None;
        self.last = token.span;
        Ok(token)
    }

    /// Whether this is what comes next; it is taken then.
    fn take(&mut self, kind: Kind) -> Result<bool> {
        let is_there = self.peek()?.kind == kind;
        if is_there {
            self.bump()?;
        }
        Ok(is_there)
    }

    fn expect(&mut self, kind: Kind, expected: &'static str) -> Result<Token> {
        if self.peek()?.kind == kind {
            return self.bump();
        }
        Err(self.unexpected(expected))
    }

    /// The error that the token looked at cannot stand here; at the end the last one is blamed.
    fn unexpected(&self, expected: &'static str) -> Error {
        let end = Span::new(self.text.len(), self.text.len());
        let span = self.ahead.map_or(end, |token| token.span);
        let written = self.written(span);
        let (found, blamed) = match written {
            "" => ("the end".to_owned(), self.last),
            written => (format!("{:?}", short(written)), span),
        };
        Error {
            kind: ErrorKind::Unexpected { found, expected },
            span: blamed,
            at: span.start,
        }
    }

    fn written(&self, span: Span) -> &'t str {
        &self.text[span.range()]
    }

    /// An expression on top of others.
    fn above(levels: usize, expr: Expr) -> Result<Tree> {
        match levels < LEVELS_MAX {
            true => Ok(Tree {
                expr,
                levels: levels + 1,
            }),
            false => Err(too_deep(expr.span())),
        }
    }
}

fn too_deep(span: Span) -> Error {
    Error::new(ErrorKind::TooDeep(LEVELS_MAX), span)
}

fn leaf(expr: Expr) -> Tree {
    Tree { expr, levels: 1 }
}

/// Milliseconds as seconds, rounded as Go does.
fn seconds(ms: i64) -> f64 {
    (ms / 1000) as f64 + (ms % 1000) as f64 / 1e3
}
