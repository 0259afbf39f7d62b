//! The functions there are: what they take and what they give.

use std::fmt;

use crate::compat::Compat;

/// What an expression is when it has been evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// One number.
    Scalar,
    /// Elements with labels, one value each.
    Vector,
    /// Elements with labels, the values of a range of time each.
    Matrix,
    /// A text.
    String,
}

impl ValueType {
    /// As something that is asked for.
    pub(super) fn wanted(self) -> &'static str {
        match self {
            Self::Matrix => "a range like x[5m]",
            Self::Scalar => "a number",
            Self::Vector => "an instant vector",
            Self::String => "a string",
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Matrix => "a range",
            other => other.wanted(),
        })
    }
}

/// How many of the last parameter there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variadic {
    /// One.
    No,
    /// None up to so many.
    UpTo(usize),
    /// None or more.
    Any,
}

/// Which Prometheus knows a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Both,
    V2,
    V3,
    /// 3, if asked for.
    Experimental,
}

/// A function.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Function {
    /// As it is called.
    pub name: &'static str,
    /// What it takes.
    pub parameters: &'static [ValueType],
    /// Whether the last of them may be left out, or repeated.
    pub variadic: Variadic,
    /// What it gives.
    pub result: ValueType,
    known: Known,
}

impl Function {
    /// The function of this name.
    pub(super) fn find(name: &str, compat: Compat) -> Option<&'static Self> {
        FUNCTIONS
            .iter()
            .find(|function| function.name == name && function.is_known(compat))
    }

    /// Whether Prometheus 3 has to be asked for it (`--enable-feature=promql-experimental-functions`).
    #[must_use]
    pub fn is_experimental(&self) -> bool {
        self.known == Known::Experimental
    }

    fn is_known(&self, compat: Compat) -> bool {
        match self.known {
            Known::Both => true,
            Known::V2 => compat == Compat::V2,
            Known::V3 | Known::Experimental => compat == Compat::V3,
        }
    }

    /// What to call in the place of a function that does not exist.
    pub(super) fn instead_of(name: &str, compat: Compat) -> Option<&'static str> {
        match (name, compat) {
            ("holt_winters", Compat::V3) => return Some("double_exponential_smoothing"),
            ("double_exponential_smoothing", Compat::V2) => return Some("holt_winters"),
            _ => {}
        }
        let known = FUNCTIONS
            .iter()
            .filter(|function| function.is_known(compat));
        let near = known
            .map(|function| (strsim::damerau_levenshtein(name, function.name), function))
            .min_by_key(|(distance, _)| *distance)?;
        (near.0 <= name.len() / 3).then_some(near.1.name)
    }
}

const fn function(
    name: &'static str,
    parameters: &'static [ValueType],
    result: ValueType,
) -> Function {
    Function {
        name,
        parameters,
        variadic: Variadic::No,
        result,
        known: Known::Both,
    }
}

impl Function {
    const fn with(self, variadic: Variadic) -> Self {
        Self { variadic, ..self }
    }

    const fn of(self, known: Known) -> Self {
        Self { known, ..self }
    }
}

const S: ValueType = ValueType::Scalar;
const V: ValueType = ValueType::Vector;
const M: ValueType = ValueType::Matrix;
const T: ValueType = ValueType::String;

const ONE: Variadic = Variadic::UpTo(1);

