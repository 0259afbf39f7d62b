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
