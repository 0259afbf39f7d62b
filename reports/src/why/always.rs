//! Alerts whose condition holds whatever happens: on before anything is wrong, they tell nobody anything.

use super::findings::{is_arithmetic, is_comparison, one_line, rounded};
use super::tally::{PartTally, RuleTally, Values};
use super::{Finding, FindingKind, Grade};
use firedrill_detector::anatomy::{Anatomy, Operand, Part, PartKind};
use firedrill_detector::rules::Places;

/// What is to be said of an alert that held at every evaluation at which it had data, after the warm-up and outside of
/// incidents. Where it mostly had none, nothing can be said.
pub(super) fn held(anatomy: &Anatomy, tally: &RuleTally, places: &Places) -> Option<Finding> {
    let calm = &tally.calm;
    let seen = calm.evaluations - calm.without_data;
    if !anatomy.is_alert || seen == 0 || calm.held < seen || calm.held * 2 < calm.evaluations {
        return None;
    }
    Some(Finding {
        grade: Grade::Always,
        kind: FindingKind::AlwaysHeld,
        part: one_line(&anatomy.expr),
        region: places.region(0..anatomy.expr.len()),
        message: format!(
            "held at all of the {seen} evaluations with data outside of incidents: the alert is on before anything is wrong"
        ),
        hint: Some(hint(anatomy, tally)),
    })
}

/// What to look at.
fn hint(anatomy: &Anatomy, tally: &RuleTally) -> String {
    let parts = || anatomy.parts.iter().zip(&tally.parts);
    if let Some(part) = anatomy.parts.iter().find(|part| is_bool(part)) {
        return format!(
            "`{}` is 0 or 1 and never empty, and an alert fires for any value: leave out `bool`",
            part.text
        );
    }
    let infinite = parts().find_map(|(part, counted)| {
        let found = sides(part, counted).into_iter();
        let mut found = found.filter(|(_, values)| values.range.is_some_and(|r| r.1.is_infinite()));
        found.next().map(|(operand, _)| &operand.text)
    });
    if let Some(text) = infinite {
        return format!(
            "`{text}` was +Inf, as a number divided by 0 is (a maximum of 0 often means that there is none): ask for a \
             divisor above 0 as well"
        );
    }
    let compared = parts().find(|(part, _)| match &part.kind {
        PartKind::Operation { op, .. } => is_comparison(op),
        PartKind::Selector(_) | PartKind::Absent { .. } => false,
    });
    let Some((part, counted)) = compared else {
        let looks_for_absence = |part: &Part| matches!(part.kind, PartKind::Absent { .. });
        return match anatomy.parts.iter().any(looks_for_absence) {
            true => "what it looks for was never there outside of incidents".to_owned(),
            false => {
                "it compares nothing, and an alert fires for any value, 0 included: add a comparison".to_owned()
            }
        };
    };
    let ranges = sides(part, counted)
        .into_iter()
        .filter_map(|(operand, values)| {
            let (low, high) = values.range.filter(|_| operand.number.is_none())?;
            Some(match low == high {
                true => format!("`{}` was always {}", operand.text, rounded(low)),
                false => format!(
                    "`{}` was between {} and {}",
                    operand.text,
                    rounded(low),
                    rounded(high)
                ),
            })
        });
    let ranges: Vec<String> = ranges.collect();
    match ranges.is_empty() {
        true => format!("`{}` holds whatever happens", part.text),
        false => format!("{}: is the threshold right?", ranges.join(", ")),
    }
}

/// Whether it is a comparison that says 0 or 1 instead of filtering.
fn is_bool(part: &Part) -> bool {
    match &part.kind {
        PartKind::Operation { op, .. } => {
            is_comparison(op) && part.text.contains(&format!(" {op} bool "))
        }
        PartKind::Selector(_) | PartKind::Absent { .. } => false,
    }
}

/// The sides of a comparison or of arithmetic, and their values.
fn sides<'p>(part: &'p Part, counted: &'p PartTally) -> Vec<(&'p Operand, &'p Values)> {
    match &part.kind {
        PartKind::Operation {
            op, left, right, ..
        } if is_comparison(op) || is_arithmetic(op) => {
            vec![(left, &counted.left), (right, &counted.right)]
        }
        _ => Vec::new(),
    }
}
