//! Numbers, texts and durations as Go prints them, for templates and messages.

use crate::compat::Compat;
use crate::sample::is_label_name;

/// `%v`: the shortest digits that read back as the same number.
pub(crate) fn shortest(value: f64) -> String {
    general(value, format!("{:e}", value.abs()), 6)
}

/// `%.<digits>g`: so many significant digits at most.
pub(crate) fn significant(value: f64, digits: usize) -> String {
    let digits = digits.max(1);
    let threshold = i32::try_from(digits).unwrap_or(i32::MAX);
    general(value, format!("{:.*e}", digits - 1, value.abs()), threshold)
}

/// `%.<decimals>f`
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    special(value).unwrap_or_else(|| format!("{value:.decimals$}"))
}

/// `strconv.FormatFloat(value, 'f', -1, 64)`: the shortest digits, never with an exponent.
pub(crate) fn plain(value: f64) -> String {
    special(value).unwrap_or_else(|| format!("{value}"))
}

/// `%.<decimals>e`
pub(crate) fn exponential(value: f64, decimals: usize) -> String {
    if let Some(special) = special(value) {
        return special;
    }
    let text = format!("{value:.decimals$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{digits}{}", with_sign(exponent.parse().unwrap_or(0)))
}

/// `strconv.FormatFloat(value, 'E', -1, 64)`: the shortest digits, always with an exponent.
pub(crate) fn shortest_exponential(value: f64) -> String {
    if let Some(special) = special(value) {
        return special;
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent = with_sign(exponent.parse().unwrap_or(0));
    format!("{digits}{}", exponent.to_ascii_uppercase())
}

/// `%q`: in double quotes, with what cannot be printed escaped.
pub(crate) fn quoted(text: &str) -> String {
    quoted_bytes(text.as_bytes(), '"', false)
}

/// `strconv.Quote`, of what need not be UTF-8, in the quotes given; `ascii` escapes everything else.
pub(crate) fn quoted_bytes(text: &[u8], quote: char, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for rune in runes(text) {
        let char = match rune {
            Rune::Char(char) => char,
            Rune::Byte(byte) => {
                out.push_str(&format!("\\x{byte:02x}"));
                continue;
            }
        };
        match char {
            '\\' => out.push_str("\\\\"),
            _ if char == quote => out.extend(['\\', char]),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            _ if is_printable(char) && (!ascii || char.is_ascii()) => out.push(char),
            _ => {
                let code = u32::from(char);
                out.push_str(&match code {
                    0..0x20 | 0x7f => format!("\\x{code:02x}"),
                    0x20..0x1_0000 => format!("\\u{code:04x}"),
                    _ => format!("\\U{code:08x}"),
                });
            }
        }
    }
    out.push(quote);
    out
}

/// A character of a text, or a byte that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rune {
    Char(char),
    Byte(u8),
}

/// The characters of a text as Go takes it apart: each byte that is not UTF-8 by itself.
pub(crate) fn runes(text: &[u8]) -> impl Iterator<Item = Rune> {
    text.utf8_chunks().flat_map(|chunk| {
        let bytes = chunk.invalid().iter();
        let chars = chunk.valid().chars().map(Rune::Char);
        chars.chain(bytes.map(|byte| Rune::Byte(*byte)))
    })
}

/// The whole part of a number as Go converts it on amd64: what does not fit becomes the least number.
pub(crate) fn whole(value: f64) -> i64 {
    const END: f64 = 9_223_372_036_854_775_808.0;
    match (-END..END).contains(&value) {
        true => value as i64,
        false => i64::MIN,
    }
}

