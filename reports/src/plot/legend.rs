//! Title and legend above a chart.

use super::{Area, CHARACTER, FONT, Failed, LABEL_HEIGHT, Sheet, shortened};
use plotters::prelude::*;

/// Least room of a title before its legend.
const TITLE_MIN: u32 = 230;
/// Of a name's colour, with the gap behind it.
const SWATCH: i32 = 24;
/// From the end of a name to the next one's colour.
const GAP: i32 = 22;

/// Where the legend's lines begin: that of a narrow chart has the whole width.
fn edge(sheet: Sheet, left: u32) -> i32 {
    match sheet {
        Sheet::Wide => left as i32,
        Sheet::Narrow => 6,
    }
}

/// Where the first name of a legend stands: behind the title, if that stands in the chart.
pub(super) fn behind(sheet: Sheet, left: u32, title: &str) -> i32 {
    if sheet.title(title).is_empty() {
        return edge(sheet, left);
    }
    let room = CHARACTER * title.chars().count() as u32 + 20;
    (left + room.max(TITLE_MIN)) as i32
}

/// Where each name of a legend stands, the first at `x`: left edge, and row. What does not fit goes on below.
pub(super) fn places<'n>(
    sheet: Sheet,
    left: u32,
    mut x: i32,
    names: impl Iterator<Item = &'n str>,
) -> Vec<(i32, u32)> {
    let left = edge(sheet, left);
    let mut row = 0;
    let place = |name: &str| {
        let width = SWATCH + GAP + (CHARACTER * name.chars().count() as u32) as i32;
        if x > left && x + width > sheet.width() as i32 {
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

/// Room that a legend takes beyond the line of the title.
pub(super) fn more(sheet: Sheet, left: u32, title: &str, colours: &[(&str, RGBColor)]) -> u32 {
    let names = colours.iter().map(|(name, _)| *name);
    let places = places(sheet, left, behind(sheet, left, title), names);
    LABEL_HEIGHT * (rows(&places) - 1)
}

/// A name with its colour.
pub(super) fn swatch(
    root: &Area<'_>,
    (x, y): (i32, i32),
    name: &str,
    colour: RGBColor,
) -> Result<(), Failed> {
    let room = root.dim_in_pixel().0 as i32 - x - SWATCH;
    let name = shortened(name, room.max(0) as u32 / CHARACTER);
    root.draw(&Rectangle::new(
        [(x, y + 4), (x + 18, y + 11)],
        colour.filled(),
    ))?;
    root.draw_text(&name, &FONT.into_text_style(root), (x + SWATCH, y))
}

/// Title above a chart, and what its colours mean; names in the colours' order.
pub(super) fn legend(
    root: &Area<'_>,
    sheet: Sheet,
    left: u32,
    title: &str,
    colours: &[(&str, RGBColor)],
) -> Result<(), Failed> {
    let shown = sheet.title(title);
    root.draw_text(shown, &FONT.into_text_style(root), (left as i32, 3))?;
    let names = colours.iter().map(|(name, _)| *name);
    let places = places(sheet, left, behind(sheet, left, title), names);
    for ((name, colour), (x, row)) in colours.iter().zip(places) {
        swatch(root, (x, 3 + (LABEL_HEIGHT * row) as i32), name, *colour)?;
    }
    Ok(())
}
