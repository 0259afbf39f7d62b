//! Durations, rates and shares as people write them: `1h30m`, `10/s`, `5%`.

use firedrill_detector::yaml::{Node, Problems};

pub use firedrill_asynq::duration::{format, micros, parse};

/// Whole microseconds in the largest unit in which the whole part is not 0, such as `1.3s`.
#[must_use]
pub fn micros_text(us: f64) -> String {
    let us = us.round();
    match us {
        1e6.. => format!("{}s", us / 1e6),
        1e3.. => format!("{}ms", us / 1e3),
        _ => format!("{us}us"),
    }
}

/// A duration in milliseconds, or a problem.
pub(crate) fn as_duration(node: &Node, what: &str, problems: &mut Problems) -> Option<i64> {
    let value = parse(node.as_str(what, problems)?);
    if value.is_none() {
        node.expected(
            what,
            "a duration such as `90s`, `1h30m` or `500ms`",
            problems,
        );
    }
    value
}

/// A rate per second, or a problem.
pub(crate) fn as_rate(node: &Node, what: &str, problems: &mut Problems) -> Option<f64> {
    let value = rate(node.as_str(what, problems)?);
    if value.is_none() {
        node.expected(
            what,
            "a rate above zero such as `10/s`, `30/m` or `500/h`",
            problems,
        );
    }
    value
}

/// Events per second of `10/s`, `30/m` or `500/h`.
#[must_use]
pub fn rate(text: &str) -> Option<f64> {
    let (number, unit) = text.split_once('/')?;
    let seconds = match unit.trim() {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return None,
    };
    let value = number.trim().parse::<f64>().ok()? / seconds;
    (value > 0.0 && value <= 1e6).then_some(value)
}

/// A size in bytes, or a problem.
pub(crate) fn as_size(node: &Node, what: &str, problems: &mut Problems) -> Option<u64> {
    let value = size(node.as_str(what, problems)?);
    if value.is_none() {
        let expected = "a size above zero such as `50KB`, `1.5MB` or `800B`";
        node.expected(what, expected, problems);
    }
    value
}

const SIZE_UNITS: [(&str, u64); 4] = [("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10), ("B", 1)];
/// Other ways to write the same.
const BINARY_UNITS: [(&str, u64); 3] = [("GIB", 1 << 30), ("MIB", 1 << 20), ("KIB", 1 << 10)];

/// Bytes of `800B`, `50KB`, `64KiB`, `1.5MB` or `2GB`; units are of 1024, as in Redis' configuration, in either case.
#[must_use]
pub fn size(text: &str) -> Option<u64> {
    let upper = text.to_ascii_uppercase();
    let units = BINARY_UNITS.iter().chain(&SIZE_UNITS);
    let (number, unit) = units
        .filter_map(|(unit, bytes)| Some((upper.strip_suffix(unit)?, *bytes)))
        .next()
        .unwrap_or((&upper, 1));
    let number = number.trim_end();
    let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let bytes = number.parse::<f64>().ok().filter(|_| plain)? * unit as f64;
    (bytes >= 1.0 && bytes <= (1_u64 << 50) as f64 && bytes.fract() == 0.0).then_some(bytes as u64)
}

/// A size in the largest unit of which it is a whole number.
#[must_use]
pub fn size_text(bytes: u64) -> String {
    let mut units = SIZE_UNITS.iter();
    let whole = units.find(|(_, unit)| bytes.is_multiple_of(*unit) && bytes > 0);
    let (name, unit) = whole.unwrap_or(&("B", 1));
    format!("{}{name}", bytes / unit)
}

/// A share from 0 to 1, written `5%` or `0.05`, or a problem.
pub(crate) fn as_share(node: &Node, what: &str, problems: &mut Problems) -> Option<f64> {
    let value = share(node.as_str(what, problems)?);
    if value.is_none() {
        node.expected(what, "a share such as `5%` or `0.05`", problems);
    }
    value
}

/// The share, from 0 to 1, that is written `5%` or `0.05`.
#[must_use]
pub fn share(text: &str) -> Option<f64> {
    let value = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok()? / 100.0,
        None => text.parse().ok()?,
    };
    (0.0..=1.0).contains(&value).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_and_rates() {
        for (text, ms) in [
            ("1h30m", Some(5_400_000)),
            ("1.5h", Some(5_400_000)),
            ("500ms", Some(500)),
            ("0", Some(0)),
        ] {
            assert_eq!(parse(text), ms, "{text}");
        }
        for text in [
            "", "5", "m", "1m1h", "1m1m", "-5s", "5 m", "1e3s", "99999w", "5minutes",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(
            (rate("30/m"), rate("0/s"), rate("5")),
            (Some(0.5), None, None)
        );
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("50KB", Some(51_200)),
            ("1.5mb", Some(1_572_864)),
            ("800", Some(800)),
            ("800B", Some(800)),
            ("2 GB", Some(2 << 30)),
            ("64KiB", Some(65_536)),
            ("0KB", None),
            ("-1KB", None),
            ("1e3", None),
            ("KB", None),
            ("0.3B", None),
        ] {
            assert_eq!(size(text), bytes, "{text}");
        }
        for bytes in [1, 800, 51_200, 1_572_864, 2 << 30] {
            assert_eq!(size(&size_text(bytes)), Some(bytes));
        }
        assert_eq!(size_text(51_200), "50KB");
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(ms in 0_i64..100_000_000_000) {
            prop_assert_eq!(parse(&format(ms)), Some(ms));
        }
    }
}
