//! The template functions (Prometheus, template/template.go).

use super::Shown;
use crate::go_format::significant;

/// A function of one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Humanize,
    Humanize1024,
    HumanizeDuration,
    HumanizePercentage,
    ToUpper,
    ToLower,
}

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "humanize" => Self::Humanize,
            "humanize1024" => Self::Humanize1024,
            "humanizeDuration" => Self::HumanizeDuration,
            "humanizePercentage" => Self::HumanizePercentage,
            "toUpper" => Self::ToUpper,
            "toLower" => Self::ToLower,
            _ => return None,
        })
    }

    /// Whether the argument is a number; the others take a text.
    pub(super) fn takes_number(self) -> bool {
        !matches!(self, Self::ToUpper | Self::ToLower)
    }

    pub(super) fn apply(self, shown: Shown) -> String {
        match (self, shown) {
            (Self::Humanize, Shown::Number(x)) => humanize(x),
            (Self::Humanize1024, Shown::Number(x)) => humanize1024(x),
            (Self::HumanizeDuration, Shown::Number(x)) => humanize_duration(x),
            (Self::HumanizePercentage, Shown::Number(x)) => {
                format!("{}%", significant(x * 100.0, 4))
            }
            (Self::ToUpper, shown) => shown.into_text().to_uppercase(),
            (Self::ToLower, shown) => shown.into_text().to_lowercase(),
            // Types are checked at parse time, so a text never comes here.
            (_, shown) => shown.into_text(),
        }
    }
}

/// Multiplies a value below one up until it is at least one, and names the power.
fn small(mut x: f64) -> String {
    let mut prefix = "";
    for smaller in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if x.abs() >= 1.0 {
            break;
        }
        prefix = smaller;
        x *= 1000.0;
    }
    format!("{}{prefix}", significant(x, 4))
}

/// Divides a value down until it is below `base`, and names the power.
fn large(mut x: f64, base: f64, prefixes: [&str; 8]) -> String {
    let mut prefix = "";
    for larger in prefixes {
        if x.abs() < base {
            break;
        }
        prefix = larger;
        x /= base;
    }
    format!("{}{prefix}", significant(x, 4))
}

fn humanize(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        significant(x, 4)
    } else if x.abs() >= 1.0 {
        large(x, 1000.0, ["k", "M", "G", "T", "P", "E", "Z", "Y"])
    } else {
        small(x)
    }
}

fn humanize1024(x: f64) -> String {
    if x.abs() <= 1.0 || !x.is_finite() {
        significant(x, 4)
    } else {
        large(x, 1024.0, ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"])
    }
}

fn humanize_duration(x: f64) -> String {
    if !x.is_finite() {
        return significant(x, 4);
    }
    if x == 0.0 {
        return format!("{}s", significant(x, 4));
    }
    if x.abs() < 1.0 {
        return format!("{}s", small(x));
    }
    let sign = if x < 0.0 { "-" } else { "" };
    let whole = x.abs() as i64;
    let (days, hours) = (whole / 86_400, whole / 3600 % 24);
    let (minutes, seconds) = (whole / 60 % 60, whole % 60);
    if days != 0 {
        format!("{sign}{days}d {hours}h {minutes}m {seconds}s")
    } else if hours != 0 {
        format!("{sign}{hours}h {minutes}m {seconds}s")
    } else if minutes != 0 {
        format!("{sign}{minutes}m {seconds}s")
    } else {
        format!("{sign}{}s", significant(x.abs(), 4))
    }
}
