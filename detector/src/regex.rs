//! Regular expressions as Prometheus has them: Go's (`regexp/syntax`), on the engine of Rust's.
//!
//! The text is read by a parser of our own into a tree (`tree`), and the tree becomes what the engine compiles
//! (`translate`): nothing depends on how Rust's dialect would read the text. What Go refuses is refused in Go's words.
//!
//! The characters are those of the Unicode version of the Go that Prometheus is built with: 15.0 for [`Compat::V3`], 13.0 for
//! [`Compat::V2`]. The engine's tables are newer; what has come since is taken out (`unicode`).

mod class;
mod error;
mod parse;
mod template;
mod translate;
mod tree;
mod unicode;

use std::fmt;

use regex_automata::meta;
use regex_automata::util::captures::Captures;
use regex_syntax::hir::{Hir, Look};

pub use error::{Code, Error};
pub use template::Template;

use crate::compat::Compat;
use parse::Flags;

/// The longest text of a regular expression that is read, in bytes.
pub const TEXT_MAX: usize = 64 * 1024;
/// Most weight of one regular expression; a unit is about one state of the engine, at most some 160 bytes.
pub const WEIGHT_MAX: usize = 50_000;
/// The deepest nesting of sequences, alternatives, repetitions and groups in each other; the engine recurses over them.
pub const DEPTH_MAX: u32 = 200;
/// Most memory of the compiled states, in bytes.
const COMPILED_MAX: usize = 16 * 1024 * 1024;

/// A regular expression that was read and is not compiled yet.
#[derive(Debug, Clone)]
pub struct Parsed {
    text: String,
    hir: Hir,
    weight: usize,
    groups: Vec<Option<String>>,
}

impl Parsed {
    /// Reads one that may match anywhere in a text, as Go's `regexp.Compile` does.
    ///
    /// # Errors
    ///
    /// What Go says of it; or [`Error::TooLarge`], which is ours.
    pub fn anywhere(text: &str, compat: Compat) -> Result<Self, Error> {
        Self::read(text, text, Flags::default(), compat)
    }

    /// Reads that of a label matcher, which must match the whole value (`model/labels/regexp.go`).
    ///
    /// # Errors
    ///
    /// See [`anywhere`](Self::anywhere).
    pub fn matcher(text: &str, compat: Compat) -> Result<Self, Error> {
        match compat {
            // Reads the text by itself, and puts the anchors around what it has read.
            Compat::V3 => {
                let flags = Flags {
                    dot_newline: true,
                    ..Flags::default()
                };
                let inner = Self::read(text, text, flags, compat)?;
                let anchored = [Hir::look(Look::Start), inner.hir, Hir::look(Look::End)];
                Ok(Self {
                    hir: Hir::concat(anchored.into()),
                    ..inner
                })
            }
            // Reads both the text with its anchors and the text by itself.
            Compat::V2 => {
                let whole = Self::whole(text, compat)?;
                Self::anywhere(text, compat)?;
                Ok(whole)
            }
        }
    }

    /// Reads that of `label_replace` and of relabelling, which must match the whole value and is read together with its
    /// anchors (`promql/functions.go`): `a)|(b` is one.
    ///
    /// # Errors
    ///
    /// See [`anywhere`](Self::anywhere).
    pub fn whole(text: &str, compat: Compat) -> Result<Self, Error> {
        let anchored = match compat {
            Compat::V2 => format!("^(?:{text})$"),
            Compat::V3 => format!("^(?s:{text})$"),
        };
        Self::read(text, &anchored, Flags::default(), compat)
    }

    fn read(text: &str, anchored: &str, flags: Flags, compat: Compat) -> Result<Self, Error> {
        if text.len() > TEXT_MAX {
            return Err(Error::TooLong(text.len()));
        }
        let (tree, groups) = parse::parse(anchored, flags, compat)?;
        if tree.height > DEPTH_MAX {
            return Err(Error::TooDeep);
        }
        let hir = translate::translate(&tree);
        let weight = translate::weight(&hir);
        if weight > WEIGHT_MAX {
            return Err(Error::TooLarge(weight));
        }
        Ok(Self {
            text: text.to_owned(),
            hir,
            weight,
            groups,
        })
    }

