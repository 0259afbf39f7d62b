//! A search for a terminal.

use super::text;
use crate::render::cell::Tone;
use crate::render::terminal::{Cell, Style, columns, paint, paragraph, plain, quiet};
use crate::tune::{Figures, Tuning};

/// The search: the setting now and proposed, what either comes to, the trade-off, how sure that is, and what held-out drills
/// say.
#[must_use]
pub fn terminal(tuning: &Tuning, style: Style) -> String {
    let mut out = paragraph(&text::about(tuning), "", style);
    out.push('\n');
    for warning in text::warnings(tuning) {
        out.push_str(&paint(&plain(&warning), Tone::Middling, style));
        out.push('\n');
    }
    let mut rows = vec![["SETTING", "now", "proposed"].map(quiet).to_vec()];
    let changed = |value: &[String; 3]| {
        if value[1] == value[2] {
            Tone::Quiet
        } else {
            Tone::Good
        }
    };
    for value in text::values(tuning) {
        let tone = changed(&value);
        let [name, now, proposed] = value;
        rows.push(vec![quiet(name), quiet(now), (proposed, tone)]);
    }
    out.push_str(&columns::table(rows, style));
    out.push_str(&figures(
        "CHOSEN ON",
        &tuning.before,
        &tuning.proposal.figures,
        style,
    ));
    out.push_str(&front(tuning, style));
    out.push_str("PROPOSAL\n");
    let rule = format!("how it was chosen: {}", text::rule(tuning));
    out.push_str(&paragraph(&rule, "  ", style));
    if text::is_unchanged(tuning) {
        out.push_str("  the rules stand there already\n");
    }
    for (what, value) in text::confidence(tuning) {
        out.push_str(&format!("  {what:<37}{value}\n"));
    }
    out.push('\n');
    if let Some(confirmation) = &tuning.confirmation {
        out.push_str(&figures(
            "HELD OUT",
            &confirmation.before,
            &confirmation.proposal,
            style,
        ));
    }
    let (verdict, tone) = text::verdict(tuning);
    out.push_str(&paint(&verdict, tone, style));
    out.push('\n');
    out
}

fn figures(title: &str, now: &Figures, proposed: &Figures, style: Style) -> String {
    let mut rows: Vec<Vec<Cell>> = vec![[title, "now", "proposed"].map(quiet).to_vec()];
    for row in text::compared(now, proposed) {
        rows.push(vec![
            quiet(row.what),
            quiet(row.now),
            (row.proposed, row.tone),
        ]);
    }
    columns::table(rows, style)
}

fn front(tuning: &Tuning, style: Style) -> String {
    let (header, listed, left_out) = text::front(tuning);
    let mut header: Vec<Cell> = header.into_iter().map(quiet).collect();
    header.insert(0, quiet("TRADE-OFF"));
    let mut rows = vec![header];
    for (number, row) in (1..).zip(listed) {
        let mut row: Vec<Cell> = row.into_iter().map(quiet).collect();
        row.insert(0, quiet(format!("#{number}")));
        rows.push(row);
    }
    let mut out = columns::table(rows, style);
    if left_out > 0 {
        out.insert_str(
            out.len() - 1,
            &format!("and {left_out} more between them\n"),
        );
    }
    out
}