/// `promql/parser/functions.go`, of 3.14 and 2.42.
static FUNCTIONS: [Function; 91] = [
    function("abs", &[V], V),
    function("absent", &[V], V),
    function("absent_over_time", &[M], V),
    function("acos", &[V], V),
    function("acosh", &[V], V),
    function("asin", &[V], V),
    function("asinh", &[V], V),
    function("atan", &[V], V),
    function("atanh", &[V], V),
    function("avg_over_time", &[M], V),
    function("ceil", &[V], V),
    function("changes", &[M], V),
    function("clamp", &[V, S, S], V),
    function("clamp_max", &[V, S], V),
    function("clamp_min", &[V, S], V),
    function("cos", &[V], V),
    function("cosh", &[V], V),
    function("count_over_time", &[M], V),
    function("day_of_month", &[V], V).with(ONE),
    function("day_of_week", &[V], V).with(ONE),
    function("day_of_year", &[V], V).with(ONE),
    function("days_in_month", &[V], V).with(ONE),
    function("deg", &[V], V),
    function("delta", &[M], V),
    function("deriv", &[M], V),
    function("double_exponential_smoothing", &[M, S, S], V).of(Known::Experimental),
    function("end", &[], S).of(Known::Experimental),
    function("exp", &[V], V),
    function("first_over_time", &[M], V).of(Known::V3),
    function("floor", &[V], V),
    function("histogram_avg", &[V], V).of(Known::V3),
    function("histogram_count", &[V], V),
    function("histogram_fraction", &[S, S, V], V),
    function("histogram_quantile", &[S, V], V),
    function("histogram_quantiles", &[V, T, S, S], V)
        .with(Variadic::UpTo(9))
        .of(Known::Experimental),
    function("histogram_stddev", &[V], V).of(Known::V3),
    function("histogram_stdvar", &[V], V).of(Known::V3),
    function("histogram_sum", &[V], V),
    function("holt_winters", &[M, S, S], V).of(Known::V2),
    function("hour", &[V], V).with(ONE),
    function("idelta", &[M], V),
    function("increase", &[M], V),
    function("info", &[V, V], V)
        .with(ONE)
        .of(Known::Experimental),
    function("irate", &[M], V),
    function("label_join", &[V, T, T, T], V).with(Variadic::Any),
    function("label_replace", &[V, T, T, T, T], V),
    function("last_over_time", &[M], V),
    function("ln", &[V], V),
    function("log10", &[V], V),
    function("log2", &[V], V),
    function("mad_over_time", &[M], V).of(Known::Experimental),
    function("max_of", &[S, S], S).of(Known::Experimental),
    function("max_over_time", &[M], V),
    function("min_of", &[S, S], S).of(Known::Experimental),
    function("min_over_time", &[M], V),
    function("minute", &[V], V).with(ONE),
    function("month", &[V], V).with(ONE),
    function("pi", &[], S),
    function("predict_linear", &[M, S], V),
    function("present_over_time", &[M], V),
    function("quantile_over_time", &[S, M], V),
    function("rad", &[V], V),
    function("range", &[], S).of(Known::Experimental),
    function("rate", &[M], V),
    function("resets", &[M], V),
    function("round", &[V, S], V).with(ONE),
    function("scalar", &[V], S),
    function("sgn", &[V], V),
    function("sin", &[V], V),
    function("sinh", &[V], V),
    function("sort", &[V], V),
    function("sort_by_label", &[V, T], V)
        .with(Variadic::Any)
        .of(Known::Experimental),
    function("sort_by_label_desc", &[V, T], V)
        .with(Variadic::Any)
        .of(Known::Experimental),
    function("sort_desc", &[V], V),
    function("sqrt", &[V], V),
    function("start", &[], S).of(Known::Experimental),
    function("start_timestamp", &[V], V).of(Known::Experimental),
    function("stddev_over_time", &[M], V),
    function("stdvar_over_time", &[M], V),
    function("step", &[], S).of(Known::Experimental),
    function("sum_over_time", &[M], V),
    function("tan", &[V], V),
    function("tanh", &[V], V),
    function("time", &[], S),
    function("timestamp", &[V], V),
    function("ts_of_first_over_time", &[M], V).of(Known::Experimental),
    function("ts_of_last_over_time", &[M], V).of(Known::Experimental),
    function("ts_of_max_over_time", &[M], V).of(Known::Experimental),
    function("ts_of_min_over_time", &[M], V).of(Known::Experimental),
    function("vector", &[S], V),
    function("year", &[V], V).with(ONE),
];
