//! Trials on a terminal.

use super::tables;
use crate::render::cell::Tone;
use crate::render::gate;
use crate::render::terminal::{Style, columns, paint, plain};
use crate::trials::TrialCard;

/// The trials: what every alert did to every incident and to what is harmless, how tasks waited, and the summary.
#[must_use]
pub fn terminal(card: &TrialCard, style: Style) -> String {
    let mut text = String::new();
    for table in tables::tables(card) {
        text.push_str(&columns::titled(table, style));
    }
    for (line, tone) in tables::silent_or_standing(card) {
        text.push_str(&paint(&plain(&line), tone, style));
        text.push('\n');
    }
    for line in tables::doubts(card) {
        text.push_str(&paint(&plain(&line), Tone::Middling, style));
        text.push('\n');
    }
    text.push_str("SUMMARY (95 % intervals)\n");
    for (what, value) in tables::summary(card) {
        text.push_str(&format!("  {what:<29}{}\n", plain(&value)));
    }
    if let Some(gated) = &card.gated {
        text.push_str(&gate::terminal(gated, style));
    }
    text
}
