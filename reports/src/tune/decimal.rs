//! Exact decimal numbers: steps of 0.01 must meet 0.57 and not 0.5700000000000001.

use std::fmt;

/// `units` times ten to the power of minus `scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) units: i128,
    pub(super) scale: u32,
}

/// Most digits of a number, and of its fraction.
const DIGITS_MAX: usize = 15;

impl Decimal {
    /// Reads `-12.50`, or `50%` for 0.50; `None` if it is neither, or too long.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (text, percent) = match text.strip_suffix('%') {
            Some(number) => (number.trim_end(), 2),
            None => (text, 0),
        };
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all = [whole, fraction].concat();
        let is_number = !whole.is_empty()
            && all.len() <= DIGITS_MAX
            && all.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.ends_with('.');
        let units: i128 = all.parse().ok().filter(|_| is_number)?;
        Some(Self {
            units: if negative { -units } else { units },
            scale: u32::try_from(fraction.len()).ok()? + percent,
        })
    }

    /// The units of the same number at a larger scale.
    pub(super) fn at_scale(self, scale: u32) -> i128 {
        self.units * 10_i128.pow(scale.saturating_sub(self.scale))
    }

    /// The nearest floating-point number: that of its digits.
    pub(super) fn value(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let base = 10_u128.pow(self.scale);
        let (whole, fraction) = (
            self.units.unsigned_abs() / base,
            self.units.unsigned_abs() % base,
        );
        match self.scale {
            0 => write!(f, "{sign}{whole}"),
            scale => write!(
                f,
                "{sign}{whole}.{fraction:0width$}",
                width = scale as usize
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        for (text, value) in [
            ("0.57", 0.57),
            ("-12.50", -12.5),
            ("57%", 0.57),
            ("0.5%", 0.005),
            ("1000", 1000.0),
        ] {
            assert_eq!(
                Decimal::parse(text).map(Decimal::value),
                Some(value),
                "{text}"
            );
        }
        for text in [
            "",
            "-",
            "1.",
            ".5",
            "1e3",
            "5m",
            "0x1",
            "1_000",
            "1234567890123456",
            "%",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        assert_eq!(Decimal::parse("0.5").unwrap().at_scale(3), 500);
    }
}
