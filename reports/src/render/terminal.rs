//! Documents for a terminal: tables whose columns give way where the width is short, and the verdict where the eye is.

pub(super) mod columns;

use crate::document::{Block, Document, Entries, Facts, Finding, Tone, Verdict};
use firedrill_detector::text::printable;

/// How to lay out text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether to use ANSI colours.
    pub colour: bool,
    /// Columns available.
    pub width: usize,
}

/// A document as text. Charts, what to do next, and what is on pages only are left out: the prompt is at hand.
#[must_use]
pub fn terminal(document: &Document, style: Style) -> String {
    let mut text = String::new();
    // What is read on a screen scrolls: there, the verdict is said first as well.
    if let Some(Verdict { sentence, tone, .. }) = &document.verdict
        && style.width < usize::MAX
    {
        text.push_str(&painted(&paragraph(sentence, "", style), *tone, style));
        text.push('\n');
    }
    let shown: Vec<&Block> = document
        .blocks
        .iter()
        .filter(|block| is_shown(block))
        .collect();
    for (index, block) in shown.iter().enumerate() {
        let is_last = index + 1 == shown.len();
        match block {
            Block::Table(table) | Block::Confusion { list: table, .. } => {
                text.push_str(&columns::titled(table, style));
            }
            Block::Findings(found) => {
                text.extend(found.iter().map(|one| finding(one, style)));
                text.push_str(if is_last { "" } else { "\n" });
            }
            Block::Entries(found) => {
                text.push_str(&entries(found, style));
                text.push_str(if is_last { "" } else { "\n" });
            }
            Block::Note(note) => {
                text.push_str(&paragraph(note, "", style));
                text.push_str(if is_last { "" } else { "\n" });
            }
            Block::Facts(facts) => {
                text.push_str(&self::facts(facts, style));
                match (&document.verdict, is_last) {
                    (Some(Verdict { sentence, tone, .. }), true) => {
                        text.push_str(&line("verdict", &plain(sentence), *tone, style));
                    }
                    (None, true) => {}
                    (_, false) => text.push('\n'),
                }
            }
            Block::Figure(_) | Block::Code { .. } | Block::Part(_) => {}
        }
    }
    if let (Some(verdict), false) = (
        &document.verdict,
        matches!(shown.last(), Some(Block::Facts(_))),
    ) {
        let said = paragraph(&verdict.sentence, "", style);
        text.push_str(&painted(&said, verdict.tone, style));
    }
    text
}

fn is_shown(block: &Block) -> bool {
    !matches!(
        block,
        Block::Figure(_) | Block::Code { .. } | Block::Part(_)
    )
}

fn finding(found: &Finding, style: Style) -> String {
    let said = match found.about.as_str() {
        "" => found.text.clone(),
        about => format!("{about}: {}", found.text),
    };
    painted(&paragraph(&said, "", style), found.tone, style)
}

fn facts(facts: &Facts, style: Style) -> String {
    // What is in brackets is not shouted.
    let (title, aside) = facts
        .title
        .split_at(facts.title.find('(').unwrap_or(facts.title.len()));
    let mut text = format!("{}{}\n", title.to_uppercase(), plain(aside));
    for said in &facts.lead {
        text.push_str(&paragraph(said, "  ", style));
    }
    for (what, value) in &facts.facts {
        text.push_str(&line(what, &plain(&value.text), value.tone, style));
    }
    text
}

/// A fact; where the width does not hold it, what it says goes on below.
fn line(what: &str, value: &str, tone: Tone, style: Style) -> String {
    const INDENT: usize = 2 + 37;
    let room = style.width.saturating_sub(INDENT).max(20);
    let lines = columns::wrap(value, room);
    let lines: Vec<String> = lines.iter().map(|line| paint(line, tone, style)).collect();
    format!("  {what:<37}{}\n", lines.join(&format!("\n{:INDENT$}", "")))
}

fn entries(found: &Entries, style: Style) -> String {
    let mut text = found.title.to_uppercase();
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(&paragraph(&found.note, "", style));
    for entry in &found.entries {
        let state = paint(&plain(&entry.state.text), entry.state.tone, style);
        text.push_str(&format!("\n{}: {state}\n", plain(&entry.name)));
        for line in &entry.lines {
            text.push_str(&painted(
                &paragraph(&line.text, "  ", style),
                line.tone,
                style,
            ));
            if let Some(hint) = &line.hint {
                text.push_str(&paragraph(hint, "      ", style));
            }
        }
    }
    text.push_str(&format!("\n{}\n", plain(&found.sum)));
    text
}

/// Colours lines without what ends them.
fn painted(text: &str, tone: Tone, style: Style) -> String {
    let lines = text.lines().map(|line| paint(line, tone, style) + "\n");
    lines.collect()
}

/// Text of others as one line: a name or a note must not steer the terminal.
pub(super) fn plain(text: &str) -> String {
    printable(text).into_owned()
}

pub(super) fn paint(text: &str, tone: Tone, style: Style) -> String {
    let code = match tone {
        Tone::Good => "32",
        Tone::Bad => "1;31",
        Tone::Warn => "33",
        Tone::Muted => return text.to_owned(),
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
