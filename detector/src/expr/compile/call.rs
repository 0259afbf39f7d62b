//! Function calls.

use promql_parser::label::MatchOp;
use promql_parser::parser;

use super::{Compiler, Result, Typed, is_label_name, string};
use crate::compat::Compat;
use crate::expr::{
    At, CalendarField, HistogramQuantile, LabelsOnce, MapCall, MapFunction, Phi, RangeCall,
    RangeExpr, RangeFunction, Reference, Relabel, RelabelHow, ScalarExpr, SortByLabel,
    Trigonometric, VectorExpr,
};
use crate::intern::{Memo, Places};
use crate::regex::{Parsed, Template};
use crate::sample::{Labels, METRIC_NAME};

impl Compiler {
    pub(super) fn call(&mut self, call: &parser::Call) -> Result<Typed> {
        let name = call.func.name;
        let args: Vec<&parser::Expr> = call.args.args.iter().map(AsRef::as_ref).collect();
        if call.func.experimental {
            self.experimental(name)?;
        }
        if let Some(function) = range_function(name) {
            return self.range_call(name, function, &args);
        }
        if let Some(field) = calendar_field(name) {
            let of = match args.first() {
                Some(of) => self.vector(of, name)?,
                None => VectorExpr::OfScalar(ScalarExpr::Time),
            };
            return Ok(map(MapFunction::Calendar(field), of));
        }
        if let Some(function) = self.map_function(name, &args)? {
            let of = self.vector(argument(&args, 0, name)?, name)?;
            return Ok(map(function, of));
        }
        match name {
            "time" | "start" | "end" | "range" | "step" | "max_of" | "min_of" | "pi" | "scalar" => {
                self.number(name, &args).map(Typed::Scalar)
            }
            "absent" | "absent_over_time" => self.absence(name, &args),
            "timestamp" => self.timestamp(argument(&args, 0, name)?),
            "histogram_quantile" | "histogram_quantiles" => self.quantiles(name, &args),
            "sort" | "sort_desc" | "sort_by_label" | "sort_by_label_desc" => {
                self.sorted(name, &args)
            }
            "label_replace" => self.label_replace(&args),
            "label_join" => self.label_join(&args),
            "vector" => {
                let of = self.scalar(argument(&args, 0, name)?, name)?;
                Ok(Typed::Vector(VectorExpr::OfScalar(of)))
            }
            _ if name.starts_with("histogram_") => Err(format!(
                "{name}() works on native histograms, which are not supported"
            )),
            _ if call.func.experimental => {
                Err(format!("{name}() is experimental and not supported"))
            }
            _ => Err(format!("{name}() is not supported")),
        }
    }

    fn number(&mut self, name: &str, args: &[&parser::Expr]) -> Result<ScalarExpr> {
        Ok(match name {
            "time" => ScalarExpr::Time,
            "start" | "end" => ScalarExpr::QueryTime,
            // A rule is evaluated at one time.
            "range" | "step" => ScalarExpr::Number(0.0),
            "pi" => ScalarExpr::Number(std::f64::consts::PI),
            "scalar" => {
                let of = self.vector(argument(args, 0, name)?, name)?;
                ScalarExpr::OfVector(Box::new(of))
            }
            _ => ScalarExpr::Extreme {
                greatest: name == "max_of",
                left: self.scalar(argument(args, 0, name)?, name)?.into(),
                right: self.scalar(argument(args, 1, name)?, name)?.into(),
            },
        })
    }

    fn absence(&mut self, name: &str, args: &[&parser::Expr]) -> Result<Typed> {
        let of = argument(args, 0, name)?;
        let labels = LabelsOnce::new(absent_labels(of));
        Ok(Typed::Vector(match name {
            "absent" => VectorExpr::Absent {
                labels,
                of: Box::new(self.vector(of, name)?),
            },
            _ => VectorExpr::AbsentOverTime {
                labels,
                of: self.range(of, name)?,
            },
        }))
    }

