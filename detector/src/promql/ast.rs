//! An expression as a tree. Every node knows which part of the text it is.

use super::function::{Function, ValueType};
use super::length::Length;
use super::operator::{Aggregator, Operator};
use super::span::Span;

/// An expression. Displayed, it is as Prometheus prints it.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// `sum by (a) (m)`
    Aggregate(Aggregate),
    /// `a + b`
    Binary(Binary),
    /// `rate(m[5m])`
    Call(Call),
    /// `5`, `5m`
    Number(Number),
    /// `(a)`
    Paren(Paren),
    /// `m{a="b"}`
    Selector(Selector),
    /// `m[5m]`
    Range(RangeSelector),
    /// `"a"`
    String(StringLiteral),
    /// `m[5m:1m]`
    Subquery(Subquery),
    /// `-m`
    Unary(Unary),
}

/// An aggregation.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Which one.
    pub op: Aggregator,
    /// What it has before what it aggregates, as `topk` has a number.
    pub param: Option<Box<Expr>>,
    /// What it aggregates.
    pub expr: Box<Expr>,
    /// Which labels stay; `None`: none of them.
    pub grouping: Option<Grouping>,
    /// All of it.
    pub span: Span,
}

/// Which labels make a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grouping {
    /// These.
    By(Vec<String>),
    /// All others.
    Without(Vec<String>),
}

/// Two operands and what is between them.
#[derive(Debug, Clone, PartialEq)]
pub struct Binary {
    /// The operator.
    pub op: Operator,
    /// Where the operator stands.
    pub op_span: Span,
    /// Whether a comparison says 0 or 1.
    pub returns_bool: bool,
    /// Which elements belong together; nothing is said of that but between two instant vectors.
    pub matching: Matching,
    /// The operand on the left.
    pub lhs: Box<Expr>,
    /// The operand on the right.
    pub rhs: Box<Expr>,
    /// All of it.
    pub span: Span,
}

/// How elements of two vectors are matched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matching {
    /// By which labels.
    pub labels: MatchingLabels,
    /// `group_left` or `group_right`.
    pub group: Option<Group>,
}

/// Which labels are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MatchingLabels {
    /// `on`: these.
    On(Vec<String>),
    /// `ignoring`: all others.
    Ignoring(Vec<String>),
}

impl Default for MatchingLabels {
    fn default() -> Self {
        Self::Ignoring(Vec::new())
    }
}

/// Many elements that match one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The side that may have many.
    pub many: Side,
    /// What the result takes from the other side.
    pub include: Vec<String>,
}

/// A side of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The left one.
    Left,
    /// The right one.
    Right,
}

/// A function and what it is applied to.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The function.
    pub function: &'static Function,
    /// Where its name stands.
    pub name_span: Span,
    /// The arguments.
    pub args: Vec<Expr>,
    /// All of it.
    pub span: Span,
}

/// A number that is written out.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// Its value, that of a duration in seconds. A sign belongs to it.
    pub value: f64,
    /// Whether it was written as a duration.
    pub is_duration: bool,
    /// All of it.
    pub span: Span,
}

/// Something in parentheses.
#[derive(Debug, Clone, PartialEq)]
pub struct Paren {
    /// What is in them.
    pub expr: Box<Expr>,
    /// All of it.
    pub span: Span,
}

/// A text that is written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringLiteral {
    /// What it stands for.
    pub value: String,
    /// All of it, with its quotes.
    pub span: Span,
}

/// A sign and what it stands before.
#[derive(Debug, Clone, PartialEq)]
pub struct Unary {
    /// `-`, or else `+`.
    pub is_negative: bool,
    /// The operand.
    pub expr: Box<Expr>,
    /// All of it.
    pub span: Span,
}

/// The newest samples of series.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    /// The name before the braces; one within them is a matcher.
    pub name: Option<String>,
    /// What is within the braces, in the order written.
    pub matchers: Vec<LabelMatcher>,
    /// From when.
    pub moment: Moment,
    /// All of it.
    pub span: Span,
}

