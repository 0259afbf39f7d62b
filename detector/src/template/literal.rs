//! Numbers and quoted texts as Go reads them (strconv, and text/template/parse/node.go for what a number may stand for).

use super::lex::Kind;
use crate::go_format;

/// A number as it is written. What it is used for decides which of its readings counts.
#[derive(Debug)]
pub(super) struct Number {
    pub(super) text: String,
    pub(super) int: Option<i64>,
    pub(super) float: Option<f64>,
    /// The real and the imaginary part, of what is written as a complex number.
    pub(super) complex: Option<(f64, f64)>,
    /// Whether it fits into 64 bits without a sign.
    pub(super) is_unsigned: bool,
}

/// What a number is that nothing asks for (text/template/exec.go, idealConstant).
pub(super) enum Ideal {
    Complex(f64, f64),
    Float(f64),
    Int(i64),
    Overflow,
}

impl Number {
    pub(super) fn ideal(&self) -> Ideal {
        let text = &self.text;
        let is_hexadecimal = text.len() > 2
            && (text.starts_with("0x") || text.starts_with("0X"))
            && !text.contains(['p', 'P']);
        let looks_like_a_float =
            !is_hexadecimal && !text.starts_with('\'') && text.contains(['.', 'e', 'E', 'p', 'P']);
        match (self.complex, self.float, self.int) {
            (Some((real, imaginary)), _, _) => Ideal::Complex(real, imaginary),
            (None, Some(float), _) if looks_like_a_float => Ideal::Float(float),
            (None, _, Some(int)) => Ideal::Int(int),
            (None, _, None) => Ideal::Overflow,
        }
    }
}

/// Reads a number or a character.
///
/// # Errors
///
/// What is wrong with it, in Go's words.
pub(super) fn number(text: &str, kind: Kind) -> Result<Number, String> {
    let mut number = Number {
        text: text.to_owned(),
        int: None,
        float: None,
        complex: None,
        is_unsigned: false,
    };
    if kind == Kind::Character {
        let (code, rest) = character(&text[1..], '\'').ok_or("invalid syntax")?;
        if rest != "'" {
            return Err(format!("malformed character constant: {text}"));
        }
        let code = match code {
            Unquoted::Byte(byte) => u32::from(byte),
            Unquoted::Char(char) => u32::from(char),
        };
        number.int = Some(i64::from(code));
        number.float = Some(f64::from(code));
        number.is_unsigned = true;
        return Ok(number);
    }
    if let Some(written) = text.strip_suffix('i') {
        let split = match kind {
            Kind::Complex => written[1..].rfind(['+', '-']).map_or(0, |at| at + 1),
            _ => 0,
        };
        // The sign of an exponent is none between the parts.
        let (real, imaginary) = written.split_at(split);
        let real = if real.is_empty() {
            Ok(0.0)
        } else {
            float(real)
        };
        if let (Ok(real), Ok(imaginary)) = (real, float(imaginary)) {
            number.complex = Some((real, imaginary));
            if imaginary == 0.0 {
                number.float = Some(real);
                number.int = whole(real);
            }
            return Ok(number);
        }
        if kind == Kind::Complex {
            return Err(format!("illegal number syntax: {text:?}"));
        }
    }
    number.int = int(text);
    number.is_unsigned = number.int.is_some_and(|int| int >= 0) || unsigned(text).is_some();
    if let Some(int) = number.int {
        number.float = Some(int as f64);
    } else if let Some(large) = unsigned(text) {
        number.float = Some(large as f64);
    } else if let Ok(value) = float(text) {
        if !text.contains(['.', 'e', 'E', 'p', 'P']) {
            return Err(format!("integer overflow: {text:?}"));
        }
        number.float = Some(value);
        number.int = whole(value);
    } else {
        return Err(format!("illegal number syntax: {text:?}"));
    }
    Ok(number)
}

fn whole(value: f64) -> Option<i64> {
    let int = go_format::whole(value);
    (int as f64 == value).then_some(int)
}

