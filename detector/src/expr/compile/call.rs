//! Function calls.

use super::{Compiler, Result, Typed, refuse, string};
use crate::compat::Compat;
use crate::expr::{
    At, CalendarField, HistogramQuantile, Identifying, Info, Keep, LabelsOnce, MapCall,
    MapFunction, Phi, Projection, RangeCall, RangeExpr, RangeFunction, Reference, Relabel,
    RelabelHow, ScalarExpr, SortByLabel, Trigonometric, VectorExpr,
};
use crate::intern::{Memo, Places};
use crate::promql::{self, Call, LabelMatcher, MatchOp, Span};
use crate::regex::{Parsed, Template};
use crate::sample::{Labels, METRIC_NAME, is_label_name};

/// What says of which target a series is, for `info`.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

impl Compiler {
    pub(super) fn call(&mut self, call: &Call) -> Result<Typed> {
        let name = call.function.name;
        // Prometheus 2 has none.
        if call.function.is_experimental() {
            self.experimental(name, call.name_span);
        }
        if let Some(function) = range_function(name) {
            return self.range_call(call, function);
        }
        if let Some(field) = calendar_field(name) {
            let of = match call.args.first() {
                Some(of) => self.vector(of)?,
                None => VectorExpr::OfScalar(ScalarExpr::Time),
            };
            return Ok(map(MapFunction::Calendar(field), of));
        }
        if let Some(function) = self.map_function(call)? {
            let of = self.vector(argument(call, 0)?)?;
            return Ok(map(function, of));
        }
        match name {
            "time" | "start" | "end" | "range" | "step" | "max_of" | "min_of" | "pi" | "scalar" => {
                self.number(call).map(Typed::Scalar)
            }
            "absent" | "absent_over_time" => self.absence(call),
            "timestamp" => self.timestamp(argument(call, 0)?),
            "histogram_quantile" | "histogram_quantiles" => self.quantiles(call),
            "sort" | "sort_desc" | "sort_by_label" | "sort_by_label_desc" => self.sorted(call),
            "label_replace" => self.label_replace(call),
            "label_join" => self.label_join(call),
            "info" => self.info(call),
            "vector" => {
                let of = self.scalar(argument(call, 0)?)?;
                Ok(Typed::Vector(VectorExpr::OfScalar(of)))
            }
            _ if name.starts_with("histogram_") => refuse(
                format!("{name}() works on native histograms, which are not supported"),
                call.name_span,
            ),
            _ if call.function.is_experimental() => refuse(
                format!("{name}() is experimental and not supported"),
                call.name_span,
            ),
            _ => refuse(format!("{name}() is not supported"), call.name_span),
        }
    }

    fn number(&mut self, call: &Call) -> Result<ScalarExpr> {
        Ok(match call.function.name {
            "time" => ScalarExpr::Time,
            "start" | "end" => ScalarExpr::QueryTime,
            // A rule is evaluated at one time.
            "range" | "step" => ScalarExpr::Number(0.0),
            "pi" => ScalarExpr::Number(std::f64::consts::PI),
            "scalar" => {
                let of = self.vector(argument(call, 0)?)?;
                ScalarExpr::OfVector(Box::new(of))
            }
            name => ScalarExpr::Extreme {
                greatest: name == "max_of",
                left: self.scalar(argument(call, 0)?)?.into(),
                right: self.scalar(argument(call, 1)?)?.into(),
            },
        })
    }

    fn absence(&mut self, call: &Call) -> Result<Typed> {
        let of = argument(call, 0)?;
        let labels = LabelsOnce::new(absent_labels(of));
        Ok(Typed::Vector(match call.function.name {
            "absent" => VectorExpr::Absent {
                labels,
                of: Box::new(self.vector(of)?),
            },
            _ => VectorExpr::AbsentOverTime {
                labels,
                of: self.range(of)?,
            },
        }))
    }

