//! Charts: the timeline of a drill (queue depth, throughput, waits, alert lanes, on one time axis), and what trials, searches and
//! comparisons of engines come to.

mod axes;
mod lanes;
mod latency;
mod legend;
pub(crate) mod load;
mod overlay;
mod sheet;
mod thin;
pub(crate) mod tradeoff;
mod waits;

pub(crate) use latency::latency;
pub(crate) use overlay::overlay;
pub(crate) use waits::{of_load as waits_of_load, waits};

use crate::curves::{Line, depth_by_state, oldest, throughput, up, waited};
use crate::document::words;
use crate::jsonl::Record;
use crate::picture::{Canvas, Picture, Sizes};
use crate::record::Transition;
use crate::score::DrillScore;
use crate::why::trace::Comparison;
use axes::{Axes, Grid};
use legend::{behind, legend, more, places, rows, swatch};
use plotters::coord::Shift;
use plotters::prelude::*;
use sheet::Sheet;
use std::convert::Infallible;

const CHART_HEIGHT: u32 = 190;
const LANE_HEIGHT: u32 = 26;
/// Room on the left that alert names may take.
const LEFT_RANGE: (u32, u32) = (150, 330);
const TOP: u32 = 24;
const BOTTOM: u32 = 30;
const FONT: (&str, u32) = ("sans-serif", 14);
/// Generous width of a character of that font.
const CHARACTER: u32 = 8;
/// Largest value that is drawn; a scale without end would be looked for for ever.
const VALUE_MAX: f64 = 1e15;
/// Smallest scale that is drawn.
const VALUE_MIN: f64 = 1e-9;
/// Most moments that are drawn: more cannot be told apart, and their labels would have to be kept out of each other's way.
const MOMENTS_MAX: usize = 200;
/// A line of labels under the lanes.
const LABEL_HEIGHT: u32 = 18;

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
/// Of windows, so that lines stay the strongest.
const SHADE_OPACITY: f64 = 0.13;
const MARK: RGBColor = RGBColor(120, 120, 130);
const PENDING: RGBColor = RGBColor(225, 180, 60);
const FIRING: RGBColor = RGBColor(200, 45, 45);
/// What there is while a side of a comparison has no value.
const NO_DATA: &str = "no data";

pub(crate) type Failed = DrawingAreaErrorKind<Infallible>;
type Area<'p> = DrawingArea<Canvas<'p>, Shift>;

/// Of curves whose names are not known beforehand: told apart by lightness as well as by hue.
const OTHERS: [RGBColor; 6] = [
    RGBColor(60, 130, 210),
    RGBColor(214, 120, 30),
    RGBColor(50, 150, 80),
    RGBColor(190, 70, 160),
    RGBColor(120, 80, 60),
    RGBColor(80, 160, 150),
];

/// A span of minutes.
#[derive(Clone)]
struct Window {
    from: f64,
    to: f64,
    colour: RGBColor,
    what: &'static str,
}

/// A moment worth a line.
#[derive(Clone)]
struct Moment {
    at: f64,
    text: String,
    /// What was done is drawn through all charts, what was due only through the lanes.
    done: bool,
}

/// What all charts of a drill share.
#[derive(Clone)]
pub(crate) struct Frame {
    sheet: Sheet,
    minutes: f64,
    /// Room for labels on the left, the same in all charts, so that the time axes line up.
    left: u32,
    windows: Vec<Window>,
    moments: Vec<Moment>,
}

