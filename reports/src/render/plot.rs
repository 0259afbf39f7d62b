//! The timeline of a drill as inline SVG: queue depth, throughput, alert lanes, on one time axis.

mod series;

use crate::jsonl::Record;
use crate::record::{AlertState, Transition};
use crate::score::DrillScore;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use series::{depth_by_state, throughput};

const WIDTH: u32 = 1080;
const CHART_HEIGHT: u32 = 190;
const LANE_HEIGHT: u32 = 26;
/// Room for labels on the left, the same in all charts, so that the time axes line up.
const LEFT: u32 = 190;
const RIGHT: u32 = 16;
const TOP: u32 = 22;
const BOTTOM: u32 = 30;
const FONT: (&str, u32) = ("sans-serif", 13);

/// Mid tones that read on white and on black.
const STATE_COLOURS: [(&str, RGBColor); 6] = [
    ("pending", RGBColor(214, 120, 30)),
    ("active", RGBColor(60, 130, 210)),
    ("retry", RGBColor(190, 70, 160)),
    ("scheduled", RGBColor(120, 120, 130)),
    ("archived", RGBColor(120, 80, 60)),
    ("completed", RGBColor(80, 160, 150)),
];
const OUTCOME_COLOURS: [(&str, RGBColor); 2] = [
    ("success", RGBColor(50, 150, 80)),
    ("failed", RGBColor(210, 60, 60)),
];
const SHADE: RGBColor = RGBColor(210, 60, 60);
const HARMLESS: RGBColor = RGBColor(60, 130, 210);
const MARK: RGBColor = RGBColor(120, 120, 130);
const PENDING: RGBColor = RGBColor(225, 180, 60);
const FIRING: RGBColor = RGBColor(200, 45, 45);

type Failed = DrawingAreaErrorKind<std::io::Error>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A span of minutes.
struct Window {
    from: f64,
    to: f64,
    colour: RGBColor,
}

/// What all charts of a drill share.
struct Frame {
    minutes: f64,
    windows: Vec<Window>,
    marks: Vec<(f64, String)>,
}

/// The three charts of a drill.
pub(super) fn timeline(
    record: &Record,
    drill: &DrillScore,
    transitions: &[Transition],
) -> Result<String, Failed> {
    let minutes = |ms: i64| ms as f64 / 60_000.0;
    let incidents = drill.incidents.iter().map(|incident| Window {
        from: minutes(incident.truth.fault_ms),
        to: minutes(incident.truth.end_ms),
        colour: SHADE,
    });
    let harmless = record.header.benign.iter().map(|window| Window {
        from: minutes(window.starts_ms),
        to: minutes(window.ends_ms),
        colour: HARMLESS,
    });
    let frame = Frame {
        minutes: minutes(record.end_ms().max(60_000)),
        windows: incidents.chain(harmless).collect(),
        marks: record
            .marks()
            .map(|mark| (minutes(mark.at_ms), mark.what.clone()))
            .collect(),
    };
    let depth = lines(
        &frame,
        "tasks in the queue, by state",
        &depth_by_state(record),
        &STATE_COLOURS,
    )?;
    let rate = lines(
        &frame,
        "jobs per second, by outcome",
        &throughput(record),
        &OUTCOME_COLOURS,
    )?;
    let lanes = lanes(&frame, drill, transitions, record.end_ms())?;
    Ok([depth, rate, lanes].concat())
}

/// Runs `draw` on a fresh SVG and makes it fit for a page: text takes the page's colour, and the picture has a name.
fn svg(
    title: &str,
    height: u32,
    draw: impl FnOnce(&Area<'_>) -> Result<(), Failed>,
) -> Result<String, Failed> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
        draw(&root)?;
        root.present()?;
    }
    let text = text.replace("fill=\"#000000\"", "fill=\"currentColor\"");
    let body = text.find('>').map_or("", |end| &text[end + 1..]);
    Ok(format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\"><title>{title}</title>{body}\n"
    ))
}

/// A chart of several lines over the shared time axis.
fn lines(
    frame: &Frame,
    title: &str,
    data: &[(String, Vec<(f64, f64)>)],
    colours: &[(&str, RGBColor)],
) -> Result<String, Failed> {
    let top = data
        .iter()
        .flat_map(|(_, points)| points)
        .map(|(_, y)| *y)
        .fold(1.0, f64::max)
        * 1.08;
    svg(title, CHART_HEIGHT, |root| {
        let mut chart = ChartBuilder::on(root)
            .margin_top(TOP)
            .margin_right(RIGHT)
            .x_label_area_size(BOTTOM)
            .y_label_area_size(LEFT)
            .build_cartesian_2d(0.0..frame.minutes, 0.0..top)?;
        for window in &frame.windows {
            let shade = window.colour.mix(0.13).filled();
            chart.draw_series([Rectangle::new(
                [(window.from, 0.0), (window.to, top)],
                shade,
            )])?;
        }
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(MARK.mix(0.3))
            .axis_style(MARK)
            .x_labels(12)
            .y_labels(5)
            .label_style(FONT)
            .x_label_formatter(&|minute| format!("{minute:.0} min"))
            .y_label_formatter(&|value| number(*value))
            .draw()?;
        for (at, _) in &frame.marks {
            chart.draw_series([PathElement::new(
                [(*at, 0.0), (*at, top)],
                MARK.stroke_width(1),
            )])?;
        }
        for (name, points) in data {
            let colour = colours
                .iter()
                .find(|(known, _)| known == name)
                .map_or(MARK, |(_, colour)| *colour);
            for part in points.split(|(_, value)| value.is_nan()) {
                chart.draw_series(LineSeries::new(
                    part.iter().copied(),
                    colour.stroke_width(2),
                ))?;
            }
        }
        legend(root, title, data, colours)
    })
}

