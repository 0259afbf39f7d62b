//! A runbook's blocks as lines of a terminal.

use super::room::sign;
use super::text::{flowed, shortened};
use firedrill_sim::markdown::{self, Block, Item, Kind, Span};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;

/// All of it, each row with the line of the file it is of. `is_ticked`: whether an entry of the checklist is done, by its number.
pub(super) fn rows(
    blocks: &[Block],
    width: usize,
    is_ticked: &dyn Fn(usize) -> bool,
) -> Vec<(Line<'static>, usize)> {
    let mut drawing = Drawing {
        width,
        is_ticked,
        rows: Vec::new(),
    };
    drawing.blocks(blocks, "", true);
    drawing.rows
}

struct Drawing<'d> {
    width: usize,
    is_ticked: &'d dyn Fn(usize) -> bool,
    rows: Vec<(Line<'static>, usize)>,
}

impl Drawing<'_> {
    /// Blocks under each other, after what stands before the first of their rows. `apart`: with a blank row between them.
    fn blocks(&mut self, blocks: &[Block], before: &str, apart: bool) {
        let indent = " ".repeat(before.chars().count());
        for (place, block) in blocks.iter().enumerate() {
            let before = if place == 0 { before } else { &indent };
            self.block(block, before);
            if apart {
                self.rows.push((Line::default(), block.line));
            }
        }
        if blocks.is_empty() {
            self.rows.push((Line::from(before.to_owned()), 0));
        }
    }

    fn block(&mut self, block: &Block, before: &str) {
        let line = block.line;
        match &block.kind {
            Kind::Heading { level, text } => {
                let bold = Style::new().add_modifier(Modifier::BOLD);
                let style = match level {
                    1 | 2 => bold.add_modifier(Modifier::UNDERLINED),
                    _ => bold,
                };
                self.says(line, before, &set(text, style));
            }
            Kind::Text { text } => self.says(line, before, &set(text, Style::new())),
            Kind::Code { code, .. } => {
                let before = format!("{before}  ");
                for (number, of) in (line..).zip(code.lines()) {
                    let style = Style::new().fg(Color::Cyan);
                    // A command goes on in the next row, for nothing of it may be left out.
                    self.says(number, &before, &[(of.to_owned(), style)]);
                }
            }
            Kind::List { first, items } => {
                let numbers = first.map(|first| first..);
                let mut numbers = numbers.into_iter().flatten();
                for Item { tick, blocks } in items {
                    let mark = match (tick, numbers.next()) {
                        (Some(tick), _) => format!("{} {tick}. ", sign((self.is_ticked)(*tick)).0),
                        (None, Some(number)) => format!("{number}. "),
                        (None, None) => "- ".to_owned(),
                    };
                    self.blocks(blocks, &format!("{before}{mark}"), false);
                }
            }
            Kind::Quote { blocks } => self.blocks(blocks, &format!("{before}> "), false),
            Kind::Table { head, rows } => {
                let bold = Style::new().add_modifier(Modifier::BOLD);
                self.says(line, before, &cells(head, bold));
                for row in rows {
                    let first = row.iter().flatten().next();
                    let line = first.map_or(line, |span| span.line);
                    self.says(line, before, &cells(row, Style::new()));
                }
            }
            Kind::Rule => {
                let across = "─".repeat(self.width.saturating_sub(before.chars().count()));
                let across = shortened(&format!("{before}{across}"), self.width);
                self.rows.push((Line::from(across), line));
            }
        }
    }

    fn says(&mut self, line: usize, before: &str, spans: &[(String, Style)]) {
        let rows = flowed(before, spans, self.width).into_iter();
        self.rows.extend(rows.map(|row| (row, line)));
    }
}

/// The cells of a row, with something between them.
fn cells(cells: &[Vec<Span>], style: Style) -> Vec<(String, Style)> {
    let mut set_all = Vec::new();
    for (place, cell) in cells.iter().enumerate() {
        if place > 0 {
            set_all.push((" | ".to_owned(), Style::new().fg(Color::DarkGray)));
        }
        set_all.extend(set(cell, style));
    }
    set_all
}

/// Text with its styles; a link with where it leads.
fn set(spans: &[Span], style: Style) -> Vec<(String, Style)> {
    let mut set = Vec::new();
    for (place, span) in spans.iter().enumerate() {
        let own = match span.style {
            markdown::Style::Plain => style,
            markdown::Style::Emphasis => style.add_modifier(Modifier::ITALIC),
            markdown::Style::Strong => style.add_modifier(Modifier::BOLD),
            markdown::Style::Code => style.fg(Color::Cyan),
            markdown::Style::Struck => style.add_modifier(Modifier::CROSSED_OUT),
        };
        set.push((span.text.clone(), own));
        let next = spans.get(place + 1).and_then(|next| next.link.as_ref());
        if let Some(link) = span.link.as_ref().filter(|link| Some(*link) != next)
            && *link != span.text
        {
            set.push((format!(" ({link})"), style.fg(Color::DarkGray)));
        }
    }
    set
}
