//! Numbers as Go reads them (strconv.ParseInt with base 0, then strconv.ParseFloat).

use std::borrow::Cow;

use crate::compat::Compat;

/// The literal without the underscores between its digits; `None` if one stands elsewhere, or at all in Prometheus 2
/// (promql/parser/lex.go, scanNumber).
pub(crate) fn without_separators(literal: &str, compat: Compat) -> Option<Cow<'_, str>> {
    if !literal.contains('_') {
        return Some(Cow::Borrowed(literal));
    }
    let bytes = literal.as_bytes();
    let is_hexadecimal = literal.starts_with("0x") || literal.starts_with("0X");
    let is_digit = |at: usize| match bytes.get(at) {
        Some(byte) if is_hexadecimal => byte.is_ascii_hexdigit(),
        Some(byte) => byte.is_ascii_digit(),
        None => false,
    };
    let after_prefix = |at: usize| is_hexadecimal && at == 2;
    let is_misplaced = |at: usize| {
        let follows_digit = at.checked_sub(1).is_some_and(is_digit) || after_prefix(at);
        bytes[at] == b'_' && !(follows_digit && is_digit(at + 1))
    };
    if compat == Compat::V2 || (0..bytes.len()).any(is_misplaced) {
        return None;
    }
    Some(Cow::Owned(literal.replace('_', "")))
}

/// A decimal number without sign or underscores; octal if it is whole and begins with 0. `None` if it is none, or too large.
pub(crate) fn decimal(digits: &str) -> Option<f64> {
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if digits.starts_with('0') && digits.bytes().all(|byte| matches!(byte, b'0'..=b'7')) {
        // What is too long for an integer is read as a decimal number.
        if let Ok(whole) = i64::from_str_radix(digits, 8) {
            return Some(whole as f64);
        }
    }
    digits.parse().ok().filter(|value: &f64| value.is_finite())
}

/// A number as YAML writes it for Go (go.yaml.in/yaml/v2, resolve.go): `0x1f`, `0b11`, `0o17` and `017`, `1_000`, `.inf`.
pub(crate) fn yaml(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    match unsigned {
        ".inf" | ".Inf" | ".INF" => return Some(sign * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" if unsigned == text => return Some(f64::NAN),
        _ => {}
    }
    if unsigned.starts_with('_') {
        return None;
    }
    let plain = unsigned.replace('_', "");
    for (prefixes, radix) in [(["0x", "0X"], 16), (["0b", "0B"], 2), (["0o", "0O"], 8)] {
        if let Some(digits) = prefixes
            .iter()
            .find_map(|prefix| plain.strip_prefix(prefix))
        {
            let is_number = digits.starts_with(|c: char| c.is_digit(radix));
            let whole = u64::from_str_radix(digits, radix)
                .ok()
                .filter(|_| is_number);
            return whole.map(|whole| sign * whole as f64);
        }
    }
    decimal(&plain).map(|value| sign * value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What promtool 3.14 and 2.42 make of these; `go.yaml.in/yaml/v2` is the same for both.
    #[test]
    fn yaml_numbers() {
        for (text, number) in [
            ("1_000", 1000.0),
            ("1__0", 10.0),
            ("1_", 1.0),
            (".5_0", 0.5),
            ("1e1_0", 1e10),
            ("+5", 5.0),
            ("-0x10", -16.0),
            ("0x_1f", 31.0),
            ("0b11", 3.0),
            ("-0b1", -1.0),
            ("0o17", 15.0),
            ("017", 15.0),
            ("08", 8.0),
            ("1.", 1.0),
            ("99999999999999999999", 1e20),
            ("-.inf", f64::NEG_INFINITY),
        ] {
            assert_eq!(yaml(text), Some(number), "{text}");
        }
        assert!(yaml(".NaN").is_some_and(f64::is_nan));
        for bad in [
            "_1", "++5", "1e400", "Inf", "NaN", "1:30", "0x1p3", "0x", "0x+1", "-.nan", "",
        ] {
            assert_eq!(yaml(bad), None, "{bad}");
        }
    }

    #[test]
    fn separators() {
        let read = |literal| without_separators(literal, Compat::V3).map(Cow::into_owned);
        for (literal, plain) in [
            ("1_0.5", "10.5"),
            ("1e1_0", "1e10"),
            ("0x_1_F", "0x1F"),
            ("7", "7"),
        ] {
            assert_eq!(read(literal).as_deref(), Some(plain));
        }
        for bad in ["1__0", "1_", "_1", "1_e3", "1e_3", "1_.5", "1._5"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(without_separators("1_000", Compat::V2), None);
    }
}
