//! Evaluation of compiled expressions at one point in time.

mod aggregate;
mod ask;
mod binary;
mod extrapolate;
mod histogram;
mod info;
mod label_order;
pub(crate) mod map;
pub(crate) mod math;
mod range;
pub(crate) mod ratio;
mod relabel;
mod select;

pub(crate) use ask::Asking;

use thiserror::Error;

use crate::compat::Compat;
use crate::expr::share::{Moment, Shared};
use crate::expr::{Expr, Keep, LabelsOnce, Projection, ScalarExpr, VectorExpr};
use crate::go_format::braced;
use crate::intern::{Interner, LABEL_SETS_MAX, LabelsId, Places};
use crate::sample::{Labels, METRIC_NAME};
use crate::store::Store;

/// One element of an instant vector.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element {
    pub(crate) labels: LabelsId,
    pub(crate) value: f64,
}

/// An instant vector; its order follows the label order of the series it came from.
pub(crate) type Vector = Vec<Element>;

/// Why an expression has no value at this time; it fails the whole rule.
#[derive(Debug, Clone, Error)]
pub(crate) enum EvalError {
    #[error("vector cannot contain metrics with the same labelset: {0}")]
    SameLabels(Labels),
    #[error(
        "found duplicate series for the match group {} on the {side} hand-side of the operation: [{}, {}];\
         many-to-many matching not allowed: matching labels must be unique on one side",
        braced(group.iter()), braced(second.iter()), braced(first.iter())
    )]
    ManyToMany {
        group: Labels,
        side: &'static str,
        first: Labels,
        second: Labels,
    },
    #[error(
        "multiple matches for labels {0}: many-to-one matching must be explicit (group_left/group_right)"
    )]
    ManyToOne(Labels),
    #[error("multiple matches for labels {0}: grouping labels must ensure unique matches")]
    GroupNotUnique(Labels),
    #[error("invalid smoothing factor. Expected: 0 < sf < 1, got: {0:.6}")]
    SmoothingFactor(f64),
    #[error("invalid trend factor. Expected: 0 < tf < 1, got: {0:.6}")]
    TrendFactor(f64),
    #[error("parameter value {0} of topk/bottomk/limitk is not a whole number of elements")]
    BadCount(f64),
    #[error(
        "limitk takes {taken} of {of} series, and which ones depends on the order in which Prometheus has stored them"
    )]
    Unordered { taken: f64, of: usize },
    #[error(
        "found duplicate series for info metric: existing {first} @ {at_ms}, new {second} @ {at_ms}"
    )]
    InfoTwice {
        first: Labels,
        second: Labels,
        at_ms: i64,
    },
    #[error("conflicting label: {0}")]
    InfoConflict(String),
    #[error("the ratio of limit_ratio is not a number")]
    BadRatio,
    #[error(
        "subqueries take more than {MAX_STEPS} steps together ({ELEMENTS_PER_STEP} elements of a result, or {POINTS_PER_STEP} samples of windows, count as another step)"
    )]
    TooManySteps,
    #[error("a value of the label {0} would be longer than {LABEL_VALUE_MAX} bytes")]
    LongLabel(String),
    #[error(
        "label sets take more than {LABEL_SETS_MAX} bytes; the rules make new ones at every evaluation"
    )]
    TooManyLabelSets,
}

/// What an evaluation may look at. Times are milliseconds since the epoch.
pub(crate) struct Context<'s> {
    pub(crate) store: &'s Store,
    pub(crate) interner: &'s mut Interner,
    pub(crate) shared: &'s mut [Shared],
    pub(crate) buffers: &'s mut Buffers,
    pub(crate) compat: Compat,
    /// The evaluation time; inside a subquery, the step's.
    pub(crate) now_ms: i64,
    /// The time of the whole query, for `@ start()`.
    pub(crate) query_ms: i64,
    /// The step of a subquery that names none: the global evaluation interval.
    pub(crate) default_step_ms: i64,
    /// How many subquery steps, nested ones included, may still be evaluated.
    pub(crate) steps_left: i64,
    /// How many samples have been taken in from outside.
    pub(crate) ingested: u64,
    /// Parts of the expression that have been evaluated at this time already.
    pub(crate) given: &'s [Given],
}

