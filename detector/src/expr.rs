//! The compiled form of a PromQL expression: a tree whose types say what may stand where.
//!
//! Nodes that map label sets to label sets remember their answers, so a tree is changed by evaluating it.

pub(crate) mod compile;
pub(crate) mod matcher;
pub(crate) mod shadow;
pub(crate) mod share;
pub(crate) mod threshold;
mod visit;

use std::sync::Arc;

use crate::compat::Compat;
use crate::eval::ratio::Offsets;
use crate::intern::{LabelsId, Memo, Places};
use crate::regex::{Regex, Template};
use crate::sample::Labels;
use crate::store::{Cursor, Point};
use matcher::Matcher;

/// A whole expression.
#[derive(Debug, Clone)]
pub(crate) enum Expr {
    Scalar(ScalarExpr),
    Vector(VectorExpr),
}

/// An expression whose value is one number.
#[derive(Debug, Clone)]
pub(crate) enum ScalarExpr {
    Number(f64),
    /// `time()`
    Time,
    /// `start()` and `end()`: the time of the whole query, also inside a subquery.
    QueryTime,
    /// `scalar(v)`
    OfVector(Box<VectorExpr>),
    Negate(Box<Self>),
    /// `max_of`, or else `min_of`
    Extreme {
        greatest: bool,
        left: Box<Self>,
        right: Box<Self>,
    },
    Binary {
        op: BinaryOp,
        left: Box<Self>,
        right: Box<Self>,
    },
}

/// An expression whose value is a set of labelled numbers.
#[derive(Debug, Clone)]
pub(crate) enum VectorExpr {
    Selector(Box<Selector>),
    /// `vector(s)`
    OfScalar(ScalarExpr),
    Range(Box<RangeCall>),
    Absent {
        of: Box<Self>,
        labels: LabelsOnce,
    },
    AbsentOverTime {
        of: RangeExpr,
        labels: LabelsOnce,
    },
    /// `timestamp(selector)`
    TimestampOf(Box<Selector>),
    Map(Box<MapCall>),
    Relabel(Box<Relabel>),
    Sort {
        of: Box<Self>,
        descending: bool,
    },
    SortByLabel(Box<SortByLabel>),
    HistogramQuantile(Box<HistogramQuantile>),
    Info(Box<Info>),
    Aggregate(Box<Aggregate>),
    VectorScalar(Box<VectorScalar>),
    VectorVector(Box<VectorVector>),
    Set(Box<SetOperation>),
    /// An expression that several rules have: its place in the list of shared ones.
    Shared(usize),
    /// A part of all expressions that an alert is tried with: the context has its value under this number.
    Given(usize),
}

/// Where an instant or range selector looks.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    pub(crate) at: At,
    pub(crate) offset_ms: i64,
}

/// The `@` modifier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum At {
    /// None: the evaluation time.
    Evaluation,
    /// `@ start()`, `@ end()`: the time of the whole query, also inside a subquery.
    Query,
    /// `@ seconds`
    Fixed(i64),
}

/// `name{matchers}`, with the series it has found so far.
#[derive(Debug, Clone)]
pub(crate) struct Selector {
    /// As written, without range and modifiers.
    pub(crate) text: String,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) reference: Reference,
    pub(crate) found: Found,
}

/// The series of a selector, in label order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    pub(crate) series: Vec<FoundSeries>,
    /// Arrivals before this one have been looked at.
    pub(crate) next_arrival: u64,
    /// The store's changes when it was looked at.
    pub(crate) changes: u64,
    /// Whether the series differ in more than the metric name.
    pub(crate) distinct_nameless: bool,
    pub(crate) ever: bool,
}

/// One series of a selector.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FoundSeries {
    /// Its position in the store.
    pub(crate) place: u32,
    pub(crate) arrival: u64,
    pub(crate) labels: LabelsId,
    /// Its labels without the metric name.
    pub(crate) nameless: LabelsId,
    /// Where its last window was.
    pub(crate) cursor: Cursor,
}

/// What a range function works on.
#[derive(Debug, Clone)]
pub(crate) enum RangeExpr {
    Selector {
        selector: Box<Selector>,
        range_ms: i64,
    },
    Subquery {
        of: Box<VectorExpr>,
        range_ms: i64,
        /// None: the global evaluation interval.
        step_ms: Option<i64>,
        reference: Reference,
        collected: Collected,
    },
}

/// The results of a subquery's steps by series, in label order once complete; kept for their memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Collected {
    pub(crate) places: Places,
    pub(crate) series: Vec<CollectedSeries>,
    /// How many of `series` this evaluation has; those beyond are spare.
    pub(crate) used: usize,
}

/// One series of a subquery.
#[derive(Debug, Clone)]
pub(crate) struct CollectedSeries {
    pub(crate) labels: LabelsId,
    pub(crate) points: Vec<Point>,
}

/// A range function applied to its range.
#[derive(Debug, Clone)]
pub(crate) struct RangeCall {
    pub(crate) function: RangeFunction,
    pub(crate) of: RangeExpr,
    /// `quantile_over_time`'s φ, `predict_linear`'s seconds, the two factors of exponential smoothing.
    pub(crate) parameters: Vec<ScalarExpr>,
    pub(crate) seen: Places,
}

