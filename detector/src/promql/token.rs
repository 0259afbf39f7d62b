//! What an expression's text is made of.

use super::operator::{Aggregator, Operator};
use super::span::Span;
use crate::compat::Compat;

/// One token, comments and blanks left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The end of the text; its span is empty.
    End,
    Comma,
    Colon,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    /// `@`
    At,
    /// `=`
    Assign,
    /// `=~`
    MatchesRegex,
    /// `!~`
    MatchesNotRegex,
    /// Signs and words alike; `!=` is one inside braces, too.
    Operator(Operator),
    Aggregator(Aggregator),
    Keyword(Keyword),
    /// A name without colons that is no keyword.
    Identifier,
    /// A name with colons.
    MetricIdentifier,
    /// A number, `Inf` and `NaN` included.
    Number,
    Duration,
    /// A string with its quotes.
    Text,
}

/// Words with a meaning that depends on where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    Offset,
    Anchored,
    Smoothed,
    By,
    Without,
    On,
    Ignoring,
    GroupLeft,
    GroupRight,
    Bool,
    Fill,
    FillLeft,
    FillRight,
    Start,
    End,
    Step,
    Range,
    MaxOf,
    MinOf,
}

impl Keyword {
    /// Whether it is one of what durations are computed from.
    pub(super) fn is_of_durations(self) -> bool {
        matches!(self, Self::Step | Self::Range | Self::MaxOf | Self::MinOf)
    }

    /// Whether it names a function, too.
    pub(super) fn is_function(self) -> bool {
        self.is_of_durations() || matches!(self, Self::Start | Self::End)
    }

    pub(super) fn is_fill(self) -> bool {
        matches!(self, Self::Fill | Self::FillLeft | Self::FillRight)
    }
}

impl Kind {
    /// What a word is outside of braces, in whatever case it is written.
    pub(super) fn of_word(word: &str, compat: Compat) -> Self {
        let lower = word.to_ascii_lowercase();
        let keyword = match lower.as_str() {
            "offset" => Keyword::Offset,
            "by" => Keyword::By,
            "without" => Keyword::Without,
            "on" => Keyword::On,
            "ignoring" => Keyword::Ignoring,
            "group_left" => Keyword::GroupLeft,
            "group_right" => Keyword::GroupRight,
            "bool" => Keyword::Bool,
            "start" => Keyword::Start,
            "end" => Keyword::End,
            "inf" | "nan" => return Self::Number,
            other => match Self::of_later_word(other, compat) {
                Some(keyword) => keyword,
                None => {
                    return if let Some(op) = Operator::of_word(other) {
                        Self::Operator(op)
                    } else if let Some(op) = Aggregator::of_word(other, compat) {
                        Self::Aggregator(op)
                    } else if word.contains(':') {
                        Self::MetricIdentifier
                    } else {
                        Self::Identifier
                    };
                }
            },
        };
        Self::Keyword(keyword)
    }

    /// Keywords that Prometheus 2 does not know.
    fn of_later_word(word: &str, compat: Compat) -> Option<Keyword> {
        let keyword = match word {
            "anchored" => Keyword::Anchored,
            "smoothed" => Keyword::Smoothed,
            "fill" => Keyword::Fill,
            "fill_left" => Keyword::FillLeft,
            "fill_right" => Keyword::FillRight,
            "step" => Keyword::Step,
            "range" => Keyword::Range,
            "max_of" => Keyword::MaxOf,
            "min_of" => Keyword::MinOf,
            _ => return None,
        };
        (compat == Compat::V3).then_some(keyword)
    }

    /// Whether it can be a metric's name.
    pub(super) fn is_metric_name(self) -> bool {
        match self {
            Self::Identifier | Self::MetricIdentifier | Self::Aggregator(_) => true,
            Self::Operator(op) => op.is_set(),
            Self::Keyword(keyword) => !matches!(
                keyword,
                Keyword::Bool
                    | Keyword::On
                    | Keyword::Ignoring
                    | Keyword::GroupLeft
                    | Keyword::GroupRight
            ),
            _ => false,
        }
    }

    /// Whether it can be a label in a list like that of `by`.
    pub(super) fn is_label(self) -> bool {
        match self {
            Self::Identifier | Self::MetricIdentifier | Self::Aggregator(_) => true,
            Self::Operator(op) => op.is_set() || op == Operator::Atan2,
            Self::Keyword(keyword) => keyword != Keyword::Without,
            _ => false,
        }
    }

    /// Whether an expression can begin with it.
    pub(super) fn begins_expression(self) -> bool {
        match self {
            Self::LeftParen | Self::LeftBrace | Self::Number | Self::Duration | Self::Text => true,
            Self::Operator(Operator::Add | Operator::Sub) => true,
            other => other.is_metric_name(),
        }
    }
}
