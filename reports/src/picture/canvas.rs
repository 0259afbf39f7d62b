//! What plotters draws on: it keeps each stroke.

use super::{Anchor, Colour, Picture, Point, Stroke, Text};
use firedrill_detector::text::printable_lines;
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontTransform,
};
use std::convert::Infallible;

/// A picture that is being drawn.
pub(crate) struct Canvas<'p>(pub(crate) &'p mut Picture);

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl From<BackendColor> for Colour {
    fn from(BackendColor { alpha, rgb }: BackendColor) -> Self {
        Self { rgb, alpha }
    }
}

impl Canvas<'_> {
    /// What nobody sees is no stroke.
    fn push(&mut self, colour: BackendColor, stroke: impl FnOnce(Colour) -> Stroke) {
        if colour.alpha > 0.0 {
            self.0.strokes.push(stroke(colour.into()));
        }
    }
}

/// The points of a path at which it turns: those between them are on the way.
fn corners(path: impl IntoIterator<Item = Point>) -> Vec<Point> {
    let mut kept: Vec<Point> = Vec::new();
    for point in path {
        if kept.last() == Some(&point) {
            continue;
        }
        if let [.., from, on_the_way] = kept[..]
            && goes_on(from, on_the_way, point)
        {
            kept.pop();
        }
        kept.push(point);
    }
    kept
}

/// Whether the second point is on the straight way from the first to the third.
fn goes_on(from: Point, by: Point, to: Point) -> bool {
    let way = |a: Point, b: Point| (i64::from(b.0 - a.0), i64::from(b.1 - a.1));
    let ((right, down), (further_right, further_down)) = (way(from, by), way(by, to));
    right * further_down == down * further_right && right * further_right + down * further_down > 0
}

impl DrawingBackend for Canvas<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (self.0.width, self.0.height)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): Point, colour: BackendColor) -> Drawn {
        self.push(colour, |colour| Stroke::Rectangle {
            corners: ((x, y), (x + 1, y + 1)),
            colour,
            width: None,
        });
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: Point, to: Point, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: Point,
        bottom_right: Point,
        style: &S,
        fill: bool,
    ) -> Drawn {
        self.push(style.color(), |colour| Stroke::Rectangle {
            corners: (upper_left, bottom_right),
            colour,
            width: (!fill).then(|| style.stroke_width()),
        });
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = Point>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        self.push(style.color(), |colour| Stroke::Path {
            points: corners(path),
            colour,
            width: style.stroke_width(),
        });
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        centre: Point,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        self.push(style.color(), |colour| Stroke::Circle {
            centre,
            radius,
            colour,
            width: (!fill).then(|| style.stroke_width()),
        });
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = Point>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Drawn {
        self.push(style.color(), |colour| Stroke::Polygon {
            points: corners.into_iter().collect(),
            colour,
        });
        Ok(())
    }

    fn draw_text<T: BackendTextStyle>(&mut self, text: &str, style: &T, at: Point) -> Drawn {
        let anchor = style.anchor();
        if text.is_empty() {
            return Ok(());
        }
        self.push(style.color(), |colour| {
            Stroke::Text(Text {
                // Names of alerts and faults are drawn as they are.
                text: printable_lines(text).into_owned(),
                at,
                across: match anchor.h_pos {
                    HPos::Left => Anchor::Start,
                    HPos::Center => Anchor::Middle,
                    HPos::Right => Anchor::End,
                },
                down: match anchor.v_pos {
                    VPos::Top => Anchor::Start,
                    VPos::Center => Anchor::Middle,
                    VPos::Bottom => Anchor::End,
                },
                size: style.size(),
                degrees: match style.transform() {
                    FontTransform::None => 0,
                    FontTransform::Rotate90 => 90,
                    FontTransform::Rotate180 => 180,
                    FontTransform::Rotate270 => 270,
                },
                colour,
            })
        });
        Ok(())
    }
}