/// Functions from a series' window to one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RangeFunction {
    Rate,
    Increase,
    Delta,
    Irate,
    Idelta,
    Deriv,
    PredictLinear,
    Resets,
    Changes,
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Present,
    First,
    Last,
    Stddev,
    Stdvar,
    Quantile,
    /// `double_exponential_smoothing`, which was `holt_winters`.
    Smoothed,
    /// `mad_over_time`: the median of what values are away from their median.
    MedianDeviation,
    TimeOfFirst,
    TimeOfLast,
    TimeOfMin,
    TimeOfMax,
}

/// A function applied to each element, dropping the metric name.
#[derive(Debug, Clone)]
pub(crate) struct MapCall {
    pub(crate) function: MapFunction,
    pub(crate) of: VectorExpr,
    pub(crate) seen: Places,
}

/// Functions from a number to a number.
#[derive(Debug, Clone)]
pub(crate) enum MapFunction {
    Negate,
    Abs,
    Ceil,
    Floor,
    Sqrt,
    Exp,
    Ln,
    Log2,
    Log10,
    Sgn,
    Deg,
    Rad,
    Trigonometric(Trigonometric),
    Round {
        to: Option<ScalarExpr>,
    },
    Clamp {
        min: ScalarExpr,
        max: ScalarExpr,
    },
    ClampMin(ScalarExpr),
    ClampMax(ScalarExpr),
    /// `timestamp` of anything but a selector: the evaluation time.
    Timestamp,
    /// `start_timestamp`, of which Prometheus finds none unless it keeps them.
    StartTimestamp,
    Calendar(CalendarField),
}

/// Trigonometric and hyperbolic functions, of radians, and their inverses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigonometric {
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Acosh,
    Atanh,
}

/// A field of a UTC date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CalendarField {
    Minute,
    Hour,
    DayOfWeek,
    DayOfMonth,
    DayOfYear,
    DaysInMonth,
    Month,
    Year,
}

/// `label_replace` or `label_join`.
#[derive(Debug, Clone)]
pub(crate) struct Relabel {
    pub(crate) of: VectorExpr,
    pub(crate) target: String,
    pub(crate) how: RelabelHow,
    pub(crate) memo: Memo,
    pub(crate) seen: Places,
}

/// Where the new label's value comes from.
#[derive(Debug, Clone)]
pub(crate) enum RelabelHow {
    Replace {
        source: String,
        regex: Regex,
        replacement: Template,
    },
    Join {
        separator: String,
        sources: Vec<String>,
    },
}

/// `sort_by_label` and `sort_by_label_desc`.
#[derive(Debug, Clone)]
pub(crate) struct SortByLabel {
    pub(crate) of: VectorExpr,
    pub(crate) labels: Vec<String>,
    pub(crate) descending: bool,
}

/// `info(v, {labels})`
#[derive(Debug, Clone)]
pub(crate) struct Info {
    pub(crate) of: VectorExpr,
    /// The series that labels are taken from.
    pub(crate) from: Box<Selector>,
    /// What the names of such series are like: they are given no labels themselves.
    pub(crate) names: Vec<Matcher>,
    /// Which labels are taken, and what they must be like; none: all.
    pub(crate) wanted: Vec<Matcher>,
    /// The labels that say of which target a series is.
    pub(crate) identifying: [Identifying; 2],
    /// Both of them.
    pub(crate) target: Projection,
    /// Both, and the name.
    pub(crate) named_target: Projection,
    /// The newest series of each name and target, kept for their memory.
    pub(crate) newest: Vec<Told>,
    pub(crate) places: Places,
    /// A series' labels with those of another, by the ids of: the series, it with the labels it was given so far, the other.
    pub(crate) memo: std::collections::HashMap<(LabelsId, LabelsId, LabelsId), LabelsId>,
    pub(crate) seen: Places,
}

/// A label that says of which target a series is, and the values there are of it.
#[derive(Debug, Clone)]
pub(crate) struct Identifying {
    /// It alone.
    pub(crate) label: Projection,
    pub(crate) values: Places,
    /// Whether there is one.
    pub(crate) is_there: bool,
}

/// A series that labels are taken from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) target: LabelsId,
    pub(crate) labels: LabelsId,
    pub(crate) at_ms: i64,
}

/// One φ of a [`HistogramQuantile`].
#[derive(Debug, Clone)]
pub(crate) struct Phi {
    pub(crate) value: ScalarExpr,
    /// What it came to last.
    pub(crate) now: f64,
    /// The label that says it, and the labels with it as long as it stays what it is; only `histogram_quantiles` says it.
    pub(crate) told: Option<(String, f64, Memo)>,
}

/// `histogram_quantile(φ, buckets)` and `histogram_quantiles(buckets, label, φ...)` on classic buckets.
#[derive(Debug, Clone)]
pub(crate) struct HistogramQuantile {
    pub(crate) phis: Vec<Phi>,
    pub(crate) of: VectorExpr,
    /// The label set without `le`.
    pub(crate) without_le: Memo,
    /// By label set: the bound its `le` holds, once asked for.
    pub(crate) bounds: Vec<Option<Option<f64>>>,
    pub(crate) groups: Places,
    /// The histograms of the last evaluation, kept for their memory.
    pub(crate) histograms: Vec<Histogram>,
    pub(crate) seen: Places,
}

