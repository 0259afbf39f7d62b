//! The scorecard for a terminal.

pub(super) mod columns;

use crate::Scorecard;
use crate::render::cell::{self, Named, Tone};
use crate::render::{cause, gate, routed, verdict, why};
use firedrill_detector::text::printable;

/// How to lay out text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether to use ANSI colours.
    pub colour: bool,
    /// Columns available.
    pub width: usize,
}

/// A text and how it should look.
pub(super) type Cell = (String, Tone);

/// The scorecard: what every alert did on every drill, what the incidents came to, what happened to the tasks.
#[must_use]
pub fn terminal(card: &Scorecard, style: Style) -> String {
    let (verdict, tone) = verdict::sentence(card);
    let mut text = String::new();
    // What is read on a screen scrolls: there, the verdict is said first as well.
    if style.width < usize::MAX {
        text.push_str(&paint(
            paragraph(&verdict, "", style).trim_end(),
            tone,
            style,
        ));
        text.push_str("\n\n");
    }
    let drills = cell::named(card);
    let (incidents, harmless): (Vec<_>, Vec<_>) = drills
        .iter()
        .partition(|named| !named.drill.incidents.is_empty());
    if !incidents.is_empty() {
        text.push_str(&matrix("INCIDENT", &incidents, style));
        text.push_str(&outcomes(&incidents, style));
    }
    if !harmless.is_empty() {
        text.push_str(&matrix("HARMLESS", &harmless, style));
    }
    text.push_str(&audits(&drills, style));
    text.push_str(&remedies(&drills, style));
    for Named { drill, name, .. } in &drills {
        for why in &drill.inconclusive {
            let line = format!("{name}: inconclusive: {why}");
            text.push_str(&paint(&plain(&line), Tone::Middling, style));
            text.push('\n');
        }
    }
    for named in &drills {
        for found in &named.drill.standing {
            let (told, tone) = cell::standing(found);
            let line = format!("{}: {told}", named.name);
            text.push_str(&paint(&plain(&line), named.judged(tone), style));
            text.push('\n');
        }
    }
    for Named { drill, name, .. } in &drills {
        for told in routed::kept_back(drill) {
            text.push_str(&plain(&format!("{name}: {told}")));
            text.push('\n');
        }
    }
    for Named { drill, name, .. } in &drills {
        for error in &drill.rule_errors {
            let line = format!("{name}: rule error: {error}");
            text.push_str(&paint(&plain(&line), Tone::Bad, style));
            text.push('\n');
        }
    }
    if let Some(diagnosis) = &card.diagnosis {
        text.push_str("RULES THAT CANNOT FIRE ");
        text.push_str(&why::terminal(diagnosis, style));
        text.push('\n');
    }
    if !card.called.is_empty() {
        text.push_str(&cause::matrix(&card.called, style));
    }
    text.push_str("SUMMARY (95 % intervals)\n");
    for (what, value) in cell::summary(card) {
        text.push_str(&line(what, &plain(&value), Tone::Quiet, style));
    }
    text.push_str(&line("verdict", &plain(&verdict), tone, style));
    if let Some(gated) = &card.gated {
        text.push_str(&gate::terminal(gated, style));
    }
    text
}

/// A line of the summary; where the width does not hold it, what it says goes on below.
fn line(what: &str, value: &str, tone: Tone, style: Style) -> String {
    const INDENT: usize = 2 + 37;
    let room = style.width.saturating_sub(INDENT).max(20);
    let lines = columns::wrap(value, room);
    let lines: Vec<String> = lines.iter().map(|line| paint(line, tone, style)).collect();
    format!("  {what:<37}{}\n", lines.join(&format!("\n{:INDENT$}", "")))
}

pub(super) fn quiet(text: impl Into<String>) -> Cell {
    (text.into(), Tone::Quiet)
}

