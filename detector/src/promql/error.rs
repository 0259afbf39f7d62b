//! What is wrong with an expression, and where.

use std::borrow::Cow;

use thiserror::Error;

use super::function::ValueType;
use super::span::Span;
use crate::duration;
use crate::regex;

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind}")]
pub struct Error {
    /// What is the matter.
    pub kind: ErrorKind,
    /// The part of the text it is about; where the text ends too early, its last token.
    pub span: Span,
    /// The byte that Prometheus' own message points at. It is where `span` starts, but for brackets without their other half
    /// and a text that ends too early: there Prometheus points behind what it has read.
    pub at: usize,
}

impl Error {
    pub(super) fn new(kind: ErrorKind, span: Span) -> Self {
        Self {
            kind,
            span,
            at: span.start,
        }
    }

    /// The line and the column in bytes, both from 1 on, at which Prometheus finds it in `text`.
    #[must_use]
    pub fn line_and_column(&self, text: &str) -> (usize, usize) {
        let before = &text.as_bytes()[..self.at.min(text.len())];
        let breaks = before.iter().filter(|byte| **byte == b'\n').count();
        let line_start = before.iter().rposition(|byte| *byte == b'\n');
        (
            breaks + 1,
            before.len() - line_start.map_or(0, |at| at + 1) + 1,
        )
    }
}

/// See [`struct@Error`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Blanks and comments alone.
    #[error("there is no expression")]
    Empty,
    /// More than this reader takes.
    #[error("expression is longer than {0} bytes")]
    TooLong(usize),
    /// More than this reader takes.
    #[error("expression has more than {0} names, operators and brackets")]
    TooMany(usize),
    /// More than this reader takes.
    #[error("expression is nested more than {0} levels deep")]
    TooDeep(usize),
    /// A character that no token begins with, or goes on with.
    #[error("cannot parse the expression: unexpected character: {0:?}")]
    Character(char),
    /// The same where there are matchers.
    #[error("cannot parse the expression: unexpected character inside braces: {0:?}")]
    CharacterInBraces(char),
    /// A token that cannot stand where it does.
    #[error("cannot parse the expression: expected {expected}, found {found}")]
    Unexpected {
        /// As written.
        found: String,
        /// What can stand there.
        expected: &'static str,
    },
    /// A bracket that nothing closes.
    #[error("cannot parse the expression: {0} has no end")]
    Unclosed(char),
    /// A bracket that closes nothing.
    #[error("cannot parse the expression: {0} closes nothing")]
    Unopened(char),
    /// A string without its last quote.
    #[error("string that starts with {0} has no end")]
    EndlessString(char),
    /// A backslash with something behind it that has no meaning.
    #[error("a string has the unknown escape {0}")]
    Escape(String),
    /// Bytes in a string that are no text.
    #[error("the string {0} is not valid UTF-8")]
    NotUtf8(String),
    /// Something that begins with a digit and is no number.
    #[error("{0:?} is not a number")]
    Number(String),
    /// A number beyond those there are.
    #[error("{0:?} is too large for a number")]
    TooLarge(String),
    /// Something in the place of a duration.
    #[error("{0:?} is not a duration; accepted are {accepted}", accepted = duration::ACCEPTED)]
    Duration(String),
    /// A duration that is 0, or negative.
    #[error("a duration must be greater than 0")]
    NotPositive,
    /// A duration divided by 0.
    #[error("a duration cannot be divided by 0")]
    ByZero,
    /// A power that Go's `math.Pow` comes near to, and so do we, but not to the same last digit.
    #[error(
        "a duration with a power of {0} is not supported: it may come out otherwise than in Prometheus by a millisecond or more; write it out"
    )]
    Power(String),
    /// A length of time beyond 292 years, or a moment after `@` that far away.
    #[error("{0} is out of bounds")]
    OutOfBounds(&'static str),
    /// What another generation has, and this one has not.
    #[error("{0} not known to Prometheus 2")]
    Later(&'static str),
    /// A duration that is computed, for Prometheus 2.
    #[error(
        "durations that are computed are not known to Prometheus 2; Prometheus 3 has them, before 3.14 with \
         --enable-feature=promql-duration-expr"
    )]
    ComputedDuration,
    /// What Prometheus 3 has to be asked for, and we do not have.
    #[error("{0} experimental and not supported")]
    Experimental(&'static str),
    /// A function that does not exist, and what to take in its place.
    #[error("unknown function with name '{name}'{}", hint(.instead))]
    UnknownFunction {
        /// As written.
        name: String,
        /// What it is called, or one that is called alike.
        instead: Option<&'static str>,
    },
    /// Too many or too few arguments.
    #[error("{name}() takes {takes}, not {given}")]
    Arguments {
        /// The function's name.
        name: &'static str,
        /// How many it takes.
        takes: String,
        /// How many there are.
        given: usize,
    },
    /// Something of a type that cannot stand there.
    #[error("{what} needs {wanted}, not {found}")]
    Type {
        /// What it is given to.
        what: String,
        /// What it takes.
        wanted: &'static str,
        /// What there is.
        found: ValueType,
    },
    /// A regular expression that is none.
    #[error("regular expression {:?}: {}", short(.pattern), short(.why))]
    Regex {
        /// As written, without its quotes.
        pattern: String,
        /// In Go's words where Go refuses it.
        why: String,
    },
    /// What the grammar lets through and Prometheus refuses.
    #[error("{0}")]
    Meaning(String),
}

impl ErrorKind {
    pub(crate) fn regex(pattern: &str, why: &regex::Error) -> Self {
        Self::Regex {
            pattern: pattern.to_owned(),
            why: why.to_string(),
        }
    }
}

fn hint(instead: &Option<&'static str>) -> String {
    instead.map_or(String::new(), |name| format!("; do you mean {name}?"))
}

/// A text as far as it can be shown in a line.
pub(super) fn short(text: &str) -> Cow<'_, str> {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]).into(),
        None => text.into(),
    }
}
