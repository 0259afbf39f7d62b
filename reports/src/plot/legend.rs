//! Title and legend above a chart.

use super::{Area, CHARACTER, FONT, Failed, LABEL_HEIGHT, WIDTH};
use plotters::prelude::*;

/// Least room of a title before its legend.
const TITLE_MIN: u32 = 230;

/// Where the first name of a legend stands, behind the title.
pub(super) fn behind(left: u32, title: &str) -> i32 {
    let room = CHARACTER * title.chars().count() as u32 + 20;
    (left + room.max(TITLE_MIN)) as i32
}

/// Where each name of a legend stands, the first at `x`: left edge, and row. What does not fit goes on below, at `left`.
pub(super) fn places<'n>(
    left: u32,
    mut x: i32,
    names: impl Iterator<Item = &'n str>,
) -> Vec<(i32, u32)> {
    let left = left as i32;
    let mut row = 0;
    let place = |name: &str| {
        let width = 46 + (CHARACTER * name.chars().count() as u32) as i32;
        if x > left && x + width > WIDTH as i32 {
            (x, row) = (left, row + 1);
        }
        let place = (x, row);
        x += width;
        place
    };
    names.map(place).collect()
}

/// How many rows a legend takes.
pub(super) fn rows(places: &[(i32, u32)]) -> u32 {
    places.last().map_or(1, |(_, row)| row + 1)
}

/// A name with its colour.
pub(super) fn swatch(
    root: &Area<'_>,
    (x, y): (i32, i32),
    name: &str,
    colour: RGBColor,
) -> Result<(), Failed> {
    root.draw(&Rectangle::new(
        [(x, y + 4), (x + 18, y + 11)],
        colour.filled(),
    ))?;
    root.draw_text(name, &FONT.into_text_style(root), (x + 24, y))
}

/// Title above a chart, and what its colours mean; names in the colours' order.
pub(super) fn legend(
    root: &Area<'_>,
    left: u32,
    title: &str,
    colours: &[(&str, RGBColor)],
) -> Result<(), Failed> {
    root.draw_text(title, &FONT.into_text_style(root), (left as i32, 3))?;
    let names = colours.iter().map(|(name, _)| *name);
    let places = places(left, behind(left, title), names);
    for ((name, colour), (x, row)) in colours.iter().zip(places) {
        swatch(root, (x, 3 + (LABEL_HEIGHT * row) as i32), name, *colour)?;
    }
    Ok(())
}
