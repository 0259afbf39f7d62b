//! Why a text is no regular expression.

use std::fmt;

/// What is wrong with a regular expression, in the words of Go's `regexp/syntax`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// A range of characters the wrong way round, or a class that does not exist.
    InvalidCharRange,
    /// A backslash before something that it gives no meaning.
    InvalidEscape,
    /// A group's name that is none.
    InvalidNamedCapture,
    /// Something behind `(?` that is not known.
    InvalidPerlOp,
    /// A repetition of a repetition, such as `a**`.
    InvalidRepeatOp,
    /// A repetition of more than 1000 times, alone or together with those inside, or from more to less.
    InvalidRepeatSize,
    /// A `[` without an end.
    MissingBracket,
    /// A `(` without an end.
    MissingParen,
    /// A repetition of nothing.
    MissingRepeatArgument,
    /// A backslash before nothing.
    TrailingBackslash,
    /// A `)` without a beginning.
    UnexpectedParen,
    /// More than 1000 levels of nesting.
    NestingDepth,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidCharRange => "invalid character class range",
            Self::InvalidEscape => "invalid escape sequence",
            Self::InvalidNamedCapture => "invalid named capture",
            Self::InvalidPerlOp => "invalid or unsupported Perl syntax",
            Self::InvalidRepeatOp => "invalid nested repetition operator",
            Self::InvalidRepeatSize => "invalid repeat count",
            Self::MissingBracket => "missing closing ]",
            Self::MissingParen => "missing closing )",
            Self::MissingRepeatArgument => "missing argument to repetition operator",
            Self::TrailingBackslash => "trailing backslash at end of expression",
            Self::UnexpectedParen => "unexpected )",
            Self::NestingDepth => "expression nests too deeply",
        })
    }
}

/// Why a regular expression cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Go refuses it, too, in these words.
    #[error("error parsing regexp: {code}: `{text}`")]
    Syntax {
        /// What is wrong.
        code: Code,
        /// The part of the text that is wrong.
        text: String,
    },
    /// Its text has so many bytes.
    #[error("it is too long: {0} bytes; the limit is {max}", max = super::TEXT_MAX)]
    TooLong(usize),
    /// It nests deeper than the engine can be let compile it.
    #[error("it nests too deeply: the limit is {max} levels", max = super::DEPTH_MAX)]
    TooDeep,
    /// It would have about so many states.
    #[error("it is too large: about {0} states; the limit is {max}; repeat less often, or write fewer classes of characters", max = super::WEIGHT_MAX)]
    TooLarge(usize),
    /// The engine cannot take it, for this reason.
    #[error("it cannot be compiled: {0}")]
    Engine(String),
}