    fn timestamp(&mut self, expr: &promql::Expr) -> Result<Typed> {
        match self.vector(expr)? {
            VectorExpr::Selector(selector) => {
                // `promql/engine.go`, rangeEvalTimestampFunctionOverVectorSelector: the offset is replaced by what
                // `@` needs, yet decides which samples were read, together with the rest of the expression.
                let Reference { at, offset_ms } = selector.reference;
                if at != At::Evaluation && offset_ms != 0 {
                    return refuse(
                        "timestamp() of a selector with both `@` and `offset` forgets the offset in \
                         Prometheus, a defect; write the time that is meant behind `@`",
                        expr.span(),
                    );
                }
                Ok(Typed::Vector(VectorExpr::TimestampOf(selector)))
            }
            of => Ok(map(MapFunction::Timestamp, of)),
        }
    }

    /// `info(v)` or `info(v, {labels})`
    fn info(&mut self, call: &Call) -> Result<Typed> {
        let of = argument(call, 0)?;
        if self.subqueries > 0 {
            return refuse(
                "info() inside a subquery is not supported: which series it takes labels from depends on all steps together",
                call.span,
            );
        }
        if let Some(span) = moved(of) {
            return refuse(
                "info() of a selector with `@` or `offset` looks for labels in one time and at another in Prometheus, a defect",
                span,
            );
        }
        let mut from = match call.args.get(1).map(promql::Expr::bare) {
            Some(promql::Expr::Selector(labels)) => promql::Selector {
                moment: promql::Moment::default(),
                ..labels.clone()
            },
            _ => promql::Selector {
                name: None,
                matchers: Vec::new(),
                moment: promql::Moment::default(),
                span: call.span,
            },
        };
        let is_name = |matcher: &LabelMatcher| matcher.label == METRIC_NAME;
        let wanted = from.matchers.iter().filter(|matcher| !is_name(matcher));
        let wanted = wanted.cloned().collect::<Vec<_>>();
        // `promql/info.go`, effectiveInfoNameMatchers
        let says = |op: &[MatchOp]| {
            let mut names = from.matchers.iter().filter(|matcher| is_name(matcher));
            names.any(|matcher| op.contains(&matcher.op))
        };
        let by_default = match (
            says(&[MatchOp::Equal, MatchOp::Regex]),
            says(&[MatchOp::NotEqual, MatchOp::NotRegex]),
        ) {
            (true, _) => None,
            (false, true) => Some((MatchOp::Regex, ".+_info")),
            (false, false) => Some((MatchOp::Equal, "target_info")),
        };
        if let Some((op, value)) = by_default {
            from.matchers.push(LabelMatcher {
                label: METRIC_NAME.to_owned(),
                op,
                value: value.to_owned(),
                span: from.span,
            });
        }
        let names = from.matchers.iter().filter(|matcher| is_name(matcher));
        let names = names.cloned().collect::<Vec<_>>();
        let only = |labels: &[&str]| {
            let labels = labels.iter().map(|label| (*label).to_owned());
            Projection::new(Keep::Only(labels.collect()))
        };
        Ok(Typed::Vector(VectorExpr::Info(Box::new(Info {
            of: self.vector(of)?,
            names: self.matchers(&names)?,
            wanted: self.matchers(&wanted)?,
            from: self.selector(&from, crate::LOOKBACK_MS)?,
            identifying: IDENTIFYING.map(|label| Identifying {
                label: only(&[label]),
                values: Places::default(),
                is_there: false,
            }),
            target: only(&IDENTIFYING),
            named_target: only(&[METRIC_NAME, IDENTIFYING[0], IDENTIFYING[1]]),
            newest: Vec::new(),
            places: Places::default(),
            memo: std::collections::HashMap::new(),
            seen: Places::default(),
        }))))
    }

    fn sorted(&mut self, call: &Call) -> Result<Typed> {
        let name = call.function.name;
        let of = self.vector(argument(call, 0)?)?;
        let descending = name.ends_with("_desc");
        if !name.starts_with("sort_by_label") {
            return Ok(Typed::Vector(VectorExpr::Sort {
                of: Box::new(of),
                descending,
            }));
        }
        let labels = call.args.iter().skip(1);
        let labels = labels.map(|label| string(label, name).map(str::to_owned));
        Ok(Typed::Vector(VectorExpr::SortByLabel(Box::new(
            SortByLabel {
                of,
                labels: labels.collect::<Result<_>>()?,
                descending,
            },
        ))))
    }

