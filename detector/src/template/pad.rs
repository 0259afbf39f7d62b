//! Flags, widths and precisions (Go, fmt/format.go).

use super::printf::Printer;
use crate::go_format::{self, Rune, runes};

/// More digits than this are not printed.
const PRECISION_MAX: usize = 60_000;

/// What stands between a `%` and its verb.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) width: Option<i64>,
    pub(super) precision: Option<i64>,
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    /// `%+v`
    pub(super) plus_v: bool,
    /// `%#v`
    pub(super) sharp_v: bool,
}

impl Flags {
    fn width(&self) -> usize {
        usize::try_from(self.width.unwrap_or(0)).unwrap_or(0)
    }

    fn precision(&self) -> Option<usize> {
        self.precision
            .and_then(|digits| usize::try_from(digits).ok())
    }
}

impl Printer {
    fn padding(&mut self, length: usize) {
        let byte = match self.flags.zero && !self.flags.minus {
            true => b'0',
            false => b' ',
        };
        self.repeated(byte, length);
    }

    fn repeated(&mut self, byte: u8, length: usize) {
        self.bytes(&vec![byte; length.min(PRECISION_MAX)]);
        if length > PRECISION_MAX {
            self.give_up("a text that is padded so much");
        }
    }

    /// Writes `text`, as wide as is asked for.
    pub(super) fn pad(&mut self, text: &[u8]) {
        let width = self.flags.width().saturating_sub(runes(text).count());
        if !self.flags.minus {
            self.padding(width);
        }
        self.bytes(text);
        if self.flags.minus {
            self.padding(width);
        }
    }

    /// Writes `text` with blanks around it, whatever the flags say.
    fn pad_with_blanks(&mut self, text: &[u8]) {
        let zero = std::mem::replace(&mut self.flags.zero, false);
        self.pad(text);
        self.flags.zero = zero;
    }

