//! The middle of a set of settings: the one from which it takes most steps to leave the set.

use super::Grid;
use std::collections::VecDeque;

/// The setting of `members` (at least one) that is farthest from any that is not, and from the edge of the grid, counted in
/// steps along the axes. Of several, the one nearest to their centre, then the first.
pub(super) fn middle(grid: &Grid, members: &[usize]) -> Option<usize> {
    let depth = depths(grid, members);
    let deepest = members.iter().map(|member| depth[*member]).max()?;
    let deep: Vec<(usize, Vec<usize>)> = members
        .iter()
        .filter(|member| depth[**member] == deepest)
        .map(|member| (*member, grid.places(*member)))
        .collect();
    let count = deep.len();
    let sums: Vec<usize> = (0..grid.axes().len())
        .map(|axis| deep.iter().map(|(_, places)| places[axis]).sum())
        .collect();
    // Distances to the centre, times the number of settings, so that they are whole.
    let off_centre = |places: &[usize]| -> usize {
        let axes = places.iter().zip(&sums);
        axes.map(|(place, sum)| (place * count).abs_diff(*sum))
            .sum()
    };
    let nearest = deep
        .iter()
        .min_by_key(|(member, places)| (off_centre(places), *member));
    nearest.map(|(member, _)| *member)
}

/// Of each setting of the grid, how many steps it takes to leave `members`; 0 outside.
fn depths(grid: &Grid, members: &[usize]) -> Vec<u32> {
    let mut depth = vec![0_u32; grid.len()];
    for member in members {
        depth[*member] = u32::MAX;
    }
    let mut queue: VecDeque<usize> = VecDeque::new();
    for member in members {
        let neighbours = neighbours(grid, *member);
        if neighbours.edge || neighbours.settings.iter().any(|other| depth[*other] == 0) {
            queue.push_back(*member);
        }
    }
    for member in &queue {
        depth[*member] = 1;
    }
    while let Some(setting) = queue.pop_front() {
        for other in neighbours(grid, setting).settings {
            if depth[other] == u32::MAX {
                depth[other] = depth[setting] + 1;
                queue.push_back(other);
            }
        }
    }
    depth
}

/// The settings one step away.
struct Neighbours {
    settings: Vec<usize>,
    /// Whether a step leads out of the grid.
    edge: bool,
}

fn neighbours(grid: &Grid, setting: usize) -> Neighbours {
    let mut found = Neighbours {
        settings: Vec::new(),
        edge: false,
    };
    let places = grid.places(setting);
    // An axis with one value leads nowhere.
    let axes = grid.axes().iter().enumerate();
    for (axis, length) in axes.map(|(index, axis)| (index, axis.values.len())) {
        if length < 2 {
            continue;
        }
        for next in [places[axis].checked_sub(1), places[axis].checked_add(1)] {
            match next.filter(|next| *next < length) {
                Some(next) => {
                    let mut places = places.clone();
                    places[axis] = next;
                    found.settings.push(grid.number(&places));
                }
                None => found.edge = true,
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::Axis;
    use firedrill_detector::tuning::Settings;
    use firedrill_detector::{Compat, RuleFile};

    /// The middle of the settings marked `x` in a picture with a row per value of the first axis.
    fn check(picture: &[&str], expected: (usize, usize)) {
        let text = "groups: [{ name: g, rules: [{ alert: A, expr: a > 5 > 6 }] }]";
        let file = RuleFile {
            name: "r.yml".into(),
            text: text.into(),
        };
        let settings = Settings::load(vec![file], Compat::default()).unwrap();
        let vary = [
            format!("A.threshold1=1..{}/1", picture.len()),
            format!("A.threshold2=1..{}/1", picture[0].len()),
        ];
        let grid = Grid::new(Axis::parse_all(&settings, &vary, 1).unwrap());
        let marked = picture.concat().into_bytes();
        let members: Vec<usize> = (0..marked.len())
            .filter(|setting| marked[*setting] == b'x')
            .collect();
        let found = middle(&grid, &members).map(|setting| grid.places(setting));
        assert_eq!(found, Some(vec![expected.0, expected.1]), "{picture:?}");
    }

    #[test]
    fn the_middle_is_far_from_every_edge() {
        check(&["xxxxxxx"], (0, 3));
        check(&[".....", ".xxx.", ".xxx.", ".xxx.", "....."], (2, 2));
        // The edge of the grid is one, too.
        check(&["xxx..", "xxx..", "xxx.."], (1, 1));
        // A thin arm is no place to stand, however long it is.
        check(&["xxx......", "xxxxxxxxx", "xxx......"], (1, 1));
        check(&["x...x"], (0, 0));
    }
}
