//! Arithmetic as Prometheus does it, down to the order of operations.

use std::cmp::Ordering;

use crate::compat::Compat;
use crate::expr::{BinaryOp, Trigonometric};

/// A sum with Neumaier's compensation.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Compensated {
    pub(crate) sum: f64,
    pub(crate) correction: f64,
}

impl Compensated {
    pub(crate) fn new(sum: f64) -> Self {
        Self {
            sum,
            correction: 0.0,
        }
    }

    pub(crate) fn add(&mut self, term: f64) {
        let total = self.sum + term;
        self.correction += if self.sum.abs() >= term.abs() {
            (self.sum - total) + term
        } else {
            (term - total) + self.sum
        };
        self.sum = total;
    }

    /// The sum; an infinite one is not corrected, since its correction is not a number.
    pub(crate) fn total(self) -> f64 {
        if self.sum.is_infinite() {
            self.sum
        } else {
            self.sum + self.correction
        }
    }
}

/// The sum of `values`, compensated.
pub(crate) fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sum = Compensated::default();
    for value in values {
        sum.add(value);
    }
    sum.total()
}

/// Whether an infinite running mean swallows `value`: one of the same sign, or any finite one.
fn swallowed(mean: f64, value: f64) -> bool {
    mean.is_infinite()
        && if value.is_infinite() {
            (mean > 0.0) == (value > 0.0)
        } else {
            !value.is_nan()
        }
}

/// The mean of `values` (at least one), which does not overflow while the mean itself is finite.
pub(crate) fn mean(values: &[f64], compat: Compat) -> f64 {
    match compat {
        Compat::V2 => running_mean(values),
        Compat::V3 => mean_of_sum(values),
    }
}

/// As `avg_over_time` before 2.55: the mean is carried along and compensated.
fn running_mean(values: &[f64]) -> f64 {
    let mut mean = Compensated::default();
    let mut count = 0.0;
    for value in values {
        count += 1.0;
        if !swallowed(mean.sum, *value) {
            mean.add(value / count - mean.sum / count);
        }
    }
    mean.total()
}

/// As `avg` and `avg_over_time` since 2.55 and 3.5: a compensated sum, carried along as a mean once it overflows.
fn mean_of_sum(values: &[f64]) -> f64 {
    let mut sum = Compensated::new(values.first().copied().unwrap_or(f64::NAN));
    let mut count = 1.0;
    let mut rest = values.iter().skip(1);
    let mut overflowing = None;
    for value in rest.by_ref() {
        count += 1.0;
        let mut next = sum;
        next.add(*value);
        if next.sum.is_infinite() {
            overflowing = Some(*value);
            break;
        }
        sum = next;
    }
    let Some(first) = overflowing else {
        return sum.sum / count + sum.correction / count;
    };
    let mut mean = Compensated {
        sum: sum.sum / (count - 1.0),
        correction: sum.correction / (count - 1.0),
    };
    count -= 1.0;
    for value in std::iter::once(&first).chain(rest) {
        count += 1.0;
        if swallowed(mean.sum, *value) {
            continue;
        }
        let share = (count - 1.0) / count;
        mean = Compensated {
            sum: share * mean.sum,
            correction: share * mean.correction,
        };
        mean.add(value / count);
    }
    mean.total()
}

/// The mean of an aggregation's group before 2.55: carried along without compensation.
pub(crate) fn plain_running_mean(values: &[f64]) -> f64 {
    let mut mean = 0.0;
    let mut count = 0.0;
    for value in values {
        count += 1.0;
        if !swallowed(mean, *value) {
            mean += value / count - mean / count;
        }
    }
    mean
}

/// The φ-quantile by linear interpolation; sorts `values` with NaN first.
pub(crate) fn quantile(phi: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || phi.is_nan() {
        return f64::NAN;
    }
    if phi < 0.0 {
        return f64::NEG_INFINITY;
    }
    if phi > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(|a, b| nan_first(*a, *b));
    let last = values.len() - 1;
    let rank = phi * last as f64;
    let lower = rank.floor().max(0.0) as usize;
    let upper = (lower + 1).min(last);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

/// Ascending, NaN before everything.
pub(crate) fn nan_first(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b)
        .unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// In the given direction, NaN after everything.
pub(crate) fn nan_last(a: f64, b: f64, descending: bool) -> Ordering {
    match a.partial_cmp(&b) {
        Some(order) if descending => order.reverse(),
        Some(order) => order,
        None => a.is_nan().cmp(&b.is_nan()),
    }
}

/// Go's `math.Max`: NaN wins, except over +Inf.
pub(crate) fn go_max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.max(b)
    }
}

/// Go's `math.Min`: NaN wins, except over −Inf.
pub(crate) fn go_min(a: f64, b: f64) -> f64 {
    -go_max(-a, -b)
}