/// `strconv.FormatFloat(value, verb, precision, 64)`: of the verbs `e E f g G b x X`. Without a precision as many digits
/// as it takes to read the same number back.
pub(crate) fn float(value: f64, verb: char, precision: Option<usize>) -> String {
    let text = match (verb, precision) {
        ('e' | 'E', Some(digits)) => exponential(value, digits),
        ('e' | 'E', None) => return upper_if(verb, shortest_exponential(value)),
        ('f', Some(digits)) => fixed(value, digits),
        ('f', None) => plain(value),
        ('g' | 'G', Some(digits)) => significant(value, digits),
        ('b', _) => binary(value),
        ('x' | 'X', _) => hexadecimal(value, precision),
        _ => shortest(value),
    };
    upper_if(verb, text)
}

/// Letters as the verb has them; infinities and NaN stay what they are.
fn upper_if(verb: char, text: String) -> String {
    match (verb, text.contains(['n', 'N'])) {
        ('E' | 'G' | 'X', false) => text.to_ascii_uppercase(),
        ('e', false) => text.to_ascii_lowercase(),
        _ => text,
    }
}

/// The bits of a finite number: whether it is negative, its mantissa, and the power of two that it is multiplied with.
fn parts(value: f64) -> (bool, u64, i32) {
    let bits = value.to_bits();
    let exponent = i32::try_from(bits >> 52 & 0x7ff).unwrap_or(0);
    let fraction = bits & ((1 << 52) - 1);
    match exponent {
        0 => (value.is_sign_negative(), fraction, -1074),
        _ => (
            value.is_sign_negative(),
            fraction | 1 << 52,
            exponent - 1075,
        ),
    }
}

/// `%b`: `4503599627370496p-52`
fn binary(value: f64) -> String {
    special(value).unwrap_or_else(|| {
        let (negative, mantissa, exponent) = parts(value);
        let sign = if negative { "-" } else { "" };
        format!("{sign}{mantissa}p{exponent:+}")
    })
}

/// `%x`: `0x1.8p+01`
fn hexadecimal(value: f64, precision: Option<usize>) -> String {
    if let Some(special) = special(value) {
        return special;
    }
    let (negative, mut mantissa, mut exponent) = parts(value);
    exponent = if mantissa == 0 { 0 } else { exponent + 52 };
    while mantissa != 0 && mantissa >> 52 == 0 {
        mantissa <<= 1;
        exponent -= 1;
    }
    // Fifteen digits of four bits, the first of which is one.
    mantissa <<= 8;
    if let Some(digits) = precision.filter(|digits| *digits < 15) {
        let dropped = 60 - 4 * digits as u32;
        let half = 1u64 << (dropped - 1);
        let rest = mantissa & ((1 << dropped) - 1);
        mantissa >>= dropped;
        mantissa += u64::from(rest > half || rest == half && mantissa & 1 == 1);
        mantissa <<= dropped;
        if mantissa >> 61 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let mut digits = format!("{:015x}", mantissa & ((1 << 60) - 1));
    match precision {
        None => digits.truncate(digits.trim_end_matches('0').len()),
        Some(length) => {
            digits.truncate(length);
            digits.push_str(&"0".repeat(length - digits.len()));
        }
    }
    let sign = if negative { "-" } else { "" };
    let point = if digits.is_empty() { "" } else { "." };
    let first = mantissa >> 60;
    let exponent_sign = if exponent < 0 { '-' } else { '+' };
    format!(
        "{sign}0x{first}{point}{digits}p{exponent_sign}{:02}",
        exponent.abs()
    )
}

/// A label set as Prometheus prints it: `{__name__="a", b="c"}`.
pub(crate) fn braced<'p>(pairs: impl Iterator<Item = (&'p str, &'p str)>) -> String {
    let shown: Vec<String> = pairs
        .map(|(name, value)| {
            let value = quoted(value);
            // Names beyond the classic ones exist in the third generation only, which quotes them.
            match is_label_name(name, Compat::V2) {
                true => format!("{name}={value}"),
                false => format!("{}={value}", quoted(name)),
            }
        })
        .collect();
    format!("{{{}}}", shown.join(", "))
}

