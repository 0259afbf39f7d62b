//! What stands at the bottom: which keys there are or what is typed, and what was said last. It is never cut for what stands above.

use super::text::{flowed, shortened};
use super::{Pane, SAID_MOST, Scene};
use crate::view::keyboard::Prompt;
use firedrill_detector::text::printable;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Keys where people rehearse, from the widest screen to the smallest.
const IN_ROOM: [&str; 4] = [
    ": type a word   1-9 tick an entry   r runbook   ? keys and words   q stop",
    ": type   1-9 tick   r runbook   ? help   q stop",
    ": type  r runbook  ? help  q stop",
    "? help  q stop",
];
/// The same while something longer than the screen is shown.
const IN_PANE: [&str; 4] = [
    "j k PgDn PgUp g G move   r or Esc figures   : type a word   1-9 tick   q stop",
    "j k PgDn PgUp move   Esc figures   : type   q stop",
    "j k move  Esc back  : type  q stop",
    "Esc  q stop",
];

/// Draws it; answers how many rows that took.
pub(super) fn draw(frame: &mut Frame<'_>, scene: &Scene<'_>) -> u16 {
    let all = frame.area();
    let width = usize::from(all.width);
    let is_room = scene.snapshot.room.is_some();
    let said = match is_room {
        true => answers(scene.said, width, usize::from(all.height)),
        false => Vec::new(),
    };
    let rows = said.len() as u16 + 1;
    let Some(y) = all.height.checked_sub(rows) else {
        return all.height;
    };
    let above = Rect {
        y,
        height: rows - 1,
        ..all
    };
    frame.render_widget(Paragraph::new(said), above);
    let below = Rect {
        y: all.height - 1,
        height: 1,
        ..all
    };
    let last = Span::styled(
        last(scene, width),
        Style::new().add_modifier(Modifier::REVERSED),
    );
    frame.render_widget(Paragraph::new(Line::from(last)), below);
    rows
}

/// The last of what was said, in a quarter of the screen at most.
fn answers(said: &[String], width: usize, height: usize) -> Vec<Line<'static>> {
    let most = (height / 4).min(SAID_MOST);
    let rows = said
        .iter()
        .flat_map(|line| flowed("", &[(line.clone(), Style::new())], width));
    let rows: Vec<Line<'static>> = rows.collect();
    let surplus = rows.len().saturating_sub(most);
    rows.into_iter().skip(surplus).collect()
}

fn last(scene: &Scene<'_>, width: usize) -> String {
    let is_room = scene.snapshot.room.is_some();
    let keys = match (is_room, scene.pane) {
        (true, Pane::Figures) => widest(&IN_ROOM, width).to_owned(),
        (true, Pane::Runbook | Pane::Help) => widest(&IN_PANE, width).to_owned(),
        (false, _) => plain(scene),
    };
    match scene.prompt {
        Prompt::Line(line) => format!(": {}_", shown_end(line, width)),
        Prompt::Sure => shortened("Stop all of it and heal? y: yes, any other key: no", width),
        Prompt::Keys(Some(unknown)) if is_room => {
            let unknown = printable(unknown.encode_utf8(&mut [0; 4])).into_owned();
            let told =
                format!("`{unknown}` is no key here; `:` begins a line, `?` lists what there is");
            shortened(&told, width)
        }
        Prompt::Keys(_) => keys,
    }
}

/// Keys where nobody rehearses, and what was said last.
fn plain(scene: &Scene<'_>) -> String {
    let mut keys = "q: stop   ?: keys".to_owned();
    if !scene.snapshot.drills.is_empty() {
        keys.push_str("   Tab: next drill");
    }
    match scene.said.last() {
        Some(said) => format!("{keys}   {}", printable(said)),
        None => keys,
    }
}

/// The first of these that fits, or else the last.
fn widest<'k>(keys: &[&'k str], width: usize) -> &'k str {
    let fits = keys.iter().find(|keys| keys.chars().count() <= width);
    fits.or(keys.last()).copied().unwrap_or_default()
}

/// As much of the end of a line as fits beside the prompt.
fn shown_end(line: &str, width: usize) -> String {
    let line: Vec<char> = printable(line).chars().collect();
    let fits = width.saturating_sub(3);
    line[line.len().saturating_sub(fits)..].iter().collect()
}
