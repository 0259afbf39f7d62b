//! Where the scalars of a YAML text stand, byte by byte, for those who change one and nothing else.

use super::cursor::Cursor;
use super::events::{Documents, Event, Traits};
use super::scalar::escape;
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

/// Where the characters of a scalar's value stand in the text it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Map {
    /// In the order of both.
    runs: Vec<Run>,
}

/// Characters that stand in the text as they are in the value, one after the other; or one that is written otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    value: Range<usize>,
    written: Range<usize>,
}

impl Run {
    /// Where what begins, or ends, at `at` of the value stands in the text.
    fn at(&self, at: usize) -> usize {
        self.written.start + (at - self.value.start)
    }
}

impl Map {
    fn push(&mut self, value: Range<usize>, written: Range<usize>) {
        if let Some(last) = self.runs.last_mut()
            && last.value.len() == last.written.len()
            && value.len() == written.len()
            && (last.value.end, last.written.end) == (value.start, written.start)
        {
            last.value.end = value.end;
            last.written.end = written.end;
            return;
        }
        self.runs.push(Run { value, written });
    }

    /// Where the bytes `part` of the value stand in the text, blanks around them left out; `None`: there is nothing in it but
    /// blanks.
    pub(crate) fn find(&self, part: Range<usize>) -> Option<Range<usize>> {
        let first = self.runs.partition_point(|run| run.value.end <= part.start);
        let behind = self.runs.partition_point(|run| run.value.start < part.end);
        let (first, last) = (
            self.runs.get(first)?,
            self.runs.get(behind.checked_sub(1)?)?,
        );
        let start = match part.start <= first.value.start {
            true => first.written.start,
            false => first.at(part.start),
        };
        let end = match part.end >= last.value.end {
            true => last.written.end,
            false => last.at(part.end),
        };
        (start < end).then_some(start..end)
    }
}

impl Scalar {
    /// Where the characters of the scalar's value stand in `text`.
    ///
    /// Reading a scalar only changes its blanks (lines are folded, indentation goes) and undoes escapes, so that the other
    /// characters are the same ones in the same order. Every one is compared on the way.
    ///
    /// # Errors
    /// Why it cannot be said.
    pub(crate) fn map(&self, text: &str, value: &str) -> Result<Map, &'static str> {
        if self.decorated {
            return Err("it has an anchor or a tag");
        }
        let written = match self.form {
            Form::Plain | Form::Block => self.range.clone(),
            Form::SingleQuoted | Form::DoubleQuoted => self.range.start + 1..self.range.end - 1,
        };
        let mut there = Characters {
            cursor: Cursor::new(&text[written.clone()]),
            form: self.form,
        };
        let mut map = Map { runs: Vec::new() };
        for (at, wanted) in value.char_indices().filter(|(_, c)| !is_blank(*c)) {
            match there.next() {
                Some((place, found)) if found == wanted => map.push(
                    at..at + wanted.len_utf8(),
                    written.start + place.start..written.start + place.end,
                ),
                _ => return Err("its text is not what it says"),
            }
        }
        Ok(map)
    }

    /// Where the bytes `part` of the scalar's value stand in `text`.
    ///
    /// # Errors
    /// Why it cannot be said.
    pub(crate) fn find(
        &self,
        text: &str,
        value: &str,
        part: Range<usize>,
    ) -> Result<Range<usize>, &'static str> {
        let found = self.map(text, value)?.find(part);
        found.ok_or("there is nothing to be found")
    }

    /// Where the scalar ends in `text`: after its last visible character and its closing quote.
    pub(crate) fn end(&self, text: &str, value: &str) -> Result<usize, &'static str> {
        match self.form {
            Form::Block => Ok(self.find(text, value, 0..value.len())?.end),
            _ => Ok(self.range.end),
        }
    }
}

/// The characters a scalar's text stands for, blanks left out, and where each is written.
struct Characters<'t> {
    cursor: Cursor<'t>,
    form: Form,
}

impl Iterator for Characters<'_> {
    type Item = (Range<usize>, char);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let cursor = &mut self.cursor;
            let start = cursor.mark;
            let is_escape = self.form == Form::DoubleQuoted && cursor.byte(0) == b'\\';
            let found = match is_escape {
                // Of the line break behind it nothing is left.
                true if cursor.is_break(1) => {
                    cursor.skip(1);
                    cursor.read_break();
                    continue;
                }
                true => escape(cursor, start).ok()?,
                false => cursor.read()?,
            };
            if found == '\'' && self.form == Form::SingleQuoted {
                cursor.skip(1);
            }
            if !is_blank(found) {
                return Some((start.byte..cursor.mark.byte, found));
            }
        }
    }
}

fn is_blank(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\n' | '\r')
}