/// Title and coloured names above a chart.
fn legend(
    root: &Area<'_>,
    title: &str,
    data: &[(String, Vec<(f64, f64)>)],
    colours: &[(&str, RGBColor)],
) -> Result<(), Failed> {
    root.draw_text(title, &FONT.into_text_style(root), (LEFT as i32, 3))?;
    let mut x = LEFT as i32 + 230;
    for (name, colour) in colours
        .iter()
        .filter(|(name, _)| data.iter().any(|(known, _)| known == name))
    {
        root.draw(&Rectangle::new([(x, 8), (x + 18, 12)], colour.filled()))?;
        root.draw_text(name, &FONT.into_text_style(root), (x + 24, 3))?;
        x += 40 + 8 * name.len() as i32;
    }
    Ok(())
}

/// `1200` as `1.2k`.
fn number(value: f64) -> String {
    if value >= 10_000.0 {
        format!("{:.0}k", value / 1e3)
    } else if value >= 1_000.0 {
        format!("{:.1}k", value / 1e3)
    } else if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

/// A lane per alert: light while pending, solid while firing.
fn lanes(
    frame: &Frame,
    drill: &DrillScore,
    transitions: &[Transition],
    end_ms: i64,
) -> Result<String, Failed> {
    let count = drill.alerts.len() as u32;
    let marks_height = 18 * frame.marks.len().min(4) as u32;
    let height = TOP + LANE_HEIGHT * count + BOTTOM + marks_height;
    svg("alerts: pending and firing", height, |root| {
        let plot_width = f64::from(WIDTH - LEFT - RIGHT);
        let x = |minute: f64| LEFT as i32 + (minute / frame.minutes * plot_width) as i32;
        let (top, bottom) = (TOP as i32, (TOP + LANE_HEIGHT * count) as i32);
        for window in &frame.windows {
            let corners = [(x(window.from), top), (x(window.to), bottom)];
            root.draw(&Rectangle::new(corners, window.colour.mix(0.13).filled()))?;
        }
        root.draw_text("alerts", &FONT.into_text_style(root), (LEFT as i32, 3))?;
        for (offset, name, colour) in [(230, "pending", PENDING), (330, "firing", FIRING)] {
            let at = LEFT as i32 + offset;
            root.draw(&Rectangle::new([(at, 6), (at + 18, 14)], colour.filled()))?;
            root.draw_text(name, &FONT.into_text_style(root), (at + 24, 3))?;
        }
        let right = FONT
            .into_text_style(root)
            .pos(Pos::new(HPos::Right, VPos::Center));
        for (lane, alert) in drill.alerts.iter().enumerate() {
            let y = top + (LANE_HEIGHT as i32) * lane as i32;
            let middle = y + LANE_HEIGHT as i32 / 2;
            root.draw_text(&alert.alert, &right, (LEFT as i32 - 10, middle))?;
            root.draw(&PathElement::new(
                [(LEFT as i32, middle), (x(frame.minutes), middle)],
                MARK.mix(0.3),
            ))?;
            for (from_ms, to_ms, state) in spans(transitions, &alert.alert, end_ms) {
                let (colour, inset) = if state == AlertState::Firing {
                    (FIRING, 4)
                } else {
                    (PENDING, 8)
                };
                let (from, to) = (
                    x(from_ms as f64 / 6e4),
                    x(to_ms as f64 / 6e4).max(x(from_ms as f64 / 6e4) + 2),
                );
                let corners = [(from, y + inset), (to, y + LANE_HEIGHT as i32 - inset)];
                root.draw(&Rectangle::new(corners, colour.filled()))?;
            }
        }
        for (index, (at, what)) in frame.marks.iter().enumerate() {
            let y = bottom + 4 + 18 * (index.min(3) as i32);
            root.draw(&PathElement::new([(x(*at), top), (x(*at), y + 12)], MARK))?;
            // Near the right edge the label goes to the left of its line.
            let near_edge = *at > frame.minutes * 0.8;
            let (side, shift) = if near_edge {
                (HPos::Right, -5)
            } else {
                (HPos::Left, 5)
            };
            let style = FONT.into_text_style(root).pos(Pos::new(side, VPos::Top));
            root.draw_text(what, &style, (x(*at) + shift, y))?;
        }
        Ok(())
    })
}

/// The spans in which any instance of an alert is pending, and in which any fires.
fn spans(transitions: &[Transition], alert: &str, end_ms: i64) -> Vec<(i64, i64, AlertState)> {
    let mut since: std::collections::BTreeMap<_, (i64, AlertState)> =
        std::collections::BTreeMap::new();
    let mut spans = Vec::new();
    for transition in transitions
        .iter()
        .filter(|transition| transition.alert == alert)
    {
        if let Some((from, state)) = since.remove(&transition.labels) {
            spans.push((from, transition.at_ms, state));
        }
        if transition.to != AlertState::Inactive {
            since.insert(&transition.labels, (transition.at_ms, transition.to));
        }
    }
    spans.extend(
        since
            .into_values()
            .map(|(from, state)| (from, end_ms, state)),
    );
    // Pending first, so that firing instances are seen where both overlap.
    spans.sort_by_key(|(from, _, state)| (*state == AlertState::Firing, *from));
    spans
}