impl Frame {
    /// The time axis of a drill, with its windows and moments.
    pub(crate) fn new(record: &Record, drill: &DrillScore) -> Self {
        let minutes = |ms: i64| ms as f64 / 60_000.0;
        let incidents = drill.incidents.iter().map(|incident| Window {
            from: minutes(incident.truth.fault_ms),
            to: minutes(incident.truth.end_ms),
            colour: SHADE,
            what: "incident",
        });
        let harmless = record.header.benign.iter().map(|window| Window {
            from: minutes(window.starts_ms),
            to: minutes(window.ends_ms.min(record.end_ms())),
            colour: HARMLESS,
            what: "harmless event",
        });
        let mut moments: Vec<Moment> = record
            .marks()
            .map(|mark| Moment {
                at: minutes(mark.at_ms),
                text: mark.what.clone(),
                done: true,
            })
            .chain(drill.incidents.iter().map(|incident| Moment {
                at: minutes(incident.truth.deadline_ms),
                text: format!(
                    "wanted by {}",
                    words::since(incident.truth.deadline_ms, incident.truth.fault_ms,)
                ),
                done: false,
            }))
            .chain(drill.incidents.iter().filter_map(|incident| {
                Some(Moment {
                    at: minutes(incident.truth.impact_ms?),
                    text: "first harm".to_owned(),
                    done: true,
                })
            }))
            .collect();
        moments.sort_by(|a, b| a.at.total_cmp(&b.at));
        // The same done to several targets at once is one moment to the eye.
        moments.dedup_by(|a, b| a.text == b.text && (a.at - b.at).abs() < 0.5);
        moments.truncate(MOMENTS_MAX);
        let longest = drill.alerts.iter().map(|alert| alert.alert.chars().count());
        let room = CHARACTER * longest.max().unwrap_or(0) as u32 + 20;
        Self {
            sheet: Sheet::Wide,
            minutes: minutes(record.end_ms().max(60_000)),
            left: room.clamp(LEFT_RANGE.0, LEFT_RANGE.1),
            windows: incidents.chain(harmless).collect(),
            moments,
        }
    }

    /// The same on another sheet.
    fn on(&self, sheet: Sheet) -> Self {
        Self {
            sheet,
            left: sheet.left(self.left),
            ..self.clone()
        }
    }

    /// Where a minute is: the same pixel as in the charts.
    fn x(&self, minute: f64) -> i32 {
        let width = f64::from(self.sheet.width() - self.left - self.sheet.right() - 1);
        let minute = minute.clamp(0.0, self.minutes);
        self.left as i32 + (minute / self.minutes * width) as i32
    }
}

/// A chart, and what it shows in words.
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) picture: Result<Sizes, Failed>,
}

/// The charts of a drill, on one time axis.
pub(crate) fn timeline(
    frame: &Frame,
    record: &Record,
    drill: &DrillScore,
    transitions: &[Transition],
) -> Vec<Chart> {
    let curves = |title: &str, data: &[Line], colours: &[(&str, RGBColor)]| Chart {
        title: title.to_owned(),
        description: described(data),
        picture: lines(frame, title, data, colours),
    };
    let named = |title: &str, data: &[Line]| {
        let names = data.iter().map(|(name, _)| name.as_str());
        let colours: Vec<(&str, RGBColor)> = names.zip(OTHERS.into_iter().cycle()).collect();
        curves(title, data, &colours)
    };
    let (depths, rates) = (depth_by_state(record), throughput(record));
    // Records of before do not say how waits went over time.
    let waits = Some(waited(record)).filter(|lines| !lines.is_empty());
    let waits = waits.map(|lines| named("waits of tasks that started, s", &lines));
    let mut charts = vec![
        curves("tasks in the queue, by state", &depths, &STATE_COLOURS),
        curves("jobs per second, by outcome", &rates, &OUTCOME_COLOURS),
        named("oldest waiting task, s", &oldest(record)),
    ];
    charts.extend(waits);
    charts.extend([
        named("workers, exporters and Redis up", &up(record)),
        Chart {
            title: "alerts: pending and firing".to_owned(),
            description: lanes::described(drill, transitions),
            picture: Sheet::both(|sheet| {
                lanes::lanes(&frame.on(sheet), drill, transitions, record.end_ms())
            }),
        },
    ]);
    charts
}

/// A comparison of a rule over a drill: its left side against what it is compared with, and where there was nothing.
pub(crate) fn comparison(frame: &Frame, compared: &Comparison) -> Chart {
    let minutes = |ms: (f64, f64)| ms.0;
    let points = &compared.left.points;
    let gaps = points.chunk_by(|a, b| a.1.is_nan() == b.1.is_nan());
    let gaps: Vec<Window> = gaps
        .filter(|run| run[0].1.is_nan())
        .map(|run| Window {
            from: minutes(run[0]),
            to: minutes(run[run.len() - 1]),
            colour: MARK,
            what: NO_DATA,
        })
        .collect();
    let without = points.iter().filter(|(_, value)| value.is_nan()).count();
    let data = [
        ("value".to_owned(), points.clone()),
        ("compared with".to_owned(), compared.right.points.clone()),
        (NO_DATA.to_owned(), Vec::new()),
    ];
    let colours = [
        ("value", OTHERS[0]),
        ("compared with", FIRING),
        (NO_DATA, MARK),
    ];
    let shown = if gaps.is_empty() { 2 } else { 3 };
    let mut frame = frame.clone();
    frame.windows.extend(gaps);
    let nothing = match (without, points.len()) {
        (0, _) => String::new(),
        (gone, all) if gone == all => " There was no data from beginning to end.".to_owned(),
        (gone, all) => format!(" There was no data at {gone} of {all} moments."),
    };
    Chart {
        title: compared.text.clone(),
        description: format!("{}.{nothing}", described(&data)),
        picture: lines(&frame, "value", &data[..shown], &colours),
    }
}

