//! From the parser's tree to ours: types are checked, and what cannot be evaluated exactly is refused.

mod call;
mod operator;

use std::borrow::Cow;

use promql_parser::label::MatchOp;
use promql_parser::parser::{self, AtModifier, Offset, token};

use super::matcher::{Matcher, Test};
use super::{
    At, Collected, Expr, Found, Keep, LabelsOnce, MapCall, MapFunction, Projection, RangeExpr,
    Reference, ScalarExpr, Selector, VectorExpr, scan,
};
use crate::compat::Compat;
use crate::intern::{Memo, Places};
use crate::regex::{Error, Parsed, Regex, WEIGHT_MAX};
use crate::sample::{Labels, METRIC_NAME};

/// Deepest nesting of an expression; a chain of binary operators nests once per operator.
const MAX_DEPTH: usize = 100;

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
    /// The first experimental function in it.
    pub(crate) experimental: Option<String>,
}

impl Compiled {
    /// Refuses experimental functions unless they are enabled.
    pub(crate) fn if_enabled(self, enabled: bool) -> Result<Self, String> {
        match &self.experimental {
            Some(name) if !enabled => Err(not_enabled(name)),
            _ => Ok(self),
        }
    }
}

fn not_enabled(name: &str) -> String {
    format!(
        "{name}() is experimental and must be enabled with --enable-feature=promql-experimental-functions"
    )
}

/// Compiles the text of an instant vector or scalar expression; the error says what is wrong with it.
pub(crate) fn compile(text: &str, compat: Compat) -> Result<Compiled, String> {
    compile_parsed(&parse(text, compat)?, compat)
}

/// The parser's tree of a text.
pub(crate) fn parse(text: &str, compat: Compat) -> Result<parser::Expr, String> {
    let prepared = scan::prepare(text, compat)?;
    let mut parsed = parser::parse(&prepared).map_err(|error| explain(&prepared, error))?;
    scan::shown(&mut parsed);
    Ok(parsed)
}

