//! How large a regular expression becomes when it is compiled, known before it is: `.{0,1000}` is short to write only.

use regex_syntax::hir::{Class, Hir, HirKind};

/// Most weight of the regular expressions of one expression; a unit is one state or so, at most some 160 bytes.
pub(super) const EXPRESSION_MAX: usize = 50_000;
/// What a regular expression weighs at least, however short.
const LEAST: usize = 30;
/// What one weighs that only the PromQL parser can read, after a repair of its own.
const UNKNOWN: usize = 10_000;

/// The weight of a pattern in Rust's syntax.
pub(super) fn of(pattern: &str) -> Option<usize> {
    let hir = regex_syntax::parse(pattern).ok()?;
    Some(LEAST.saturating_add(states(&hir)))
}

/// The weight of a pattern as the PromQL parser compiles it, which takes Go's syntax for Rust's.
pub(super) fn of_parsers(pattern: &str) -> usize {
    of(pattern).unwrap_or(UNKNOWN)
}

/// About how many states it takes. Recursion is bounded by the nesting that `regex_syntax` accepts.
fn states(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        // A range is some sequences of up to four bytes, but those of many ranges have their ends in common.
        HirKind::Class(Class::Unicode(class)) => class.ranges().len().saturating_add(6),
        HirKind::Class(Class::Bytes(class)) => class.ranges().len(),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1) as usize;
            states(&repetition.sub)
                .saturating_add(1)
                .saturating_mul(times)
        }
        HirKind::Capture(capture) => states(&capture.sub).saturating_add(2),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts
            .iter()
            .fold(1, |sum, part| sum.saturating_add(states(part))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_of_repetitions_multiply() {
        assert_eq!(of("abc"), Some(LEAST + 3));
        assert!(of(".{0,1000}").is_some_and(|weight| weight < EXPRESSION_MAX / 5));
        assert!(of("(.{1000}){1000}").is_some_and(|weight| weight > EXPRESSION_MAX));
        assert!(of(r"\pL{1000}").is_some_and(|weight| weight > EXPRESSION_MAX));
        assert_eq!(of("("), None);
    }
}
