//! What begins with a backslash.

use regex_syntax::hir::{ClassUnicode, Look};

use super::{Code, Error, Kind, Node, Parser, syntax};
use crate::regex::{class, unicode};

impl Parser<'_> {
    /// Reads what begins with a backslash outside of brackets.
    pub(super) fn backslash(&mut self) -> Result<(), Error> {
        let start = self.at;
        let look = match self.rest().as_bytes().get(1) {
            Some(b'A') => Look::Start,
            Some(b'z') => Look::End,
            Some(b'b') => Look::WordAscii,
            Some(b'B') => Look::WordAsciiNegate,
            // One byte, which Go does not support.
            Some(b'C') => return Err(syntax(Code::InvalidEscape, &self.rest()[..2])),
            Some(b'Q') => return self.quoted(),
            _ => {
                if let Some(class) = self.class_escape()? {
                    return self.push(Node::leaf(Kind::Class(class)));
                }
                debug_assert_eq!(self.at, start);
                let code = self.escape()?;
                return self.literal(code);
            }
        };
        self.look(2, look)
    }

    /// Reads `\Q...\E`, or to the end, if there is no `\E`.
    fn quoted(&mut self) -> Result<(), Error> {
        let rest = &self.rest()[2..];
        let (quoted, length) = match rest.split_once("\\E") {
            Some((quoted, _)) => (quoted, quoted.len() + 2),
            None => (rest, rest.len()),
        };
        self.at += 2 + length;
        quoted
            .chars()
            .try_for_each(|char| self.literal(char.into()))
    }

    /// Reads a class that is named by a letter or by `\p`, if there is one here.
    pub(super) fn class_escape(&mut self) -> Result<Option<ClassUnicode>, Error> {
        let rest = self.rest();
        if rest.starts_with("\\p") || rest.starts_with("\\P") {
            return self.unicode_class().map(Some);
        }
        let mut chars = rest.chars();
        let (Some('\\'), Some(letter)) = (chars.next(), chars.next()) else {
            return Ok(None);
        };
        let Some(class) = class::perl(letter.to_ascii_lowercase()) else {
            return Ok(None);
        };
        self.at += 2;
        let mut class = self.folded(class);
        if letter.is_ascii_uppercase() {
            class.negate();
        }
        Ok(Some(class))
    }

    /// Reads `\pN`, `\p{Name}` or `\p{^Name}`, or with a `P`, which is the rest.
    fn unicode_class(&mut self) -> Result<ClassUnicode, Error> {
        let start = self.at;
        let rest = self.rest();
        let mut negated = rest.starts_with("\\P");
        self.at += 2;
        let name = match self.bump() {
            Some('{') => {
                let Some(end) = rest.find('}') else {
                    return Err(syntax(Code::InvalidCharRange, rest));
                };
                self.at = start + end + 1;
                &rest[3..end]
            }
            _ => &self.text[start + 2..self.at],
        };
        let name = match name.strip_prefix('^') {
            Some(name) => {
                negated = !negated;
                name
            }
            None => name,
        };
        let class = unicode::named(name, self.flags.fold, self.compat);
        let Some(mut class) = class else {
            return Err(syntax(Code::InvalidCharRange, self.since(start)));
        };
        self.count_ranges(class.ranges().len())?;
        if negated {
            class.negate();
        }
        Ok(class)
    }

    /// Reads an escape that stands for one character, and returns its code.
    pub(super) fn escape(&mut self) -> Result<u32, Error> {
        let start = self.at;
        self.bump();
        let Some(char) = self.bump() else {
            return Err(syntax(Code::TrailingBackslash, ""));
        };
        let code = match char {
            '0' => Some(self.octal(0)),
            // Alone it would be a reference to a group, which Go does not support.
            '1'..='7' if self.peek().is_some_and(|next| next.is_digit(8)) => {
                char.to_digit(8).map(|first| self.octal(first))
            }
            'x' => self.hexadecimal(),
            'a' => Some(0x07),
            'f' => Some(0x0c),
            'n' => Some(0x0a),
            'r' => Some(0x0d),
            't' => Some(0x09),
            'v' => Some(0x0b),
            char if char.is_ascii() && !char.is_ascii_alphanumeric() => Some(char.into()),
            _ => None,
        };
        code.ok_or_else(|| syntax(Code::InvalidEscape, self.since(start)))
    }

    /// Goes on with an octal number of up to three digits.
    fn octal(&mut self, first: u32) -> u32 {
        let mut code = first;
        for _ in 0..2 {
            let Some(digit) = self.peek().and_then(|char| char.to_digit(8)) else {
                break;
            };
            self.bump();
            code = code * 8 + digit;
        }
        code
    }

    /// Reads the `41` of `\x41` or the `{1F600}` of `\x{1F600}`. What is read when it is none stands in the error.
    fn hexadecimal(&mut self) -> Option<u32> {
        match self.bump()? {
            '{' => {
                let mut code = None;
                loop {
                    match self.bump()? {
                        '}' => return code,
                        char => {
                            let larger = code.unwrap_or(0) * 16 + char.to_digit(16)?;
                            code = Some(larger).filter(|&code| code <= char::MAX.into());
                            code?;
                        }
                    }
                }
            }
            first => {
                let second = self.bump();
                Some(first.to_digit(16)? * 16 + second?.to_digit(16)?)
            }
        }
    }
}
