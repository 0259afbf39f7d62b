//! The curves of two engines over each other.

use super::{Failed, Frame, LEFT_RANGE, Moment, Sheet, lines};
use crate::fidelity::{Curve, Fidelity};
use crate::picture::Sizes;
use plotters::prelude::RGBColor;

/// The model below, so that the live curve is seen where they are the same; mid tones that read on white and on black.
const COLOURS: [(&str, RGBColor); 2] = [
    ("virtual", RGBColor(214, 120, 30)),
    ("live", RGBColor(60, 130, 210)),
];

/// One curve of a scenario, live and virtual, with the marks of the live drill.
pub(crate) fn overlay(pair: &Fidelity, curve: &Curve) -> Result<Sizes, Failed> {
    let marks = pair.marks.iter().filter_map(|mark| {
        Some(Moment {
            at: mark.live_ms? as f64 / 6e4,
            text: mark.what.clone(),
            done: true,
        })
    });
    let frame = Frame {
        sheet: Sheet::Wide,
        minutes: pair.end_ms.max(60_000) as f64 / 6e4,
        left: LEFT_RANGE.0,
        windows: Vec::new(),
        moments: marks.collect(),
    };
    let [model, live] = COLOURS.map(|(name, _)| name.to_owned());
    let data = [(model, curve.model.clone()), (live, curve.live.clone())];
    lines(&frame, &curve.what, &data, &COLOURS)
}
