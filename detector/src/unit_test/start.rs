//! `start_timestamp`: when a test begins.

use crate::eval::map::days_before;

/// Latest time accepted, in seconds on either side of 1970: what Go counts in nanoseconds.
const SECONDS_MAX: i64 = 9_000_000_000;

/// What is accepted, for messages.
pub(super) const ACCEPTED: &str = "seconds since 1970, or a time like 2026-01-31T12:00:00Z";

/// Reads seconds since 1970, or a time as RFC 3339 writes it, as milliseconds since 1970.
pub(super) fn parse_ms(text: &str) -> Option<i64> {
    let ms = match text.parse::<f64>() {
        Ok(seconds) => {
            let in_range = seconds.is_finite() && seconds.abs() <= SECONDS_MAX as f64;
            // Whole milliseconds; what is finer the store does not keep.
            in_range.then_some((seconds * 1000.0).floor() as i64)?
        }
        Err(_) => rfc_3339_ms(text)?,
    };
    (ms.abs() <= SECONDS_MAX * 1000).then_some(ms)
}

/// `2026-01-31T12:00:00.5+01:00`.
fn rfc_3339_ms(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let (year, rest) = date.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let (year, month, day) = (
        number(year, 4, 0..=9999)?,
        number(month, 2, 1..=12)?,
        number(day, 2, 1..=31)?,
    );
    let days = days_before(year, month, day);
    let (next_year, next_month) = match month {
        12 => (year + 1, 1),
        _ => (year, month + 1),
    };
    if days >= days_before(next_year, next_month, 1) {
        return None;
    }
    let zone_at = time.find(['Z', '+', '-'])?;
    let (time, zone) = time.split_at(zone_at);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let seconds =
        clock(time.get(..5)?)? * 60 + number(time.get(5..)?.strip_prefix(':')?, 2, 0..=59)?;
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let millis: String = fraction.chars().chain("00".chars()).take(3).collect();
    let behind = match zone.split_at(1) {
        ("Z", "") => 0,
        ("+", zone) => clock(zone)?,
        ("-", zone) => -clock(zone)?,
        _ => return None,
    };
    Some(((days * 86_400) + seconds - behind * 60) * 1000 + millis.parse::<i64>().ok()?)
}

/// `12:30`, in minutes.
fn clock(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    Some(number(hours, 2, 0..=23)? * 60 + number(minutes, 2, 0..=59)?)
}

fn number(text: &str, digits: usize, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
    let plain = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    let value = text.parse().ok().filter(|_| plain)?;
    range.contains(&value).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, ms) in [
            ("0", Some(0)),
            ("1704067200", Some(1_704_067_200_000)),
            ("1.5", Some(1500)),
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2024-01-01T00:00:00Z", Some(1_704_067_200_000)),
            ("2024-02-29T12:30:05.25+01:30", Some(1_709_204_405_250)),
            ("2023-12-31T19:00:00-05:00", Some(1_704_067_200_000)),
            ("2023-02-29T00:00:00Z", None),
            ("2024-01-01", None),
            ("2024-01-01T00:00:00", None),
            ("2024-01-01T24:00:00Z", None),
            ("2024-1-01T00:00:00Z", None),
            ("1e300", None),
            ("NaN", None),
            ("", None),
        ] {
            assert_eq!(parse_ms(text), ms, "{text:?}");
        }
    }
}