impl Context<'_> {
    /// Fails when the label sets take as much memory as they may.
    pub(crate) fn check_room(&self) -> Result<(), EvalError> {
        if self.interner.is_full() {
            return Err(EvalError::TooManyLabelSets);
        }
        Ok(())
    }

    /// Answers the queries of templates at `at_ms`.
    pub(crate) fn asking(&mut self, at_ms: i64) -> Asking<'_> {
        Asking(Context {
            store: self.store,
            interner: &mut *self.interner,
            shared: &mut *self.shared,
            buffers: &mut *self.buffers,
            compat: self.compat,
            now_ms: at_ms,
            query_ms: at_ms,
            default_step_ms: self.default_step_ms,
            steps_left: MAX_STEPS,
            ingested: self.ingested,
            given: &[],
        })
    }

    /// Takes subquery steps off the budget.
    fn take_steps(&mut self, count: i64) -> Result<(), EvalError> {
        if count > self.steps_left {
            return Err(EvalError::TooManySteps);
        }
        self.steps_left -= count;
        Ok(())
    }
}

/// What became of a part of an expression, and what it took.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) result: Result<Vector, EvalError>,
    pub(crate) steps: i64,
}

/// Vectors that nobody needs any more, so that evaluating allocates nothing once all is of its usual size.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffers {
    spare: Vec<Vector>,
    /// Room for sorting numbers.
    numbers: Vec<f64>,
}

impl Buffers {
    /// An empty vector.
    pub(crate) fn take(&mut self) -> Vector {
        self.spare.pop().unwrap_or_default()
    }

    /// Takes a vector's memory back.
    pub(crate) fn give(&mut self, mut vector: Vector) {
        vector.clear();
        self.spare.push(vector);
    }

    fn one(&mut self, labels: LabelsId, value: f64) -> Vector {
        let mut vector = self.take();
        vector.push(Element { labels, value });
        vector
    }
}

/// Most subquery steps of one evaluation, against rules that would never finish.
pub(crate) const MAX_STEPS: i64 = 1_000_000;

/// So many elements of a subquery's step count as another step, since they are kept until its last.
const ELEMENTS_PER_STEP: usize = 16;
/// So many samples that a function inside a subquery reads take about as long as a step.
const POINTS_PER_STEP: usize = 1000;

/// Longest value that a label function makes, bytes. Label functions inside each other could double it each time.
const LABEL_VALUE_MAX: usize = 64 * 1024;

impl Expr {
    /// The value as a vector: a number becomes one element without labels.
    pub(crate) fn evaluate(&mut self, context: &mut Context<'_>) -> Result<Vector, EvalError> {
        match self {
            Self::Scalar(expr) => {
                let value = expr.evaluate(context)?;
                Ok(context.buffers.one(LabelsId::EMPTY, value))
            }
            Self::Vector(expr) => expr.evaluate(context),
        }
    }
}

impl ScalarExpr {
    pub(crate) fn evaluate(&mut self, context: &mut Context<'_>) -> Result<f64, EvalError> {
        Ok(match self {
            Self::Number(value) => *value,
            Self::Time => context.now_ms as f64 / 1000.0,
            Self::QueryTime => context.query_ms as f64 / 1000.0,
            Self::OfVector(expr) => {
                let vector = expr.evaluate(context)?;
                let value = match vector.as_slice() {
                    [element] => element.value,
                    _ => f64::NAN,
                };
                context.buffers.give(vector);
                value
            }
            Self::Negate(expr) => -expr.evaluate(context)?,
            Self::Extreme {
                greatest,
                left,
                right,
            } => {
                let (left, right) = (left.evaluate(context)?, right.evaluate(context)?);
                match greatest {
                    true => math::go_max(left, right),
                    false => math::go_min(left, right),
                }
            }
            Self::Binary { op, left, right } => {
                let left = left.evaluate(context)?;
                let right = right.evaluate(context)?;
                if op.is_comparison() {
                    f64::from(u8::from(op.holds(left, right)))
                } else {
                    op.compute(left, right)
                }
            }
        })
    }
}

