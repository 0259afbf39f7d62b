//! How soon how many drills were detected: the distribution of an incident's detection latency, a line per alert.

use super::{
    Axes, FONT, Failed, LABEL_HEIGHT, SHADE, STATE_COLOURS, Sheet, behind, picture, places, rows,
    swatch,
};
use crate::document::words;
use crate::picture::{Picture, Sizes};
use crate::score::stats::{Latencies, Latency};
use crate::trials::{Detections, IncidentTrials};
use plotters::prelude::*;

const HEIGHT: u32 = 190;
const LEFT: u32 = 60;
/// All right alerts together, where there are several.
const ANY: RGBColor = RGBColor(50, 150, 80);

/// A line of the chart and of its legend.
struct Curve<'c> {
    name: String,
    latencies: &'c Latencies,
    colour: RGBColor,
    /// The union of all alerts is wider, so that it shows where it coincides with one of them.
    width: u32,
}

/// The share of drills in which each alert had fired, over the time since the fault. A curve that ends below the top has
/// misses; the deadline is marked.
pub(crate) fn latency(incident: &IncidentTrials) -> Result<Sizes, Failed> {
    let curves = curves(incident);
    Sheet::both(|sheet| draw(sheet, incident, &curves))
}

fn draw(sheet: Sheet, incident: &IncidentTrials, curves: &[Curve<'_>]) -> Result<Picture, Failed> {
    let left = sheet.left(LEFT);
    let start = behind(sheet, left, "");
    let names = curves.iter().map(|curve| curve.name.as_str());
    let places = places(sheet, left, start, names);
    let top = LABEL_HEIGHT * (rows(&places) + 1) + 8;
    let minutes = |ms: i64| ms as f64 / 6e4;
    let last_ms = curves
        .iter()
        .flat_map(|curve| curve.latencies.sorted())
        .filter_map(|latency| latency.ms())
        .fold(incident.deadline_ms.max(60_000), i64::max);
    let end = minutes(last_ms) * 1.08;
    let title = "share of drills detected, by minutes since the fault";
    picture(sheet, title, top + HEIGHT, |root| {
        let text = FONT.into_text_style(root);
        let mut chart = Axes {
            sheet,
            left,
            top,
            x: (0.0..end, 10, &|minute| format!("{minute:.0} min")),
            y: (0.0..102.0, 5, &|percent| format!("{percent:.0} %")),
            ..Axes::default()
        }
        .on(root)?;
        let deadline = minutes(incident.deadline_ms);
        chart.draw_series([PathElement::new(
            [(deadline, 0.0), (deadline, 102.0)],
            SHADE.stroke_width(2),
        )])?;
        for curve in curves {
            let points = steps(curve.latencies, end, sheet);
            chart.draw_series([PathElement::new(
                points,
                curve.colour.stroke_width(curve.width),
            )])?;
        }
        root.draw_text(sheet.title(title), &text, (left as i32, 3))?;
        let marked = format!("wanted by {}", words::since(incident.deadline_ms, 0));
        swatch(root, (behind(sheet, left, title), 3), &marked, SHADE)?;
        for (curve, (x, row)) in curves.iter().zip(places) {
            let y = (LABEL_HEIGHT * (row + 1)) as i32 + 3;
            swatch(root, (x, y), &curve.name, curve.colour)?;
        }
        Ok(())
    })
}

/// All alerts together where there is not exactly one, and each alert.
fn curves(incident: &IncidentTrials) -> Vec<Curve<'_>> {
    let curve = |name: &str, seen: &'_ Detections| {
        format!("{name} {} of {}", seen.detected.count, seen.detected.of)
    };
    let any = (incident.alerts.len() != 1).then(|| Curve {
        name: curve("any right alert", &incident.any),
        latencies: &incident.any.until_told,
        colour: ANY,
        width: 5,
    });
    let colours = STATE_COLOURS.iter().cycle();
    let each = incident
        .alerts
        .iter()
        .zip(colours)
        .map(|(on, (_, colour))| Curve {
            name: curve(&on.alert, &on.seen),
            latencies: &on.seen.until_told,
            colour: *colour,
            width: 2,
        });
    any.into_iter().chain(each).collect()
}

/// The corners of the distribution function in minutes and percent, up to `end`. Latencies that fall on one pixel are one
/// step, so that thousands of drills do not make a picture of megabytes.
fn steps(latencies: &Latencies, end: f64, sheet: Sheet) -> Vec<(f64, f64)> {
    let share = |count: usize| count as f64 / latencies.count().max(1) as f64 * 100.0;
    let pixel = |minute: f64| (minute / end * f64::from(sheet.width())) as u32;
    let mut corners = vec![(0.0, 0.0)];
    let mut reached = 0.0;
    let mut before = None;
    for (index, latency) in latencies.sorted().iter().enumerate() {
        let Latency::Ms(ms) = latency else { break };
        let minute = *ms as f64 / 6e4;
        let after = share(index + 1);
        if before == Some(pixel(minute))
            && let Some((_, percent)) = corners.last_mut()
        {
            *percent = after;
        } else {
            corners.extend([(minute, reached), (minute, after)]);
            before = Some(pixel(minute));
        }
        reached = after;
    }
    corners.push((end, reached));
    corners
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_rise_with_each_detection_and_stop_at_the_misses() {
        let minutes = [3, 1, 3].map(|minutes| Latency::Ms(minutes * 60_000));
        let latencies = Latencies::new(minutes.into_iter().chain([Latency::Missed]));
        assert_eq!(
            steps(&latencies, 10.0, Sheet::Wide),
            [
                (0.0, 0.0),
                (1.0, 0.0),
                (1.0, 25.0),
                (3.0, 25.0),
                (3.0, 75.0),
                (10.0, 75.0)
            ]
        );
    }

    #[test]
    fn thousands_of_detections_take_no_more_corners_than_pixels() {
        let latencies = Latencies::new((0..50_000).map(Latency::Ms));
        for sheet in [Sheet::Wide, Sheet::Narrow] {
            let found = steps(&latencies, 1.0, sheet);
            assert!(
                found.len() <= 2 * sheet.width() as usize + 4,
                "{}",
                found.len()
            );
            assert_eq!(found.last(), Some(&(1.0, 100.0)));
        }
    }
}
