//! Cutting an expression's text into tokens (`promql/parser/lex.go`).

use super::error::{Error, ErrorKind};
use super::number;
use super::operator::Operator;
use super::span::Span;
use super::text;
use super::token::{Kind, Token};
use crate::compat::Compat;

/// Hands out one token after the other. What a character means depends on the brackets around it.
#[derive(Debug)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    compat: Compat,
    /// The next byte to be read.
    at: usize,
    /// Where the parentheses that are open begin.
    parens: Vec<usize>,
    /// Where the brace that is open begins.
    brace: Option<usize>,
    bracket: Option<Bracket>,
    /// Whether a duration has been read within any bracket.
    had_duration: bool,
}

/// A `[` that is open.
#[derive(Debug, Clone, Copy)]
struct Bracket {
    start: usize,
    had_colon: bool,
    /// Nothing but the beginnings of a duration has been read.
    is_fresh: bool,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str, compat: Compat) -> Self {
        Self {
            text,
            compat,
            at: 0,
            parens: Vec::new(),
            brace: None,
            bracket: None,
            had_duration: false,
        }
    }

    /// The next token; at the end, again and again, the end.
    pub(super) fn next(&mut self) -> Result<Token, Error> {
        self.skip();
        let start = self.at;
        let Some(first) = self.peek() else {
            return self.end();
        };
        let kind = if self.brace.is_some() {
            self.inside_braces(first)?
        } else if self.bracket.is_some_and(|bracket| bracket.is_fresh) {
            self.inside_brackets(first)?
        } else {
            self.outside(first)?
        };
        Ok(Token {
            kind,
            span: Span::new(start, self.at),
        })
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Blanks and comments.
    fn skip(&mut self) {
        let in_fresh_bracket = self.bracket.is_some_and(|bracket| bracket.is_fresh);
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
            self.at += blanks;
            if in_fresh_bracket || !self.rest().starts_with('#') {
                return;
            }
            let rest = self.rest();
            self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
        }
    }

    fn end(&self) -> Result<Token, Error> {
        let open = [
            self.parens.last().map(|start| (*start, '(')),
            self.brace.map(|start| (start, '{')),
            self.bracket.map(|bracket| (bracket.start, '[')),
        ];
        let span = Span::new(self.at, self.at);
        match open.into_iter().flatten().max() {
            None => Ok(Token {
                kind: Kind::End,
                span,
            }),
            Some((start, bracket)) => Err(Error {
                kind: ErrorKind::Unclosed(bracket),
                span: Span::new(start, start + 1),
                at: self.at,
            }),
        }
    }

    /// Takes so many bytes.
    fn take(&mut self, bytes: usize, kind: Kind) -> Kind {
        self.at += bytes;
        kind
    }

    fn unexpected(&self, char: char) -> Error {
        let span = Span::new(self.at, self.at + char.len_utf8());
        let kind = match self.brace {
            Some(_) => ErrorKind::CharacterInBraces(char),
            None => ErrorKind::Character(char),
        };
        Error::new(kind, span)
    }

    fn inside_braces(&mut self, first: char) -> Result<Kind, Error> {
        let second = self.rest().as_bytes().get(1);
        Ok(match (first, second) {
            (',', _) => self.take(1, Kind::Comma),
            ('=', Some(b'~')) => self.take(2, Kind::MatchesRegex),
            ('=', _) => self.take(1, Kind::Assign),
            ('!', Some(b'~')) => self.take(2, Kind::MatchesNotRegex),
            ('!', Some(b'=')) => self.take(2, Kind::Operator(Operator::NotEqual)),
            ('"' | '\'' | '`', _) => self.string(first)?,
            ('}', _) => {
                self.brace = None;
                self.take(1, Kind::RightBrace)
            }
            _ if is_alpha(first) => self.take(self.word(""), Kind::Identifier),
            _ => return Err(self.unexpected(first)),
        })
    }

    /// What may stand behind `[`, up to its first number.
    fn inside_brackets(&mut self, first: char) -> Result<Kind, Error> {
        if self.compat == Compat::V2 {
            return self.duration();
        }
        let op = match first {
            '+' => Operator::Add,
            '-' => Operator::Sub,
            '*' => Operator::Mul,
            '/' => Operator::Div,
            '%' => Operator::Mod,
            '^' => Operator::Pow,
            ',' => return Ok(self.take(1, Kind::Comma)),
            '(' => return Ok(self.open_paren()),
            ')' => return self.close_paren(),
            ']' => return Ok(self.close_bracket()),
            ':' if !self.had_duration => {
                let span = Span::new(self.at, self.at + 1);
                let kind = ErrorKind::Unexpected {
                    found: "\":\"".into(),
                    expected: "a duration",
                };
                return Err(Error {
                    at: span.end,
                    ..Error::new(kind, span)
                });
            }
            ':' => return self.colon(first),
            _ if self.is_number() => return self.number(),
            _ => return self.duration_keyword(first),
        };
        Ok(self.take(1, Kind::Operator(op)))
    }

    fn outside(&mut self, first: char) -> Result<Kind, Error> {
        let second = self.rest().as_bytes().get(1);
        let is_v3 = self.compat == Compat::V3;
        let (length, op) = match (first, second) {
            ('+', _) => (1, Operator::Add),
            ('-', _) => (1, Operator::Sub),
            ('*', _) => (1, Operator::Mul),
            ('/', _) => (1, Operator::Div),
            ('%', _) => (1, Operator::Mod),
            ('^', _) => (1, Operator::Pow),
            ('=', Some(b'=')) => (2, Operator::Equal),
            ('!', Some(b'=')) => (2, Operator::NotEqual),
            ('<', Some(b'=')) => (2, Operator::LessEqual),
            ('<', Some(b'/')) if is_v3 => (2, Operator::TrimUpper),
            ('<', _) => (1, Operator::Less),
            ('>', Some(b'=')) => (2, Operator::GreaterEqual),
            ('>', Some(b'/')) if is_v3 => (2, Operator::TrimLower),
            ('>', _) => (1, Operator::Greater),
            _ => return self.no_sign(first, second.copied()),
        };
        Ok(self.take(length, Kind::Operator(op)))
    }

    fn no_sign(&mut self, first: char, second: Option<u8>) -> Result<Kind, Error> {
        Ok(match first {
            ',' => self.take(1, Kind::Comma),
            '@' => self.take(1, Kind::At),
            '=' if second != Some(b'~') => self.take(1, Kind::Assign),
            '(' => self.open_paren(),
            ')' => self.close_paren()?,
            '{' => {
                self.brace = Some(self.at);
                self.take(1, Kind::LeftBrace)
            }
            '[' if self.bracket.is_none() => {
                self.bracket = Some(Bracket {
                    start: self.at,
                    had_colon: false,
                    is_fresh: true,
                });
                self.take(1, Kind::LeftBracket)
            }
            ']' if self.bracket.is_some() => self.close_bracket(),
            ']' => {
                let span = Span::new(self.at, self.at + 1);
                return Err(Error::new(ErrorKind::Unopened(']'), span));
            }
            '"' | '\'' | '`' => self.string(first)?,
            _ if self.is_number() => self.number()?,
            _ if !(is_alpha(first) || first == ':') => return Err(self.unexpected(first)),
            // In a bracket, Prometheus 2 takes any letter for the colon.
            _ if self.bracket.is_some() && (first == ':' || self.compat == Compat::V2) => {
                self.colon(first)?
            }
            _ if self.bracket.is_some() => self.duration_keyword(first)?,
            _ => self.keyword_or_name(),
        })
    }

    fn open_paren(&mut self) -> Kind {
        self.parens.push(self.at);
        self.take(1, Kind::LeftParen)
    }

    fn close_paren(&mut self) -> Result<Kind, Error> {
        if self.parens.pop().is_none() {
            let span = Span::new(self.at, self.at + 1);
            return Err(Error {
                at: span.end,
                ..Error::new(ErrorKind::Unopened(')'), span)
            });
        }
        Ok(self.take(1, Kind::RightParen))
    }

    fn close_bracket(&mut self) -> Kind {
        self.bracket = None;
        self.take(1, Kind::RightBracket)
    }

    fn colon(&mut self, first: char) -> Result<Kind, Error> {
        match &mut self.bracket {
            Some(bracket) if !bracket.had_colon => bracket.had_colon = true,
            _ => return Err(self.unexpected(first)),
        }
        Ok(self.take(1, Kind::Colon))
    }

    /// The length of the letters, digits, underscores and `more` ahead.
    fn word(&self, more: &str) -> usize {
        let ends = |c: char| !(is_alpha(c) || c.is_ascii_digit() || more.contains(c));
        self.rest().find(ends).unwrap_or(self.rest().len())
    }

    fn keyword_or_name(&mut self) -> Kind {
        let length = self.word(":");
        let word = &self.rest()[..length];
        let kind = Kind::of_word(word, self.compat);
        let is_called = || {
            let after = self.rest()[length..].trim_start_matches([' ', '\t', '\n', '\r']);
            after.starts_with('(')
        };
        let kind = match kind {
            // Newer than many metrics of that name.
            Kind::Keyword(keyword) if keyword.is_fill() && !is_called() => Kind::Identifier,
            kind => kind,
        };
        self.take(length, kind)
    }

    /// `step`, `range`, `max_of` or `min_of` within brackets.
    fn duration_keyword(&mut self, first: char) -> Result<Kind, Error> {
        let rest = self.rest();
        let length = rest.find(|c| !is_alpha(c)).unwrap_or(rest.len());
        match Kind::of_word(&rest[..length], self.compat) {
            Kind::Keyword(keyword) if keyword.is_of_durations() => {
                Ok(self.take(length, Kind::Keyword(keyword)))
            }
            _ => Err(self.unexpected(first)),
        }
    }

    fn is_number(&self) -> bool {
        let mut bytes = self.rest().bytes();
        match bytes.next() {
            Some(b'.') => bytes.next().is_some_and(|byte| byte.is_ascii_digit()),
            first => first.is_some_and(|byte| byte.is_ascii_digit()),
        }
    }

    fn number(&mut self) -> Result<Kind, Error> {
        if let Some(bracket) = &mut self.bracket {
            self.had_duration |= bracket.is_fresh;
            bracket.is_fresh = false;
        }
        let (kind, length) = match number::scan(self.rest(), self.compat) {
            number::Scanned::Number(length) => (Kind::Number, length),
            number::Scanned::Duration(length) => (Kind::Duration, length),
            number::Scanned::Neither(length) => {
                let written = self.rest()[..length].to_owned();
                let span = Span::new(self.at, self.at + length);
                let kind = match self.bracket {
                    Some(_) => ErrorKind::Duration(written),
                    None => ErrorKind::Number(written),
                };
                return Err(Error::new(kind, span));
            }
        };
        Ok(self.take(length, kind))
    }

    /// What Prometheus 2 has behind `[`.
    fn duration(&mut self) -> Result<Kind, Error> {
        if let Some(bracket) = &mut self.bracket {
            bracket.is_fresh = false;
        }
        match number::scan(self.rest(), self.compat) {
            number::Scanned::Duration(length) => Ok(self.take(length, Kind::Duration)),
            number::Scanned::Number(length) | number::Scanned::Neither(length) => {
                let end = self.at + length.max(self.peek().map_or(0, char::len_utf8));
                let span = Span::new(self.at, end);
                let written = self.text[span.range()].to_owned();
                Err(Error::new(ErrorKind::Duration(written), span))
            }
        }
    }

    fn string(&mut self, quote: char) -> Result<Kind, Error> {
        match text::length(self.rest(), quote) {
            Ok(length) => Ok(self.take(length, Kind::Text)),
            Err((length, kind)) => {
                let span = Span::new(self.at, self.at + length);
                Err(Error::new(kind, span))
            }
        }
    }
}

fn is_alpha(char: char) -> bool {
    char == '_' || char.is_ascii_alphabetic()
}
