//! Durations as people write them in Go and Prometheus: `1h30m`.

/// Longest duration accepted: ten years.
const MAX_MS: f64 = 10.0 * 365.0 * 24.0 * 3_600_000.0;

/// Milliseconds of a duration in Prometheus' and Go's notation: units `us ms s m h d w`, largest first, decimals
/// allowed (`1.5h`), `0` without a unit.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    micros(text).map(|us| (us / 1_000.0).round() as i64)
}

/// As [`parse`], in microseconds, for short service times.
#[must_use]
pub fn micros(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 7] = [
        ("us", 1.0),
        ("ms", 1e3),
        ("s", 1e6),
        ("m", 6e7),
        ("h", 3.6e9),
        ("d", 8.64e10),
        ("w", 6.048e11),
    ];
    if text == "0" {
        return Some(0.0);
    }
    let (mut rest, mut total, mut smallest) = (text, 0.0, f64::INFINITY);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let letters = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        if *scale >= smallest {
            return None;
        }
        smallest = *scale;
        total += number.parse::<f64>().ok()? * scale;
        rest = after;
    }
    (smallest.is_finite() && total / 1e3 <= MAX_MS).then_some(total)
}

/// A duration in milliseconds as [`parse`] reads it back.
#[must_use]
pub fn format(ms: i64) -> String {
    const UNITS: [(&str, i64); 5] = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    if ms <= 0 {
        return "0s".into();
    }
    let mut rest = ms;
    let mut text = String::new();
    for (name, size) in UNITS {
        if rest >= size {
            text.push_str(&format!("{}{name}", rest / size));
            rest %= size;
        }
    }
    text
}