    /// About how many states the engine makes of it.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Compiles it.
    ///
    /// # Errors
    ///
    /// [`Error::Engine`], which a weight within bounds should never lead to.
    pub fn compile(self) -> Result<Regex, Error> {
        let config = meta::Config::new()
            .nfa_size_limit(Some(COMPILED_MAX))
            .hybrid_cache_capacity(2 * 1024 * 1024);
        let engine = meta::Builder::new()
            .configure(config)
            .build_from_hir(&self.hir)
            .map_err(|error| Error::Engine(error.to_string()))?;
        Ok(Regex {
            text: self.text,
            engine,
            groups: self.groups,
        })
    }
}

/// A compiled regular expression.
#[derive(Clone)]
pub struct Regex {
    text: String,
    engine: meta::Regex,
    /// The names of the groups; the first is the whole match.
    groups: Vec<Option<String>>,
}

impl fmt::Debug for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Regex({:?})", self.text)
    }
}

impl Regex {
    /// Reads and compiles one that may match anywhere; see [`Parsed::anywhere`].
    ///
    /// ```
    /// use firedrill_detector::{Compat, regex::Regex};
    ///
    /// let regex = Regex::new(r"[+--]\p{Greek}", Compat::V3).unwrap();
    /// assert!(regex.is_match("1,α"));
    /// let error = Regex::new("[a", Compat::V3).unwrap_err();
    /// assert_eq!(error.to_string(), "error parsing regexp: missing closing ]: `[a`");
    /// ```
    ///
    /// # Errors
    ///
    /// See [`Parsed::anywhere`].
    pub fn new(text: &str, compat: Compat) -> Result<Self, Error> {
        Parsed::anywhere(text, compat)?.compile()
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches the text.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.engine.is_match(text)
    }

    /// The names of the groups, in order; the first stands for the whole match and has none.
    #[must_use]
    pub fn groups(&self) -> &[Option<String>] {
        &self.groups
    }

    /// The first match in the text and its groups, as ranges of bytes; `None` for a group that takes no part in it.
    #[must_use]
    pub fn find_groups(&self, text: &str) -> Option<Vec<Option<std::ops::Range<usize>>>> {
        let captures = self.captures(text, 0)?;
        let group = |at| captures.get_group(at).map(|span| span.start..span.end);
        Some((0..self.groups.len()).map(group).collect())
    }

    fn captures(&self, text: &str, from: usize) -> Option<Captures> {
        let mut captures = self.engine.create_captures();
        let input = regex_automata::Input::new(text).range(from..);
        self.engine.search_captures(&input, &mut captures);
        captures.is_match().then_some(captures)
    }

    /// The template with the groups of the first match put in; `None` if there is no match, or if the result could be
    /// longer than `most` bytes ([`Expanded::TooLong`]).
    #[must_use]
    pub fn expand(&self, template: &Template, text: &str, most: usize) -> Expanded {
        let Some(captures) = self.captures(text, 0) else {
            return Expanded::NoMatch;
        };
        let mut expanded = String::new();
        match template.expand(&captures, text, most, &mut expanded) {
            true => Expanded::Text(expanded),
            false => Expanded::TooLong,
        }
    }

    /// The text with the template in the place of every match (Go's `ReplaceAllString`); `None` if the result is longer
    /// than `most` bytes.
    #[must_use]
    pub fn replace_all(&self, text: &str, template: &Template, most: usize) -> Option<String> {
        let mut out = String::new();
        // Where what is not copied yet begins, and where to look on.
        let (mut copied, mut from) = (0, 0);
        while from <= text.len() {
            let Some(captures) = self.captures(text, from) else {
                break;
            };
            let found = captures.get_match().map(|found| found.range())?;
            out.push_str(&text[copied..found.start]);
            // An empty match right behind the one before is none.
            if (found.end > copied || found.start == 0)
                && !template.expand(&captures, text, most, &mut out)
            {
                return None;
            }
            copied = found.end;
            from = match text[from..].chars().next() {
                Some(next) if from + next.len_utf8() > found.end => from + next.len_utf8(),
                Some(_) => found.end,
                None => found.end + 1,
            };
        }
        out.push_str(&text[copied..]);
        (out.len() <= most).then_some(out)
    }
}

/// What came of [`Regex::expand`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expanded {
    /// Nothing matched.
    NoMatch,
    /// The result could be too long.
    TooLong,
    /// The template with its groups.
    Text(String),
}

#[cfg(test)]
mod tests;
