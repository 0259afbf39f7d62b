//! From text to tree, as Go's `regexp/syntax` reads it with the flags of `regexp.Compile`.

mod brackets;
mod escape;
mod group;
mod repeat;

use regex_syntax::hir::{ClassUnicode, Look};

use super::error::{Code, Error};
use super::tree::{Kind, Node};
use super::{class, unicode};
use crate::compat::Compat;

/// Most levels of nesting.
const HEIGHT_MAX: u32 = 1000;
/// Most ranges of characters in all classes together.
const RANGES_MAX: usize = super::WEIGHT_MAX;

/// What `(?imsU)` changes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    /// `i`: characters that differ in case only are taken for each other.
    pub(super) fold: bool,
    /// `m`: `^` and `$` match at lines, too.
    pub(super) multi_line: bool,
    /// `s`: `.` matches a newline, too.
    pub(super) dot_newline: bool,
    /// `U`: repetitions are as short as possible, and those with a `?` as long.
    pub(super) ungreedy: bool,
}

/// Reads a text; with the tree come the names of the groups, the first of which stands for the whole.
pub(super) fn parse(
    text: &str,
    flags: Flags,
    compat: Compat,
) -> Result<(Node, Vec<Option<String>>), Error> {
    let mut parser = Parser {
        text,
        at: 0,
        compat,
        flags,
        open: Vec::new(),
        parts: Vec::new(),
        alternatives: Vec::new(),
        groups: vec![None],
        ranges: 0,
    };
    parser.run()?;
    let whole = parser.close_alternatives()?;
    if !parser.open.is_empty() {
        return Err(syntax(Code::MissingParen, text));
    }
    Ok((whole, parser.groups))
}

fn syntax(code: Code, text: &str) -> Error {
    Error::Syntax {
        code,
        text: text.to_owned(),
    }
}

struct Parser<'t> {
    text: &'t str,
    /// The byte to be read next.
    at: usize,
    compat: Compat,
    flags: Flags,
    /// What is around the groups that are open.
    open: Vec<Outside>,
    /// The sequence that is being read.
    parts: Vec<Node>,
    /// The alternatives before it.
    alternatives: Vec<Node>,
    groups: Vec<Option<String>>,
    ranges: usize,
}

/// What is gone on with when a group ends.
struct Outside {
    /// The group's number, if it captures.
    capture: Option<u32>,
    flags: Flags,
    parts: Vec<Node>,
    alternatives: Vec<Node>,
}

impl<'t> Parser<'t> {
    fn run(&mut self) -> Result<(), Error> {
        // Where the repetition right before begins, if there is one.
        let mut repeated = None;
        while let Some(char) = self.peek() {
            let start = self.at;
            let before = repeated.take();
            match char {
                '(' if self.rest().starts_with("(?") => self.perl_group()?,
                '(' => {
                    self.bump();
                    self.open_group(None)?;
                }
                '|' => {
                    self.bump();
                    self.close_sequence()?;
                }
                ')' => self.close_group()?,
                '^' if self.flags.multi_line => self.look(1, Look::StartLF)?,
                '^' => self.look(1, Look::Start)?,
                '$' if self.flags.multi_line => self.look(1, Look::EndLF)?,
                '$' => self.look(1, Look::End)?,
                '.' => {
                    self.bump();
                    let class = match self.flags.dot_newline {
                        true => class::any(),
                        false => class::any_but_newline(),
                    };
                    self.push(Node::leaf(Kind::Class(class)))?;
                }
                '[' => self.brackets()?,
                '*' | '+' | '?' | '{' => {
                    if self.repetition(before)? {
                        repeated = Some(start);
                    }
                }
                '\\' => self.backslash()?,
                char => {
                    self.bump();
                    self.literal(char.into())?;
                }
            }
        }
        Ok(())
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes the next character.
    fn bump(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.at += char.len_utf8();
        Some(char)
    }

    /// What was read since `start`.
    fn since(&self, start: usize) -> &'t str {
        &self.text[start..self.at]
    }

    fn push(&mut self, node: Node) -> Result<(), Error> {
        if let Kind::Class(class) = &node.kind {
            self.count_ranges(class.ranges().len())?;
        }
        self.check_height(&node)?;
        self.parts.push(node);
        Ok(())
    }

    fn check_height(&self, node: &Node) -> Result<(), Error> {
        match node.height > HEIGHT_MAX {
            true => Err(syntax(Code::NestingDepth, self.text)),
            false => Ok(()),
        }
    }

    /// Bounds what classes take; a short text can name many characters.
    fn count_ranges(&mut self, ranges: usize) -> Result<(), Error> {
        self.ranges = self.ranges.saturating_add(ranges);
        match self.ranges > RANGES_MAX {
            true => Err(Error::TooLarge(self.ranges)),
            false => Ok(()),
        }
    }

    fn look(&mut self, length: usize, look: Look) -> Result<(), Error> {
        self.at += length;
        self.push(Node::leaf(Kind::Look(look)))
    }

    /// One character, a surrogate perhaps, which no text has.
    fn literal(&mut self, code: u32) -> Result<(), Error> {
        let char = char::from_u32(code);
        self.push(Node::leaf(match char {
            Some(char) if !self.flags.fold => Kind::Literal(char),
            _ => Kind::Class(self.folded(class::range(code, code))),
        }))
    }

    /// The characters, with those of other cases if they are taken for each other.
    fn folded(&self, set: ClassUnicode) -> ClassUnicode {
        match self.flags.fold {
            true => unicode::fold(set, self.compat),
            false => set,
        }
    }

    /// Ends the sequence at a `|`.
    fn close_sequence(&mut self) -> Result<(), Error> {
        let sequence = Node::concat(std::mem::take(&mut self.parts));
        self.check_height(&sequence)?;
        self.alternatives.push(sequence);
        Ok(())
    }

    /// Ends the sequence and its alternatives.
    fn close_alternatives(&mut self) -> Result<Node, Error> {
        self.close_sequence()?;
        let node = Node::alternate(std::mem::take(&mut self.alternatives));
        self.check_height(&node)?;
        Ok(node)
    }
}
