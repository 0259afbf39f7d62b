//! What a match is replaced by: `$1`, `${1}`, `$name`, `${name}`, and `$$` for a dollar, as Go's `Regexp.Expand` reads them.

use regex_automata::util::captures::Captures;
use regex_syntax::hir::ClassUnicode;

use super::{Regex, unicode};
use crate::compat::Compat;

/// A replacement, read for the groups of one regular expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The first of these groups that takes part in the match.
    Groups(Vec<usize>),
}

impl Template {
    /// Reads a replacement for matches of `regex`. Every text is one: a `$` without a name stands for itself, and a group
    /// that there is not for nothing.
    ///
    /// ```
    /// use firedrill_detector::{Compat, regex::{Expanded, Regex, Template}};
    ///
    /// let regex = Regex::new("(?P<host>[a-z]+):([0-9]+)", Compat::V3).unwrap();
    /// let template = Template::new("${host}x $2 $$1 $2x", &regex, Compat::V3);
    /// assert_eq!(regex.expand(&template, "db:80", 1000), Expanded::Text("dbx 80 $1 ".into()));
    /// ```
    #[must_use]
    pub fn new(text: &str, regex: &Regex, compat: Compat) -> Self {
        let mut template = Self { parts: Vec::new() };
        let mut words = Words { compat, set: None };
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            template.push_text(before);
            if let Some(after) = after.strip_prefix('$') {
                template.push_text("$");
                rest = after;
            } else if let Some((name, after)) = name(after, &mut words) {
                template.parts.push(Part::Groups(groups(name, regex)));
                rest = after;
            } else {
                template.push_text("$");
                rest = after;
            }
        }
        template.push_text(rest);
        template
    }

    fn push_text(&mut self, text: &str) {
        match self.parts.last_mut() {
            Some(Part::Text(last)) => last.push_str(text),
            _ if text.is_empty() => {}
            _ => self.parts.push(Part::Text(text.to_owned())),
        }
    }

    /// Appends it with the groups of a match; `false`, and no more than half done, if `out` would get longer than `most` bytes.
    pub(super) fn expand(
        &self,
        captures: &Captures,
        text: &str,
        most: usize,
        out: &mut String,
    ) -> bool {
        self.parts.iter().all(|part| {
            let added = match part {
                Part::Text(text) => text.as_str(),
                Part::Groups(groups) => groups
                    .iter()
                    .find_map(|&group| captures.get_group(group))
                    .map_or("", |span| &text[span.start..span.end]),
            };
            let fits = out.len().saturating_add(added.len()) <= most;
            if fits {
                out.push_str(added);
            }
            fits
        })
    }
}

/// The name behind a `$`, as long as it can be, and what follows.
fn name<'t>(text: &'t str, words: &mut Words) -> Option<(&'t str, &'t str)> {
    let (text, in_braces) = match text.strip_prefix('{') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let end = text.find(|char| !words.has(char)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let rest = match in_braces {
        true => rest.strip_prefix('}')?,
        false => rest,
    };
    (!name.is_empty()).then_some((name, rest))
}

/// The characters of names: letters, digits and `_`.
struct Words {
    compat: Compat,
    /// Those beyond ASCII, once they are asked for.
    set: Option<ClassUnicode>,
}

impl Words {
    fn has(&mut self, char: char) -> bool {
        if char.is_ascii() {
            return char.is_ascii_alphanumeric() || char == '_';
        }
        let set = self.set.get_or_insert_with(|| {
            let mut set = ClassUnicode::empty();
            for category in ["L", "Nd"] {
                set.union(
                    &unicode::named(category, false, self.compat)
                        .unwrap_or_else(ClassUnicode::empty),
                );
            }
            set
        });
        let ranges = set.ranges();
        let after = ranges.partition_point(|range| range.start() <= char);
        after > 0 && ranges[after - 1].end() >= char
    }
}

/// The groups that a name means: the one with that number, unless it is written with zeros in front, or those so called.
fn groups(name: &str, regex: &Regex) -> Vec<usize> {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && (name == "0" || !name.starts_with('0')) && name.len() <= 9 {
        return vec![name.parse().unwrap_or(usize::MAX)];
    }
    let named = |group: &Option<String>| group.as_deref() == Some(name);
    let found = regex.groups().iter().enumerate();
    found
        .filter(|(_, group)| named(group))
        .map(|(at, _)| at)
        .collect()
}