/// One classic histogram.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    /// Its labels without `le`.
    pub(crate) labels: LabelsId,
    pub(crate) buckets: Vec<Bucket>,
}

/// A bucket of a classic histogram.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    pub(crate) bound: f64,
    pub(crate) count: f64,
}

/// Which labels stay when label sets are grouped or matched.
#[derive(Debug, Clone)]
pub(crate) struct Projection {
    pub(crate) keep: Keep,
    pub(crate) memo: Memo,
}

/// See [`Projection`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Keep {
    /// `by`, `on`: exactly these.
    Only(Vec<String>),
    /// `without`, `ignoring`: all but these and the metric name.
    Without(Vec<String>),
    /// All but these; the metric name stays.
    AllBut(Vec<String>),
}

/// An aggregation.
#[derive(Debug, Clone)]
pub(crate) struct Aggregate {
    pub(crate) op: AggregateOp,
    pub(crate) of: VectorExpr,
    pub(crate) grouping: Projection,
    pub(crate) places: Places,
    /// The groups of the last evaluation, kept for their memory.
    pub(crate) groups: Vec<Group>,
}

/// The elements of one group of an aggregation, in the order seen.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// The group's labels.
    pub(crate) labels: LabelsId,
    pub(crate) values: Vec<f64>,
    /// The elements' labels, where the aggregation asks for them.
    pub(crate) members: Vec<LabelsId>,
}

/// See [`Aggregate`].
#[derive(Debug, Clone)]
pub(crate) enum AggregateOp {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    TopK(ScalarExpr),
    BottomK(ScalarExpr),
    Quantile(ScalarExpr),
    CountValues(String),
    LimitK {
        count: ScalarExpr,
        /// Whether it is only counted how many it takes, so that it does not matter which.
        is_counted: bool,
    },
    LimitRatio {
        ratio: ScalarExpr,
        offsets: Offsets,
    },
}

/// Arithmetic and comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
}

impl BinaryOp {
    /// Whether the result of two elements has the metric name still. Prometheus 2 forgets to drop it for `atan2`.
    pub(crate) fn keeps_name(self, outcome: Yields, compat: Compat) -> bool {
        outcome == Yields::Filter || (self == Self::Atan2 && compat == Compat::V2)
    }

    pub(crate) fn is_comparison(self) -> bool {
        use BinaryOp::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
        matches!(
            self,
            Equal | NotEqual | Greater | GreaterEqual | Less | LessEqual
        )
    }
}

/// What an operator does with the elements it is applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Yields {
    /// Arithmetic: the computed value.
    Value,
    /// A comparison: elements for which it does not hold vanish.
    Filter,
    /// A comparison with `bool`: 0 or 1.
    Bool,
}

/// A vector and a number.
#[derive(Debug, Clone)]
pub(crate) struct VectorScalar {
    pub(crate) op: BinaryOp,
    pub(crate) outcome: Yields,
    pub(crate) vector: VectorExpr,
    pub(crate) scalar: ScalarExpr,
    /// Whether the number was written on the left.
    pub(crate) scalar_first: bool,
    pub(crate) seen: Places,
}

/// Two vectors, matched element by element.
#[derive(Debug, Clone)]
pub(crate) struct VectorVector {
    pub(crate) op: BinaryOp,
    pub(crate) outcome: Yields,
    pub(crate) left: VectorExpr,
    pub(crate) right: VectorExpr,
    pub(crate) matching: Projection,
    pub(crate) cardinality: Cardinality,
    /// Which labels of the "many" side the result keeps.
    pub(crate) result: Projection,
    pub(crate) drop_name: bool,
    pub(crate) ones: Places,
    pub(crate) used: Places,
    pub(crate) seen: Places,
}

/// See [`VectorVector`].
#[derive(Debug, Clone)]
pub(crate) enum Cardinality {
    OneToOne,
    /// `group_left` (many on the left) or `group_right`, with the labels taken from the "one" side.
    Group {
        many_left: bool,
        include: Vec<String>,
        /// Result labels by the ids of the two sides.
        memo: std::collections::HashMap<(LabelsId, LabelsId), LabelsId>,
    },
}

/// `and`, `or`, `unless`.
#[derive(Debug, Clone)]
pub(crate) struct SetOperation {
    pub(crate) op: SetOp,
    pub(crate) left: VectorExpr,
    pub(crate) right: VectorExpr,
    pub(crate) matching: Projection,
    pub(crate) keys: Places,
    pub(crate) seen: Places,
}

/// See [`SetOperation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetOp {
    And,
    Or,
    Unless,
}

/// A label set fixed when the expression was compiled, interned at its first use.
#[derive(Debug, Clone)]
pub(crate) struct LabelsOnce {
    pub(crate) labels: Labels,
    pub(crate) id: Option<LabelsId>,
}
