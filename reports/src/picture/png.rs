//! Pictures as PNG, text included: the letters are in the binary.

use super::{Anchor, Colour, Picture, Point, Stroke, Text};
use ::png::{BitDepth, ColorType, Compression, Encoder, EncodingError};
use tiny_skia::{FillRule, Paint, Path, PathBuilder, Pixmap, Rect, Transform};
use ttf_parser::{Face, FaceParsingError, OutlineBuilder};

/// Latin, Greek and Cyrillic letters; see the licence beside it.
const FONT: &[u8] = include_bytes!("font/sans.ttf");

/// Pixels of the file to one of the picture: sharp on screens of today.
const DENSITY: u32 = 2;

/// Most pixels of a file: the lanes of five hundred alerts have fewer.
const PIXELS_MAX: u64 = 60_000_000;

/// Why a picture is no PNG.
#[derive(Debug, thiserror::Error)]
pub enum PngError {
    /// It has no pixels, or too many.
    #[error(
        "{width} by {height} pixels are no picture, or too many for a PNG; an SVG may have any size"
    )]
    Size {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// The letters inside the binary cannot be read.
    #[error("the font cannot be read: {0}")]
    Font(#[from] FaceParsingError),
    /// The pixels cannot be packed.
    #[error("the pixels cannot be packed: {0}")]
    Packing(#[from] EncodingError),
}

impl Picture {
    /// A PNG file, dark on white, with two pixels to each of the picture's.
    ///
    /// # Errors
    /// When the picture is too large.
    pub fn png(&self) -> Result<Vec<u8>, PngError> {
        let (width, height) = (
            self.width.saturating_mul(DENSITY),
            self.height.saturating_mul(DENSITY),
        );
        let size = PngError::Size { width, height };
        if u64::from(width) * u64::from(height) > PIXELS_MAX {
            return Err(size);
        }
        let mut sheet = Sheet {
            pixels: Pixmap::new(width, height).ok_or(size)?,
            face: Face::parse(FONT, 0)?,
        };
        sheet.pixels.fill(tiny_skia::Color::WHITE);
        for stroke in &self.strokes {
            sheet.draw(stroke);
        }
        // Nothing shows through white paper.
        let rgb: Vec<u8> = sheet
            .pixels
            .pixels()
            .iter()
            .flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()])
            .collect();
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, width, height);
        encoder.set_color(ColorType::Rgb);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_compression(Compression::High);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&rgb)?;
        writer.finish()?;
        Ok(file)
    }
}

/// What is drawn on.
struct Sheet {
    pixels: Pixmap,
    face: Face<'static>,
}

impl Sheet {
    fn draw(&mut self, stroke: &Stroke) {
        match stroke {
            Stroke::Path {
                points,
                colour,
                width,
            } => self.outline(along(points, false), *colour, *width),
            Stroke::Polygon { points, colour } => self.fill(along(points, true), *colour),
            Stroke::Rectangle {
                corners: ((left, top), (right, bottom)),
                colour,
                width,
            } => {
                let [left, top, right, bottom] = [*left, *top, *right, *bottom].map(|n| n as f32);
                let path = Rect::from_ltrb(left, top, right, bottom).map(PathBuilder::from_rect);
                self.edge_or_inside(path, *colour, *width);
            }
            Stroke::Circle {
                centre: (x, y),
                radius,
                colour,
                width,
            } => {
                let path = PathBuilder::from_circle(*x as f32, *y as f32, *radius as f32);
                self.edge_or_inside(path, *colour, *width);
            }
            Stroke::Text(text) => {
                let path = letters(&self.face, text);
                self.fill(path, text.colour);
            }
        }
    }

    fn edge_or_inside(&mut self, path: Option<Path>, colour: Colour, width: Option<u32>) {
        match width {
            Some(width) => self.outline(path, colour, width),
            None => self.fill(path, colour),
        }
    }

    fn outline(&mut self, path: Option<Path>, colour: Colour, width: u32) {
        let pen = tiny_skia::Stroke {
            width: width as f32,
            ..tiny_skia::Stroke::default()
        };
        if let Some(path) = path {
            let (paint, scale) = (paint(colour), scale());
            self.pixels.stroke_path(&path, &paint, &pen, scale, None);
        }
    }

    /// What has no points, such as a blank, needs no ink.
    fn fill(&mut self, path: Option<Path>, colour: Colour) {
        if let Some(path) = path {
            let (paint, scale) = (paint(colour), scale());
            self.pixels
                .fill_path(&path, &paint, FillRule::Winding, scale, None);
        }
    }
}

fn scale() -> Transform {
    Transform::from_scale(DENSITY as f32, DENSITY as f32)
}

fn paint(Colour { rgb, alpha }: Colour) -> Paint<'static> {
    let mut paint = Paint::default();
    let (r, g, b) = rgb;
    paint.set_color_rgba8(r, g, b, (alpha * 255.0).round() as u8);
    paint
}

fn along(points: &[Point], closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (index, (x, y)) in points.iter().enumerate() {
        match index {
            0 => path.move_to(*x as f32, *y as f32),
            _ => path.line_to(*x as f32, *y as f32),
        }
    }
    if closed {
        path.close();
    }
    path.finish()
}

/// The outlines of a text's letters, where it stands. A character that the font does not have is a box.
fn letters(face: &Face<'_>, text: &Text) -> Option<Path> {
    let to_pixels = text.em() as f32 / f32::from(face.units_per_em());
    let mut pen = Pen::default();
    for c in text.text.chars() {
        let glyph = face.glyph_index(c).unwrap_or_default();
        face.outline_glyph(glyph, &mut pen);
        pen.at += f32::from(face.glyph_hor_advance(glyph).unwrap_or_default());
    }
    let across = match text.across {
        Anchor::Start => 0.0,
        Anchor::Middle => -pen.at / 2.0,
        Anchor::End => -pen.at,
    };
    // As in SVG: from the top, the middle or the bottom of the letters to their baseline.
    let x_height = f32::from(face.x_height().unwrap_or_default());
    let down = match text.down {
        Anchor::Start => 0.76 * f32::from(face.units_per_em()),
        Anchor::Middle => x_height / 2.0,
        Anchor::End => -x_height / 2.0,
    };
    let (x, y) = (text.at.0 as f32, text.at.1 as f32);
    // Fonts count upwards.
    let placed = Transform::from_translate(x, y)
        .pre_rotate(f32::from(text.degrees))
        .pre_scale(to_pixels, -to_pixels)
        .pre_translate(across, -down);
    pen.path.finish()?.transform(placed)
}

/// Draws letters one behind the other, in the font's units.
#[derive(Default)]
struct Pen {
    path: PathBuilder,
    at: f32,
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.path.move_to(self.at + x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.path.line_to(self.at + x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.path.quad_to(self.at + x1, y1, self.at + x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let at = self.at;
        self.path.cubic_to(at + x1, y1, at + x2, y2, at + x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}
