//! From the tree of a text to what is evaluated; what cannot be evaluated exactly is refused.

mod call;
mod operator;
mod printed;

use super::matcher::{Matcher, Test};
use super::{
    At, Collected, Expr, Found, Keep, LabelsOnce, MapCall, MapFunction, Projection, RangeExpr,
    Reference, ScalarExpr, Selector, VectorExpr,
};
use crate::compat::Compat;
use crate::intern::{Memo, Places};
use crate::promql::{self, ErrorKind, Length, MatchOp, Moment, Series, Span};
use crate::regex::{Error, Parsed, Regex, WEIGHT_MAX};
use crate::sample::{Labels, METRIC_NAME};

/// How far back from its evaluation time an expression looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Range, offset and lookback, the longest combination.
    pub(crate) back_ms: i64,
    /// The earliest fixed point in time (`@ 1700000000`) that is looked at.
    pub(crate) earliest_ms: Option<i64>,
}

impl Reach {
    /// The reach of either of two expressions.
    pub(crate) fn merge(self, other: Self) -> Self {
        Self {
            back_ms: self.back_ms.max(other.back_ms),
            earliest_ms: match (self.earliest_ms, other.earliest_ms) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
        }
    }
}

/// A compiled expression and how far back it looks.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    pub(crate) expr: Expr,
    pub(crate) reach: Reach,
    /// How many selectors, operators, functions and literals it has.
    pub(crate) parts: usize,
    /// How large its regular expressions are; see [`Parsed::weight`].
    pub(crate) regexes: usize,
    /// The first experimental function in it, and where it stands.
    pub(crate) experimental: Option<(&'static str, Span)>,
}

impl Compiled {
    /// Refuses experimental functions unless they are enabled.
    pub(crate) fn if_enabled(self, enabled: bool) -> Result<Self> {
        match self.experimental {
            Some((name, span)) if !enabled => refuse(
                format!(
                    "{name}() is experimental and must be enabled with --enable-feature=promql-experimental-functions"
                ),
                span,
            ),
            _ => Ok(self),
        }
    }
}

/// Why an expression is not evaluated: it is none, or it cannot be done exactly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    pub(crate) message: String,
    /// The part of the text that is to blame.
    pub(crate) span: Span,
}

impl From<promql::Error> for Refusal {
    fn from(error: promql::Error) -> Self {
        Self {
            message: error.to_string(),
            span: error.span,
        }
    }
}

fn refuse<T>(message: impl Into<String>, span: Span) -> Result<T> {
    Err(Refusal {
        message: message.into(),
        span,
    })
}

type Result<T, E = Refusal> = std::result::Result<T, E>;

/// Compiles the text of an instant vector or scalar expression.
pub(crate) fn compile(text: &str, compat: Compat) -> Result<Compiled> {
    compile_parsed(&promql::parse(text, compat)?, compat)
}

/// Compiles the text of a rule, which Prometheus evaluates as it prints it.
pub(crate) fn compile_rule(text: &str, compat: Compat) -> Result<Compiled> {
    let parsed = promql::parse(text, compat)?;
    let compiled = compile_parsed(&parsed, compat)?;
    printed::check(&parsed, compat)?;
    Ok(compiled)
}

/// Compiles a tree, or a part of one that is evaluated when the whole is.
pub(crate) fn compile_parsed(parsed: &promql::Expr, compat: Compat) -> Result<Compiled> {
    let mut compiler = Compiler {
        compat,
        parts: 0,
        regexes: 0,
        experimental: None,
        start: Start::Back(0),
        reach: Reach::default(),
        fixed: 0,
        subqueries: 0,
    };
    let expr = match compiler.typed(parsed)? {
        Typed::Scalar(expr) => Expr::Scalar(expr),
        Typed::Vector(expr) => Expr::Vector(expr),
        Typed::Range(_) => {
            return refuse(
                "a range like x[5m] has no value of its own; apply a function such as rate() to it",
                parsed.span(),
            );
        }
        Typed::String => {
            return refuse(
                "the result of a rule is a vector or a number, not a string",
                parsed.span(),
            );
        }
    };
    Ok(Compiled {
        expr,
        reach: compiler.reach,
        parts: compiler.parts,
        regexes: compiler.regexes,
        experimental: compiler.experimental,
    })
}

/// The earliest time an enclosing subquery evaluates at.
#[derive(Debug, Clone, Copy)]
enum Start {
    /// So long before the evaluation time.
    Back(i64),
    Fixed(i64),
}

