//! A snapshot as lines of a terminal. Names of others are made fit to be shown: nothing in them reaches the terminal that it would obey.

mod figures;
mod foot;
mod help;
mod page;
mod room;
mod text;

use super::keyboard::{Prompt, Scroll};
use figures::{curves, lane, tiles};
use firedrill_detector::text::printable;
use firedrill_sim::rehearsal::Runbook;
use firedrill_sim::view::{Snapshot, Stage};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Rows that alerts may take, and that are left for what happened.
const LANES_MOST: usize = 8;
const EVENTS_LEAST: usize = 4;
/// On a screen of fewer columns a runbook takes the place of the figures; on others it stands beside them.
const BESIDE_LEAST: u16 = 130;
/// Columns between them.
const GAP: u16 = 2;

/// Most lines of what was said that are shown.
pub(super) const SAID_MOST: usize = 6;

/// What stands in the place of the figures, or beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pane {
    /// Nothing.
    Figures,
    /// The runbook.
    Runbook,
    /// Which keys and words there are.
    Help,
}

/// Which row of what is longer than the screen is its first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// This one.
    Row(usize),
    /// The one of the section about the latest page.
    Section,
}

/// All that is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'s> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) runbook: Option<&'s Runbook>,
    pub(super) pane: Pane,
    pub(super) place: Place,
    /// What was said last, in order.
    pub(super) said: &'s [String],
    pub(super) prompt: Prompt<'s>,
}

/// What was moved, as far as it could be: the row that came to stand first, how many stand below each other, and which of them could be first at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Moved {
    row: usize,
    rows: usize,
    last: usize,
}

impl Moved {
    /// Where it is to be moved from there.
    pub(super) fn by(self, scroll: Scroll) -> Place {
        let half = (self.rows / 2).max(1);
        let moved = |rows: isize| self.row.saturating_add_signed(rows).min(self.last);
        Place::Row(match scroll {
            Scroll::Rows(rows) => moved(rows),
            Scroll::Halves(halves) => moved(halves.saturating_mul(half.cast_signed())),
            Scroll::Top => 0,
            Scroll::End => self.last,
        })
    }
}

/// Draws a scene; answers what of it can be moved.
pub(super) fn draw(frame: &mut Frame<'_>, scene: &Scene<'_>) -> Moved {
    let all = frame.area();
    let foot = foot::draw(frame, scene);
    let area = Rect {
        height: all.height - foot,
        ..all
    };
    match (scene.pane, scene.runbook) {
        (Pane::Help, _) => {
            let rows = help::rows(scene.snapshot.room.is_some(), usize::from(area.width));
            moved(frame, area, rows, scene.place)
        }
        (_, Some(runbook)) if area.width >= BESIDE_LEAST => {
            let width = area.width * 2 / 5;
            let left = Rect {
                width: area.width - width - GAP,
                ..area
            };
            let right = Rect {
                x: left.width + GAP,
                width,
                ..area
            };
            figures(frame, left, scene.snapshot);
            page(frame, right, runbook, scene)
        }
        (Pane::Runbook, Some(runbook)) => {
            let lines = short(scene.snapshot, usize::from(area.width));
            let above = (lines.len() as u16).min(area.height / 2);
            let head = Rect {
                height: above,
                ..area
            };
            frame.render_widget(Paragraph::new(lines), head);
            let below = Rect {
                y: area.y + above,
                height: area.height - above,
                ..area
            };
            page(frame, below, runbook, scene)
        }
        (Pane::Runbook, None) => {
            let told = "there is no runbook here; `rehearse --runbook FILE` shows one";
            moved(frame, area, vec![Line::from(told)], scene.place)
        }
        (Pane::Figures, _) => {
            figures(frame, area, scene.snapshot);
            Moved::default()
        }
    }
}

