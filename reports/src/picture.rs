//! Pictures as what was drawn, stroke by stroke. The same one is SVG on a page ([`Picture::inline_svg`]), an SVG file
//! ([`Picture::svg`]) and a PNG file ([`Picture::png`]).

mod canvas;
mod png;
mod svg;
#[cfg(test)]
mod tests;

pub(crate) use canvas::Canvas;
pub use png::PngError;

use plotters_backend::BackendCoord as Point;

/// What was drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    title: String,
    /// In pixels.
    width: u32,
    height: u32,
    strokes: Vec<Stroke>,
}

impl Picture {
    /// Nothing yet; `title`: what it shows, for those who do not see it.
    pub(crate) fn new(title: &str, width: u32, height: u32) -> Self {
        Self {
            title: title.to_owned(),
            width,
            height,
            strokes: Vec::new(),
        }
    }

    /// What it shows.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }
}

/// A chart laid out for either width.
#[derive(Debug, Clone, PartialEq)]
pub struct Sizes {
    /// For a desk and for paper; this one is written to files.
    pub wide: Picture,
    /// For a telephone.
    pub narrow: Picture,
}

/// A colour that may let through what is below it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Colour {
    rgb: (u8, u8, u8),
    /// From 0 to 1.
    alpha: f64,
}

impl Colour {
    /// Of text that stands on a page: it is the page's.
    const INK: (u8, u8, u8) = (0, 0, 0);
}

/// Something drawn, in pixels from the upper left corner.
#[derive(Debug, Clone, PartialEq)]
enum Stroke {
    /// From point to point.
    Path {
        points: Vec<Point>,
        colour: Colour,
        width: u32,
    },
    /// What is within the points.
    Polygon { points: Vec<Point>, colour: Colour },
    /// From the upper left corner to the lower right one; `width` of its edge, or nothing where it is filled.
    Rectangle {
        corners: (Point, Point),
        colour: Colour,
        width: Option<u32>,
    },
    /// As a rectangle.
    Circle {
        centre: Point,
        radius: u32,
        colour: Colour,
        width: Option<u32>,
    },
    /// A line of text.
    Text(Text),
}

/// Which part of a text is where it is said to be: its left end or top, and so on.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Anchor {
    Start,
    Middle,
    End,
}

/// A line of text.
#[derive(Debug, Clone, PartialEq)]
struct Text {
    text: String,
    /// Where its anchor is.
    at: Point,
    across: Anchor,
    down: Anchor,
    /// Of its letters, from baseline to baseline.
    size: f64,
    /// Clockwise, around its anchor.
    degrees: u16,
    colour: Colour,
}

impl Text {
    /// Pixels to an em: fonts are a little taller than their em.
    fn em(&self) -> f64 {
        self.size / 1.24
    }
}
