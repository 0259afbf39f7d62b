//! Lists of labels, and how elements are matched by them.

use super::{Parser, Result};
use crate::compat::Compat;
use crate::promql::ast::{Group, Matching, MatchingLabels, Side};
use crate::promql::error::{Error, ErrorKind};
use crate::promql::operator::Operator;
use crate::promql::token::{Keyword, Kind};

impl Parser<'_> {
    /// `(a, b)`, possibly with a comma at the end.
    pub(super) fn labels(&mut self) -> Result<Vec<String>> {
        self.expect(Kind::LeftParen, "\"(\" and labels")?;
        let mut labels = Vec::new();
        while !self.take(Kind::RightParen)? {
            labels.push(self.label()?);
            if !self.take(Kind::Comma)? {
                self.expect(Kind::RightParen, "\",\" or \")\"")?;
                break;
            }
        }
        Ok(labels)
    }

    fn label(&mut self) -> Result<String> {
        let token = self.peek()?;
        let is_classic = token.kind.is_label() && !self.written(token.span).contains(':');
        match (token.kind, self.compat) {
            (Kind::Text, Compat::V2) => Err(Error::new(
                ErrorKind::Later("names in quotes are"),
                token.span,
            )),
            (Kind::Text, Compat::V3) => {
                self.bump()?;
                let label = self.unquoted(token)?;
                match label.is_empty() {
                    true => Err(Error::new(
                        ErrorKind::Meaning("a label without a name".into()),
                        token.span,
                    )),
                    false => Ok(label),
                }
            }
            (kind, compat) if is_classic || (kind.is_label() && compat == Compat::V3) => {
                self.bump()?;
                Ok(self.written(token.span).to_owned())
            }
            _ => Err(self.unexpected("a label")),
        }
    }

    /// `on(...)` or `ignoring(...)`, with a group or not.
    pub(super) fn matching(&mut self) -> Result<Matching> {
        let labels = if self.take(Kind::Keyword(Keyword::On))? {
            MatchingLabels::On(self.labels()?)
        } else if self.take(Kind::Keyword(Keyword::Ignoring))? {
            MatchingLabels::Ignoring(self.labels()?)
        } else {
            return Ok(Matching::default());
        };
        let many = match self.peek()?.kind {
            Kind::Keyword(Keyword::GroupLeft) => Side::Left,
            Kind::Keyword(Keyword::GroupRight) => Side::Right,
            _ => {
                return Ok(Matching {
                    labels,
                    group: None,
                });
            }
        };
        self.bump()?;
        let include = match self.peek()?.kind {
            Kind::LeftParen => self.labels()?,
            _ => Vec::new(),
        };
        Ok(Matching {
            labels,
            group: Some(Group { many, include }),
        })
    }

    /// Whether there is `fill(...)`, or `fill_left(...)` and `fill_right(...)` in either order.
    pub(super) fn fill(&mut self) -> Result<bool> {
        let Kind::Keyword(first) = self.peek()?.kind else {
            return Ok(false);
        };
        let second = match first {
            Keyword::Fill => None,
            Keyword::FillLeft => Some(Keyword::FillRight),
            Keyword::FillRight => Some(Keyword::FillLeft),
            _ => return Ok(false),
        };
        self.bump()?;
        self.fill_value()?;
        if let Some(second) = second
            && self.take(Kind::Keyword(second))?
        {
            self.fill_value()?;
        }
        Ok(true)
    }

    fn fill_value(&mut self) -> Result<()> {
        self.expect(Kind::LeftParen, "\"(\"")?;
        if let Kind::Operator(Operator::Add | Operator::Sub) = self.peek()?.kind {
            self.bump()?;
        }
        match self.peek()?.kind {
            Kind::Number | Kind::Duration => self.number()?,
            _ => return Err(self.unexpected("a number")),
        };
        self.expect(Kind::RightParen, "\")\"").map(drop)
    }
}
