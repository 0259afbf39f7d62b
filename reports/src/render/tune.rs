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
        .filter_map(|(name, svg)| Some((name, standalone(&svg.ok()?))))
        .collect()
}

/// A chart that stands on a page has no name space, and takes its colours from there; a file needs its own.
fn standalone(svg: &str) -> String {
    let head = "<svg xmlns=\"http://www.w3.org/2000/svg\" style=\"background:#fff;color:#222\" ";
    svg.replacen("<svg ", head, 1)
}
