//! The thresholds of an expression: where in its text the numbers stand that comparisons compare with.
//!
//! A threshold is a number literal, with its sign, that is one whole side of a comparison, in however many parentheses,
//! with `bool` or without, at the top of the expression or deep inside: `a > 5`, `0.5 <= b`, `(a == bool 0) * c`. In
//! `a > 2 * b` there is none, since 2 alone is not a side.

use std::ops::Range;

use super::compile::compile_parsed;
use crate::compat::Compat;
use crate::promql::{self, Expr};

/// A threshold and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Threshold {
    /// In bytes of the expression's text, sign included.
    pub(crate) range: Range<usize>,
    pub(crate) value: f64,
}

/// Finds the thresholds in the order written.
///
/// # Errors
///
/// A message if what is found in the text is not what the parsed expression has, or that cannot be parsed.
pub(crate) fn locate(text: &str, compat: Compat) -> Result<Vec<Threshold>, String> {
    let parsed = promql::parse(text, compat).map_err(|error| error.to_string())?;
    let compiled = compile_parsed(&parsed, compat).map_err(|refusal| refusal.to_string())?;
    let known = compiled.expr.thresholds();
    let mut found = Vec::new();
    collect(&parsed, &mut found);
    found.sort_by_key(|threshold| threshold.range.start);
    let same = |(found, known): (&Threshold, &f64)| found.value.to_bits() == known.to_bits();
    if found.len() != known.len() || !found.iter().zip(&known).all(same) {
        return Err("the numbers it compares with cannot be told apart in its text".into());
    }
    Ok(found)
}

/// The text with other numbers in the places of some thresholds.
pub(crate) fn replace(text: &str, thresholds: &[Threshold], values: &[(usize, f64)]) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut copied = 0;
    for (place, threshold) in thresholds.iter().enumerate() {
        let Some((_, value)) = values.iter().find(|(changed, _)| *changed == place) else {
            continue;
        };
        out.push_str(&text[copied..threshold.range.start]);
        out.push_str(&value.to_string());
        copied = threshold.range.end;
    }
    out.push_str(&text[copied..]);
    out
}

fn collect(expr: &Expr, found: &mut Vec<Threshold>) {
    if let Expr::Binary(binary) = expr
        && binary.op.is_comparison()
    {
        for side in [&binary.lhs, &binary.rhs] {
            let side = side.bare();
            found.extend(literal(side).map(|value| Threshold {
                range: side.span().range(),
                value,
            }));
        }
    }
    for child in expr.children() {
        collect(child, found);
    }
}

/// The value of a number that is written out, with signs and parentheses.
fn literal(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Number(number) => Some(number.value),
        Expr::Paren(paren) => literal(&paren.expr),
        Expr::Unary(unary) if unary.is_negative => literal(&unary.expr).map(|value| -value),
        Expr::Unary(unary) => literal(&unary.expr),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The thresholds of `text` as written.
    fn check(text: &str, expected: &[&str]) {
        let found = locate(text, Compat::V3).unwrap();
        let texts: Vec<&str> = found.iter().map(|t| &text[t.range.clone()]).collect();
        assert_eq!(texts, expected, "{text}");
    }

    #[test]
    fn whole_sides_of_comparisons_are_thresholds() {
        check("a > 5", &["5"]);
        check("0.50 <= a", &["0.50"]);
        check("a < -5e3 # > 7", &["-5e3"]);
        check("a > ((5)) and b == 0 or 3 != c", &["5", "0", "3"]);
        check("sum(a > bool 5) > 3", &["5", "3"]);
        check("a > 5 < 9", &["5", "9"]);
        check("1 < bool 2 == bool vector(3)", &["1", "2"]);
        check("max_over_time((a{b=\"> 6\"} > 5)[5m:1m]) > 2", &["5", "2"]);
        check("clamp(a, 1, 2) / b < 0.9", &["0.9"]);
        check("time() - a > 5m", &["5m"]);
        check("foo offset 5m > 3", &["3"]);
        check("(a > 5) * 2", &["5"]);
        check("a > -(5)", &["-(5)"]);
        check("a > 0x1F or a < -1_000", &["0x1F", "-1_000"]);
    }

    #[test]
    fn parts_of_sides_are_not() {
        check("a > 2 * b", &[]);
        check("a > 2 ^ 3", &[]);
        check("a + 1 > b", &[]);
        check("2 * 3 < a", &[]);
        check("vector(5) > a", &[]);
        check("a > b - 5", &[]);
        check("rate(a[5m])", &[]);
    }

    #[test]
    fn what_cannot_be_told_for_sure_is_refused() {
        for text in ["a >", "quantile_over_time(scalar(a > 1), (b > 2)[5m:])"] {
            assert!(locate(text, Compat::V3).is_err(), "{text}");
        }
    }

    #[test]
    fn a_replaced_number_leaves_the_rest_alone() {
        let text = "sum(a)  ==  0 # none\n and b>- 0.10";
        let found = locate(text, Compat::V3).unwrap();
        let changed = replace(text, &found, &[(1, 0.25)]);
        assert_eq!(changed, "sum(a)  ==  0 # none\n and b>0.25");
        let values: Vec<f64> = locate(&changed, Compat::V3)
            .unwrap()
            .iter()
            .map(|t| t.value)
            .collect();
        assert_eq!(values, [0.0, 0.25]);
    }
}
