//! Evaluation of compiled expressions at one point in time.

mod aggregate;
mod binary;
mod histogram;
mod map;
pub(crate) mod math;
mod range;
mod relabel;
mod select;

use thiserror::Error;

use crate::compat::Compat;
use crate::expr::{Expr, Keep, LabelsOnce, Projection, ScalarExpr, VectorExpr};
use crate::intern::{Interner, LabelsId, Places};
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
        "found duplicate series for the match group {group} on the {side} hand-side of the operation; \
         many-to-many matching not allowed: matching labels must be unique on one side"
    )]
    ManyToMany { group: Labels, side: &'static str },
    #[error(
        "multiple matches for labels {0}: many-to-one matching must be explicit (group_left/group_right)"
    )]
    ManyToOne(Labels),
    #[error("multiple matches for labels {0}: grouping labels must ensure unique matches")]
    GroupNotUnique(Labels),
    #[error("parameter value {0} of topk/bottomk is not a whole number of elements")]
    BadCount(f64),
    #[error("subqueries take more than {MAX_STEPS} steps together")]
    TooManySteps,
}

/// What an evaluation may look at. Times are milliseconds since the epoch.
pub(crate) struct Context<'s> {
    pub(crate) store: &'s Store,
    pub(crate) interner: &'s mut Interner,
    pub(crate) compat: Compat,
    /// The evaluation time; inside a subquery, the step's.
    pub(crate) now_ms: i64,
    /// The time of the whole query, for `@ start()`.
    pub(crate) query_ms: i64,
    /// The step of a subquery that names none: the global evaluation interval.
    pub(crate) default_step_ms: i64,
    /// How many subquery steps, nested ones included, may still be evaluated.
    pub(crate) steps_left: i64,
    /// Parts of the expression that have been evaluated at this time already.
    pub(crate) given: &'s [Given],
}

/// What became of a part of an expression, and what it took.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) result: Result<Vector, EvalError>,
    pub(crate) steps: i64,
}

/// Most subquery steps of one evaluation, against rules that would never finish.
pub(crate) const MAX_STEPS: i64 = 1_000_000;

impl Expr {
    /// The value as a vector: a number becomes one element without labels.
    pub(crate) fn evaluate(&mut self, context: &mut Context<'_>) -> Result<Vector, EvalError> {
        match self {
            Self::Scalar(expr) => Ok(vec![Element {
                labels: LabelsId::EMPTY,
                value: expr.evaluate(context)?,
            }]),
            Self::Vector(expr) => expr.evaluate(context),
        }
    }
}

impl ScalarExpr {
    pub(crate) fn evaluate(&mut self, context: &mut Context<'_>) -> Result<f64, EvalError> {
        Ok(match self {
            Self::Number(value) => *value,
            Self::Time => context.now_ms as f64 / 1000.0,
            Self::OfVector(expr) => match expr.evaluate(context)?.as_slice() {
                [element] => element.value,
                _ => f64::NAN,
            },
            Self::Negate(expr) => -expr.evaluate(context)?,
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
            Self::Selector(selector) => Ok(selector.instant(context, |_, value| value)),
            Self::TimestampOf(selector) => {
                let mut vector = selector.instant(context, |time_ms, _| time_ms as f64 / 1000.0);
                for element in &mut vector {
                    element.labels = context.interner.without_name(element.labels);
                }
                let mut seen = Places::default();
                unique(vector, &mut seen, context)
            }
            Self::OfScalar(expr) => Ok(vec![Element {
                labels: LabelsId::EMPTY,
                value: expr.evaluate(context)?,
            }]),
            Self::Range(call) => call.evaluate(context),
            Self::Absent { of, labels } => {
                let empty = of.evaluate(context)?.is_empty();
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
            Self::HistogramQuantile(call) => call.evaluate(context),
            Self::Aggregate(aggregate) => aggregate.evaluate(context),
            Self::VectorScalar(operation) => operation.evaluate(context),
            Self::VectorVector(operation) => operation.evaluate(context),
            Self::Set(operation) => operation.evaluate(context),
            Self::Given(number) => {
                let Some(given) = context.given.get(*number) else {
                    return Ok(Vector::new());
                };
                if given.steps > context.steps_left {
                    return Err(EvalError::TooManySteps);
                }
                context.steps_left -= given.steps;
                given.result.clone()
            }
        }
    }
}

fn absent(empty: bool, labels: &mut LabelsOnce, context: &mut Context<'_>) -> Vector {
    if !empty {
        return Vector::new();
    }
    let id = *labels
        .id
        .get_or_insert_with(|| context.interner.id(&labels.labels));
    vec![Element {
        labels: id,
        value: 1.0,
    }]
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