impl VectorExpr {
    pub(crate) fn evaluate(&mut self, context: &mut Context<'_>) -> Result<Vector, EvalError> {
        match self {
            Self::Selector(selector) => Ok(selector.instant(context)),
            Self::TimestampOf(selector) => selector.timestamps(context),
            Self::OfScalar(expr) => {
                let value = expr.evaluate(context)?;
                Ok(context.buffers.one(LabelsId::EMPTY, value))
            }
            Self::Range(call) => call.evaluate(context),
            Self::Absent { of, labels } => {
                let vector = of.evaluate(context)?;
                let empty = vector.is_empty();
                context.buffers.give(vector);
                Ok(absent(empty, labels, context))
            }
            Self::AbsentOverTime { of, labels } => {
                let empty = of.is_empty(context)?;
                Ok(absent(empty, labels, context))
            }
            Self::Map(call) => call.evaluate(context),
            Self::Relabel(relabel) => relabel.evaluate(context),
            Self::Sort { of, descending } => {
                let mut vector = of.evaluate(context)?;
                let descending = *descending;
                vector.sort_by(|a, b| math::nan_last(a.value, b.value, descending));
                Ok(vector)
            }
            Self::SortByLabel(sort) => sort.evaluate(context),
            Self::HistogramQuantile(call) => call.evaluate(context),
            Self::Info(call) => call.evaluate(context),
            Self::Aggregate(aggregate) => aggregate.evaluate(context),
            Self::VectorScalar(operation) => operation.evaluate(context),
            Self::VectorVector(operation) => operation.evaluate(context),
            Self::Set(operation) => operation.evaluate(context),
            Self::Shared(place) => shared(*place, context),
            Self::Given(number) => given(*number, context),
        }
    }
}

/// A shared expression's value: evaluated by the first who asks, copied for the others.
fn shared(place: usize, context: &mut Context<'_>) -> Result<Vector, EvalError> {
    let moment = Moment {
        now_ms: context.now_ms,
        query_ms: context.query_ms,
        ingested: context.ingested,
    };
    if context.shared[place].moment != Some(moment) {
        // Taken out meanwhile, because what is inside may be shared as well.
        let expr = context.shared[place].expr.take();
        let mut expr = expr.expect("no expression contains itself");
        let result = expr.evaluate(context);
        let entry = &mut context.shared[place];
        entry.expr = Some(expr);
        entry.moment = None;
        let vector = result?;
        entry.result.clear();
        entry.result.extend_from_slice(&vector);
        entry.moment = Some(moment);
        return Ok(vector);
    }
    let mut vector = context.buffers.take();
    vector.extend_from_slice(&context.shared[place].result);
    Ok(vector)
}

/// A copy of what a part came to, its steps taken off the budget as if it had been evaluated here.
fn given(number: usize, context: &mut Context<'_>) -> Result<Vector, EvalError> {
    let mut vector = context.buffers.take();
    let Some(given) = context.given.get(number) else {
        return Ok(vector);
    };
    context.take_steps(given.steps)?;
    match &given.result {
        Ok(result) => {
            vector.extend_from_slice(result);
            Ok(vector)
        }
        Err(error) => Err(error.clone()),
    }
}

fn absent(empty: bool, labels: &mut LabelsOnce, context: &mut Context<'_>) -> Vector {
    if !empty {
        return context.buffers.take();
    }
    let id = *labels
        .id
        .get_or_insert_with(|| context.interner.id(&labels.labels));
    context.buffers.one(id, 1.0)
}

/// Drops the metric names of a vector whose elements have different labels; an error if they no longer have.
fn without_names(
    mut vector: Vector,
    seen: &mut Places,
    context: &mut Context<'_>,
) -> Result<Vector, EvalError> {
    let mut changed = false;
    for element in &mut vector {
        let nameless = context.interner.without_name(element.labels);
        changed |= nameless != element.labels;
        element.labels = nameless;
    }
    if changed {
        unique(vector, seen, context)
    } else {
        Ok(vector)
    }
}

/// Passes the vector on unless two of its elements have the same labels.
fn unique(vector: Vector, seen: &mut Places, context: &Context<'_>) -> Result<Vector, EvalError> {
    if vector.len() > 1 {
        seen.clear();
        for (place, element) in vector.iter().enumerate() {
            if seen.insert(element.labels, place).is_some() {
                let labels = context.interner.labels(element.labels).clone();
                return Err(EvalError::SameLabels(labels));
            }
        }
    }
    Ok(vector)
}

impl Projection {
    /// The labels of `id` that stay.
    pub(crate) fn apply(&mut self, id: LabelsId, interner: &mut Interner) -> LabelsId {
        let keep = &self.keep;
        let listed = |list: &[String], name: &str| list.iter().any(|label| label == name);
        self.memo.apply(id, interner, |labels| match keep {
            Keep::Only(list) => labels.retain(|name| listed(list, name)),
            Keep::Without(list) => labels.retain(|name| name != METRIC_NAME && !listed(list, name)),
            Keep::AllBut(list) => labels.retain(|name| !listed(list, name)),
        })
    }
}
