//! What is wrong with a file, and where.

use crate::text::{printable, printable_lines};
use std::fmt;

/// Most problems of a file that are told; nobody reads more, and a hostile file may have millions.
const PROBLEMS_MAX: usize = 1000;
/// Longest message or hint, characters; it may quote what is in the file.
const MESSAGE_MAX: usize = 2000;

/// A place in a text; both numbers count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// A part of a text, possibly of several lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region {
    /// Its first character.
    pub start: Position,
    /// The character after its last one.
    pub end: Position,
}

/// One problem of a file a person wrote. Displays as `file:line:column: message`, with the hint on a second line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What was found.
    pub message: String,
    /// What is accepted, or what to do.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names and quotes come from files, and must neither steer a terminal nor look like another problem.
        let (file, message) = (printable(&self.file), printable(&self.message));
        write!(f, "{file}:{}:{}: {message}", self.line, self.column)?;
        match &self.hint {
            Some(hint) => write!(f, "\n    {}", printable_lines(hint)),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

/// What to make of keys that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownKeys {
    /// Each is a problem.
    #[default]
    Refused,
    /// They are nobody's business.
    Ignored,
}

/// Collects the problems of one file.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    file: String,
    unknown_keys: UnknownKeys,
    found: Vec<Problem>,
    /// How many there are beyond [`PROBLEMS_MAX`].
    untold: usize,
}

impl Problems {
    /// No problems of `file` yet.
    pub fn new(file: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            ..Self::default()
        }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// None yet of the same file, read in the same way.
    pub(crate) fn of_same_file(&self) -> Self {
        Self::new(self.file.clone()).with_unknown_keys(self.unknown_keys)
    }

    /// Adds those found elsewhere.
    pub(crate) fn extend(&mut self, other: Self) {
        self.untold += other.untold;
        for problem in other.found {
            match self.found.len() == PROBLEMS_MAX {
                true => self.untold += 1,
                false => self.found.push(problem),
            }
        }
    }

    /// The same, with something else to be made of unknown keys.
    #[must_use]
    pub fn with_unknown_keys(self, unknown_keys: UnknownKeys) -> Self {
        Self {
            unknown_keys,
            ..self
        }
    }

    pub(crate) fn unknown_keys(&self) -> UnknownKeys {
        self.unknown_keys
    }

    /// Adds a problem.
    pub fn push(&mut self, at: Position, message: impl Into<String>) {
        self.add(at, message.into(), None);
    }

    /// Adds a problem with what to do about it.
    pub fn push_with_hint(
        &mut self,
        at: Position,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(at, message.into(), Some(hint.into()));
    }

    fn add(&mut self, at: Position, message: String, hint: Option<String>) {
        if self.found.len() == PROBLEMS_MAX {
            self.untold += 1;
            return;
        }
        self.found.push(Problem {
            file: self.file.clone(),
            line: at.line,
            column: at.column,
            message: shortened(message),
            hint: hint.map(shortened),
        });
    }

    /// Whether nothing is wrong so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many problems there are so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.found.len() + self.untold
    }

    /// The problems in order of their place; of very many, the first thousand found, and how many more there are.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<Problem> {
        self.found
            .sort_by_key(|problem| (problem.line, problem.column));
        if let (Some(last), 1..) = (self.found.last(), self.untold) {
            let (line, column) = (last.line, last.column);
            self.found.push(Problem {
                file: self.file,
                line,
                column,
                message: format!("{} more problems are not listed", self.untold),
                hint: Some("correct the others first".into()),
            });
        }
        self.found
    }
}

/// The text, its middle left out when it is too long.
fn shortened(text: String) -> String {
    let count = text.chars().count();
    if count <= MESSAGE_MAX {
        return text;
    }
    let half = MESSAGE_MAX / 2;
    let start: String = text.chars().take(half).collect();
    let end: String = text.chars().skip(count - half).collect();
    format!("{start} [{} characters] {end}", count - 2 * half)
}
