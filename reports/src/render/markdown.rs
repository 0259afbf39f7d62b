//! Documents for a pull request or a job's summary page: without charts, and without what is on pages only.

use crate::document::{Block, Cell, Document, Entries, Facts, Finding, Table, Tone};
use firedrill_detector::text::printable;

/// A document as Markdown.
#[must_use]
pub fn markdown(document: &Document) -> String {
    let mut text = format!("## {}", escape(&document.title));
    match &document.verdict {
        Some(verdict) => text.push_str(&format!(
            ": {}\n\n{}\n",
            escape(&verdict.word),
            escape(&verdict.sentence)
        )),
        None => text.push('\n'),
    }
    if !document.next.is_empty() {
        text.push_str("\n### What to do next\n\n");
    }
    for (number, step) in (1..).zip(&document.next) {
        text.push_str(&format!("{number}. {}", escape(&step.text)));
        if let Some(command) = &step.command {
            text.push_str(&format!(" {}", code(command)));
        }
        text.push('\n');
    }
    for block in &document.blocks {
        match block {
            Block::Table(table) | Block::Confusion { grid: table, .. } => {
                text.push_str(&self::table(table));
            }
            Block::Facts(facts) => text.push_str(&self::facts(facts)),
            Block::Findings(found) => {
                text.push('\n');
                text.extend(found.iter().map(finding));
            }
            Block::Entries(found) => text.push_str(&entries(found)),
            Block::Note(note) => text.push_str(&format!("\n{}\n", escape(note))),
            Block::Figure(_) | Block::Code { .. } | Block::Part(_) => {}
        }
    }
    text
}

fn heading(title: &str, note: &str) -> String {
    let mut text = String::new();
    if !title.is_empty() {
        text.push_str(&format!("\n### {}\n", escape(title)));
    }
    if !note.is_empty() {
        text.push_str(&format!("\n{}\n", escape(note)));
    }
    text
}

fn table(table: &Table) -> String {
    let mut text = heading(&table.title, &table.note);
    let head: Vec<String> = table.head.iter().map(|column| escape(column)).collect();
    text.push_str(&format!(
        "\n| {} |\n|{}\n",
        head.join(" | "),
        " --- |".repeat(head.len())
    ));
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(cell).collect();
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    if !table.more.is_empty() {
        text.push_str(&format!("\n{}\n", escape(&table.more)));
    }
    text
}

fn cell(cell: &Cell) -> String {
    loud(&cell.text, cell.tone)
}

fn loud(text: &str, tone: Tone) -> String {
    match tone {
        Tone::Bad => format!("**{}**", escape(text)),
        _ => escape(text),
    }
}

fn facts(facts: &Facts) -> String {
    let mut text = heading(&facts.title, "");
    for line in &facts.lead {
        text.push_str(&format!("\n{}\n", escape(line)));
    }
    text.push('\n');
    for (what, value) in &facts.facts {
        text.push_str(&format!("- {}: {}\n", escape(what), cell(value)));
    }
    text.push_str(&heading("", &facts.note));
    text
}

fn finding(found: &Finding) -> String {
    match found.about.as_str() {
        "" => format!("- {}\n", loud(&found.text, found.tone)),
        about => format!("- **{}**: {}\n", escape(about), escape(&found.text)),
    }
}

fn entries(found: &Entries) -> String {
    let mut text = heading(&found.title, &found.note);
    text.push('\n');
    for entry in &found.entries {
        text.push_str(&format!(
            "- {}: {}\n",
            escape(&entry.name),
            cell(&entry.state)
        ));
        for line in &entry.lines {
            text.push_str(&format!("  - {}\n", escape(&line.text)));
            if let Some(hint) = &line.hint {
                text.push_str(&format!("    - {}\n", escape(hint)));
            }
        }
    }
    text.push_str(&heading("", &found.sum));
    text
}

/// A command as code. Between backquotes nothing can be escaped, so what needs that stands in an element.
fn code(text: &str) -> String {
    match text.contains(['`', '<', ']', '\n']) {
        true => format!("<code>{}</code>", escape(text)),
        false => format!("`{}`", printable(text)),
    }
}

/// Text of others that Markdown shows as it is, in one line.
fn escape(text: &str) -> String {
    let text = text.replace(['\n', '\t'], " ");
    let mut escaped = String::with_capacity(text.len());
    for c in printable(&text).chars() {
        match c {
            '\\' | '|' | '`' | '*' | '_' => escaped.extend(['\\', c]),
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            c => escaped.push(c),
        }
    }
    // Brackets alone are harmless, a link is not.
    escaped.replace("](", "]\\(")
}
