//! Numbers and durations as they are written.

use super::error::ErrorKind;
use crate::compat::Compat;
use crate::duration;
use crate::number::{decimal, without_separators};

/// What begins with a digit or a dot, and its length in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scanned {
    /// A number, as far as its characters go.
    Number(usize),
    /// A duration, as far as its characters go.
    Duration(usize),
    /// Neither; all of it that belongs together.
    Neither(usize),
}

/// Looks at the number or duration at the beginning of `text`.
pub(super) fn scan(text: &str, compat: Compat) -> Scanned {
    let mut cursor = Cursor {
        bytes: text.as_bytes(),
        at: 0,
    };
    let is_number = match compat {
        Compat::V3 => cursor.number(),
        Compat::V2 => cursor.classic_number(),
    };
    if is_number {
        return Scanned::Number(cursor.at);
    }
    if cursor.units() {
        return Scanned::Duration(cursor.at);
    }
    let belongs = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let length = text.find(|c| !belongs(c)).unwrap_or(text.len());
    Scanned::Neither(length.max(cursor.at))
}

/// The value of a number as [`scan`] finds it, or a word for one.
pub(super) fn value(written: &str, compat: Compat) -> Result<f64, ErrorKind> {
    match written.to_ascii_lowercase().as_str() {
        "inf" => return Ok(f64::INFINITY),
        "nan" => return Ok(f64::NAN),
        _ => {}
    }
    let refused = || ErrorKind::Number(written.to_owned());
    let plain = without_separators(written, compat).ok_or_else(refused)?;
    if let Some(digits) = plain.strip_prefix("0x").or(plain.strip_prefix("0X")) {
        let whole = i64::from_str_radix(digits, 16).map_err(|_| refused())?;
        return Ok(whole as f64);
    }
    decimal(&plain).ok_or_else(|| match plain.parse::<f64>() {
        Ok(_) => ErrorKind::TooLarge(written.to_owned()),
        Err(_) => refused(),
    })
}

/// The milliseconds of a duration as [`scan`] finds it.
pub(super) fn duration_ms(written: &str) -> Result<i64, ErrorKind> {
    duration::parse_ms(written).ok_or_else(|| ErrorKind::Duration(written.to_owned()))
}

struct Cursor<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn accept(&mut self, wanted: impl Fn(u8) -> bool) -> bool {
        let is_there = self.peek().is_some_and(wanted);
        self.at += usize::from(is_there);
        is_there
    }

    fn accept_all(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.accept(&wanted) {}
    }

    fn accept_any(&mut self, wanted: &[u8]) -> bool {
        self.accept(|byte| wanted.contains(&byte))
    }

    fn at_end_of_word(&self) -> bool {
        !self
            .peek()
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }

    /// Prometheus 3: digits with dots, exponents and underscores, none of them twice in a row.
    fn number(&mut self) -> bool {
        let is_hex = self.accept_any(b"0") && self.accept_any(b"xX");
        if is_hex {
            self.accept_any(b"_");
        }
        let is_digit = |byte: u8| match is_hex {
            true => byte.is_ascii_hexdigit(),
            false => byte.is_ascii_digit(),
        };
        self.accept_any(b".");
        self.accept(is_digit);
        let (mut had_dot, mut had_exponent) = (false, false);
        while let Some(byte) = self.peek() {
            match byte {
                b'.' => {
                    self.at += 1;
                    if had_dot || self.accept_any(b"_.") || is_hex {
                        return false;
                    }
                    had_dot = true;
                }
                // A hexadecimal `e` counts as an exponent, too.
                b'e' | b'E' => {
                    self.at += 1;
                    if had_exponent {
                        return false;
                    }
                    had_exponent = true;
                    self.accept_any(b"+-");
                    if self.accept_any(b"._eE") || self.peek().is_none() {
                        return false;
                    }
                }
                b'_' => {
                    self.at += 1;
                    if self.accept_any(b"._eE") || self.peek().is_none() {
                        return false;
                    }
                }
                _ if is_digit(byte) => self.accept_all(is_digit),
                _ => break,
            }
        }
        self.at > 0 && self.at_end_of_word()
    }

    /// Prometheus 2.
    fn classic_number(&mut self) -> bool {
        let is_hex = self.accept_any(b"0") && self.accept_any(b"xX");
        let is_digit = |byte: u8| match is_hex {
            true => byte.is_ascii_hexdigit(),
            false => byte.is_ascii_digit(),
        };
        self.accept_all(is_digit);
        if self.accept_any(b".") {
            self.accept_all(is_digit);
        }
        if self.accept_any(b"eE") {
            self.accept_any(b"+-");
            self.accept_all(|byte| byte.is_ascii_digit());
        }
        self.at_end_of_word()
    }

    /// The unit of a duration whose first digits have been read, and all that follows.
    fn units(&mut self) -> bool {
        if !self.accept_any(b"smhdwy") {
            return false;
        }
        self.accept_any(b"s");
        while self.accept(|byte| byte.is_ascii_digit()) {
            self.accept_all(|byte| byte.is_ascii_digit());
            if !self.accept_any(b"smhdw") {
                return false;
            }
            self.accept_any(b"s");
        }
        self.at_end_of_word()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Prometheus' parser (3.14) makes of these, oddities included.
    #[test]
    fn numbers_and_durations() {
        let read = |text: &str| match scan(text, Compat::V3) {
            Scanned::Number(length) => value(&text[..length], Compat::V3),
            Scanned::Duration(length) => duration_ms(&text[..length]).map(|ms| ms as f64),
            Scanned::Neither(length) => Err(ErrorKind::Number(text[..length].to_owned())),
        };
        for (text, number) in [
            ("1_000 ", 1000.0),
            ("017", 15.0),
            ("08", 8.0),
            ("0x1F)", 31.0),
            ("0x1e ", 30.0),
            ("0x_1F", 31.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("1e-3 ", 0.001),
            ("1h30m", 5_400_000.0),
            ("5ms]", 5.0),
        ] {
            assert_eq!(read(text), Ok(number), "{text}");
        }
        assert_eq!(value("iNF", Compat::V3), Ok(f64::INFINITY));
        for text in [
            "1__0", "1_", "1_e3", "1..2", ".5.5", "0x", "0x1e", "0x1e+1", "0x1.5", "1e", "1e400",
            "5x", "5m_", "1.5h", "1m1h", "300y", "5mx",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
