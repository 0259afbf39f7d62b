//! A snapshot as lines of a terminal. Names of others are made fit to be shown: nothing in them reaches the terminal that it would obey.

use firedrill_detector::text::printable;
use firedrill_sim::view::{Chart, Lane, Level, Snapshot, Stage};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Columns of a name, and of a value.
const NAME: usize = 28;
const VALUE: usize = 10;
/// Rows that alerts may take, and that are left for what happened.
const LANES_MOST: usize = 8;
const EVENTS_LEAST: usize = 4;
/// Eighths of a row's height.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Most lines of what was said that are shown.
pub(super) const SAID_MOST: usize = 6;

/// What stands below a snapshot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Foot<'f> {
    /// What was said last, in order.
    pub(super) said: &'f [String],
    /// What is typed, where somebody reads lines: then all that was said is shown, for there are the answers.
    pub(super) line: Option<&'f str>,
}

/// Draws a snapshot, and below it what was said last and what is typed.
pub(super) fn draw(frame: &mut Frame<'_>, snapshot: &Snapshot, foot: Foot<'_>) {
    let all = frame.area();
    let area = Rect {
        height: all.height - answers(frame, foot),
        ..all
    };
    let rows = usize::from(area.height.saturating_sub(1));
    let lines = lines(snapshot, usize::from(area.width), rows);
    let body = Rect {
        height: area.height.saturating_sub(1),
        ..area
    };
    frame.render_widget(Paragraph::new(lines), body);
    let below = Rect {
        y: body.height,
        height: area.height.min(1),
        ..area
    };
    let mut keys = "q: stop".to_owned();
    if !snapshot.drills.is_empty() {
        keys.push_str("   Tab: next drill");
    }
    match (foot.line, foot.said.last()) {
        (Some(""), _) => keys.push_str("   type a word, such as help, and Enter"),
        (Some(line), _) => keys = format!("> {}_", shown_end(line, usize::from(area.width))),
        (None, Some(said)) => keys = format!("{keys}   {}", printable(said)),
        (None, None) => {}
    }
    let keys = Span::styled(keys, Style::new().add_modifier(Modifier::REVERSED));
    frame.render_widget(Paragraph::new(Line::from(keys)), below);
}

/// Draws what was said at the bottom, where lines are typed and a third of the screen is enough for it; answers how many rows that took.
fn answers(frame: &mut Frame<'_>, foot: Foot<'_>) -> u16 {
    let all = frame.area();
    let most = match foot.line {
        Some(_) => usize::from(all.height / 3).min(SAID_MOST),
        None => 0,
    };
    let said = &foot.said[foot.said.len().saturating_sub(most)..];
    let rows = said.len() as u16;
    let place = Rect {
        y: all.height - rows,
        height: rows,
        ..all
    };
    let said = said
        .iter()
        .map(|line| Line::from(printable(line).into_owned()));
    frame.render_widget(Paragraph::new(said.collect::<Vec<_>>()), place);
    rows
}

/// As much of the end of a line as fits beside the prompt.
fn shown_end(line: &str, width: usize) -> String {
    let line: Vec<char> = printable(line).chars().collect();
    let fits = width.saturating_sub(3);
    line[line.len().saturating_sub(fits)..].iter().collect()
}

fn lines(snapshot: &Snapshot, width: usize, rows: usize) -> Vec<Line<'static>> {
    let mut lines = head(snapshot);
    lines.extend(tiles(snapshot, width));
    lines.push(Line::default());
    lines.push(title("Alerts"));
    if snapshot.lanes.is_empty() {
        lines.push(Line::from("none was pending or firing"));
    }
    let shown = snapshot.lanes.iter().take(LANES_MOST);
    lines.extend(shown.map(|of| lane(of, snapshot, width)));
    let mut charts: Vec<Line<'_>> = Vec::new();
    for chart in snapshot.charts.iter().filter(|of| !of.lines.is_empty()) {
        charts.push(title(chart.title));
        charts.extend(curves(chart, width));
    }
    let room = rows.saturating_sub(lines.len() + EVENTS_LEAST);
    lines.extend(charts.into_iter().take(room));
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