/// Rows are drills, columns are alerts.
fn matrix(title: &str, drills: &[&Named<'_>], style: Style) -> String {
    let (names, found) = cell::matrix(drills);
    let header = std::iter::once(title).chain(names).map(quiet);
    let mut rows: Vec<Vec<Cell>> = vec![header.collect()];
    for row in found {
        let doubt = if row.drill.inconclusive.is_empty() {
            ""
        } else {
            " (?)"
        };
        let name = quiet(format!("{}{doubt}", row.name));
        rows.push(std::iter::once(name).chain(row.cells).collect());
    }
    columns::table(rows, style)
}

fn outcomes(drills: &[&Named<'_>], style: Style) -> String {
    let header = [
        "INCIDENT",
        "wanted",
        "outcome",
        "signal+hold+delivery",
        "first page",
        "first harm",
        "user impact, before any page",
        "tasks harmed",
        "resolved",
    ];
    let mut rows = vec![header.map(quiet).to_vec()];
    for named in drills {
        for (index, incident) in named.drill.incidents.iter().enumerate() {
            let truth = &incident.truth;
            let (outcome, tone) = cell::outcome(named.drill, incident);
            let when = incident.detection.as_ref().map_or_else(
                || outcome.to_owned(),
                |detection| {
                    let told = cell::since(detection.delivered_ms, truth.fault_ms);
                    format!("{outcome} {told}")
                },
            );
            let harm = truth.impact_ms.map(|at| cell::since(at, truth.fault_ms));
            let lengths = harm.as_ref().map(|_| {
                let [all, before] = [incident.impact_ms, incident.undetected_ms].map(cell::length);
                format!("{all}, {before}")
            });
            let tasks = harm.as_ref().map(|_| incident.harmed_tasks.to_string());
            let measured = |text, nothing| quiet(cell::measured(incident, text, nothing));
            rows.push(vec![
                quiet(named.incident(index)),
                quiet(cell::wanted(incident)),
                (when, tone),
                quiet(cell::parts(incident)),
                measured(incident.first_page.clone(), "none"),
                measured(harm, "none"),
                measured(lengths, "0:00, 0:00"),
                measured(tasks, "0"),
                quiet(cell::reset(incident)),
            ]);
        }
    }
    columns::table(rows, style)
}

fn audits(drills: &[Named<'_>], style: Style) -> String {
    let mut audits = drills.iter().filter_map(|named| named.drill.audit.as_ref());
    let has_duplicates = audits.any(|audit| audit.duplicates > 0);
    let header = [
        "TASKS",
        "enqueued",
        "rejected",
        "duplicates",
        "succeeded",
        "archived",
        "queued",
        "lost",
        "run twice",
        "late",
    ];
    // Most plans have none.
    let shown = |mut row: Vec<_>| {
        if !has_duplicates {
            row.remove(3);
        }
        row
    };
    let mut rows = vec![shown(header.map(quiet).to_vec())];
    for Named { drill, name, .. } in drills {
        let Some(audit) = &drill.audit else { continue };
        let bad = |count: u64| {
            (
                count.to_string(),
                if count > 0 { Tone::Bad } else { Tone::Quiet },
            )
        };
        rows.push(shown(vec![
            quiet(name.clone()),
            quiet(audit.enqueued.to_string()),
            bad(audit.rejected),
            quiet(audit.duplicates.to_string()),
            quiet(audit.succeeded.to_string()),
            quiet(audit.archived.to_string()),
            quiet(audit.still_queued.to_string()),
            bad(audit.lost),
            bad(audit.executed_twice),
            quiet(audit.late.to_string()),
        ]));
    }
    if rows.len() == 1 {
        return String::new();
    }
    let mut text = columns::table(rows, style);
    for Named { drill, name, .. } in drills {
        if let Some((classes, tone)) = drill.audit.as_ref().and_then(cell::classes) {
            let said = paragraph(&format!("{name}: {classes}"), "  ", style);
            text += &paint(&said, tone, style);
            text.push('\n');
        }
    }
    text
}

/// What remedies came to; nothing where there are none.
fn remedies(drills: &[Named<'_>], style: Style) -> String {
    let header = std::iter::once("REMEDIES").chain(cell::REMEDIES);
    let mut rows: Vec<Vec<Cell>> = vec![header.map(quiet).collect()];
    for named in drills {
        for row in cell::remedies(named.drill) {
            let cells = row.map(|(text, tone)| (plain(&text), named.judged(tone)));
            rows.push(
                std::iter::once(quiet(named.name.clone()))
                    .chain(cells)
                    .collect(),
            );
        }
    }
    match rows.len() {
        1 => String::new(),
        _ => columns::table(rows, style),
    }
}

/// Text of others as one line: a name or a note must not steer the terminal.
pub(super) fn plain(text: &str) -> String {
    printable(text).into_owned()
}

pub(super) fn paint(text: &str, tone: Tone, style: Style) -> String {
    let code = match tone {
        Tone::Good => "32",
        Tone::Bad => "1;31",
        Tone::Middling => "33",
        Tone::Quiet => return text.to_owned(),
    };
    if style.colour {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// Lines no longer than the terminal is wide, unless a word is.
pub(super) fn paragraph(text: &str, indent: &str, style: Style) -> String {
    let mut lines = vec![indent.to_owned()];
    for word in plain(text).split(' ') {
        let line = lines.last_mut().expect("there is one from the beginning");
        let is_first = line.len() == indent.len();
        if is_first || line.chars().count() + 1 + word.chars().count() <= style.width {
            line.push_str(if is_first { "" } else { " " });
            line.push_str(word);
        } else {
            lines.push(format!("{indent}{word}"));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}