    fn timestamp(&mut self, of: &parser::Expr) -> Result<Typed> {
        match self.vector(of, "timestamp")? {
            VectorExpr::Selector(selector) => {
                // `promql/engine.go`, rangeEvalTimestampFunctionOverVectorSelector: the offset is replaced by what
                // `@` needs, yet decides which samples were read, together with the rest of the expression.
                let Reference { at, offset_ms } = selector.reference;
                if at != At::Evaluation && offset_ms != 0 {
                    return Err("timestamp() of a selector with both `@` and `offset` forgets the offset in \
                         Prometheus, a defect; write the time that is meant behind `@`"
                        .into());
                }
                Ok(Typed::Vector(VectorExpr::TimestampOf(selector)))
            }
            of => Ok(map(MapFunction::Timestamp, of)),
        }
    }

    fn sorted(&mut self, name: &str, args: &[&parser::Expr]) -> Result<Typed> {
        let of = self.vector(argument(args, 0, name)?, name)?;
        let descending = name.ends_with("_desc");
        if !name.starts_with("sort_by_label") {
            return Ok(Typed::Vector(VectorExpr::Sort {
                of: Box::new(of),
                descending,
            }));
        }
        let labels = args.iter().skip(1).map(|label| string(label, name));
        Ok(Typed::Vector(VectorExpr::SortByLabel(Box::new(
            SortByLabel {
                of,
                labels: labels.collect::<Result<_>>()?,
                descending,
            },
        ))))
    }

