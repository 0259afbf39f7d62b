//! Prometheus durations: `1h30m`, `250ms`, `0`.

/// Units from the largest to the smallest, with their length.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// What a duration must look like, for messages.
pub(crate) const ACCEPTED: &str =
    "whole numbers with the units y, w, d, h, m, s, ms in this order, like 90s or 1h30m";

/// Reads a duration in milliseconds; `None` if it is not one, or longer than 292 years (Prometheus' own limit).
#[must_use]
pub fn parse_ms(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total = 0i64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_lowercase).count();
        let (_, length_ms) = units.find(|(unit, _)| *unit == &rest[..letters])?;
        total = total.checked_add(number.checked_mul(*length_ms)?)?;
        rest = &rest[letters..];
    }
    (total <= i64::MAX / 1_000_000).then_some(total)
}

/// Writes a duration as Prometheus does, largest units first; what is not positive is `0s`.
#[must_use]
pub fn format_ms(ms: i64) -> String {
    let mut text = String::new();
    let mut rest = ms.max(0);
    // Months and years have no fixed length for people, so weeks are the largest unit that is written.
    for (unit, length_ms) in &UNITS[1..] {
        if rest >= *length_ms {
            text.push_str(&format!("{}{unit}", rest / length_ms));
            rest %= length_ms;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for (ms, text) in [
            (0, "0s"),
            (90_000, "1m30s"),
            (5_400_250, "1h30m250ms"),
            (8 * 24 * 3_600_000, "1w1d"),
        ] {
            assert_eq!(format_ms(ms), text);
            assert_eq!(parse_ms(text), Some(ms));
        }
    }

    #[test]
    fn durations() {
        for (text, ms) in [
            ("0", Some(0)),
            ("0s", Some(0)),
            ("1h30m", Some(5_400_000)),
            ("2d", Some(172_800_000)),
            ("250ms", Some(250)),
            ("1m1m", None),
            ("1s1m", None),
            ("1.5h", None),
            ("5", None),
            ("", None),
            ("m", None),
            ("-5m", None),
            ("300y", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(parse_ms(text), ms, "{text:?}");
        }
    }
}