/// Draws a runbook under its checklist.
fn page(frame: &mut Frame<'_>, area: Rect, runbook: &Runbook, scene: &Scene<'_>) -> Moved {
    let width = usize::from(area.width);
    let steps = scene.snapshot.room.as_ref();
    let steps = steps.map_or(&[][..], |room| &room.checklist);
    let mut rows = vec![title(&text::shortened(runbook.path(), width))];
    rows.extend(room::checklist(steps, width));
    let before = rows.len();
    let is_ticked = |number: usize| {
        let step = steps.iter().find(|step| step.number == number);
        step.is_some_and(|step| step.done_at.is_some())
    };
    let (lines, of): (Vec<Line<'static>>, Vec<usize>) =
        page::rows(runbook.blocks(), width, &is_ticked)
            .into_iter()
            .unzip();
    rows.extend(lines);
    let latest = scene.snapshot.room.as_ref();
    let section = latest.and_then(|room| room.pages.first()?.section_line);
    let place = match (scene.place, section) {
        (Place::Section, Some(section)) => {
            let found = of.iter().position(|line| *line >= section);
            Place::Row(found.map_or(0, |row| before + row))
        }
        (place, _) => place,
    };
    moved(frame, area, rows, place)
}

/// Draws what may be longer than its area.
fn moved(frame: &mut Frame<'_>, area: Rect, rows: Vec<Line<'static>>, place: Place) -> Moved {
    let height = usize::from(area.height);
    let last = rows.len().saturating_sub(height);
    let row = match place {
        Place::Row(row) => row.min(last),
        Place::Section => 0,
    };
    let shown: Vec<Line<'static>> = rows.into_iter().skip(row).take(height).collect();
    frame.render_widget(Paragraph::new(shown), area);
    Moved {
        row,
        rows: height,
        last,
    }
}

fn figures(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
    let lines = lines(snapshot, usize::from(area.width), usize::from(area.height));
    frame.render_widget(Paragraph::new(lines), area);
}

/// What stands above a runbook in the place of the figures.
fn short(snapshot: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let mut lines = head(snapshot);
    lines.extend(snapshot.room.iter().flat_map(|of| room::short(of, width)));
    lines
}

fn lines(snapshot: &Snapshot, width: usize, rows: usize) -> Vec<Line<'static>> {
    let mut lines = head(snapshot);
    if let Some(of) = &snapshot.room {
        lines.extend(room::lines(of, width));
    }
    lines.extend(tiles(&snapshot.tiles, width));
    if snapshot.room.is_none() {
        lines.push(Line::default());
    }
    lines.push(title("Alerts"));
    if snapshot.lanes.is_empty() {
        lines.push(Line::from("none was pending or firing"));
    }
    let shown = snapshot.lanes.iter().take(LANES_MOST);
    lines.extend(shown.map(|of| lane(of, snapshot, width)));
    // In a room it is said below what happened.
    let kept = match snapshot.room {
        Some(_) => 0,
        None => EVENTS_LEAST,
    };
    for chart in snapshot.charts.iter().filter(|of| !of.lines.is_empty()) {
        let left = rows.saturating_sub(lines.len() + kept);
        // A title alone shows nothing.
        if left > 1 {
            let curves = [title(chart.title)].into_iter().chain(curves(chart, width));
            lines.extend(curves.take(left));
        }
    }
    if rows < lines.len() + 2 {
        lines.truncate(rows);
        return lines;
    }
    lines.push(title("What happened"));
    let events = snapshot.notes.iter().chain(&snapshot.events);
    lines.extend(events.map(|entry| {
        let when = Span::styled(
            format!("{:>8}  ", entry.at),
            Style::new().fg(Color::DarkGray),
        );
        Line::from(vec![when, Span::from(printable(&entry.text).into_owned())])
    }));
    lines.truncate(rows);
    lines
}

fn head(snapshot: &Snapshot) -> Vec<Line<'static>> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut when = format!("   {}", snapshot.at);
    if let Some(lasts) = &snapshot.lasts {
        when.push_str(&format!(" of {lasts}"));
    }
    if snapshot.speed != 1.0 {
        when.push_str(&format!(", {} times as fast", snapshot.speed));
    }
    when.push_str(match snapshot.stage {
        Stage::Waiting => ", not begun",
        Stage::Running => "",
        Stage::Over => ", over",
    });
    let name = Span::styled(printable(&snapshot.title).into_owned(), bold);
    let mut lines = vec![Line::from(vec![name, Span::from(when)])];
    if let Some(incident) = &snapshot.incident {
        let (word, colour) = match incident.until_ms {
            None => ("for", Color::Red),
            Some(_) => ("over, after", Color::Green),
        };
        let what = printable(&incident.what);
        let told = format!("{what}: {word} {}", incident.lasted);
        lines.push(Line::styled(told, bold.fg(colour)));
    }
    lines
}

fn title(text: &str) -> Line<'static> {
    Line::styled(
        text.to_owned(),
        Style::new().add_modifier(Modifier::UNDERLINED),
    )
}

#[cfg(test)]
mod tests;
