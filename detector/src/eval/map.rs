//! Functions applied to each element by itself.

use super::math::{self, go_max, go_min};
use super::{Context, EvalError, Vector, without_names};
use crate::expr::{CalendarField, MapCall, MapFunction};

impl MapCall {
    pub(super) fn evaluate(&mut self, context: &mut Context<'_>) -> Result<Vector, EvalError> {
        let mut vector = self.of.evaluate(context)?;
        match &mut self.function {
            MapFunction::Negate => each(&mut vector, |x| -x),
            MapFunction::Abs => each(&mut vector, f64::abs),
            MapFunction::Ceil => each(&mut vector, f64::ceil),
            MapFunction::Floor => each(&mut vector, f64::floor),
            MapFunction::Sqrt => each(&mut vector, f64::sqrt),
            MapFunction::Exp => each(&mut vector, libm::exp),
            MapFunction::Ln => each(&mut vector, libm::log),
            MapFunction::Log2 => each(&mut vector, math::log2),
            MapFunction::Log10 => each(&mut vector, math::log10),
            MapFunction::Sgn => each(&mut vector, sign),
            MapFunction::Deg => each(&mut vector, |x| x * 180.0 / std::f64::consts::PI),
            MapFunction::Rad => each(&mut vector, |x| x * std::f64::consts::PI / 180.0),
            MapFunction::Trigonometric(function) => {
                let function = *function;
                each(&mut vector, |x| function.apply(x));
            }
            MapFunction::Round { to } => {
                let to = match to {
                    Some(to) => to.evaluate(context)?,
                    None => 1.0,
                };
                // As Prometheus: the inverse keeps steps like 0.1 exact.
                let inverse = 1.0 / to;
                each(&mut vector, |x| (x * inverse + 0.5).floor() / inverse);
            }
            MapFunction::Clamp { min, max } => {
                let (min, max) = (min.evaluate(context)?, max.evaluate(context)?);
                if min > max {
                    vector.clear();
                }
                each(&mut vector, |x| go_max(min, go_min(max, x)));
            }
            MapFunction::ClampMin(min) => {
                let min = min.evaluate(context)?;
                each(&mut vector, |x| go_max(min, x));
            }
            MapFunction::ClampMax(max) => {
                let max = max.evaluate(context)?;
                each(&mut vector, |x| go_min(max, x));
            }
            MapFunction::Timestamp => {
                let now = context.now_ms as f64 / 1000.0;
                each(&mut vector, |_| now);
            }
            MapFunction::StartTimestamp => vector.clear(),
            MapFunction::Calendar(field) => {
                let field = *field;
                each(&mut vector, |x| calendar(field, x));
            }
        }
        without_names(vector, &mut self.seen, context)
    }
}

fn each(vector: &mut Vector, function: impl Fn(f64) -> f64) {
    for element in vector {
        element.value = function(element.value);
    }
}

fn sign(x: f64) -> f64 {
    if x < 0.0 {
        -1.0
    } else if x > 0.0 {
        1.0
    } else {
        x
    }
}

/// Seconds from the start of Go's absolute time, some 292 billion years ago, to the Unix epoch.
const ABSOLUTE_TO_UNIX: i64 = 9_223_372_028_715_321_600;

/// A field of the UTC date `seconds` after the epoch.
///
/// What is no date (NaN, infinities) comes out as it does in Go on amd64, wrapping around included.
fn calendar(field: CalendarField, seconds: f64) -> f64 {
    const END: f64 = 9_223_372_036_854_775_808.0;
    let in_range = (-END..END).contains(&seconds);
    let seconds = if in_range { seconds as i64 } else { i64::MIN };
    let absolute = seconds.wrapping_add(ABSOLUTE_TO_UNIX).cast_unsigned();
    let second_of_day = (absolute % 86_400).cast_signed();
    let days = (absolute / 86_400).cast_signed() - ABSOLUTE_TO_UNIX / 86_400;
    let date = civil(days);
    let result = match field {
        CalendarField::Minute => second_of_day / 60 % 60,
        CalendarField::Hour => second_of_day / 3600,
        CalendarField::DayOfWeek => (days + 4).rem_euclid(7),
        CalendarField::DayOfMonth => date.day,
        CalendarField::DayOfYear => days - days_before(date.year, 1, 1) + 1,
        CalendarField::DaysInMonth => {
            let (year, month) = if date.month == 12 {
                (date.year + 1, 1)
            } else {
                (date.year, date.month + 1)
            };
            days_before(year, month, 1) - days_before(date.year, date.month, 1)
        }
        CalendarField::Month => date.month,
        CalendarField::Year => date.year,
    };
    result as f64
}

/// A Gregorian date.
pub(crate) struct Date {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
}

/// The Gregorian date so many days after 1970-01-01. Years are counted from March, so that leap days come last.
pub(crate) fn civil(days: i64) -> Date {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    Date {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: day_of_year - (153 * march_month + 2) / 5 + 1,
    }
}

/// Days from 1970-01-01 to the date.
pub(crate) fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let march_month = (month + 9) % 12;
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_fields() {
        // 2024-02-29 23:59:58 UTC, a Thursday.
        let at = 1_709_251_198.0;
        for (field, expected) in [
            (CalendarField::Minute, 59.0),
            (CalendarField::Hour, 23.0),
            (CalendarField::DayOfWeek, 4.0),
            (CalendarField::DayOfMonth, 29.0),
            (CalendarField::DayOfYear, 60.0),
            (CalendarField::DaysInMonth, 29.0),
            (CalendarField::Month, 2.0),
            (CalendarField::Year, 2024.0),
        ] {
            assert_eq!(calendar(field, at), expected, "{field:?}");
        }
        assert_eq!(calendar(CalendarField::Year, -1.0), 1969.0);
        assert_eq!(calendar(CalendarField::DaysInMonth, 0.0), 31.0);
        // Not a date; promtool says the same.
        assert_eq!(calendar(CalendarField::Hour, f64::INFINITY), 15.0);
    }
}
