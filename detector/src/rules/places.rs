//! Where in their file the parts of a rule's texts stand.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::yaml::source::{Form, Map, Scalar, scalars};
use crate::yaml::{Position, Region};

/// A rule file's text, which is searched for places once somebody asks for one.
#[derive(Debug)]
pub(crate) struct Source {
    text: String,
    index: OnceLock<Index>,
}

#[derive(Debug)]
struct Index {
    scalars: BTreeMap<Position, Scalar>,
    /// The byte each line begins at.
    lines: Vec<usize>,
}

impl Index {
    fn of(text: &str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            scalars: match has_lines_of_its_own(text) {
                true => BTreeMap::new(),
                false => scalars(text),
            },
            lines: [0].into_iter().chain(ends).collect(),
        }
    }
}

/// Whether YAML sees lines in a text where others see none, so that numbers of lines would mislead.
fn has_lines_of_its_own(text: &str) -> bool {
    let lone = |(at, _)| !text[at + 1..].starts_with('\n');
    text.contains(['\u{85}', '\u{2028}', '\u{2029}']) || text.match_indices('\r').any(lone)
}

impl Source {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            index: OnceLock::new(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::of(&self.text))
    }

    /// The places of the text `value` that begins at `at`; blanks around it make no difference.
    pub(crate) fn places(self: &Arc<Self>, at: Position, value: &str) -> Places {
        let scalar = self.index().scalars.get(&at);
        Places {
            map: scalar.and_then(|scalar| scalar.map(&self.text, value).ok()),
            source: Arc::clone(self),
        }
    }

    /// Where the scalar that begins at `at` stands, with its quotes; nothing of a block, whose mark is apart from its text.
    pub(crate) fn whole(&self, at: Position) -> Option<Region> {
        let scalar = self.index().scalars.get(&at)?;
        (scalar.form != Form::Block && !scalar.decorated).then(|| self.region(&scalar.range))
    }

    fn region(&self, bytes: &Range<usize>) -> Region {
        Region {
            start: self.position(bytes.start),
            end: self.position(bytes.end),
        }
    }

    fn position(&self, byte: usize) -> Position {
        let lines = &self.index().lines;
        let line = lines.partition_point(|start| *start <= byte);
        let before = &self.text[lines[line - 1]..byte];
        Position {
            line,
            column: before.trim_start_matches('\u{feff}').chars().count() + 1,
        }
    }
}

/// Where the parts of one text of a rule stand in its file.
#[derive(Debug, Clone)]
pub struct Places {
    source: Arc<Source>,
    /// `None`: that cannot be said.
    map: Option<Map>,
}

impl Places {
    /// Where a part of the text, in bytes, stands, blanks around it left out. `None`: that cannot be said exactly, as of a
    /// text behind an anchor.
    #[must_use]
    pub fn region(&self, part: Range<usize>) -> Option<Region> {
        let found = self.map.as_ref()?.find(part)?;
        Some(self.source.region(&found))
    }
}