    /// `histogram_quantile(φ, buckets)` or `histogram_quantiles(buckets, label, φ...)`
    fn quantiles(&mut self, name: &str, args: &[&parser::Expr]) -> Result<Typed> {
        let (of, phis, label) = match name {
            "histogram_quantile" => (1, 0..1, None),
            _ => (
                0,
                2..args.len(),
                Some(string(argument(args, 1, name)?, name)?),
            ),
        };
        let of = self.vector(argument(args, of, name)?, name)?;
        let phis = phis.map(|at| {
            Ok(Phi {
                value: self.scalar(argument(args, at, name)?, name)?,
                now: f64::NAN,
                told: label
                    .clone()
                    .map(|label| (label, f64::NAN, Memo::default())),
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

    fn range_call(
        &mut self,
        name: &str,
        function: RangeFunction,
        args: &[&parser::Expr],
    ) -> Result<Typed> {
        if function == RangeFunction::First && self.compat == Compat::V2 {
            return Err("first_over_time() is not known to Prometheus 2".into());
        }
        let (of, parameters) = match function {
            RangeFunction::Quantile => (1, 0..1),
            RangeFunction::PredictLinear => (0, 1..2),
            RangeFunction::Smoothed => (0, 1..3),
            _ => (0, 0..0),
        };
        let of = argument(args, of, name)?;
        let parameters = parameters
            .map(|at| self.scalar(argument(args, at, name)?, name))
            .collect::<Result<Vec<_>>>()?;
        let of = self.range(of, name)?;
        if self.compat == Compat::V3 && loses_its_subquery(function, &parameters, &of) {
            return Err(format!(
                "{name}() of a subquery with `@` finds nothing in Prometheus 3.14, a defect that later versions do not \
                 have (prometheus issue 18610); `@` inside the subquery works in all of them"
            ));
        }
        if self.compat == Compat::V2
            && self.subqueries > 0
            && matches!(&of, RangeExpr::Selector { selector, .. } if selector.reference.at != At::Evaluation)
            && varies(function, &parameters)
        {
            return Err(format!(
                "{name}() of a selector with `@` inside a subquery loses samples from step to step in Prometheus 2, a defect"
            ));
        }
        Ok(Typed::Vector(VectorExpr::Range(Box::new(RangeCall {
            function,
            of,
            parameters,
            seen: Places::default(),
        }))))
    }

    fn map_function(&mut self, name: &str, args: &[&parser::Expr]) -> Result<Option<MapFunction>> {
        Ok(Some(match name {
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
                to: match args.get(1) {
                    Some(to) => Some(self.scalar(to, name)?),
                    None => None,
                },
            },
            "clamp" => MapFunction::Clamp {
                min: self.scalar(argument(args, 1, name)?, name)?,
                max: self.scalar(argument(args, 2, name)?, name)?,
            },
            "clamp_min" => MapFunction::ClampMin(self.scalar(argument(args, 1, name)?, name)?),
            "clamp_max" => MapFunction::ClampMax(self.scalar(argument(args, 1, name)?, name)?),
            _ => return Ok(None),
        }))
    }

    fn label_replace(&mut self, args: &[&parser::Expr]) -> Result<Typed> {
        let name = "label_replace";
        let target = self.label_argument(args, 1, name)?;
        let replacement = string(argument(args, 2, name)?, name)?;
        // A source nobody has is no error: it reads as the empty string.
        let source = string(argument(args, 3, name)?, name)?;
        let regex = string(argument(args, 4, name)?, name)?;
        let regex = self.regex(&regex, Parsed::whole(&regex, self.compat))?;
        let how = RelabelHow::Replace {
            source,
            replacement: Template::new(&replacement, &regex, self.compat),
            regex,
        };
        self.relabel(args, name, target, how)
    }

    fn label_join(&mut self, args: &[&parser::Expr]) -> Result<Typed> {
        let name = "label_join";
        let target = self.label_argument(args, 1, name)?;
        let separator = string(argument(args, 2, name)?, name)?;
        let sources = (3..args.len())
            .map(|at| self.label_argument(args, at, name))
            .collect::<Result<_>>()?;
        self.relabel(args, name, target, RelabelHow::Join { separator, sources })
    }

    fn label_argument(&self, args: &[&parser::Expr], at: usize, name: &str) -> Result<String> {
        let label = string(argument(args, at, name)?, name)?;
        if is_label_name(&label, self.compat) {
            Ok(label)
        } else {
            Err(format!("{name}: {label:?} is not a label name"))
        }
    }

    fn relabel(
        &mut self,
        args: &[&parser::Expr],
        name: &str,
        target: String,
        how: RelabelHow,
    ) -> Result<Typed> {
        Ok(Typed::Vector(VectorExpr::Relabel(Box::new(Relabel {
            of: self.vector(argument(args, 0, name)?, name)?,
            target,
            how,
            memo: Memo::default(),
            seen: Places::default(),
        }))))
    }
}

fn map(function: MapFunction, of: VectorExpr) -> Typed {
    Typed::Vector(VectorExpr::Map(Box::new(MapCall {
        function,
        of,
        seen: Places::default(),
    })))
}

fn argument<'e>(args: &[&'e parser::Expr], at: usize, name: &str) -> Result<&'e parser::Expr> {
    args.get(at)
        .copied()
        .ok_or_else(|| format!("{name}() needs at least {} arguments", at + 1))
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
        "double_exponential_smoothing" => RangeFunction::Smoothed,
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
fn absent_labels(expr: &parser::Expr) -> Labels {
    let selector = match expr {
        parser::Expr::Paren(paren) => return absent_labels(&paren.expr),
        parser::Expr::VectorSelector(selector) => selector,
        parser::Expr::MatrixSelector(matrix) => &matrix.vs,
        _ => return Labels::default(),
    };
    let matchers = &selector.matchers.matchers;
    let wanted = matchers.iter().filter(|matcher| {
        matcher.name != METRIC_NAME
            && matches!(matcher.op, MatchOp::Equal)
            && matchers.iter().filter(|m| m.name == matcher.name).count() == 1
    });
    Labels::from_pairs(wanted.map(|m| (m.name.as_str(), m.value.as_str())))
}
