//! Markdown as values: blocks of text that a renderer draws as they are. Nothing in them is markup any more: what the file has of HTML is
//! text, pictures are what is said for them, and a link leads to a page of the web or nowhere.
//!
//! ```
//! use firedrill_sim::markdown::{Kind, read};
//!
//! let page = read("# Workers\n\nRestart <b>them</b>.\n");
//! assert_eq!(page[0].kind.text(), "Workers");
//! assert_eq!((page[1].line, page[1].kind.text()), (3, "Restart <b>them</b>.".to_owned()));
//! assert!(matches!(page[0].kind, Kind::Heading { level: 1, .. }));
//! ```

mod builder;

use builder::Builder;
use pulldown_cmark::{Options, Parser};
use serde::Serialize;

/// How deep blocks may stand in each other; what is deeper stands where it would be one step up.
const DEPTH_MAX: usize = 12;

/// Something that stands by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Block {
    /// Line of the file, from 1; of code, that of its first line without the fence.
    pub line: usize,
    /// What it is.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What a block is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Kind {
    /// A heading.
    Heading {
        /// 1 to 6.
        level: u8,
        /// What it says.
        text: Vec<Span>,
    },
    /// A paragraph.
    Text {
        /// What it says.
        text: Vec<Span>,
    },
    /// Lines as they are.
    Code {
        /// What stands behind the fence, such as `bash`; `None`: there is no fence.
        info: Option<String>,
        /// The lines.
        code: String,
    },
    /// A list.
    List {
        /// The number of its first entry; `None`: it has none.
        first: Option<u64>,
        /// Its entries.
        items: Vec<Item>,
    },
    /// What somebody else says.
    Quote {
        /// What.
        blocks: Vec<Block>,
    },
    /// A table.
    Table {
        /// The cells of its head.
        head: Vec<Vec<Span>>,
        /// The cells of each row.
        rows: Vec<Vec<Vec<Span>>>,
    },
    /// A line across.
    Rule,
}

/// An entry of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Its number among all entries of the page that have a box to tick, from 1; `None`: it has no box.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tick: Option<usize>,
    /// What it says.
    pub blocks: Vec<Block>,
}

/// Text of one style.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Line of the file, from 1.
    #[serde(skip)]
    pub line: usize,
    /// What it says.
    pub text: String,
    /// How.
    pub style: Style,
    /// The page of the web that it leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// How text is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// As usual.
    #[default]
    Plain,
    /// With stress.
    Emphasis,
    /// With more of it.
    Strong,
    /// As what is typed.
    Code,
    /// Struck out.
    Struck,
}

impl Kind {
    /// What a heading or a paragraph says, without styles; of anything else, nothing.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Heading { text, .. } | Self::Text { text } => plain(text),
            _ => String::new(),
        }
    }
}

/// What spans say, without styles.
#[must_use]
pub fn plain(spans: &[Span]) -> String {
    spans.iter().map(|span| span.text.as_str()).collect()
}

/// Calls `look` with each block of a page, whatever it stands in, in the order of the file.
pub fn each<'b>(blocks: &'b [Block], look: &mut dyn FnMut(&'b Block)) {
    for block in blocks {
        look(block);
        match &block.kind {
            Kind::Quote { blocks } => each(blocks, look),
            Kind::List { items, .. } => items.iter().for_each(|item| each(&item.blocks, look)),
            Kind::Heading { .. }
            | Kind::Text { .. }
            | Kind::Code { .. }
            | Kind::Table { .. }
            | Kind::Rule => {}
        }
    }
}

/// Reads a page. Any text is one.
#[must_use]
pub fn read(text: &str) -> Vec<Block> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut builder = Builder::new(text);
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        builder.take(event, range.start);
    }
    builder.finished()
}

#[cfg(test)]
mod tests;
