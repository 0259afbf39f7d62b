//! The thresholds of an expression: where in its text the numbers stand that comparisons compare with.
//!
//! A threshold is a number literal, with its sign, that is one whole side of a comparison, in however many parentheses,
//! with `bool` or without, at the top of the expression or deep inside: `a > 5`, `0.5 <= b`, `(a == bool 0) * c`. In
//! `a > 2 * b` there is none, since 2 alone is not a side.

use std::ops::Range;

use super::compile::compile;
use super::token::{Kind, tokens};
use crate::compat::Compat;
use crate::duration;

/// A threshold and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Threshold {
    /// In bytes of the expression's text, sign included.
    pub(crate) range: Range<usize>,
    pub(crate) value: f64,
}

/// A token as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Item {
    Number,
    Sign {
        minus: bool,
    },
    Comparison,
    Bool,
    /// `and`, `or`, `unless`: they bind more weakly than a comparison.
    Set,
    Comma,
    Open,
    Close,
    /// Anything an operand may end with or an operator that binds more strongly.
    Other,
}

/// Finds the thresholds in the order written.
///
/// # Errors
///
/// A message if what is found in the text is not what the parsed expression has, or that cannot be parsed.
pub(crate) fn locate(text: &str, compat: Compat) -> Result<Vec<Threshold>, String> {
    let known = compile(text, compat)?.expr.thresholds();
    let items = items(text)?;
    let found: Vec<Threshold> = (0..items.len())
        .filter(|index| items[*index].0 == Item::Number)
        .filter_map(|index| threshold(text, &items, index))
        .collect();
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

/// The items of the text; what stands in braces and brackets is one, which is nothing but the end of an operand.
fn items(text: &str) -> Result<Vec<(Item, Range<usize>)>, String> {
    let mut items: Vec<(Item, Range<usize>)> = Vec::new();
    let mut depth = 0_usize;
    for token in tokens(text) {
        let token = token?;
        let range = token.start..token.start + token.text.len();
        let item = match token.kind {
            Kind::Comment | Kind::Space => continue,
            Kind::Symbol('{' | '[') => {
                depth += 1;
                Item::Other
            }
            Kind::Symbol('}' | ']') => {
                depth = depth.saturating_sub(1);
                continue;
            }
            _ if depth > 0 => continue,
            Kind::Number => Item::Number,
            Kind::Word => match token.text.to_ascii_lowercase().as_str() {
                "bool" => Item::Bool,
                "and" | "or" | "unless" => Item::Set,
                _ => Item::Other,
            },
            Kind::Symbol('<' | '>' | '=' | '!') => match items.last_mut() {
                Some((Item::Comparison, last)) if last.end == range.start => {
                    last.end = range.end;
                    continue;
                }
                _ => Item::Comparison,
            },
            Kind::Symbol('+') => Item::Sign { minus: false },
            Kind::Symbol('-') => Item::Sign { minus: true },
            Kind::Symbol('(') => Item::Open,
            Kind::Symbol(')') => Item::Close,
            Kind::Symbol(',') => Item::Comma,
            Kind::Quoted(_) | Kind::Symbol(_) => Item::Other,
        };
        items.push((item, range));
    }
    Ok(items)
}

/// The threshold whose number is the item at `index`, if it is one.
fn threshold(text: &str, items: &[(Item, Range<usize>)], index: usize) -> Option<Threshold> {
    let item = |at: Option<usize>| at.and_then(|at| items.get(at)).map(|(item, _)| *item);
    let before = |at: usize, by: usize| item(at.checked_sub(by));
    // Where no operand has ended, a sign belongs to the number and a parenthesis only groups.
    let starts_operand = |found: Option<Item>| {
        matches!(
            found,
            None | Some(Item::Comparison | Item::Bool | Item::Set | Item::Comma | Item::Open)
        )
    };
    let range = &items[index].1;
    let mut value = number(&text[range.clone()])?;
    let (mut first, mut last) = (index, index);
    if let Some(Item::Sign { minus }) = before(first, 1)
        && starts_operand(before(first, 2))
    {
        first -= 1;
        value = if minus { -value } else { value };
    }
    let start = items[first].1.start;
    while before(first, 1) == Some(Item::Open)
        && item(Some(last + 1)) == Some(Item::Close)
        && starts_operand(before(first, 2))
    {
        (first, last) = (first - 1, last + 1);
    }
    let (left, right) = (before(first, 1), item(Some(last + 1)));
    let is_right_side = left == Some(Item::Comparison)
        || (left == Some(Item::Bool) && before(first, 2) == Some(Item::Comparison));
    let ends_operand = matches!(
        right,
        None | Some(Item::Comparison | Item::Set | Item::Comma | Item::Close)
    );
    let is_left_side = right == Some(Item::Comparison) && starts_operand(left);
    ((is_right_side && ends_operand) || is_left_side).then_some(Threshold {
        range: start..range.end,
        value,
    })
}

/// The value of a literal. Those that Prometheus knows and this does not are found out by [`locate`].
fn number(text: &str) -> Option<f64> {
    let plain = text.replace('_', "");
    if let Some(ms) = duration::parse_ms(&plain).filter(|_| plain.parse::<f64>().is_err()) {
        return Some(ms as f64 / 1000.0);
    }
    plain.parse().ok()
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
        for text in ["a > -(5)", "a > 0x1F", "a >"] {
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