/// Whether `strconv.Quote` leaves the character alone. Rust escapes the same ones for debugging, but for combining
/// characters at the beginning of a text.
pub(crate) fn is_printable(char: char) -> bool {
    char == '\'' || format!("a{char}").escape_debug().count() == 2
}

/// `time.Duration`: `1h0m0s`, `1.5s`, `250ms`.
pub(crate) fn duration(ms: i64) -> String {
    if ms < 0 {
        return format!("-{}", duration(ms.saturating_neg()));
    }
    if (1..1000).contains(&ms) {
        return format!("{ms}ms");
    }
    let (hours, minutes, seconds, rest) =
        (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
    let fraction = format!("{rest:03}");
    let fraction = match fraction.trim_end_matches('0') {
        "" => String::new(),
        digits => format!(".{digits}"),
    };
    match (hours, minutes) {
        (0, 0) => format!("{seconds}{fraction}s"),
        (0, _) => format!("{minutes}m{seconds}{fraction}s"),
        _ => format!("{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

fn special(value: f64) -> Option<String> {
    if value.is_nan() {
        Some("NaN".into())
    } else if value.is_infinite() {
        Some(if value > 0.0 { "+Inf" } else { "-Inf" }.into())
    } else {
        None
    }
}

/// Lays out the digits of `scientific` (like `1.25e-3`) with an exponent below 10^-4 and from 10^`threshold` on.
fn general(value: f64, scientific: String, threshold: i32) -> String {
    if let Some(special) = special(value) {
        return special;
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let digits = match digits.trim_end_matches('0') {
        "" => "0",
        digits => digits,
    };
    if exponent < -4 || exponent >= threshold {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        return format!("{sign}{first}{point}{rest}{}", with_sign(exponent));
    }
    let Ok(whole) = usize::try_from(exponent + 1) else {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    };
    if whole == 0 {
        format!("{sign}0.{digits}")
    } else if digits.len() <= whole {
        format!("{sign}{digits}{}", "0".repeat(whole - digits.len()))
    } else {
        let (before, after) = digits.split_at(whole);
        format!("{sign}{before}.{after}")
    }
}

fn with_sign(exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_writes_them() {
        for (value, text) in [
            (1.0, "1E+00"),
            (0.1 + 0.2, "3.0000000000000004E-01"),
            (-1e300, "-1E+300"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(shortest_exponential(value), text);
        }
        assert_eq!(
            quoted("a\"\\'\n\u{1}\u{7f}\u{a0}é\u{301}☃\u{e0001}"),
            "\"a\\\"\\\\'\\n\\x01\\x7f\\u00a0é\u{301}☃\\U000e0001\""
        );
        for (ms, text) in [
            (0, "0s"),
            (250, "250ms"),
            (1500, "1.5s"),
            (60_000, "1m0s"),
            (3_600_020, "1h0m0.02s"),
            (-100_000, "-1m40s"),
        ] {
            assert_eq!(duration(ms), text);
        }
    }

    #[test]
    fn as_go_prints_them() {
        for (value, expected) in [
            (9.0, "9"),
            (0.0, "0"),
            (-0.0, "-0"),
            (0.5, "0.5"),
            (0.0001, "0.0001"),
            (0.00009, "9e-05"),
            (999_999.0, "999999"),
            (1e6, "1e+06"),
            (1_234_567.5, "1.2345675e+06"),
            (12_345.678_901, "12345.678901"),
            (20_971_520.0, "2.097152e+07"),
            (-120.0, "-120"),
            (1e100, "1e+100"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(shortest(value), expected);
        }
        for (value, expected) in [
            (1.234_567, "1.235"),
            (599.0, "599"),
            (1000.0, "1000"),
            (12_345.0, "1.234e+04"),
            (0.1, "0.1"),
            (99.999, "100"),
            (0.00001, "1e-05"),
        ] {
            assert_eq!(significant(value, 4), expected);
        }
        assert_eq!(fixed(2.345, 2), "2.35");
        assert_eq!(exponential(12_345.0, 2), "1.23e+04");
    }
}
