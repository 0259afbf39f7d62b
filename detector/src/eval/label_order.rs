//! `sort_by_label` and `sort_by_label_desc`.

use std::cmp::Ordering;

use super::{Context, EvalError, Vector};
use crate::expr::SortByLabel;

impl SortByLabel {
    pub(super) fn evaluate(&mut self, context: &mut Context<'_>) -> Result<Vector, EvalError> {
        let mut vector = self.of.evaluate(context)?;
        let interner = &*context.interner;
        vector.sort_by(|a, b| {
            let (a, b) = (interner.labels(a.labels), interner.labels(b.labels));
            let mut values = self.labels.iter().map(|name| {
                let (a, b) = (a.get(name).unwrap_or(""), b.get(name).unwrap_or(""));
                (a != b).then(|| natural(a, b))
            });
            let order = values.find_map(|order| order).unwrap_or_else(|| a.cmp(b));
            match self.descending {
                true => order.reverse(),
                false => order,
            }
        });
        Ok(vector)
    }
}

/// The natural order of two texts: numbers in them go by their values, as in facette/natsort. That has no order for `01` and
/// `1`, nor for numbers beyond 64 bits; here the former go by their text.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (chunks(a), chunks(b));
    loop {
        let (one, other) = match (left.next(), right.next()) {
            (Some(one), Some(other)) => (one, other),
            (None, None) => return a.cmp(b),
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
        };
        let order = match (magnitude(one), magnitude(other)) {
            (Some(one), Some(other)) => one.cmp(&other),
            _ => one.cmp(other),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// What digits go by; `None` for other text.
fn magnitude(chunk: &str) -> Option<(usize, &str)> {
    let digits = chunk.trim_start_matches('0');
    chunk
        .starts_with(|char: char| char.is_ascii_digit())
        .then_some((digits.len(), digits))
}

/// The runs of digits and of everything else.
fn chunks(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let is_digit = |char: char| char.is_ascii_digit();
        let first = is_digit(text.chars().next()?);
        let end = text
            .find(|char| is_digit(char) != first)
            .unwrap_or(text.len());
        let (chunk, rest) = text.split_at(end);
        text = rest;
        Some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_texts_go_by_their_values() {
        for (before, after) in [
            ("w-2", "w-10"),
            ("2", "10"),
            ("a", "b"),
            ("", "a"),
            ("a", "a1"),
            ("10", "a"),
            ("a1b2", "a1b10"),
            ("01", "1"),
            ("9", "99999999999999999999"),
            ("9a", "99999999999999999999"),
        ] {
            assert_eq!(natural(before, after), Ordering::Less, "{before} {after}");
            assert_eq!(
                natural(after, before),
                Ordering::Greater,
                "{after} {before}"
            );
        }
    }
}
