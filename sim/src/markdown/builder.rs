//! Blocks out of what a parser says, one after the other.

use super::{Block, DEPTH_MAX, Item, Kind, Span, Style};
use pulldown_cmark::{CodeBlockKind, CowStr, Event, Tag, TagEnd};

/// Something that is open, and what stands in it so far.
#[derive(Debug)]
enum Open {
    Quote(Vec<Block>),
    List(Option<u64>, Vec<Item>),
    Item(Option<usize>, Vec<Block>),
}

/// The rows of a table that is open.
#[derive(Debug, Default)]
struct Rows {
    head: Vec<Vec<Span>>,
    rows: Vec<Vec<Vec<Span>>>,
    row: Vec<Vec<Span>>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Builder {
    /// Where lines begin.
    begins: Vec<usize>,
    /// What stands in nothing else.
    page: Vec<Block>,
    /// What is open, with its line, the innermost last.
    open: Vec<(usize, Open)>,
    /// What is open and too deep to stand by itself.
    too_deep: usize,
    /// Text that is no block yet, and where it began.
    spans: Vec<Span>,
    table: Option<Rows>,
    code: Option<(Option<usize>, Option<String>, String)>,
    styles: Vec<Style>,
    links: Vec<Option<String>>,
    boxes: usize,
    /// Whether a comment of HTML goes on.
    in_comment: bool,
}

impl Builder {
    pub(super) fn new(text: &str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            begins: [0].into_iter().chain(ends).collect(),
            page: Vec::new(),
            open: Vec::new(),
            too_deep: 0,
            spans: Vec::new(),
            table: None,
            code: None,
            styles: Vec::new(),
            links: Vec::new(),
            boxes: 0,
            in_comment: false,
        }
    }

    /// Takes in what the parser says of a place.
    pub(super) fn take(&mut self, event: Event<'_>, at: usize) {
        let line = self.begins.partition_point(|begin| *begin <= at);
        match event {
            Event::Start(tag) => self.begin(&tag, line),
            Event::End(tag) => self.end(tag, line),
            Event::Text(text) => match &mut self.code {
                Some((first, _, code)) => {
                    first.get_or_insert(line);
                    code.push_str(&text);
                }
                None => self.says(line, &text, None),
            },
            Event::Code(text) => self.says(line, &text, Some(Style::Code)),
            Event::Html(text) | Event::InlineHtml(text) => {
                let text = self.without_comments(&text);
                if !text.is_empty() {
                    self.says(line, &text, None);
                }
            }
            Event::SoftBreak | Event::HardBreak => self.says(line, " ", None),
            Event::Rule => self.add(line, Kind::Rule),
            Event::TaskListMarker(_) => {
                if let (0, Some((_, Open::Item(tick, _)))) = (self.too_deep, self.open.last_mut()) {
                    self.boxes += 1;
                    *tick = Some(self.boxes);
                }
            }
            // No option asks for them.
            Event::FootnoteReference(_) | Event::InlineMath(_) | Event::DisplayMath(_) => {}
        }
    }

    /// All blocks.
    pub(super) fn finished(mut self) -> Vec<Block> {
        self.paragraph();
        self.page
    }

    fn begin(&mut self, tag: &Tag<'_>, line: usize) {
        match tag {
            Tag::Emphasis => self.styles.push(Style::Emphasis),
            Tag::Strong => self.styles.push(Style::Strong),
            Tag::Strikethrough => self.styles.push(Style::Struck),
            Tag::Link { dest_url, .. } => self.links.push(leads(dest_url)),
            Tag::Image { .. } => self.links.push(None),
            Tag::TableHead | Tag::TableRow | Tag::TableCell => {}
            Tag::BlockQuote(_) => self.opens(line, Open::Quote(Vec::new())),
            Tag::List(first) => self.opens(line, Open::List(*first, Vec::new())),
            Tag::Item => self.opens(line, Open::Item(None, Vec::new())),
            Tag::Table(_) => {
                self.paragraph();
                self.table = Some(Rows::default());
            }
            Tag::CodeBlock(CodeBlockKind::Fenced(info)) => self.begins_code(Some(info)),
            Tag::CodeBlock(CodeBlockKind::Indented) => self.begins_code(None),
            Tag::MetadataBlock(_) => self.begins_code(Some("yaml")),
            _ => self.paragraph(),
        }
    }