    /// `histogram_quantile(φ, buckets)` or `histogram_quantiles(buckets, label, φ...)`
    fn quantiles(&mut self, call: &Call) -> Result<Typed> {
        let (of, phis, label) = match call.function.name {
            "histogram_quantile" => (1, 0..1, None),
            name => (
                0,
                2..call.args.len(),
                Some(string(argument(call, 1)?, name)?),
            ),
        };
        let of = self.vector(argument(call, of)?)?;
        let phis = phis.map(|at| {
            Ok(Phi {
                value: self.scalar(argument(call, at)?)?,
                now: f64::NAN,
                told: label.map(|label| (label.to_owned(), f64::NAN, Memo::default())),
            })
        });
        let phis = phis.collect::<Result<_>>()?;
        Ok(Typed::Vector(VectorExpr::HistogramQuantile(Box::new(
            HistogramQuantile {
                phis,
                of,
                without_le: Memo::default(),
                bounds: Vec::new(),
                groups: Places::default(),
                histograms: Vec::new(),
                seen: Places::default(),
            },
        ))))
    }

    fn range_call(&mut self, call: &Call, function: RangeFunction) -> Result<Typed> {
        let name = call.function.name;
        let (of, parameters) = match function {
            RangeFunction::Quantile => (1, 0..1),
            RangeFunction::PredictLinear => (0, 1..2),
            RangeFunction::Smoothed => (0, 1..3),
            _ => (0, 0..0),
        };
        let of = argument(call, of)?;
        let parameters = parameters
            .map(|at| self.scalar(argument(call, at)?))
            .collect::<Result<Vec<_>>>()?;
        let of = self.range(of)?;
        if self.compat == Compat::V3 && loses_its_subquery(function, &parameters, &of) {
            return refuse(
                format!(
                    "{name}() of a subquery with `@` finds nothing in Prometheus 3.14, a defect that later versions do not \
                 have (prometheus issue 18610); `@` inside the subquery works in all of them"
                ),
                call.span,
            );
        }
        if self.compat == Compat::V2
            && self.subqueries > 0
            && matches!(&of, RangeExpr::Selector { selector, .. } if selector.reference.at != At::Evaluation)
            && varies(function, &parameters)
        {
            return refuse(
                format!(
                    "{name}() of a selector with `@` inside a subquery loses samples from step to step in Prometheus 2, a defect"
                ),
                call.span,
            );
        }
        Ok(Typed::Vector(VectorExpr::Range(Box::new(RangeCall {
            function,
            of,
            parameters,
            seen: Places::default(),
        }))))
    }

