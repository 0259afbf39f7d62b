//! A threshold search for people and machines.

mod html;
mod json;
mod terminal;
mod text;

use crate::render::plot::tradeoff;
use crate::tune::Tuning;

pub use html::html;
pub use json::json;
pub use terminal::terminal;

/// The charts of a search as files of their own, name and SVG; one that cannot be drawn is left out.
#[must_use]
pub fn charts(tuning: &Tuning) -> Vec<(&'static str, String)> {
    let drawn = [
        ("tradeoff.svg", tradeoff::scatter(tuning)),
        ("map.svg", tradeoff::maps(tuning)),
    ];
    drawn
        .into_iter()
        .filter_map(|(name, svg)| Some((name, svg.ok()?)))
        .collect()
}
