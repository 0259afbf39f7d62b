//! Charts of a load over its seconds: how much, how long, how far behind, and what it cost.

use super::{
    Axes, CHART_HEIGHT, Chart, Failed, MARK, OTHERS, Sheet, TOP, legend, more, number, picture,
};
use crate::load::{LoadRecord, Row, Stage};
use crate::picture::Picture;
use plotters::prelude::*;

const LEFT: u32 = 70;
/// Smallest scale that is drawn.
const LEAST: f64 = 1e-6;

/// A curve: its name and its points, seconds and values.
type Curve = (&'static str, Vec<(f64, f64)>);

/// All charts.
pub(crate) fn charts(record: &LoadRecord) -> Vec<Chart> {
    let rows = &record.facts.series.rows;
    let curve = |name: &'static str, of: &dyn Fn(&Row) -> Option<f64>| -> Curve {
        let point = |row: &Row| Some((row.at_s + row.width_s, of(row)?));
        (name, rows.iter().filter_map(point).collect())
    };
    let per_s = |count: u64, row: &Row| Some(count as f64 / row.width_s);
    let of_stage =
        |stage: Stage| move |row: &Row| row.stages.get(&stage).map(|brief| brief.p99_s * 1e3);
    let all = [
        (
            "tasks per second",
            vec![
                curve("enqueued", &|row| per_s(row.counts.enqueued, row)),
                curve("worked on", &|row| {
                    per_s(row.counts.succeeded + row.counts.failed, row)
                }),
            ],
        ),
        (
            "99th percentiles, ms",
            vec![
                curve("wait", &of_stage(Stage::Wait)),
                curve("end to end", &of_stage(Stage::EndToEnd)),
                curve("enqueued after", &of_stage(Stage::Enqueue)),
                curve("sent late by", &of_stage(Stage::Lateness)),
            ],
        ),
        (
            "pending and active tasks",
            vec![curve("backlog", &|row| {
                row.backlog.map(|count| count as f64)
            })],
        ),
        (
            "processor time, cores",
            vec![
                curve("Redis", &|row| row.redis.map(|redis| redis.cpu)),
                curve("workers", &|row| Some(row.worker_cpu)),
                curve("producers", &|row| Some(row.producer_cpu)),
            ],
        ),
        (
            "memory, MB",
            vec![
                curve("Redis", &|row| {
                    row.redis.map(|redis| redis.memory_bytes as f64 / 1e6)
                }),
                curve("workers", &|row| Some(row.worker_rss as f64 / 1e6)),
                curve("producers", &|row| Some(row.producer_rss as f64 / 1e6)),
            ],
        ),
    ];
    let marks = record.facts.marks.iter();
    let steps: Vec<f64> = marks.map(|mark| mark.at_ms as f64 / 1e3).collect();
    let drawn = all.into_iter().filter_map(|(title, mut curves)| {
        curves.retain(|(_, points)| !points.is_empty());
        (!curves.is_empty()).then(|| Chart {
            title: title.to_owned(),
            description: described(&curves),
            picture: Sheet::both(|sheet| draw(sheet, title, &curves, &steps)),
        })
    });
    drawn.collect()
}

fn described(curves: &[Curve]) -> String {
    let each = curves.iter().map(|(name, points)| {
        let most = points.iter().map(|point| point.1).fold(0.0, f64::max);
        let last = points.last().map_or(0.0, |point| point.1);
        format!("{name}: at most {most:.2}, {last:.2} at the end")
    });
    each.collect::<Vec<_>>().join("; ")
}

/// `steps`: when faults and remedies were applied, seconds.
fn draw(sheet: Sheet, title: &str, curves: &[Curve], steps: &[f64]) -> Result<Picture, Failed> {
    let points = || curves.iter().flat_map(|(_, points)| points);
    let end = points().map(|point| point.0).fold(1.0, f64::max);
    let most = points().map(|point| point.1).fold(LEAST, f64::max) * 1.05;
    let mut named: Vec<(&str, RGBColor)> =
        curves.iter().map(|(name, _)| *name).zip(OTHERS).collect();
    if !steps.is_empty() {
        named.push(("faults and remedies", MARK));
    }
    let left = sheet.left(LEFT);
    let more = more(sheet, left, title, &named);
    picture(sheet, title, CHART_HEIGHT + more, |root| {
        let mut chart = Axes {
            sheet,
            left,
            top: TOP + more,
            x: (0.0..end, 10, &|second| format!("{second:.0} s")),
            y: (0.0..most, 5, &|value| number(*value)),
            ..Axes::default()
        }
        .on(root)?;
        for step in steps.iter().filter(|step| **step <= end) {
            let line = [(*step, 0.0), (*step, most)];
            chart.draw_series([PathElement::new(line, MARK.stroke_width(1))])?;
        }
        for ((_, points), (_, colour)) in curves.iter().zip(&named) {
            let line = points.iter().copied();
            chart.draw_series(LineSeries::new(line, colour.stroke_width(2)))?;
        }
        legend(root, sheet, left, title, &named)
    })
}