/// What curves come to, for those who do not see them: the peak of each, and when it was.
fn described(data: &[Line]) -> String {
    let peaks = data.iter().filter_map(|(name, points)| {
        let known = points.iter().filter(|(_, value)| value.is_finite());
        let (minute, value) = known.copied().max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(format!(
            "{name} at most {} ({minute:.0} min)",
            number(value)
        ))
    });
    let peaks: Vec<String> = peaks.collect();
    peaks.join(", ")
}

/// What `draw` draws on a fresh canvas.
fn picture(
    sheet: Sheet,
    title: &str,
    height: u32,
    draw: impl FnOnce(&Area<'_>) -> Result<(), Failed>,
) -> Result<Picture, Failed> {
    let mut picture = Picture::new(title, sheet.width(), height);
    {
        let root = Canvas(&mut picture).into_drawing_area();
        draw(&root)?;
        root.present()?;
    }
    Ok(picture)
}

/// A chart of several lines over the shared time axis.
fn lines(
    frame: &Frame,
    title: &str,
    data: &[Line],
    colours: &[(&str, RGBColor)],
) -> Result<Sizes, Failed> {
    Sheet::both(|sheet| lines_on(&frame.on(sheet), title, data, colours))
}

fn lines_on(
    frame: &Frame,
    title: &str,
    data: &[Line],
    colours: &[(&str, RGBColor)],
) -> Result<Picture, Failed> {
    let most = data
        .iter()
        .flat_map(|(_, points)| points)
        .map(|(_, y)| *y)
        .filter(|y| y.is_finite())
        .fold(0.0, f64::max)
        .min(VALUE_MAX);
    let top = if most > VALUE_MIN { most * 1.08 } else { 1.0 };
    let used: Vec<(&str, RGBColor)> = colours
        .iter()
        .copied()
        .filter(|(name, _)| data.iter().any(|(known, _)| known == name))
        .collect();
    let sheet = frame.sheet;
    let more = more(sheet, frame.left, title, &used);
    picture(sheet, title, CHART_HEIGHT + more, |root| {
        let mut chart = Axes {
            sheet,
            left: frame.left,
            top: TOP + more,
            x: (0.0..frame.minutes, 10, &|minute| format!("{minute:.0} min")),
            y: (0.0..top, 4, &|value| number(*value)),
            ..Axes::default()
        }
        .on(root)?;
        for window in &frame.windows {
            let shade = window.colour.mix(SHADE_OPACITY).filled();
            chart.draw_series([Rectangle::new(
                [(window.from, 0.0), (window.to, top)],
                shade,
            )])?;
        }
        for moment in frame.moments.iter().filter(|moment| moment.done) {
            chart.draw_series([PathElement::new(
                [(moment.at, 0.0), (moment.at, top)],
                MARK.stroke_width(1),
            )])?;
        }
        for (name, points) in data {
            let colour = colours
                .iter()
                .find(|(known, _)| known == name)
                .map_or(MARK, |(_, colour)| *colour);
            let points = thin::thin(points, frame.minutes, sheet);
            for part in points.split(|(_, value)| !value.is_finite()) {
                let shown = part.iter().map(|(x, y)| (*x, y.clamp(0.0, top)));
                chart.draw_series(LineSeries::new(shown, colour.stroke_width(2)))?;
            }
        }
        legend(root, sheet, frame.left, title, &used)
    })
}

/// A name cut to so many characters.
fn shortened(name: &str, most: u32) -> String {
    let most = most as usize;
    if name.chars().count() <= most {
        return name.to_owned();
    }
    let kept: String = name.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}\u{2026}")
}

/// `1200` as `1.2k`.
pub(crate) fn number(value: f64) -> String {
    let (value, unit) = if value >= 1_000.0 {
        (value / 1e3, "k")
    } else {
        (value, "")
    };
    let digits = match value {
        ..1e-6 => 0,
        1e-6..0.1 => 3,
        0.1..1.0 => 2,
        _ => usize::from((value - value.round()).abs() > 0.05),
    };
    format!("{value:.digits$}{unit}")
}