/// `strconv.ParseInt(text, 0, 64)`
fn int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let absolute = unsigned(digits)?;
    match negative {
        true => 0i64.checked_sub_unsigned(absolute),
        false => i64::try_from(absolute).ok(),
    }
}

/// `strconv.ParseUint(text, 0, 64)`
fn unsigned(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if !separators_are_right(text) || digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(&digits.replace('_', ""), radix).ok()
}

/// Why a text is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotFloat {
    Syntax,
    Range,
}

impl NotFloat {
    /// `strconv.NumError`
    pub(super) fn of(self, text: &[u8]) -> String {
        let why = match self {
            Self::Syntax => "invalid syntax",
            Self::Range => "value out of range",
        };
        let quoted = go_format::quoted_bytes(text, '"', false);
        format!("strconv.ParseFloat: parsing {quoted}: {why}")
    }
}

/// `strconv.ParseFloat(text, 64)`
pub(super) fn float(text: &str) -> Result<f64, NotFloat> {
    let (negative, unsigned) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let lower = unsigned.to_ascii_lowercase();
    let signed = |value: f64| if negative { -value } else { value };
    match lower.as_str() {
        "inf" | "infinity" => return Ok(signed(f64::INFINITY)),
        // A NaN has no sign to write.
        "nan" if unsigned.len() == text.len() => return Ok(f64::NAN),
        _ => {}
    }
    if !separators_are_right(unsigned) {
        return Err(NotFloat::Syntax);
    }
    let value = match lower.strip_prefix("0x") {
        Some(digits) => hexadecimal(&digits.replace('_', "")).ok_or(NotFloat::Syntax)?,
        None => {
            let digits = lower.replace('_', "");
            let is_decimal = digits
                .bytes()
                .all(|byte| byte.is_ascii_digit() || b".e+-".contains(&byte));
            let value: f64 = digits
                .parse()
                .ok()
                .filter(|_| is_decimal)
                .ok_or(NotFloat::Syntax)?;
            value
        }
    };
    match value.is_infinite() {
        true => Err(NotFloat::Range),
        false => Ok(signed(value)),
    }
}

/// The value of `1.8p3`, which has an exponent. Digits beyond 64 bits only count as something or nothing.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{before}{after}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) || !is_number(unsigned) {
        return None;
    }
    let exponent: i64 = exponent.parse().unwrap_or(if exponent.starts_with('-') {
        -100_000
    } else {
        100_000
    });
    let mut exponent = exponent.clamp(-100_000, 100_000) - 4 * i64::try_from(after.len()).ok()?;
    let mut bits: u64 = 0;
    for digit in digits.chars().filter_map(|digit| digit.to_digit(16)) {
        if bits >> 58 == 0 {
            bits = bits << 4 | u64::from(digit);
        } else {
            bits |= u64::from(digit != 0);
            exponent += 4;
        }
    }
    Some(scaled(bits, exponent))
}

/// `bits · 2^exponent`, rounded once, to even.
fn scaled(bits: u64, exponent: i64) -> f64 {
    if bits == 0 {
        return 0.0;
    }
    // The value is 0.1… · 2^top.
    let top = exponent + 64 - i64::from(bits.leading_zeros());
    if top > 1024 {
        return f64::INFINITY;
    }
    // The last bit that is kept: 53 of them, fewer below the normal numbers.
    let last = (top - 53).max(-1074);
    let drop = last - exponent;
    let kept = match drop {
        ..=0 => bits << (-drop).min(63),
        1..=64 => {
            let (high, low) = match drop {
                64 => (0, bits),
                _ => (bits >> drop, bits << (64 - drop)),
            };
            let half = 1 << 63;
            high + u64::from(low > half || low == half && high & 1 == 1)
        }
        _ => 0,
    };
    // At most 2^53, so exact; two factors, since one of them may be below the normal numbers.
    let last = i32::try_from(last).unwrap_or(-1074);
    let half = last / 2;
    kept as f64 * power_of_two(half) * power_of_two(last - half)
}

fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(u64::from((exponent + 1023).unsigned_abs()) << 52)
}