    fn map_function(&mut self, call: &Call) -> Result<Option<MapFunction>> {
        Ok(Some(match call.function.name {
            "abs" => MapFunction::Abs,
            "ceil" => MapFunction::Ceil,
            "floor" => MapFunction::Floor,
            "sqrt" => MapFunction::Sqrt,
            "exp" => MapFunction::Exp,
            "ln" => MapFunction::Ln,
            "log2" => MapFunction::Log2,
            "log10" => MapFunction::Log10,
            "sgn" => MapFunction::Sgn,
            "deg" => MapFunction::Deg,
            "start_timestamp" => MapFunction::StartTimestamp,
            "rad" => MapFunction::Rad,
            "sin" => MapFunction::Trigonometric(Trigonometric::Sin),
            "cos" => MapFunction::Trigonometric(Trigonometric::Cos),
            "tan" => MapFunction::Trigonometric(Trigonometric::Tan),
            "asin" => MapFunction::Trigonometric(Trigonometric::Asin),
            "acos" => MapFunction::Trigonometric(Trigonometric::Acos),
            "atan" => MapFunction::Trigonometric(Trigonometric::Atan),
            "sinh" => MapFunction::Trigonometric(Trigonometric::Sinh),
            "cosh" => MapFunction::Trigonometric(Trigonometric::Cosh),
            "tanh" => MapFunction::Trigonometric(Trigonometric::Tanh),
            "asinh" => MapFunction::Trigonometric(Trigonometric::Asinh),
            "acosh" => MapFunction::Trigonometric(Trigonometric::Acosh),
            "atanh" => MapFunction::Trigonometric(Trigonometric::Atanh),
            "round" => MapFunction::Round {
                to: match call.args.get(1) {
                    Some(to) => Some(self.scalar(to)?),
                    None => None,
                },
            },
            "clamp" => MapFunction::Clamp {
                min: self.scalar(argument(call, 1)?)?,
                max: self.scalar(argument(call, 2)?)?,
            },
            "clamp_min" => MapFunction::ClampMin(self.scalar(argument(call, 1)?)?),
            "clamp_max" => MapFunction::ClampMax(self.scalar(argument(call, 1)?)?),
            _ => return Ok(None),
        }))
    }

    fn label_replace(&mut self, call: &Call) -> Result<Typed> {
        let name = call.function.name;
        let target = self.label_argument(call, 1)?;
        let replacement = string(argument(call, 2)?, name)?;
        // A source nobody has is no error: it reads as the empty string.
        let source = string(argument(call, 3)?, name)?.to_owned();
        let pattern = argument(call, 4)?;
        let regex = string(pattern, name)?;
        let regex = self.regex(regex, Parsed::whole(regex, self.compat), pattern.span())?;
        let how = RelabelHow::Replace {
            source,
            replacement: Template::new(replacement, &regex, self.compat),
            regex,
        };
        self.relabel(call, target, how)
    }

    fn label_join(&mut self, call: &Call) -> Result<Typed> {
        let target = self.label_argument(call, 1)?;
        let separator = string(argument(call, 2)?, call.function.name)?.to_owned();
        let sources = (3..call.args.len())
            .map(|at| self.label_argument(call, at))
            .collect::<Result<_>>()?;
        self.relabel(call, target, RelabelHow::Join { separator, sources })
    }

    fn label_argument(&self, call: &Call, at: usize) -> Result<String> {
        let name = call.function.name;
        let argument = argument(call, at)?;
        let label = string(argument, name)?;
        match is_label_name(label, self.compat) {
            true => Ok(label.to_owned()),
            false => refuse(
                format!("{name}: {label:?} is not a label name"),
                argument.span(),
            ),
        }
    }

    fn relabel(&mut self, call: &Call, target: String, how: RelabelHow) -> Result<Typed> {
        Ok(Typed::Vector(VectorExpr::Relabel(Box::new(Relabel {
            of: self.vector(argument(call, 0)?)?,
            target,
            how,
            memo: Memo::default(),
            seen: Places::default(),
        }))))
    }
}

/// The first selector that looks at another time than its expression is evaluated at.
fn moved(expr: &promql::Expr) -> Option<Span> {
    let moment = match expr {
        promql::Expr::Selector(selector) => Some(&selector.moment),
        promql::Expr::Range(range) => Some(&range.selector.moment),
        _ => None,
    };
    match moment.is_some_and(|moment| *moment != promql::Moment::default()) {
        true => Some(expr.span()),
        false => expr.children().into_iter().find_map(moved),
    }
}

fn map(function: MapFunction, of: VectorExpr) -> Typed {
    Typed::Vector(VectorExpr::Map(Box::new(MapCall {
        function,
        of,
        seen: Places::default(),
    })))
}

/// An argument; the checks of [`promql::parse`] have counted them.
fn argument(call: &Call, at: usize) -> Result<&promql::Expr> {
    match call.args.get(at) {
        Some(argument) => Ok(argument),
        None => refuse("an argument is missing", call.span),
    }
}

