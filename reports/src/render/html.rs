//! Documents as one self-contained HTML file: no network, no script.

use crate::document::{
    Block, Cell, Document, Entries, Entry, Facts, Figure, Finding, Part, Step, Table, Tone,
};
use firedrill_detector::text::printable_lines;
use maud::{DOCTYPE, Markup, PreEscaped, html as markup};
use std::borrow::Cow;

const STYLE: &str = include_str!("style.css");

/// Of a page's text, so much says who wrote it.
pub const PAGE_BEGINS: usize = 512;

/// Whether a page that begins so is one of ours.
#[must_use]
pub fn is_ours(begins: &str) -> bool {
    begins.contains(&generator().into_string())
}

fn generator() -> Markup {
    markup! { meta name="generator" content="firedrill"; }
}

/// The file's level of headings below its title.
const TOP: u8 = 2;

/// A document as a page.
#[must_use]
pub fn html(document: &Document) -> String {
    let Document {
        title,
        verdict,
        next,
        blocks,
    } = document;
    let page = markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                (generator())
                title { (text(title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the report" }
                main #main {
                    header {
                        h1 {
                            (text(title))
                            @if let Some(verdict) = verdict {
                                " " span class={ "badge " (class(verdict.tone)) } { (text(&verdict.word)) }
                            }
                        }
                        @if let Some(verdict) = verdict {
                            @if !verdict.counts.is_empty() {
                                p.counts { (text(&verdict.counts)) }
                            }
                            p.sentence { (text(&verdict.sentence)) }
                        }
                    }
                    @if !next.is_empty() {
                        section {
                            h2 { "What to do next" }
                            ol.next { @for step in next { (self::step(step)) } }
                        }
                    }
                    (self::blocks(blocks, TOP))
                }
            }
        }
    };
    page.into_string() + "\n"
}

/// Text of others, in lines where it has some, without what steers.
fn text(text: &str) -> Cow<'_, str> {
    printable_lines(text)
}

fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Warn => "warn",
        Tone::Muted => "muted",
    }
}

fn step(step: &Step) -> Markup {
    markup! {
        li {
            (text(&step.text))
            @if let Some(command) = &step.command { " " code { (text(command)) } }
        }
    }
}

fn blocks(blocks: &[Block], level: u8) -> Markup {
    markup! {
        @for block in blocks {
            @match block {
                Block::Table(found) | Block::Confusion { grid: found, .. } => (table(found, level)),
                Block::Facts(found) => (facts(found, level)),
                Block::Findings(found) => ul.findings { @for one in found { (finding(one)) } },
                Block::Entries(found) => (entries(found, level)),
                Block::Note(note) => p { (text(note)) },
                Block::Figure(found) => (figure(found)),
                Block::Code { title, text } => (code(title, text)),
                Block::Part(found) => (part(found, level)),
            }
        }
    }
}

fn heading(title: &str, level: u8) -> Markup {
    let title = text(title);
    markup! {
        @if !title.is_empty() {
            @match level {
                ..=2 => h2 { (title) },
                3 => h3 { (title) },
                _ => h4 { (title) },
            }
        }
    }
}

fn note(note: &str) -> Markup {
    markup! { @if !note.is_empty() { p.note { (text(note)) } } }
}

/// What is wider than the window is moved sideways within itself: with a finger, or with the keyboard.
fn wide(label: &str, content: &Markup) -> Markup {
    markup! {
        div.wide role="region" tabindex="0" aria-label=(text(label)) { (content) }
    }
}

/// A table of more columns is a list of cards on a telephone.
const COLUMNS_ON_PHONE: usize = 2;

fn table(table: &Table, level: u8) -> Markup {
    let is_cards = table.head.len() > COLUMNS_ON_PHONE;
    let content = markup! {
        table.cards[is_cards] {
            thead {
                tr { @for column in &table.head { th scope="col" { (breakable(column)) } } }
            }
            tbody {
                @for row in &table.rows {
                    tr.silent[row.iter().skip(1).all(is_nothing)] {
                        @for (index, cell) in row.iter().enumerate() {
                            @if index == 0 {
                                th scope="row" { (self::cell(cell, breakable)) }
                            } @else {
                                @let label = table.head.get(index).filter(|_| is_cards);
                                td class=(td_class(cell)) data-label=[label.map(|label| text(label))] { (self::cell(cell, breakable)) }
                            }
                        }
                    }
                }
            }
        }
    };
    markup! {
        section {
            (heading(&table.title, level))
            (note(&table.note))
            (wide(&table.title, &content))
            (note(&table.more))
        }
    }
}

