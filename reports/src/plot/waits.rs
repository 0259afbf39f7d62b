//! How long tasks waited: a histogram over a scale of tens, as waits are of very different lengths.

use super::{Axes, FONT, Failed, OTHERS, SHADE, Sheet, number, picture};
use crate::document::words;
use crate::load::Latency;
use crate::picture::Sizes;
use crate::waits::Waits;
use plotters::prelude::*;

const HEIGHT: u32 = 170;
const LEFT: u32 = 90;
/// Bars to a power of ten.
const BARS: f64 = 8.0;
/// The longest waits that are told apart, as a power of ten of milliseconds.
const LAST: f64 = 8.0;
/// The shortest of drills and of loads likewise; shorter ones stand there.
const FIRST: f64 = 0.0;
const FIRST_OF_LOADS: f64 = -2.0;

/// How many tasks of a queue waited how long, with the median and the 99th percentile marked. Nothing where none started.
pub(crate) fn waits(queue: &str, waits: &Waits) -> Option<Result<Sizes, Failed>> {
    let marked = [waits.quantile(0.5)?, waits.quantile(0.99)?].map(|ms| ms as f64);
    let counts = waits.encode().into_iter();
    let counts = counts.map(|(ms, count)| (ms as f64, count)).collect();
    let title = format!("tasks of {queue}, by how long they waited");
    Some(histogram(&title, FIRST, counts, marked))
}

/// The same of a load, whose tasks may wait for less than a millisecond.
pub(crate) fn of_load(waits: &Latency) -> Option<Result<Sizes, Failed>> {
    let marked = [waits.quantile(0.5)?, waits.quantile(0.99)?].map(|s| s * 1e3);
    let counts = waits.recorded();
    let counts = counts.map(|(ns, count)| (ns as f64 / 1e6, count)).collect();
    let title = "tasks, by how long they waited";
    Some(histogram(title, FIRST_OF_LOADS, counts, marked))
}

/// `counts`: milliseconds and how many; `marked`: the median and the 99th percentile.
fn histogram(
    title: &str,
    first: f64,
    counts: Vec<(f64, u64)>,
    marked: [f64; 2],
) -> Result<Sizes, Failed> {
    let place = |ms: f64| ms.max(1e-9).log10().clamp(first, LAST);
    let longest = counts.iter().map(|(ms, _)| *ms).fold(0.0, f64::max);
    let end = (place(longest) + 1.0 / BARS).ceil().max(first + 1.0);
    let mut bars = vec![0_u64; ((end - first) * BARS) as usize];
    for (ms, count) in counts {
        if let Some(bar) = bars.get_mut(((place(ms) - first) * BARS) as usize) {
            *bar += count;
        }
    }
    let top = bars.iter().copied().max().unwrap_or(0).max(1) as f64 * 1.08;
    let told = format!("p50 {}, p99 {}", span(marked[0]), span(marked[1]));
    Sheet::both(|sheet| {
        picture(sheet, title, HEIGHT, |root| {
            let left = sheet.left(LEFT);
            let mut chart = Axes {
                sheet,
                left,
                x: (first..end, (end - first) as usize + 1, &|decade| {
                    span(10_f64.powf(*decade))
                }),
                y: (0.0..top, 4, &|count| number(*count)),
                ..Axes::default()
            }
            .on(root)?;
            for (index, count) in bars.iter().enumerate().filter(|(_, count)| **count > 0) {
                let from = first + index as f64 / BARS;
                let corners = [(from, 0.0), (from + 0.9 / BARS, *count as f64)];
                chart.draw_series([Rectangle::new(corners, OTHERS[0].filled())])?;
            }
            for quantile in marked {
                let x = place(quantile);
                chart.draw_series([PathElement::new(
                    [(x, 0.0), (x, top)],
                    SHADE.stroke_width(2),
                )])?;
            }
            let text = FONT.into_text_style(root);
            let told = match sheet.title(title) {
                "" => format!("lines: {told}"),
                title => format!("{title}; lines: {told}"),
            };
            root.draw_text(&told, &text, (left as i32, 3))?;
            Ok(())
        })
    })
}

/// A wait for people: `10 us`, and from a millisecond on as in the tables of drills.
fn span(ms: f64) -> String {
    match ms < 0.9995 {
        true => format!("{:.0} us", ms * 1e3),
        false => words::span(ms.round() as u64),
    }
}
