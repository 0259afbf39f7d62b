//! Figures as lines: tiles, how alerts were, curves.

use firedrill_detector::text::printable;
use firedrill_sim::view::{Chart, Lane, Level, Snapshot, Tile};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// Columns of a name, and of a value.
const NAME: usize = 28;
const VALUE: usize = 10;
/// Eighths of a row's height.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// As many in a row as fit.
pub(super) fn tiles(tiles: &[Tile], width: usize) -> Vec<Line<'static>> {
    let mut rows: Vec<(usize, Vec<Span<'static>>)> = vec![(0, Vec::new())];
    for tile in tiles {
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

/// A text in so many columns.
fn fitted(text: &str, columns: usize) -> String {
    let shown: String = printable(text).chars().take(columns).collect();
    format!("{shown:<columns$} ")
}

/// An alert over the last minutes: `▒` pending, `█` firing, `▲` somebody was told.
pub(super) fn lane(lane: &Lane, snapshot: &Snapshot, width: usize) -> Line<'static> {
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
pub(super) fn curves(chart: &Chart, width: usize) -> Vec<Line<'static>> {
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