/// A list has no need of what is there for the grid's sake only.
fn td_class(cell: &Cell) -> &'static str {
    match is_nothing(cell) {
        true => "nothing",
        false => class(cell.tone),
    }
}

fn is_nothing(cell: &Cell) -> bool {
    matches!(cell.text.as_str(), "" | "-")
}

fn whole(text: &str) -> Markup {
    markup! { (self::text(text)) }
}

/// Text of which a narrow column may break the names between their words, where each begins with a capital or after a mark that joins
/// them; a sign is none.
fn breakable(text: &str) -> Markup {
    let text = self::text(text);
    let mut words = vec![String::new()];
    let (mut before, mut joins) = (' ', false);
    for letter in text.chars() {
        let begins = before.is_lowercase() && letter.is_uppercase();
        let joined = matches!(before, '_' | '+' | '/') && joins;
        if begins || joined {
            words.push(String::new());
        }
        joins = before.is_alphanumeric();
        if let Some(word) = words.last_mut() {
            word.push(letter);
        }
        before = letter;
    }
    markup! {
        @for (index, word) in words.iter().enumerate() {
            @if index > 0 { wbr; }
            (word)
        }
    }
}

fn cell(cell: &Cell, text: fn(&str) -> Markup) -> Markup {
    markup! {
        @match &cell.to {
            Some(anchor) => a href={ "#" (anchor) } { (text(&cell.text)) },
            None => (text(&cell.text)),
        }
    }
}

fn facts(facts: &Facts, level: u8) -> Markup {
    markup! {
        section {
            (heading(&facts.title, level))
            @for said in &facts.lead { p { (text(said)) } }
            dl {
                @for (what, value) in &facts.facts {
                    dt { (text(what)) }
                    dd class=(class(value.tone)) { (cell(value, whole)) }
                }
            }
            (note(&facts.note))
        }
    }
}

fn finding(found: &Finding) -> Markup {
    markup! {
        li class=(class(found.tone)) {
            @if !found.about.is_empty() { strong { (text(&found.about)) ": " } }
            (text(&found.text))
        }
    }
}

fn entries(found: &Entries, level: u8) -> Markup {
    markup! {
        section {
            (heading(&found.title, level))
            (note(&found.note))
            @for entry in &found.entries { (self::entry(entry)) }
            (note(&found.sum))
        }
    }
}

fn entry(entry: &Entry) -> Markup {
    markup! {
        div.entry {
            p { strong { (text(&entry.name)) } " " span class=(class(entry.state.tone)) { (cell(&entry.state, whole)) } }
            ul {
                @for line in &entry.lines {
                    li class=(class(line.tone)) {
                        (text(&line.text))
                        @if let Some(hint) = &line.hint { p.hint { (text(hint)) } }
                    }
                }
            }
        }
    }
}

fn figure(figure: &Figure) -> Markup {
    markup! {
        figure {
            figcaption { (text(&figure.title)) }
            @match &figure.picture {
                Ok(picture) => {
                    (PreEscaped(picture.wide.inline_svg("desk")))
                    (PreEscaped(picture.narrow.inline_svg("phone")))
                },
                Err(error) => p.bad { "It cannot be drawn: " (text(error)) },
            }
            (note(&figure.description))
        }
    }
}

fn code(title: &str, content: &str) -> Markup {
    markup! {
        p.note { (text(title)) }
        pre { code { (text(content)) } }
    }
}

fn part(part: &Part, level: u8) -> Markup {
    let badge = markup! {
        @if let Some(badge) = &part.badge {
            " " span class={ "badge " (class(badge.tone)) } { (text(&badge.text)) }
        }
    };
    let content = blocks(&part.blocks, level + 1);
    markup! {
        @if part.folded {
            details id=(part.anchor) {
                summary { (text(&part.title)) (badge) }
                (content)
            }
        } @else {
            section.part id=(part.anchor) {
                @match level {
                    ..=2 => h2 { (text(&part.title)) (badge) },
                    _ => h3 { (text(&part.title)) (badge) },
                }
                (content)
            }
        }
    }
}