impl BinaryOp {
    /// An arithmetic operator's result; comparisons have none and give NaN.
    pub(crate) fn compute(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Add => left + right,
            Self::Sub => left - right,
            Self::Mul => left * right,
            Self::Div => left / right,
            Self::Mod => left % right,
            Self::Pow => power(left, right),
            Self::Atan2 => libm::atan2(left, right),
            _ => f64::NAN,
        }
    }

    /// Whether the comparison holds; NaN only differs.
    pub(crate) fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Greater => left > right,
            Self::GreaterEqual => left >= right,
            Self::Less => left < right,
            Self::LessEqual => left <= right,
            _ => false,
        }
    }
}

impl Trigonometric {
    /// The function's value; NaN where it has none.
    pub(crate) fn apply(self, x: f64) -> f64 {
        match self {
            Self::Sin => libm::sin(x),
            Self::Cos => libm::cos(x),
            Self::Tan => libm::tan(x),
            Self::Asin => libm::asin(x),
            Self::Acos => libm::acos(x),
            Self::Atan => libm::atan(x),
            Self::Sinh => libm::sinh(x),
            Self::Cosh => libm::cosh(x),
            Self::Tanh => libm::tanh(x),
            Self::Asinh => libm::asinh(x),
            Self::Acosh => libm::acosh(x),
            Self::Atanh => libm::atanh(x),
        }
    }
}

/// Whether a power of `y` is multiplied out.
pub(crate) fn is_whole_power(y: f64) -> bool {
    y.trunc() == y && y.abs() <= 64.0
}

/// `x ^ y`. Whole exponents are multiplied out, which is exact where the result is, as Go's `math.Pow` does.
pub(crate) fn power(x: f64, y: f64) -> f64 {
    let whole = is_whole_power(y);
    if y == 0.5 {
        return if x == f64::NEG_INFINITY {
            f64::INFINITY
        } else {
            (x + 0.0).sqrt()
        };
    }
    if !whole || !x.is_finite() || x == 0.0 {
        return libm::pow(x, y);
    }
    // The fraction and the exponent are multiplied apart so that no intermediate overflows.
    let (mut square, mut square_exponent) = libm::frexp(x);
    let (mut product, mut exponent) = (1.0f64, 0i32);
    let mut left = y.abs() as u32;
    while left != 0 {
        if left & 1 == 1 {
            product *= square;
            exponent += square_exponent;
        }
        square *= square;
        square_exponent *= 2;
        if square < 0.5 {
            square += square;
            square_exponent -= 1;
        }
        left >>= 1;
    }
    if y < 0.0 {
        product = 1.0 / product;
        exponent = -exponent;
    }
    libm::ldexp(product, exponent)
}

/// Go's `math.Log2`: exact for powers of two.
pub(crate) fn log2(x: f64) -> f64 {
    if !x.is_finite() || x <= 0.0 {
        return libm::log(x);
    }
    let (fraction, exponent) = libm::frexp(x);
    if fraction == 0.5 {
        return f64::from(exponent - 1);
    }
    libm::log(fraction) * std::f64::consts::LOG2_E + f64::from(exponent)
}

/// Go's `math.Log10`, by way of `log2`.
pub(crate) fn log10(x: f64) -> f64 {
    log2(x) * std::f64::consts::LOG10_2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_do_not_overflow() {
        for compat in [Compat::V2, Compat::V3] {
            assert_eq!(mean(&[1e308; 3], compat), 1e308);
            assert_eq!(mean(&[f64::INFINITY; 3], compat), f64::INFINITY);
            assert_eq!(mean(&[1.0, f64::INFINITY], compat), f64::INFINITY);
            assert!(mean(&[f64::INFINITY, f64::NEG_INFINITY], compat).is_nan());
            assert!(mean(&[1.0, f64::NAN], compat).is_nan());
            assert_eq!(mean(&[1.0, 3.0, 2.0, 8.0, 5.0], compat), 3.8);
        }
    }

    #[test]
    fn compensation_and_extremes() {
        assert_eq!(sum([1e100, 1.0, -1e100]), 1.0);
        assert_eq!(sum([f64::INFINITY, 1.0]), f64::INFINITY);
        assert!(go_max(f64::NAN, 2.0).is_nan());
        assert_eq!(go_max(f64::NAN, f64::INFINITY), f64::INFINITY);
        assert_eq!(go_min(f64::NAN, f64::NEG_INFINITY), f64::NEG_INFINITY);
        assert_eq!(quantile(0.5, &mut [4.0, f64::NAN, 3.0, 1.0]), 2.0);
    }

    #[test]
    fn powers_and_logarithms() {
        assert_eq!(power(2.0, 3.0), 8.0);
        assert_eq!(power(-2.0, 3.0), -8.0);
        assert_eq!(power(2.0, -2.0), 0.25);
        assert_eq!(power(10.0, 15.0), 1e15);
        assert_eq!(power(0.0, -1.0), f64::INFINITY);
        assert_eq!(power(1e-200, 2.0), 0.0);
        assert_eq!(log2(1024.0), 10.0);
        assert_eq!(log2(0.0), f64::NEG_INFINITY);
        assert!(log2(-1.0).is_nan());
        assert_eq!(log10(1000.0), 3.0);
    }
}