/// Whether Prometheus 3.14 drops the call's subquery: one with `@` is wrapped for being the same at every step, and is
/// then not recognized unless the whole call is (`promql/engine.go`, preprocessExprHelper).
fn loses_its_subquery(function: RangeFunction, parameters: &[ScalarExpr], of: &RangeExpr) -> bool {
    let RangeExpr::Subquery { reference, .. } = of else {
        return false;
    };
    reference.at != At::Evaluation && varies(function, parameters)
}

/// Whether a call on data at a fixed time may differ from step to step.
fn varies(function: RangeFunction, parameters: &[ScalarExpr]) -> bool {
    function == RangeFunction::PredictLinear || !parameters.iter().all(is_fixed)
}

/// Whether a number is made of literals. One taken from series at a fixed time is fixed to Prometheus, too, and not here.
fn is_fixed(number: &ScalarExpr) -> bool {
    match number {
        ScalarExpr::Number(_) | ScalarExpr::QueryTime => true,
        ScalarExpr::Negate(of) => is_fixed(of),
        ScalarExpr::Extreme { left, right, .. } | ScalarExpr::Binary { left, right, .. } => {
            is_fixed(left) && is_fixed(right)
        }
        ScalarExpr::Time | ScalarExpr::OfVector(_) => false,
    }
}

fn range_function(name: &str) -> Option<RangeFunction> {
    Some(match name {
        "rate" => RangeFunction::Rate,
        "increase" => RangeFunction::Increase,
        "delta" => RangeFunction::Delta,
        "irate" => RangeFunction::Irate,
        "idelta" => RangeFunction::Idelta,
        "deriv" => RangeFunction::Deriv,
        "predict_linear" => RangeFunction::PredictLinear,
        "resets" => RangeFunction::Resets,
        "changes" => RangeFunction::Changes,
        "sum_over_time" => RangeFunction::Sum,
        "avg_over_time" => RangeFunction::Avg,
        "min_over_time" => RangeFunction::Min,
        "max_over_time" => RangeFunction::Max,
        "count_over_time" => RangeFunction::Count,
        "present_over_time" => RangeFunction::Present,
        "first_over_time" => RangeFunction::First,
        "last_over_time" => RangeFunction::Last,
        "stddev_over_time" => RangeFunction::Stddev,
        "stdvar_over_time" => RangeFunction::Stdvar,
        "quantile_over_time" => RangeFunction::Quantile,
        "double_exponential_smoothing" | "holt_winters" => RangeFunction::Smoothed,
        "mad_over_time" => RangeFunction::MedianDeviation,
        "ts_of_first_over_time" => RangeFunction::TimeOfFirst,
        "ts_of_last_over_time" => RangeFunction::TimeOfLast,
        "ts_of_min_over_time" => RangeFunction::TimeOfMin,
        "ts_of_max_over_time" => RangeFunction::TimeOfMax,
        _ => return None,
    })
}

fn calendar_field(name: &str) -> Option<CalendarField> {
    Some(match name {
        "minute" => CalendarField::Minute,
        "hour" => CalendarField::Hour,
        "day_of_week" => CalendarField::DayOfWeek,
        "day_of_month" => CalendarField::DayOfMonth,
        "day_of_year" => CalendarField::DayOfYear,
        "days_in_month" => CalendarField::DaysInMonth,
        "month" => CalendarField::Month,
        "year" => CalendarField::Year,
        _ => return None,
    })
}

/// The labels of an `absent` result: those a literal selector asks for with one `=` and nothing else.
fn absent_labels(expr: &promql::Expr) -> Labels {
    let matchers = match expr.bare() {
        promql::Expr::Selector(selector) => &selector.matchers,
        promql::Expr::Range(range) => &range.selector.matchers,
        _ => return Labels::default(),
    };
    let wanted = matchers.iter().filter(|matcher| {
        matcher.label != METRIC_NAME
            && matcher.op == MatchOp::Equal
            && matchers.iter().filter(|m| m.label == matcher.label).count() == 1
    });
    Labels::from_pairs(wanted.map(|m| (m.label.as_str(), m.value.as_str())))
}
