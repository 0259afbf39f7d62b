//! The lanes of a timeline: one per alert, and below them what was done and when.

use super::{
    Area, CHARACTER, FIRING, FONT, Failed, Frame, LABEL_HEIGHT, LANE_HEIGHT, MARK, Moment, PENDING,
    SHADE, SHADE_OPACITY, Sheet, TOP, behind, legend, more, picture, places, shortened,
};
use crate::document::words;
use crate::picture::Picture;
use crate::record::{AlertState, Transition};
use crate::score::DrillScore;
use firedrill_detector::text::counted;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Of the ring where somebody was told.
const DELIVERED: RGBColor = RGBColor(60, 130, 210);

const TITLE: &str = "alerts";

/// How lanes stand below each other.
struct Lanes {
    /// Upper end of the first, and height of each with its name.
    top: i32,
    height: i32,
    /// Room above each for its name: on a narrow chart there is none beside it.
    name: i32,
}

impl Lanes {
    fn new(frame: &Frame, colours: &[(&str, RGBColor)]) -> Self {
        let name = match frame.sheet {
            Sheet::Wide => 0,
            Sheet::Narrow => LABEL_HEIGHT as i32,
        };
        Self {
            top: (TOP + more(frame.sheet, frame.left, TITLE, colours)) as i32,
            height: LANE_HEIGHT as i32 + name,
            name,
        }
    }

    /// Upper end of a lane, without its name.
    fn y(&self, lane: usize) -> i32 {
        self.top + self.height * lane as i32 + self.name
    }

    fn middle(&self, lane: usize) -> i32 {
        self.y(lane) + LANE_HEIGHT as i32 / 2
    }

    /// Lower end of so many.
    fn bottom(&self, count: usize) -> i32 {
        self.top + self.height * count as i32
    }

    /// An alert's name, beside its lane or above it.
    fn name(&self, root: &Area<'_>, frame: &Frame, lane: usize, alert: &str) -> Result<(), Failed> {
        let (room, place, at) = match frame.sheet {
            Sheet::Wide => (
                frame.left - 20,
                Pos::new(HPos::Right, VPos::Center),
                (frame.left as i32 - 10, self.middle(lane)),
            ),
            Sheet::Narrow => (
                frame.sheet.width() - 12,
                Pos::new(HPos::Left, VPos::Top),
                (6, self.y(lane) - self.name + 3),
            ),
        };
        let style = FONT.into_text_style(root).pos(place);
        root.draw_text(&shortened(alert, room / CHARACTER), &style, at)
    }
}

/// A lane per alert: light while pending, solid while firing, a ring where somebody was told. Below them what was done, and when an alert was due.
pub(super) fn lanes(
    frame: &Frame,
    drill: &DrillScore,
    transitions: &[Transition],
    end_ms: i64,
) -> Result<Picture, Failed> {
    let mut colours = vec![
        ("pending", PENDING),
        ("firing", FIRING),
        ("delivered", DELIVERED),
    ];
    // On the page's background, whichever it is, the shade is as light as in the charts.
    for window in &frame.windows {
        if !colours.iter().any(|(name, _)| *name == window.what) {
            colours.push((window.what, window.colour));
        }
    }
    let lanes = Lanes::new(frame, &colours);
    let (top, bottom) = (lanes.top, lanes.bottom(drill.alerts.len()));
    let labels = labels(frame);
    let rows = labels.iter().map(|label| label.row + 1).max().unwrap_or(0);
    let height = bottom as u32 + LABEL_HEIGHT * rows + 12;
    picture(frame.sheet, "alerts: pending and firing", height, |root| {
        for window in &frame.windows {
            let corners = [(frame.x(window.from), top), (frame.x(window.to), bottom)];
            root.draw(&Rectangle::new(
                corners,
                window.colour.mix(SHADE_OPACITY).filled(),
            ))?;
        }
        lanes_legend(root, frame, &colours)?;
        for (lane, alert) in drill.alerts.iter().enumerate() {
            let (y, middle) = (lanes.y(lane), lanes.middle(lane));
            lanes.name(root, frame, lane, &alert.alert)?;
            let line = [(frame.x(0.0), middle), (frame.x(frame.minutes), middle)];
            root.draw(&PathElement::new(line, MARK.mix(0.3)))?;
            for (from_ms, to_ms, state) in spans(transitions, &alert.alert, end_ms) {
                let (colour, inset) = if state == AlertState::Firing {
                    (FIRING, 4)
                } else {
                    (PENDING, 8)
                };
                let from = frame.x(from_ms as f64 / 6e4);
                let to = frame.x(to_ms as f64 / 6e4).max(from + 2);
                let corners = [(from, y + inset), (to, y + LANE_HEIGHT as i32 - inset)];
                root.draw(&Rectangle::new(corners, colour.filled()))?;
            }
        }
        for (lane, alert) in drill.alerts.iter().enumerate() {
            for judged in alert.episodes.iter().filter(|judged| judged.episode.sent) {
                let at = (
                    frame.x(judged.episode.delivered_ms as f64 / 6e4),
                    lanes.middle(lane),
                );
                root.draw(&Circle::new(at, 5, WHITE.filled()))?;
                root.draw(&Circle::new(at, 5, DELIVERED.stroke_width(2)))?;
            }
        }
        for label in &labels {
            let x = frame.x(label.moment.at);
            let y = bottom + 4 + (LABEL_HEIGHT * label.row) as i32;
            let colour = if label.moment.done { MARK } else { SHADE };
            root.draw(&PathElement::new(
                [(x, top), (x, y + label.line)],
                colour.stroke_width(1),
            ))?;
            let style = FONT
                .into_text_style(root)
                .pos(Pos::new(label.side, VPos::Top));
            root.draw_text(&label.text, &style, (label.x, y))?;
        }
        Ok(())
    })
}

