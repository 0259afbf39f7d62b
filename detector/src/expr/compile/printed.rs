//! Whether a rule means the same once Prometheus has printed it, which is what it evaluates (`rules/recording.go`,
//! `rules/alerting.go`). Printing forgets parentheses around numbers, so that computed durations may come out as others.

use super::{Result, refuse};
use crate::compat::Compat;
use crate::promql::{self, Expr, Length};

/// Refuses an expression with durations that are read back as something else.
pub(super) fn check(expr: &Expr, compat: Compat) -> Result<()> {
    if !has_computed(expr) {
        return Ok(());
    }
    let printed = expr.to_string();
    let differs = match promql::parse(&printed, compat) {
        Ok(again) => differing(expr, &again),
        Err(_) => Some(expr),
    };
    let Some(part) = differs else {
        return Ok(());
    };
    let message = format!(
        "Prometheus evaluates a rule as it prints it, and `{part}` means something else then: write parentheses around all \
         of a computed offset, and no negative number left of `^`"
    );
    refuse(message, part.span())
}

fn has_computed(expr: &Expr) -> bool {
    let is_computed = |length: &Length| matches!(length, Length::Computed(_));
    expr.lengths().into_iter().any(is_computed) || expr.children().into_iter().any(has_computed)
}

/// The first part of `left` that is not what stands in its place in `right`, as far as durations and operators go.
fn differing<'e>(left: &'e Expr, right: &Expr) -> Option<&'e Expr> {
    let ms = |expr: &Expr| -> Vec<Option<i64>> {
        let lengths = expr.lengths().into_iter();
        lengths.map(|length| length.ms().ok()).collect()
    };
    let (below, others) = (left.children(), right.children());
    let is_alike = std::mem::discriminant(left) == std::mem::discriminant(right)
        && below.len() == others.len()
        && ms(left) == ms(right);
    if !is_alike {
        return Some(left);
    }
    let mut pairs = below.into_iter().zip(others);
    pairs.find_map(|(left, right)| differing(left, right))
}