impl Start {
    fn seen_through(self, reference: &Reference, range_ms: i64) -> Self {
        let base = match reference.at {
            At::Evaluation => self,
            At::Query => Self::Back(0),
            At::Fixed(at_ms) => Self::Fixed(at_ms),
        };
        let shift = reference.offset_ms.saturating_add(range_ms);
        match base {
            Self::Back(ms) => Self::Back(ms.saturating_add(shift)),
            Self::Fixed(ms) => Self::Fixed(ms.saturating_sub(shift)),
        }
    }
}

/// An expression with its type.
enum Typed {
    Scalar(ScalarExpr),
    Vector(VectorExpr),
    Range(RangeExpr),
    String,
}

struct Compiler {
    compat: Compat,
    parts: usize,
    regexes: usize,
    experimental: Option<(&'static str, Span)>,
    start: Start,
    reach: Reach,
    /// How many `@` were met.
    fixed: usize,
    /// How many subqueries are around this.
    subqueries: usize,
}

impl Compiler {
    fn typed(&mut self, expr: &promql::Expr) -> Result<Typed> {
        self.parts += 1;
        Ok(match expr {
            promql::Expr::Paren(paren) => self.typed(&paren.expr)?,
            promql::Expr::Number(number) => Typed::Scalar(ScalarExpr::Number(number.value)),
            promql::Expr::String(_) => Typed::String,
            promql::Expr::Selector(selector) => {
                let selector = self.selector(selector, crate::LOOKBACK_MS)?;
                Typed::Vector(VectorExpr::Selector(selector))
            }
            promql::Expr::Range(range) => {
                let range_ms = millis(&range.range, range.span)?;
                Typed::Range(RangeExpr::Selector {
                    selector: self.selector(&range.selector, range_ms)?,
                    range_ms,
                })
            }
            promql::Expr::Subquery(subquery) => Typed::Range(self.subquery(subquery)?),
            promql::Expr::Unary(unary) => match self.typed(&unary.expr)? {
                Typed::Scalar(expr) if unary.is_negative => {
                    Typed::Scalar(ScalarExpr::Negate(Box::new(expr)))
                }
                Typed::Vector(of) if unary.is_negative => {
                    Typed::Vector(VectorExpr::Map(Box::new(MapCall {
                        function: MapFunction::Negate,
                        of,
                        seen: Places::default(),
                    })))
                }
                other => other,
            },
            promql::Expr::Aggregate(aggregate) => Typed::Vector(self.aggregate(aggregate)?),
            promql::Expr::Binary(binary) => self.binary(binary)?,
            promql::Expr::Call(call) => self.call(call)?,
        })
    }

    fn vector(&mut self, expr: &promql::Expr) -> Result<VectorExpr> {
        match self.typed(expr)? {
            Typed::Vector(vector) => Ok(vector),
            _ => mistyped(expr),
        }
    }

    fn scalar(&mut self, expr: &promql::Expr) -> Result<ScalarExpr> {
        match self.typed(expr)? {
            Typed::Scalar(scalar) => Ok(scalar),
            _ => mistyped(expr),
        }
    }

    fn range(&mut self, expr: &promql::Expr) -> Result<RangeExpr> {
        match self.typed(expr)? {
            Typed::Range(range) => Ok(range),
            _ => mistyped(expr),
        }
    }

    fn selector(&mut self, selector: &promql::Selector, range_ms: i64) -> Result<Box<Selector>> {
        let reference = reference(&selector.moment)?;
        self.fixed += usize::from(reference.at != At::Evaluation);
        match self.start.seen_through(&reference, range_ms) {
            Start::Back(ms) => self.reach.back_ms = self.reach.back_ms.max(ms),
            Start::Fixed(ms) => {
                self.reach = self.reach.merge(Reach {
                    back_ms: 0,
                    earliest_ms: Some(ms),
                });
            }
        }
        let mut matchers = self.matchers(&selector.matchers)?;
        let mut name = selector.name.clone();
        if name.is_none() {
            let is_name = |matcher: &Matcher| matcher.label == METRIC_NAME;
            let equal = |matcher: &Matcher| is_name(matcher) && matcher.equal_to().is_some();
            if let Some(place) = matchers.iter().position(equal) {
                name = matchers.remove(place).equal_to().map(str::to_owned);
            }
        }
        Ok(Box::new(Selector {
            text: Series(selector).to_string(),
            name: name.map(Into::into),
            matchers,
            reference,
            found: Found::default(),
        }))
    }