/// As many in a row as fit.
fn tiles(snapshot: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let mut rows: Vec<(usize, Vec<Span<'static>>)> = vec![(0, Vec::new())];
    for tile in &snapshot.tiles {
        let name = format!("{} ", tile.name);
        let value = format!("{}   ", printable(&tile.value));
        let takes = name.chars().count() + value.chars().count();
        if rows
            .last()
            .is_some_and(|(taken, _)| *taken > 0 && taken + takes > width)
        {
            rows.push((0, Vec::new()));
        }
        if let Some((taken, spans)) = rows.last_mut() {
            *taken += takes;
            spans.push(Span::styled(name, Style::new().fg(Color::DarkGray)));
            spans.push(Span::styled(value, level(tile.level)));
        }
    }
    rows.into_iter()
        .map(|(_, spans)| Line::from(spans))
        .collect()
}

fn level(level: Level) -> Style {
    let style = Style::new().add_modifier(Modifier::BOLD);
    match level {
        Level::Good => style.fg(Color::Green),
        Level::Bad => style.fg(Color::Red),
        Level::Plain => style,
    }
}

fn title(text: &str) -> Line<'static> {
    Line::styled(
        text.to_owned(),
        Style::new().add_modifier(Modifier::UNDERLINED),
    )
}

/// A text in so many columns.
fn fitted(text: &str, columns: usize) -> String {
    let shown: String = printable(text).chars().take(columns).collect();
    format!("{shown:<columns$} ")
}

/// An alert over the last minutes: `▒` pending, `█` firing, `▲` somebody was told.
fn lane(lane: &Lane, snapshot: &Snapshot, width: usize) -> Line<'static> {
    let cells = width.saturating_sub(NAME + VALUE + 2).max(1);
    let from_ms = snapshot.times_ms.first().copied().unwrap_or(0);
    let lasts_ms = (snapshot.at_ms - from_ms).max(1);
    let begins = |cell: usize| from_ms + lasts_ms * cell as i64 / cells as i64;
    let strip = (0..cells).map(|cell| {
        let (left, right) = (begins(cell), begins(cell + 1));
        let is_in = |ms: &i64| (left..right).contains(ms) || cell + 1 == cells && *ms == right;
        let is_on = |state: &str| {
            lane.spans.iter().any(|span| {
                let ends = span.to_ms.unwrap_or(i64::MAX);
                span.state == state && span.from_ms <= right && ends > left
            })
        };
        if lane.delivered_ms.iter().any(is_in) {
            '▲'
        } else if is_on("firing") {
            '█'
        } else if is_on("pending") {
            '▒'
        } else {
            '·'
        }
    });
    let style = match lane.state {
        "firing" => Style::new().fg(Color::Red),
        "pending" => Style::new().fg(Color::Yellow),
        _ => Style::new(),
    };
    Line::from(vec![
        Span::from(fitted(&lane.alert, NAME)),
        Span::styled(fitted(lane.state, VALUE), style),
        Span::styled(strip.collect::<String>(), style),
    ])
}

/// The lines of a chart, each with its last value.
fn curves(chart: &Chart, width: usize) -> Vec<Line<'static>> {
    let cells = width.saturating_sub(NAME + VALUE + 2).max(1);
    let lines = chart.lines.iter().map(|line| {
        let now = line.points.last().copied().flatten();
        let now = now.map_or_else(|| "-".to_owned(), |now| format!("{now:.1}"));
        Line::from(vec![
            Span::from(fitted(line.name, NAME)),
            Span::from(fitted(&now, VALUE)),
            Span::styled(bars(&line.points, cells), Style::new().fg(Color::Cyan)),
        ])
    });
    lines.collect()
}

/// Bars, each as high as the highest of its points; none where nobody knows.
fn bars(points: &[Option<f64>], cells: usize) -> String {
    let most = points.iter().flatten().copied().fold(0.0, f64::max);
    let count = cells.min(points.len());
    let bar = |cell: usize| {
        let part = &points[points.len() * cell / count..points.len() * (cell + 1) / count];
        let value = part.iter().flatten().copied().reduce(f64::max);
        value.map_or(' ', |value| {
            let eighth = (value / most.max(f64::MIN_POSITIVE) * 7.0).round() as usize;
            BARS[eighth.min(7)]
        })
    };
    (0..count).map(bar).collect()
}

#[cfg(test)]
mod tests;
