//! Pictures as SVG.

use super::{Anchor, Colour, Picture, Point, Stroke, Text};
use firedrill_detector::text::printable_lines;
use maud::{Markup, html as markup};
use std::fmt::Write;

impl Picture {
    /// For a page: text takes the page's colour, and the page's style knows it by the class.
    #[must_use]
    pub fn inline_svg(&self, class: &str) -> String {
        markup! {
            svg class=(class) viewBox=(self.view_box()) role="img" font-family=(FONT) font-size=(self.font_size()) fill="currentColor" { (self.body()) }
        }
        .into_string()
            + "\n"
    }

    /// A file of its own, dark on light.
    #[must_use]
    pub fn svg(&self) -> String {
        markup! {
            svg xmlns="http://www.w3.org/2000/svg" width=(self.width) height=(self.height) viewBox=(self.view_box()) color="#1d1f21" font-family=(FONT) font-size=(self.font_size()) fill="currentColor" {
                (self.body_on(&markup! { rect width="100%" height="100%" fill="#ffffff" {} }))
            }
        }
        .into_string()
            + "\n"
    }

    fn view_box(&self) -> String {
        format!("0 0 {} {}", self.width, self.height)
    }

    fn body(&self) -> Markup {
        self.body_on(&Markup::default())
    }

    /// The strokes over a background.
    fn body_on(&self, background: &Markup) -> Markup {
        markup! {
            title { (printable_lines(&self.title)) }
            (background)
            @for stroke in &self.strokes { (self::stroke(stroke, &self.font_size())) "\n" }
        }
    }

    /// That of its first text, which is that of nearly all.
    fn font_size(&self) -> String {
        let mut sizes = self.strokes.iter().filter_map(|stroke| match stroke {
            Stroke::Text(text) => Some(size(text)),
            _ => None,
        });
        sizes.next().unwrap_or_else(|| "0".to_owned())
    }
}

const FONT: &str = "sans-serif";

fn size(text: &Text) -> String {
    format!("{:.2}", text.em())
}

/// `font_size`: of texts that do not say theirs.
fn stroke(stroke: &Stroke, font_size: &str) -> Markup {
    match stroke {
        Stroke::Path {
            points,
            colour,
            width,
        } => markup! {
            path fill="none" stroke=(rgb(*colour)) stroke-opacity=[opacity(*colour)] stroke-width=(width) d=(line(points)) {}
        },
        Stroke::Polygon { points, colour } => markup! {
            polygon fill=(rgb(*colour)) fill-opacity=[opacity(*colour)] points=(list(points)) {}
        },
        Stroke::Rectangle {
            corners: ((left, top), (right, bottom)),
            colour,
            width,
        } => {
            let (wide, high) = (right - left, bottom - top);
            match width {
                None => markup! {
                    rect x=(left) y=(top) width=(wide) height=(high) fill=(rgb(*colour)) fill-opacity=[opacity(*colour)] {}
                },
                Some(width) => markup! {
                    rect x=(left) y=(top) width=(wide) height=(high) fill="none" stroke=(rgb(*colour)) stroke-opacity=[opacity(*colour)] stroke-width=(width) {}
                },
            }
        }
        Stroke::Circle {
            centre: (x, y),
            radius,
            colour,
            width,
        } => match width {
            None => markup! {
                circle cx=(x) cy=(y) r=(radius) fill=(rgb(*colour)) fill-opacity=[opacity(*colour)] {}
            },
            Some(width) => markup! {
                circle cx=(x) cy=(y) r=(radius) fill="none" stroke=(rgb(*colour)) stroke-opacity=[opacity(*colour)] stroke-width=(width) {}
            },
        },
        Stroke::Text(text) => self::text(text, font_size),
    }
}

fn text(text: &Text, font_size: &str) -> Markup {
    let (x, y) = text.at;
    let anchor = match text.across {
        Anchor::Start => None,
        Anchor::End => Some("end"),
        Anchor::Middle => Some("middle"),
    };
    let down = match text.down {
        Anchor::Start => "0.76em",
        Anchor::Middle => "0.5ex",
        Anchor::End => "-0.5ex",
    };
    let turned = (text.degrees > 0).then(|| format!("rotate({}, {x}, {y})", text.degrees));
    let colour = (text.colour.rgb != Colour::INK).then(|| rgb(text.colour));
    let size = Some(size(text)).filter(|size| size != font_size);
    markup! {
        text x=(x) y=(y) dy=(down) text-anchor=[anchor] font-size=[size] fill=[colour] fill-opacity=[opacity(text.colour)] transform=[turned] { (text.text) }
    }
}

fn rgb(Colour { rgb: (r, g, b), .. }: Colour) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Nothing where nothing shows through.
fn opacity(colour: Colour) -> Option<String> {
    (colour.alpha < 1.0).then(|| format!("{:.3}", colour.alpha))
}

/// From the first point, by how far it is to each of the next: a page with many charts is made of this.
fn line(points: &[Point]) -> String {
    let [(x, y), rest @ ..] = points else {
        return String::new();
    };
    let mut line = format!("M{x} {y}");
    let (mut before, mut gap) = ((*x, *y), "l");
    for (x, y) in rest {
        let (right, down) = (x - before.0, y - before.1);
        let _ = write!(
            line,
            "{}{right}",
            if right < 0 && gap == " " { "" } else { gap }
        );
        let _ = write!(line, "{}{down}", if down < 0 { "" } else { " " });
        (before, gap) = ((*x, *y), " ");
    }
    line
}

fn list(points: &[Point]) -> String {
    let mut list = String::new();
    for (x, y) in points {
        let _ = write!(list, "{x},{y} ");
    }
    list.truncate(list.trim_end().len());
    list
}