    fn matchers(&mut self, matchers: &[promql::LabelMatcher]) -> Result<Vec<Matcher>> {
        let compiled = matchers.iter().map(|matcher| {
            let value = &matcher.value;
            Ok(Matcher {
                label: matcher.label.clone(),
                test: match matcher.op {
                    MatchOp::Equal => Test::Equal(value.clone()),
                    MatchOp::NotEqual => Test::NotEqual(value.clone()),
                    MatchOp::Regex => Test::Regex(self.matcher_regex(value, matcher.span)?),
                    MatchOp::NotRegex => Test::NotRegex(self.matcher_regex(value, matcher.span)?),
                },
            })
        });
        compiled.collect()
    }

    /// Notes a function that has to be enabled.
    fn experimental(&mut self, name: &'static str, span: Span) {
        self.experimental.get_or_insert((name, span));
    }

    /// Compiles the regular expression `pattern`, which `parsed` is.
    fn regex(&mut self, pattern: &str, parsed: Result<Parsed, Error>, span: Span) -> Result<Regex> {
        let refused = |error: Error| Refusal {
            message: ErrorKind::regex(pattern, &error).to_string(),
            span,
        };
        let parsed = parsed.map_err(refused)?;
        self.regexes = self.regexes.saturating_add(parsed.weight());
        if self.regexes > WEIGHT_MAX {
            let message = format!(
                "the regular expressions of the expression are too large: about {} states; the limit is {WEIGHT_MAX}; \
                 repeat less often, or split the rule",
                self.regexes
            );
            return refuse(message, span);
        }
        parsed.compile().map_err(refused)
    }

    fn matcher_regex(&mut self, pattern: &str, span: Span) -> Result<Regex> {
        self.regex(pattern, Parsed::matcher(pattern, self.compat), span)
    }

    fn subquery(&mut self, subquery: &promql::Subquery) -> Result<RangeExpr> {
        let span = subquery.span;
        let reference = reference(&subquery.moment)?;
        let range_ms = millis(&subquery.range, span)?;
        let step = subquery.step.as_ref();
        let step_ms = step.map(|step| millis(step, span)).transpose()?;
        let outer = self.start;
        self.start = outer.seen_through(&reference, range_ms);
        let fixed_before = self.fixed;
        self.subqueries += 1;
        let of = self.vector(&subquery.expr)?;
        self.subqueries -= 1;
        self.start = outer;
        if self.fixed > fixed_before && reference.offset_ms < 0 {
            // `promql/engine.go`: what `@` needs is worked out anew for the subquery's first step, except when that is the
            // evaluation time, and then the subquery's offset is taken for the selector's.
            return refuse(
                "`@` inside a subquery with a negative offset is a defect of Prometheus: what it finds depends on \
                 whether a step falls on the evaluation time",
                span,
            );
        }
        self.fixed += usize::from(reference.at != At::Evaluation);
        Ok(RangeExpr::Subquery {
            of: Box::new(of),
            range_ms,
            step_ms,
            reference,
            collected: Collected::default(),
        })
    }
}

/// What the checks of [`promql::parse`] rule out.
fn mistyped<T>(expr: &promql::Expr) -> Result<T> {
    refuse(format!("{expr} is of the wrong type"), expr.span())
}

/// A range or step in milliseconds.
fn millis(length: &Length, span: Span) -> Result<i64> {
    match length.positive_ms()? {
        0 => refuse(
            "ranges and steps of less than a millisecond are not supported",
            span,
        ),
        ms => Ok(ms),
    }
}

fn reference(moment: &Moment) -> Result<Reference> {
    Ok(Reference {
        at: match moment.at {
            None => At::Evaluation,
            Some(promql::At::Start | promql::At::End) => At::Query,
            Some(promql::At::Time(ms)) => At::Fixed(ms),
        },
        offset_ms: moment.offset.ms()?,
    })
}

impl Projection {
    pub(super) fn new(keep: Keep) -> Self {
        Self {
            keep,
            memo: Memo::default(),
        }
    }
}

impl LabelsOnce {
    fn new(labels: Labels) -> Self {
        Self { labels, id: None }
    }
}

/// The string in a literal, also within parentheses.
fn string<'e>(expr: &'e promql::Expr, what: &str) -> Result<&'e str> {
    match expr.bare() {
        promql::Expr::String(string) => Ok(&string.value),
        other => refuse(
            format!("{what} needs a string that is written out"),
            other.span(),
        ),
    }
}
