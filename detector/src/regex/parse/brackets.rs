//! Classes of characters in brackets.

use regex_syntax::hir::ClassUnicode;

use super::{Code, Error, Kind, Node, Parser, syntax};
use crate::regex::class;

impl Parser<'_> {
    /// Reads a class in brackets.
    pub(super) fn brackets(&mut self) -> Result<(), Error> {
        let start = self.at;
        self.bump();
        let negated = self.peek() == Some('^');
        if negated {
            self.bump();
        }
        let mut set = ClassUnicode::empty();
        let mut ranges = ClassUnicode::empty();
        let mut first = true;
        // At the beginning a `]` is a character like others.
        while first || self.peek() != Some(']') {
            first = false;
            if let Some(class) = self.posix_class()? {
                set.union(&class);
            } else if let Some(class) = self.class_escape()? {
                set.union(&class);
            } else {
                let range = self.range(start)?;
                self.count_ranges(1)?;
                for range in range.ranges() {
                    ranges.push(*range);
                }
            }
        }
        self.bump();
        set.union(&self.folded(ranges));
        if negated {
            set.negate();
        }
        self.push(Node::leaf(Kind::Class(set)))
    }

    /// Reads `[:alpha:]` or `[:^alpha:]`, if there is one here.
    fn posix_class(&mut self) -> Result<Option<ClassUnicode>, Error> {
        let Some(rest) = self.rest().strip_prefix("[:") else {
            return Ok(None);
        };
        let Some(end) = rest.find(":]") else {
            return Ok(None);
        };
        let start = self.at;
        self.at += 2 + end + 2;
        let name = &rest[..end];
        let (name, negated) = match name.strip_prefix('^') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let Some(class) = class::posix(name) else {
            return Err(syntax(Code::InvalidCharRange, self.since(start)));
        };
        let mut class = self.folded(class);
        if negated {
            class.negate();
        }
        Ok(Some(class))
    }

    /// Reads a character, or two with a `-` in between. The brackets begin at `brackets`.
    fn range(&mut self, brackets: usize) -> Result<ClassUnicode, Error> {
        let start = self.at;
        let from = self.class_char(brackets)?;
        let rest = self.rest();
        // `[a-]` has two characters.
        if rest.len() < 2 || !rest.starts_with('-') || rest.starts_with("-]") {
            return Ok(class::range(from, from));
        }
        self.bump();
        let to = self.class_char(brackets)?;
        if to < from {
            return Err(syntax(Code::InvalidCharRange, self.since(start)));
        }
        Ok(class::range(from, to))
    }

    fn class_char(&mut self, brackets: usize) -> Result<u32, Error> {
        match self.peek() {
            None => Err(syntax(Code::MissingBracket, &self.text[brackets..])),
            Some('\\') => self.escape(),
            Some(char) => {
                self.bump();
                Ok(char.into())
            }
        }
    }
}
