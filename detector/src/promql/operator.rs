//! Operators and aggregations.

use std::fmt;

use crate::compat::Compat;

/// What stands between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `^`
    Pow,
    /// `atan2`
    Atan2,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `</`, of native histograms
    TrimUpper,
    /// `>/`, of native histograms
    TrimLower,
    /// `and`
    And,
    /// `or`
    Or,
    /// `unless`
    Unless,
}

impl Operator {
    /// Those that are words, in small letters.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "and" => Self::And,
            "or" => Self::Or,
            "unless" => Self::Unless,
            "atan2" => Self::Atan2,
            _ => return None,
        })
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::TrimUpper => "</",
            Self::TrimLower => ">/",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }

    /// Whether it is `==`, `!=`, `>`, `>=`, `<` or `<=`.
    #[must_use]
    pub fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::NotEqual
                | Self::Greater
                | Self::GreaterEqual
                | Self::Less
                | Self::LessEqual
        )
    }

    /// Whether it is `and`, `or` or `unless`.
    #[must_use]
    pub fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }

    /// How tightly it binds.
    pub(super) fn binding(self) -> Binding {
        match self {
            Self::Or => Binding::Or,
            Self::And | Self::Unless => Binding::And,
            Self::Add | Self::Sub => Binding::Sum,
            Self::Mul | Self::Div | Self::Mod | Self::Atan2 => Binding::Product,
            Self::Pow => Binding::Power,
            _ => Binding::Comparison,
        }
    }
}

/// How tightly operators bind, the loosest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Binding {
    Or,
    And,
    Comparison,
    Sum,
    Product,
    Power,
}

impl Binding {
    /// The loosest that an operand on the right may have: `^` takes the right side first, all others the left.
    pub(super) fn of_right_side(self) -> Self {
        match self {
            Self::Or => Self::And,
            Self::And => Self::Comparison,
            Self::Comparison => Self::Sum,
            Self::Sum => Self::Product,
            Self::Product | Self::Power => Self::Power,
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What puts many elements into one, or chooses some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregator {
    /// `avg`
    Avg,
    /// `bottomk`
    BottomK,
    /// `count`
    Count,
    /// `count_values`
    CountValues,
    /// `group`
    Group,
    /// `limitk`, experimental
    LimitK,
    /// `limit_ratio`, experimental
    LimitRatio,
    /// `max`
    Max,
    /// `min`
    Min,
    /// `quantile`
    Quantile,
    /// `stddev`
    Stddev,
    /// `stdvar`
    Stdvar,
    /// `sum`
    Sum,
    /// `topk`
    TopK,
}

impl Aggregator {
    const ALL: [Self; 14] = [
        Self::Avg,
        Self::BottomK,
        Self::Count,
        Self::CountValues,
        Self::Group,
        Self::LimitK,
        Self::LimitRatio,
        Self::Max,
        Self::Min,
        Self::Quantile,
        Self::Stddev,
        Self::Stdvar,
        Self::Sum,
        Self::TopK,
    ];

    /// In small letters.
    pub(super) fn of_word(word: &str, compat: Compat) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|op| op.as_str() == word)?;
        (compat == Compat::V3 || !found.is_experimental()).then_some(found)
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Avg => "avg",
            Self::BottomK => "bottomk",
            Self::Count => "count",
            Self::CountValues => "count_values",
            Self::Group => "group",
            Self::LimitK => "limitk",
            Self::LimitRatio => "limit_ratio",
            Self::Max => "max",
            Self::Min => "min",
            Self::Quantile => "quantile",
            Self::Stddev => "stddev",
            Self::Stdvar => "stdvar",
            Self::Sum => "sum",
            Self::TopK => "topk",
        }
    }

    /// Whether Prometheus 3 has to be asked for it.
    #[must_use]
    pub fn is_experimental(self) -> bool {
        matches!(self, Self::LimitK | Self::LimitRatio)
    }

    /// Whether it has a parameter before what it aggregates.
    #[must_use]
    pub fn has_parameter(self) -> bool {
        matches!(
            self,
            Self::BottomK
                | Self::CountValues
                | Self::LimitK
                | Self::LimitRatio
                | Self::Quantile
                | Self::TopK
        )
    }
}

impl fmt::Display for Aggregator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