/// What the lanes show, for those who do not see them: what of each alert fired, and when somebody was told.
pub(super) fn described(drill: &DrillScore, transitions: &[Transition]) -> String {
    let told = drill.alerts.iter().filter_map(|alert| {
        let own = transitions.iter().filter(|one| one.alert == alert.alert);
        let fired = own.filter(|one| one.to == AlertState::Firing).count();
        let episodes = alert.episodes.iter().map(|judged| &judged.episode);
        let sent = episodes.filter(|episode| episode.sent);
        let at: Vec<String> = sent.map(|one| words::length(one.delivered_ms)).collect();
        let delivered = match at.is_empty() {
            true => "nobody was told".to_owned(),
            false => format!("told at {}", at.join(", ")),
        };
        (fired > 0).then(|| {
            format!(
                "{} fired {}, {delivered}",
                alert.alert,
                counted(fired, "time")
            )
        })
    });
    let told: Vec<String> = told.collect();
    match told.is_empty() {
        true => "No alert fired.".to_owned(),
        false => format!("{}.", told.join("; ")),
    }
}

/// The lanes' colours; windows in their shade, as they are drawn.
fn lanes_legend(
    root: &Area<'_>,
    frame: &Frame,
    colours: &[(&str, RGBColor)],
) -> Result<(), Failed> {
    let solid = |name: &str| matches!(name, "pending" | "firing" | "delivered");
    let bars: Vec<_> = colours.iter().copied().filter(|c| solid(c.0)).collect();
    let (sheet, left) = (frame.sheet, frame.left);
    legend(root, sheet, left, TITLE, &bars)?;
    let names = colours.iter().map(|(name, _)| *name);
    let places = places(sheet, left, behind(sheet, left, TITLE), names);
    let placed = colours.iter().zip(places);
    for ((name, colour), (x, row)) in placed.filter(|(c, _)| !solid(c.0)) {
        let y = (LABEL_HEIGHT * row) as i32;
        let corners = [(x, y + 5), (x + 18, y + 16)];
        root.draw(&Rectangle::new(corners, colour.mix(SHADE_OPACITY).filled()))?;
        root.draw(&Rectangle::new(corners, colour.mix(0.5)))?;
        root.draw_text(name, &FONT.into_text_style(root), (x + 24, y + 3))?;
    }
    Ok(())
}

/// A moment's text, where it does not run into another.
struct Label<'f> {
    moment: &'f Moment,
    row: u32,
    text: String,
    /// Where which end of the text stands, in pixels.
    x: i32,
    side: HPos,
    /// How far into the row its line goes.
    line: i32,
}

/// Places texts from the right to the left: each stands below those whose lines would cross it.
fn labels(frame: &Frame) -> Vec<Label<'_>> {
    let mut placed: Vec<(Label<'_>, i32, i32)> = Vec::new();
    let edge = frame.sheet.width() as i32;
    for moment in frame.moments.iter().rev() {
        let text = shortened(&moment.text, (edge as u32 - 14) / CHARACTER);
        let width = (CHARACTER * text.chars().count() as u32) as i32 + 14;
        let x = frame.x(moment.at);
        // To the right of its line, to the left near the right edge, and below it where there is no room on either side.
        let (from, to, side, at, line) = if x + width <= edge {
            (x, x + width, HPos::Left, x + 5, 13)
        } else if x >= width || frame.sheet == Sheet::Wide {
            (x - width, x, HPos::Right, x - 5, 13)
        } else {
            (edge - width, edge, HPos::Right, edge - 7, 0)
        };
        let below = placed
            .iter()
            .filter(|(_, other_from, other_to)| from < *other_to && to > *other_from)
            .map(|(label, ..)| label.row + 1)
            .max();
        let label = Label {
            moment,
            row: below.unwrap_or(0),
            text,
            x: at,
            side,
            line,
        };
        placed.push((label, from, to));
    }
    placed.into_iter().map(|(label, ..)| label).collect()
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
