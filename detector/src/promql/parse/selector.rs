//! Selectors, and what is attached to them and to other expressions: ranges, `offset`, `@`.

use super::{Parser, Result, Tree, leaf};
use crate::compat::Compat;
use crate::promql::ast::{
    At, Expr, LabelMatcher, MatchOp, Moment, RangeSelector, Selector, Subquery,
};
use crate::promql::error::{Error, ErrorKind};
use crate::promql::length::Length;
use crate::promql::operator::Operator;
use crate::promql::span::Span;
use crate::promql::token::{Keyword, Kind, Token};
use crate::regex::Parsed;
use crate::sample::METRIC_NAME;

impl Parser<'_> {
    /// A selector whose name, if any, has been read.
    pub(super) fn selector(&mut self, name: Option<Token>) -> Result<Tree> {
        let has_matchers = self.peek()?.kind == Kind::LeftBrace;
        let mut span = name.map_or(self.peek()?.span, |name| name.span);
        let mut matchers = Vec::new();
        if has_matchers {
            self.bump()?;
            matchers = self.matchers()?;
            span.end = self.last.end;
        }
        Ok(leaf(Expr::Selector(Selector {
            name: name.map(|name| self.written(name.span).to_owned()),
            matchers,
            moment: Moment::default(),
            span,
        })))
    }

    /// Up to the closing brace.
    fn matchers(&mut self) -> Result<Vec<LabelMatcher>> {
        let mut matchers = Vec::new();
        while !self.take(Kind::RightBrace)? {
            matchers.push(self.matcher()?);
            if self.take(Kind::Comma)? {
                continue;
            }
            let next = self.peek()?;
            if self.written(next.span).eq_ignore_ascii_case("or") {
                let message = "`or` between matchers is not Prometheus syntax; write `or` between two selectors";
                let kind = ErrorKind::Meaning(message.into());
                return Err(Error::new(kind, next.span));
            }
            self.expect(Kind::RightBrace, "\",\" or \"}\"")?;
            break;
        }
        Ok(matchers)
    }

    fn matcher(&mut self) -> Result<LabelMatcher> {
        let token = self.peek()?;
        let label = match token.kind {
            Kind::Identifier => {
                self.bump()?;
                self.written(token.span).to_owned()
            }
            Kind::Text if self.compat == Compat::V2 => {
                let kind = ErrorKind::Later("names in quotes are");
                return Err(Error::new(kind, token.span));
            }
            Kind::Text => {
                self.bump()?;
                let text = self.unquoted(token)?;
                if matches!(self.peek()?.kind, Kind::Comma | Kind::RightBrace) {
                    return Ok(LabelMatcher {
                        label: METRIC_NAME.into(),
                        op: MatchOp::Equal,
                        value: text,
                        span: token.span,
                    });
                }
                text
            }
            _ => return Err(self.unexpected("a label or \"}\"")),
        };
        let op = match self.peek()?.kind {
            Kind::Assign => MatchOp::Equal,
            Kind::Operator(Operator::NotEqual) => MatchOp::NotEqual,
            Kind::MatchesRegex => MatchOp::Regex,
            Kind::MatchesNotRegex => MatchOp::NotRegex,
            _ => return Err(self.unexpected("=, !=, =~ or !~")),
        };
        self.bump()?;
        let value_token = self.expect(Kind::Text, "a string")?;
        let value = self.unquoted(value_token)?;
        let span = token.span.to(value_token.span);
        if matches!(op, MatchOp::Regex | MatchOp::NotRegex)
            && let Err(why) = Parsed::matcher(&value, self.compat)
        {
            return Err(Error::new(ErrorKind::regex(&value, &why), span));
        }
        Ok(LabelMatcher {
            label,
            op,
            value,
            span,
        })
    }

    /// Everything that may stand behind an operand and belongs to it.
    pub(super) fn attachments(&mut self, mut tree: Tree) -> Result<Tree> {
        loop {
            let token = self.peek()?;
            tree = match token.kind {
                Kind::LeftBracket => self.range(tree)?,
                Kind::Keyword(Keyword::Offset) => self.offset(tree)?,
                Kind::At => self.at(tree)?,
                Kind::Keyword(Keyword::Anchored | Keyword::Smoothed) => {
                    let kind = ErrorKind::Experimental("anchored and smoothed are");
                    return Err(Error::new(kind, tree.expr.span()));
                }
                _ => return Ok(tree),
            };
        }
    }

    /// `[5m]` or `[5m:1m]`
    fn range(&mut self, tree: Tree) -> Result<Tree> {
        let open = self.bump()?.span;
        let range = self.positive_duration()?;
        match self.peek()?.kind {
            Kind::RightBracket => {
                let close = self.bump()?.span;
                return Ok(leaf(self.range_selector(
                    tree.expr,
                    range,
                    open.to(close),
                )?));
            }
            Kind::Colon => self.bump()?,
            _ => return Err(self.unexpected("\":\" or \"]\"")),
        };
        let step = match self.peek()?.kind {
            Kind::RightBracket => None,
            _ => Some(self.positive_duration()?),
        };
        let close = self.expect(Kind::RightBracket, "\"]\"")?.span;
        let expr = Expr::Subquery(Subquery {
            span: tree.expr.span().to(close),
            expr: Box::new(tree.expr),
            range,
            step,
            moment: Moment::default(),
        });
        Self::above(tree.levels, expr)
    }

    fn range_selector(&self, of: Expr, range: Length, brackets: Span) -> Result<Expr> {
        let refused = |message: &str| {
            let kind = ErrorKind::Meaning(message.into());
            Err(Error::new(kind, brackets))
        };
        match of {
            Expr::Selector(selector) => match &selector.moment {
                Moment {
                    offset: Length::Written(ns),
                    ..
                } if *ns != 0 => refused("a range stands before its offset: write x[5m] offset 1h"),
                Moment {
                    at: Some(At::Time(_)),
                    ..
                } => refused("a range stands before its `@`: write x[5m] @ 1700000000"),
                _ => Ok(Expr::Range(RangeSelector {
                    span: selector.span.to(brackets),
                    selector,
                    range,
                })),
            },
            _ => refused(
                "only a selector has a range; for the values of an expression write a subquery like (x)[5m:]",
            ),
        }
    }

    fn offset(&mut self, mut tree: Tree) -> Result<Tree> {
        self.bump()?;
        let offset = self.offset_duration()?;
        let span = tree.expr.span();
        let end = self.last.end;
        let moment = moment(&mut tree.expr, end, "offset")?;
        if moment.offset != Length::default() {
            let kind = ErrorKind::Meaning("there is an offset already".into());
            return Err(Error::new(kind, span));
        }
        moment.offset = offset;
        Ok(tree)
    }

    fn at(&mut self, mut tree: Tree) -> Result<Tree> {
        self.bump()?;
        let span = tree.expr.span();
        let at = match self.peek()?.kind {
            Kind::Keyword(keyword @ (Keyword::Start | Keyword::End)) => {
                self.bump()?;
                self.expect(Kind::LeftParen, "\"()\"")?;
                self.expect(Kind::RightParen, "\")\"")?;
                match keyword {
                    Keyword::Start => At::Start,
                    _ => At::End,
                }
            }
            _ => At::Time(self.time(span)?),
        };
        let end = self.last.end;
        let moment = moment(&mut tree.expr, end, "@")?;
        if moment.at.is_some() {
            let kind = ErrorKind::Meaning("there is an `@` already".into());
            return Err(Error::new(kind, span));
        }
        moment.at = Some(at);
        Ok(tree)
    }

    /// Seconds behind `@`, as milliseconds. `of` is what they are about.
    fn time(&mut self, of: Span) -> Result<i64> {
        let is_negative = self.take(Kind::Operator(Operator::Sub))?;
        if !is_negative {
            self.take(Kind::Operator(Operator::Add))?;
        }
        let token = self.peek()?;
        let is_number = match token.kind {
            Kind::Number => true,
            Kind::Duration => self.compat == Compat::V3,
            _ => false,
        };
        if !is_number {
            return Err(self.unexpected("a time in seconds, start() or end()"));
        }
        let number = self.number()?;
        let seconds = if is_negative {
            -number.value
        } else {
            number.value
        };
        let ms = (seconds * 1000.0).round();
        // Prometheus takes what is a thousand times as far away, too, and computes another time of it.
        match ms > i64::MIN as f64 && ms < i64::MAX as f64 {
            true => Ok(ms as i64),
            false => Err(Error::new(ErrorKind::OutOfBounds("the time after @"), of)),
        }
    }
}

/// The time that a selector or subquery is looked at, for `what` to be set; its text goes on until `end`.
fn moment<'e>(expr: &'e mut Expr, end: usize, what: &str) -> Result<&'e mut Moment> {
    let (moment, span) = match expr {
        Expr::Selector(selector) => (&mut selector.moment, &mut selector.span),
        Expr::Range(range) => (&mut range.selector.moment, &mut range.span),
        Expr::Subquery(subquery) => (&mut subquery.moment, &mut subquery.span),
        other => {
            let message = format!("{what} must stand behind a selector or a subquery");
            return Err(Error::new(ErrorKind::Meaning(message), other.span()));
        }
    };
    span.end = end;
    Ok(moment)
}
