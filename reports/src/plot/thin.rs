//! Curves with no more points than can be told apart: a page with many drills stays small.

use super::Sheet;

/// Columns of a chart that points fall into; in each the lowest and the highest stay.
fn columns(sheet: Sheet) -> f64 {
    f64::from(sheet.width()) / 3.0
}

/// The points of a curve over so many minutes, in order, without those between the extremes of a column. What is not a number
/// is a gap, and stays.
pub(super) fn thin(points: &[(f64, f64)], minutes: f64, sheet: Sheet) -> Vec<(f64, f64)> {
    let column = |minute: f64| (minute / minutes * columns(sheet)) as i64;
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let same = |a: &(f64, f64), b: &(f64, f64)| {
        column(a.0) == column(b.0) && a.1.is_finite() == b.1.is_finite()
    };
    for group in points.chunk_by(same) {
        let places = 0..group.len();
        let by_value = |a: &usize, b: &usize| group[*a].1.total_cmp(&group[*b].1);
        let lowest = places.clone().min_by(by_value);
        let highest = places.max_by(by_value);
        let mut places: Vec<usize> = lowest.into_iter().chain(highest).collect();
        places.sort_unstable();
        places.dedup();
        kept.extend(places.into_iter().map(|place| group[place]));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn extremes_and_gaps_stay_and_the_rest_is_bounded(
            values in prop::collection::vec(prop_oneof![9 => 0.0..1e6_f64, 1 => Just(f64::NAN)], 1..4_000),
            sheet in prop_oneof![Just(Sheet::Wide), Just(Sheet::Narrow)],
        ) {
            let minutes = values.len() as f64 / 4.0;
            let points: Vec<(f64, f64)> = values.iter().enumerate().map(|(n, v)| (n as f64 / 4.0, *v)).collect();
            let kept = thin(&points, minutes, sheet);
            let known = |points: &[(f64, f64)]| points.iter().map(|p| p.1).filter(|v| v.is_finite()).collect::<Vec<_>>();
            let extreme = |points: &[(f64, f64)], by: fn(f64, f64) -> f64| known(points).into_iter().reduce(by);
            prop_assert_eq!(extreme(&kept, f64::max), extreme(&points, f64::max));
            prop_assert_eq!(extreme(&kept, f64::min), extreme(&points, f64::min));
            prop_assert!(kept.is_sorted_by(|a, b| a.0 < b.0));
            let gaps = points.iter().filter(|p| p.1.is_nan()).count();
            prop_assert!(kept.len() <= 2 * (columns(sheet) as usize + 1 + 2 * gaps));
            prop_assert_eq!(gaps > 0, kept.iter().any(|p| p.1.is_nan()));
        }
    }
}