    fn end(&mut self, tag: TagEnd, line: usize) {
        match tag {
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => drop(self.styles.pop()),
            TagEnd::Link | TagEnd::Image => drop(self.links.pop()),
            TagEnd::Heading(level) => {
                let text = std::mem::take(&mut self.spans);
                let level = level as u8;
                self.add(line, Kind::Heading { level, text });
            }
            TagEnd::BlockQuote(_) | TagEnd::List(_) | TagEnd::Item => self.closes(),
            TagEnd::TableCell => {
                let cell = std::mem::take(&mut self.spans);
                if let Some(table) = &mut self.table {
                    table.row.push(cell);
                }
            }
            TagEnd::TableHead | TagEnd::TableRow => {
                if let Some(table) = &mut self.table {
                    let row = std::mem::take(&mut table.row);
                    match tag {
                        TagEnd::TableHead => table.head = row,
                        _ => table.rows.push(row),
                    }
                }
            }
            TagEnd::Table => {
                if let Some(Rows { head, rows, .. }) = self.table.take() {
                    self.add(line, Kind::Table { head, rows });
                }
            }
            TagEnd::CodeBlock | TagEnd::MetadataBlock(_) => {
                if let Some((first, info, code)) = self.code.take() {
                    self.add(first.unwrap_or(line), Kind::Code { info, code });
                }
            }
            _ => self.paragraph(),
        }
    }

    fn begins_code(&mut self, info: Option<&str>) {
        self.paragraph();
        self.code = Some((None, info.map(str::to_owned), String::new()));
    }

    fn says(&mut self, line: usize, text: &str, style: Option<Style>) {
        let style = style.or(self.styles.last().copied());
        self.spans.push(Span {
            line,
            text: text.to_owned(),
            style: style.unwrap_or_default(),
            link: self.links.last().cloned().flatten(),
        });
    }

    /// HTML on one line and without comments, which are not for readers; one may go on in what follows.
    fn without_comments(&mut self, html: &str) -> String {
        let mut shown = String::new();
        let mut rest = html;
        while !rest.is_empty() {
            let sign = if self.in_comment { "-->" } else { "<!--" };
            let (before, after) = rest
                .split_once(sign)
                .map_or((rest, None), |(before, after)| (before, Some(after)));
            if !self.in_comment {
                shown.push_str(before);
            }
            self.in_comment ^= after.is_some();
            rest = after.unwrap_or_default();
        }
        shown.trim_end().replace('\n', " ")
    }

    /// What was said so far is a paragraph.
    fn paragraph(&mut self) {
        let text = std::mem::take(&mut self.spans);
        if let Some(first) = text.first() {
            self.add(first.line, Kind::Text { text });
        }
    }

    fn opens(&mut self, line: usize, what: Open) {
        self.paragraph();
        match self.too_deep > 0 || self.open.len() >= DEPTH_MAX {
            true => self.too_deep += 1,
            false => self.open.push((line, what)),
        }
    }

    fn closes(&mut self) {
        self.paragraph();
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        match self.open.pop() {
            Some((line, Open::Quote(blocks))) => self.add(line, Kind::Quote { blocks }),
            Some((line, Open::List(first, items))) => self.add(line, Kind::List { first, items }),
            Some((_, Open::Item(tick, blocks))) => {
                if let Some((_, Open::List(_, items))) = self.open.last_mut() {
                    items.push(Item { tick, blocks });
                }
            }
            None => {}
        }
    }

    /// A block is complete: it stands in what is open.
    fn add(&mut self, line: usize, kind: Kind) {
        let block = Block { line, kind };
        match self.open.last_mut() {
            Some((_, Open::Quote(blocks) | Open::Item(_, blocks))) => blocks.push(block),
            // What is too deep may come right after a list has begun: then it is an entry of its own.
            Some((_, Open::List(_, items))) => items.push(Item {
                tick: None,
                blocks: vec![block],
            }),
            None => self.page.push(block),
        }
    }
}

/// Where a link leads, if that is a page of the web: what a browser would obey, or this machine has, is no place to go to.
fn leads(url: &CowStr<'_>) -> Option<String> {
    let is_web = ["https://", "http://"]
        .iter()
        .any(|scheme| url.len() > scheme.len() && url.starts_with(scheme));
    let is_plain = !url.chars().any(|c| c.is_control() || c.is_whitespace());
    (is_web && is_plain).then(|| url.to_string())
}
