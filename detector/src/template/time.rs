//! Times and durations: how Go writes them, and the methods templates may call on them (time.Time, time.Duration; all in UTC).

use super::call::{Failure, Type};
use super::value::{IntType, Value};
use crate::eval::map::{Date, civil, days_before};
use crate::go_format;

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// A point in time, taken apart.
struct Parts {
    date: Date,
    /// Days since 1970.
    days: i64,
    hour: i64,
    minute: i64,
    second: i64,
    ns: i64,
}

fn parts(ns: i128) -> Parts {
    let days = small(ns.div_euclid(DAY));
    let of_day = ns.rem_euclid(DAY);
    let seconds = small(of_day / SECOND);
    Parts {
        date: civil(days),
        days,
        hour: seconds / 3600,
        minute: seconds / 60 % 60,
        second: seconds % 60,
        ns: small(of_day % SECOND),
    }
}

/// What is within 64 bits because it was made so.
fn small(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// `Time.String`
pub(super) fn shown(ns: i128) -> String {
    formatted(ns, "2006-01-02 15:04:05.999999999 -0700 MST")
}

/// `Time.GoString`
pub(super) fn as_go_code(ns: i128) -> String {
    let Parts {
        date,
        hour,
        minute,
        second,
        ns,
        ..
    } = parts(ns);
    let (year, month, day) = (date.year, month_shown(date.month), date.day);
    format!("time.Date({year}, time.{month}, {day}, {hour}, {minute}, {second}, {ns}, time.UTC)")
}

/// `Month.String`
pub(super) fn month_shown(month: i64) -> String {
    named(&MONTHS, month - 1).map_or_else(
        || format!("%!Month({})", month.cast_unsigned()),
        str::to_owned,
    )
}

/// `Weekday.String`
pub(super) fn weekday_shown(day: i64) -> String {
    named(&WEEKDAYS, day).map_or_else(
        || format!("%!Weekday({})", day.cast_unsigned()),
        str::to_owned,
    )
}

fn named(names: &[&'static str], place: i64) -> Option<&'static str> {
    names.get(usize::try_from(place).ok()?).copied()
}

/// `Duration.String`: `1h2m3.5s`, `1.5ms`
pub(super) fn duration_shown(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let absolute = ns.unsigned_abs();
    let decimal = |unit: u64, digits: usize| {
        let text = format!("{}.{:0digits$}", absolute / unit, absolute % unit);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match absolute {
        0 => "0s".into(),
        1..1_000 => format!("{sign}{absolute}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", decimal(1_000, 3)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", decimal(1_000_000, 6)),
        _ => {
            let whole = absolute / 1_000_000_000;
            let rest = absolute % 1_000_000_000;
            let seconds = format!("{}.{rest:09}", whole % 60);
            let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
            match (whole / 3600, whole / 60 % 60) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// Go's reference time, piece by piece; of several that begin alike the longer one comes first.
const PIECES: [&str; 36] = [
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "2006",
    "002",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "-07:00:00",
    "-070000",
    "-07:00",
    "-0700",
    "-07",
    "Z07:00:00",
    "Z070000",
    "Z07:00",
    "Z0700",
    "Z07",
    "15",
    "PM",
    "pm",
    "_2006",
    "__2",
    "_2",
    "1",
    "2",
    "3",
    "4",
    "5",
    ".",
    ",",
];

/// `Time.Format`
pub(super) fn formatted(ns: i128, layout: &str) -> String {
    let Parts {
        date,
        days,
        hour,
        minute,
        second,
        ns,
    } = parts(ns);
    let year_day = days - days_before(date.year, 1, 1) + 1;
    let weekday = named(&WEEKDAYS, (days + 4).rem_euclid(7)).unwrap_or_default();
    let month = named(&MONTHS, date.month - 1).unwrap_or_default();
    let half_day = if hour % 12 == 0 { 12 } else { hour % 12 };
    let mut out = String::new();
    let mut rest = layout;
    while let Some(first) = rest.chars().next() {
        let found = PIECES.iter().find(|piece| rest.starts_with(**piece));
        // A name goes on with capitals only: "Janet" and "Month" are no names of months and days.
        let goes_on = |length: usize| rest[length..].starts_with(|c: char| c.is_ascii_lowercase());
        let piece = match found.copied() {
            Some(name @ ("Jan" | "Mon")) if goes_on(3) => {
                out.push_str(name);
                rest = &rest[3..];
                continue;
            }
            Some(piece) => piece,
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
                continue;
            }
        };
        let mut length = piece.len();
        let text = match piece {
            "January" => month.to_owned(),
            "Jan" => month[..3].to_owned(),
            "Monday" => weekday.to_owned(),
            "Mon" => weekday[..3].to_owned(),
            "MST" => "UTC".into(),
            "2006" => format!("{:04}", date.year),
            "_2006" => format!("_{:04}", date.year),
            "06" => format!("{:02}", date.year.rem_euclid(100)),
            "01" => format!("{:02}", date.month),
            "1" => date.month.to_string(),
            "02" => format!("{:02}", date.day),
            "_2" => format!("{:2}", date.day),
            "2" => date.day.to_string(),
            "002" => format!("{year_day:03}"),
            "__2" => format!("{year_day:3}"),
            "15" => format!("{hour:02}"),
            "03" => format!("{half_day:02}"),
            "3" => half_day.to_string(),
            "04" => format!("{minute:02}"),
            "4" => minute.to_string(),
            "05" => format!("{second:02}"),
            "5" => second.to_string(),
            "PM" => if hour >= 12 { "PM" } else { "AM" }.to_owned(),
            "pm" => if hour >= 12 { "pm" } else { "am" }.to_owned(),
            "-07:00:00" => "+00:00:00".into(),
            "-070000" => "+000000".into(),
            "-07:00" => "+00:00".into(),
            "-0700" => "+0000".into(),
            "-07" => "+00".into(),
            "Z07:00:00" | "Z070000" | "Z07:00" | "Z0700" | "Z07" => "Z".into(),
            // A fraction of a second: zeros or nines up to something that is no digit.
            point => {
                let digit = rest[1..].chars().next().filter(|c| matches!(c, '0' | '9'));
                let count = digit.map_or(0, |digit| {
                    rest[1..].chars().take_while(|char| *char == digit).count()
                });
                let ends = !rest[1 + count..].starts_with(|c: char| c.is_ascii_digit());
                match digit {
                    Some(digit) if ends => {
                        length = 1 + count;
                        let digits = format!("{ns:09}");
                        let digits = &digits[..count.min(9)];
                        match digit {
                            '0' => format!("{point}{digits:0<count$}"),
                            _ => match digits.trim_end_matches('0') {
                                "" => String::new(),
                                digits => format!("{point}{digits}"),
                            },
                        }
                    }
                    _ => point.to_owned(),
                }
            }
        };
        out.push_str(&text);
        rest = &rest[length..];
    }
    out
}

/// A method of a time, a duration, a month or a weekday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Method {
    pub(super) name: &'static str,
    pub(super) takes: &'static [Type],
}

const NONE: &[Type] = &[];

const TIME_METHODS: [(&str, &[Type]); 32] = [
    ("Add", &[Type::Duration]),
    ("After", &[Type::Time]),
    ("Before", &[Type::Time]),
    ("Compare", &[Type::Time]),
    ("Day", NONE),
    ("Equal", &[Type::Time]),
    ("Format", &[Type::String]),
    ("GoString", NONE),
    ("Hour", NONE),
    ("IsDST", NONE),
    ("IsZero", NONE),
    ("Local", NONE),
    ("Minute", NONE),
    ("Month", NONE),
    ("Nanosecond", NONE),
    ("Second", NONE),
    ("String", NONE),
    ("Sub", &[Type::Time]),
    ("UTC", NONE),
    ("Unix", NONE),
    ("UnixMicro", NONE),
    ("UnixMilli", NONE),
    ("UnixNano", NONE),
    ("Weekday", NONE),
    ("Year", NONE),
    ("YearDay", NONE),
    // Known, so that they are not taken for a field that is not there; what they return is not carried out.
    ("AddDate", &[Type::Int, Type::Int, Type::Int]),
    ("Location", NONE),
    ("MarshalJSON", NONE),
    ("MarshalText", NONE),
    ("Round", &[Type::Duration]),
    ("Truncate", &[Type::Duration]),
];

const DURATION_METHODS: [(&str, &[Type]); 10] = [
    ("Abs", NONE),
    ("Hours", NONE),
    ("Microseconds", NONE),
    ("Milliseconds", NONE),
    ("Minutes", NONE),
    ("Nanoseconds", NONE),
    ("Round", &[Type::Duration]),
    ("Seconds", NONE),
    ("String", NONE),
    ("Truncate", &[Type::Duration]),
];

/// The method of that name, if `receiver` has one.
pub(super) fn method(receiver: &Value, name: &str) -> Option<Method> {
    let methods: &[(&'static str, &'static [Type])] = match receiver {
        Value::Time { .. } => &TIME_METHODS,
        Value::Duration { .. } => &DURATION_METHODS,
        Value::Int(_, IntType::Month | IntType::Weekday) => &[("String", NONE)],
        _ => return None,
    };
    let (name, takes) = methods.iter().find(|(known, _)| *known == name)?;
    Some(Method { name, takes })
}

impl Method {
    /// Calls the method with arguments of its types.
    ///
    /// # Errors
    ///
    /// [`Failure::Beyond`] for what is not carried out here.
    pub(super) fn call(self, receiver: &Value, args: &[Value]) -> Result<Value, Failure> {
        match receiver {
            Value::Time { ns, .. } => self.of_time(*ns, args),
            Value::Duration { ns, .. } => self.of_duration(*ns, args),
            _ => Ok(Value::text(receiver.own_text().unwrap_or_default())),
        }
    }

    fn beyond<T>(self) -> Result<T, Failure> {
        Err(Failure::Beyond(format!(
            "the method {} of a time",
            self.name
        )))
    }

    fn of_time(self, ns: i128, args: &[Value]) -> Result<Value, Failure> {
        let int = |value: i64| Value::Int(value, IntType::Int);
        let time = |ns: i128| Value::Time {
            ns,
            is_pointer: false,
        };
        let parts = parts(ns);
        Ok(match (self.name, args) {
            ("Add", [Value::Duration { ns: more, .. }]) => time(ns + i128::from(*more)),
            ("After", [Value::Time { ns: other, .. }]) => Value::Bool(ns > *other),
            ("Before", [Value::Time { ns: other, .. }]) => Value::Bool(ns < *other),
            ("Equal", [Value::Time { ns: other, .. }]) => Value::Bool(ns == *other),
            ("Compare", [Value::Time { ns: other, .. }]) => int(ns.cmp(other) as i64),
            ("Sub", [Value::Time { ns: other, .. }]) => Value::Duration {
                ns: (ns - other).clamp(i64::MIN.into(), i64::MAX.into()) as i64,
                is_pointer: false,
            },
            ("Format", [Value::Text(layout)]) => {
                Value::text(formatted(ns, &String::from_utf8_lossy(layout)))
            }
            ("GoString", _) => Value::text(as_go_code(ns)),
            ("String", _) => Value::text(shown(ns)),
            ("Year", _) => int(parts.date.year),
            ("Month", _) => Value::Int(parts.date.month, IntType::Month),
            ("Day", _) => int(parts.date.day),
            ("Hour", _) => int(parts.hour),
            ("Minute", _) => int(parts.minute),
            ("Second", _) => int(parts.second),
            ("Nanosecond", _) => int(parts.ns),
            ("Weekday", _) => Value::Int((parts.days + 4).rem_euclid(7), IntType::Weekday),
            ("YearDay", _) => int(parts.days - days_before(parts.date.year, 1, 1) + 1),
            ("IsDST" | "IsZero", _) => Value::Bool(false),
            ("UTC", _) => time(ns),
            ("Unix", _) => Value::Int(small(ns.div_euclid(SECOND)), IntType::Int64),
            ("UnixMilli", _) => Value::Int(small(ns.div_euclid(1_000_000)), IntType::Int64),
            ("UnixMicro", _) => Value::Int(small(ns.div_euclid(1000)), IntType::Int64),
            ("UnixNano", _) => Value::Int(ns as i64, IntType::Int64),
            // Local time depends on the machine.
            _ => return self.beyond(),
        })
    }

    fn of_duration(self, ns: i64, args: &[Value]) -> Result<Value, Failure> {
        let int64 = |value: i64| Value::Int(value, IntType::Int64);
        let duration = |ns: i64| Value::Duration {
            ns,
            is_pointer: false,
        };
        // As Go divides: the whole part and the rest by themselves.
        let of = |unit: i64| (ns / unit) as f64 + (ns % unit) as f64 / unit as f64;
        Ok(match (self.name, args) {
            ("Abs", _) => duration(ns.checked_abs().unwrap_or(i64::MAX)),
            ("Nanoseconds", _) => int64(ns),
            ("Microseconds", _) => int64(ns / 1_000),
            ("Milliseconds", _) => int64(ns / 1_000_000),
            ("Seconds", _) => Value::Float(of(1_000_000_000)),
            ("Minutes", _) => Value::Float(of(60_000_000_000)),
            ("Hours", _) => Value::Float(of(3_600_000_000_000)),
            ("String", _) => Value::text(duration_shown(ns)),
            ("Truncate", [Value::Duration { ns: unit, .. }]) => match *unit {
                ..=0 => duration(ns),
                unit => duration(ns - ns % unit),
            },
            _ => return self.beyond(),
        })
    }
}

/// The time of a number of seconds, to the millisecond (prometheus/common, model/time.go).
///
/// # Errors
///
/// In Prometheus' words, if it is none.
pub(super) fn of_seconds(seconds: f64) -> Result<i128, String> {
    if !seconds.is_finite() {
        return Err("value is NaN or Inf".into());
    }
    let ns = seconds * 1e9;
    if ns > i64::MAX as f64 || ns < i64::MIN as f64 {
        let shown = go_format::shortest(seconds);
        return Err(format!(
            "{shown} cannot be represented as a nanoseconds timestamp since it overflows int64"
        ));
    }
    Ok(i128::from(go_format::whole(ns) / 1_000_000) * 1_000_000)
}
