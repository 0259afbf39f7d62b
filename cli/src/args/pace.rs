//! `--speed` and `--jobs`: a number, or `auto`.

use std::fmt;
use std::num::NonZeroUsize;

/// Fastest clock accepted: beyond it, one millisecond of the machine is a second of the drill.
const SPEED_MAX: f64 = 1_000.0;

/// Virtual seconds per real second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// What the machine bears, found out before drills begin.
    Auto,
    /// That, and no other.
    Fixed(f64),
}

/// Reads `--speed`.
pub(super) fn speed(text: &str) -> Result<Speed, String> {
    if text == "auto" {
        return Ok(Speed::Auto);
    }
    let speed = text.strip_suffix('x').unwrap_or(text).parse::<f64>();
    match speed {
        Ok(speed) if speed > 0.0 && speed <= SPEED_MAX => Ok(Speed::Fixed(speed)),
        _ => Err(format!(
            "must be `auto`, or a number above 0 and at most {SPEED_MAX}"
        )),
    }
}

/// Drills side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jobs {
    /// As many as the machine bears.
    Auto,
    /// That many.
    Fixed(NonZeroUsize),
}

impl Jobs {
    /// The number, if somebody gave one.
    #[must_use]
    pub fn fixed(self) -> Option<usize> {
        match self {
            Self::Auto => None,
            Self::Fixed(jobs) => Some(jobs.get()),
        }
    }
}

impl fmt::Display for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Fixed(jobs) => jobs.fmt(f),
        }
    }
}

/// Reads `--jobs`.
pub(super) fn jobs(text: &str) -> Result<Jobs, String> {
    if text == "auto" {
        return Ok(Jobs::Auto);
    }
    let jobs = text.parse::<NonZeroUsize>().map(Jobs::Fixed);
    jobs.map_err(|_| "must be `auto`, or a whole number of at least 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_auto_are_read() {
        assert_eq!(speed("auto"), Ok(Speed::Auto));
        assert_eq!(speed("60"), Ok(Speed::Fixed(60.0)));
        assert_eq!(speed("0.5x"), Ok(Speed::Fixed(0.5)));
        for bad in ["0", "-1", "1001", "inf", "NaN", "", "x", "fast"] {
            assert!(speed(bad).is_err(), "{bad}");
        }
        assert_eq!(jobs("auto"), Ok(Jobs::Auto));
        assert_eq!(jobs("3").map(Jobs::fixed), Ok(Some(3)));
        for bad in ["0", "-1", "1.5", ""] {
            assert!(jobs(bad).is_err(), "{bad}");
        }
    }
}