/// Compiles a tree, or a part of one that is evaluated when the whole is.
pub(crate) fn compile_parsed(parsed: &parser::Expr, compat: Compat) -> Result<Compiled, String> {
    let mut compiler = Compiler {
        compat,
        depth: 0,
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
            return Err(
                "a range like x[5m] has no value of its own; apply a function such as rate() to it"
                    .into(),
            );
        }
        Typed::String => {
            return Err("the result of a rule is a vector or a number, not a string".into());
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

/// Adds advice to the parser's message where there is some.
fn explain(text: &str, error: String) -> String {
    if error.contains("holt_winters") {
        return "unknown function with name 'holt_winters'; Prometheus 3 calls it double_exponential_smoothing"
            .into();
    }
    if text.trim().is_empty() {
        return "there is no expression".into();
    }
    let error = error.trim();
    format!("cannot parse the expression: {error}")
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

impl Typed {
    fn describe(&self) -> &'static str {
        match self {
            Self::Scalar(_) => "a number",
            Self::Vector(_) => "an instant vector",
            Self::Range(_) => "a range",
            Self::String => "a string",
        }
    }
}

struct Compiler {
    compat: Compat,
    depth: usize,
    parts: usize,
    regexes: usize,
    experimental: Option<String>,
    start: Start,
    reach: Reach,
    /// How many `@` were met.
    fixed: usize,
    /// How many subqueries are around this.
    subqueries: usize,
}

type Result<T, E = String> = std::result::Result<T, E>;

impl Compiler {
    fn typed(&mut self, expr: &parser::Expr) -> Result<Typed> {
        self.depth += 1;
        self.parts += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!(
                "expression is nested more than {MAX_DEPTH} levels deep"
            ));
        }
        let typed = match expr {
            parser::Expr::Paren(paren) => self.typed(&paren.expr)?,
            parser::Expr::NumberLiteral(number) => Typed::Scalar(ScalarExpr::Number(number.val)),
            parser::Expr::StringLiteral(_) => Typed::String,
            parser::Expr::VectorSelector(selector) => {
                let selector = self.selector(selector, crate::LOOKBACK_MS)?;
                Typed::Vector(VectorExpr::Selector(selector))
            }
            parser::Expr::MatrixSelector(matrix) => {
                let range_ms = millis(matrix.range)?;
                Typed::Range(RangeExpr::Selector {
                    selector: self.selector(&matrix.vs, range_ms)?,
                    range_ms,
                })
            }
            parser::Expr::Subquery(subquery) => Typed::Range(self.subquery(subquery)?),
            parser::Expr::Unary(unary) => match self.typed(&unary.expr)? {
                Typed::Scalar(expr) => Typed::Scalar(ScalarExpr::Negate(Box::new(expr))),
                Typed::Vector(of) => Typed::Vector(VectorExpr::Map(Box::new(MapCall {
                    function: MapFunction::Negate,
                    of,
                    seen: Places::default(),
                }))),
                other => return Err(format!("- cannot be applied to {}", other.describe())),
            },
            parser::Expr::Aggregate(aggregate) => Typed::Vector(self.aggregate(aggregate)?),
            parser::Expr::Binary(binary) => self.binary(binary)?,
            parser::Expr::Call(call) => self.call(call)?,
            parser::Expr::Extension(_) => return Err("extensions are not supported".into()),
        };
        self.depth -= 1;
        Ok(typed)
    }

    fn vector(&mut self, expr: &parser::Expr, what: &str) -> Result<VectorExpr> {
        match self.typed(expr)? {
            Typed::Vector(vector) => Ok(vector),
            other => Err(format!(
                "{what} needs an instant vector, not {}",
                other.describe()
            )),
        }
    }

    fn scalar(&mut self, expr: &parser::Expr, what: &str) -> Result<ScalarExpr> {
        match self.typed(expr)? {
            Typed::Scalar(scalar) => Ok(scalar),
            other => Err(format!("{what} needs a number, not {}", other.describe())),
        }
    }

    fn range(&mut self, expr: &parser::Expr, what: &str) -> Result<RangeExpr> {
        match self.typed(expr)? {
            Typed::Range(range) => Ok(range),
            other => Err(format!(
                "{what} needs a range like x[5m], not {}",
                other.describe()
            )),
        }
    }

    fn selector(
        &mut self,
        selector: &parser::VectorSelector,
        range_ms: i64,
    ) -> Result<Box<Selector>> {
        let reference = reference(selector.offset.as_ref(), selector.at.as_ref())?;
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
        if !selector.matchers.or_matchers.is_empty() {
            return Err("`or` between matchers is not Prometheus syntax".into());
        }
        let mut name = selector.name.clone();
        let mut matchers = Vec::new();
        for matcher in &selector.matchers.matchers {
            let test = match &matcher.op {
                MatchOp::Equal if matcher.name == METRIC_NAME && name.is_none() => {
                    name = Some(matcher.value.clone());
                    continue;
                }
                MatchOp::Equal => Test::Equal(matcher.value.clone()),
                MatchOp::NotEqual => Test::NotEqual(matcher.value.clone()),
                MatchOp::Re(_) => Test::Regex(self.matcher_regex(&matcher.value)?),
                MatchOp::NotRe(_) => Test::NotRegex(self.matcher_regex(&matcher.value)?),
            };
            matchers.push(Matcher {
                label: matcher.name.clone(),
                test,
            });
        }
        // Asked again here because our regular expressions may judge the empty string differently.
        if name.as_deref().unwrap_or("").is_empty() && matchers.iter().all(|m| m.accepts("")) {
            return Err(
                "a selector needs a name or a matcher that does not match the empty string".into(),
            );
        }
        let mut text = selector.name.clone().unwrap_or_default();
        if !selector.matchers.matchers.is_empty() {
            text.push_str(&format!("{{{}}}", selector.matchers));
        }
        Ok(Box::new(Selector {
            text,
            name: name.map(Into::into),
            matchers,
            reference,
            found: Found::default(),
        }))
    }

    /// Notes a function that has to be enabled in Prometheus 3 and that Prometheus 2 does not know.
    fn experimental(&mut self, name: &str) -> Result<()> {
        // `holt_winters` goes by its later name here.
        if self.compat == Compat::V2 && name != "double_exponential_smoothing" {
            return Err(format!("unknown function with name '{name}'"));
        }
        if self.compat == Compat::V3 && self.experimental.is_none() {
            self.experimental = Some(name.to_owned());
        }
        Ok(())
    }

    /// Compiles the regular expression `pattern`, which `parsed` is.
    fn regex(&mut self, pattern: &str, parsed: Result<Parsed, Error>) -> Result<Regex> {
        let refused = |error: Error| {
            format!(
                "regular expression {:?}: {}",
                short(pattern),
                short(&error.to_string())
            )
        };
        let parsed = parsed.map_err(refused)?;
        self.regexes = self.regexes.saturating_add(parsed.weight());
        if self.regexes > WEIGHT_MAX {
            return Err(format!(
                "the regular expressions of the expression are too large: about {} states; the limit is {WEIGHT_MAX}; \
                 repeat less often, or split the rule",
                self.regexes
            ));
        }
        parsed.compile().map_err(refused)
    }

    fn matcher_regex(&mut self, pattern: &str) -> Result<Regex> {
        self.regex(pattern, Parsed::matcher(pattern, self.compat))
    }

    fn subquery(&mut self, subquery: &parser::SubqueryExpr) -> Result<RangeExpr> {
        let reference = reference(subquery.offset.as_ref(), subquery.at.as_ref())?;
        let range_ms = millis(subquery.range)?;
        let step_ms = subquery.step.map(millis).transpose()?;
        let outer = self.start;
        self.start = outer.seen_through(&reference, range_ms);
        let fixed_before = self.fixed;
        self.subqueries += 1;
        let of = self.vector(&subquery.expr, "a subquery")?;
        self.subqueries -= 1;
        self.start = outer;
        if self.fixed > fixed_before && reference.offset_ms < 0 {
            // `promql/engine.go`: what `@` needs is worked out anew for the subquery's first step, except when that is the
            // evaluation time, and then the subquery's offset is taken for the selector's.
            return Err("`@` inside a subquery with a negative offset is a defect of Prometheus: what it finds depends on \
                 whether a step falls on the evaluation time"
                .into());
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

/// A range or step in milliseconds.
fn millis(duration: std::time::Duration) -> Result<i64> {
    match i64::try_from(duration.as_millis()) {
        Ok(ms) if ms > 0 => Ok(ms),
        Ok(_) => Err("a duration must be greater than 0".into()),
        Err(_) => Err("a duration is too long".into()),
    }
}

fn reference(offset: Option<&Offset>, at: Option<&AtModifier>) -> Result<Reference> {
    let offset_ms = match offset {
        None => 0,
        Some(Offset::Pos(duration)) => millis(*duration)?,
        Some(Offset::Neg(duration)) => -millis(*duration)?,
    };
    let at = match at {
        None => At::Evaluation,
        Some(AtModifier::Start | AtModifier::End) => At::Query,
        Some(AtModifier::At(time)) => {
            let out_of_bounds = "the time after @ is out of bounds";
            let ms = match time.duration_since(std::time::UNIX_EPOCH) {
                Ok(after) => i64::try_from(after.as_millis()).map_err(|_| out_of_bounds)?,
                Err(before) => {
                    -i64::try_from(before.duration().as_millis()).map_err(|_| out_of_bounds)?
                }
            };
            At::Fixed(ms)
        }
    };
    Ok(Reference { at, offset_ms })
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

/// A text as far as it can be shown in a line.
fn short(text: &str) -> Cow<'_, str> {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]).into(),
        None => text.into(),
    }
}

/// The string in a literal, also within parentheses.
fn string(expr: &parser::Expr, what: &str) -> Result<String> {
    match expr {
        parser::Expr::Paren(paren) => string(&paren.expr, what),
        parser::Expr::StringLiteral(string) => Ok(string.val.clone()),
        _ => Err(format!("{what} needs a string")),
    }
}

/// Whether `name` may be a label in rules and label functions.
pub(crate) fn is_label_name(name: &str, compat: Compat) -> bool {
    match compat {
        Compat::V3 => !name.is_empty(),
        Compat::V2 => {
            let starts = |b: u8| b.is_ascii_alphabetic() || b == b'_';
            name.bytes().next().is_some_and(starts)
                && name.bytes().all(|b| starts(b) || b.is_ascii_digit())
        }
    }
}

/// The token's spelling, for dispatch.
pub(crate) fn spelling(op: token::TokenType) -> String {
    op.to_string()
}
