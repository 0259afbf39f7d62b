//! How long tasks waited: a histogram of a queue's waits over a scale of tens, as waits are of very different lengths.

use super::{Axes, FONT, Failed, OTHERS, SHADE, Sheet, number, picture};
use crate::document::words;
use crate::picture::Sizes;
use crate::waits::Waits;
use plotters::prelude::*;

const HEIGHT: u32 = 170;
const LEFT: u32 = 90;
/// Bars to a power of ten.
const BARS: f64 = 8.0;
/// The scale begins with a wait of a millisecond; shorter ones stand there.
const DECADES_MAX: f64 = 8.0;

/// How many tasks of a queue waited how long, with the median and the 99th percentile marked. Nothing where none started.
pub(crate) fn waits(queue: &str, waits: &Waits) -> Option<Result<Sizes, Failed>> {
    let [p50, p99] = [waits.quantile(0.5)?, waits.quantile(0.99)?];
    let place = |ms: u64| (ms.max(1) as f64).log10().min(DECADES_MAX);
    let end = (place(waits.max()?) + 1.0 / BARS).ceil().max(1.0);
    let mut bars = vec![0_u64; (end * BARS) as usize];
    for (ms, count) in waits.encode() {
        if let Some(bar) = bars.get_mut((place(ms) * BARS) as usize) {
            *bar += count;
        }
    }
    let top = bars.iter().copied().max().unwrap_or(0).max(1) as f64 * 1.08;
    let title = format!("tasks of {queue}, by how long they waited");
    let told = format!("p50 {}, p99 {}", words::span(p50), words::span(p99));
    let draw = |sheet: Sheet| {
        picture(sheet, &title, HEIGHT, |root| {
            let left = sheet.left(LEFT);
            let mut chart = Axes {
                sheet,
                left,
                x: (0.0..end, end as usize + 1, &|decade| {
                    words::span(10_f64.powf(*decade).round() as u64)
                }),
                y: (0.0..top, 4, &|count| number(*count)),
                ..Axes::default()
            }
            .on(root)?;
            for (index, count) in bars.iter().enumerate().filter(|(_, count)| **count > 0) {
                let from = index as f64 / BARS;
                let corners = [(from, 0.0), (from + 0.9 / BARS, *count as f64)];
                chart.draw_series([Rectangle::new(corners, OTHERS[0].filled())])?;
            }
            for quantile in [p50, p99] {
                let x = place(quantile);
                chart.draw_series([PathElement::new(
                    [(x, 0.0), (x, top)],
                    SHADE.stroke_width(2),
                )])?;
            }
            let text = FONT.into_text_style(root);
            let told = match sheet.title(&title) {
                "" => format!("lines: {told}"),
                title => format!("{title}; lines: {told}"),
            };
            root.draw_text(&told, &text, (left as i32, 3))?;
            Ok(())
        })
    };
    Some(Sheet::both(draw))
}
