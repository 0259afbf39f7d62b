//! Comparisons on a terminal.

use super::tables;
use crate::fidelity::Fidelity;
use crate::render::cell::Tone;
use crate::render::terminal::{Style, columns, paint, plain};

/// How far the engines agree on every scenario, and what they differ by.
#[must_use]
pub fn terminal(pairs: &[Fidelity], style: Style) -> String {
    let mut text = String::new();
    for table in tables::tables(pairs) {
        text.push_str(&columns::titled(table, style));
    }
    for (line, tone) in tables::causes(pairs) {
        text.push_str(&paint(&plain(&line), tone, style));
        text.push('\n');
    }
    let (verdict, tone) = tables::verdict(pairs);
    text.push_str(&paint(verdict, tone, style));
    text.push('\n');
    if tone == Tone::Bad {
        text.push_str(tables::DIFFERENT);
        text.push('\n');
    }
    text
}
