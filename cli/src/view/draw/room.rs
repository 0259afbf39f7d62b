//! What those who rehearse see: their page, the clock, the checklist.

use super::figures::tiles;
use super::text::{flowed, shortened};
use firedrill_sim::view::{Level, Page, Room, Step, Tile};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// All of it, in few rows.
pub(super) fn lines(room: &Room, width: usize) -> Vec<Line<'static>> {
    let latest = room.pages.first();
    let mut lines = latest.map_or_else(Vec::new, |latest| vec![page(latest, width)]);
    lines.extend(latest.into_iter().flat_map(|latest| says(latest, width)));
    let before = room.pages.len().saturating_sub(1) + room.pages_left_out;
    if before > 0 {
        let pages = if before == 1 { "page" } else { "pages" };
        let told = format!("  and {before} {pages} before");
        lines.push(Line::styled(told, Style::new().fg(Color::DarkGray)));
    }
    lines.extend(clock(room, width));
    let open = room.checklist.iter().find(|step| step.done_at.is_none());
    let next = open.map_or(String::new(), |step| {
        format!(", next: {}. {}", step.number, step.text)
    });
    if !room.checklist.is_empty() {
        let told = format!("{}{next}", counted(&room.checklist));
        lines.push(Line::from(shortened(&told, width)));
    }
    lines
}

/// The latest page and the clock.
pub(super) fn short(room: &Room, width: usize) -> Vec<Line<'static>> {
    let latest = room.pages.first().map(|latest| page(latest, width));
    latest.into_iter().chain(clock(room, width)).collect()
}

fn clock(room: &Room, width: usize) -> Vec<Line<'static>> {
    let Some(since) = &room.since_page else {
        return vec![Line::from("Nobody was paged yet.")];
    };
    let first = Tile {
        name: "Since the page",
        value: since.clone(),
        level: Level::Plain,
    };
    let hands = [first].into_iter().chain(room.clock.iter().cloned());
    tiles(&hands.collect::<Vec<Tile>>(), width)
}

/// What a page says, and where it is said what to do.
fn says(page: &Page, width: usize) -> Vec<Line<'static>> {
    let leads = page.section.iter().chain(&page.runbook_url);
    let leads: Vec<&str> = leads.map(String::as_str).collect();
    let leads = (!leads.is_empty()).then(|| format!("what to do: {}", leads.join("  ")));
    let told = page.summary.iter().chain(&leads);
    told.map(|told| {
        let told = shortened(told, width.saturating_sub(2));
        Line::from(format!("  {told}"))
    })
    .collect()
}

fn page(page: &Page, width: usize) -> Line<'static> {
    let colour = if page.is_on { Color::Red } else { Color::Green };
    let style = Style::new().fg(colour).add_modifier(Modifier::BOLD);
    let severity = page.severity.as_ref();
    let severity = severity.map_or(String::new(), |severity| format!("severity {severity}, "));
    let state = if page.is_on { "fires" } else { "resolved" };
    let rest = format!(
        "   at {}, {severity}told by {}, {state}",
        page.at, page.source
    );
    let name = shortened(
        &page.alert,
        width
            .saturating_sub(6 + rest.chars().count())
            .max(width / 3),
    );
    let rest = shortened(&rest, width.saturating_sub(6 + name.chars().count()));
    Line::from(vec![
        Span::styled("PAGE: ", style),
        Span::styled(name, style),
        Span::from(rest),
    ])
}

/// The whole checklist.
pub(super) fn checklist(steps: &[Step], width: usize) -> Vec<Line<'static>> {
    if steps.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::styled(
        counted(steps),
        Style::new().add_modifier(Modifier::BOLD),
    )];
    for Step {
        number,
        text,
        done_at,
    } in steps
    {
        let (sign, style) = sign(done_at.is_some());
        let when = done_at.as_ref();
        let when = when.map_or(String::new(), |at| format!("  at {at}"));
        let said = [
            (text.clone(), style),
            (when, Style::new().fg(Color::DarkGray)),
        ];
        lines.extend(flowed(&format!("{sign} {number}. "), &said, width));
    }
    lines.push(Line::default());
    lines
}

/// What stands before an entry of a checklist, and how it is set.
pub(super) fn sign(is_done: bool) -> (&'static str, Style) {
    match is_done {
        true => ("[x]", Style::new().fg(Color::Green)),
        false => ("[ ]", Style::new()),
    }
}

fn counted(steps: &[Step]) -> String {
    let done = steps.iter().filter(|step| step.done_at.is_some()).count();
    format!("Checklist: {done} of {} done", steps.len())
}