/// What a label must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelMatcher {
    /// The label.
    pub label: String,
    /// How it is compared.
    pub op: MatchOp,
    /// With what.
    pub value: String,
    /// All of it.
    pub span: Span,
}

/// See [`LabelMatcher`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

/// At what time something is looked at.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Moment {
    /// `@`
    pub at: Option<At>,
    /// `offset`
    pub offset: Length,
}

/// What stands behind `@`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Milliseconds since the Unix epoch.
    Time(i64),
    /// `start()`
    Start,
    /// `end()`
    End,
}

/// The samples of series within a range of time.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeSelector {
    /// Which series, and when the range ends.
    pub selector: Selector,
    /// How long it is.
    pub range: Length,
    /// All of it.
    pub span: Span,
}

/// The values of an expression within a range of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Subquery {
    /// The expression.
    pub expr: Box<Expr>,
    /// How long the range is.
    pub range: Length,
    /// From value to value; `None`: Prometheus' evaluation interval.
    pub step: Option<Length>,
    /// When the range ends.
    pub moment: Moment,
    /// All of it.
    pub span: Span,
}

impl Expr {
    /// Which part of the text it is.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Aggregate(aggregate) => aggregate.span,
            Self::Binary(binary) => binary.span,
            Self::Call(call) => call.span,
            Self::Number(number) => number.span,
            Self::Paren(paren) => paren.span,
            Self::Selector(selector) => selector.span,
            Self::Range(range) => range.span,
            Self::String(string) => string.span,
            Self::Subquery(subquery) => subquery.span,
            Self::Unary(unary) => unary.span,
        }
    }

    /// What it is made of, in the order written.
    #[must_use]
    pub fn children(&self) -> Vec<&Self> {
        match self {
            Self::Number(_) | Self::String(_) | Self::Selector(_) | Self::Range(_) => Vec::new(),
            Self::Aggregate(aggregate) => {
                let param = aggregate.param.iter();
                param.chain([&aggregate.expr]).map(AsRef::as_ref).collect()
            }
            Self::Binary(binary) => vec![&binary.lhs, &binary.rhs],
            Self::Call(call) => call.args.iter().collect(),
            Self::Paren(paren) => vec![&paren.expr],
            Self::Subquery(subquery) => vec![&subquery.expr],
            Self::Unary(unary) => vec![&unary.expr],
        }
    }

    /// Its own ranges, steps and offsets, not those of what it is made of.
    #[must_use]
    pub fn lengths(&self) -> Vec<&Length> {
        match self {
            Self::Selector(selector) => vec![&selector.moment.offset],
            Self::Range(range) => vec![&range.range, &range.selector.moment.offset],
            Self::Subquery(subquery) => {
                let step = subquery.step.iter();
                [&subquery.range]
                    .into_iter()
                    .chain(step)
                    .chain([&subquery.moment.offset])
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// What it is once evaluated.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Number(_) => ValueType::Scalar,
            Self::String(_) => ValueType::String,
            Self::Selector(_) | Self::Aggregate(_) => ValueType::Vector,
            Self::Range(_) | Self::Subquery(_) => ValueType::Matrix,
            Self::Call(call) => call.function.result,
            Self::Paren(paren) => paren.expr.value_type(),
            Self::Unary(unary) => unary.expr.value_type(),
            Self::Binary(binary) => match (binary.lhs.value_type(), binary.rhs.value_type()) {
                (ValueType::Scalar, ValueType::Scalar) => ValueType::Scalar,
                _ => ValueType::Vector,
            },
        }
    }

    /// Without the parentheses around it.
    #[must_use]
    pub fn bare(&self) -> &Self {
        match self {
            Self::Paren(paren) => paren.expr.bare(),
            other => other,
        }
    }
}

impl Binary {
    /// Whether it lets elements through, or not.
    #[must_use]
    pub fn filters(&self) -> bool {
        self.op.is_comparison() && !self.returns_bool
    }
}