    /// The text up to as many characters as the precision says.
    fn truncated<'s>(&self, text: &'s [u8]) -> &'s [u8] {
        let Some(count) = self.flags.precision() else {
            return text;
        };
        let lengths = runes(text).take(count).map(|rune| match rune {
            Rune::Char(char) => char.len_utf8(),
            Rune::Byte(_) => 1,
        });
        &text[..lengths.sum()]
    }

    pub(super) fn text(&mut self, text: &[u8]) {
        let text = self.truncated(text);
        self.pad(text);
    }

    pub(super) fn quoted(&mut self, text: &[u8]) {
        let text = self.truncated(text);
        let is_plain = |text: &str| {
            text.chars().all(|char| {
                !matches!(char, '`' | '\u{feff}' | '\u{7f}') && (char >= ' ' || char == '\t')
            })
        };
        let quoted = match std::str::from_utf8(text) {
            Ok(text) if self.flags.sharp && is_plain(text) => format!("`{text}`"),
            _ => go_format::quoted_bytes(text, '"', self.flags.plus),
        };
        self.pad(quoted.as_bytes());
    }

    /// The bytes of a text in hexadecimal.
    pub(super) fn hexadecimal(&mut self, text: &[u8], upper: bool) {
        let length = self.flags.precision().unwrap_or(text.len()).min(text.len());
        let prefix = match (self.flags.sharp, upper) {
            (false, _) => "",
            (true, false) => "0x",
            (true, true) => "0X",
        };
        let byte = |byte: &u8| match upper {
            true => format!("{byte:02X}"),
            false => format!("{byte:02x}"),
        };
        let bytes: Vec<String> = text[..length].iter().map(byte).collect();
        let shown = match self.flags.space {
            true => bytes
                .iter()
                .map(|byte| format!("{prefix}{byte}"))
                .collect::<Vec<_>>()
                .join(" "),
            false if bytes.is_empty() => String::new(),
            false => format!("{prefix}{}", bytes.concat()),
        };
        self.pad(shown.as_bytes());
    }

    /// A whole number.
    pub(super) fn digits(&mut self, bits: u64, base: u32, is_signed: bool, verb: char) {
        let negative = is_signed && bits.cast_signed() < 0;
        let absolute = if negative { bits.wrapping_neg() } else { bits };
        let flags = self.flags;
        let mut least = 0;
        if let Some(precision) = flags.precision() {
            if precision == 0 && absolute == 0 {
                return self.pad_with_blanks(b"");
            }
            least = precision;
        } else if flags.zero && !flags.minus && flags.width.is_some() {
            let sign = usize::from(negative || flags.plus || flags.space);
            least = flags.width().saturating_sub(sign);
        }
        if least > PRECISION_MAX {
            return self.give_up("a number with so many digits");
        }
        let mut digits = match (base, verb) {
            (2, _) => format!("{absolute:b}"),
            (8, _) => format!("{absolute:o}"),
            (16, 'X') => format!("{absolute:X}"),
            (16, _) => format!("{absolute:x}"),
            _ => absolute.to_string(),
        };
        if digits.len() < least {
            digits.insert_str(0, &"0".repeat(least - digits.len()));
        }
        if flags.sharp {
            match (base, verb) {
                (2, _) => digits.insert_str(0, "0b"),
                (8, _) if !digits.starts_with('0') => digits.insert(0, '0'),
                (16, 'X') => digits.insert_str(0, "0X"),
                (16, _) => digits.insert_str(0, "0x"),
                _ => {}
            }
        }
        if verb == 'O' {
            digits.insert_str(0, "0o");
        }
        if negative {
            digits.insert(0, '-');
        } else if flags.plus {
            digits.insert(0, '+');
        } else if flags.space {
            digits.insert(0, ' ');
        }
        self.pad_with_blanks(digits.as_bytes());
    }

    /// `%U`
    pub(super) fn code_point(&mut self, bits: u64) {
        let least = self.flags.precision().unwrap_or(4).max(4);
        if least > PRECISION_MAX {
            return self.give_up("a number with so many digits");
        }
        let mut shown = format!("U+{bits:0least$X}");
        let char = u32::try_from(bits).ok().and_then(char::from_u32);
        if let Some(char) = char.filter(|char| self.flags.sharp && go_format::is_printable(*char)) {
            shown.push_str(&format!(" '{char}'"));
        }
        self.pad_with_blanks(shown.as_bytes());
    }

    /// A floating-point number.
    pub(super) fn number(&mut self, value: f64, verb: char, precision: Option<usize>) {
        let flags = self.flags;
        let precision = flags.precision().or(precision);
        if precision.is_some_and(|digits| digits > PRECISION_MAX) {
            return self.give_up("a number with so many digits");
        }
        let mut shown = go_format::float(value, verb, precision);
        if !shown.starts_with(['-', '+']) {
            shown.insert(0, '+');
        }
        if flags.space && shown.starts_with('+') && !flags.plus {
            shown.replace_range(..1, " ");
        }
        if !value.is_finite() {
            if value.is_nan() && !flags.space && !flags.plus {
                shown.remove(0);
            }
            return self.pad_with_blanks(shown.as_bytes());
        }
        if flags.sharp && verb != 'b' {
            shown = with_point(&shown, verb, precision);
        }
        if flags.plus || !shown.starts_with('+') {
            let width = flags.width();
            if flags.zero && !flags.minus && width > shown.len() {
                let (sign, digits) = shown.split_at(1);
                self.push(sign);
                self.padding(width - shown.len());
                return self.push(digits);
            }
            return self.pad(shown.as_bytes());
        }
        self.pad(&shown.as_bytes()[1..]);
    }
}

/// `%#g`: with a point, and the zeros at the end that are left out otherwise.
fn with_point(shown: &str, verb: char, precision: Option<usize>) -> String {
    let is_hexadecimal = matches!(verb, 'x' | 'X');
    let mut digits = match verb {
        'v' | 'g' | 'G' | 'x' => precision.map_or(6, |p| i64::try_from(p).unwrap_or(i64::MAX)),
        _ => 0,
    };
    let is_exponent = |char: char| match char {
        'p' | 'P' => true,
        'e' | 'E' => !is_hexadecimal,
        _ => false,
    };
    let end = shown.find(is_exponent).unwrap_or(shown.len());
    let (number, tail) = shown.split_at(end);
    let mut saw_digit = false;
    for char in number.chars().skip(1).filter(|char| *char != '.') {
        saw_digit |= char != '0';
        digits -= i64::from(saw_digit);
    }
    let mut number = number.to_owned();
    if !number.contains('.') {
        if number.len() == 2 && number.ends_with('0') {
            digits -= 1;
        }
        number.push('.');
    }
    number.push_str(&"0".repeat(usize::try_from(digits).unwrap_or(0)));
    number + tail
}