/// Whether underscores stand between digits, or after a prefix, as in Go's literals.
fn separators_are_right(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let prefixed = ["0b", "0o", "0x"].iter().any(|p| lower.starts_with(p));
    let hexadecimal = lower.starts_with("0x");
    let mut saw_digit = prefixed;
    let mut saw_separator = false;
    for byte in lower.bytes().skip(if prefixed { 2 } else { 0 }) {
        let is_digit = byte.is_ascii_digit() || hexadecimal && byte.is_ascii_hexdigit();
        match byte {
            b'_' if !saw_digit => return false,
            _ if !is_digit && byte != b'_' && saw_separator => return false,
            _ => {}
        }
        saw_digit = is_digit;
        saw_separator = byte == b'_';
    }
    !saw_separator
}

/// `strconv.Unquote` of a text in double quotes or backquotes.
pub(super) fn unquoted(text: &str) -> Option<Vec<u8>> {
    let inside = text.get(1..text.len().checked_sub(1)?)?;
    if text.starts_with('`') {
        return Some(inside.bytes().filter(|byte| *byte != b'\r').collect());
    }
    let mut bytes = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while !rest.is_empty() {
        let (unquoted, tail) = character(rest, '"')?;
        match unquoted {
            Unquoted::Byte(byte) => bytes.push(byte),
            Unquoted::Char(char) => bytes.extend(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = tail;
    }
    Some(bytes)
}

/// What an escape stands for.
enum Unquoted {
    Byte(u8),
    Char(char),
}

/// `strconv.UnquoteChar`: the first character of a quoted text, and what is left.
fn character(text: &str, quote: char) -> Option<(Unquoted, &str)> {
    let mut chars = text.chars();
    let first = chars.next()?;
    if first == quote {
        return None;
    }
    if first != '\\' {
        return Some((Unquoted::Char(first), chars.as_str()));
    }
    let escape = chars.next()?;
    let rest = chars.as_str();
    let simple = match escape {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' => '\\',
        '\'' | '"' if escape == quote => escape,
        'x' | 'u' | 'U' => {
            let length = match escape {
                'x' => 2,
                'u' => 4,
                _ => 8,
            };
            let digits = rest.get(..length)?;
            if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return None;
            }
            let code = u32::from_str_radix(digits, 16).ok()?;
            let unquoted = match escape {
                'x' => Unquoted::Byte(u8::try_from(code).ok()?),
                _ => Unquoted::Char(char::from_u32(code)?),
            };
            return Some((unquoted, &rest[length..]));
        }
        '0'..='7' => {
            let digits = text.get(1..4)?;
            if !digits.bytes().all(|byte| matches!(byte, b'0'..=b'7')) {
                return None;
            }
            let code = u8::from_str_radix(digits, 8).ok()?;
            return Some((Unquoted::Byte(code), &text[4..]));
        }
        _ => return None,
    };
    Some((Unquoted::Char(simple), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_as_go_reads_them() {
        for (text, value) in [
            ("1", 1.0),
            ("-.5e1", -5.0),
            ("1_000.5", 1000.5),
            ("+Inf", f64::INFINITY),
            ("-infinity", f64::NEG_INFINITY),
            ("0x1.8p1", 3.0),
            ("0x_1p-2", 0.25),
            ("0x1p-1074", 5e-324),
            ("0x1.fffffffffffff8p0", 2.0),
            ("0x1p-1075", 0.0),
            ("0x3p-1075", 1e-323),
            ("5e-324", 5e-324),
        ] {
            assert_eq!(float(text), Ok(value), "{text}");
        }
        assert!(float("NaN").is_ok_and(f64::is_nan));
        for text in [
            "", "low", "1__0", "1_", "0x1", "+NaN", "1e", ".", "e5", " 1", "0x1p",
        ] {
            assert_eq!(float(text), Err(NotFloat::Syntax), "{text}");
        }
        assert_eq!(float("1e400"), Err(NotFloat::Range));
        assert_eq!(float("0x1p1024"), Err(NotFloat::Range));
    }
}
