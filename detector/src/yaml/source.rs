//! Where the scalars of a YAML text stand, byte by byte, for those who change one and nothing else.

use super::events::{Documents, Event, Traits};
pub(crate) use super::token::Form;
use super::token::Mark;
use super::tree::position;
use crate::yaml::Position;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A scalar as it stands in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar {
    /// Bytes, quotes included.
    pub(crate) range: Range<usize>,
    pub(crate) form: Form,
    /// Whether an anchor or a tag stands before it.
    pub(crate) decorated: bool,
}

/// The scalars of a text that has been read before, of all its documents, by the place they begin at. One that is nothing at all gives way to
/// what really stands there.
pub(crate) fn scalars(text: &str) -> BTreeMap<Position, Scalar> {
    let mut found: BTreeMap<Position, Scalar> = BTreeMap::new();
    let mut documents = Documents::new(text);
    let mut note = |event, start: Mark, end: Mark| {
        let Event::Scalar { form, traits, .. } = event else {
            return true;
        };
        let scalar = Scalar {
            range: start.byte..end.byte,
            form,
            decorated: traits != Traits::default(),
        };
        let at = position(start);
        if found.get(&at).is_none_or(|known| known.range.is_empty()) {
            found.insert(at, scalar);
        }
        true
    };
    while let Ok(true) = documents.next(&mut note) {}
    found
}

/// The lines of a YAML text, counted from 1, whose beginning is part of a scalar: what looks like a comment there is none.
///
/// ```
/// use firedrill_detector::yaml::lines_in_scalars;
///
/// let text = "a: |\n  # text\n# comment\nb: 'x\n  # text'\n";
/// assert_eq!(lines_in_scalars(text), [2, 5].into());
/// ```
#[must_use]
pub fn lines_in_scalars(text: &str) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    for (place, scalar) in scalars(text) {
        if !text[scalar.range.clone()].contains('\n') {
            continue;
        }
        let first = text[..scalar.range.start]
            .rfind('\n')
            .map_or(0, |end| end + 1);
        let block = (scalar.form == Form::Block).then(|| {
            // With an indentation in its head, the first line says nothing of it.
            let head = text[..first].trim_end().rsplit(['|', '>']).next();
            let is_given = head.is_some_and(|head| {
                head.starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c))
                    && head.chars().take(2).any(|c| c.is_ascii_digit())
            });
            let content = text[first..].lines().find(|line| !line.trim().is_empty());
            content.filter(|_| !is_given).map_or(0, indent)
        });
        let mut at = first;
        let lines = text[first..].split_inclusive('\n');
        for (number, line) in (place.line..).zip(lines) {
            if at >= scalar.range.end {
                break;
            }
            // Comments may follow a block, and are less indented.
            let is_inside = match block {
                Some(least) => indent(line) >= least,
                None => at > scalar.range.start,
            };
            if is_inside {
                found.insert(number);
            }
            at += line.len();
        }
    }
    found
}

/// The line and column of a byte of `text`.
pub(crate) fn mark_of(text: &str, byte: usize) -> Position {
    let before = &text[..byte];
    let line = before.rsplit('\n').next().unwrap_or_default();
    Position {
        line: before.matches('\n').count() + 1,
        column: line.chars().count() + 1,
    }
}

impl Scalar {
    /// Where the bytes `part` of the scalar's value stand in `text`.
    ///
    /// Reading a scalar only changes its blanks (lines are folded, indentation goes), so that the other characters are the
    /// same ones in the same order. Every one is compared on the way.
    ///
    /// # Errors
    /// Why it cannot be said.
    pub(crate) fn find(
        &self,
        text: &str,
        value: &str,
        part: Range<usize>,
    ) -> Result<Range<usize>, &'static str> {
        if self.decorated {
            return Err("it has an anchor or a tag");
        }
        let written = match self.form {
            Form::Plain | Form::Block => self.range.clone(),
            Form::SingleQuoted | Form::DoubleQuoted => self.range.start + 1..self.range.end - 1,
        };
        let content = &text[written.clone()];
        if self.form == Form::DoubleQuoted && content.contains('\\') {
            return Err("it is a double-quoted text with escapes");
        }
        let mut there = content.char_indices().filter(|(_, c)| !is_blank(*c));
        let (mut start, mut end) = (None, None);
        for (at, wanted) in value.char_indices().filter(|(_, c)| !is_blank(*c)) {
            let different = "its text is not what it says";
            let (place, found) = there.next().ok_or(different)?;
            if found != wanted {
                return Err(different);
            }
            if at >= part.start && start.is_none() {
                start = Some(written.start + place);
            }
            if at < part.end {
                end = Some(written.start + place + found.len_utf8());
            }
            if found == '\'' && self.form == Form::SingleQuoted {
                there.next();
            }
        }
        match (start, end) {
            (Some(start), Some(end)) if start < end => Ok(start..end),
            _ => Err("there is nothing to be found"),
        }
    }

    /// Where the scalar ends in `text`: after its last visible character and its closing quote.
    pub(crate) fn end(&self, text: &str, value: &str) -> Result<usize, &'static str> {
        match self.form {
            Form::Block => Ok(self.find(text, value, 0..value.len())?.end),
            _ => Ok(self.range.end),
        }
    }
}

fn is_blank(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\n' | '\r')
}
