//! Which keys and words there are.

use super::text::flowed;
use super::title;
use firedrill_sim::rehearsal::help;
use firedrill_sim::scenario::FAMILIES;
use ratatui::style::Style;
use ratatui::text::Line;

/// Keys, what they are for, and whether there are such only where people rehearse.
const KEYS: [(&str, &str, bool); 10] = [
    (":", "begin a line; Enter says it, Esc forgets it", true),
    (
        "1 to 9",
        "tick an entry of the checklist: Enter says it",
        true,
    ),
    ("r", "the runbook, or the figures again", true),
    ("j, k", "a row down or up; the arrows do so, too", true),
    (
        "PgDn, PgUp",
        "a screen down or up; Ctrl-D, Ctrl-U: half a one",
        true,
    ),
    ("g, G", "to the beginning, to the end", true),
    ("?", "this page, or the figures again", false),
    ("Tab", "the next of several drills", false),
    ("q", "stop; where people rehearse it asks first", false),
    (
        "Ctrl-C",
        "stop without being asked; a second time without waiting",
        false,
    ),
];

/// All of it. `is_room`: whether people rehearse.
pub(super) fn rows(is_room: bool, width: usize) -> Vec<Line<'static>> {
    let mut rows = vec![title("Keys")];
    let keys = KEYS.into_iter().filter(|(_, _, room)| is_room || !room);
    for (key, what, _) in keys {
        rows.extend(said(&format!("  {key:<12}"), what, width));
    }
    if is_room {
        rows.extend([Line::default(), title("Words, after `:`")]);
        for line in help(&FAMILIES).lines() {
            let begins = line.len() - line.trim_start().len();
            rows.extend(said(&line[..begins], &line[begins..], width));
        }
    }
    rows
}

fn said(before: &str, what: &str, width: usize) -> Vec<Line<'static>> {
    flowed(before, &[(what.to_owned(), Style::new())], width)
}
